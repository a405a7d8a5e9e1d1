//! What a journal keeps for people and for replays: what calls were asked with, and what an attempt
//! recorded behind its cut.
//!
//! Nothing here decides how a run goes on; what is left out because there is much of it is missed by
//! nobody but a reader.

use std::collections::HashMap;

use serde_bytes::ByteBuf;

use super::{ArgumentHash, Chunk, Class, Cut, FORMAT, Journal, Record, Verdict, What, encode, encode_into};

/// The most that is kept of what one call was asked with, in bytes. Beyond it the body goes.
pub(crate) const REQUEST_BYTES: usize = 64 << 10;
/// The same for all calls of a run. It does not count as `limits.journal`.
const REQUESTS_BYTES: u64 = 8 << 20;
/// The most that is kept of what an attempt recorded behind its cut, in bytes.
const PAST_BYTES: usize = 4 << 20;

/// See the module.
#[derive(Default)]
pub(super) struct Kept {
    /// Of calls in the stored log.
    asked: HashMap<u32, ByteBuf>,
    asked_bytes: u64,
    /// Of an earlier attempt, in the stored log.
    past_bytes: u64,
    /// Encoded records of chunks that may lie behind the cut.
    behind: Vec<(u32, Vec<u8>)>,
}

impl Kept {
    /// Bytes of the log that are nobody's but readers'.
    pub(super) fn uncounted(&self) -> u64 {
        self.asked_bytes + self.past_bytes
    }

    /// A chunk is on its way to the store. Up to `effect` nothing will be cut off.
    pub(super) fn flushed(&mut self, chunk: u32, bytes: &[u8], effect: Option<u32>) {
        self.behind.retain(|(number, _)| Some(*number) > effect);
        self.behind.push((chunk, bytes.get(1..).unwrap_or_default().to_vec()));
        self.bound();
    }

    /// The store adds this record to chunk `chunk`.
    pub(super) fn note_local(
        &mut self,
        chunk: u32,
        call: u32,
        what: &What,
        hash: ArgumentHash,
        verdict: Verdict,
        answer: &[u8],
    ) {
        let mut record = Chunk { number: chunk, bytes: vec![] };
        super::encode_result(&mut record, call, what.clone(), hash, verdict, answer);
        self.behind.push((chunk, record.bytes));
        self.bound();
    }

    /// Too much is kept as nothing: half an attempt would be told as a whole one.
    fn bound(&mut self) {
        let all: usize = self.behind.iter().map(|(_, bytes)| bytes.len()).sum();
        if all > PAST_BYTES {
            for (_, bytes) in &mut self.behind {
                *bytes = vec![];
            }
        }
    }
}

impl Journal {
    /// Keeps what call `call` was asked with, unless there is too much of it. Before its intent, or for
    /// one without an intent, before its result.
    pub fn asked(&mut self, call: u32, request: Vec<u8>) {
        let bytes = request.len() as u64;
        if self.off || request.len() > 2 * REQUEST_BYTES || self.kept.asked_bytes + bytes > REQUESTS_BYTES {
            return;
        }
        self.kept.asked_bytes += bytes;
        self.put(&Record::Asked { call, request: ByteBuf::from(request) });
    }

    /// What a call in the stored log was asked with.
    #[must_use]
    pub fn request(&self, call: u32) -> Option<&[u8]> {
        self.kept.asked.get(&call).map(|request| request.as_slice())
    }

    /// Makes nothing any more: a call that is not recorded with its answer is another one than recorded.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// As [`Journal::cut`], with what is cut off kept beside the log: for the end of an attempt.
    #[must_use]
    pub fn cut_and_keep(&self) -> Cut {
        let mut cut = self.cut();
        if let Some(past) = self.past() {
            let chunk = cut.then.get_or_insert_with(|| Chunk { number: cut.keep, bytes: vec![FORMAT] });
            encode_into(&mut chunk.bytes, &Record::Past(past));
        }
        cut
    }

    /// Everything behind the last successful effect, encoded; empty if that is too much.
    fn past(&self) -> Option<ByteBuf> {
        let mut past = Vec::new();
        for (_, bytes) in self.kept.behind.iter().filter(|(chunk, _)| Some(*chunk) > self.last_effect_chunk) {
            if bytes.is_empty() {
                return Some(ByteBuf::new());
            }
            past.extend_from_slice(bytes);
        }
        past.extend_from_slice(self.buffer.get(1..).unwrap_or_default());
        if past.len() > PAST_BYTES {
            past.clear();
            return Some(ByteBuf::from(past));
        }
        (!past.is_empty()).then(|| ByteBuf::from(past))
    }

    /// Takes note of what a stored chunk holds for readers.
    pub(super) fn keep_loaded(&mut self, chunk: u32, records: &[Record]) {
        for record in records {
            match record {
                Record::Asked { call, request } => {
                    self.kept.asked_bytes += request.len() as u64;
                    self.kept.asked.insert(*call, request.clone());
                }
                Record::Past(past) => self.kept.past_bytes += past.len() as u64,
                _ => {}
            }
        }
        let is_effect = |record: &Record| matches!(record, Record::Result { class, verdict, .. } if *class != Class::Read && *verdict == Verdict::Done);
        if records.iter().any(is_effect) {
            self.kept.behind.clear();
            return;
        }
        let own: Vec<Record> =
            records.iter().filter(|record| !matches!(record, Record::Cut(_) | Record::Past(_))).cloned().collect();
        if !own.is_empty() {
            self.kept.flushed(chunk, &encode(&own), None);
        }
    }
}

#[cfg(test)]
mod tests;
