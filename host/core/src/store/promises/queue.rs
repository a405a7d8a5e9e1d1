//! S1, S2, S6, S7, S9 … S11: accepting, ending, deciding, keeping.

use std::sync::Arc;
use std::time::Duration;

use super::super::StoreError;
use super::super::queue::{Accepted, Decision, Ending, Retention, RunFilter, Settle};
use super::{
    Death, Harness, QUEUE_RUNS, ROOM, accepted, claim_now, claim_one, dead, dead_letter, ending, new_run, new_run_in,
    soon, success,
};
use crate::clock::Clock as _;
use crate::event::{Event, Output};
use crate::ids::RunId;
use crate::journal::Chunk;
use crate::run::RunState;

async fn state(h: &dyn Harness, run: RunId) -> RunState {
    h.store().run(run).await.expect("it is there").summary.state
}

/// S1
pub async fn s01_accept_is_durable(h: &mut dyn Harness) {
    let small = new_run(h, "small");
    let mut large = new_run(h, "large");
    let subject = Some("orders/4711".to_owned());
    let event = Event { data: vec![7; 20_000].into(), subject: subject.clone(), ..(*large.event).clone() };
    large.event = Arc::new(event.clone());
    let (first, second) = (small.id, large.id);
    let answer = h.store().accept(vec![small, large]).await.expect("both are accepted");
    assert_eq!(answer, [Accepted::New(first), Accepted::New(second)]);
    h.owner_is_gone(Death::Unmarked).await;
    let detail = h.store().run(second).await.expect("it is there");
    assert_eq!(detail.event, Some(event));
    assert_eq!(detail.summary.state, RunState::Queued);
    assert_eq!((detail.summary.event_id.as_str(), detail.summary.event_subject), ("large", subject));
    let claimed: Vec<RunId> = claim_now(h, ROOM).await.iter().map(|claim| claim.fence.run).collect();
    assert_eq!(claimed.len(), 2);
    assert!(claimed.contains(&first) && claimed.contains(&second));
}

/// S1
pub async fn s01_a_batch_is_accepted_whole_or_not_at_all(h: &mut dyn Harness) {
    let good = new_run(h, "good");
    let mut elsewhere = new_run(h, "elsewhere");
    elsewhere.target.environment = super::name("nowhere");
    let run = good.id;
    let refused = h.store().accept(vec![good.clone(), elsewhere]).await;
    assert!(matches!(refused, Err(StoreError::Missing(_))), "{refused:?}");
    assert!(matches!(h.store().run(run).await, Err(StoreError::Missing(_))));
    assert!(claim_now(h, ROOM).await.is_empty());
    // Nor is it remembered.
    assert_eq!(h.store().accept(vec![good]).await, Ok(vec![Accepted::New(run)]));
}

/// S2
pub async fn s02_an_event_accepted_before_is_answered_with_the_first_run(h: &mut dyn Harness) {
    let first = new_run(h, "same");
    let again = new_run(h, "same");
    let run = first.id;
    let answer = h.store().accept(vec![first, again]).await;
    assert_eq!(answer, Ok(vec![Accepted::New(run), Accepted::Duplicate(run)]));
    let mut other_trigger = new_run(h, "same");
    other_trigger.target.trigger = super::name("other");
    let mut other_source = new_run(h, "same");
    other_source.event = Arc::new(Event { source: "/elsewhere".into(), ..(*other_source.event).clone() });
    let other_integration = new_run_in(h, "other", "handler", "same");
    let mut no_identity = new_run(h, "same");
    no_identity.dedupe = false;
    let mut other_version = new_run(h, "same");
    other_version.target.version = 2;
    for new in [other_trigger, other_source, other_integration, no_identity] {
        let id = new.id;
        assert_eq!(h.store().accept(vec![new]).await, Ok(vec![Accepted::New(id)]));
    }
    assert_eq!(h.store().accept(vec![other_version]).await, Ok(vec![Accepted::Duplicate(run)]));
}

