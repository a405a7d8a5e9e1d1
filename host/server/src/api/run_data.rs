//! What a run looks like from outside: its summary, event, output, attempts and calls.

use std::time::Duration;

use jackfield_core::event::{Event, Output};
use jackfield_core::journal::CallSummary;
use jackfield_core::outcome::Usage;
use jackfield_core::run::{self, RunState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decide::InDoubt;
use super::logs::LogLine;
use super::types::{Attribute, Payload, Time, attributes};

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunSummary {
    /// The run.
    pub id: String,
    /// The environment.
    pub environment: String,
    /// The integration.
    pub integration: String,
    /// The version that accepted the event; the run is pinned to it.
    pub version: u32,
    /// The component.
    pub component: String,
    /// The trigger; `manual` for a run started by hand.
    pub trigger: String,
    /// Where it is.
    #[schema(value_type = String)]
    pub state: RunState,
    /// When the event was on disk.
    pub accepted: Time,
    /// When it is due next, while it is `queued` or `waiting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// When it became final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// Attempts begun.
    pub attempts: u32,
    /// How the last attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<String>,
    /// Why it is where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event's id.
    pub event_id: String,
    /// What the event is about, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_subject: Option<String>,
}

impl From<run::RunSummary> for RunSummary {
    fn from(s: run::RunSummary) -> Self {
        Self {
            id: s.id.into(),
            environment: s.target.environment.into(),
            integration: s.target.integration.into(),
            version: s.target.version,
            component: s.target.component.into(),
            trigger: s.target.trigger.into(),
            state: s.state,
            accepted: Time(s.accepted),
            due: s.due.map(Time),
            finished: s.finished.map(Time),
            attempts: s.attempts,
            last_outcome: s.last_outcome,
            reason: s.reason,
            event_id: s.event_id,
            event_subject: s.event_subject,
        }
    }
}

/// A run with all that is kept of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    /// As lists show it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The event; absent once it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventData>,
    /// What the handler answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputData>,
    /// Its attempts, oldest first.
    pub attempts_made: Vec<Attempt>,
    /// The calls that may have happened, while it waits for a decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_doubt: Vec<InDoubt>,
    /// What people decided over its calls in doubt, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<PastDecision>,
    /// The run that took its place, if it was started fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<String>,
}

/// What a person decided over a call in doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastDecision {
    /// When.
    pub at: Time,
    /// The name of the token.
    pub who: String,
    /// `retry`, `skip` or `fail`.
    pub decision: String,
    /// The call, if it was about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u32>,
    /// What the call was, or were.
    pub what: String,
    /// What was recorded as its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

impl From<run::DecisionRecord> for PastDecision {
    fn from(d: run::DecisionRecord) -> Self {
        Self { at: Time(d.at), who: d.who, decision: d.decision, call: d.call, what: d.what, result: d.result }
    }
}

impl From<run::RunDetail> for RunDetail {
    fn from(d: run::RunDetail) -> Self {
        Self {
            summary: d.summary.into(),
            event: d.event.map(EventData::from),
            output: d.output.map(OutputData::from),
            attempts_made: d.attempts_made.into_iter().map(Attempt::from).collect(),
            in_doubt: Vec::new(),
            decisions: d.decisions.into_iter().map(PastDecision::from).collect(),
            fresh: d.fresh.map(String::from),
        }
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventData {
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
    /// When it happened, as the source said.
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
    pub extensions: Vec<Attribute>,
    /// What else the trigger heard: a webhook's method, path, query, headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta: Vec<Attribute>,
    /// The size of the data, in bytes.
    pub size: u64,
    /// The data.
    #[serde(flatten)]
    pub payload: Payload,
}

impl From<Event> for EventData {
    fn from(e: Event) -> Self {
        Self {
            id: e.id,
            source: e.source,
            event_type: e.event_type,
            subject: e.subject,
            time: e.time,
            content_type: e.content_type,
            schema: e.schema,
            extensions: attributes(e.extensions),
            meta: attributes(e.meta),
            size: e.data.len() as u64,
            payload: Payload::of(&e.data),
        }
    }
}

/// An ended attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// When it began.
    pub started: Time,
    /// When its outcome was known.
    pub ended: Time,
    /// How it ended.
    pub outcome: String,
    /// Why, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Frames or a stack, one per line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// What it used.
    pub usage: UsageData,
    /// The last call that was refused for want of a grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Its calls, in the guest's order; the first 200.
    pub calls: Vec<Call>,
    /// Of the last attempt, if it did not succeed: the last five lines of its log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
}

impl From<run::AttemptRecord> for Attempt {
    fn from(a: run::AttemptRecord) -> Self {
        Self {
            number: a.number,
            started: Time(a.started),
            ended: Time(a.ended),
            outcome: a.outcome,
            reason: a.reason,
            stack: a.stack,
            usage: a.usage.into(),
            refused: a.refused,
            calls: a.calls.into_iter().map(Call::from).collect(),
            log: Vec::new(),
        }
    }
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageData {
    /// From the first instruction to the outcome, in milliseconds.
    pub wall_ms: f64,
    /// CPU, in milliseconds.
    pub cpu_ms: f64,
    /// Making the instance, in milliseconds.
    pub start_ms: f64,
    /// The most memory it had, in bytes.
    pub memory_peak_bytes: u64,
    /// Calls it made, those answered from the journal included.
    pub calls: u32,
    /// Of these, those answered from the journal.
    pub replayed: u32,
    /// Bytes of request bodies sent out.
    pub sent_bytes: u64,
    /// Bytes of response bodies received.
    pub received_bytes: u64,
}

impl From<Usage> for UsageData {
    fn from(u: Usage) -> Self {
        // To the microsecond: more digits would be noise.
        let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            wall_ms: ms(u.wall),
            cpu_ms: ms(u.cpu),
            start_ms: ms(u.start),
            memory_peak_bytes: u.memory_peak_bytes,
            calls: u.calls,
            replayed: u.replayed,
            sent_bytes: u.sent_bytes,
            received_bytes: u.received_bytes,
        }
    }
}

/// A recorded call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Call {
    /// Its number.
    pub call: u32,
    /// The capability, such as `http`.
    pub capability: String,
    /// What it was.
    pub what: String,
    /// What came back.
    pub result: String,
    /// How long it took, in milliseconds; when it was replayed, how long it took then.
    pub took_ms: u32,
    /// Answered from the journal.
    pub replayed: bool,
    /// Nobody can know whether it happened.
    pub in_doubt: bool,
}

impl From<CallSummary> for Call {
    fn from(c: CallSummary) -> Self {
        Self {
            call: c.call,
            capability: c.capability.name().into(),
            what: c.what,
            result: c.result,
            took_ms: c.took_ms,
            replayed: c.replayed,
            in_doubt: c.in_doubt,
        }
    }
}

/// What a handler answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputData {
    /// HTTP status for a webhook that responds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The media type of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Response or message headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Attribute>,
    /// The data.
    #[serde(flatten)]
    pub payload: Payload,
}

impl From<Output> for OutputData {
    fn from(o: Output) -> Self {
        Self {
            status: o.status,
            content_type: o.content_type,
            headers: attributes(o.headers),
            payload: Payload::of(&o.data),
        }
    }
}
