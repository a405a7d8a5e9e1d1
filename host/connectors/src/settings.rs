//! Reading a connection's settings: every problem is collected, with its key and the way out.
//!
//! Not here: what the settings of one kind mean.

use std::time::Duration;

use jackfield_core::breaker;
use jackfield_core::ports::connector::SettingProblem;
use jackfield_core::words::meant;
use serde_json::{Map, Value};

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
