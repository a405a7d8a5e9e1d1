//! S13: runs of one ordering key follow one another.

use std::time::Duration;

use super::super::queue::{Claim, Decision, NewRun, Settle};
use super::{Death, Harness, ROOM, claim_now, claim_one, dead, ending, name, new_run, soon, success};
use crate::clock::Clock as _;
use crate::ids::RunId;
use crate::order::InOrder;
use crate::run::RunState;

fn ordered(h: &dyn Harness, event: &str, key: &str, block: bool) -> NewRun {
    NewRun { order: Some(InOrder { key: key.into(), block }), ..new_run(h, event) }
}

async fn accept(h: &dyn Harness, runs: Vec<NewRun>) -> Vec<RunId> {
    h.store().accept(runs).await.expect("accepted").iter().map(|accepted| accepted.run()).collect()
}

fn ids(claims: &[Claim]) -> Vec<RunId> {
    claims.iter().map(|claim| claim.fence.run).collect()
}

async fn succeed(h: &dyn Harness, claim: Claim) {
    let end = success(&claim);
    h.store().settle(claim.fence, end).await.expect("settled");
}

/// Which run this one waits for, and the state that one is in.
async fn waits_for(h: &dyn Harness, run: RunId) -> Option<String> {
    h.store().run(run).await.expect("it is there").summary.reason
}

fn said(run: RunId, state: RunState) -> Option<String> {
    Some(format!("waits for run {run} of the same ordering key, which is {state}"))
}

/// S13
pub async fn s13_runs_of_one_key_are_sequential(h: &mut dyn Harness) {
    let batch = ["1", "2", "3"].map(|event| ordered(h, event, "a", false));
    let other_key = ordered(h, "4", "b", false);
    let mut other_trigger = ordered(h, "5", "a", false);
    other_trigger.target.trigger = name("other");
    let free = new_run(h, "6");
    let runs = accept(h, [batch.to_vec(), vec![other_key, other_trigger, free]].concat()).await;
    let mut claims = claim_now(h, ROOM).await;
    assert_eq!(ids(&claims), [runs[0], runs[3], runs[4], runs[5]], "one of each key, and those without one");
    assert_eq!(waits_for(h, runs[1]).await, said(runs[0], RunState::Running));
    assert_eq!(waits_for(h, runs[2]).await, said(runs[0], RunState::Running));
    succeed(h, claims.remove(0)).await;
    assert_eq!(waits_for(h, runs[1]).await, None);
    // Later ones stand behind, in the order of their coming: within a millisecond, too.
    let (mut seven, mut eight) = (ordered(h, "7", "a", false), ordered(h, "8", "a", false));
    seven.id = RunId::from_bytes([9; 16]);
    eight.id = RunId::from_bytes([8; 16]);
    eight.due = seven.due;
    let late = accept(h, vec![seven, eight]).await;
    for expected in [runs[1], runs[2], late[0], late[1]] {
        let claim = claim_one(h).await;
        assert_eq!(claim.fence.run, expected);
        assert!(claim_now(h, ROOM).await.is_empty());
        succeed(h, claim).await;
    }
}

/// S13
pub async fn s13_a_run_that_waits_holds_up_its_key(h: &mut dyn Harness) {
    let batch = ["1", "2"].map(|event| ordered(h, event, "a", false));
    let runs = accept(h, batch.to_vec()).await;
    let claim = claim_one(h).await;
    // For its next attempt.
    let end = ending(&claim, "failed", Settle::Waiting { due: soon(h, 60), hard: false });
    h.store().settle(claim.fence, end).await.expect("settled");
    h.clock().advance(Duration::from_secs(59));
    h.store().wake();
    assert!(claim_now(h, ROOM).await.is_empty());
    // The host may die meanwhile.
    h.owner_is_gone(Death::Unmarked).await;
    assert!(claim_now(h, ROOM).await.is_empty());
    h.clock().advance(Duration::from_secs(1));
    h.store().wake();
    let claim = claim_one(h).await;
    assert_eq!((claim.fence.run, claim.attempt), (runs[0], 2));
    // For the host.
    let end = ending(&claim, "host-fault", Settle::Released { due: soon(h, 1), suspect: false });
    h.store().settle(claim.fence, end).await.expect("settled");
    assert!(claim_now(h, ROOM).await.is_empty());
    h.clock().advance(Duration::from_secs(1));
    h.store().wake();
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, runs[0]);
    // In an attempt that the host broke off.
    h.owner_is_gone(Death::Unmarked).await;
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, runs[0]);
    // For a person.
    let end = ending(&claim, "in-doubt", Settle::Parked { reason: "who knows".into() });
    h.store().settle(claim.fence, end).await.expect("settled");
    assert!(claim_now(h, ROOM).await.is_empty());
    h.owner_is_gone(Death::Unmarked).await;
    assert!(claim_now(h, ROOM).await.is_empty());
    h.store().decide(runs[0], Decision::Retry).await.expect("decided");
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, runs[0]);
    succeed(h, claim).await;
    assert_eq!(claim_one(h).await.fence.run, runs[1]);
}

