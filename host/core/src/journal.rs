//! The journal of a run: what its guest asked for, what it was answered, what else it observed.
//!
//! One append-only log, written in chunks. A retried run is answered from it; a call that differs
//! from the recorded one stops the run before any effect. This file decides whether a recorded call
//! is replayed, made again or in doubt. It does no I/O: the hatch appends what it is handed.
//!
//! Two kinds of record. *Calls* (intent, result) are numbered in the guest's own order and found by
//! number; the argument hash is a check, never a key. The guest's *own sequence* (polls, time,
//! what is left of its time) is served strictly in order. A result is appended before the guest can
//! see it, so a log cut at any record is consistent.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_bytes::ByteBuf;

use crate::clock::Clock;
use crate::gauntlet::{Bug, bug};

pub mod decide;
mod diverged;
mod kept;
mod record;

pub use diverged::{NonDeterminism, Sides};
use diverged::{beyond, unanswered};
use kept::Kept;
pub(crate) use kept::REQUEST_BYTES;
pub(crate) use record::encode;
pub use record::{
    ArgumentHash, CallSummary, Chunk, Class, Corrupt, Cut, Moment, Record, Reopened, Verdict, What, decode,
    encode_result,
};
use record::{FORMAT, encode_into};

/// A reading of the clock in a row that gets a time of its own, so that busy loops end.
const FRESH_READING: u32 = 256;

/// What the journal says of a call that the guest issues.
#[derive(Clone, Debug, PartialEq)]
pub enum LookUp {
    /// It is new: make it, with a key of this generation.
    Fresh {
        /// See [`Record::Intent`].
        generation: u32,
    },
    /// It was begun and the host was interrupted: repeat it with the key of this generation if its
    /// class allows, else it is in doubt.
    Interrupted {
        /// See [`Record::Intent`].
        generation: u32,
    },
    /// It was answered: hand over the same.
    Answered {
        /// What became of it.
        verdict: Verdict,
        /// Encoded by its capability.
        answer: ByteBuf,
        /// How long it took.
        took_ms: u32,
    },
}

struct Call {
    hash: ArgumentHash,
    what: What,
    class: Class,
    generation: u32,
    intent_chunk: Option<u32>,
    result: Option<CallResult>,
}

struct CallResult {
    verdict: Verdict,
    answer: ByteBuf,
    took_ms: u32,
    chunk: u32,
}

/// A run's journal while an attempt is under way.
pub struct Journal {
    clock: Arc<dyn Clock>,
    calls: HashMap<u32, Call>,
    reopened: HashMap<u32, Reopened>,
    sequence: VecDeque<Record>,
    issued: u32,
    next_chunk: u32,
    buffer: Vec<u8>,
    bytes: u64,
    // The last chunk that holds a successful effect; what lies behind it can be cut off.
    last_effect_chunk: Option<u32>,
    base: Moment,
    live_since: Duration,
    shown: Option<Moment>,
    readings: u32,
    kept: Kept,
    closed: bool,
    /// Nothing more is recorded.
    off: bool,
}

impl Journal {
    /// The journal of a run from its stored chunks, in order; empty for a first attempt.
    ///
    /// # Errors
    ///
    /// A chunk does not read, or one is missing.
    pub fn load(clock: Arc<dyn Clock>, chunks: &[Chunk]) -> Result<Self, Corrupt> {
        let live_since = clock.monotonic();
        let mut journal = Self {
            clock,
            calls: HashMap::new(),
            reopened: HashMap::new(),
            sequence: VecDeque::new(),
            issued: 0,
            next_chunk: 0,
            buffer: vec![FORMAT],
            bytes: 0,
            last_effect_chunk: None,
            base: Moment::default(),
            live_since,
            shown: None,
            readings: 0,
            kept: Kept::default(),
            closed: false,
            off: false,
        };
        for chunk in chunks {
            if chunk.number != journal.next_chunk {
                return Err(Corrupt {
                    chunk: chunk.number,
                    problem: format!("chunk {} is missing", journal.next_chunk),
                });
            }
            let records = decode(chunk)?;
            journal.keep_loaded(chunk.number, &records);
            for record in records {
                journal.take_in(chunk.number, record);
            }
            journal.next_chunk += 1;
            journal.bytes += chunk.bytes.len() as u64;
        }
        Ok(journal)
    }

