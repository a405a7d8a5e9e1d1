//! A fixture: a recording as a test. It says what a component is given and answered, and what must come of it.
//!
//! It is the file that an export writes, read more leniently: whatever a test does not need may be left out,
//! so that one can be written by hand. Not here: how it is played ([`play`]) and told.

mod difference;
mod expected;
mod members;
pub mod play;
mod read;
mod reduce;
mod script;
mod written;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde_json::Value;

use super::{RecordedCall, Recording};
use crate::clock::Timestamp;
use crate::grant::Capability;
use crate::ids::ComponentName;
use crate::journal::{Class, Verdict};

use expected::Expected;
pub(crate) use script::{Answered, Script};

pub use difference::{Difference, Line};
pub use reduce::{Length, reduced};

/// The answer to a call as a person gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAnswer {
    /// As the journal has it.
    pub encoded: Vec<u8>,
    /// In a few words.
    pub short: String,
}

/// The answer to a call of a `capability`, in the form of a fixture's `response`; without one, what such calls are usually
/// answered. `label` is the journal's word for the call, such as `send post a@example.com`.
///
/// # Errors
///
/// It is none, or one has to be given: what would be right.
pub fn given_answer(capability: Capability, label: &str, given: Option<Value>) -> Result<GivenAnswer, String> {
    // What a reply says, or what each statement of a batch changed, nobody can guess.
    let unknown = matches!(label.split(' ').next(), Some("request" | "batch"));
    let usual = || written::usual_answer(capability, label, None).filter(|_| !unknown);
    let response = match given {
        Some(given) => written::readable(capability, given),
        None => usual().ok_or_else(|| "say what was answered, as a fixture's `response` does".to_owned())?,
    };
    let call = RecordedCall {
        call: 1,
        capability,
        what: label.to_owned(),
        class: Class::Unkeyed,
        verdict: Verdict::Done,
        took_ms: 0,
        generation: 0,
        request: None,
        request_hash: None,
        response: Some(response),
        error: None,
        answer_base64: None,
    };
    let encoded = call.encoded_answer().map_err(|e| e.0)?.unwrap_or_default();
    Ok(GivenAnswer { encoded, short: call.answer_in_short() })
}

/// When a test takes place, unless its file says so: the wall clock of its guest stands there.
pub const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// See the module.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// What is given: event, limits, grants, connections, seed. Its calls are elsewhere.
    recording: Recording,
    calls: Vec<Expected>,
    /// What is in kv at the beginning; none: its calls are listed.
    kv: Option<Vec<(String, Body)>>,
    /// All that must be in it at the end.
    kv_after: Option<Vec<(String, Body)>>,
    /// The settings; none: reading them is listed.
    config: Option<Vec<(crate::ids::ConfigName, Value)>>,
    outcome: Wanted,
    log: Option<Vec<String>>,
}

/// How the attempt must end.
#[derive(Clone, Debug, Default)]
struct Wanted {
    /// The outcome's word; none: whatever it is.
    outcome: Option<String>,
    /// Its reason has this in it.
    reason: Option<String>,
    output: Option<WantedOutput>,
}

/// What must be answered.
#[derive(Clone, Debug)]
enum WantedOutput {
    /// Nothing.
    None,
    Some {
        status: Option<u16>,
        content_type: Option<String>,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    },
}

/// Bytes as a file has them.
#[derive(Clone, Debug, PartialEq)]
enum Body {
    Json(Value),
    Bytes(Bytes),
}

impl Body {
    fn bytes(&self) -> Bytes {
        match self {
            Self::Json(value) => value.to_string().into(),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

/// A file that is no fixture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BadFixture {
    /// Where in the file, in words; empty for all of it.
    pub place: String,
    /// What is wrong and what to write.
    pub problem: String,
}

impl std::fmt::Display for BadFixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() { f.write_str(&self.problem) } else { write!(f, "{}: {}", self.place, self.problem) }
    }
}

impl BadFixture {
    fn at(place: &str, problem: impl Into<String>) -> Self {
        Self { place: place.to_owned(), problem: problem.into() }
    }
}

impl Fixture {
    /// The component it tests.
    #[must_use]
    pub fn component(&self) -> &ComponentName {
        &self.recording.run.component
    }
}
