//! Taking granted secret values out of what leaves: logs, errors, outputs, answers.
//!
//! Best effort, against accidents: a value is found as it is and in the forms text commonly takes
//! (base64, percent-encoding, JSON escapes). A guest that wants to hide one can always encode it in
//! another way; that a guest never holds a credential is what protects it.

mod decoded;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use decoded::Decoded;

/// Values shorter than this are left alone: taking out `dev` or `1234` would shred normal text.
pub const SHORTEST: usize = 8;

const REPLACEMENT: &str = "[redacted]";

/// Finds secret values in what leaves, and replaces them. Cheap to clone.
#[derive(Clone)]
pub struct Redactor(Option<Arc<Patterns>>);

struct Patterns {
    automaton: AhoCorasick,
    edges: Vec<Edges>,
    /// Whether any value has a space in it.
    spaces: bool,
}

impl Patterns {
    fn find(&self, haystack: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let found = self.automaton.find_overlapping_iter(haystack);
        found.map(|found| self.edges[found.pattern().as_usize()].widen(haystack, found.range()))
    }
}

/// Whether the base64 character before or behind a match holds some bits of the value too.
#[derive(Clone, Copy, Default)]
struct Edges {
    before: bool,
    behind: bool,
}

impl Redactor {
    /// Covers each value of at least [`SHORTEST`] bytes.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let mut forms = BTreeMap::new();
        for secret in secrets {
            let value = secret.as_ref();
            if value.len() >= SHORTEST {
                add_forms(value, &mut forms);
            }
        }
        if forms.is_empty() {
            return Self::none();
        }
        let automaton = AhoCorasick::new(forms.keys())
            .expect("secrets are at most a few KiB, and an automaton has room for gigabytes");
        let spaces = forms.keys().any(|form| form.contains(&b' '));
        Self(Some(Arc::new(Patterns { automaton, edges: forms.into_values().collect(), spaces })))
    }

    /// Covers nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// `text` with every value replaced.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = self.find(text.as_bytes());
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        // A value that is not UTF-8 may be found in the middle of a character.
        for span in &mut found {
            span.start = text.floor_char_boundary(span.start);
            span.end = text.ceil_char_boundary(span.end);
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for span in found {
            out.push_str(text.get(from..span.start).unwrap_or_default());
            out.push_str(REPLACEMENT);
            from = span.end;
        }
        out.push_str(&text[from..]);
        Cow::Owned(out)
    }

    /// `bytes` with every value replaced; the same allocation if there is none.
    #[must_use]
    pub fn bytes(&self, bytes: Bytes) -> Bytes {
        let found = self.find(&bytes);
        if found.is_empty() {
            return bytes;
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for span in found {
            out.extend_from_slice(&bytes[from..span.start]);
            out.extend_from_slice(REPLACEMENT.as_bytes());
            from = span.end;
        }
        out.extend_from_slice(&bytes[from..]);
        out.into()
    }

    /// Whether a value is in `bytes`.
    #[must_use]
    pub fn covers(&self, bytes: &[u8]) -> bool {
        !self.find(bytes).is_empty()
    }

    /// Where values are: in order, those that overlap joined.
    fn find(&self, haystack: &[u8]) -> Vec<Range<usize>> {
        let Some(patterns) = &self.0 else { return Vec::new() };
        let mut spans: Vec<Range<usize>> = patterns.find(haystack).collect();
        let decoded = [
            Decoded::percent(haystack, false),
            patterns.spaces.then(|| Decoded::percent(haystack, true)).flatten(),
            Decoded::json(haystack),
        ];
        for text in decoded.iter().flatten() {
            spans.extend(patterns.find(&text.bytes).map(|span| text.source(span)));
        }
        spans.sort_unstable_by_key(|span| span.start);
        spans.dedup_by(|next, kept| {
            let overlap = next.start < kept.end;
            if overlap {
                kept.end = kept.end.max(next.end);
            }
            overlap
        });
        spans
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Edges {
    fn widen(self, haystack: &[u8], found: Range<usize>) -> Range<usize> {
        let is_base64 = |at: usize| {
            haystack.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))
        };
        let mut wide = found;
        if self.before && wide.start > 0 && is_base64(wide.start - 1) {
            wide.start -= 1;
        }
        if self.behind && is_base64(wide.end) {
            wide.end += 1;
        }
        wide
    }
}

fn add_forms(value: &[u8], forms: &mut BTreeMap<Vec<u8>, Edges>) {
    forms.insert(value.to_vec(), Edges::default());
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let (form, edges) = base64_inside(engine, value, before);
            // Should the same text be the value of another secret, the wider match holds both.
            forms.entry(form).or_insert(edges);
        }
    }
}

