//! The hatch: a guest's one way out, whoever lifted the call.
//!
//! grant → budget → journal → pace → connector → meter and span, in this order, for every call. One
//! [`Hatch`] belongs to one attempt. What it decides about grants is in [`crate::grant`], about
//! repeating in [`crate::journal`]; how the calls of each capability are checked and made is in this
//! folder's files. It knows no wasm and dials nothing.

mod asked;
mod blob;
mod config;
mod email;
mod events;
mod http;
mod kv;
mod messaging;
mod outward;
#[cfg(test)]
mod outward_tests;
mod sql;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use asked::HttpAsked;
pub use config::{ConfigAnswer, ConfigError};
pub(crate) use events::{label as emit_label, verdict as events_verdict};
pub(crate) use http::verdict_of;
pub(crate) use kv::verdict as kv_verdict;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::clock::Timestamp;
use crate::event::Attributes;
use crate::gauntlet::crash_point;
use crate::grant::{Capability, Grants};
use crate::ids::ConnectionName;
use crate::journal::{
    ArgumentHash, CallSummary, Chunk, Class, Cut, Journal, LookUp, Moment, NonDeterminism, Sides, Verdict, What,
};
use crate::limits::{Limit, Limits};
use crate::lock::locked;
use crate::logs::{AttemptLog, Level};
use crate::metrics::CallResult;
use crate::outside::{Linked, Outside};
use crate::recording::{Answered, Script};
use crate::redact::Redactor;
use crate::run::Target;
use crate::store::queue::Fence;
use crate::store::{Reply, StoreError};

/// The calls an attempt's record lists; further ones are counted.
const CALLS_SHOWN: usize = 200;

/// What a guest may know of its run.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// What handles it, where.
    pub target: Target,
    /// The run and the fence of this attempt.
    pub fence: Fence,
    /// Counted from 1.
    pub attempt: u32,
    /// The same for every attempt of the run.
    pub idempotency_key: String,
    /// When this attempt is stopped.
    pub deadline: Timestamp,
    /// W3C trace context of this attempt.
    pub traceparent: String,
}

/// Why the attempt must end now. The sandbox traps the guest with it; it decides the outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// A budget is used up.
    #[error("more than {allowed} {limit} ({})", limit.setting())]
    OverBudget {
        /// Which.
        limit: Limit,
        /// What it allowed.
        allowed: u64,
    },
    /// A repeated attempt asked for something else than the recorded one.
    #[error(transparent)]
    NonDeterminism(#[from] NonDeterminism),
    /// The host cannot go on with this attempt; not the guest's fault.
    #[error("{0}")]
    HostFault(String),
    /// A connection lets no call through for now: the run comes back, and no attempt is used up.
    #[error("connection `{connection}` lets no call through for now: {why}")]
    Held {
        /// Which, as the environment names it.
        connection: ConnectionName,
        /// When to come back.
        back_in: Duration,
        /// Why.
        why: String,
    },
}

/// How an attempt left its journal, and what it did.
#[derive(Clone, Debug)]
pub struct Closing {
    /// What was not appended yet.
    pub tail: Option<Chunk>,
    /// How to cut, if the guest ended the attempt badly.
    pub cut: Cut,
    /// A call that may have happened.
    pub in_doubt: Option<(u32, String)>,
    /// The calls it made, in its order.
    pub calls: Vec<CallSummary>,
    /// The last call that was refused.
    pub refused: Option<String>,
    /// Calls that reached the hatch.
    pub issued: u32,
    /// Of these, those answered from the journal.
    pub replayed: u32,
    /// Request body bytes.
    pub sent_bytes: u64,
    /// Response body bytes.
    pub received_bytes: u64,
}

/// One attempt's way out.
pub struct Hatch {
    outside: Arc<Outside>,
    info: RunInfo,
    grants: Arc<Grants>,
    limits: Limits,
    linked: Vec<(ConnectionName, Linked)>,
    seed: [u8; 32],
    /// On the monotonic clock.
    ends: Duration,
    journal: Mutex<Journal>,
    stop: Mutex<Option<Stop>>,
    calls: Mutex<Vec<CallSummary>>,
    refused: Mutex<Option<String>>,
    log: AttemptLog,
    redactor: Redactor,
    tasks: TaskTracker,
    in_flight: Semaphore,
    shared_in_flight: Arc<Semaphore>,
    /// In a test: what calls are answered.
    script: Option<Arc<Script>>,
    returned: AtomicBool,
    replayed: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What [`Outside::open`] puts together.
pub(crate) struct Parts {
    pub(crate) outside: Arc<Outside>,
    pub(crate) info: RunInfo,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: Limits,
    pub(crate) linked: Vec<(ConnectionName, Linked)>,
    pub(crate) seed: [u8; 32],
    pub(crate) ends: Duration,
    pub(crate) journal: Journal,
    pub(crate) log: AttemptLog,
    pub(crate) redactor: Redactor,
    pub(crate) shared_in_flight: Arc<Semaphore>,
    pub(crate) script: Option<Arc<Script>>,
}

/// A call on a connection, as it is hashed and kept.
#[derive(Serialize)]
struct On<'a, C> {
    connection: &'a str,
    #[serde(flatten)]
    call: &'a C,
}

