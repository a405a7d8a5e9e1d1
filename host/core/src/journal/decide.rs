//! Deciding over calls in doubt: which there are, and how a person's word changes the log.
//!
//! Works on stored chunks, without I/O. Not here: who may decide, and what becomes of the run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_bytes::ByteBuf;

use super::{Chunk, Class, Corrupt, Journal, Record, Reopened, Verdict, What, decode, encode};
use crate::clock::{Clock, Timestamp};

/// A call that may have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Its number.
    pub call: u32,
    /// What it was.
    pub what: What,
    reopened: Reopened,
    /// The chunk that holds its result, and the result's place in it; none if no result was recorded.
    result: Option<(usize, usize)>,
}

/// What a decision makes of a stored log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// So many chunks stay as they are.
    pub keep: u32,
    /// What comes in place of the rest.
    pub then: Vec<Chunk>,
}

/// What a person gives as the result of a call.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// The call's number.
    pub call: u32,
    /// Encoded by its capability.
    pub answer: &'a [u8],
    /// Who says so.
    pub who: &'a str,
    /// When.
    pub at: Timestamp,
}

/// The calls that may have happened, in the guest's order.
///
/// # Errors
///
/// A chunk does not read.
pub fn doubts(chunks: &[Chunk]) -> Result<Vec<Doubt>, Corrupt> {
    let records = decoded(chunks)?;
    Ok(find(&records))
}

/// Takes a call in doubt as done, with the answer that a person gave: the run goes on from it.
///
/// What the guest did after the doubtful answer is taken back, unless there is a successful effect or
/// another doubt among it: then it stays, and a guest that now does something else is stopped as
/// non-deterministic, before any effect. None if the call is not in doubt.
///
/// # Errors
///
/// A chunk does not read.
pub fn take_as_done(chunks: &[Chunk], given: &Given<'_>) -> Result<Option<Rewrite>, Corrupt> {
    let mut records = decoded(chunks)?;
    let Some(doubt) = find(&records).into_iter().find(|doubt| doubt.call == given.call) else { return Ok(None) };
    let class = class_of(&records, given.call);
    let done = Record::Result {
        call: given.call,
        what: doubt.what.clone(),
        hash: doubt.reopened.hash,
        class,
        verdict: Verdict::Done,
        took_ms: 0,
        answer: ByteBuf::from(given.answer),
    };
    let said = Record::Decided { call: given.call, who: given.who.into(), at: given.at };
    let Some((chunk, place)) = doubt.result else {
        let number = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        return Ok(Some(Rewrite { keep: number, then: vec![Chunk { number, bytes: encode(&[done, said]) }] }));
    };
    let behind = || records[chunk][place + 1..].iter().chain(records[chunk + 1..].iter().flatten());
    let stays = behind().any(|record| match record {
        Record::Result { class, verdict, .. } => {
            *class != Class::Read && matches!(verdict, Verdict::Done | Verdict::InDoubt)
        }
        Record::Intent { class: Class::Unkeyed, call, .. } => !behind().any(|other| is_result_of(other, *call)),
        _ => false,
    });
    let again: Vec<Reopened> = if stays { Vec::new() } else { begun(&records, behind()) };
    if !stays {
        records.truncate(chunk + 1);
        records[chunk].truncate(place + 1);
    }
    records[chunk].splice(place..=place, [done, said]);
    if !again.is_empty() {
        records[chunk].push(Record::Cut(again));
    }
    Ok(Some(rewritten(chunk, &records)))
}

/// Has all calls in doubt made again, with the same keys: the log is cut as after a failed attempt, and
/// a doubt that lies before what stays is taken out.
///
/// # Errors
///
/// A chunk does not read.
pub fn make_again(clock: Arc<dyn Clock>, chunks: &[Chunk]) -> Result<Rewrite, Corrupt> {
    let mut records = decoded(chunks)?;
    let mut first = records.len();
    for doubt in find(&records) {
        if let Some((chunk, place)) = doubt.result {
            records[chunk][place] = Record::Cut(vec![doubt.reopened]);
            first = first.min(chunk);
        }
    }
    let changed = rewritten(first, &records);
    let whole: Vec<Chunk> = chunks[..first].iter().cloned().chain(changed.then).collect();
    let cut = Journal::load(clock, &whole)?.cut();
    let keep = cut.keep.min(changed.keep);
    let then = whole[keep as usize..cut.keep as usize].iter().cloned().chain(cut.then).collect();
    Ok(Rewrite { keep, then })
}

fn decoded(chunks: &[Chunk]) -> Result<Vec<Vec<Record>>, Corrupt> {
    chunks.iter().map(decode).collect()
}

fn rewritten(from: usize, records: &[Vec<Record>]) -> Rewrite {
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let then = records.iter().enumerate().skip(from);
    Rewrite {
        keep: number(from),
        then: then.map(|(at, records)| Chunk { number: number(at), bytes: encode(records) }).collect(),
    }
}

fn is_result_of(record: &Record, wanted: u32) -> bool {
    matches!(record, Record::Result { call, .. } if *call == wanted)
}

