//! A playback: the hatch of one attempt that is answered from a recording alone, and what came of it.
//!
//! It is the real hatch over a closed journal: a call that is not recorded, or another one, ends the
//! attempt. Nothing is sent and nothing is kept. Not here: the sandbox, which is the caller's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::make::{recorded_line, recorded_output};
use super::text::attributes;
use super::{BadRecording, RecordedEvent, RecordedLine, RecordedOutcome, Recording, Script, observed};
use crate::artifact::Digest;
use crate::clock::{Clock, SystemClock, SystemRng, Timestamp};
use crate::event::Event;
use crate::executor::{redacted, settled};
use crate::hatch::{Hatch, Parts, RunInfo, Stop};
use crate::journal::{CallSummary, Chunk, Journal, NonDeterminism, Record, encode};
use crate::limits::{IN_FLIGHT_PER_INTEGRATION, LOG_LINES, Limits};
use crate::logs::{LogRetention, Logs};
use crate::metrics::Metrics;
use crate::outcome::{Outcome, Usage};
use crate::outside::{Keys, Linked, Outside, OutsideParts, bare};
use crate::ports::connector::Connector;
use crate::ports::sandbox::{HostFault, Report, Work};
use crate::redact::Redactor;
use crate::seal::MasterKey;
use crate::store::Store;
use crate::store::queue::Fence;
use crate::store::sqlite::{SqliteOptions, SqliteStore};

/// What keeps a recording from being played.
#[derive(Debug, thiserror::Error)]
pub enum PlaybackError {
    /// The file is to blame.
    #[error(transparent)]
    Recording(#[from] BadRecording),
    /// The machine is.
    #[error("{0}")]
    Machine(String),
}

/// See the module.
pub struct Playback {
    hatch: Arc<Hatch>,
    pub(super) event: Arc<Event>,
    limits: Limits,
    logs: Arc<Logs>,
    pub(super) store: Arc<dyn Store>,
    calls: Vec<(u32, String)>,
}

/// What came of it.
#[derive(Debug)]
pub struct Played {
    /// How the attempt ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// What its guest logged and printed.
    pub log: Vec<RecordedLine>,
    /// The calls it made, those that were refused included; the first 200.
    pub calls: Vec<CallSummary>,
    /// Where it asked for something else than was recorded.
    pub diverged: Option<NonDeterminism>,
    /// Recorded calls that it never came to: number and what.
    pub not_made: Vec<(u32, String)>,
}

impl Playback {
    /// Opens the hatch over a recording. `folder` is for what the attempt leaves behind, which nobody
    /// needs afterwards; `connectors` read what is asked of connections, and open none. Not `exact`: what the guest observed besides its calls is not replayed.
    ///
    /// # Errors
    ///
    /// The recording does not read, or the folder cannot be used.
    pub fn open(
        recording: &Recording,
        folder: &Path,
        exact: bool,
        connectors: Vec<Arc<dyn Connector>>,
    ) -> Result<Self, PlaybackError> {
        let mut records = Vec::new();
        for call in &recording.calls {
            records.extend(call.records()?);
        }
        let lines = recording.observed.as_deref().unwrap_or_default();
        let observed = lines.iter().map(|line| observed::record(line)).collect::<Result<Vec<_>, _>>()?;
        let first = observed.iter().find_map(|record| match record {
            Record::Time(moment) => Some(moment.wall),
            _ => None,
        });
        if exact {
            records.extend(observed);
        }
        let clock: Arc<dyn Clock> = Arc::new(Then::new(first.unwrap_or(recording.run.started)));
        let chunk = Chunk { number: 0, bytes: encode(&records) };
        let journal = Journal::load(Arc::clone(&clock), &[chunk]);
        let mut journal = journal.map_err(|e| PlaybackError::Machine(e.to_string()))?;
        journal.close();
        Self::over(recording, folder, clock, journal, None, connectors)
    }

