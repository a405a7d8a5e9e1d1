//! A text with its escapes undone, and where each of its bytes came from.
//!
//! Undoing finds a value however much of it was escaped; a list of escaped forms never would.

use std::ops::Range;

/// A text without escapes.
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    escapes: Vec<Escape>,
}

struct Escape {
    /// Its place in `bytes`.
    at: usize,
    len: usize,
    /// Its place in the source.
    source: usize,
    source_len: usize,
}

impl Decoded {
    /// With `%2F` undone; and `+`, which forms write for a space.
    pub(super) fn percent(source: &[u8], plus_is_space: bool) -> Option<Self> {
        undo(
            source,
            |byte| byte == b'%' || (byte == b'+' && plus_is_space),
            |rest| match rest {
                [b'+', ..] => Some((vec![b' '], 1)),
                [b'%', high, low, ..] => Some((vec![hex(&[*high, *low])? as u8], 3)),
                _ => None,
            },
        )
    }

    /// With the escapes of a JSON string undone.
    pub(super) fn json(source: &[u8]) -> Option<Self> {
        undo(
            source,
            |byte| byte == b'\\',
            |rest| {
                let plain = match *rest.get(1)? {
                    same @ (b'"' | b'\\' | b'/') => same,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'u' => return unicode(rest),
                    _ => return None,
                };
                Some((vec![plain], 2))
            },
        )
    }

    /// The part of the source that these bytes came from.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        self.origin(range.start).start..self.origin(range.end - 1).end
    }

    /// The part of the source that the byte at `at` came from.
    fn origin(&self, at: usize) -> Range<usize> {
        let Some(before) = self.escapes.partition_point(|escape| escape.at <= at).checked_sub(1) else {
            return at..at + 1;
        };
        let escape = &self.escapes[before];
        let end = escape.source + escape.source_len;
        if at < escape.at + escape.len {
            return escape.source..end;
        }
        let at = end + (at - escape.at - escape.len);
        at..at + 1
    }
}

/// Undoes what `one` finds at a byte that `may_start` an escape: what it stands for, and its length.
fn undo(
    source: &[u8],
    may_start: impl Fn(u8) -> bool,
    one: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>,
) -> Option<Decoded> {
    let mut out = Decoded { bytes: Vec::new(), escapes: Vec::new() };
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = source[at..].iter().position(|byte| may_start(*byte)) {
        at += found;
        match one(&source[at..]) {
            Some((bytes, source_len)) => {
                out.bytes.extend_from_slice(&source[copied..at]);
                out.escapes.push(Escape { at: out.bytes.len(), len: bytes.len(), source: at, source_len });
                out.bytes.extend_from_slice(&bytes);
                at += source_len;
                copied = at;
            }
            None => at += 1,
        }
    }
    out.bytes.extend_from_slice(&source[copied..]);
    (!out.escapes.is_empty()).then_some(out)
}

/// `\u00e9`, or a pair of surrogates.
fn unicode(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let unit = |from: usize| (rest.get(from..from + 2)? == b"\\u").then(|| hex(rest.get(from + 2..from + 6)?))?;
    let first = unit(0)?;
    let (code, len) = match (first, unit(6)) {
        (0xd800..0xdc00, Some(second @ 0xdc00..0xe000)) => {
            (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
        }
        _ => (first, 6),
    };
    Some((char::from_u32(code)?.to_string().into_bytes(), len))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}
