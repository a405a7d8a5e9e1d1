//! S14, S15, S95 … S99: held runs, decisions, and what people do with dead letters.

use std::time::Duration;

use super::super::StoreError;
use super::super::dead_letters::{Act, Acted, DeadFilter, Job, JobState, Onto, Step, Verb};
use super::super::queue::{Decision, Ending, JournalEnd, Needs, Settle, Skipped};
use super::{Death, Harness, accepted, claim_now, claim_one, dead, dead_letter, ending, new_run, new_run_in, soon};
use crate::clock::Clock as _;
use crate::grant::Capability;
use crate::ids::RunId;
use crate::journal::decide::doubts;
use crate::journal::{ArgumentHash, Chunk, Class, Journal, LookUp, Record, Verdict, What, encode};
use crate::run::RunState;
use crate::store::promises::ROOM;

const NEEDS: Needs = Needs { memory_bytes: 5 << 20, concurrency: 3 };

async fn state(h: &dyn Harness, run: RunId) -> RunState {
    h.store().run(run).await.expect("it is there").summary.state
}

fn what(call: u32) -> What {
    What { capability: Capability::Http, text: format!("POST api /{call}") }
}

fn hash(call: u32) -> ArgumentHash {
    ArgumentHash::of([&call.to_le_bytes()[..]])
}

fn doubtful(call: u32) -> [Record; 2] {
    let intent = Record::Intent { call, what: what(call), hash: hash(call), generation: 0, class: Class::Unkeyed };
    let result = Record::Result {
        call,
        what: what(call),
        hash: hash(call),
        class: Class::Unkeyed,
        verdict: Verdict::InDoubt,
        took_ms: 1,
        answer: serde_bytes::ByteBuf::from(b"?".to_vec()),
    };
    [intent, result]
}

/// A run that is parked over these calls.
async fn parked(h: &dyn Harness, calls: &[u32]) -> RunId {
    let run = accepted(h, &format!("parked over {calls:?}")).await;
    let claim = claim_one(h).await;
    for (number, call) in (0..).zip(calls) {
        let chunk = Chunk { number, bytes: encode(&doubtful(*call)) };
        h.store().append(claim.fence, chunk).await.expect("appended");
    }
    let end = ending(&claim, "in-doubt", Settle::Parked { reason: "call 1 may have happened".into() });
    assert_eq!(h.store().settle(claim.fence, end).await, Ok(RunState::NeedsDecision));
    run
}

/// S15
pub async fn s15_a_held_run_uses_up_no_attempt_and_keeps_its_journal(h: &mut dyn Harness) {
    let run = accepted(h, "held").await;
    let mut chunks = Vec::new();
    for round in 0..3_u32 {
        let claim = claim_one(h).await;
        assert_eq!((claim.attempt, claim.failed, claim.hard, claim.faults), (1, 0, 0, 0));
        assert_eq!(claim.journaled, round > 0, "what it recorded is there when it comes back");
        assert_eq!(h.store().load(run).await.as_ref(), Ok(&chunks));
        let chunk = Chunk { number: round, bytes: vec![1, u8::try_from(round).expect("small")] };
        chunks.push(chunk.clone());
        let held = Settle::Held { due: soon(h, 60), reason: "held: connection `api`".into() };
        let end = Ending { journal: JournalEnd::Keep(Some(chunk)), ..ending(&claim, "held", held) };
        assert_eq!(h.store().settle(claim.fence, end).await, Ok(RunState::Waiting));
        let detail = h.store().run(run).await.expect("it is there");
        assert_eq!((detail.summary.attempts, detail.attempts_made.len()), (0, 0));
        assert_eq!(detail.summary.reason.as_deref(), Some("held: connection `api`"));
        assert!(claim_now(h, ROOM).await.is_empty(), "not before it is due");
        h.owner_is_gone(Death::Unmarked).await;
        h.clock().advance(Duration::from_secs(60));
        h.store().wake();
    }
    let claim = claim_one(h).await;
    let end = super::success(&claim);
    assert_eq!(h.store().settle(claim.fence, end).await, Ok(RunState::Succeeded));
    assert_eq!(h.store().run(run).await.expect("it is there").summary.attempts, 1);
    // A wish to cancel is heard while it is held back.
    let run = accepted(h, "cancelled").await;
    let claim = claim_one(h).await;
    assert_eq!(h.store().cancel(run).await, Ok(RunState::Running));
    let held = Settle::Held { due: soon(h, 60), reason: "held".into() };
    let end = ending(&claim, "held", held);
    assert_eq!(h.store().settle(claim.fence, end).await, Ok(RunState::Cancelled));
}