    /// From here on nothing is recorded: chunks are empty, and the store keeps none of them. What is known of calls is
    /// known in this attempt alone.
    #[must_use]
    pub fn relaxed(mut self) -> Self {
        self.off = true;
        self
    }

    fn take_in(&mut self, chunk: u32, record: Record) {
        match record {
            Record::Intent { call, what, hash, generation, class } => {
                self.calls
                    .insert(call, Call { hash, what, class, generation, intent_chunk: Some(chunk), result: None });
            }
            Record::Result { call, what, hash, class, verdict, took_ms, answer } => {
                self.note_result(chunk, call, what, hash, class, CallResult { verdict, answer, took_ms, chunk });
            }
            Record::Cut(reopened) => {
                for past in reopened {
                    self.calls.remove(&past.call);
                    self.reopened.insert(past.call, past);
                }
            }
            Record::Asked { .. } | Record::Decided { .. } | Record::Past(_) => {}
            own => self.sequence.push_back(own),
        }
    }

    fn note_result(&mut self, chunk: u32, call: u32, what: What, hash: ArgumentHash, class: Class, result: CallResult) {
        if class != Class::Read && result.verdict == Verdict::Done && !self.off {
            self.last_effect_chunk = self.last_effect_chunk.max(Some(chunk));
        }
        let entry = self.calls.entry(call).or_insert(Call {
            hash,
            what,
            class,
            generation: 0,
            intent_chunk: None,
            result: None,
        });
        entry.result = Some(result);
    }

    /// The number of the next call. Taken when the guest issues it, before anything is awaited.
    pub fn number(&mut self) -> u32 {
        self.issued += 1;
        self.issued
    }

    /// Calls issued so far.
    #[must_use]
    pub fn issued(&self) -> u32 {
        self.issued
    }

