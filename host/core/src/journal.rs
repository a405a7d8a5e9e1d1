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

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

use crate::clock::{Clock, Timestamp};
use crate::gauntlet::{Bug, bug};
use crate::grant::Capability;

pub mod decide;
mod diverged;
mod kept;

pub use diverged::{NonDeterminism, Sides};
use diverged::{beyond, unanswered};
use kept::Kept;
pub(crate) use kept::REQUEST_BYTES;

/// The first byte of every chunk.
const FORMAT: u8 = 1;
/// A reading of the clock in a row that gets a time of its own, so that busy loops end.
const FRESH_READING: u32 = 256;

/// A hash of a call's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgumentHash(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl ArgumentHash {
    /// The hash of `parts`, each with its length, so that no two lists of parts look alike.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// What repeating a call would mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It changes nothing: no intent, made again freely.
    Read,
    /// It changes our own store, in one transaction with its record: never in doubt.
    Local,
    /// It may be repeated: idempotent by its protocol, or the other side honours our key.
    Repeatable,
    /// It may not.
    Unkeyed,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It happened.
    Done,
    /// The other side refused it.
    Refused,
    /// It was not executed.
    NotExecuted,
    /// Nobody can know.
    InDoubt,
}

/// What a call was, for a person: `POST github /repos/acme/app/issues`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct What {
    /// The capability.
    #[serde(rename = "c")]
    pub capability: Capability,
    /// The operation and its object; no header, no body, no query.
    #[serde(rename = "t")]
    pub text: String,
}

/// One entry of the log. Stored; a change needs a new variant, never a changed one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A call is about to be sent.
    #[serde(rename = "i")]
    Intent {
        /// Its number.
        #[serde(rename = "n")]
        call: u32,
        /// What it is.
        #[serde(rename = "w")]
        what: What,
        /// Its arguments.
        #[serde(rename = "h")]
        hash: ArgumentHash,
        /// Which key it carries.
        #[serde(rename = "g")]
        generation: u32,
        /// What repeating it would mean.
        #[serde(rename = "k")]
        class: Class,
    },
    /// A call was answered.
    #[serde(rename = "r")]
    Result {
        /// Its number.
        #[serde(rename = "n")]
        call: u32,
        /// What it is.
        #[serde(rename = "w")]
        what: What,
        /// Its arguments.
        #[serde(rename = "h")]
        hash: ArgumentHash,
        /// What repeating it would mean.
        #[serde(rename = "k")]
        class: Class,
        /// What became of it.
        #[serde(rename = "v")]
        verdict: Verdict,
        /// How long it took, in milliseconds.
        #[serde(rename = "ms")]
        took_ms: u32,
        /// What the guest was handed, encoded by its capability.
        #[serde(rename = "a")]
        answer: ByteBuf,
    },
    /// A `poll` of `of` pollables answered with these, in this order.
    #[serde(rename = "p")]
    Poll {
        /// How many were polled.
        #[serde(rename = "o")]
        of: u32,
        /// Which were ready.
        #[serde(rename = "r")]
        ready: Vec<u32>,
    },
    /// A single pollable was asked.
    #[serde(rename = "y")]
    Ready(bool),
    /// A single pollable was waited for.
    #[serde(rename = "b")]
    Block,
    /// The time was read.
    #[serde(rename = "t")]
    Time(Moment),
    /// What is left of the attempt's time was read, in milliseconds.
    #[serde(rename = "l")]
    Remaining(u32),
    /// Everything after the last successful effect was cut off here. These calls had been begun:
    /// if they are made again with the same arguments, they carry the same key.
    #[serde(rename = "x")]
    Cut(Vec<Reopened>),
    /// The result before this is a person's word: the call was in doubt. For whoever reads the log.
    #[serde(rename = "d")]
    Decided {
        /// The call's number.
        #[serde(rename = "n")]
        call: u32,
        /// The name of the token that said so.
        #[serde(rename = "w")]
        who: String,
        /// When.
        #[serde(rename = "t")]
        at: Timestamp,
    },
    /// What a call was asked with, as its capability writes it down: for people and for replays. Going
    /// on does not need it, so it is left out where there is too much.
    #[serde(rename = "q")]
    Asked {
        /// The call's number.
        #[serde(rename = "n")]
        call: u32,
        /// Encoded by its capability.
        #[serde(rename = "a")]
        request: ByteBuf,
    },
    /// Encoded records that a cut took from the attempt before: for people and for replays, never
    /// served. Empty: there was too much of them.
    #[serde(rename = "z")]
    Past(ByteBuf),
}

