//! A manifest as a small tree that remembers its lines: the same for TOML and JSON.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// A value and where it stands.
pub(super) struct Node {
    pub(super) line: Option<u32>,
    pub(super) value: Value,
}

/// What a value is.
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Flag(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// What no key of a manifest holds: a date, a fraction, null. As written.
    Other(&'static str, String),
}

/// A key of a table and its value.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: Option<u32>,
    pub(super) node: Node,
}

impl Node {
    /// # Errors
    ///
    /// Every place where the text is not TOML.
    pub(super) fn from_toml(text: &str) -> Result<Self, Vec<Problem>> {
        let lines = Lines::of(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { line: Some(1), value: lines.table(table.get_ref()) });
        }
        Err(errors
            .iter()
            .map(|error| Problem {
                line: error.span().map(|span| lines.at(span.start)),
                key: String::new(),
                text: format!("this is not TOML: {}", error.message().lines().collect::<Vec<_>>().join(", ")),
            })
            .collect())
    }

    pub(super) fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match value {
            Json::String(text) => Value::Text(text.clone()),
            Json::Bool(flag) => Value::Flag(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Whole(whole),
                None => Value::Other("a number that is not whole", number.to_string()),
            },
            Json::Array(items) => Value::List(items.iter().map(Self::from_json).collect()),
            Json::Object(entries) => Value::Table(
                entries
                    .iter()
                    .map(|(key, value)| Entry { key: key.clone(), line: None, node: Self::from_json(value) })
                    .collect(),
            ),
            Json::Null => Value::Other("null", "null".into()),
        };
        Self { line: None, value }
    }

    /// The same as JSON. What no key of a manifest holds becomes the text it was written as.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) | Value::Other(_, text) => text.clone().into(),
            Value::Whole(whole) => (*whole).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json()));
                serde_json::Value::Object(entries.collect())
            }
        }
    }

    /// What kind of thing it is, for a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "text",
            Value::Whole(_) => "a whole number",
            Value::Flag(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(kind, _) => kind,
        }
    }

    /// The value as it was written, if it is short.
    pub(super) fn shown(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(crate::ids::shown(text)),
            Value::Whole(whole) => Some(whole.to_string()),
            Value::Flag(flag) => Some(flag.to_string()),
            Value::Other(_, text) => Some(crate::ids::shown(text)),
            Value::List(_) | Value::Table(_) => None,
        }
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn at(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            line: Some(self.at(key.span().start)),
            node: self.node(value),
        });
        Value::Table(entries.collect())
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let value_of = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(whole) => match i64::from_str_radix(whole.as_str(), whole.radix()) {
                Ok(number) => Value::Whole(number),
                Err(_) => Value::Other("a number with too many digits", whole.as_str().into()),
            },
            DeValue::Float(float) => Value::Other("a number that is not whole", float.as_str().into()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(date) => Value::Other("a date", date.to_string()),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node { line: Some(self.at(value.span().start)), value: value_of }
    }
}