/// S2
pub async fn s02_identity_is_kept_seven_days_whatever_became_of_the_run(h: &mut dyn Harness) {
    let run = accepted(h, "same").await;
    let claim = claim_one(h).await;
    let end = success(&claim);
    h.store().settle(claim.fence, end).await.expect("it is settled");
    let keep_nothing = Retention { age: Duration::ZERO, runs: 0, bytes: 0 };
    assert_eq!(h.store().retain(keep_nothing).await, Ok(1));
    h.clock().advance(Duration::from_secs(7 * 24 * 3600 - 1));
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(h.store().accept(vec![new_run(h, "same")]).await, Ok(vec![Accepted::Duplicate(run)]));
    h.clock().advance(Duration::from_secs(2));
    let late = new_run(h, "same");
    let id = late.id;
    assert_eq!(h.store().accept(vec![late]).await, Ok(vec![Accepted::New(id)]));
    assert_eq!(h.store().accept(vec![new_run(h, "same")]).await, Ok(vec![Accepted::Duplicate(id)]));
}

/// S6
pub async fn s06_a_settled_run_is_in_the_state_its_ending_says(h: &mut dyn Harness) {
    let due = soon(h, 60);
    let reason = || "why".to_owned();
    let cases = [
        (Settle::Succeeded, RunState::Succeeded),
        (Settle::DeadLettered { reason: reason() }, RunState::DeadLettered),
        (Settle::Cancelled, RunState::Cancelled),
        (Settle::Parked { reason: reason() }, RunState::NeedsDecision),
        (Settle::Waiting { due, hard: false }, RunState::Waiting),
        (Settle::Released { due, suspect: false }, RunState::Queued),
    ];
    for (number, (then, expected)) in cases.into_iter().enumerate() {
        let run = accepted(h, &format!("event-{number}")).await;
        let claim = claim_one(h).await;
        let output = Output { status: Some(201), data: "made".into(), ..Output::default() };
        let record = ending(&claim, "what-happened", then.clone());
        let is_final = expected.is_final();
        let end = Ending { output: is_final.then(|| output.clone()), ..record.clone() };
        assert_eq!(h.store().settle(claim.fence, end).await, Ok(expected), "{then:?}");
        h.owner_is_gone(Death::Unmarked).await;
        let detail = h.store().run(run).await.expect("it is there");
        assert_eq!(detail.summary.state, expected, "{then:?}");
        assert_eq!(detail.attempts_made, [record.attempt], "{then:?}");
        assert_eq!(detail.output, is_final.then_some(output), "{then:?}");
        assert_eq!(detail.summary.attempts, 1);
        assert_eq!(detail.summary.last_outcome.as_deref(), Some("what-happened"));
        assert_eq!(detail.summary.finished.is_some(), is_final);
        let waits = matches!(expected, RunState::Waiting | RunState::Queued);
        assert_eq!(detail.summary.due, waits.then_some(due), "{then:?}");
        match then {
            Settle::DeadLettered { .. } | Settle::Parked { .. } => {
                assert_eq!(detail.summary.reason.as_deref(), Some("why"));
            }
            _ => {}
        }
        let listed = h.store().runs(RunFilter { state: Some(expected), limit: 10, ..RunFilter::default() }).await;
        assert_eq!(listed.expect("runs are listed"), [detail.summary], "{then:?}");
    }
    let all = h.store().runs(RunFilter { limit: 100, ..RunFilter::default() }).await.expect("runs are listed");
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted_by(|a, b| a.id > b.id), "newest first");
    let page = RunFilter { before: Some(all[2].id), limit: 2, ..RunFilter::default() };
    assert_eq!(h.store().runs(page).await.expect("runs are listed"), all[3..5]);
    let elsewhere = RunFilter { environment: Some(super::name("prod")), limit: 10, ..RunFilter::default() };
    assert_eq!(h.store().runs(elsewhere).await, Ok(Vec::new()));
    let here = RunFilter { integration: Some(super::name("demo")), limit: 10, ..RunFilter::default() };
    assert_eq!(h.store().runs(here).await.expect("runs are listed"), all);
    let depth = h.store().depths().await.expect("they are counted").remove(0);
    assert_eq!((depth.queued, depth.running, depth.parked, depth.dead), (2, 0, 1, 1));
    let text = all[0].id.to_string();
    assert_eq!(h.store().runs_starting_with(&text[..26].to_lowercase(), 5).await, Ok(vec![all[0].id]));
    assert_eq!(h.store().runs_starting_with(&text[..4], 100).await.map(|runs| runs.len()), Ok(6));
    assert_eq!(h.store().runs_starting_with("", 100).await.map(|runs| runs.len()), Ok(6));
    assert_eq!(h.store().runs_starting_with("not-an-id", 100).await, Ok(Vec::new()));
}