fn class_of(records: &[Vec<Record>], wanted: u32) -> Class {
    let found = records.iter().flatten().rev().find_map(|record| match record {
        Record::Intent { call, class, .. } | Record::Result { call, class, .. } if *call == wanted => Some(*class),
        _ => None,
    });
    found.unwrap_or(Class::Unkeyed)
}

/// The effects that were begun or answered in `dropped`: made again, they carry the same key.
fn begun<'a>(all: &[Vec<Record>], dropped: impl Iterator<Item = &'a Record>) -> Vec<Reopened> {
    let mut keys = HashMap::new();
    for record in all.iter().flatten() {
        if let Record::Intent { call, generation, .. } = record {
            keys.insert(*call, *generation);
        }
    }
    let mut begun = BTreeMap::new();
    for record in dropped {
        if let Record::Intent { call, hash, .. } | Record::Result { call, hash, .. } = record
            && let Some(generation) = keys.get(call)
        {
            begun.insert(*call, Reopened { call: *call, hash: *hash, generation: *generation });
        }
    }
    begun.into_values().collect()
}

fn find(records: &[Vec<Record>]) -> Vec<Doubt> {
    let mut calls: HashMap<u32, (Doubt, bool)> = HashMap::new();
    for (chunk, records) in records.iter().enumerate() {
        for (place, record) in records.iter().enumerate() {
            match record {
                Record::Intent { call, what, hash, generation, class } => {
                    let reopened = Reopened { call: *call, hash: *hash, generation: *generation };
                    let doubt = Doubt { call: *call, what: what.clone(), reopened, result: None };
                    calls.insert(*call, (doubt, *class == Class::Unkeyed));
                }
                Record::Result { call, what, hash, class, verdict, .. } => {
                    let generation = calls.get(call).map_or(0, |(known, _)| known.reopened.generation);
                    let reopened = Reopened { call: *call, hash: *hash, generation };
                    let doubt = Doubt { call: *call, what: what.clone(), reopened, result: Some((chunk, place)) };
                    calls.insert(*call, (doubt, *class == Class::Unkeyed && *verdict == Verdict::InDoubt));
                }
                Record::Cut(again) => {
                    for past in again {
                        calls.remove(&past.call);
                    }
                }
                _ => {}
            }
        }
    }
    let mut doubts: Vec<Doubt> = calls.into_values().filter(|(_, open)| *open).map(|(doubt, _)| doubt).collect();
    doubts.sort_by_key(|doubt| doubt.call);
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fake::FakeClock;
    use crate::grant::Capability;
    use crate::journal::{ArgumentHash, LookUp};

    const AT: Timestamp = Timestamp(1_767_225_600_000);

    fn what(call: u32) -> What {
        What { capability: Capability::Http, text: format!("POST api /{call}") }
    }

    fn hash(call: u32) -> ArgumentHash {
        ArgumentHash::of([&call.to_le_bytes()[..]])
    }

    fn intent(call: u32) -> Record {
        Record::Intent { call, what: what(call), hash: hash(call), generation: 2, class: Class::Unkeyed }
    }

    fn result(call: u32, class: Class, verdict: Verdict) -> Record {
        Record::Result {
            call,
            what: what(call),
            hash: hash(call),
            class,
            verdict,
            took_ms: 1,
            answer: ByteBuf::from(b"as it was".to_vec()),
        }
    }

    fn doubtful(call: u32) -> Record {
        result(call, Class::Unkeyed, Verdict::InDoubt)
    }

    fn chunks(records: &[&[Record]]) -> Vec<Chunk> {
        let chunk = |(at, records): (usize, &&[Record])| Chunk { number: at as u32, bytes: encode(records) };
        records.iter().enumerate().map(chunk).collect()
    }

    fn applied(chunks: &[Chunk], rewrite: Rewrite) -> Vec<Chunk> {
        chunks[..rewrite.keep as usize].iter().cloned().chain(rewrite.then).collect()
    }

    fn journal(chunks: &[Chunk]) -> Journal {
        Journal::load(Arc::new(FakeClock::default()), chunks).unwrap()
    }

    fn given(call: u32) -> Given<'static> {
        Given { call, answer: b"given", who: "ada", at: AT }
    }

    fn skipped(before: &[Chunk], call: u32) -> Vec<Chunk> {
        applied(before, take_as_done(before, &given(call)).unwrap().expect("it is in doubt"))
    }

    #[track_caller]
    fn answered(journal: &Journal, call: u32, expected: &[u8]) {
        match journal.look_up(call, &what(call), &hash(call)) {
            Ok(LookUp::Answered { verdict: Verdict::Done, answer, .. }) => assert_eq!(answer.as_slice(), expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_in_doubt_is_found() {
        let log = chunks(&[
            &[intent(1)],
            &[result(1, Class::Unkeyed, Verdict::Done)],
            &[intent(2)],
            &[Record::Block, doubtful(2)],
            &[intent(3)],
            &[intent(4)],
            &[Record::Cut(vec![Reopened { call: 4, hash: hash(4), generation: 0 }])],
        ]);
        let calls: Vec<u32> = doubts(&log).unwrap().iter().map(|doubt| doubt.call).collect();
        assert_eq!(calls, [2, 3], "one that was answered so, and one that was never answered");
        assert_eq!(take_as_done(&log, &given(1)).unwrap(), None);
    }

    #[test]
    fn p3_a_given_answer_stands_where_the_doubtful_one_stood() {
        let log = chunks(&[
            &[Record::Remaining(5), intent(2)],
            &[Record::Ready(true), doubtful(2)],
            &[result(3, Class::Read, Verdict::Done), intent(4)],
            &[result(4, Class::Unkeyed, Verdict::Refused)],
        ]);
        let after = skipped(&log, 2);
        let mut journal = journal(&after);
        answered(&journal, 2, b"given");
        // What the guest did once it had seen the doubt is made again, with the key it had.
        assert_eq!(journal.look_up(3, &what(3), &hash(3)), Ok(LookUp::Fresh { generation: 0 }));
        assert_eq!(journal.look_up(4, &what(4), &hash(4)), Ok(LookUp::Fresh { generation: 2 }));
        assert_eq!(journal.remaining(9), Ok(5), "what came before stays");
        assert_eq!(journal.recorded_ready(), Ok(Some(true)));
        assert_eq!(journal.in_doubt(), None);
        assert!(doubts(&after).unwrap().is_empty());
        let said = after.iter().flat_map(|chunk| decode(chunk).unwrap()).find(|r| matches!(r, Record::Decided { .. }));
        assert_eq!(said, Some(Record::Decided { call: 2, who: "ada".into(), at: AT }));
        // A later failure does not take it back: it is an effect that succeeded.
        let cut = journal.cut();
        let cut = applied(&after, Rewrite { keep: cut.keep, then: cut.then.into_iter().collect() });
        answered(&self::journal(&cut), 2, b"given");
    }

    #[test]
    fn a_call_that_was_never_answered_can_be_taken_as_done() {
        let log = chunks(&[&[intent(1)]]);
        answered(&journal(&skipped(&log, 1)), 1, b"given");
    }

    #[test]
    fn p2_an_effect_behind_the_doubt_is_not_taken_back() {
        let log = chunks(&[&[intent(1)], &[doubtful(1)], &[intent(2)], &[result(2, Class::Unkeyed, Verdict::Done)]]);
        let after = journal(&skipped(&log, 1));
        answered(&after, 1, b"given");
        answered(&after, 2, b"as it was");
        // Nor when the call is to be made again.
        let again = make_again(Arc::new(FakeClock::default()), &log).unwrap();
        let after = journal(&applied(&log, again));
        assert_eq!(after.look_up(1, &what(1), &hash(1)), Ok(LookUp::Fresh { generation: 2 }));
        answered(&after, 2, b"as it was");
    }

    #[test]
    fn p3_another_doubt_stays_one() {
        let log = chunks(&[&[intent(1)], &[intent(2)], &[doubtful(1)], &[doubtful(2)]]);
        for (decided, left) in [(1, 2), (2, 1)] {
            let after = skipped(&log, decided);
            assert_eq!(doubts(&after).unwrap().iter().map(|doubt| doubt.call).collect::<Vec<_>>(), [left]);
            let both = skipped(&after, left);
            assert!(doubts(&both).unwrap().is_empty());
            answered(&journal(&both), 1, b"given");
            answered(&journal(&both), 2, b"given");
        }
        // One that was sent and never answered, behind the decided one.
        let log = chunks(&[&[intent(1)], &[doubtful(1)], &[intent(2)]]);
        assert_eq!(doubts(&skipped(&log, 1)).unwrap()[0].call, 2);
    }

    #[test]
    fn p3_a_refused_call_beside_it_does_not_become_a_doubt() {
        let log = chunks(&[&[intent(1)], &[intent(2)], &[doubtful(1)], &[result(2, Class::Unkeyed, Verdict::Refused)]]);
        let after = skipped(&log, 1);
        assert!(doubts(&after).unwrap().is_empty());
        assert_eq!(journal(&after).look_up(2, &what(2), &hash(2)), Ok(LookUp::Fresh { generation: 2 }));
    }

    #[test]
    fn made_again_the_log_is_cut_to_the_last_effect() {
        let log = chunks(&[
            &[intent(1)],
            &[result(1, Class::Unkeyed, Verdict::Done)],
            &[result(2, Class::Read, Verdict::Done), intent(3)],
            &[doubtful(3)],
        ]);
        let again = make_again(Arc::new(FakeClock::default()), &log).unwrap();
        let after = journal(&applied(&log, again));
        answered(&after, 1, b"as it was");
        assert_eq!(after.look_up(2, &what(2), &hash(2)), Ok(LookUp::Fresh { generation: 0 }));
        assert_eq!(after.look_up(3, &what(3), &hash(3)), Ok(LookUp::Fresh { generation: 2 }));
        assert_eq!(after.in_doubt(), None);
    }
}
