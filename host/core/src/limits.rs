//! The limits of a component: defaults, hard caps, and the words for a limit that was met.
//!
//! Not here: who enforces them. Memory, CPU and time are the sandbox's, calls and bytes the hatch's,
//! queue and log the ledger's.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::grant::Grants;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What one component may use. The manifest's `limits`, checked against the hard caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Memory, summed over all memories and tables of an attempt, in bytes.
    pub memory_bytes: u64,
    /// CPU time of an attempt.
    pub cpu: Duration,
    /// Wall time of an attempt.
    pub timeout: Duration,
    /// Attempts of the component at the same time.
    pub concurrency: u32,
    /// Event data, in bytes.
    pub event_bytes: u64,
    /// Output, in bytes.
    pub output_bytes: u64,
    /// Request and response body of an http call, each, in bytes.
    pub http_body_bytes: u64,
    /// The data of a published or received message, in bytes.
    pub message_bytes: u64,
    /// A mail with its attachments, in bytes.
    pub email_bytes: u64,
    /// An object, or a part of one, in one call, in bytes.
    pub blob_bytes: u64,
    /// Rows of an answer to a statement.
    pub sql_rows: u32,
    /// A statement with its parameters, and an answer, each, in bytes.
    pub sql_bytes: u64,
    /// Guest log of an attempt, in bytes.
    pub log_bytes: u64,
    /// Connector calls of a run.
    pub calls: u32,
    /// Connector calls of a run at the same time.
    pub in_flight: u32,
    /// Journal of a run, in bytes.
    pub journal_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 128 * MIB,
            cpu: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            concurrency: 8,
            event_bytes: MIB,
            output_bytes: MIB,
            http_body_bytes: 4 * MIB,
            message_bytes: MIB,
            email_bytes: 8 * MIB,
            blob_bytes: 4 * MIB,
            sql_rows: 10_000,
            sql_bytes: 4 * MIB,
            log_bytes: MIB,
            calls: 10_000,
            in_flight: 16,
            journal_bytes: 64 * MIB,
        }
    }
}

impl Limits {
    /// The most a manifest may ask for.
    pub const HARD: Self = Self {
        memory_bytes: 1024 * MIB,
        cpu: Duration::from_secs(600),
        timeout: Duration::from_secs(3600),
        concurrency: 1_000,
        event_bytes: 8 * MIB,
        output_bytes: 8 * MIB,
        http_body_bytes: 16 * MIB,
        message_bytes: 8 * MIB,
        email_bytes: 24 * MIB,
        blob_bytes: 16 * MIB,
        sql_rows: 100_000,
        sql_bytes: 16 * MIB,
        log_bytes: 16 * MIB,
        calls: 1_000_000,
        in_flight: 64,
        journal_bytes: 1024 * MIB,
    };

    /// The largest single argument a guest may hand over or receive, in bytes. Twice this is the
    /// hostcall fuel.
    #[must_use]
    pub fn largest_argument_bytes(&self, grants: &Grants) -> u64 {
        // What is denied is answered without a look at its arguments.
        let granted = |granted: bool, bytes: u64| if granted { bytes } else { 0 };
        self.event_bytes
            .max(self.output_bytes)
            .max(self.http_body_bytes)
            .max(KV_BATCH_BYTES)
            .max(EMIT_CALL_BYTES)
            .max(granted(!grants.messaging.is_empty(), self.message_bytes.max(PUBLISH_BYTES)))
            .max(granted(!grants.email.is_empty(), self.email_bytes))
            .max(granted(!grants.blob.is_empty(), self.blob_bytes))
            .max(granted(!grants.sql.is_empty(), self.sql_bytes))
    }
}