/// The characters that `value` alone decides, in the base64 of a text that has `before` bytes (plus
/// any multiple of three) in front of it.
fn base64_inside(engine: &impl base64::Engine, value: &[u8], before: usize) -> (Vec<u8>, Edges) {
    let mut whole = vec![0; before];
    whole.extend_from_slice(value);
    let bits = whole.len() * 8;
    let first = (before * 8).div_ceil(6);
    let last = bits / 6;
    let encoded = engine.encode(&whole);
    let edges = Edges { before: before > 0, behind: !bits.is_multiple_of(6) };
    (encoded.as_bytes()[first..last].to_vec(), edges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    #[track_caller]
    fn redacts(secret: &str, text: &str, expected: &str) {
        assert_eq!(Redactor::new([secret]).text(text), expected);
        assert_eq!(Redactor::new([secret]).bytes(Bytes::copy_from_slice(text.as_bytes())), expected.as_bytes());
    }

    #[test]
    fn values_are_replaced_wherever_they_stand() {
        redacts("s3cret-value", "a s3cret-value b s3cret-values3cret-value", "a [redacted] b [redacted][redacted]");
        redacts("abcabcabc", "xabcabcabcabcy", "x[redacted]y");
        redacts("pass word/1", "?p=pass+word%2F1&q=pass%20word%2f1", "?p=[redacted]&q=[redacted]");
        redacts("pass word/1", "?p=%70ass%20word/1", "?p=[redacted]");
        redacts("a+b*c'd(e)", "x=a%2Bb*c%27d(e)&y=1", "x=[redacted]&y=1");
        redacts("smile😀face/", r#""smile\ud83d\uDE00face\/""#, "\"[redacted]\"");
        redacts(
            "say \"hi\"\nü",
            r#"{"a":"say \"hi\"\nü","b":"say \"hi\"\n\u00fc"}"#,
            r#"{"a":"[redacted]","b":"[redacted]"}"#,
        );
    }

    #[test]
    fn short_values_and_text_without_a_value_are_left_alone() {
        let redactor = Redactor::new(["dev", "1234567"]);
        assert_eq!(redactor.text("dev 1234567"), "dev 1234567");
        let bytes = Bytes::from(vec![7; 100]);
        let same = Redactor::new(["12345678"]).bytes(bytes.clone());
        assert_eq!(same.as_ptr(), bytes.as_ptr());
        assert!(matches!(Redactor::new(["12345678"]).text("1234567"), Cow::Borrowed(_)));
    }

    #[test]
    fn values_of_two_secrets_that_overlap_both_go() {
        let redactor = Redactor::new(["abcdefgh", "efghijkl"]);
        assert_eq!(redactor.text("-abcdefghijkl-"), "-[redacted]-");
    }

    #[test]
    fn a_value_that_is_not_utf8_does_not_split_a_character() {
        let secret = [0xa9, b'1', b'2', b'3', b'4', b'5', b'6', b'7'];
        assert_eq!(Redactor::new([secret]).text("xé1234567y"), "x[redacted]y");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Redactor::new(["s3cret-value"])), "Redactor");
    }

    proptest! {
        /// Threat row 48: no value survives, in any of its forms, inside any text.
        #[test]
        fn threat_048_no_value_survives_in_any_form(
            secret in prop::collection::vec(any::<u8>(), SHORTEST..40),
            before in prop::collection::vec(any::<u8>(), 0..7),
            behind in prop::collection::vec(any::<u8>(), 0..7),
        ) {
            let redactor = Redactor::new([&secret]);
            let whole = [before, secret.clone(), behind].concat();
            let mut texts = vec![whole.clone()];
            for encoded in [STANDARD.encode(&whole), URL_SAFE.encode(&whole), STANDARD_NO_PAD.encode(&whole)] {
                texts.push(encoded.into_bytes());
            }
            let form: String = url::form_urlencoded::byte_serialize(&whole).collect();
            texts.push(form.into_bytes());
            texts.push(whole.iter().map(|b| format!("%{b:02x}")).collect::<String>().into_bytes());
            texts.push(url::form_urlencoded::byte_serialize(STANDARD.encode(&whole).as_bytes()).collect::<String>().into());
            let mut forms = BTreeMap::new();
            add_forms(&secret, &mut forms);
            for text in texts {
                let left = redactor.bytes(text.clone().into());
                prop_assert_ne!(&left[..], &text[..]);
                let decoded = [Decoded::percent(&left, true), Decoded::percent(&left, false), Decoded::json(&left)];
                for view in decoded.iter().flatten().map(|d| &d.bytes[..]).chain([&left[..]]) {
                    for form in forms.keys() {
                        prop_assert!(!view.windows(form.len()).any(|part| part == form));
                    }
                }
            }
        }

        #[test]
        fn threat_048_text_survives_as_text(secret in "\\PC{8,20}", around in "\\PC{0,9}") {
            let redactor = Redactor::new([&secret]);
            let json = serde_json::json!({ "a": format!("{around}{secret}{around}") }).to_string();
            for text in [format!("{around}{secret}{around}"), json] {
                let left = redactor.text(&text);
                prop_assert!(!left.contains(&secret));
                prop_assert!(left.contains(REPLACEMENT));
            }
        }
    }
}
