//! Listening: which events a trigger of kind `event` hears, by patterns on type, source and attributes.
//!
//! Not here: how an event reaches the triggers that hear it (see [`crate::store::events`]), and who may
//! make one (see [`crate::grant`]).

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::grant::PathPattern;
use crate::ids::shown;

/// The first part of the types of events that the host makes. No guest can make one, and no pattern that begins
/// with a wildcard matches one.
pub const HOST: &str = "jackfield";
/// How the types of events about the ends of runs begin; the state follows.
pub const RUN_ENDS: &str = "jackfield.run.";
/// The longest event type, in bytes.
pub const TYPE_BYTES: usize = 255;
/// The parts of an event type, between dots: matching is done where everybody waits for it.
pub const TYPE_PARTS: usize = 32;
/// The longest name of an extension attribute, in bytes.
pub const NAME_BYTES: usize = 20;

/// What an event trigger listens for: an event must match all three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// Its type matches one of these.
    pub types: Vec<TypePattern>,
    /// Its source matches one of these; any source if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PathPattern>,
    /// Each of these attributes is there, and its value matches.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, ValuePattern>,
}

impl Listen {
    /// Whether it hears `event`.
    #[must_use]
    pub fn hears(&self, event: &Event) -> bool {
        self.types.iter().any(|pattern| pattern.matches(&event.event_type))
            && (self.sources.is_empty() || self.sources.iter().any(|pattern| pattern.matches(&event.source)))
            && self
                .attributes
                .iter()
                .all(|(name, pattern)| attribute(event, name).is_some_and(|value| pattern.matches(value)))
    }

    /// Whether it may hear events that the host makes of the ends of runs.
    #[must_use]
    pub fn hears_the_host(&self) -> bool {
        self.types.iter().any(|pattern| pattern.first() == HOST)
    }
}

/// The value of an attribute by its CloudEvents name; of an extension that is there twice, the first.
#[must_use]
pub fn attribute<'e>(event: &'e Event, name: &str) -> Option<&'e str> {
    match name {
        "id" => Some(&event.id),
        "source" => Some(&event.source),
        "type" => Some(&event.event_type),
        "subject" => event.subject.as_deref(),
        "time" => event.time.as_deref(),
        "datacontenttype" => event.content_type.as_deref(),
        "dataschema" => event.schema.as_deref(),
        extension => event.extensions.iter().find(|(known, _)| known == extension).map(|(_, value)| value.as_str()),
    }
}

/// Whether `name` can name an extension attribute.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_extension(name: &str) -> Result<(), String> {
    const TAKEN: [&str; 10] = [
        "id",
        "source",
        "type",
        "subject",
        "time",
        "specversion",
        "datacontenttype",
        "dataschema",
        "data",
        "database64",
    ];
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if name.is_empty() || name.len() > NAME_BYTES || !plain {
        return Err(format!(
            "`{}` is not the name of an attribute: 1 to {NAME_BYTES} lower-case letters and digits",
            shown(name)
        ));
    }
    if TAKEN.contains(&name) {
        return Err(format!("`{name}` is an attribute of its own, not an extension"));
    }
    Ok(())
}

/// Whether `text` can be an event's type.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_type(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > TYPE_BYTES {
        return Err(format!("an event type has 1 to {TYPE_BYTES} bytes; this one has {}", text.len()));
    }
    if text.split('.').count() > TYPE_PARTS {
        return Err(format!("an event type has at most {TYPE_PARTS} parts between dots"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("event type `{}` has a space or control character", shown(text)));
    }
    Ok(())
}

/// Whether events of this type are made by the host alone.
#[must_use]
pub fn is_the_hosts(event_type: &str) -> bool {
    event_type.split('.').next() == Some(HOST)
}

/// A pattern of event types: parts between dots, `*` for one part, `**` at any place for any number.
///
/// A wildcard at its beginning does not stand for `jackfield`: events that the host makes are heard by those
/// who name them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TypePattern(String);

impl TypePattern {
    /// Whether `event_type` matches.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        if is_the_hosts(event_type) && self.first() != HOST {
            return false;
        }
        let (pattern, parts) = (parts(&self.0), parts(event_type));
        reaches(&pattern, &parts, &|want, got| want == "*" || want == got)
    }

    /// Whether every type that `other` matches is matched by this. A yes is certain; a no may be wrong for
    /// patterns that come to the same by different ways.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        if other.first() == HOST && self.first() != HOST {
            return false;
        }
        let (wide, narrow) = (parts(&self.0), parts(&other.0));
        reaches(&wide, &narrow, &|want, got| (want == "*" && got != "**") || want == got)
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn first(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

fn parts(text: &str) -> Vec<&str> {
    text.split('.').collect()
}

/// Whether `pattern` leads to the end of `parts`; `fits` compares two parts.
fn reaches(pattern: &[&str], parts: &[&str], fits: &dyn Fn(&str, &str) -> bool) -> bool {
    match pattern.split_first() {
        None => parts.is_empty(),
        Some((&"**", rest)) => (0..=parts.len()).any(|skip| reaches(rest, &parts[skip..], fits)),
        Some((want, rest)) => {
            parts.split_first().is_some_and(|(got, left)| fits(want, got) && reaches(rest, left, fits))
        }
    }
}

impl FromStr for TypePattern {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        check_type(s)?;
        let mut doubles = 0;
        for part in s.split('.') {
            match part {
                "" => return Err(format!("event type `{}` has an empty part between two dots", shown(s))),
                "*" => {}
                "**" => doubles += 1,
                other if other.contains('*') => {
                    return Err(format!(
                        "event type `{}`: `*` stands for a whole part between dots, `**` for any number",
                        shown(s)
                    ));
                }
                _ => {}
            }
        }
        if doubles > 3 {
            return Err(format!("event type `{}`: at most three `**`", shown(s)));
        }
        Ok(Self(s.into()))
    }
}

