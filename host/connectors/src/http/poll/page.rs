//! One answer of a poll: its items, each exactly as it was sent, and where the next page is.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Duration;

use jackfield_core::clock::Timestamp;
use jackfield_core::ids::shown;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::settings::{Pointer, Wanted};

/// See the module.
pub(super) struct Page<'a> {
    pub(super) items: Vec<Item<'a>>,
    /// As the body says it, if the trigger says where.
    pub(super) next: Option<String>,
}

/// One of the things that an answer lists.
pub(super) struct Item<'a> {
    /// JSON, byte for byte.
    pub(super) raw: &'a str,
    /// What identifies it on the other side, if it says so.
    pub(super) id: Option<String>,
    pub(super) watermark: Option<Mark>,
}

impl Item<'_> {
    /// Another one for each state of an item: its id and its watermark; its digest where one of these that the trigger names is
    /// not there.
    pub(super) fn event_id(&self) -> String {
        match (&self.id, &self.watermark) {
            (Some(id), Some(mark)) => format!("{id}@{}", mark.text()),
            (Some(id), None) => format!("{id} {}", self.digest()),
            (None, _) => self.digest(),
        }
    }

    fn digest(&self) -> String {
        Sha256::digest(self.raw.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// When it came to be as it is, if its watermark is a time.
    pub(super) fn time(&self) -> Option<String> {
        self.watermark.as_ref().filter(|mark| mark.is_a_time()).map(|mark| mark.text().to_owned())
    }
}

/// A watermark: a number, a time or other text, and which of two is the later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    text: String,
    key: Key,
}

/// Numbers before times before other text: two kinds in one answer have an order, if not a meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// What is before the point, and after it without zeros at the end.
    Number(u128, String),
    Time(i64),
    Text,
}

impl Mark {
    pub(super) fn new(text: String) -> Self {
        let key = match (number(&text), Timestamp::parse(&text)) {
            (Some((whole, part)), _) => Key::Number(whole, part),
            (None, Ok(time)) => Key::Time(time.as_millis()),
            (None, Err(_)) => Key::Text,
        };
        Self { text, key }
    }

    /// As the other side wrote it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn is_a_time(&self) -> bool {
        matches!(self.key, Key::Time(_))
    }
}

impl Ord for Mark {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Digits, perhaps with a point among them.
fn number(text: &str) -> Option<(u128, String)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (!whole.is_empty() && digits(whole) && digits(part))
        .then(|| Some((whole.parse().ok()?, part.trim_end_matches('0').to_owned())))
        .flatten()
}

impl<'a> Page<'a> {
    /// Reads an answer's body.
    ///
    /// # Errors
    ///
    /// It is no JSON, or has no list where one is said to be.
    pub(super) fn read(body: &'a [u8], wanted: &Wanted) -> Result<Self, String> {
        let text = std::str::from_utf8(body).map_err(|e| format!("the answer is not UTF-8: {e}"))?;
        let whole: &RawValue = serde_json::from_str(text).map_err(|e| format!("the answer is no JSON: {e}"))?;
        let list = match at(whole, &wanted.items) {
            None => Vec::new(),
            Some(found) if found.get() == "null" => Vec::new(),
            Some(found) => serde_json::from_str::<Vec<&RawValue>>(found.get()).map_err(|_| {
                let place = match wanted.items.text() {
                    "" => "the answer itself".to_owned(),
                    place => format!("`{place}` of the answer"),
                };
                format!("{place} is no list but {}; `items` says where the list is", shown(found.get()))
            })?,
        };
        let items = list.into_iter().map(|raw| Item {
            raw: raw.get(),
            id: wanted.id.as_ref().and_then(|id| scalar(at(raw, id)?)),
            watermark: wanted.watermark.as_ref().and_then(|mark| scalar(at(raw, mark)?)).map(Mark::new),
        });
        let items = items.collect();
        let next = wanted.next.as_ref().and_then(|next| next_in(at(whole, next)?));
        Ok(Self { items, next })
    }
}