/// S13
pub async fn s13_a_dead_letter_leaves_its_place_or_blocks(h: &mut dyn Harness) {
    // It leaves it, and stands at the end when it is resumed.
    let batch = ["1", "2", "3"].map(|event| ordered(h, event, "a", false));
    let runs = accept(h, batch.to_vec()).await;
    let claim = claim_one(h).await;
    h.store().settle(claim.fence, dead(&claim)).await.expect("settled");
    let second = claim_one(h).await;
    assert_eq!(second.fence.run, runs[1]);
    h.store().resume("again".into(), vec![runs[0]]).await.expect("resumed");
    assert!(claim_now(h, ROOM).await.is_empty());
    succeed(h, second).await;
    for expected in [runs[2], runs[0]] {
        let claim = claim_one(h).await;
        assert_eq!(claim.fence.run, expected);
        succeed(h, claim).await;
    }
    // It blocks, until it is resumed and over, or discarded.
    let batch = ["4", "5", "6"].map(|event| ordered(h, event, "b", true));
    let runs = accept(h, batch.to_vec()).await;
    let claim = claim_one(h).await;
    h.store().settle(claim.fence, dead(&claim)).await.expect("settled");
    assert!(claim_now(h, ROOM).await.is_empty());
    h.owner_is_gone(Death::Unmarked).await;
    assert!(claim_now(h, ROOM).await.is_empty());
    assert_eq!(waits_for(h, runs[1]).await, said(runs[0], RunState::DeadLettered));
    h.store().resume("blocked".into(), vec![runs[0]]).await.expect("resumed");
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, runs[0], "it goes on before those that waited for it");
    assert_eq!(waits_for(h, runs[1]).await, said(runs[0], RunState::Running));
    assert!(claim_now(h, ROOM).await.is_empty());
    h.store().settle(claim.fence, dead(&claim)).await.expect("settled");
    assert!(claim_now(h, ROOM).await.is_empty());
    h.store().discard("enough".into(), vec![runs[0]]).await.expect("discarded");
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, runs[1]);
    // One that is cancelled holds up nobody.
    succeed(h, claim).await;
    h.store().cancel(runs[2]).await.expect("cancelled");
    let last = accept(h, vec![ordered(h, "7", "b", true)]).await;
    assert_eq!(claim_one(h).await.fence.run, last[0]);
}

/// S13
pub async fn s13_a_delayed_run_takes_its_place_when_it_is_due(h: &mut dyn Harness) {
    let mut delayed = ordered(h, "delayed", "a", false);
    delayed.due = soon(h, 60);
    let delayed = accept(h, vec![delayed]).await[0];
    let first = accept(h, vec![ordered(h, "first", "a", false)]).await[0];
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, first, "it does not wait for one that is not due");
    succeed(h, claim).await;
    h.clock().advance(Duration::from_secs(61));
    let later = accept(h, vec![ordered(h, "later", "a", false)]).await[0];
    for expected in [delayed, later] {
        let claim = claim_one(h).await;
        assert_eq!(claim.fence.run, expected);
        succeed(h, claim).await;
    }
    // A clock that is set back turns nobody's order around.
    let before = accept(h, vec![ordered(h, "before", "a", false)]).await[0];
    h.clock().set_wall(h.clock().now().minus(Duration::from_secs(3_600)));
    let after = accept(h, vec![ordered(h, "after", "a", false)]).await[0];
    h.owner_is_gone(Death::Unmarked).await;
    let last = accept(h, vec![ordered(h, "last", "a", false)]).await[0];
    h.clock().advance(Duration::from_secs(3_700));
    for expected in [before, after, last] {
        let claim = claim_one(h).await;
        assert_eq!(claim.fence.run, expected);
        succeed(h, claim).await;
    }
}
