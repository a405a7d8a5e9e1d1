//! Reading a connection's settings: every problem is collected, with its key and the way out.
//!
//! Not here: what the settings of one kind mean.

use std::ops::RangeInclusive;
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use jackfield_core::breaker;
use jackfield_core::ports::connector::{Secrets, SettingProblem};
use jackfield_core::words::meant;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::tls;

/// One table of settings being read.
pub(crate) struct Reader<'a> {
    /// Dotted, with a dot at the end; empty for the outermost.
    at: String,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
    /// The keys are the operator's own: none is unknown.
    any_key: bool,
    problems: Vec<SettingProblem>,
}

impl<'a> Reader<'a> {
    /// Reads the outermost table.
    pub(crate) fn new(map: &'a Map<String, Value>) -> Self {
        Self::at(String::new(), map)
    }

    fn at(at: String, map: &'a Map<String, Value>) -> Self {
        Self { at, map, known: Vec::new(), any_key: false, problems: Vec::new() }
    }

    /// Notes a problem with `key`.
    pub(crate) fn problem(&mut self, key: &str, problem: impl Into<String>) {
        self.problems.push(SettingProblem { key: format!("{}{key}", self.at), problem: problem.into() });
    }

    /// How many problems were noted.
    pub(crate) fn problems(&self) -> usize {
        self.problems.len()
    }

    /// The value of `key`, if there.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map.get(key).filter(|v| !v.is_null())
    }

    /// Text, if there.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<&'a str> {
        match self.value(key)? {
            Value::String(text) => Some(text),
            other => {
                self.problem(key, format!("is {}, should be text", kind(other)));
                None
            }
        }
    }

    /// Text that must be there and not empty.
    pub(crate) fn required(&mut self, key: &'static str, example: &str) -> Option<&'a str> {
        let before = self.problems.len();
        match self.text(key) {
            Some(text) if !text.is_empty() => Some(text),
            _ => {
                if self.problems.len() == before {
                    self.problem(key, format!("is missing; for example {example}"));
                }
                None
            }
        }
    }

    /// A length of time such as `30s`, from a millisecond up to `most`.
    pub(crate) fn duration(&mut self, key: &'static str, default: Duration, most: Duration) -> Duration {
        let Some(text) = self.text(key) else { return default };
        match duration(text) {
            Some(d) if !d.is_zero() && d <= most => d,
            Some(_) => {
                self.problem(key, format!("{text} is out of range; more than 0, at most {}s", most.as_secs()));
                default
            }
            None => {
                self.problem(key, format!("`{text}` is no length of time; write `500ms`, `30s` or `2m`"));
                default
            }
        }
    }

    /// A whole number within `range`; also as text, as a command line gives it.
    pub(crate) fn whole(&mut self, key: &'static str, default: u16, range: RangeInclusive<u16>) -> u16 {
        let Some(value) = self.value(key) else { return default };
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        match number.and_then(|n| u16::try_from(n).ok()).filter(|n| range.contains(n)) {
            Some(number) => number,
            None => {
                let (least, most) = range.into_inner();
                self.problem(key, format!("is {value}, should be a whole number from {least} to {most}"));
                default
            }
        }
    }

    /// Yes or no; also as text, as a command line gives it.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text == "true" || text == "false" => Some(text == "true"),
            other => {
                self.problem(key, format!("is {other}, should be true or false"));
                None
            }
        }
    }

    /// PEM text of authorities under `ca`.
    pub(crate) fn ca(&mut self) -> Option<String> {
        let ca = self.text("ca").map(str::to_owned);
        if let Some(Err(problem)) = ca.as_deref().map(tls::certificates) {
            self.problem("ca", problem);
        }
        ca
    }

    /// Reads the table `key`, if there, with `read`.
    pub(crate) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Option<T> {
        match self.value(key)? {
            Value::Object(map) => {
                let at = format!("{}{key}.", self.at);
                let mut inner = Reader::at(at, map);
                let read = read(&mut inner);
                inner.unknown();
                self.problems.append(&mut inner.problems);
                read
            }
            other => {
                self.problem(key, format!("is {}, should be a table", kind(other)));
                None
            }
        }
    }

    /// Every key and value of this table as text; for tables whose keys are the operator's.
    pub(crate) fn pairs(&mut self) -> Vec<(&'a str, &'a str)> {
        self.any_key = true;
        let mut pairs = Vec::new();
        for (key, value) in self.map {
            match value {
                Value::String(text) => pairs.push((key.as_str(), text.as_str())),
                other => self.problem(key, format!("is {}, should be text", kind(other))),
            }
        }
        pairs
    }

    /// The same for what is no connection, such as a trigger: the keys are this reader's alone.
    pub(crate) fn finish_alone(mut self) -> Vec<SettingProblem> {
        self.unknown();
        self.problems
    }

    /// All problems, with the keys nobody asked for; or none.
    pub(crate) fn finish(mut self) -> Vec<SettingProblem> {
        // What connections of every kind have.
        self.known.extend(breaker::settings::KEYS);
        if let Err(problems) = breaker::Settings::read(self.map) {
            self.problems.extend(problems);
        }
        self.unknown();
        self.problems
    }

    fn unknown(&mut self) {
        if self.any_key {
            return;
        }
        let unknown: Vec<&String> = self.map.keys().filter(|k| !self.known.contains(&k.as_str())).collect();
        for key in unknown {
            let problem = match meant(key, self.known.iter().copied()) {
                Some(known) => format!("is not a setting; did you mean `{}{known}`?", self.at),
                None => format!("is not a setting; there are {}", self.known.join(", ")),
            };
            self.problem(key, problem);
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// Reads `500ms`, `30s`, `2m` or `1h`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// The value of the secret `name`, fit to be sent in one line.
///
/// # Errors
///
/// It is not among `secrets`, it is empty, or it holds a line break or another control character.
pub(crate) fn secret<'a>(secrets: &'a Secrets, name: &str) -> Result<&'a SecretString, SettingProblem> {
    let problem = |problem: String| SettingProblem { key: "credential.secret".into(), problem };
    let value = secrets.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let value = value.ok_or_else(|| {
        problem(format!("the secret `{name}` is not set; set it with `jackfield secrets set {name}`"))
    })?;
    let text = value.expose_secret();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(problem(format!("the secret `{name}` is empty or holds a line break or control character")));
    }
    Ok(value)
}

/// A pattern in which `*` stays within a folder, and `**` does not.
pub(crate) fn glob(text: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|e| format!("`{text}` is no pattern ({}); write `*.csv`, `2026/*/*.xml` or `**`", e.kind()))
}
