//! The layers of the configuration: defaults, file, variables, flags, laid over each other.
//!
//! Knows names and types by the defaults, and where each value came from. Not here: what values mean.

use std::collections::BTreeMap;

use jackfield_core::ids::shown;
use jackfield_core::words::meant;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{Problem, Problems};

/// Every setting and its default, as shipped in the binary.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Tables whose keys are an operator's own names.
const OPEN: [&str; 1] = ["network.environments"];

/// Variables that begin like settings and are something else: keys, tokens, and what Kubernetes
/// sets for a service of our name.
const NOT_SETTINGS: [&str; 8] = [
    "JACKFIELD_MASTER_KEY",
    "JACKFIELD_CONFIG",
    "JACKFIELD_TOKEN",
    "JACKFIELD_URL",
    "JACKFIELD_ENV",
    "JACKFIELD_SERVICE_",
    "JACKFIELD_PORT",
    "JACKFIELD_TEST_",
];

/// See the module.
pub(super) struct Layers {
    defaults: Table,
    table: Table,
    /// Where each value that is no default came from.
    origins: BTreeMap<String, String>,
    problems: Problems,
}

impl Layers {
    pub(super) fn new() -> Self {
        let defaults: Table = DEFAULTS.parse().expect("a test reads the defaults");
        Self { table: defaults.clone(), defaults, origins: BTreeMap::new(), problems: Problems::default() }
    }

    /// Lays a file over what is there. `name` is what problems call it.
    pub(super) fn file(&mut self, name: &str, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            self.problem(format!("{name}:{line}"), String::new(), error.message().to_owned());
        }
        self.file_table(name, text, &[], table.get_ref());
    }

    fn file_table(&mut self, name: &str, text: &str, above: &[&str], table: &DeTable<'_>) {
        for (key, value) in table {
            let path: Vec<&str> = above.iter().copied().chain([key.get_ref().as_ref()]).collect();
            let dotted = dotted(&path);
            let origin = format!("{name}:{}", line_of(text, key.span().start));
            match (self.expected(&path), value.get_ref()) {
                (Expected::Table, DeValue::Table(inner)) => self.file_table(name, text, &path, inner),
                (Expected::Leaf(default), _) => match plain(value).and_then(|value| typed(&default, value)) {
                    Ok(value) => self.put(&path, value, origin),
                    Err(problem) => self.problem(origin, dotted, problem),
                },
                (Expected::Table, _) => self.problem(origin, dotted, "is a table of settings, not a value".into()),
                (Expected::Nothing, _) => {
                    let problem = self.unknown(&path);
                    self.problem(origin, dotted, problem);
                }
            }
        }
    }

    /// Lays variables over what is there. Gives the names of those that look like settings and are none.
    pub(super) fn variables(&mut self, variables: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
        let mut known = BTreeMap::new();
        leaves(&self.defaults, &mut Vec::new(), &mut |path| {
            known.insert(format!("JACKFIELD_{}", path.join("_").to_uppercase()), path.to_vec());
        });
        let mut strange = Vec::new();
        for (name, text) in variables {
            if let Some(path) = known.get(&name) {
                self.text(&path.iter().map(String::as_str).collect::<Vec<_>>(), &text, &name);
            } else if let Some(path) = open_variable(&name) {
                self.text(&path.iter().map(String::as_str).collect::<Vec<_>>(), &text, &name);
            } else if name.starts_with("JACKFIELD_")
                && !NOT_SETTINGS.iter().any(|other| name.starts_with(other))
                && !(cfg!(debug_assertions) && name.starts_with(super::gauntlet::PREFIX))
            {
                strange.push(name);
            }
        }
        strange
    }

    /// Lays one value, written as text, over what is there.
    pub(super) fn set(&mut self, key: &str, text: &str, origin: &str) {
        self.text(&key.split('.').collect::<Vec<_>>(), text, origin);
    }

    fn text(&mut self, path: &[&str], text: &str, origin: &str) {
        match self.expected(path) {
            Expected::Leaf(default) => match from_text(&default, text) {
                Ok(value) => self.put(path, value, origin.to_owned()),
                Err(problem) => self.problem(origin.to_owned(), dotted(path), problem),
            },
            Expected::Table => {
                self.problem(origin.to_owned(), dotted(path), "is a table of settings: name one of them".into());
            }
            Expected::Nothing => {
                let problem = self.unknown(path);
                self.problem(origin.to_owned(), dotted(path), problem);
            }
        }
    }

    /// The values, where each came from, and every problem so far.
    pub(super) fn end(self) -> (Table, BTreeMap<String, String>, Problems) {
        (self.table, self.origins, self.problems)
    }

    fn expected(&self, path: &[&str]) -> Expected {
        if let Some((_, above)) = path.split_last()
            && OPEN.contains(&dotted(above).as_str())
        {
            return Expected::Leaf(Value::String(String::new()));
        }
        let mut table = &self.defaults;
        for (depth, key) in path.iter().enumerate() {
            match table.get(*key) {
                Some(Value::Table(inner)) if depth + 1 < path.len() => table = inner,
                Some(Value::Table(_)) => return Expected::Table,
                Some(leaf) if depth + 1 == path.len() => return Expected::Leaf(leaf.clone()),
                _ => break,
            }
        }
        Expected::Nothing
    }

    fn unknown(&self, path: &[&str]) -> String {
        let mut known = Vec::new();
        leaves(&self.defaults, &mut Vec::new(), &mut |path| known.push(path.join(".")));
        match meant(&dotted(path), known.iter().map(String::as_str)) {
            Some(known) => format!("is not a setting; did you mean `{known}`?"),
            None => "is not a setting; `jackfield serve --defaults` shows all of them".into(),
        }
    }

    fn put(&mut self, path: &[&str], value: Value, origin: String) {
        let (last, above) = path.split_last().expect("a path has a last key");
        let mut table = &mut self.table;
        for key in above {
            table =
                table.get_mut(*key).and_then(Value::as_table_mut).expect("only paths that the defaults have are put");
        }
        table.insert((*last).to_owned(), value);
        self.origins.insert(dotted(path), origin);
    }

    fn problem(&mut self, origin: String, key: String, text: String) {
        self.problems.0.push(Problem { origin, key, text });
    }
}

