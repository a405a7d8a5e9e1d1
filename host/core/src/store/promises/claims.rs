//! S3, S4, S5 and S8: who owns a run, and who is next.

use std::time::Duration;

use super::super::StoreError;
use super::super::queue::{Claim, Needs, Room, Settle};
use super::{Death, Harness, ROOM, accepted, claim_now, claim_one, ending, new_run, new_run_in, soon, success};
use crate::clock::Clock as _;
use crate::ids::RunId;
use crate::journal::Chunk;
use crate::run::RunState;

fn ids(claims: &[Claim]) -> Vec<RunId> {
    claims.iter().map(|claim| claim.fence.run).collect()
}

/// S3
pub async fn s03_a_claim_excludes_others(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let first = claim_one(h).await;
    assert_eq!(first.fence.run, run);
    assert_eq!(first.event.data, "data of event");
    assert_eq!((first.attempt, first.journaled), (1, false));
    assert!(claim_now(h, ROOM).await.is_empty());
    h.owner_is_gone(Death::Unmarked).await;
    let second = claim_one(h).await;
    assert_eq!(second.fence.run, run);
    assert_eq!(second.attempt, 1, "an attempt that the host broke off is not used up");
    assert_eq!(second.event, first.event);
    let end = success(&first);
    assert_eq!(h.store().settle(first.fence, end).await, Err(StoreError::Superseded { run }));
    let end = success(&second);
    assert_eq!(h.store().settle(second.fence, end).await, Ok(RunState::Succeeded));
}

/// S3
pub async fn s03_a_claim_that_nobody_took_is_given_back(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let claim = h.store().claim(ROOM);
    // It is handed over by now, but not taken.
    for _ in 0..2 {
        h.store().writable().await.expect("the store works");
    }
    assert_eq!(h.store().run(run).await.expect("it is there").summary.state, RunState::Running);
    drop(claim);
    let again = claim_one(h).await;
    assert_eq!((again.fence.run, again.attempt), (run, 1));
    let detail = h.store().run(run).await.expect("it is there");
    assert_eq!(detail.summary.attempts, 1);
    assert!(detail.attempts_made.is_empty());
    // One that still waited costs nothing.
    drop(h.store().claim(ROOM));
    let end = success(&again);
    assert_eq!(h.store().settle(again.fence, end).await, Ok(RunState::Succeeded));
}

/// S4
pub async fn s04_a_superseded_fence_changes_nothing(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let first = claim_one(h).await;
    let end = ending(&first, "failed", Settle::Waiting { due: soon(h, 0), hard: false });
    h.store().settle(first.fence, end).await.expect("it is settled");
    let superseded = Err(StoreError::Superseded { run });
    let end = success(&first);
    assert_eq!(h.store().settle(first.fence, end).await, superseded, "a claim is settled once");
    let second = claim_one(h).await;
    assert!(second.fence.number > first.fence.number);
    let end = success(&first);
    assert_eq!(h.store().settle(first.fence, end).await, superseded);
    let chunk = Chunk { number: 0, bytes: vec![1] };
    assert_eq!(h.store().append(first.fence, chunk).await, Err(StoreError::Superseded { run }));
    let detail = h.store().run(run).await.expect("it is there");
    assert_eq!(detail.summary.state, RunState::Running);
    assert_eq!(detail.attempts_made.len(), 1);
    assert_eq!(h.store().load(run).await, Ok(Vec::new()));
    h.owner_is_gone(Death::Unmarked).await;
    let third = claim_one(h).await;
    assert!(third.fence.number > second.fence.number, "across a restart too");
}

/// S5
pub async fn s05_claims_go_round_robin_then_by_due_time(h: &mut dyn Harness) {
    let mut expected = std::collections::HashMap::new();
    for integration in ["one", "two", "three"] {
        let mut runs: Vec<_> = (0..3)
            .map(|number| {
                let mut new = new_run_in(h, integration, "handler", &format!("event-{number}"));
                new.due = h.clock().now().minus(Duration::from_secs(number));
                new
            })
            .collect();
        let later: Vec<RunId> = runs.iter().map(|new| new.id).rev().collect();
        expected.insert(integration.to_owned(), later);
        if integration == "two" {
            runs.rotate_left(1);
        }
        h.store().accept(runs).await.expect("accepted");
    }
    let mut got: std::collections::HashMap<String, Vec<RunId>> = std::collections::HashMap::new();
    for _round in 0..3 {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 {
            let claim = claim_now(h, Room { slots: 1, ..ROOM }).await.remove(0);
            let integration = claim.target.integration.to_string();
            assert!(seen.insert(integration.clone()), "each in turn");
            got.entry(integration).or_default().push(claim.fence.run);
        }
    }
    assert_eq!(got, expected, "within an integration by due time");
}