/// A call that was begun before a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopened {
    /// Its number.
    #[serde(rename = "n")]
    pub call: u32,
    /// Its arguments then.
    #[serde(rename = "h")]
    pub hash: ArgumentHash,
    /// Its key's generation then.
    #[serde(rename = "g")]
    pub generation: u32,
}

/// A guest's time: coarse, and standing still between two polls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the run's first attempt began, as the guest sees it.
    #[serde(rename = "m")]
    pub monotonic_ms: u64,
    /// The wall clock.
    #[serde(rename = "w")]
    pub wall: Timestamp,
}

/// Some records on their way to the store; empty if the run records nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its place in the run's log, counted from 0 without a gap.
    pub number: u32,
    /// Encoded records.
    pub bytes: Vec<u8>,
}

/// What the store does with the log when the guest ended the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// So many chunks stay.
    pub keep: u32,
    /// A chunk to put in place of the rest, if any call was begun there.
    pub then: Option<Chunk>,
}

/// A call, as the run page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSummary {
    /// Its number.
    pub call: u32,
    /// The capability.
    pub capability: Capability,
    /// What it was.
    pub what: String,
    /// What came back: `201`, `access-denied`, `no answer` …
    pub result: String,
    /// How long it took, in milliseconds; when it was replayed, how long it took then.
    pub took_ms: u32,
    /// Answered from the journal.
    pub replayed: bool,
    /// Nobody can know whether it happened.
    pub in_doubt: bool,
}

/// A stored chunk that does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journal chunk {chunk} cannot be read: {problem}")]
pub struct Corrupt {
    /// Which.
    pub chunk: u32,
    /// Why.
    pub problem: String,
}

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

fn encode_into(buffer: &mut Vec<u8>, record: &Record) {
    let mut writer = rmp_serde::Serializer::new(buffer).with_struct_map();
    record.serialize(&mut writer).expect("records hold nothing that MessagePack lacks, and memory does not fail");
}

pub(crate) fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for record in records {
        encode_into(&mut bytes, record);
    }
    bytes
}

/// Adds the result of a call on our own store to the chunk begun with [`Journal::begin_local`].
pub fn encode_result(chunk: &mut Chunk, call: u32, what: What, hash: ArgumentHash, verdict: Verdict, answer: &[u8]) {
    if chunk.bytes.is_empty() {
        return;
    }
    let record = Record::Result {
        call,
        what,
        hash,
        class: Class::Local,
        verdict,
        took_ms: 0,
        answer: ByteBuf::from(answer.to_vec()),
    };
    encode_into(&mut chunk.bytes, &record);
}

/// The records of a stored chunk.
///
/// # Errors
///
/// The format is unknown or the bytes are damaged.
pub fn decode(chunk: &Chunk) -> Result<Vec<Record>, Corrupt> {
    let corrupt = |problem: String| Corrupt { chunk: chunk.number, problem };
    let Some((&FORMAT, mut rest)) = chunk.bytes.split_first() else {
        return Err(corrupt(format!("format {:?} is not known here", chunk.bytes.first())));
    };
    let mut records = Vec::new();
    while !rest.is_empty() {
        // The reader moves on by what it took; a slice reader would keep the whole.
        let mut reader = rmp_serde::Deserializer::new(rest);
        records.push(Record::deserialize(&mut reader).map_err(|e| corrupt(e.to_string()))?);
        rest = reader.get_ref();
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
