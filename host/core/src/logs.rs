//! Guest logs: segment files, not rows.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Timestamp};
use crate::event::Attributes;
use crate::ids::{ComponentName, EnvironmentName, IntegrationName, RunId};
use crate::redact::Redactor;
use crate::run::Target;

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

/// What is kept, per environment: whichever ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRetention {
    /// Days older than this go.
    pub age: Duration,
    /// Bytes; the oldest files go.
    pub bytes: u64,
}

/// Which lines to read; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// In this environment.
    pub environment: Option<EnvironmentName>,
    /// Of this integration.
    pub integration: Option<IntegrationName>,
    /// Of this component.
    pub component: Option<ComponentName>,
    /// Of this run.
    pub run: Option<RunId>,
    /// At least this level.
    pub min_level: Level,
}

/// All guest logs of this host.
pub struct Logs {
    _folder: PathBuf,
}

impl Logs {
    /// Opens the logs kept in `folder`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or read.
    pub fn open(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>, retention: LogRetention) -> io::Result<Arc<Self>> {
        let _ = (clock, retention);
        Ok(Arc::new(Self { _folder: folder.into() }))
    }

    /// The log of one attempt, capped at `limit_bytes` and [`crate::limits::LOG_LINES`].
    #[must_use]
    pub fn attempt(
        self: &Arc<Self>,
        run: RunId,
        attempt: u32,
        target: &Target,
        limit_bytes: u64,
        redactor: Redactor,
    ) -> AttemptLog {
        let _ = (run, attempt, target, limit_bytes, redactor);
        AttemptLog { _logs: self.clone() }
    }

    /// Lines below this level are not kept (nor counted as dropped).
    pub fn set_min_level(&self, level: Level) {
        let _ = level;
    }

    /// The lines of a run, oldest first, at most `limit`, the newest if there are more.
    #[must_use]
    pub fn of_run(&self, run: RunId, limit: usize) -> Vec<LogLine> {
        let _ = (run, limit);
        Vec::new()
    }

    /// The newest lines that pass `filter`, oldest first, at most `limit`.
    #[must_use]
    pub fn recent(&self, filter: &LogFilter, limit: usize) -> Vec<LogLine> {
        let _ = (filter, limit);
        Vec::new()
    }

    /// Lines from now on that pass `filter`. A slow reader misses lines and is told how many.
    #[must_use]
    pub fn follow(&self, filter: LogFilter) -> Follow {
        let _ = filter;
        Follow {}
    }

    /// Lines that were not kept since the host started: over a cap, or the disk failed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        0
    }

    /// Writes what is buffered to the files. Called by a task of the host every 200 ms.
    pub fn flush(&self) {}

    /// Removes what retention does not keep. Answers how many files went.
    pub fn retain(&self) -> usize {
        0
    }
}

/// Lines as they are written.
pub struct Follow {}

impl Follow {
    /// The next line; none when the logs are closed.
    pub async fn next(&mut self) -> Option<Followed> {
        None
    }
}

/// What a follower gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A line.
    Line(Arc<LogLine>),
    /// It was too slow: so many lines (of all, not only of the filter) passed by.
    Missed(u64),
}

/// The log of one attempt.
pub struct AttemptLog {
    _logs: Arc<Logs>,
}

impl AttemptLog {
    /// Takes a line. Never fails and never waits for a disk.
    pub fn write(&self, level: Level, message: &str, attributes: &[(String, String)]) {
        let _ = (level, message, attributes);
    }

    /// Ends it: says how many lines were dropped, if any were. Answers that number.
    pub fn end(&self) -> u64 {
        0
    }
}