/// S6
pub async fn s06_counters_follow_the_endings(h: &mut dyn Harness) {
    accepted(h, "event").await;
    let wait = |hard| Settle::Waiting { due: super::Timestamp(0), hard };
    let release = || Settle::Released { due: super::Timestamp(0), suspect: false };
    let steps = [
        // ((attempt, failed, hard, faults), how it ends)
        ((1, 0, 0, 0), wait(false)),
        ((2, 1, 0, 0), release()),
        ((2, 1, 0, 1), release()),
        ((2, 1, 0, 2), wait(true)),
        ((3, 1, 1, 0), wait(false)),
        ((4, 2, 1, 0), release()),
        ((4, 2, 1, 1), Settle::Parked { reason: "?".into() }),
        ((5, 2, 1, 0), Settle::Succeeded),
    ];
    for (number, (expected, then)) in steps.into_iter().enumerate() {
        let claim = claim_one(h).await;
        assert_eq!((claim.attempt, claim.failed, claim.hard, claim.faults), expected, "step {number}");
        let end = ending(&claim, "failed", then.clone());
        h.store().settle(claim.fence, end).await.expect("it is settled");
        if let Settle::Parked { .. } = then {
            h.store().decide(claim.fence.run, Decision::Retry).await.expect("it is queued");
        }
        h.owner_is_gone(Death::Unmarked).await;
    }
    let runs = h.store().runs(RunFilter { limit: 1, ..RunFilter::default() }).await.expect("listed");
    assert_eq!(runs[0].attempts, 8, "attempts begun");
}

/// S6
pub async fn s06_a_decision_settles_a_parked_run(h: &mut dyn Harness) {
    let park = Settle::Parked { reason: "call 3 may have happened".into() };
    let run = accepted(h, "event").await;
    let claim = claim_one(h).await;
    let end = ending(&claim, "in-doubt", park.clone());
    h.store().settle(claim.fence, end).await.expect("it is parked");
    assert!(claim_now(h, ROOM).await.is_empty(), "a parked run is not claimed");
    assert_eq!(h.store().decide(run, Decision::Retry).await, Ok(RunState::Queued));
    let claim = claim_one(h).await;
    assert_eq!((claim.attempt, claim.failed, claim.hard), (2, 0, 0));
    assert!(matches!(h.store().decide(run, Decision::Retry).await, Err(StoreError::Conflict(_))));
    let end = ending(&claim, "in-doubt", park);
    h.store().settle(claim.fence, end).await.expect("it is parked");
    assert_eq!(h.store().decide(run, Decision::Fail).await, Ok(RunState::DeadLettered));
    let reason = h.store().run(run).await.expect("it is there").summary.reason.expect("it has a reason");
    assert!(reason.contains("call 3 may have happened") && reason.contains("decision"), "{reason}");
    assert!(matches!(h.store().decide(run, Decision::Fail).await, Err(StoreError::Conflict(_))));
    let nobody = new_run(h, "x").id;
    assert!(matches!(h.store().decide(nobody, Decision::Fail).await, Err(StoreError::Missing(_))));
}

