//! What `{name}` and `{name.value}` stand for. Braces that name no system of the scenario are left as they are.

use std::collections::BTreeMap;

use serde_json::Value;

/// Values by their name, such as `github` or `ledger.port`.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    values: BTreeMap<String, Value>,
}

impl Places {
    /// Adds what a system is known by: `{name}`, or with `value` `{name.value}`.
    pub(super) fn add(&mut self, name: &str, value: &str, stands_for: Value) {
        let key = if value.is_empty() { name.to_owned() } else { format!("{name}.{value}") };
        self.values.insert(key, stands_for);
    }

    /// A text with all places filled; `at` is where it stands, for the message.
    ///
    /// # Panics
    ///
    /// A place names a system that has no such value.
    #[must_use]
    pub(super) fn text(&self, text: &str, at: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            match after.split_once('}').and_then(|(place, after)| Some((self.value(place, at)?, after))) {
                Some((value, after)) => {
                    filled.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled + rest
    }

    /// A value with all places in it filled. A text that is one place becomes that value, which may be a number.
    ///
    /// # Panics
    ///
    /// As [`Self::text`].
    #[must_use]
    pub(super) fn fill(&self, value: &Value, at: &str) -> Value {
        match value {
            Value::String(text) => {
                let place = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                let whole = place.and_then(|place| self.value(place, at));
                whole.cloned().unwrap_or_else(|| self.text(text, at).into())
            }
            Value::Array(list) => list.iter().map(|value| self.fill(value, at)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, value)| (key.clone(), self.fill(value, &format!("{at}.{key}")))).collect()
            }
            other => other.clone(),
        }
    }

    /// The value of a place; none if it is no place.
    fn value(&self, place: &str, at: &str) -> Option<&Value> {
        let found = self.values.get(place);
        if found.is_none() {
            let system = place.split('.').next().unwrap_or_default();
            let known: Vec<_> = self.values.keys().filter(|key| key.split('.').next() == Some(system)).collect();
            assert!(known.is_empty(), "{at}: `{{{place}}}` is not known; there are {known:?}");
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places() -> Places {
        let mut places = Places::default();
        places.add("github", "", json!("http://127.0.0.1:1"));
        places.add("ledger", "port", json!(5432));
        places
    }

    #[test]
    fn places_are_filled_and_other_braces_stay() {
        let written =
            json!({ "a": ["{github}/x", "{ledger.port}", "p={ledger.port}"], "b": "{\"j\": {}} {other} {", "c": 1 });
        let filled = json!({ "a": ["http://127.0.0.1:1/x", 5432, "p=5432"], "b": "{\"j\": {}} {other} {", "c": 1 });
        assert_eq!(places().fill(&written, "here"), filled);
    }

    #[test]
    #[should_panic(expected = "connections.a.b: `{ledger.prt}` is not known; there are [\"ledger.port\"]")]
    fn a_slip_is_told_with_its_place() {
        let _ = places().fill(&json!({ "b": "{ledger.prt}" }), "connections.a");
    }
}