/// What is at a place.
fn at<'a>(value: &'a RawValue, pointer: &Pointer) -> Option<&'a RawValue> {
    let mut value = value;
    for step in pointer.steps() {
        let text = value.get();
        value = match text.as_bytes().first()? {
            b'{' => serde_json::from_str::<HashMap<String, &RawValue>>(text).ok()?.remove(step)?,
            b'[' => serde_json::from_str::<Vec<&RawValue>>(text).ok()?.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// Text as it is, a number as it is written.
fn scalar(value: &RawValue) -> Option<String> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b'-' | b'0'..=b'9' => Some(text.to_owned()),
        _ => None,
    }
    .filter(|text: &String| !text.is_empty())
}

/// A URL, or a list of links of which one is to what is next. Sources: JSON:API 1.1 "Pagination"; FHIR R4 `Bundle.link`.
fn next_in(value: &RawValue) -> Option<String> {
    let text = value.get();
    if !text.starts_with('[') {
        return scalar(value).filter(|_| text.starts_with('"'));
    }
    let links: Vec<HashMap<String, &RawValue>> = serde_json::from_str(text).ok()?;
    let word = |link: &HashMap<String, &RawValue>, names: [&str; 2]| {
        names.iter().find_map(|name| link.get(*name).and_then(|value| scalar(value)))
    };
    let next = links.iter().find(|link| word(link, ["relation", "rel"]).as_deref() == Some("next"))?;
    word(next, ["url", "href"])
}

/// Where the header `link` says that the next page is. Source: RFC 8288, section 3.
pub(super) fn next_of(headers: &[(String, String)]) -> Option<String> {
    let links = headers.iter().filter(|(name, _)| name == "link").map(|(_, value)| value.as_str());
    for mut rest in links {
        while let Some((_, after)) = rest.split_once('<') {
            let (url, after) = after.split_once('>')?;
            // A comma outside of quotes ends a link.
            let mut quoted = false;
            let ends = |c: char| {
                quoted ^= c == '"';
                c == ',' && !quoted
            };
            let end = after.find(ends).unwrap_or(after.len());
            let is_next = after[..end].split(';').filter_map(|word| word.split_once('=')).any(|(name, value)| {
                let rels = value.trim().trim_matches('"');
                name.trim().eq_ignore_ascii_case("rel") && rels.split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
            });
            if is_next {
                return Some(url.trim().to_owned());
            }
            rest = &after[end..];
        }
    }
    None
}

/// For how long the other side wants to be left alone, if it says so in seconds.
pub(super) fn retry_after(headers: &[(String, String)]) -> Option<Duration> {
    let (_, value) = headers.iter().find(|(name, _)| name == "retry-after")?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(text: &str) -> Mark {
        Mark::new(text.to_owned())
    }

    #[test]
    fn the_later_of_two_watermarks() {
        for (earlier, later) in [
            ("9", "10"),
            ("9.5", "10.1"),
            ("1732.000100", "1732.0002"),
            ("340282366920938463463374607431768211454", "340282366920938463463374607431768211455"),
            ("2026-11-29T23:59:59.9Z", "2026-11-30T00:00:00Z"),
            // The same day by its text, later by the clock.
            ("2026-11-29T10:00:00+02:00", "2026-11-29T09:00:00Z"),
            ("2026-11-29T10:00:00.0000001Z", "2026-11-29T10:00:00.0000002Z"),
            ("a9", "b1"),
            ("", "a"),
        ] {
            assert!(mark(earlier) < mark(later), "{earlier} {later}");
        }
        assert_eq!(mark("1.50").cmp(&mark("1.50")), Ordering::Equal);
        assert!(mark("2026-11-29T10:00:00Z").is_a_time() && !mark("17").is_a_time() && !mark("today").is_a_time());
    }

    #[test]
    fn links_of_a_header() {
        let next = |value: &str| next_of(&[("link".to_owned(), value.to_owned())]);
        assert_eq!(next("<https://a.test/x?page=2>; rel=next").as_deref(), Some("https://a.test/x?page=2"));
        assert_eq!(next("<a,b>; rel=\"prev\",<c;d>; rel=\"NEXT\"; title=\"x\"").as_deref(), Some("c;d"));
        for none in ["", "<a>", "<a>; rel=nextish", "<a; rel=next", "a; rel=next"] {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