/// S14
pub async fn s14_a_skipped_call_has_the_given_answer_and_the_decision_is_kept(h: &mut dyn Harness) {
    let run = parked(h, &[1]).await;
    let skip = |call| Decision::Skip(Skipped { call, answer: b"given".to_vec(), shown: "201".into() });
    let refused = h.store().decide_as(run, skip(7), "ada".into()).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert!(h.store().run(run).await.expect("there").decisions.is_empty(), "what was refused is not kept");
    assert_eq!(h.store().decide_as(run, skip(1), "ada".into()).await, Ok(RunState::Queued));
    h.owner_is_gone(Death::Unmarked).await;
    let chunks = h.store().load(run).await.expect("loaded");
    let journal = Journal::load(h.clock(), &chunks).expect("it reads");
    match journal.look_up(1, &what(1), &hash(1)) {
        Ok(LookUp::Answered { verdict: Verdict::Done, answer, .. }) => assert_eq!(answer.as_slice(), b"given"),
        other => panic!("{other:?}"),
    }
    let decisions = h.store().run(run).await.expect("there").decisions;
    let [decision] = &decisions[..] else { panic!("{decisions:?}") };
    assert_eq!((decision.who.as_str(), decision.decision.as_str()), ("ada", "skip"));
    assert_eq!((decision.call, decision.result.as_deref()), (Some(1), Some("201")));
    assert_eq!(decision.what, "http POST api /1");
    // It can be claimed, and its journal is handed over.
    assert!(claim_one(h).await.journaled);
}

