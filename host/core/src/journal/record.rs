//! What the journal holds: the records, their stored form, and the chunks they travel in.
//!
//! Not here: what they mean for the next attempt (`journal.rs`).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::grant::Capability;

/// The first byte of every chunk.
pub(super) const FORMAT: u8 = 1;

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

pub(super) fn encode_into(buffer: &mut Vec<u8>, record: &Record) {
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