/// Messages of one `publish`.
pub const PUBLISH_MESSAGES: usize = 100;
/// The messages of one `publish` together, data and headers, in bytes; one message may have more if `limits.message` does.
pub const PUBLISH_BYTES: u64 = 4 * MIB;
/// Statements of one `batch`.
pub const SQL_STEPS: usize = 100;
/// The recipients of a mail.
pub const EMAIL_RECIPIENTS: usize = 100;
/// The longest name of an object, in bytes.
pub const BLOB_NAME_BYTES: usize = 1024;
/// The most a page of objects can list.
pub const BLOB_PAGE: u32 = 1_000;
/// Log lines of an attempt.
pub const LOG_LINES: u32 = 10_000;
/// A log message is cut here, in bytes.
pub const LOG_MESSAGE_BYTES: usize = 64 * 1024;
/// The longest kv key, in bytes.
pub const KV_KEY_BYTES: usize = 512;
/// The largest kv value, in bytes.
pub const KV_VALUE_BYTES: usize = 1024 * 1024;
/// The operations of a kv batch, and the keys of a `get-many`.
pub const KV_BATCH: usize = 100;
/// The values of a kv batch together, in bytes.
pub const KV_BATCH_BYTES: u64 = 4 * MIB;
/// The most a kv page can list.
pub const KV_PAGE: u32 = 1_000;
/// What an integration may keep in kv in one environment, in bytes.
pub const KV_STORED_BYTES: u64 = 256 * MIB;
/// Events of one `emit`.
pub const EMIT_EVENTS: usize = 100;
/// An emitted event, data and attributes, in bytes.
pub const EMIT_BYTES: u64 = MIB;
/// The events of one `emit` together, in bytes.
pub const EMIT_CALL_BYTES: u64 = 4 * MIB;
/// The longest delay of an emitted event, in seconds.
pub const EMIT_DELAY_SECONDS: u32 = 366 * 24 * 3600;
/// The longest attribute of an emitted event, in bytes.
pub const EMIT_ATTRIBUTE_BYTES: usize = 1024;
/// Extension attributes of an emitted event.
pub const EMIT_EXTENSIONS: usize = 64;
/// The runs that the events of one `emit` may become.
pub const EMIT_RUNS: usize = 10_000;
/// Triggers of an integration that listen for events: what is made of one event is made at once.
pub const LISTENERS: usize = 100;
/// How many events may lead to one another.
pub const EVENT_DEPTH: u32 = 16;
/// Connector calls of an integration in one environment at the same time.
pub const IN_FLIGHT_PER_INTEGRATION: usize = 64;
/// Queued runs of an integration in one environment.
pub const QUEUE_RUNS: u64 = 100_000;
/// Events of the queued runs of an integration in one environment, in bytes.
pub const QUEUE_BYTES: u64 = 1024 * MIB;

/// Events, outputs and journals of the dead letters of an integration in one environment, in bytes.
pub const DEAD_BYTES: u64 = 4 * 1024 * MIB;

/// A limit that can end an attempt as `over-budget`, and the setting that moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// `limits.calls`
    Calls,
    /// `limits.journal`
    Journal,
    /// `limits.output`
    Output,
    /// What crosses between guest and host in one call.
    Argument,
    /// Open handles of an attempt.
    Handles,
    /// Bytes written to outgoing bodies of an attempt.
    OutgoingBody,
}

impl Limit {
    /// The setting that moves it, as written in the manifest; for a fixed limit, what it is.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Calls => "limits.calls",
            Self::Journal => "limits.journal",
            Self::Output => "limits.output",
            Self::Argument => {
                "twice the largest of limits.event, limits.output, limits.http_body, and those of the connections granted"
            }
            Self::Handles => "1,000 open handles, fixed",
            Self::OutgoingBody => "limits.http_body",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calls => "connector calls of a run",
            Self::Journal => "journal bytes of a run",
            Self::Output => "output bytes",
            Self::Argument => "bytes handed over in one call",
            Self::Handles => "open handles",
            Self::OutgoingBody => "bytes of outgoing bodies",
        })
    }
}
