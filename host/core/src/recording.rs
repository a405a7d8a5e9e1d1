//! A recording: one run in one file that a person can read and edit, and a laptop can play back.
//!
//! It holds the event, every call with its answer, what else the guest observed, and how it ended. Not
//! here: how one is made of a stored run ([`make`]) and played ([`playback`]).

mod calls;
pub mod fixture;
mod make;
mod observed;
pub mod playback;
mod text;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::artifact::Digest;
use crate::clock::Timestamp;
use crate::grant::Grants;
use crate::ids::{ComponentName, ConnectionName, EnvironmentName, IntegrationName, RunId, TriggerName, VersionNumber};
use crate::limits::Limits;
use crate::logs::Level;
use crate::run::{RunState, Target};

pub use calls::{RecordedCall, shown};
pub(crate) use fixture::{Answered, Script};
pub use make::{Made, Surroundings};
pub use text::{Data, Pair, pairs};

/// The format of files written here, and the only one that is read.
pub const FORMAT: u32 = 1;

/// What every file says of itself, first.
const NOTE: &str = "Holds what the event, the calls and the log of one run held, which may be personal data: keep \
                    and share it as you would that. Values of secrets are taken out.";

/// See the module. Members are written in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// [`FORMAT`].
    pub format: u32,
    /// For whoever opens the file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Why it is not the whole of its attempt, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// The run.
    pub run: RecordedRun,
    /// The component that handled it.
    pub component: RecordedComponent,
    /// The connections it may use, as its guest knows them.
    #[serde(default)]
    pub connections: BTreeMap<ConnectionName, RecordedConnection>,
    /// What it was to handle.
    pub event: RecordedEvent,
    /// Its calls, in the guest's order.
    #[serde(default)]
    pub calls: Vec<RecordedCall>,
    /// How the attempt ended; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RecordedOutcome>,
    /// What its guest logged and printed in that attempt. Absent: it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<RecordedLine>>,
    /// All attempts, oldest first. For people.
    #[serde(default)]
    pub attempts: Vec<RecordedAttempt>,
    /// What else the guest observed: time, and the order in which things came. Absent: it is not
    /// replayed, and the guest meets the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Vec<String>>,
}

/// The run, as its guest may know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRun {
    /// Its id.
    pub id: RunId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The integration.
    pub integration: IntegrationName,
    /// The version.
    pub version: VersionNumber,
    /// The component.
    pub component: ComponentName,
    /// The trigger.
    pub trigger: TriggerName,
    /// Where it was.
    pub state: RunState,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When its event was accepted.
    #[serde(with = "rfc_3339")]
    pub accepted: Timestamp,
    /// The attempt that is recorded.
    pub attempt: u32,
    /// When that attempt began.
    #[serde(with = "rfc_3339")]
    pub started: Timestamp,
    /// The same for every attempt.
    pub idempotency_key: String,
    /// What its random values came from: 64 hex digits.
    #[serde(with = "hex_32")]
    pub random_seed: [u8; 32],
}

impl RecordedRun {
    /// What handled it, where.
    #[must_use]
    pub fn target(&self) -> Target {
        Target {
            environment: self.environment.clone(),
            integration: self.integration.clone(),
            version: self.version,
            component: self.component.clone(),
            trigger: self.trigger.clone(),
        }
    }
}

/// The component, as it was released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedComponent {
    /// Its bytes.
    pub artifact: Digest,
    /// What an attempt may use.
    pub limits: RecordedLimits,
    /// What it may do.
    #[serde(default)]
    pub grants: Grants,
}

/// [`Limits`], with their units in their names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordedLimits {
    memory_bytes: u64,
    cpu_ms: u64,
    timeout_ms: u64,
    event_bytes: u64,
    output_bytes: u64,
    http_body_bytes: u64,
    log_bytes: u64,
    calls: u32,
    in_flight: u32,
    journal_bytes: u64,
}

impl Default for RecordedLimits {
    fn default() -> Self {
        Limits::default().into()
    }
}

