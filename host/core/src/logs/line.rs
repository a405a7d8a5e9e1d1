//! One line of a guest's log, and its form in a file: one line of JSON in plain visible characters.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;

use crate::clock::Timestamp;
use crate::event::Attributes;
use crate::ids::{ComponentName, IntegrationName, RunId, shown};

/// How much a line matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Step by step.
    #[default]
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Not as it should be.
    Warn,
    /// Failed.
    Error,
}

impl Level {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// Its word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl FromStr for Level {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|level| level.label() == s).ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|level| level.label()).collect();
            format!("`{}` is not a level; levels are {}", shown(s), words.join(", "))
        })
    }
}

/// One line of a guest's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When the host received it.
    pub at: Timestamp,
    /// The run.
    pub run: RunId,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The integration.
    pub integration: IntegrationName,
    /// The component.
    pub component: ComponentName,
    /// How much it matters.
    pub level: Level,
    /// What the guest said.
    pub message: String,
    /// And about what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Attributes,
}

impl LogLine {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160 + self.message.len());
        let mut to = serde_json::Serializer::with_formatter(&mut out, Visible);
        self.serialize(&mut to).expect("a line is strings and numbers, and memory does not fail");
        out.push(b'\n');
        out
    }
}

/// `text`, cut at a character's end if it is longer than what is `left`; none if nothing is left.
pub(super) fn cut(text: &str, left: &mut usize) -> Option<String> {
    const SIGN: &str = "…";
    if text.len() <= *left {
        *left -= text.len();
        return Some(text.to_owned());
    }
    let room = left.checked_sub(SIGN.len())?;
    *left = 0;
    Some(format!("{}{SIGN}", &text[..text.floor_char_boundary(room)]))
}

/// Compact JSON that also escapes what JSON lets through and a terminal or editor acts on: delete,
/// the C1 controls (one of them starts ANSI sequences), line separators and direction marks.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        let acts = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let mut rest = fragment;
        while let Some(at) = rest.find(acts) {
            let (plain, tail) = rest.split_at(at);
            to.write_all(plain.as_bytes())?;
            let mut chars = tail.chars();
            if let Some(c) = chars.next() {
                write!(to, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        to.write_all(rest.as_bytes())
    }
}
