//! Ordering: which runs of a trigger follow one another instead of running side by side.
//!
//! Not here: how the queue keeps them in line (see [`crate::store::queue`], S13).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ids::shown;
use crate::listen::{attribute, check_extension};

/// The longest key, in bytes; a longer value is cut.
const KEY_BYTES: usize = 1024;
/// What of an event besides its attributes may order runs.
const META: &str = "meta.";

/// How a trigger's runs are ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Runs whose events have the same value here run one after the other. An event without it is not ordered.
    pub by: OrderBy,
    /// `on_dead_letter = "block"`: a dead letter holds up those behind it until somebody resumes or discards it.
    #[serde(default)]
    pub block: bool,
}

impl Order {
    /// The place in line of a run of this event, if it has one.
    #[must_use]
    pub fn of(&self, event: &Event) -> Option<InOrder> {
        let value = self.by.value(event)?;
        let mut end = value.len().min(KEY_BYTES);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        Some(InOrder { key: value[..end].to_owned(), block: self.block })
    }
}

/// What orders a run: its key within its trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InOrder {
    /// The key.
    pub key: String,
    /// See [`Order::block`].
    pub block: bool,
}

/// Where an ordering key is read: an attribute by its CloudEvents name, or `meta.` and a name of the event's meta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderBy(String);

impl OrderBy {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn value<'e>(&self, event: &'e Event) -> Option<&'e str> {
        match self.0.strip_prefix(META) {
            Some(name) => event.meta.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()),
            None => attribute(event, &self.0),
        }
    }
}

impl FromStr for OrderBy {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let good = match s.strip_prefix(META) {
            Some(name) => {
                !name.is_empty() && name.len() <= 128 && !name.bytes().any(|b| b.is_ascii_uppercase() || b <= b' ')
            }
            None => matches!(s, "subject" | "source" | "type") || check_extension(s).is_ok(),
        };
        if good {
            return Ok(Self(s.into()));
        }
        Err(format!(
            "`{}` orders nothing: write `subject`, `source`, `type`, the name of an extension attribute, or `meta.` and a \
             name of the event's meta, such as `meta.x-customer` for a header of a webhook",
            shown(s)
        ))
    }
}

impl TryFrom<String> for OrderBy {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<OrderBy> for String {
    fn from(by: OrderBy) -> Self {
        by.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn key(by: &str, expected: Option<&str>) {
        let event = Event {
            subject: Some("orders/7".into()),
            extensions: vec![("region".into(), "eu".into())],
            meta: vec![("x-customer".into(), "acme".into())],
            ..crate::hatch::testing::event("")
        };
        let order = Order { by: by.parse().unwrap(), block: false };
        assert_eq!(order.of(&event).map(|found| found.key).as_deref(), expected, "{by}");
    }

    #[test]
    fn keys_are_read_off_the_event() {
        key("subject", Some("orders/7"));
        key("source", Some("/manual"));
        key("region", Some("eu"));
        key("tenant", None);
        key("meta.x-customer", Some("acme"));
        key("meta.x-other", None);
    }

    #[test]
    fn what_orders_nothing_is_refused() {
        for bad in ["", "id", "time", "data.order", "meta.", "meta.X-Customer", "Region"] {
            assert!(bad.parse::<OrderBy>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_long_key_is_cut_at_a_character() {
        let event = Event { subject: Some("ä".repeat(600)), ..crate::hatch::testing::event("") };
        let order = Order { by: "subject".parse().unwrap(), block: true };
        let found = order.of(&event).unwrap();
        assert_eq!((found.key.len(), found.block), (1024, true));
    }
}
