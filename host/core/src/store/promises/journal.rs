//! S20 … S24: journals.

use super::super::StoreError;
use super::super::queue::{Ending, JournalEnd, Settle};
use super::{Death, Harness, accepted, claim_one, ending, soon};
use crate::journal::{Chunk, Cut};

fn chunk(number: u32, byte: u8) -> Chunk {
    Chunk { number, bytes: vec![byte; 3] }
}

/// S20
pub async fn s20_an_append_needs_the_current_fence(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let claim = claim_one(h).await;
    h.store().append(claim.fence, chunk(0, 1)).await.expect("appended");
    let end = ending(&claim, "failed", Settle::Waiting { due: soon(h, 0), hard: false });
    h.store().settle(claim.fence, end).await.expect("settled");
    assert_eq!(h.store().append(claim.fence, chunk(1, 2)).await, Err(StoreError::Superseded { run }));
    let next = claim_one(h).await;
    assert!(next.journaled);
    assert_eq!(h.store().append(claim.fence, chunk(1, 2)).await, Err(StoreError::Superseded { run }));
    h.store().append(next.fence, chunk(1, 3)).await.expect("appended");
    assert_eq!(h.store().load(run).await, Ok(vec![chunk(0, 1), chunk(1, 3)]));
}

/// S21
pub async fn s21_a_gap_is_refused(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let claim = claim_one(h).await;
    let refused = h.store().append(claim.fence, chunk(1, 1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    h.store().append(claim.fence, chunk(0, 1)).await.expect("appended");
    for number in [0, 2] {
        let refused = h.store().append(claim.fence, chunk(number, 9)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    h.owner_is_gone(Death::Unmarked).await;
    let claim = claim_one(h).await;
    let refused = h.store().append(claim.fence, chunk(0, 9)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    h.store().append(claim.fence, chunk(1, 2)).await.expect("appended");
    assert_eq!(h.store().load(run).await, Ok(vec![chunk(0, 1), chunk(1, 2)]));
}

/// S22
pub async fn s22_appends_keep_their_order(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let claim = claim_one(h).await;
    // None is awaited before all are called, and the last is awaited first.
    let mut replies: Vec<_> =
        (0..50).map(|number| h.store().append(claim.fence, chunk(number, number as u8))).collect();
    while let Some(reply) = replies.pop() {
        reply.await.expect("appended");
    }
    // One whose answer nobody wants is carried out all the same.
    drop(h.store().append(claim.fence, chunk(50, 50)));
    h.store().append(claim.fence, chunk(51, 51)).await.expect("appended");
    let expected: Vec<_> = (0..52).map(|number| chunk(number, number as u8)).collect();
    assert_eq!(h.store().load(run).await, Ok(expected));
}

/// S23
pub async fn s23_load_gives_back_what_was_appended_less_what_was_cut(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let mut claim = claim_one(h).await;
    for number in 0..4 {
        h.store().append(claim.fence, chunk(number, number as u8)).await.expect("appended");
    }
    let steps = [
        (JournalEnd::Keep(None), vec![chunk(0, 0), chunk(1, 1), chunk(2, 2), chunk(3, 3)]),
        (JournalEnd::Keep(Some(chunk(4, 4))), vec![chunk(0, 0), chunk(1, 1), chunk(2, 2), chunk(3, 3), chunk(4, 4)]),
        (JournalEnd::Cut(Cut { keep: 2, then: None }), vec![chunk(0, 0), chunk(1, 1)]),
        (JournalEnd::Cut(Cut { keep: 1, then: Some(chunk(1, 9)) }), vec![chunk(0, 0), chunk(1, 9)]),
        // A chunk before this one was lost: the log ends there, and the run ends all the same.
        (JournalEnd::Keep(Some(chunk(7, 7))), vec![chunk(0, 0), chunk(1, 9)]),
        (JournalEnd::Cut(Cut { keep: 0, then: None }), vec![]),
    ];
    for (journal, expected) in steps {
        let then = Settle::Waiting { due: soon(h, 0), hard: false };
        let end = Ending { journal: journal.clone(), ..ending(&claim, "failed", then) };
        h.store().settle(claim.fence, end).await.expect("settled");
        assert_eq!(h.store().load(run).await, Ok(expected.clone()), "{journal:?}");
        claim = claim_one(h).await;
        assert_eq!(claim.journaled, !expected.is_empty());
    }
    h.store().append(claim.fence, chunk(0, 5)).await.expect("numbers go on after the cut");
}

/// S24
pub async fn s24_an_empty_chunk_leaves_no_trace(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let claim = claim_one(h).await;
    let empty = Chunk { number: 0, bytes: vec![] };
    h.store().append(claim.fence, empty.clone()).await.expect("taken");
    assert_eq!(h.store().load(run).await, Ok(vec![]));
    let end = ending(&claim, "failed", Settle::Waiting { due: soon(h, 0), hard: false });
    h.store().settle(claim.fence, end).await.expect("settled");
    let next = claim_one(h).await;
    assert!(!next.journaled);
    assert_eq!(h.store().append(claim.fence, empty).await, Err(StoreError::Superseded { run }));
}