    /// Bytes of the log so far, those not yet appended included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.bytes + self.buffer.len() as u64).saturating_sub(self.kept.uncounted())
    }

    /// What is recorded of call `call`.
    ///
    /// # Errors
    ///
    /// It is recorded with other arguments.
    pub fn look_up(&self, call: u32, what: &What, hash: &ArgumentHash) -> Result<LookUp, NonDeterminism> {
        let Some(recorded) = self.calls.get(&call) else {
            if self.closed {
                return Err(beyond(call, what));
            }
            let generation = match self.reopened.get(&call) {
                Some(past) if past.hash == *hash => past.generation,
                Some(past) => past.generation + 1,
                None => 0,
            };
            return Ok(LookUp::Fresh { generation });
        };
        if recorded.hash != *hash && !bug(Bug::NoArgumentCheck) {
            let mut actual = format!("{} {}", what.capability, what.text);
            if recorded.what == *what {
                actual.push_str(" with other arguments");
            }
            return Err(NonDeterminism {
                call,
                recorded: format!("{} {}", recorded.what.capability, recorded.what.text),
                actual,
                sides: None,
            });
        }
        Ok(match &recorded.result {
            None if self.closed => return Err(unanswered(call, what)),
            None => LookUp::Interrupted { generation: recorded.generation },
            Some(CallResult { verdict, answer, took_ms, .. }) => {
                LookUp::Answered { verdict: *verdict, answer: answer.clone(), took_ms: *took_ms }
            }
        })
    }

    /// Records an intent: the chunk must be durable before the call is sent.
    pub fn intent(&mut self, call: u32, what: What, hash: ArgumentHash, generation: u32, class: Class) -> Chunk {
        self.put(&Record::Intent { call, what: what.clone(), hash, generation, class });
        let chunk = self.flush();
        self.calls.insert(call, Call { hash, what, class, generation, intent_chunk: Some(chunk.number), result: None });
        chunk
    }

    /// Records a result, before the guest can see it. The chunk of an effect must be handed to the
    /// store at once; a read's result waits for the next chunk, unless much is waiting.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "the fields of one record")]
    pub fn result(
        &mut self,
        call: u32,
        what: What,
        hash: ArgumentHash,
        class: Class,
        verdict: Verdict,
        took_ms: u32,
        answer: Vec<u8>,
    ) -> Option<Chunk> {
        let answer = ByteBuf::from(answer);
        self.put(&Record::Result { call, what: what.clone(), hash, class, verdict, took_ms, answer: answer.clone() });
        let number = self.next_chunk;
        let chunk = (class != Class::Read || self.buffer.len() > 64 * 1024).then(|| self.flush());
        self.note_result(number, call, what, hash, class, CallResult { verdict, answer, took_ms, chunk: number });
        chunk
    }

    /// Takes what is buffered, for a call on our own store: the store adds the result's record (made
    /// with [`encode_result`]) and writes both in the transaction of the call.
    pub fn begin_local(&mut self) -> Chunk {
        self.flush()
    }

    /// Notes what the store recorded of a local call in chunk `chunk`.
    pub fn end_local(
        &mut self,
        chunk: u32,
        call: u32,
        what: What,
        hash: ArgumentHash,
        verdict: Verdict,
        answer: Vec<u8>,
    ) {
        if !self.off {
            self.bytes += answer.len() as u64 + 64;
            if verdict != Verdict::Done {
                self.kept.note_local(chunk, call, &what, hash, verdict, &answer);
            }
        }
        let result = CallResult { verdict, answer: ByteBuf::from(answer), took_ms: 0, chunk };
        self.note_result(chunk, call, what, hash, Class::Local, result);
    }

    /// Notes a call that was answered by a script, which is no record: nothing of it is kept.
    pub fn scripted(
        &mut self,
        call: u32,
        what: What,
        hash: ArgumentHash,
        class: Class,
        verdict: Verdict,
        answer: ByteBuf,
    ) {
        let intent_chunk = (!matches!(class, Class::Read | Class::Local)).then_some(0);
        let result = Some(CallResult { verdict, answer, took_ms: 0, chunk: 0 });
        self.calls.insert(call, Call { hash, what, class, generation: 0, intent_chunk, result });
    }

    /// What is buffered, if anything is: for the end of an attempt whose log stays whole.
    #[must_use]
    pub fn tail(&mut self) -> Option<Chunk> {
        (self.buffer.len() > 1).then(|| self.flush())
    }

    /// How the log is cut when the guest ended the attempt: to just after the last successful
    /// effect. What lies before is served next time, what lies behind is made again.
    #[must_use]
    pub fn cut(&self) -> Cut {
        let keep = self.last_effect_chunk.map_or(0, |chunk| chunk + 1);
        let behind = |chunk: u32| chunk >= keep;
        let mut again: HashMap<u32, Reopened> = self.reopened.clone();
        for (&call, recorded) in &self.calls {
            let settled_before = recorded.result.as_ref().is_some_and(|r| !behind(r.chunk));
            if settled_before {
                // Begun before an earlier cut and done since: reopened again, it would be made twice.
                again.remove(&call);
            } else if recorded.intent_chunk.is_some() && !self.off {
                again.insert(call, Reopened { call, hash: recorded.hash, generation: recorded.generation });
            }
        }
        let mut again: Vec<Reopened> = again.into_values().collect();
        again.sort_by_key(|past| past.call);
        let then = (!again.is_empty()).then(|| Chunk { number: keep, bytes: encode(&[Record::Cut(again)]) });
        Cut { keep, then }
    }

    /// The first recorded call that may have happened, if there is one.
    #[must_use]
    pub fn in_doubt(&self) -> Option<(u32, &What)> {
        self.calls
            .iter()
            .filter(|(_, call)| {
                call.class == Class::Unkeyed
                    && match &call.result {
                        Some(result) => result.verdict == Verdict::InDoubt,
                        None => call.intent_chunk.is_some(),
                    }
            })
            .map(|(number, call)| (*number, &call.what))
            .min_by_key(|(number, _)| *number)
    }

    /// Whether the guest's own sequence is still being served from the record.
    #[must_use]
    pub fn replaying(&self) -> bool {
        !self.sequence.is_empty()
    }

    /// The time the guest sees. It stands still between two polls.
    ///
    /// # Errors
    ///
    /// The record has something else here.
    pub fn time(&mut self) -> Result<Moment, NonDeterminism> {
        self.readings += 1;
        if let Some(shown) = self.shown
            && !self.readings.is_multiple_of(FRESH_READING)
        {
            return Ok(shown);
        }
        let moment = match self.serve() {
            Some(Record::Time(moment)) => {
                self.base = moment;
                moment
            }
            Some(other) => return Err(self.diverged(&other, "read the clock")),
            None => {
                let moment =
                    Moment { monotonic_ms: self.guest_monotonic_ms(), wall: self.clock.now().max(self.base.wall) };
                self.base.wall = moment.wall;
                self.put(&Record::Time(moment));
                moment
            }
        };
        self.shown = Some(moment);
        Ok(moment)
    }

    /// The guest's monotonic time in milliseconds, unrecorded: for timers, which fire by it.
    #[must_use]
    pub fn guest_monotonic_ms(&self) -> u64 {
        if self.replaying() {
            return self.base.monotonic_ms;
        }
        let live = self.clock.monotonic().saturating_sub(self.live_since);
        self.base.monotonic_ms + u64::try_from(live.as_millis()).unwrap_or(u64::MAX)
    }

    /// What is left of the attempt's time: recorded like the clock.
    ///
    /// # Errors
    ///
    /// The record has something else here.
    pub fn remaining(&mut self, actual_ms: u32) -> Result<u32, NonDeterminism> {
        match self.serve() {
            Some(Record::Remaining(ms)) => Ok(ms),
            Some(other) => Err(self.diverged(&other, "asked for the remaining time")),
            None => {
                self.put(&Record::Remaining(actual_ms));
                Ok(actual_ms)
            }
        }
    }

    /// The recorded answer to a poll of `of` pollables; none if the record ends before it.
    ///
    /// # Errors
    ///
    /// The record has something else here.
    pub fn recorded_poll(&mut self, of: u32) -> Result<Option<Vec<u32>>, NonDeterminism> {
        self.time_passes();
        match self.serve() {
            Some(Record::Poll { of: then, ready }) if then == of => Ok(Some(ready)),
            Some(other) => Err(self.diverged(&other, &format!("a poll of {of}"))),
            None => Ok(None),
        }
    }

    /// Records what a poll answered.
    pub fn polled(&mut self, of: u32, ready: Vec<u32>) {
        self.put(&Record::Poll { of, ready });
    }

    /// The recorded answer of `ready`; none if the record ends before it.
    ///
    /// # Errors
    ///
    /// The record has something else here.
    pub fn recorded_ready(&mut self) -> Result<Option<bool>, NonDeterminism> {
        match self.serve() {
            Some(Record::Ready(ready)) => Ok(Some(ready)),
            Some(other) => Err(self.diverged(&other, "asked a pollable")),
            None => Ok(None),
        }
    }

    /// Records what `ready` answered.
    pub fn asked_ready(&mut self, ready: bool) {
        self.put(&Record::Ready(ready));
    }

    /// Whether a recorded `block` is served here; false if the record ends before it.
    ///
    /// # Errors
    ///
    /// The record has something else here.
    pub fn recorded_block(&mut self) -> Result<bool, NonDeterminism> {
        self.time_passes();
        match self.serve() {
            Some(Record::Block) => Ok(true),
            Some(other) => Err(self.diverged(&other, "waited for a pollable")),
            None => Ok(false),
        }
    }

    /// Records that a `block` returned.
    pub fn blocked(&mut self) {
        self.put(&Record::Block);
    }

    fn time_passes(&mut self) {
        self.shown = None;
        self.readings = 0;
    }

    /// The next record of the guest's own sequence. When the last one is taken, time runs on.
    fn serve(&mut self) -> Option<Record> {
        let record = self.sequence.pop_front()?;
        if self.sequence.is_empty() {
            self.live_since = self.clock.monotonic();
        }
        Some(record)
    }

    fn diverged(&self, recorded: &Record, actual: &str) -> NonDeterminism {
        let recorded = match recorded {
            Record::Poll { of, .. } => format!("a poll of {of}"),
            Record::Ready(_) => "asked a pollable".into(),
            Record::Block => "waited for a pollable".into(),
            Record::Time(_) => "read the clock".into(),
            Record::Remaining(_) => "asked for the remaining time".into(),
            other => format!("{other:?}"),
        };
        NonDeterminism { call: self.issued, recorded, actual: actual.into(), sides: None }
    }

    fn put(&mut self, record: &Record) {
        if self.off {
            return;
        }
        encode_into(&mut self.buffer, record);
    }

    fn flush(&mut self) -> Chunk {
        if self.off {
            return Chunk { number: self.next_chunk, bytes: Vec::new() };
        }
        let bytes = std::mem::replace(&mut self.buffer, vec![FORMAT]);
        self.bytes += bytes.len() as u64;
        self.kept.flushed(self.next_chunk, &bytes, self.last_effect_chunk);
        self.next_chunk += 1;
        Chunk { number: self.next_chunk - 1, bytes }
    }
}

#[cfg(test)]
mod tests;