/// S5
pub async fn s05_nothing_is_handed_out_that_is_not_due(h: &mut dyn Harness) {
    let mut later = new_run(h, "later");
    later.due = soon(h, 60);
    let run = later.id;
    h.store().accept(vec![later]).await.expect("accepted");
    assert!(claim_now(h, ROOM).await.is_empty());
    let parked = h.store().claim(ROOM);
    h.clock().advance(Duration::from_secs(59));
    h.store().wake();
    assert!(claim_now(h, ROOM).await.is_empty());
    h.clock().advance(Duration::from_secs(1));
    h.store().wake();
    assert_eq!(ids(&parked.await.expect("the store works")), [run]);
}

/// S5
pub async fn s05_concurrency_and_room_are_respected(h: &mut dyn Harness) {
    let needs = |memory_bytes, concurrency| Needs { memory_bytes, concurrency };
    let mut batch = Vec::new();
    for number in 0..4 {
        let mut new = new_run_in(h, "demo", "narrow", &format!("event-{number}"));
        new.needs = needs(100, 2);
        batch.push(new);
    }
    let mut wide = new_run_in(h, "demo", "wide", "wide");
    wide.needs = needs(1_000, 2);
    batch.push(wide.clone());
    h.store().accept(batch.clone()).await.expect("accepted");
    // Slots.
    let first = claim_now(h, Room { slots: 1, memory_bytes: 10_000 }).await;
    assert_eq!(ids(&first), [batch[0].id]);
    // Memory is added up, and the component's second attempt is its last.
    let rest = claim_now(h, Room { slots: 10, memory_bytes: 1_099 }).await;
    assert_eq!(ids(&rest), [batch[1].id], "the wide one does not fit any more");
    let rest = claim_now(h, Room { slots: 10, memory_bytes: 999 }).await;
    assert!(rest.is_empty(), "two of the narrow ones run, and the wide one does not fit");
    let rest = claim_now(h, Room { slots: 10, memory_bytes: 1_000 }).await;
    assert_eq!(ids(&rest), [wide.id]);
    let claim = first.into_iter().next().expect("there is one");
    let end = success(&claim);
    h.store().settle(claim.fence, end).await.expect("settled");
    assert_eq!(ids(&claim_now(h, ROOM).await), [batch[2].id]);
}

/// S5
pub async fn s05_a_parked_claim_gets_what_is_accepted_later(h: &mut dyn Harness) {
    let store = h.store();
    let (first, second) = (store.claim(Room { slots: 1, ..ROOM }), store.claim(Room { slots: 5, ..ROOM }));
    store.writable().await.expect("the store works");
    let batch: Vec<_> = (0..3).map(|number| new_run(h, &format!("event-{number}"))).collect();
    let runs: Vec<RunId> = batch.iter().map(|new| new.id).collect();
    store.accept(batch).await.expect("accepted");
    let mut got = ids(&first.await.expect("the store works"));
    assert_eq!(got.len(), 1);
    got.extend(ids(&second.await.expect("the store works")));
    got.sort_unstable();
    let mut expected = runs;
    expected.sort_unstable();
    assert_eq!(got, expected);
}

/// S8
pub async fn s08_runs_of_a_dead_host_are_tried_alone(h: &mut dyn Harness) {
    let (first, second) = (accepted(h, "first").await, accepted(h, "second").await);
    assert_eq!(claim_now(h, ROOM).await.len(), 2);
    let bystander = accepted(h, "bystander").await;
    h.owner_is_gone(Death::Unmarked).await;
    let one = claim_one(h).await;
    assert!([first, second].contains(&one.fence.run), "a suspect, and nothing else");
    assert!(claim_now(h, ROOM).await.is_empty(), "nothing beside it");
    let made = h.store().run(one.fence.run).await.expect("it is there").attempts_made;
    assert_eq!(made.len(), 1, "the broken attempt is on record");
    assert_eq!(made[0].outcome, "host-fault");
    let end = success(&one);
    h.store().settle(one.fence, end).await.expect("settled");
    let two = claim_one(h).await;
    assert!([first, second].contains(&two.fence.run) && two.fence.run != one.fence.run);
    let end = ending(&two, "failed", Settle::Waiting { due: soon(h, 0), hard: false });
    h.store().settle(two.fence, end).await.expect("settled");
    // It settled, so it is no suspect any more.
    let mut rest = ids(&claim_now(h, ROOM).await);
    rest.sort_unstable();
    let mut expected = vec![two.fence.run, bystander];
    expected.sort_unstable();
    assert_eq!(rest, expected);
}