    /// The same over a journal and a clock of the caller's. A script answers the calls that it lists; others are made,
    /// as far as a store of their own can answer them.
    pub(super) fn over(
        recording: &Recording,
        folder: &Path,
        clock: Arc<dyn Clock>,
        journal: Journal,
        script: Option<Arc<Script>>,
        connectors: Vec<Arc<dyn Connector>>,
    ) -> Result<Self, PlaybackError> {
        let machine = |problem: String| PlaybackError::Machine(format!("{}: {problem}", folder.display()));
        let sqlite = SqliteOptions { reserve: false, ..SqliteOptions::new(Arc::clone(&clock), Arc::new(SystemRng)) };
        let store = SqliteStore::open(folder, sqlite).map_err(|e| machine(e.to_string()))?;
        let store: Arc<dyn Store> = Arc::new(store);
        let logs = Logs::open(folder.join("logs"), Arc::clone(&clock), LogRetention::default());
        let logs = logs.map_err(|e| machine(e.to_string()))?;
        let metrics = Metrics::register(&prometheus::Registry::new(), 1_000).map_err(|e| machine(e.to_string()))?;
        let outside = Outside::new(OutsideParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            rng: Arc::new(SystemRng),
            // Nothing is sealed and nothing is derived: what a run's keys gave is in the recording.
            keys: Keys { master: MasterKey::from_bytes([0; 32]), installation: [0; 32] },
            connectors: vec![],
            bare_http: bare(),
            logs: Arc::clone(&logs),
            metrics,
        });
        let run = &recording.run;
        let (target, limits) = (run.target(), Limits::from(recording.component.limits));
        let linked = recording.connections.iter();
        let linked = linked.map(|(name, recorded)| (name.clone(), Linked::played(recorded, &connectors)));
        let hatch = Hatch::new(Parts {
            info: RunInfo {
                fence: Fence { run: run.id, number: 1 },
                attempt: run.attempt,
                idempotency_key: run.idempotency_key.clone(),
                deadline: run.started.plus(limits.timeout),
                traceparent: format!("00-{}-0000000000000001-01", data_encoding::HEXLOWER.encode(&run.id.to_bytes())),
                target: target.clone(),
            },
            grants: Arc::new(recording.component.grants.clone()),
            limits,
            linked: linked.collect(),
            seed: run.random_seed,
            ends: clock.monotonic() + limits.timeout,
            journal,
            log: logs.attempt(run.id, run.attempt, &target, limits.log_bytes, Redactor::none()),
            redactor: Redactor::none(),
            shared_in_flight: Arc::new(Semaphore::new(IN_FLIGHT_PER_INTEGRATION)),
            script,
            outside,
        });
        Ok(Self {
            hatch,
            event: Arc::new(event(&recording.event)?),
            limits,
            logs,
            store,
            calls: recording.calls.iter().map(|call| (call.call, call.what.clone())).collect(),
        })
    }

    /// The attempt to be made, with the code `artifact`.
    #[must_use]
    pub fn work(&self, artifact: Digest) -> Work {
        Work {
            artifact,
            event: Arc::clone(&self.event),
            limits: self.limits,
            grants: Arc::clone(self.hatch.grants()),
            hatch: Arc::clone(&self.hatch),
            stop: CancellationToken::new(),
        }
    }

    /// Waits for the calls that the guest let go of.
    pub(super) async fn finish(&self) {
        self.hatch.finish().await;
    }

    /// What came of it, once the sandbox is done.
    pub async fn ended(self, report: Result<Report, HostFault>) -> Played {
        self.finish().await;
        let closing = self.hatch.closing();
        let (outcome, usage) = match report {
            Ok(report) => (report.outcome, report.usage),
            Err(HostFault(message)) => (Outcome::HostFault { message, panicked: false }, Usage::default()),
        };
        let outcome = redacted(settled(outcome, &self.hatch, &closing), self.hatch.redactor());
        let lines = self.logs.of_run(self.hatch.info().fence.run, LOG_LINES as usize);
        self.store.close().await;
        Played {
            outcome,
            usage: Usage { calls: closing.issued, replayed: closing.replayed, ..usage },
            log: lines.iter().map(|line| recorded_line(line, &Redactor::none())).collect(),
            calls: closing.calls,
            diverged: match self.hatch.stopped() {
                Some(Stop::NonDeterminism(difference)) => Some(difference),
                _ => None,
            },
            not_made: self.calls.into_iter().filter(|(call, _)| *call > closing.issued).collect(),
        }
    }
}