impl From<Limits> for RecordedLimits {
    fn from(l: Limits) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            memory_bytes: l.memory_bytes,
            cpu_ms: ms(l.cpu),
            timeout_ms: ms(l.timeout),
            event_bytes: l.event_bytes,
            output_bytes: l.output_bytes,
            http_body_bytes: l.http_body_bytes,
            log_bytes: l.log_bytes,
            calls: l.calls,
            in_flight: l.in_flight,
            journal_bytes: l.journal_bytes,
        }
    }
}

impl From<RecordedLimits> for Limits {
    fn from(l: RecordedLimits) -> Self {
        Self {
            memory_bytes: l.memory_bytes,
            cpu: Duration::from_millis(l.cpu_ms),
            timeout: Duration::from_millis(l.timeout_ms),
            event_bytes: l.event_bytes,
            output_bytes: l.output_bytes,
            http_body_bytes: l.http_body_bytes,
            log_bytes: l.log_bytes,
            calls: l.calls,
            in_flight: l.in_flight,
            journal_bytes: l.journal_bytes,
            ..Self::default()
        }
    }
}

/// A connection: what decides how a guest's call is taken, and no credential.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedConnection {
    /// Its base URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<url::Url>,
    /// Whether the other side honours `Idempotency-Key`.
    #[serde(default)]
    pub keyed: bool,
    /// Headers that a guest must not set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved_headers: Vec<String>,
    /// Why it could not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// Its kind, if that is not `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of a database: the schema of names without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Of a mail server: the sender of mails that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedEvent {
    /// Unique together with `source`.
    pub id: String,
    /// Where it comes from.
    pub source: String,
    /// CloudEvents `type`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The media type of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// CloudEvents `dataschema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Extension attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Pair>,
    /// What else the trigger heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta: Vec<Pair>,
    /// The data.
    #[serde(flatten)]
    pub data: Data,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedOutcome {
    /// The outcome's word.
    pub outcome: String,
    /// One sentence, unless it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Frames or a stack, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<String>,
    /// What the handler answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<RecordedOutput>,
}

/// What a handler answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedOutput {
    /// HTTP status for a webhook that responds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The media type of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Pair>,
    /// The data.
    #[serde(flatten)]
    pub data: Data,
}

/// A line of the guest's log, or of what it printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedLine {
    /// How much it matters.
    pub level: Level,
    /// What the guest said.
    pub message: String,
    /// And about what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Pair>,
}

/// An attempt, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedAttempt {
    /// Counted from 1.
    pub number: u32,
    /// When it began.
    #[serde(with = "rfc_3339")]
    pub started: Timestamp,
    /// When its outcome was known.
    #[serde(with = "rfc_3339")]
    pub ended: Timestamp,
    /// The outcome's word.
    pub outcome: String,
    /// One sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Calls it made.
    pub calls: u32,
    /// Of these, those answered from the journal.
    pub replayed: u32,
}

/// A file that is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRecording(pub String);

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It is none, or of another format; the text says where.
    pub fn read(text: &[u8]) -> Result<Self, BadRecording> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let bad = |e: serde_json::Error| BadRecording(format!("it is not a recording of a run: {e}"));
        let Head { format } = serde_json::from_slice(text).map_err(bad)?;
        if format != FORMAT {
            return Err(BadRecording(format!(
                "it has format {format}, and this version reads format {FORMAT}; use the version that wrote it"
            )));
        }
        serde_json::from_slice(text).map_err(bad)
    }

    /// The file: the same recording always gives the same bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let text = serde_json::to_string_pretty(self).expect("maps have text keys, and memory does not fail");
        plain(&text).into_bytes()
    }
}

/// JSON as it is written to a file: what a terminal acts on is escaped. Only strings hold such characters,
/// and there each has an escape.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if acts(c) {
            plain.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            plain.push(c);
        }
    }
    plain.push('\n');
    plain
}

/// Whether a terminal or an editor acts on a character that JSON lets through.
fn acts(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

mod rfc_3339 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::clock::Timestamp;

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        Timestamp::parse(&String::deserialize(d)?).map_err(de::Error::custom)
    }
}

mod hex_32 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&data_encoding::HEXLOWER.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(d)?;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| de::Error::custom("write 64 hex digits"))
    }
}
