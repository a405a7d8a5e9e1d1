//! Guest logs: segment files, not rows.
//!
//! What a guest says is kept in append-only files per environment and day, bounded per attempt and in
//! all, and never synced: losing the last moments of a log in a power cut is no loss of a promise.
//! Not here: the host's own log, which is `tracing`'s; how lines are shown.

mod line;
mod segments;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::ids::{ComponentName, EnvironmentName, IntegrationName, RunId};
use crate::limits::{LOG_LINES, LOG_MESSAGE_BYTES};
use crate::redact::Redactor;
use crate::run::Target;

pub use line::{Level, LogLine};
use segments::{Chunk, Segments};
use writer::{Buffer, Writer};

/// Lines a follower may lag behind before it misses some.
const FOLLOWER_LINES: usize = 1024;
/// How much of an environment's log [`Logs::recent`] looks through before it gives up, in bytes.
const LOOK_THROUGH_BYTES: u64 = 64 * 1024 * 1024;

/// What is kept, per environment: whichever ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRetention {
    /// Days older than this go.
    pub age: Duration,
    /// Bytes; the oldest files go.
    pub bytes: u64,
}

impl Default for LogRetention {
    fn default() -> Self {
        Self { age: Duration::from_secs(7 * 24 * 3600), bytes: 1024 * 1024 * 1024 }
    }
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

impl LogFilter {
    fn lets(&self, line: &LogLine) -> bool {
        line.level >= self.min_level
            && self.run.is_none_or(|run| run == line.run)
            && self.integration.as_ref().is_none_or(|name| *name == line.integration)
            && self.component.as_ref().is_none_or(|name| *name == line.component)
    }

    fn within(&self, environment: &EnvironmentName) -> bool {
        self.environment.as_ref().is_none_or(|name| name == environment)
    }
}

/// All guest logs of this host.
pub struct Logs {
    clock: Arc<dyn Clock>,
    segments: Arc<Mutex<Segments>>,
    writer: Writer,
    followers: Mutex<Vec<Follower>>,
    following: AtomicU64,
    min_level: AtomicU8,
    dropped: Arc<AtomicU64>,
}

impl Logs {
    /// Opens the logs kept in `folder`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or read, or no thread can be started.
    pub fn open(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>, retention: LogRetention) -> io::Result<Arc<Self>> {
        let segments = Arc::new(Mutex::new(Segments::open(folder.into(), retention)?));
        let dropped = Arc::new(AtomicU64::new(0));
        Ok(Arc::new(Self {
            writer: Writer::start(segments.clone(), dropped.clone())?,
            clock,
            segments,
            followers: Mutex::default(),
            following: AtomicU64::new(0),
            min_level: AtomicU8::new(Level::Trace as u8),
            dropped,
        }))
    }

    /// The log of one attempt, capped at `limit_bytes` and [`LOG_LINES`].
    #[must_use]
    pub fn attempt(
        self: &Arc<Self>,
        run: RunId,
        attempt: u32,
        target: &Target,
        limit_bytes: u64,
        redactor: Redactor,
    ) -> AttemptLog {
        let buffer = Arc::new(Buffer::new(target.environment.clone(), run));
        self.writer.watch(&buffer);
        AttemptLog {
            logs: self.clone(),
            target: target.clone(),
            run,
            attempt,
            limit_bytes,
            redactor,
            buffer,
            taken: Mutex::default(),
        }
    }

    /// Lines below this level are not kept, and not counted as dropped.
    pub fn set_min_level(&self, level: Level) {
        self.min_level.store(level as u8, Ordering::Relaxed);
    }

    /// The newest `limit` lines of a run, oldest first. Reads files: not for an async thread.
    #[must_use]
    pub fn of_run(&self, run: RunId, limit: usize) -> Vec<LogLine> {
        self.recent(&LogFilter { run: Some(run), ..LogFilter::default() }, limit)
    }

    /// The newest `limit` lines that pass `filter`, oldest first; looks at most 64 MiB back, unless
    /// it is for one run. Reads files: not for an async thread.
    #[must_use]
    pub fn recent(&self, filter: &LogFilter, limit: usize) -> Vec<LogLine> {
        self.flush();
        let environments = {
            let segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
            segments.snapshot(|name| filter.within(name))
        };
        let mut lines = Vec::new();
        for segments in &environments {
            let wanted = |line: &LogLine| filter.lets(line);
            lines.extend(match filter.run {
                Some(run) => segments.of_run(run, limit, wanted),
                None => segments.newest(LOOK_THROUGH_BYTES, limit, wanted),
            });
        }
        lines.reverse();
        lines.sort_by_key(|line: &LogLine| line.at);
        lines.split_off(lines.len().saturating_sub(limit))
    }

    /// Lines from now on that pass `filter`.
    #[must_use]
    pub fn follow(&self, filter: LogFilter) -> Follow {
        let (sender, receiver) = mpsc::channel(FOLLOWER_LINES);
        let missed = Arc::new(AtomicU64::new(0));
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.push(Follower { filter, sender, missed: missed.clone() });
        self.following.store(followers.len() as u64, Ordering::Relaxed);
        Follow { receiver, missed }
    }