impl Played {
    /// How the attempt ended, as a recording has it.
    #[must_use]
    pub fn outcome(&self) -> RecordedOutcome {
        let (output, stack) = match &self.outcome {
            Outcome::Succeeded { output } => (output.as_ref(), vec![]),
            Outcome::Failed(failure) => {
                (None, failure.stack.iter().flat_map(|s| s.lines()).map(str::to_owned).collect())
            }
            Outcome::Trapped { frames, .. } => (None, frames.clone()),
            _ => (None, vec![]),
        };
        let succeeded = matches!(self.outcome, Outcome::Succeeded { .. });
        RecordedOutcome {
            outcome: self.outcome.label().into(),
            reason: (!succeeded).then(|| self.outcome.reason()),
            stack,
            output: output.map(|output| recorded_output(output, &Redactor::none())),
        }
    }

    /// What is not as it was recorded, a sentence each; none: the attempt was the same.
    #[must_use]
    pub fn differences(&self, recording: &Recording) -> Vec<String> {
        let Some(then) = &recording.outcome else { return vec![] };
        let now = self.outcome();
        if let Some(diverged) = &self.diverged {
            // What was recorded may be just that.
            let same = now.outcome == then.outcome && now.reason == then.reason;
            return if same { vec![] } else { vec![diverged.to_string()] };
        }
        let mut differences = Vec::new();
        if !self.not_made.is_empty() {
            let calls: Vec<_> = self.not_made.iter().map(|(call, what)| format!("{call} ({what})")).collect();
            differences.push(format!("recorded calls were not made: {}", calls.join(", ")));
        }
        let how = |outcome: &RecordedOutcome| match &outcome.reason {
            Some(reason) => format!("{}: {reason}", outcome.outcome),
            None => outcome.outcome.clone(),
        };
        if (&now.outcome, &now.reason) != (&then.outcome, &then.reason) {
            differences.push(format!("the outcome was {}, and is {}", how(then), how(&now)));
        } else if now.output != then.output {
            differences.push("the output is another one".into());
        }
        differences
    }

    /// Where the log is not as it was recorded.
    #[must_use]
    pub fn log_difference(&self, recording: &Recording) -> Option<String> {
        let then = recording.log.as_ref()?;
        let at = then.iter().zip(&self.log).position(|(then, now)| then != now);
        let said = |lines: &[RecordedLine], at: usize| lines.get(at).map_or("nothing", |line| &line.message).to_owned();
        match at.unwrap_or(then.len().min(self.log.len())) {
            at if at == then.len() && at == self.log.len() => None,
            at => Some(format!("line {}: was {:?}, and is {:?}", at + 1, said(then, at), said(&self.log, at))),
        }
    }
}

fn event(recorded: &RecordedEvent) -> Result<Event, BadRecording> {
    let of = |e: BadRecording| BadRecording(format!("event: {e}"));
    Ok(Event {
        id: recorded.id.clone(),
        source: recorded.source.clone(),
        event_type: recorded.event_type.clone(),
        subject: recorded.subject.clone(),
        time: recorded.time.clone(),
        content_type: recorded.content_type.clone(),
        schema: recorded.schema.clone(),
        extensions: attributes(&recorded.extensions).map_err(of)?,
        meta: attributes(&recorded.meta).map_err(of)?,
        data: recorded.data.bytes().map_err(of)?,
    })
}

/// The machine's clock, put back: it shows the time of the recording and runs on from there.
struct Then {
    start: Timestamp,
    began: Duration,
}

impl Then {
    fn new(start: Timestamp) -> Self {
        Self { start, began: SystemClock.monotonic() }
    }
}

#[async_trait]
impl Clock for Then {
    fn now(&self) -> Timestamp {
        self.start.plus(SystemClock.monotonic().saturating_sub(self.began))
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}
