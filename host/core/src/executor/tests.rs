//! The path's hard cases, on a real store: crash, doubt, retry, cancel, panic. The sandbox is a fake
//! whose "guest" is a closure over the real hatch.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::grant::{Grants, HttpGrant, HttpTarget, KvGrant};
use crate::hatch::testing::{Rig, RigOptions, name, responds, scope};
use crate::hatch::{Hatch, Stop};
use crate::ids::RunId;
use crate::limits::{Limit, Limits};
use crate::outcome::{Failure, Outcome, Usage};
use crate::ports::http::{HttpAnswer, HttpCall, HttpError, HttpFailure};
use crate::ports::kv::{Addition, KvCall, KvValue};
use crate::ports::sandbox::{HostFault, Report, Sandbox, Work};
use crate::retry::RetryPolicy;
use crate::run::{RunDetail, RunState};
use crate::store::queue::Decision;

type Ending = Result<Outcome, HostFault>;
type Guest = Box<dyn Fn(Arc<Hatch>, u32) -> Pin<Box<dyn Future<Output = Ending> + Send>> + Send + Sync>;

/// Runs a closure as the guest: it gets the hatch and the attempt's number.
struct FakeSandbox(Guest);

#[async_trait]
impl Sandbox for FakeSandbox {
    async fn invoke(&self, work: Work) -> Result<Report, HostFault> {
        let attempt = work.hatch.info().attempt;
        tokio::select! {
            () = work.stop.cancelled() => Ok(Report { outcome: Outcome::Cancelled, usage: Usage::default() }),
            outcome = (self.0)(Arc::clone(&work.hatch), attempt) => Ok(Report { outcome: outcome?, usage: Usage::default() }),
        }
    }
}

