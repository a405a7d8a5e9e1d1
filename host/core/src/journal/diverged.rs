//! A guest that asked for something else than its recorded attempt did, and how that is told.
//!
//! Not here: how it is noticed.

use std::fmt;

use super::What;
use crate::outcome::Failure;

/// The guest asked for something else than the recorded attempt did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("non-determinism at call {call}: recorded {recorded}, now {actual}")]
pub struct NonDeterminism {
    /// The call's number; for the guest's own sequence, the number of calls before it.
    pub call: u32,
    /// What is in the journal.
    pub recorded: String,
    /// What the guest did.
    pub actual: String,
    /// Both calls in full, where they were kept.
    pub sides: Option<Box<Sides>>,
}

/// A call that lies beyond a closed journal.
pub(super) fn beyond(call: u32, what: &What) -> NonDeterminism {
    NonDeterminism {
        call,
        recorded: "nothing: the recording has no such call".into(),
        actual: format!("{} {}", what.capability, what.text),
        sides: None,
    }
}

/// A call that a closed journal has no answer to.
pub(super) fn unanswered(call: u32, what: &What) -> NonDeterminism {
    let actual = format!("{} {}", what.capability, what.text);
    NonDeterminism {
        call,
        recorded: format!("{actual}, and no answer: the recording ends while it was under way"),
        actual,
        sides: None,
    }
}

/// A recorded call and the one that was made in its place, each as text of some lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// The recorded one.
    pub recorded: String,
    /// The other one.
    pub actual: String,
}

impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in [("recorded", &self.recorded), ("now", &self.actual)] {
            for (at, line) in text.lines().enumerate() {
                writeln!(f, "{:<8}  {line}", if at == 0 { name } else { "" })?;
            }
        }
        let (mut one, mut other) = (self.recorded.lines(), self.actual.lines());
        let mut line = 1;
        loop {
            match (one.next(), other.next()) {
                (None, None) => return write!(f, "they differ in what is not shown"),
                (one, other) if one != other => return write!(f, "they differ from line {line} on"),
                _ => line += 1,
            }
        }
    }
}

impl NonDeterminism {
    /// What the attempt is said to have failed with.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure {
            name: "non-determinism".into(),
            message: self.to_string(),
            stack: self.sides.as_ref().map(ToString::to_string),
            retryable: false,
            retry_after: None,
        }
    }
}
