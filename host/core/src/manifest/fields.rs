//! Reading single keys out of a tree, and complaining about them: names, numbers, sizes, lists.
//!
//! Not here: which keys there are; see [`super::read`].

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::node::{Entry, Node, Value};
use super::{Problem, units};
use crate::words::meant;

/// Where a value stands, for problems about it.
#[derive(Clone)]
pub(super) struct Place {
    /// What it is a part of: ``component `sync` ``; empty at the top.
    subject: String,
    /// Its key within that.
    key: String,
    /// Its whole key, dotted.
    full: String,
    line: Option<u32>,
}

impl Place {
    pub(super) fn top() -> Self {
        Self { subject: String::new(), key: String::new(), full: String::new(), line: None }
    }

    /// The same place, spoken of as `subject` and known by `key`.
    pub(super) fn called(&self, subject: String, full: String) -> Self {
        Self { subject, key: String::new(), full, line: self.line }
    }

    fn below(&self, key: &str, line: Option<u32>) -> Self {
        let join = |whole: &str| if whole.is_empty() { key.to_owned() } else { format!("{whole}.{key}") };
        Self { subject: self.subject.clone(), key: join(&self.key), full: join(&self.full), line: line.or(self.line) }
    }

    fn item(&self, index: usize, line: Option<u32>) -> Self {
        Self {
            subject: self.subject.clone(),
            key: format!("{}[{index}]", self.key),
            full: format!("{}[{index}]", self.full),
            line: line.or(self.line),
        }
    }
}

/// A value and its place.
#[derive(Clone)]
pub(super) struct At<'n> {
    pub(super) place: Place,
    pub(super) node: &'n Node,
}

/// A table whose keys are known.
pub(super) struct Fields<'n> {
    pub(super) place: Place,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, key: &str) -> Option<At<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(at(&self.place, entry))
    }

    /// All of them, for a table whose keys are names.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'n str, At<'n>)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), at(&self.place, entry)))
    }
}

fn at<'n>(place: &Place, entry: &'n Entry) -> At<'n> {
    // The key's line: for `[component.sync]` it is the header, for `a = {` the beginning.
    At { place: place.below(&entry.key, entry.line.or(entry.node.line)), node: &entry.node }
}

/// What was found wrong so far. Every reader says what is wrong itself and then answers `None`.
#[derive(Default)]
pub(super) struct Complaints(pub(super) Vec<Problem>);

impl Complaints {
    pub(super) fn say(&mut self, place: &Place, text: impl Display) {
        let about = match (place.subject.as_str(), place.key.as_str()) {
            ("", "") => String::new(),
            ("", key) => format!("{key} "),
            (subject, "") => format!("{subject} "),
            (subject, key) => format!("{subject}: {key} "),
        };
        self.0.push(Problem { line: place.line, key: place.full.clone(), text: format!("{about}{text}") });
    }

    /// Complains of a value: ``limits.memory `4GiB` is more than …``.
    pub(super) fn refuse(&mut self, at: &At<'_>, text: impl Display) {
        match at.node.shown() {
            Some(shown) => self.say(&at.place, format_args!("`{shown}` {text}")),
            None => self.say(&at.place, text),
        }
    }

    fn not(&mut self, at: &At<'_>, wanted: &str) {
        let kind = at.node.kind();
        self.refuse(at, format_args!("is {kind}; it must be {wanted}"));
    }