    fn tell_followers(&self, environment: &EnvironmentName, line: &Arc<LogLine>) {
        if self.following.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|follower| {
            if !follower.filter.within(environment) || !follower.filter.lets(line) {
                return !follower.sender.is_closed();
            }
            match follower.sender.try_send(line.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    follower.missed.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
        self.following.store(followers.len() as u64, Ordering::Relaxed);
    }

    /// Lines that were not kept since the host started: over a cap, or the disk failed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that was written so far is in the files. That happens by itself within 200 ms.
    pub fn flush(&self) {
        self.writer.flush();
    }

    /// Removes what retention does not keep. Answers how many files went.
    pub fn retain(&self) -> usize {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner).retain(self.clock.now())
    }
}

struct Follower {
    filter: LogFilter,
    sender: mpsc::Sender<Arc<LogLine>>,
    missed: Arc<AtomicU64>,
}

/// Lines as they are written.
pub struct Follow {
    receiver: mpsc::Receiver<Arc<LogLine>>,
    missed: Arc<AtomicU64>,
}

/// What a follower gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A line.
    Line(Arc<LogLine>),
    /// It was too slow: so many lines passed by.
    Missed(u64),
}

impl Follow {
    /// The next line; none when the logs are closed.
    pub async fn next(&mut self) -> Option<Followed> {
        // Lines are only missed while the channel is full, so what it holds is older than the gap.
        if self.receiver.is_empty() {
            let missed = self.missed.swap(0, Ordering::Relaxed);
            if missed > 0 {
                return Some(Followed::Missed(missed));
            }
        }
        self.receiver.recv().await.map(Followed::Line)
    }
}

/// The log of one attempt. Dropping it ends it.
pub struct AttemptLog {
    logs: Arc<Logs>,
    target: Target,
    run: RunId,
    attempt: u32,
    limit_bytes: u64,
    redactor: Redactor,
    buffer: Arc<Buffer>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    lines: u32,
    bytes: u64,
    dropped: u64,
    ended: bool,
}

impl AttemptLog {
    /// Takes a line. Never fails and never waits for a disk.
    pub fn write(&self, level: Level, message: &str, attributes: &[(String, String)]) {
        if (level as u8) < self.logs.min_level.load(Ordering::Relaxed) {
            return;
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at before the line is made, so that a flood costs the host nothing.
        let full = taken.ended || taken.lines >= LOG_LINES || taken.bytes >= self.limit_bytes;
        let line = (!full).then(|| self.line(level, message, attributes));
        let fits = line.filter(|line| taken.bytes + line.encoded.len() as u64 <= self.limit_bytes);
        let Some(made) = fits else {
            taken.dropped += 1;
            self.logs.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        taken.lines += 1;
        taken.bytes += made.encoded.len() as u64;
        taken.dropped += self.keep(made);
    }

    /// Ends it: says how many lines were dropped, if any were. Answers that number.
    pub fn end(&self) -> u64 {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.ended {
            taken.ended = true;
            if taken.dropped > 0 {
                let message = format!("{} lines dropped", taken.dropped);
                let limit = format!("limits.log is {} bytes, and {LOG_LINES} lines", self.limit_bytes);
                let marker = self.line(Level::Warn, &message, &[("limit".into(), limit)]);
                self.keep(marker);
            }
            taken.dropped += self.logs.writer.hand_over(&self.buffer);
        }
        taken.dropped
    }

    fn line(&self, level: Level, message: &str, attributes: &[(String, String)]) -> Made {
        // Redacted before it is cut, or half a secret could stand at the end.
        let mut left = LOG_MESSAGE_BYTES;
        let mut tidy = |text: &str| line::cut(&self.redactor.text(text), &mut left);
        let attributes = attributes.iter().map_while(|(key, value)| Some((tidy(key)?, tidy(value)?))).collect();
        let mut left = LOG_MESSAGE_BYTES;
        let message = line::cut(&self.redactor.text(message), &mut left).unwrap_or_default();
        let line = LogLine {
            at: self.logs.clock.now(),
            run: self.run,
            attempt: self.attempt,
            integration: self.target.integration.clone(),
            component: self.target.component.clone(),
            level,
            message,
            attributes,
        };
        Made { encoded: line.encode(), line: Arc::new(line) }
    }

    /// Puts a line into the buffer. Answers how many lines were lost because the disk lags behind.
    fn keep(&self, made: Made) -> u64 {
        self.logs.tell_followers(&self.target.environment, &made.line);
        if self.buffer.push(&made.encoded, made.line.at) { self.logs.writer.hand_over(&self.buffer) } else { 0 }
    }
}

impl Drop for AttemptLog {
    fn drop(&mut self) {
        self.end();
    }
}

struct Made {
    line: Arc<LogLine>,
    encoded: Vec<u8>,
}

#[cfg(test)]
mod tests;