/// A call that was looked up and is to be made.
struct Begun {
    call: u32,
    what: What,
    hash: ArgumentHash,
    class: Class,
    generation: u32,
    /// Its intent is on disk, from before an interruption.
    interrupted: bool,
}

impl Hatch {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let in_flight = Semaphore::new(parts.limits.in_flight as usize);
        Arc::new(Self {
            outside: parts.outside,
            info: parts.info,
            grants: parts.grants,
            limits: parts.limits,
            linked: parts.linked,
            seed: parts.seed,
            ends: parts.ends,
            journal: Mutex::new(parts.journal),
            stop: Mutex::new(None),
            calls: Mutex::new(Vec::new()),
            refused: Mutex::new(None),
            log: parts.log,
            redactor: parts.redactor,
            tasks: TaskTracker::new(),
            in_flight,
            shared_in_flight: parts.shared_in_flight,
            script: parts.script,
            returned: AtomicBool::new(false),
            replayed: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        })
    }

    /// The run, as the guest may know it.
    #[must_use]
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// What the attempt may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What it was granted.
    #[must_use]
    pub fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// The seed of all randomness the guest sees: the same for every attempt of the run.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// Gives the next call its number: in the guest's own order, before anything is awaited.
    ///
    /// # Errors
    ///
    /// The budget of calls is used up, or the attempt must end already.
    pub fn number(&self) -> Result<u32, Stop> {
        self.go_on()?;
        let number = self.journal().number();
        if number > self.limits.calls {
            return Err(self.end(Stop::OverBudget { limit: Limit::Calls, allowed: self.limits.calls.into() }));
        }
        Ok(number)
    }

    /// Writes a line to the attempt's log. Never fails.
    pub fn log(&self, level: Level, message: &str, attributes: &Attributes) {
        self.log.write(level, message, attributes);
    }

    /// Takes the values of its connections' secrets out of what is stored of the attempt.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Why the attempt must end, if it must.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        locked(&self.stop).clone()
    }

    /// Ends the attempt; the first reason counts. For limits that the sandbox watches.
    pub fn end(&self, why: Stop) -> Stop {
        locked(&self.stop).get_or_insert(why).clone()
    }

    /// The guest's handler has returned: a body that ends from now on was not finished by it.
    pub fn guest_returned(&self) {
        self.returned.store(true, Ordering::Release);
    }

    /// Whether [`Hatch::guest_returned`] was called.
    #[must_use]
    pub fn has_returned(&self) -> bool {
        self.returned.load(Ordering::Acquire)
    }

    /// The time the guest sees: coarse, recorded, standing still between two polls.
    ///
    /// # Errors
    ///
    /// The record has something else here, or the journal is full.
    pub fn time(&self) -> Result<Moment, Stop> {
        self.observe(Journal::time)
    }

    /// The guest's monotonic time in milliseconds, unrecorded: for timers.
    #[must_use]
    pub fn guest_monotonic_ms(&self) -> u64 {
        self.journal().guest_monotonic_ms()
    }

    /// Milliseconds until the deadline, as the guest sees it.
    ///
    /// # Errors
    ///
    /// As [`Hatch::time`].
    pub fn remaining_ms(&self) -> Result<u32, Stop> {
        let left = u32::try_from(self.time_left().as_millis()).unwrap_or(u32::MAX);
        self.observe(|journal| journal.remaining(left))
    }

    /// The recorded answer to a poll of `of` pollables; none if it must be made.
    ///
    /// # Errors
    ///
    /// As [`Hatch::time`].
    pub fn recorded_poll(&self, of: u32) -> Result<Option<Vec<u32>>, Stop> {
        self.observe(|journal| journal.recorded_poll(of))
    }

    /// Records what a poll answered.
    ///
    /// # Errors
    ///
    /// The journal is full.
    pub fn polled(&self, of: u32, ready: Vec<u32>) -> Result<(), Stop> {
        self.observe(|journal| {
            journal.polled(of, ready);
            Ok(())
        })
    }

    /// The recorded answer of `ready`; none if it must be asked.
    ///
    /// # Errors
    ///
    /// As [`Hatch::time`].
    pub fn recorded_ready(&self) -> Result<Option<bool>, Stop> {
        self.observe(Journal::recorded_ready)
    }

    /// Records what `ready` answered.
    ///
    /// # Errors
    ///
    /// The journal is full.
    pub fn asked_ready(&self, ready: bool) -> Result<(), Stop> {
        self.observe(|journal| {
            journal.asked_ready(ready);
            Ok(())
        })
    }

    /// Whether a recorded `block` is served here; false if it must be waited for.
    ///
    /// # Errors
    ///
    /// As [`Hatch::time`].
    pub fn recorded_block(&self) -> Result<bool, Stop> {
        self.observe(Journal::recorded_block)
    }

    /// Records that a `block` returned.
    ///
    /// # Errors
    ///
    /// The journal is full.
    pub fn blocked(&self) -> Result<(), Stop> {
        self.observe(|journal| {
            journal.blocked();
            Ok(())
        })
    }

    /// Waits for the calls that the guest started and no longer waits for; each ends by its own
    /// deadline. Call it when the guest's code is not running any more.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.outside.metrics.log_lines_dropped(&self.info.target, self.log.end());
    }

    /// What is to be settled, after [`Hatch::finish`].
    #[must_use]
    pub fn closing(&self) -> Closing {
        let mut journal = self.journal();
        let mut calls = std::mem::take(&mut *locked(&self.calls));
        calls.sort_by_key(|call| call.call);
        Closing {
            cut: journal.cut_and_keep(),
            in_doubt: journal.in_doubt().map(|(call, what)| (call, format!("{} {}", what.capability, what.text))),
            tail: journal.tail(),
            calls,
            refused: locked(&self.refused).clone(),
            issued: journal.issued(),
            replayed: self.replayed.load(Ordering::Relaxed),
            sent_bytes: self.sent.load(Ordering::Relaxed),
            received_bytes: self.received.load(Ordering::Relaxed),
        }
    }

    /// Runs a call in a task of its own: it goes on, and is recorded, even if nobody waits for it any more.
    async fn in_a_task<A: Send + 'static>(
        &self,
        call: impl Future<Output = Result<A, Stop>> + Send + 'static,
    ) -> Result<A, Stop> {
        let task = self.tasks.spawn(call);
        task.await.unwrap_or_else(|panic| Err(self.end(Stop::HostFault(format!("the call's task ended: {panic}")))))
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        locked(&self.journal)
    }

    /// What is left of the attempt's time.
    fn time_left(&self) -> Duration {
        self.ends.saturating_sub(self.outside.clock.monotonic())
    }

    fn go_on(&self) -> Result<(), Stop> {
        match &*locked(&self.stop) {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        }
    }

    fn observe<T>(&self, observe: impl FnOnce(&mut Journal) -> Result<T, NonDeterminism>) -> Result<T, Stop> {
        self.go_on()?;
        let mut journal = self.journal();
        let seen = observe(&mut journal);
        let bytes = journal.bytes();
        drop(journal);
        match seen {
            Ok(_) if bytes > self.limits.journal_bytes => Err(self.end(self.journal_full())),
            Ok(seen) => Ok(seen),
            Err(other) => Err(self.end(other.into())),
        }
    }

    fn journal_full(&self) -> Stop {
        Stop::OverBudget { limit: Limit::Journal, allowed: self.limits.journal_bytes }
    }

    /// A call without a grant: the guest is told, the operator can see it, nothing is recorded.
    fn refuse(&self, call: u32, capability: Capability, what: &str, text: &str) {
        *locked(&self.refused) = Some(format!("{capability} {what}: {text}"));
        self.outside.metrics.call(&self.info.target, capability, CallResult::AccessDenied);
        self.outside.audit_refusal(&self.info.target, capability, what);
        self.show(CallSummary {
            call,
            capability,
            what: what.into(),
            result: "access-denied".into(),
            took_ms: 0,
            replayed: false,
            in_doubt: false,
        });
    }

    /// What is recorded of a call that passed its grant.
    fn look_up(&self, call: u32, what: &What, hash: &ArgumentHash) -> Result<LookUp, Stop> {
        self.look_up_asked(call, what, hash, Class::Read, Vec::new)
    }

    /// The same, with what it is asked with: kept if the call is new, and shown beside the recorded one
    /// if that is another.
    fn look_up_asked(
        &self,
        call: u32,
        what: &What,
        hash: &ArgumentHash,
        class: Class,
        request: impl FnOnce() -> Vec<u8>,
    ) -> Result<LookUp, Stop> {
        self.go_on()?;
        if let Some(script) = &self.script {
            return self.scripted(script, call, what, hash, class, &request());
        }
        let mut journal = self.journal();
        if journal.bytes() > self.limits.journal_bytes {
            drop(journal);
            return Err(self.end(self.journal_full()));
        }
        let mut found = journal.look_up(call, what, hash);
        match &mut found {
            Ok(LookUp::Fresh { .. }) => match request() {
                request if request.is_empty() => {}
                request => journal.asked(call, request),
            },
            Ok(_) => {}
            Err(other) => {
                let shown = |request: &[u8]| crate::recording::shown(what.capability, request);
                let sides = journal.request(call).and_then(shown).zip(shown(&request()));
                other.sides = sides.map(|(recorded, actual)| Box::new(Sides { recorded, actual }));
            }
        }
        drop(journal);
        found.map_err(|other| self.end(other.into()))
    }

    /// What a test says of a call. It counts as made: a call in doubt is one here too.
    fn scripted(
        &self,
        script: &Script,
        call: u32,
        what: &What,
        hash: &ArgumentHash,
        class: Class,
        request: &[u8],
    ) -> Result<LookUp, Stop> {
        match script.ask(call, what, hash, request) {
            Ok(Answered::Live) => Ok(LookUp::Fresh { generation: 0 }),
            Ok(Answered::Script { class: said, verdict, answer, took_ms }) => {
                let class = said.unwrap_or(class);
                self.journal().scripted(call, what.clone(), *hash, class, verdict, answer.clone());
                Ok(LookUp::Answered { verdict, answer, took_ms })
            }
            Err(other) => Err(self.end(other.into())),
        }
    }

    /// Hands over a recorded answer.
    fn replay<A: DeserializeOwned>(
        &self,
        call: u32,
        what: &What,
        verdict: Verdict,
        answer: &[u8],
        took_ms: u32,
        shown: impl FnOnce(&A) -> String,
    ) -> Result<A, Stop> {
        let answer: A = rmp_serde::from_slice(answer)
            .map_err(|e| self.end(Stop::HostFault(format!("the recorded answer of call {call} does not read: {e}"))))?;
        self.replayed.fetch_add(1, Ordering::Relaxed);
        self.outside.metrics.call(&self.info.target, what.capability, CallResult::Replayed);
        self.show(CallSummary {
            call,
            capability: what.capability,
            what: what.text.clone(),
            result: shown(&answer),
            took_ms,
            replayed: true,
            in_doubt: verdict == Verdict::InDoubt,
        });
        Ok(answer)
    }

    /// Puts the intent on disk; the call may be sent when this returns.
    async fn intend(&self, begun: &Begun) -> Result<(), Stop> {
        crash_point("intent-before");
        let durable = {
            // The append takes its place in line under the lock: the order on disk is the order here.
            let mut journal = self.journal();
            let chunk = journal.intent(begun.call, begun.what.clone(), begun.hash, begun.generation, begun.class);
            if chunk.bytes.is_empty() {
                return Ok(());
            }
            self.outside.store.append(self.info.fence, chunk)
        };
        self.stored(durable).await?;
        crash_point("intent-after");
        Ok(())
    }

    /// Records a result. Durable soon after, and always before the next intent or the settle.
    fn record<A: Serialize>(&self, begun: &Begun, verdict: Verdict, took: Duration, answer: &A, shown: String) {
        let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        crash_point("result-before");
        {
            let mut journal = self.journal();
            let chunk = journal.result(
                begun.call,
                begun.what.clone(),
                begun.hash,
                begun.class,
                verdict,
                took_ms,
                encode_answer(answer),
            );
            if let Some(chunk) = chunk.filter(|chunk| !chunk.bytes.is_empty()) {
                // Not waited for: a result that is lost leaves a gap that the store refuses to bridge.
                drop(self.outside.store.append(self.info.fence, chunk));
            }
        }
        crash_point("result-in-line");
        self.show(CallSummary {
            call: begun.call,
            capability: begun.what.capability,
            what: begun.what.text.clone(),
            result: shown,
            took_ms,
            replayed: false,
            in_doubt: verdict == Verdict::InDoubt,
        });
    }

    async fn stored<T>(&self, reply: Reply<T>) -> Result<T, Stop> {
        reply.await.map_err(|e: StoreError| self.end(Stop::HostFault(e.to_string())))
    }

    fn show(&self, call: CallSummary) {
        let mut calls = locked(&self.calls);
        if calls.len() < CALLS_SHOWN {
            calls.push(call);
        }
    }
}

/// How the answers of every capability are stored: MessagePack with field names.
#[must_use]
pub fn encode_answer<A: Serialize>(answer: &A) -> Vec<u8> {
    rmp_serde::to_vec_named(answer).expect("answers hold nothing that MessagePack lacks, and memory does not fail")
}