enum Expected {
    Table,
    /// Holds the default, for its type.
    Leaf(Value),
    Nothing,
}

fn dotted(path: &[&str]) -> String {
    path.iter().map(|part| shown(part)).collect::<Vec<_>>().join(".")
}

fn open_variable(name: &str) -> Option<Vec<String>> {
    OPEN.iter().find_map(|table| {
        let prefix = format!("JACKFIELD_{}_", table.replace('.', "_").to_uppercase());
        let rest = name.strip_prefix(&prefix)?;
        let mut path: Vec<String> = table.split('.').map(str::to_owned).collect();
        path.push(rest.to_lowercase().replace('_', "-"));
        Some(path)
    })
}

fn leaves(table: &Table, above: &mut Vec<String>, each: &mut dyn FnMut(&[String])) {
    for (key, value) in table {
        above.push(key.clone());
        match value {
            Value::Table(inner) => leaves(inner, above, each),
            _ => each(above),
        }
        above.pop();
    }
}

/// The value without spans.
fn plain(value: &Spanned<DeValue<'_>>) -> Result<Value, String> {
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::Integer)
            .map_err(|_| "is a number too large".to_owned())?,
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Array(list) => Value::Array(list.iter().map(plain).collect::<Result<_, _>>()?),
        DeValue::Float(_) => Value::Float(0.0),
        DeValue::Table(_) => Value::Table(Table::new()),
        DeValue::Datetime(_) => return Err("is not a date".into()),
    })
}

/// `value` if it has the type of `default`. A whole number will do for text: `slots = 4`.
fn typed(default: &Value, value: Value) -> Result<Value, String> {
    match (default, value) {
        (Value::String(_), Value::Integer(number)) => Ok(Value::String(number.to_string())),
        (Value::Array(_), Value::Array(list)) if !list.iter().all(Value::is_str) => {
            Err("must be a list of texts, such as [\"10.0.0.0/8\"]".into())
        }
        (default, value) if default.same_type(&value) => Ok(value),
        (default, value) => Err(format!("must be {}, not {}", kind(default), kind(&value))),
    }
}

fn from_text(default: &Value, text: &str) -> Result<Value, String> {
    match default {
        Value::Integer(_) => {
            text.parse().map(Value::Integer).map_err(|_| format!("must be a whole number, not `{}`", shown(text)))
        }
        Value::Boolean(_) => {
            text.parse().map(Value::Boolean).map_err(|_| format!("must be true or false, not `{}`", shown(text)))
        }
        Value::Array(_) => Ok(Value::Array(
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| part.into()).collect(),
        )),
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}