/// S14
pub async fn s14_a_run_stays_parked_until_every_doubt_is_decided(h: &mut dyn Harness) {
    let run = parked(h, &[1, 2]).await;
    let skip = |call| Decision::Skip(Skipped { call, answer: vec![], shown: "200".into() });
    assert_eq!(h.store().decide_as(run, skip(2), "ada".into()).await, Ok(RunState::NeedsDecision));
    assert!(claim_now(h, ROOM).await.is_empty());
    let left = doubts(&h.store().load(run).await.expect("loaded")).expect("it reads");
    assert_eq!(left.iter().map(|doubt| doubt.call).collect::<Vec<_>>(), [1]);
    assert!(h.store().run(run).await.expect("there").summary.reason.expect("a reason").starts_with("call 1 "));
    assert_eq!(h.store().decide_as(run, Decision::Retry, "bob".into()).await, Ok(RunState::Queued));
    let decisions = h.store().run(run).await.expect("there").decisions;
    assert_eq!(decisions.iter().map(|d| d.who.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
    let journal = Journal::load(h.clock(), &h.store().load(run).await.expect("loaded")).expect("it reads");
    assert_eq!(journal.look_up(1, &what(1), &hash(1)), Ok(LookUp::Fresh { generation: 0 }));
    assert!(matches!(journal.look_up(2, &what(2), &hash(2)), Ok(LookUp::Answered { .. })));
    let claim = claim_one(h).await;
    h.store().settle(claim.fence, super::success(&claim)).await.expect("settled");
    // Given up, the run keeps who did that.
    let run = parked(h, &[3]).await;
    assert_eq!(h.store().decide_as(run, Decision::Fail, "eve".into()).await, Ok(RunState::DeadLettered));
    assert_eq!(h.store().run(run).await.expect("there").decisions[0].who, "eve");
}

/// S95
pub async fn s95_a_resumed_run_can_be_moved_to_another_version(h: &mut dyn Harness) {
    let run = accepted(h, "moved").await;
    let claim = claim_one(h).await;
    let chunk = Chunk { number: 0, bytes: vec![1] };
    h.store().append(claim.fence, chunk.clone()).await.expect("appended");
    h.store().settle(claim.fence, dead(&claim)).await.expect("settled");
    let act = |version| Act::Resume { onto: Some(Onto { version, needs: NEEDS }) };
    let answer = h.store().act("r".into(), "ada".into(), vec![(run, act(2))]).await;
    assert_eq!(answer, Ok(vec![Acted { run, fresh: None }]));
    // Clicked twice: once.
    assert!(h.store().act("r".into(), "ada".into(), vec![(run, act(3))]).await.is_ok());
    h.owner_is_gone(Death::Unmarked).await;
    let claim = claim_one(h).await;
    assert_eq!((claim.fence.run, claim.target.version, claim.needs), (run, 2, NEEDS));
    assert_eq!(h.store().load(run).await, Ok(vec![chunk]));
    h.store().settle(claim.fence, dead(&claim)).await.expect("settled");
    assert_eq!(h.store().run(run).await.expect("there").summary.target.version, 2);
}

/// S96, threat row 74: clicked twice, or by two people, it is started once.
pub async fn s96_threat_074_started_fresh_it_is_put_away_and_another_takes_its_place(h: &mut dyn Harness) {
    let old = dead_letter(h, "event").await;
    let id = new_run(h, "id").id;
    let fresh = |id| vec![(old, Act::Fresh { id, onto: Onto { version: 4, needs: NEEDS }, order: None })];
    let answer = h.store().act("f".into(), "ada".into(), fresh(id)).await;
    assert_eq!(answer, Ok(vec![Acted { run: old, fresh: Some(id) }]));
    let again = h.store().act("f".into(), "ada".into(), fresh(new_run(h, "other").id)).await;
    assert_eq!(again, Ok(vec![Acted { run: old, fresh: Some(id) }]), "answered with the run there is");
    let other = h.store().act("g".into(), "bob".into(), fresh(new_run(h, "third").id)).await;
    assert!(matches!(other, Err(StoreError::Conflict(_))), "{other:?}");
    let (dead, new) = (h.store().run(old).await.expect("there"), h.store().run(id).await.expect("there"));
    assert_eq!((dead.summary.state, dead.fresh), (RunState::Discarded, Some(id)));
    assert!(dead.summary.reason.expect("a reason").contains(&format!("started fresh by ada as {id}")));
    assert_eq!((new.summary.state, new.summary.target.version), (RunState::Queued, 4));
    assert_eq!(new.event, dead.event);
    let claim = claim_one(h).await;
    assert_eq!((claim.fence.run, claim.attempt, claim.journaled, claim.needs), (id, 1, false, NEEDS));
}

/// S97
pub async fn s97_one_request_does_all_or_nothing(h: &mut dyn Harness) {
    let (first, second) = (dead_letter(h, "a").await, accepted(h, "b").await);
    let id = new_run(h, "x").id;
    let onto = Onto { version: 1, needs: NEEDS };
    let acts = vec![
        (first, Act::Fresh { id, onto, order: None }),
        (second, Act::Fresh { id: new_run(h, "y").id, onto, order: None }),
    ];
    let refused = h.store().act("r".into(), "ada".into(), acts).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(state(h, first).await, RunState::DeadLettered);
    assert!(matches!(h.store().run(id).await, Err(StoreError::Missing(_))));
    assert!(h.store().run(first).await.expect("there").fresh.is_none());
    // The request was not used up.
    assert!(h.store().act("r".into(), "ada".into(), vec![(first, Act::Discard)]).await.is_ok());
}

fn job(h: &dyn Harness, request: &str) -> Job {
    Job {
        request: request.into(),
        verb: Verb::Resume,
        filter: DeadFilter { environment: Some(super::name("dev")), ..DeadFilter::default() },
        version: None,
        per_minute: 60,
        who: "ada".into(),
        asked: h.clock().now(),
        state: JobState::Running,
        total: 0,
        done: 0,
        skipped: 0,
        cursor: None,
        ended: None,
        problem: None,
    }
}

/// S98, S99
pub async fn s98_a_job_and_its_steps_survive_and_are_taken_once(h: &mut dyn Harness) {
    let (a, b, c) = (dead_letter(h, "a").await, dead_letter(h, "b").await, dead_letter(h, "c").await);
    assert_eq!(h.store().count_dead(&job(h, "j").filter).await, Ok(3));
    let stored = h.store().add_job(Job { total: 3, ..job(h, "j") }).await.expect("stored");
    assert_eq!(stored.total, 3);
    assert_eq!(h.store().add_job(Job { verb: Verb::Discard, ..job(h, "j") }).await.as_ref(), Ok(&stored));
    // Somebody is faster with one of them.
    h.store().discard("x".into(), vec![b]).await.expect("discarded");
    let resume = Act::Resume { onto: None };
    let step = Step {
        request: "j".into(),
        acts: vec![(a, resume.clone()), (b, resume.clone())],
        skipped: vec![],
        cursor: Some(b),
    };
    let after = h.store().step_job(step).await.expect("taken");
    assert_eq!((after.done, after.skipped, after.cursor), (1, 1, Some(b)));
    assert!(after.problem.as_ref().expect("why").contains("not a dead letter"), "{after:?}");
    assert_eq!((state(h, a).await, state(h, b).await), (RunState::Queued, RunState::Discarded));
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(h.store().jobs(true, 10).await, Ok(vec![after]));
    let left = h.store().dead_letters(&DeadFilter::default(), Some(b), 10).await.expect("listed");
    assert_eq!(left.iter().map(|run| run.id).collect::<Vec<_>>(), [c]);
    let step = Step { request: "j".into(), acts: vec![(c, resume)], skipped: vec![], cursor: Some(c) };
    h.store().step_job(step).await.expect("taken");
    let last = Step { request: "j".into(), acts: vec![], skipped: vec![], cursor: None };
    let ended = h.store().step_job(last.clone()).await.expect("taken");
    assert_eq!((ended.state, ended.done, ended.ended), (JobState::Done, 2, Some(h.clock().now())));
    assert!(matches!(h.store().step_job(last).await, Err(StoreError::Conflict(_))));
    assert_eq!(h.store().jobs(true, 10).await, Ok(vec![]));
    assert_eq!(h.store().stop_job("j".into()).await.as_ref(), Ok(&ended), "it is over");
    assert!(matches!(h.store().job("nothing").await, Err(StoreError::Missing(_))));
    let stopped = h.store().add_job(job(h, "k")).await.expect("stored");
    let stopped = h.store().stop_job(stopped.request).await.expect("stopped");
    assert_eq!(stopped.state, JobState::Stopped);
}

/// S98
pub async fn s98_dead_letters_are_found_by_filter(h: &mut dyn Harness) {
    let mut dead_at = Vec::new();
    for (integration, reason) in [("demo", "TypeError: no"), ("demo", "Unavailable: 503"), ("other", "typeerror: no")] {
        let new = new_run_in(h, integration, "handler", reason);
        let run = h.store().accept(vec![new]).await.expect("accepted")[0].run();
        let claim = claim_one(h).await;
        let end = ending(&claim, "failed", Settle::DeadLettered { reason: reason.into() });
        h.store().settle(claim.fence, end).await.expect("settled");
        dead_at.push((run, h.clock().now()));
        h.clock().advance(Duration::from_secs(60));
    }
    let store = h.store();
    let found = |filter: DeadFilter| {
        let store = store.clone();
        async move {
            let found = store.dead_letters(&filter, None, 10).await.expect("listed");
            found.into_iter().map(|run| run.id).collect::<Vec<_>>()
        }
    };
    let [(a, _), (b, b_at), (c, _)] = dead_at[..] else { panic!("three") };
    let any = DeadFilter::default;
    assert_eq!(found(any()).await, [a, b, c]);
    assert_eq!(found(DeadFilter { reason: Some("TYPEERROR".into()), ..any() }).await, [a, c]);
    assert_eq!(found(DeadFilter { reason: Some("100%".into()), ..any() }).await, []);
    assert_eq!(found(DeadFilter { integration: Some(super::name("demo")), ..any() }).await, [a, b]);
    assert_eq!(found(DeadFilter { component: Some(super::name("nobody")), ..any() }).await, []);
    assert_eq!(found(DeadFilter { environment: Some(super::name("prod")), ..any() }).await, []);
    assert_eq!(found(DeadFilter { until: Some(b_at), ..any() }).await, [a, b]);
    assert_eq!(found(DeadFilter { since: Some(b_at), ..any() }).await, [b, c]);
}