impl TryFrom<String> for TypePattern {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> Self {
        pattern.0
    }
}

/// A pattern of an attribute's value: the value itself, or its beginning and `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ValuePattern(String);

impl ValuePattern {
    /// Whether `value` matches.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => value.starts_with(beginning),
            None => self.0 == value,
        }
    }

    /// Whether every value that `other` matches is matched by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => other.0.strip_suffix('*').unwrap_or(&other.0).starts_with(beginning),
            None => self == other,
        }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ValuePattern {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        if s.is_empty() || s.len() > 1024 || s.chars().any(char::is_control) {
            return Err("a value has 1 to 1,024 bytes and no control characters".into());
        }
        if s.find('*').is_some_and(|at| at + 1 < s.len()) {
            return Err(format!("`{}`: `*` stands at the end, for whatever follows", shown(s)));
        }
        Ok(Self(s.into()))
    }
}

impl TryFrom<String> for ValuePattern {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<ValuePattern> for String {
    fn from(pattern: ValuePattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> TypePattern {
        text.parse().unwrap()
    }

    #[track_caller]
    fn matches(text: &str, event_type: &str, expected: bool) {
        assert_eq!(pattern(text).matches(event_type), expected, "{text} {event_type}");
    }

    #[test]
    fn types() {
        matches("order.paid", "order.paid", true);
        matches("order.paid", "order.paid.twice", false);
        matches("order.*", "order.paid", true);
        matches("order.*", "order", false);
        matches("order.*", "order.paid.twice", false);
        matches("order.**", "order", true);
        matches("order.**", "order.paid.twice", true);
        matches("**.paid", "shop.order.paid", true);
        matches("*", "ping", true);
        matches("**", "com.github.issues", true);
    }

    #[test]
    fn what_the_host_makes_is_heard_by_those_who_name_it() {
        matches("jackfield.run.*", "jackfield.run.succeeded", true);
        matches("jackfield.**", "jackfield.run.succeeded", true);
        for wild in ["**", "*.run.*", "**.succeeded", "*.**"] {
            matches(wild, "jackfield.run.succeeded", false);
        }
        matches("**", "jackfields.run", true);
    }

    #[track_caller]
    fn covers(wide: &str, narrow: &str, expected: bool) {
        assert_eq!(pattern(wide).covers(&pattern(narrow)), expected, "{wide} {narrow}");
    }

    #[test]
    fn patterns_cover_others() {
        covers("**", "order.*", true);
        covers("order.**", "order.*.paid", true);
        covers("order.*", "order.paid", true);
        covers("order.*", "order.**", false);
        covers("order.paid", "order.*", false);
        covers("**", "jackfield.run.*", false);
    }

    #[test]
    fn bad_patterns_are_refused() {
        for bad in ["", "a..b", ".a", "a.", "a*", "a b", "a\n", "**.**.**.**", &"a".repeat(256), &"a.".repeat(32)] {
            assert!(bad.parse::<TypePattern>().is_err(), "{bad:?}");
        }
        for bad in ["", "a*b", "*a", "a\u{0}"] {
            assert!(bad.parse::<ValuePattern>().is_err(), "{bad:?}");
        }
        for bad in ["", "Region", "a_b", "subject", "a23456789012345678901"] {
            assert!(check_extension(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn all_three_must_match() {
        let listen = Listen {
            types: vec![pattern("order.*"), pattern("refund")],
            sources: vec!["/integrations/*".parse().unwrap()],
            attributes: [("region".into(), "eu".parse().unwrap()), ("subject".into(), "orders/*".parse().unwrap())]
                .into(),
        };
        let event = crate::hatch::testing::event("");
        let event = Event {
            event_type: "order.paid".into(),
            source: "/integrations/shop".into(),
            subject: Some("orders/7".into()),
            extensions: vec![("region".into(), "eu".into())],
            ..event
        };
        assert!(listen.hears(&event));
        for other in [
            Event { event_type: "order".into(), ..event.clone() },
            Event { source: "/hooks/shop/paid".into(), ..event.clone() },
            Event { subject: None, ..event.clone() },
            Event { extensions: vec![("region".into(), "us".into())], ..event.clone() },
        ] {
            assert!(!listen.hears(&other), "{other:?}");
        }
        let any = Listen { types: vec![pattern("**")], ..Listen::default() };
        assert!(any.hears(&event) && !any.hears_the_host());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// What a covered pattern matches, the covering one matches.
        #[test]
        fn covering_is_sound(
            wide in prop::collection::vec("[ab]|\\*|\\*\\*|jackfield", 1..4),
            narrow in prop::collection::vec("[ab]|\\*|\\*\\*|jackfield", 1..4),
            parts in prop::collection::vec("[ab]|jackfield", 1..5),
        ) {
            let (wide, narrow, text) = (pattern(&wide.join(".")), pattern(&narrow.join(".")), parts.join("."));
            prop_assert!(!(wide.covers(&narrow) && narrow.matches(&text) && !wide.matches(&text)), "{wide:?} {narrow:?} {text}");
        }
    }
}