/// S8
pub async fn s08_only_marked_deaths_alone_count(h: &mut dyn Harness) {
    let run = accepted(h, "poison").await;
    let other = accepted(h, "other").await;
    assert_eq!(claim_now(h, ROOM).await.len(), 2);
    // Together: it counts against nobody.
    h.owner_is_gone(Death::Marked).await;
    for _ in 0..5 {
        // Alone, but a power cut.
        let claim = claim_one(h).await;
        assert_eq!(claim.attempt, 1);
        h.owner_is_gone(Death::Unmarked).await;
    }
    for death in 1..=3 {
        let mut claim = claim_one(h).await;
        if claim.fence.run == other {
            let end = success(&claim);
            h.store().settle(claim.fence, end).await.expect("settled");
            claim = claim_one(h).await;
        }
        assert_eq!(claim.fence.run, run);
        h.owner_is_gone(Death::Marked).await;
        let summary = h.store().run(run).await.expect("it is there").summary;
        let expected = if death == 3 { RunState::DeadLettered } else { RunState::Queued };
        assert_eq!(summary.state, expected, "death {death}");
        assert_eq!(summary.reason.expect("it has a reason").starts_with("crashed-host"), death == 3);
    }
    assert!(!claim_now(h, ROOM).await.iter().any(|claim| claim.fence.run == run));
    // Resumed by a person, it is tried alone again, from the start.
    h.store().resume("again".into(), vec![run]).await.expect("resumed");
    let bystander = accepted(h, "bystander").await;
    h.owner_is_gone(Death::Unmarked).await;
    while let Some(claim) = claim_now(h, ROOM).await.pop() {
        if claim.fence.run == run {
            break;
        }
        assert_ne!(claim.fence.run, bystander, "the suspect goes first");
        let end = success(&claim);
        h.store().settle(claim.fence, end).await.expect("settled");
    }
    h.owner_is_gone(Death::Marked).await;
    assert_eq!(h.store().run(run).await.expect("it is there").summary.state, RunState::Queued);
}

/// S8
pub async fn s08_a_panic_while_alone_counts(h: &mut dyn Harness) {
    let run = accepted(h, "poison").await;
    let panicked = |claim: &Claim, now| ending(claim, "host-fault", Settle::Released { due: now, suspect: true });
    // The first panic makes it a suspect, the next three are alone.
    for expected in [RunState::Queued, RunState::Queued, RunState::Queued, RunState::DeadLettered] {
        let claim = claim_one(h).await;
        let end = panicked(&claim, h.clock().now());
        assert_eq!(h.store().settle(claim.fence, end).await, Ok(expected));
    }
    let reason = h.store().run(run).await.expect("it is there").summary.reason.expect("it has a reason");
    assert!(reason.starts_with("crashed-host"), "{reason}");
}

/// S8
pub async fn s08_suspects_go_first(h: &mut dyn Harness) {
    let suspect = accepted(h, "suspect").await;
    let claim = claim_one(h).await;
    let running = accepted(h, "running").await;
    let other = claim_one(h).await;
    assert_eq!(other.fence.run, running);
    let end = ending(&claim, "host-fault", Settle::Released { due: soon(h, 10), suspect: true });
    h.store().settle(claim.fence, end).await.expect("settled");
    let bystander = accepted(h, "bystander").await;
    let third = claim_one(h).await;
    assert_eq!(third.fence.run, bystander, "a suspect that is not due holds up nobody");
    h.clock().advance(Duration::from_secs(10));
    let waiting = accepted(h, "waiting").await;
    assert!(claim_now(h, ROOM).await.is_empty(), "a due suspect waits until nothing runs, and the others for it");
    for claim in [other, third] {
        let end = success(&claim);
        h.store().settle(claim.fence, end).await.expect("settled");
    }
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, suspect);
    let end = success(&claim);
    h.store().settle(claim.fence, end).await.expect("settled");
    assert_eq!(claim_one(h).await.fence.run, waiting);
}