/// S7
pub async fn s07_a_full_queue_refuses_until_it_has_drained(h: &mut dyn Harness) {
    for number in 0..QUEUE_RUNS {
        accepted(h, &format!("event-{number}")).await;
    }
    let refused = h.store().accept(vec![new_run(h, "more")]).await;
    let Err(StoreError::QueueFull(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("10") && text.contains("queue.runs") && text.contains("demo"), "{text}");
    // One that was accepted before still is; another integration is not affected.
    let known = h.store().accept(vec![new_run(h, "event-3")]).await.expect("it is known");
    assert!(matches!(known[0], Accepted::Duplicate(_)));
    let other = new_run_in(h, "other", "handler", "event");
    h.store().accept(vec![other.clone()]).await.expect("it is accepted");
    // Nine of ten is not drained enough; eight is.
    let room = super::Room { slots: 4, ..ROOM };
    let claims = claim_now(h, room).await;
    assert_eq!(claims.len(), 4);
    for claim in claims {
        let wait = Settle::Waiting { due: soon(h, 3600), hard: false };
        let then = if claim.fence.run == other.id { Settle::Succeeded } else { wait };
        let end = ending(&claim, "failed", then);
        h.store().settle(claim.fence, end).await.expect("it is settled");
    }
    // All wait again, so it is full still, after a restart too.
    assert!(matches!(h.store().accept(vec![new_run(h, "more")]).await, Err(StoreError::QueueFull(_))));
    h.owner_is_gone(Death::Unmarked).await;
    assert!(matches!(h.store().accept(vec![new_run(h, "more")]).await, Err(StoreError::QueueFull(_))));
    let first = claim_now(h, super::Room { slots: 1, ..ROOM }).await;
    assert!(matches!(h.store().accept(vec![new_run(h, "more")]).await, Err(StoreError::QueueFull(_))));
    let second = claim_now(h, super::Room { slots: 1, ..ROOM }).await;
    assert_eq!((first.len(), second.len()), (1, 1));
    let batch = vec![new_run(h, "more"), new_run(h, "yet more")];
    h.store().accept(batch).await.expect("it has drained to 80 %");
    let over = vec![new_run(h, "a"), new_run(h, "b")];
    assert!(matches!(h.store().accept(over).await, Err(StoreError::QueueFull(_))), "a batch counts whole");
}

/// S7
pub async fn s07_bytes_are_capped_too(h: &mut dyn Harness) {
    let large = |h: &dyn Harness, id: &str| {
        let mut new = new_run(h, id);
        new.event = Arc::new(Event { data: vec![0; 60_000].into(), ..(*new.event).clone() });
        new
    };
    h.store().accept(vec![large(h, "a")]).await.expect("it fits");
    let refused = h.store().accept(vec![large(h, "b")]).await;
    let Err(StoreError::QueueFull(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("queue.bytes"), "{text}");
    h.store()
        .cancel(h.store().runs(RunFilter { limit: 1, ..RunFilter::default() }).await.expect("listed")[0].id)
        .await
        .expect("it is cancelled");
    h.store().accept(vec![large(h, "b")]).await.expect("it fits again");
}

/// S9
pub async fn s09_resume_is_idempotent_and_keeps_id_and_journal(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let claim = claim_one(h).await;
    let chunk = Chunk { number: 0, bytes: vec![1] };
    h.store().append(claim.fence, chunk.clone()).await.expect("it is appended");
    let end = dead(&claim);
    h.store().settle(claim.fence, end).await.expect("it is settled");
    h.clock().advance(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(h.store().resume("click".into(), vec![run, run]).await, Ok(1));
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, run);
    assert!(claim.journaled);
    assert_eq!(claim.accepted, h.clock().now(), "the time to try again starts anew");
    assert_eq!((claim.attempt, claim.failed, claim.hard, claim.faults), (2, 0, 0, 0));
    assert_eq!(h.store().load(run).await, Ok(vec![chunk]));
    let end = dead(&claim);
    h.store().settle(claim.fence, end).await.expect("it is settled");
    h.owner_is_gone(Death::Unmarked).await;
    // The same click, come twice: it is a dead letter again and stays one.
    assert_eq!(h.store().resume("click".into(), vec![run]).await, Ok(1));
    assert_eq!(state(h, run).await, RunState::DeadLettered);
    assert_eq!(h.store().resume("another click".into(), vec![run]).await, Ok(1));
    assert_eq!(state(h, run).await, RunState::Queued);
    assert_eq!(h.store().depths().await.expect("counted")[0].dead, 0);
}

/// S9
pub async fn s09_discard_is_idempotent(h: &mut dyn Harness) {
    let run = dead_letter(h, "event").await;
    assert_eq!(h.store().discard("click".into(), vec![run]).await, Ok(1));
    assert_eq!(h.store().discard("click".into(), vec![run]).await, Ok(1));
    assert_eq!(state(h, run).await, RunState::Discarded);
    let again = h.store().discard("other".into(), vec![run]).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    let resumed = h.store().resume("other".into(), vec![run]).await;
    assert!(matches!(resumed, Err(StoreError::Conflict(_))), "{resumed:?}");
}

/// S9
pub async fn s09_all_or_none_of_a_bulk_request(h: &mut dyn Harness) {
    let first = dead_letter(h, "first").await;
    let queued = accepted(h, "second").await;
    let nobody = new_run(h, "x").id;
    let refused = h.store().resume("a".into(), vec![first, queued]).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let refused = h.store().discard("b".into(), vec![first, nobody]).await;
    assert!(matches!(refused, Err(StoreError::Missing(_))), "{refused:?}");
    assert_eq!(state(h, first).await, RunState::DeadLettered);
    assert_eq!(h.store().depths().await.expect("counted")[0].dead, 1);
    // A refused request is not remembered.
    assert_eq!(h.store().resume("a".into(), vec![first]).await, Ok(1));
}

async fn finished(h: &mut dyn Harness, event_id: &str) -> RunId {
    let run = accepted(h, event_id).await;
    let claim = claim_one(h).await;
    let chunk = Chunk { number: 0, bytes: vec![1; 100] };
    h.store().append(claim.fence, chunk).await.expect("it is appended");
    let end = success(&claim);
    h.store().settle(claim.fence, end).await.expect("it is settled");
    run
}

/// S10
pub async fn s10_retention_removes_finished_runs_by_age(h: &mut dyn Harness) {
    let old = finished(h, "old").await;
    h.clock().advance(Duration::from_secs(3600));
    let young = finished(h, "young").await;
    let keep = Retention { age: Duration::from_secs(1800), runs: 1_000, bytes: 1 << 40 };
    assert_eq!(h.store().retain(keep).await, Ok(1));
    assert!(matches!(h.store().run(old).await, Err(StoreError::Missing(_))));
    assert_eq!(h.store().load(old).await, Ok(Vec::new()), "its journal went with it");
    assert_eq!(state(h, young).await, RunState::Succeeded);
    assert_eq!(h.store().retain(keep).await, Ok(0));
}

/// S10
pub async fn s10_retention_removes_by_count_and_bytes(h: &mut dyn Harness) {
    let mut runs = Vec::new();
    for number in 0..5 {
        runs.push(finished(h, &format!("event-{number}")).await);
        h.clock().advance(Duration::from_secs(1));
    }
    h.owner_is_gone(Death::Unmarked).await;
    let keep = Retention { age: Duration::from_secs(1 << 30), runs: 3, bytes: 1 << 40 };
    assert_eq!(h.store().retain(keep).await, Ok(2));
    let left = h.store().runs(RunFilter { limit: 10, ..RunFilter::default() }).await.expect("listed");
    assert_eq!(left.iter().map(|run| run.id).collect::<Vec<_>>(), [runs[4], runs[3], runs[2]], "the oldest went");
    // Each has at least its journal's 100 bytes and its event.
    let keep = Retention { bytes: 250, ..keep };
    assert_eq!(h.store().retain(keep).await, Ok(2));
    assert_eq!(state(h, runs[4]).await, RunState::Succeeded);
}

/// S10
pub async fn s10_retention_never_removes_what_waits_for_a_person(h: &mut dyn Harness) {
    let dead = dead_letter(h, "dead").await;
    let parked = accepted(h, "parked").await;
    let claim = claim_one(h).await;
    let end = ending(&claim, "in-doubt", Settle::Parked { reason: "?".into() });
    h.store().settle(claim.fence, end).await.expect("it is settled");
    h.clock().advance(Duration::from_secs(400 * 24 * 3600));
    let keep_nothing = Retention { age: Duration::ZERO, runs: 0, bytes: 0 };
    assert_eq!(h.store().retain(keep_nothing).await, Ok(0));
    assert!(h.store().run(dead).await.expect("it is there").event.is_some());
    assert!(h.store().run(parked).await.expect("it is there").event.is_some());
    // Put away, it counts as finished from now on.
    assert_eq!(h.store().discard("x".into(), vec![dead]).await, Ok(1));
    h.clock().advance(Duration::from_secs(1));
    assert_eq!(h.store().retain(keep_nothing).await, Ok(1));
}

/// S11
pub async fn s11_a_wish_to_cancel_survives_a_restart(h: &mut dyn Harness) {
    let run = accepted(h, "event").await;
    let waiting = accepted(h, "waiting").await;
    assert_eq!(h.store().cancel(waiting).await, Ok(RunState::Cancelled), "at once if it does not run");
    let claim = claim_one(h).await;
    assert_eq!(h.store().cancel(run).await, Ok(RunState::Running));
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(state(h, run).await, RunState::Cancelled);
    assert!(claim_now(h, ROOM).await.is_empty());
    let end = success(&claim);
    assert_eq!(h.store().settle(claim.fence, end).await, Err(StoreError::Superseded { run }));
    assert!(matches!(h.store().cancel(run).await, Err(StoreError::Conflict(_))));
    let nobody = new_run(h, "x").id;
    assert!(matches!(h.store().cancel(nobody).await, Err(StoreError::Missing(_))));
}

/// S11
pub async fn s11_a_wish_to_cancel_wins_over_a_retry(h: &mut dyn Harness) {
    for (number, then) in [
        Settle::Waiting { due: soon(h, 0), hard: false },
        Settle::Released { due: soon(h, 0), suspect: true },
        Settle::Parked { reason: "?".into() },
    ]
    .into_iter()
    .enumerate()
    {
        let run = accepted(h, &format!("event-{number}")).await;
        let claim = claim_one(h).await;
        assert_eq!(h.store().cancel(run).await, Ok(RunState::Running));
        let end = ending(&claim, "failed", then);
        assert_eq!(h.store().settle(claim.fence, end).await, Ok(RunState::Cancelled));
    }
    let run = accepted(h, "done").await;
    let claim = claim_one(h).await;
    assert_eq!(h.store().cancel(run).await, Ok(RunState::Running));
    let end = success(&claim);
    assert_eq!(h.store().settle(claim.fence, end).await, Ok(RunState::Succeeded), "it was faster");
}

/// A run whose event is of this many bytes, all its own.
fn large_in(h: &dyn Harness, integration: &str, id: &str, bytes: usize) -> super::super::queue::NewRun {
    let mut new = new_run_in(h, integration, "handler", id);
    let data = id.bytes().cycle().take(bytes).collect::<Vec<_>>();
    new.event = Arc::new(Event { data: data.into(), ..(*new.event).clone() });
    new
}

/// S7, threat row 51: queue space that one integration fills is not another's.
pub async fn s07_threat_051_a_full_queue_is_its_own_integrations_alone(h: &mut dyn Harness) {
    h.store().accept(vec![large_in(h, "greedy", "a", 90_000)]).await.expect("it fits");
    let refused = h.store().accept(vec![large_in(h, "greedy", "b", 90_000)]).await;
    assert!(matches!(refused, Err(StoreError::QueueFull(_))), "{refused:?}");
    h.store().accept(vec![large_in(h, "other", "a", 90_000)]).await.expect("another has its own");
    // What was finished does not count any more.
    let claims = claim_now(h, super::Room { slots: 2, ..ROOM }).await;
    for claim in claims {
        h.store().settle(claim.fence, super::success(&claim)).await.expect("settled");
    }
    h.store().accept(vec![large_in(h, "greedy", "b", 90_000)]).await.expect("it fits again");
}

/// S12, threat row 51: what is never removed by itself has a cap, across restarts, and what is freed
/// counts again.
pub async fn s12_threat_051_dead_letters_have_a_cap(h: &mut dyn Harness) {
    let mut dead_letters = Vec::new();
    for id in ["a", "b"] {
        let run = h.store().accept(vec![large_in(h, "greedy", id, 50_000)]).await.expect("accepted")[0].run();
        let claim = claim_one(h).await;
        let chunk = Chunk { number: 0, bytes: vec![1; 30_000] };
        h.store().append(claim.fence, chunk).await.expect("appended");
        h.store().settle(claim.fence, dead(&claim)).await.expect("settled");
        dead_letters.push(run);
    }
    h.owner_is_gone(Death::Unmarked).await;
    let refused = h.store().accept(vec![large_in(h, "greedy", "c", 10)]).await;
    let Err(StoreError::QueueFull(text)) = refused else { panic!("{refused:?}") };
    for part in ["150000", "greedy", "jackfield deadletters list --env dev --integration greedy"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // One that was accepted before is still known, and another integration is not affected.
    let known = h.store().accept(vec![large_in(h, "greedy", "a", 50_000)]).await.expect("it is known");
    assert!(matches!(known[0], Accepted::Duplicate(_)));
    let other = h.store().accept(vec![large_in(h, "other", "a", 50_000)]).await.expect("accepted")[0].run();
    assert_eq!(claim_one(h).await.fence.run, other);

    assert_eq!(h.store().discard("first".into(), vec![dead_letters[0]]).await, Ok(1));
    h.store().accept(vec![large_in(h, "greedy", "c", 10)]).await.expect("there is room again");
    assert_eq!(h.store().resume("second".into(), vec![dead_letters[1]]).await, Ok(1));
    h.store().accept(vec![large_in(h, "greedy", "d", 10)]).await.expect("and more");
}