fn guest<F>(guest: impl Fn(Arc<Hatch>, u32) -> F + Send + Sync + 'static) -> Arc<dyn Sandbox>
where
    F: Future<Output = Ending> + Send + 'static,
{
    Arc::new(FakeSandbox(Box::new(move |hatch, attempt| Box::pin(guest(hatch, attempt)))))
}

fn succeeded() -> Ending {
    Ok(Outcome::Succeeded { output: None })
}

fn failed(retryable: bool) -> Ending {
    Ok(Outcome::Failed(Failure {
        name: "Error".into(),
        message: "no".into(),
        stack: None,
        retryable,
        retry_after: None,
    }))
}

async fn call(hatch: &Arc<Hatch>, method: &str, body: &'static str) -> Result<HttpAnswer, Stop> {
    let request = HttpCall {
        connection: Some(name("api")),
        method: method.into(),
        url: "/things".into(),
        headers: vec![],
        body: Bytes::from_static(body.as_bytes()),
        timeout: None,
        max_redirects: 0,
    };
    let number = hatch.number()?;
    hatch.http(number, request).await
}

/// What the guest of most tests makes of an answer: anything but success is a failure to try again.
async fn must(hatch: &Arc<Hatch>, method: &str, body: &'static str) -> Result<u16, Ending> {
    match call(hatch, method, body).await {
        Ok(Ok(response)) if response.status < 400 => Ok(response.status),
        Ok(_) => Err(failed(true)),
        Err(stop) => Err(Ok(Outcome::Trapped { message: stop.to_string(), frames: vec![] })),
    }
}

macro_rules! must {
    ($hatch:expr, $method:literal, $body:expr) => {
        match must(&$hatch, $method, $body).await {
            Ok(status) => status,
            Err(ending) => return ending,
        }
    };
}

fn options(keyed: bool) -> RigOptions {
    let all = HttpGrant {
        target: HttpTarget::Connection(name("api")),
        methods: ["GET", "POST", "PUT"].map(String::from).to_vec(),
        paths: vec!["/**".parse().unwrap()],
        redirects: 0,
        retry_in_doubt: false,
    };
    let kv = KvGrant { prefix: String::new(), write: true };
    RigOptions {
        clock: Arc::new(SystemClock),
        limits: Limits { calls: 50, ..Limits::default() },
        grants: Grants { http: vec![all], kv: vec![kv], ..Grants::default() },
        retry: RetryPolicy {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(5),
            ..RetryPolicy::default()
        },
        keyed,
    }
}

/// Runs the executor until the run is final or parked.
async fn until_ended(rig: &Rig, sandbox: Arc<dyn Sandbox>, run: RunId) -> RunDetail {
    let executor = rig.executor(sandbox, 4);
    let stop = CancellationToken::new();
    let work = executor.run(stop.clone(), Duration::from_secs(5));
    let wait = async {
        let ended = rig.intake.outcome(run, Duration::from_secs(20)).await;
        stop.cancel();
        ended
    };
    let (worked, ended) = tokio::join!(work, wait);
    worked.unwrap();
    assert!(ended.is_some(), "the run did not end: {:?}", rig.store.run(run).await.unwrap().summary);
    rig.store.run(run).await.unwrap()
}

fn keys(rig: &Rig, method: &str) -> Vec<String> {
    let header = |headers: &[(String, String)]| {
        headers.iter().find(|(n, _)| n == "idempotency-key").map(|(_, v)| v.clone()).unwrap_or_default()
    };
    rig.http.asked().iter().filter(|r| r.method == method).map(|r| header(&r.headers)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_what_was_accepted_is_run_after_a_restart() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("hello").await;
    let rig = rig.reopen().await;
    let ended = until_ended(&rig, guest(|_, _| async { succeeded() }), run).await;
    assert_eq!(ended.summary.state, RunState::Succeeded);
    assert_eq!(ended.event.unwrap().data, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_an_effect_that_succeeded_is_never_made_again() {
    let rig = Rig::new(options(false)).await;
    rig.http.will([responds(201, "made"), responds(404, "not yet"), responds(200, "now")]);
    let run = rig.accept("").await;
    let answers = Arc::new(Mutex::new(vec![]));
    let seen = Arc::clone(&answers);
    let sandbox = guest(move |hatch, _| {
        let seen = Arc::clone(&seen);
        async move {
            let made = call(&hatch, "POST", "make").await.unwrap().unwrap();
            seen.lock().unwrap().push(made.body);
            must!(hatch, "GET", "");
            succeeded()
        }
    });
    let ended = until_ended(&rig, sandbox, run).await;
    assert_eq!(ended.summary.state, RunState::Succeeded);
    assert_eq!(keys(&rig, "POST").len(), 1, "the effect was made again");
    assert_eq!(*answers.lock().unwrap(), [Bytes::from("made"), Bytes::from("made")], "not byte for byte");
    // What lay behind the effect was made again: a recorded 404 would have come back for ever.
    assert_eq!(keys(&rig, "GET").len(), 2);
    assert!(ended.attempts_made[1].calls[0].replayed && !ended.attempts_made[1].calls[1].replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_our_own_effects_are_made_once() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("").await;
    let sandbox = guest(|hatch, attempt| async move {
        let add = KvCall::Increment(Addition { key: "n".into(), by: 1 });
        let sum = hatch.kv(hatch.number().unwrap(), "default", add).await.unwrap().unwrap();
        assert_eq!(sum, KvValue::Sum(1), "in attempt {attempt}");
        if attempt < 4 { failed(true) } else { succeeded() }
    });
    let ended = until_ended(&rig, sandbox, run).await;
    assert_eq!((ended.summary.state, ended.attempts_made.len()), (RunState::Succeeded, 4));
    let stored = rig.store.kv_read(&scope(), &KvCall::Get("n".into())).await.unwrap().unwrap();
    assert!(matches!(stored, KvValue::Entry(Some(entry)) if entry.value.as_slice() == b"1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_500_on_an_unkeyed_post_parks_the_run_and_a_decision_goes_on_with_the_same_key() {
    let rig = Rig::new(options(false)).await;
    rig.http.will([responds(500, "oh")]);
    let run = rig.accept("").await;
    let sandbox = guest(|hatch, _| async move {
        must!(hatch, "POST", "pay");
        succeeded()
    });
    let parked = until_ended(&rig, Arc::clone(&sandbox), run).await;
    assert_eq!(parked.summary.state, RunState::NeedsDecision);
    assert_eq!(parked.attempts_made[0].outcome, "in-doubt");
    assert_eq!(keys(&rig, "POST").len(), 1, "an unkeyed call in doubt was repeated");
    assert_eq!(rig.store.decide(run, Decision::Retry).await.unwrap(), RunState::Queued);
    let ended = until_ended(&rig, sandbox, run).await;
    assert_eq!(ended.summary.state, RunState::Succeeded);
    let keys = keys(&rig, "POST");
    assert!(keys.len() == 2 && keys[0] == keys[1] && !keys[0].is_empty(), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_person_can_give_up_instead() {
    let rig = Rig::new(options(false)).await;
    rig.http.will([Err(HttpFailure::Broken { message: "reset".into(), timed_out: false })]);
    let run = rig.accept("").await;
    let sandbox = guest(|hatch, _| async move {
        let answer = call(&hatch, "POST", "pay").await.unwrap();
        assert!(matches!(answer, Err(HttpError::InDoubt(_))));
        failed(true)
    });
    assert_eq!(until_ended(&rig, sandbox, run).await.summary.state, RunState::NeedsDecision);
    assert_eq!(rig.store.decide(run, Decision::Fail).await.unwrap(), RunState::DeadLettered);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_guest_that_handles_the_doubt_has_decided() {
    let rig = Rig::new(options(false)).await;
    rig.http.will([responds(500, "oh")]);
    let run = rig.accept("").await;
    let sandbox = guest(|hatch, _| async move {
        let _ = call(&hatch, "POST", "pay").await;
        succeeded()
    });
    assert_eq!(until_ended(&rig, sandbox, run).await.summary.state, RunState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_keyed_call_in_doubt_is_repeated_with_the_same_key() {
    let rig = Rig::new(options(true)).await;
    rig.http.will([Err(HttpFailure::Broken { message: "reset".into(), timed_out: false }), responds(502, "")]);
    let run = rig.accept("").await;
    let sandbox = guest(|hatch, _| async move {
        must!(hatch, "POST", "pay");
        succeeded()
    });
    let ended = until_ended(&rig, sandbox, run).await;
    assert_eq!((ended.summary.state, ended.attempts_made.len()), (RunState::Succeeded, 1));
    let keys = keys(&rig, "POST");
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

/// Makes a POST whose answer never comes, and kills the host meanwhile.
async fn dies_in_a_call(keyed: bool) -> (Rig, RunId) {
    let rig = Rig::new(options(keyed)).await;
    let run = rig.accept("").await;
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    // The request is answered, and the answer is lost with the host: cut it off the stored log.
    call(&hatch, "POST", "pay").await.unwrap().unwrap();
    // The result is durable soon after it was handed over: behind the next command at the latest.
    rig.store.writable().await.unwrap();
    let chunks = rig.store.load(run).await.unwrap();
    assert_eq!(chunks.len(), 2, "intent and result");
    let cut = crate::journal::Cut { keep: 1, then: None };
    let ending = super::Ending {
        attempt: crate::run::AttemptRecord {
            number: 1,
            started: claim.accepted,
            ended: claim.accepted,
            outcome: "host-fault".into(),
            reason: None,
            stack: None,
            usage: Usage::default(),
            refused: None,
            calls: vec![],
        },
        output: None,
        then: super::Settle::Released { due: claim.accepted, suspect: false },
        journal: super::JournalEnd::Cut(cut),
    };
    rig.store.settle(claim.fence, ending).await.unwrap();
    drop(hatch);
    (rig.reopen().await, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_call_interrupted_after_its_intent_is_in_doubt() {
    let (rig, run) = dies_in_a_call(false).await;
    let sandbox = guest(|hatch, _| async move {
        must!(hatch, "POST", "pay");
        succeeded()
    });
    let parked = until_ended(&rig, sandbox, run).await;
    assert_eq!(parked.summary.state, RunState::NeedsDecision);
    assert_eq!(keys(&rig, "POST").len(), 0, "it was sent again without leave");
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_keyed_call_interrupted_after_its_intent_is_repeated_with_the_same_key() {
    let (rig, run) = dies_in_a_call(true).await;
    let key = rig.outside.call_key(run, 1, 0);
    let sandbox = guest(|hatch, _| async move {
        must!(hatch, "POST", "pay");
        succeeded()
    });
    assert_eq!(until_ended(&rig, sandbox, run).await.summary.state, RunState::Succeeded);
    assert_eq!(keys(&rig, "POST"), [key]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_guest_that_asks_for_something_else_is_stopped_before_any_effect() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("").await;
    let sandbox = guest(|hatch, attempt| async move {
        let body = if attempt == 1 { "one" } else { "two" };
        must!(hatch, "POST", body);
        failed(true)
    });
    let ended = until_ended(&rig, sandbox, run).await;
    assert_eq!(ended.summary.state, RunState::DeadLettered);
    let reason = ended.summary.reason.unwrap();
    assert!(reason.contains("non-determinism at call 1"), "{reason}");
    assert_eq!(keys(&rig, "POST").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_dead_letter_is_resumed_without_repeating() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("kept").await;
    let mended = Arc::new(AtomicU32::new(0));
    let switch = Arc::clone(&mended);
    let sandbox = guest(move |hatch, _| {
        let switch = Arc::clone(&switch);
        async move {
            must!(hatch, "POST", "make");
            if switch.load(Ordering::SeqCst) == 0 { failed(false) } else { succeeded() }
        }
    });
    let dead = until_ended(&rig, Arc::clone(&sandbox), run).await;
    assert_eq!(dead.summary.state, RunState::DeadLettered);
    assert_eq!(dead.event.unwrap().data, "kept");
    mended.store(1, Ordering::SeqCst);
    assert_eq!(rig.store.resume("once".into(), vec![run]).await.unwrap(), 1);
    assert_eq!(rig.store.resume("once".into(), vec![run]).await.unwrap(), 1, "the same request again");
    let ended = until_ended(&rig, sandbox, run).await;
    assert_eq!(ended.summary.state, RunState::Succeeded);
    assert_eq!(keys(&rig, "POST").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_gets_one_more_attempt() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("").await;
    let trap = guest(|_, _| async { Ok(Outcome::Trapped { message: "unreachable".into(), frames: vec!["f".into()] }) });
    let ended = until_ended(&rig, trap, run).await;
    assert_eq!((ended.summary.state, ended.attempts_made.len()), (RunState::DeadLettered, 2));
    assert_eq!(ended.attempts_made[1].stack.as_deref(), Some("f"));
}

/// Threat row 20: a panic in the host ends only that attempt; the run is tried again alone.
#[tokio::test(flavor = "multi_thread")]
async fn threat_020_a_panic_of_the_host_ends_only_that_attempt() {
    let rig = Rig::new(options(false)).await;
    let (victim, other) = (rig.accept("victim").await, rig.accept("other").await);
    let panics = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&panics);
    let sandbox = guest(move |hatch, _| {
        let count = Arc::clone(&count);
        async move {
            assert!(
                hatch.info().fence.run != victim || count.fetch_add(1, Ordering::SeqCst) > 0,
                "a bug seeded in a host function"
            );
            succeeded()
        }
    });
    let ended = until_ended(&rig, Arc::clone(&sandbox), victim).await;
    assert_eq!(ended.summary.state, RunState::Succeeded);
    assert!(ended.attempts_made.iter().any(|a| a.outcome == "host-fault"));
    assert_eq!(until_ended(&rig, sandbox, other).await.summary.state, RunState::Succeeded);
}

/// Threat row 68, the part without a dying process: panics while alone count, and at three the run
/// is dead-lettered.
#[tokio::test(flavor = "multi_thread")]
async fn threat_068_a_run_that_panics_the_host_each_time_is_put_away() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("").await;
    let poison = guest(|_, _| async { panic!("poison") });
    let ended = until_ended(&rig, poison, run).await;
    assert_eq!(ended.summary.state, RunState::DeadLettered);
    assert!(ended.summary.reason.unwrap().contains("crashed-host"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_attempt_can_be_cancelled() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("").await;
    let executor = rig.executor(guest(|_, _| std::future::pending()), 1);
    let stop = CancellationToken::new();
    let work = executor.run(stop.clone(), Duration::from_secs(5));
    let cancel = async {
        while executor.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(executor.cancel(run).await.unwrap(), RunState::Running);
        let ended = rig.intake.outcome(run, Duration::from_secs(10)).await.unwrap();
        stop.cancel();
        ended
    };
    let (worked, ended) = tokio::join!(work, cancel);
    worked.unwrap();
    assert_eq!(ended.state, RunState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_the_host_releases_what_does_not_end_in_time_and_uses_up_no_attempt() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("").await;
    let executor = rig.executor(guest(|_, _| std::future::pending()), 1);
    let stop = CancellationToken::new();
    let work = executor.run(stop.clone(), Duration::from_millis(1));
    let halt = async {
        while executor.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (worked, ()) = tokio::join!(work, halt);
    worked.unwrap();
    assert_eq!(rig.store.run(run).await.unwrap().summary.state, RunState::Queued);
    let rig = rig.reopen().await;
    let ended = until_ended(
        &rig,
        guest(|_, attempt| async move {
            assert_eq!(attempt, 1, "an attempt was used up");
            succeeded()
        }),
        run,
    )
    .await;
    assert_eq!(ended.summary.state, RunState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_of_calls_ends_the_attempt_and_names_the_setting() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("").await;
    let greedy = guest(|hatch, _| async move {
        loop {
            if call(&hatch, "GET", "").await.is_err() {
                return failed(true);
            }
        }
    });
    let ended = until_ended(&rig, greedy, run).await;
    assert_eq!(ended.attempts_made[0].outcome, "over-budget");
    let reason = ended.summary.reason.unwrap();
    assert!(reason.contains(Limit::Calls.setting()) && reason.contains("50"), "{reason}");
    assert_eq!(rig.http.asked().len(), 100, "fifty in each of two attempts");
}

/// Threat row 19, at the call: what was not granted is refused, and nothing is sent.
#[tokio::test(flavor = "multi_thread")]
async fn threat_019_a_call_without_a_grant_is_refused_and_says_which_line_to_add() {
    let rig = Rig::new(options(false)).await;
    let run = rig.accept("").await;
    let sandbox = guest(|hatch, _| async move {
        let answer = call(&hatch, "DELETE", "").await.unwrap();
        let Err(HttpError::AccessDenied(line)) = answer else { panic!("{answer:?}") };
        assert!(line.contains(r#"connection = "api""#) && line.contains("DELETE"), "{line}");
        succeeded()
    });
    let ended = until_ended(&rig, sandbox, run).await;
    assert_eq!(ended.summary.state, RunState::Succeeded, "the guest may go on");
    assert!(rig.http.asked().is_empty());
    assert!(ended.attempts_made[0].refused.as_ref().unwrap().contains("DELETE"));
    let trail = rig.store.audit_trail(10).await.unwrap();
    assert!(trail.iter().any(|entry| entry.action == "refused"), "{trail:?}");
}

/// Nine hostile runs of one kind do not keep another integration's run from its turn: checked in the
/// store's rules; here, that concurrency is honoured end to end.
#[tokio::test(flavor = "multi_thread")]
async fn concurrency_of_a_component_is_honoured() {
    let mut with = options(false);
    with.limits.concurrency = 2;
    let rig = Rig::new(with).await;
    let mut last = rig.accept("").await;
    for _ in 0..7 {
        last = rig.accept("").await;
    }
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let peak = Arc::clone(&most);
    let sandbox = guest(move |_, _| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            succeeded()
        }
    });
    until_ended(&rig, sandbox, last).await;
    assert_eq!(peak.load(Ordering::SeqCst), 2);
}

/// Threat row 9: the memory limits of running attempts never add up to more than the budget; what does
/// not fit waits, and all of it ends.
#[tokio::test(flavor = "multi_thread")]
async fn threat_009_admission_keeps_the_sum_of_memory_limits_within_the_budget() {
    const RUNS: usize = 200;
    let mut with = options(false);
    with.limits.concurrency = 1_000;
    let (limit, budget) = (with.limits.memory_bytes, with.limits.memory_bytes * 3 + 1);
    let rig = Rig::new(with).await;
    let mut runs = vec![];
    for _ in 0..RUNS {
        runs.push(rig.accept("").await);
    }
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let peak = Arc::clone(&most);
    let sandbox = guest(move |_, _| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            succeeded()
        }
    });
    let executor = rig.executor_within(sandbox, 100, budget);
    let stop = CancellationToken::new();
    let work = executor.run(stop.clone(), Duration::from_secs(5));
    let wait = async {
        for run in runs {
            let ended = rig.intake.outcome(run, Duration::from_secs(30)).await;
            assert_eq!(ended.map(|ended| ended.state), Some(RunState::Succeeded));
        }
        stop.cancel();
    };
    let (worked, ()) = tokio::join!(work, wait);
    worked.unwrap();
    let peak = u64::from(peak.load(Ordering::SeqCst));
    assert!(peak * limit <= budget && peak == 3, "{peak} attempts of {limit} bytes ran at once within {budget}");
}

/// Threat row 69: an attempt that reaches a call while the connection's breaker is open is not burnt; the run goes
/// on from where it was once a probe is answered.
#[tokio::test(flavor = "multi_thread")]
async fn threat_069_a_held_attempt_is_not_burnt_and_the_run_goes_on_from_its_journal() {
    let rig = Rig::new(options(false)).await;
    rig.http.will([responds(201, "made")]);
    rig.http.will((0..10).map(|_| responds(503, "down")));
    let run = rig.accept("").await;
    let begun = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&begun);
    let sandbox = guest(move |hatch, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            must!(hatch, "POST", "first");
            // Ten in a row are answered 503: the breaker opens, and the eleventh is held.
            for _ in 0..10 {
                let _ = call(&hatch, "GET", "").await;
            }
            must!(hatch, "POST", "second");
            succeeded()
        }
    });
    let ended = until_ended(&rig, sandbox, run).await;
    assert_eq!(ended.summary.state, RunState::Succeeded);
    assert_eq!(begun.load(Ordering::SeqCst), 2, "held once");
    let outcomes: Vec<_> = ended.attempts_made.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!((outcomes, ended.summary.attempts), (vec!["succeeded"], 1));
    // Served from the journal, the answers that were not successes too: it was an interruption, not a failure.
    let replayed = ended.attempts_made[0].calls.iter().filter(|call| call.replayed).count();
    assert_eq!((replayed, keys(&rig, "POST").len(), keys(&rig, "GET").len()), (11, 2, 10));
}
