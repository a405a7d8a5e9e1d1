//! Jobs over dead letters, on a real store.

use super::*;
use crate::clock::SystemClock;
use crate::grant::Grants;
use crate::hatch::testing::{Rig, RigOptions, name};
use crate::limits::Limits;
use crate::retry::RetryPolicy;
use crate::run::RunState;
use crate::store::promises::dead;
use crate::store::queue::RunFilter;

async fn rig() -> Rig {
    let clock = Arc::new(SystemClock);
    let (limits, grants, retry) = (Limits::default(), Grants::default(), RetryPolicy::default());
    Rig::new(RigOptions { clock, limits, grants, retry, keyed: false }).await
}

async fn dead_letters(rig: &Rig, count: usize) -> Vec<RunId> {
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(rig.accept("x").await);
        let claim = rig.claim().await;
        let ending = dead(&claim);
        rig.store.settle(claim.fence, ending).await.unwrap();
    }
    runs
}

fn job(request: &str, verb: Verb) -> Job {
    Job {
        request: request.into(),
        verb,
        filter: DeadFilter { environment: Some(name("dev")), ..DeadFilter::default() },
        version: None,
        per_minute: MOST_PER_MINUTE,
        who: "ada".into(),
        asked: SystemClock.now(),
        state: JobState::Running,
        total: 0,
        done: 0,
        skipped: 0,
        cursor: None,
        ended: None,
        problem: None,
    }
}

async fn bulk(rig: &Rig) -> Arc<Bulk> {
    let releases = Releases::load(rig.store.clone()).await.unwrap();
    Bulk::new(rig.store.clone(), releases, Arc::new(SystemClock), Arc::new(crate::clock::SystemRng))
}

async fn states(rig: &Rig, state: RunState) -> usize {
    let filter = RunFilter { state: Some(state), limit: 100, ..RunFilter::default() };
    rig.store.runs(filter).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_job_goes_on_behind_its_last_step_after_a_restart() {
    let rig = rig().await;
    dead_letters(&rig, 7).await;
    let first = bulk(&rig).await;
    let asked = first.ask(job("j", Verb::Resume)).await.unwrap();
    assert_eq!(asked.total, 7);
    assert_eq!(first.step(&asked, 3).await.unwrap().done, 3);
    let rig = rig.reopen().await;
    let second = bulk(&rig).await;
    let stop = CancellationToken::new();
    let work = second.run(stop.clone());
    let wait = async {
        while rig.store.job("j").await.unwrap().state == JobState::Running {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    tokio::join!(work, wait);
    let job = rig.store.job("j").await.unwrap();
    assert_eq!((job.done, job.skipped, job.state), (7, 0, JobState::Done));
    assert_eq!((states(&rig, RunState::Queued).await, states(&rig, RunState::DeadLettered).await), (7, 0));
    // The same request again is answered with the job as it is.
    assert_eq!(second.ask(self::job("j", Verb::Discard)).await.unwrap(), job);
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_what_dies_again_is_not_taken_again() {
    let rig = rig().await;
    dead_letters(&rig, 2).await;
    let bulk = bulk(&rig).await;
    // The clock that dates both is coarse: a death in the same millisecond would count as before.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let mut job = bulk.ask(job("j", Verb::Resume)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let mut steps = 0;
    while job.state == JobState::Running {
        job = bulk.step(&job, 1).await.unwrap();
        if job.state == JobState::Running {
            let claim = rig.claim().await;
            rig.store.settle(claim.fence, dead(&claim)).await.unwrap();
        }
        steps += 1;
        assert!(steps < 10, "it goes round and round");
    }
    assert_eq!((job.done, states(&rig, RunState::DeadLettered).await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_taken_is_skipped() {
    let rig = rig().await;
    dead_letters(&rig, 2).await;
    let bulk = bulk(&rig).await;
    let wish = Job { version: Some(VersionWish::Number(9)), ..job("j", Verb::Resume) };
    let asked = bulk.ask(wish).await.unwrap();
    let job = bulk.step(&asked, 10).await.unwrap();
    assert_eq!((job.done, job.skipped), (0, 2));
    assert!(job.problem.unwrap().contains("has no version 9"));
    // A fresh start of what somebody discarded meanwhile is none.
    let asked = bulk.ask(self::job("k", Verb::Fresh)).await.unwrap();
    let found = rig.store.dead_letters(&DeadFilter::default(), None, 10).await.unwrap();
    rig.store.discard("x".into(), vec![found[0].id]).await.unwrap();
    let job = bulk.step(&asked, 10).await.unwrap();
    assert_eq!((job.done, job.total, states(&rig, RunState::Discarded).await), (1, 2, 2));
}

#[test]
fn a_rate_is_kept() {
    for (per_minute, runs, millis) in
        [(1, 1, 60_000), (600, 1, 100), (60, 1, 1_000), (3_000, 5, 100), (60_000, 100, 100)]
    {
        assert_eq!(pace(per_minute), (runs, Duration::from_millis(millis)), "{per_minute}");
    }
}