    /// The value as a table that has no keys but `known`.
    pub(super) fn fields<'n>(&mut self, at: &At<'n>, known: &[&str]) -> Option<Fields<'n>> {
        let fields = self.table(at)?;
        for entry in fields.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let place = fields.place.below(&crate::ids::shown(&entry.key), entry.line);
            match meant(&entry.key, known.iter().copied()) {
                Some(meant) => self.say(&place, format_args!("is not a key here; did you mean `{meant}`?")),
                None => self.say(&place, format_args!("is not a key here; there are {}", known.join(", "))),
            }
        }
        Some(fields)
    }

    /// The value as a table whose keys are names.
    pub(super) fn table<'n>(&mut self, at: &At<'n>) -> Option<Fields<'n>> {
        if let Value::Table(entries) = &at.node.value {
            return Some(Fields { place: at.place.clone(), entries });
        }
        self.not(at, "a table");
        None
    }

    /// The value of a key that must be there; `example` is a line to write.
    pub(super) fn required<'n>(&mut self, fields: &Fields<'n>, key: &str, example: &str) -> Option<At<'n>> {
        let found = fields.get(key);
        if found.is_none() {
            self.missing(fields, key, format_args!("is missing: write `{example}`"));
        }
        found
    }

    /// Complains of a key that is not there.
    pub(super) fn missing(&mut self, fields: &Fields<'_>, key: &str, text: impl Display) {
        self.say(&fields.place.below(key, None), text);
    }

    pub(super) fn text<'n>(&mut self, at: &At<'n>) -> Option<&'n str> {
        if let Value::Text(text) = &at.node.value {
            return Some(text);
        }
        self.not(at, "text in quotes");
        None
    }

    /// Text of at most `most` bytes, without control characters, not empty.
    pub(super) fn line(&mut self, at: &At<'_>, most: usize) -> Option<String> {
        let text = self.text(at)?;
        if text.trim().is_empty() {
            self.say(&at.place, "is empty");
        } else if text.len() > most {
            self.say(&at.place, format_args!("has {} bytes; the most are {most}", text.len()));
        } else if text.chars().any(char::is_control) {
            self.refuse(at, "has a line break or control character; write one plain line");
        } else {
            return Some(text.to_owned());
        }
        None
    }

    /// Text that a type checks itself.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, at: &At<'_>) -> Option<T> {
        match self.text(at)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.say(&at.place, format_args!("is refused: {error}"));
                None
            }
        }
    }

    /// One of these words.
    pub(super) fn word<'n>(&mut self, at: &At<'n>, words: &[&str]) -> Option<&'n str> {
        let word = self.text(at)?;
        if words.contains(&word) {
            return Some(word);
        }
        self.refuse(at, format_args!("is not known; there are {}{}", words.join(", "), did_you_mean(word, words)));
        None
    }

    pub(super) fn flag(&mut self, at: &At<'_>) -> Option<bool> {
        if let Value::Flag(flag) = at.node.value {
            return Some(flag);
        }
        self.not(at, "true or false");
        None
    }

    pub(super) fn whole(&mut self, at: &At<'_>, within: RangeInclusive<u32>) -> Option<u32> {
        let Value::Whole(whole) = at.node.value else {
            self.not(at, "a whole number");
            return None;
        };
        let fits = u32::try_from(whole).ok().filter(|whole| within.contains(whole));
        if fits.is_none() {
            self.refuse(at, format_args!("is not from {} to {}", within.start(), within.end()));
        }
        fits
    }

    /// A size in bytes: text with a unit, or a whole number of bytes.
    pub(super) fn size(&mut self, at: &At<'_>, within: RangeInclusive<u64>) -> Option<u64> {
        let bytes = match &at.node.value {
            Value::Whole(whole) => u64::try_from(*whole).map_err(|_| "is not a size: it is below zero".to_owned()),
            Value::Text(text) => units::size(text),
            _ => {
                self.not(at, "a size, like \"64MiB\"");
                return None;
            }
        };
        let checked = bytes.and_then(|bytes| {
            if bytes > *within.end() {
                Err(format!("is more than the most, {}", units::show_size(*within.end())))
            } else if bytes < *within.start() {
                Err(format!("is less than the least, {}", units::show_size(*within.start())))
            } else {
                Ok(bytes)
            }
        });
        self.checked(at, checked)
    }

    pub(super) fn duration(&mut self, at: &At<'_>, within: RangeInclusive<Duration>) -> Option<Duration> {
        let Value::Text(text) = &at.node.value else {
            self.not(at, "a duration, like \"30s\"");
            return None;
        };
        let checked = units::duration(text).and_then(|duration| {
            if duration > *within.end() {
                Err(format!("is more than the most, {}", units::show_duration(*within.end())))
            } else if duration < *within.start() {
                Err(format!("is less than the least, {}", units::show_duration(*within.start())))
            } else {
                Ok(duration)
            }
        });
        self.checked(at, checked)
    }

    fn checked<T>(&mut self, at: &At<'_>, result: Result<T, String>) -> Option<T> {
        result.map_err(|text| self.refuse(at, text)).ok()
    }

    pub(super) fn list<'n>(&mut self, at: &At<'n>) -> Option<Vec<At<'n>>> {
        let Value::List(items) = &at.node.value else {
            self.not(at, "a list");
            return None;
        };
        let items = items.iter().enumerate();
        Some(items.map(|(index, node)| At { place: at.place.item(index, node.line), node }).collect())
    }

    /// A list with something in it.
    pub(super) fn filled_list<'n>(&mut self, at: &At<'n>) -> Option<Vec<At<'n>>> {
        let items = self.list(at)?;
        if items.is_empty() {
            self.say(&at.place, "is an empty list, which allows nothing; name what is allowed");
            return None;
        }
        Some(items)
    }
}

/// `; did you mean `x`?`, if it is near enough.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    meant(word, known.iter().copied()).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
}
