//! Dead letters: moved to another version, started fresh, worked through in bulk; and the notice of them.

use std::time::Duration;

use jackfield_tests::api::{Api, ENVIRONMENT};
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe::{self, checked_call};
use jackfield_tests::stubs::echo::Echo;
use jackfield_tests::stubs::{Fault, Kind, Stub};
use jackfield_tests::wait;
use serde_json::{Value, json};

const ENDED: [&str; 3] = ["succeeded", "dead-lettered", "needs-decision"];

async fn host_and_target() -> (Host, Stub) {
    let (host, target) = tokio::join!(Host::start(), async { Stub::start(0, Echo).await.unwrap() });
    probe::connect(&host, &target).await;
    probe::deploy(&host, &Manifest::probe()).await;
    (host, target)
}

async fn resume(host: &Host, run: &str, version: Option<&str>) -> Value {
    let mut wish = json!({ "request": format!("{run} {version:?}"), "runs": [run] });
    if let Some(version) = version {
        wish["version"] = version.into();
    }
    let answered = host.api().post("/v1/dead-letters/resume", &wish).await;
    assert_eq!((answered.status, &answered.body["resumed"]), (200, &json!(1)), "{:#}", answered.body);
    host.api().wait_for(run, &ENDED).await
}

/// Threat row 72: a run stays with the version that accepted it, whatever is released meanwhile; moved to another one
/// by somebody's word it goes on if it does what it did, and else is stopped before any effect.
#[tokio::test(flavor = "multi_thread")]
async fn threat_072_a_run_keeps_its_version_until_somebody_moves_it() {
    let (host, target) = host_and_target().await;
    let effect = json!({ "do": "call", "method": "POST", "url": format!("{}/effect", target.base()), "check": true });
    let steps = json!([effect, { "do": "fail", "retryable": false }, checked_call("POST", "/second")]);
    let run = probe::run(&host, steps).await;
    assert_eq!((&run["state"], &run["version"]), (&json!("dead-lettered"), &json!(1)), "{}", Api::brief(&run));
    let id = run["id"].as_str().unwrap();
    // The second version differs in what it may use, the third calls without the connection.
    probe::deploy(&host, &Manifest::probe().set("component.probe.limits.memory", "64MiB")).await;
    let run = resume(&host, id, None).await;
    assert_eq!((&run["version"], &run["attempts"]), (&json!(1), &json!(2)), "it is pinned");
    let run = resume(&host, id, Some("active")).await;
    assert_eq!((&run["version"], &run["attempts"]), (&json!(2), &json!(3)), "{}", Api::brief(&run));
    assert!(run["attempts_made"][2]["calls"][0]["replayed"] == true, "its recorded call matched");
    let grant = format!(r#"[{{ url = "{}", methods = ["POST"], paths = ["/**"] }}]"#, target.base());
    probe::deploy(&host, &Manifest::probe().set_toml("component.probe.grants.http", &grant)).await;
    let run = resume(&host, id, Some("3")).await;
    assert_eq!((&run["state"], &run["version"]), (&json!("dead-lettered"), &json!(3)), "{}", Api::brief(&run));
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("non-determinism at call 1") && reason.contains("POST target /effect"), "{reason}");
    assert_eq!(target.requests().len(), 1, "no effect but the first was ever made");
    // There is no such version, and no such word.
    for (version, status) in [("9", 409), ("newest", 400)] {
        let wish = json!({ "request": version, "runs": [id], "version": version });
        let answered = host.api().post("/v1/dead-letters/resume", &wish).await;
        assert_eq!(answered.status, status, "{:#}", answered.body);
    }
}

/// Threat row 74: a fresh start clicked twice is one new run, and effects are made again.
#[tokio::test(flavor = "multi_thread")]
async fn threat_074_a_fresh_start_clicked_twice_is_one_new_run() {
    let (host, target) = host_and_target().await;
    let run = probe::run(&host, json!([checked_call("POST", "/effect"), { "do": "fail", "retryable": false }])).await;
    let id = run["id"].as_str().unwrap();
    let wish = json!({ "request": "once", "runs": [id] });
    let (one, two) = tokio::join!(async { host.api().post("/v1/dead-letters/fresh", &wish).await }, async {
        host.api().post("/v1/dead-letters/fresh", &wish).await
    });
    assert_eq!((one.status, two.status), (200, 200), "{:#} {:#}", one.body, two.body);
    assert_eq!(one.body, two.body);
    let new = one.body["runs"][0]["run"].as_str().unwrap();
    let started = host.api().wait_for(new, &ENDED).await;
    assert_eq!((&started["attempts"], &started["event_id"]), (&json!(1), &run["event_id"]), "{}", Api::brief(&started));
    let old = host.api().run(id).await;
    assert_eq!((&old["state"], &old["fresh"]), (&json!("discarded"), &json!(new)));
    let posts = target.requests();
    let keys: Vec<_> = posts.iter().map(|r| r.header("idempotency-key").unwrap()).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "made again, with another key: {keys:?}");
    assert_eq!(host.api().runs_in("dead-lettered").await.len(), 1);
    // The command line does not do it without being told that it may.
    let fresh = ["deadletters", "fresh", new];
    let refused = host.command().args(fresh).stdin(std::process::Stdio::null()).output().await.unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("made again"), "{refused:?}");
    let done = host.command().args(fresh).arg("--yes").output().await.unwrap();
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 started"), "{done:?}");
}

/// A job over a filter is the host's work: at its rate, across a kill, each run once.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_job_goes_on_after_a_kill_and_takes_each_run_once() {
    const RUNS: usize = 12;
    let (mut host, target) = host_and_target().await;
    for n in 0..RUNS {
        let name = if n % 4 == 0 { "Other" } else { "Broken" };
        let steps =
            json!([{ "do": "fail", "name": name, "retryable": false, "until": 2 }, checked_call("POST", "/late")]);
        host.api().start(ENVIRONMENT, "probe", &steps).await;
    }
    let dead = |host: &Host| {
        let api = host.api();
        async move { api.runs_in("dead-lettered").await.len() }
    };
    wait::until("all are dead", wait::LONG, || async { (dead(&host).await == RUNS).then_some(()) }).await;
    let wish = json!({ "request": "j", "verb": "resume", "per_minute": 300, "filter": { "reason": "broken", "environment": "dev" } });
    let job = host.api().post("/v1/dead-letters/jobs", &wish).await;
    assert_eq!((job.status, &job.body["total"]), (200, &json!(9)), "{:#}", job.body);
    let begun = std::time::Instant::now();
    let path = "/v1/dead-letters/jobs/j";
    let some = || async { host.api().get(path).await["done"].as_u64().filter(|done| *done >= 2) };
    let before = wait::until("some are resumed", wait::LONG, some).await;
    host.kill9().await;
    host.restart().await;
    assert_eq!(host.api().post("/v1/dead-letters/jobs", &wish).await.status, 200, "asked again: the same job");
    let done = wait::until("the job is through", wait::LONG, || async {
        let job = host.api().get(path).await;
        (job["state"] == "done").then_some(job)
    });
    let done = done.await;
    assert_eq!((&done["done"], &done["skipped"]), (&json!(9), &json!(0)), "{done:#} ({before} before)");
    // Five a second: nine take more than a second and a half, the restart aside.
    assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());
    wait::until("all have succeeded", wait::LONG, || async {
        (host.api().runs_in("succeeded").await.len() == 9).then_some(())
    })
    .await;
    assert_eq!((target.requests().len(), dead(&host).await), (9, 3));
    // The rest by the command line, which follows the job it started.
    let output =
        host.command().args(["deadletters", "discard", "--all", "--reason", "Other", "--rate", "600/m"]).output();
    let said = String::from_utf8_lossy(&output.await.unwrap().stdout).into_owned();
    assert!(said.contains("3 discarded (done)"), "{said}");
    let jobs = host.command().args(["deadletters", "jobs"]).output().await.unwrap();
    let jobs = String::from_utf8_lossy(&jobs.stdout);
    assert!(jobs.contains("9 of 9") && jobs.contains("3 of 3"), "{jobs}");
}

/// A dead letter and a parked run are told outside, again until it is heard, without a guest's words.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_told_until_it_is_heard_and_holds_no_event_data() {
    let (host, target) = host_and_target().await;
    let ops = Stub::start(0, Echo).await.unwrap();
    host.api().set_connection(ENVIRONMENT, "ops", "http", json!({ "base_url": ops.base() })).await;
    let wish = json!({ "connection": "ops", "path": "/hooks/x" });
    host.api().put(&format!("/v1/environments/{ENVIRONMENT}/notify"), &wish).await;
    // The first telling fails.
    ops.fail(Fault::next(Kind::status(503)));
    let fail = json!({ "do": "fail", "name": "Broken", "message": "ada@example.com", "retryable": false });
    let dead = probe::run(&host, fail).await;
    let heard = |state: &'static str| {
        let ops = &ops;
        async move {
            wait::until("the notice is heard", wait::LONG, || async {
                ops.requests().into_iter().find(|r| r.status == Some(201) && r.json()["state"] == state)
            })
            .await
        }
    };
    let notice = heard("dead-lettered").await;
    assert_eq!((notice.method.as_str(), notice.path.as_str()), ("POST", "/hooks/x"));
    let body = notice.json();
    assert_eq!((&body["integration"], &body["environment"]), (&json!("probe"), &json!("dev")));
    assert_eq!((&body["run"], &body["runs"], &body["reason"]), (&dead["id"], &json!(1), &json!("failed: Broken")));
    assert!(body["link"].as_str().unwrap().ends_with(&format!("/v1/runs/{}", dead["id"].as_str().unwrap())), "{body}");
    assert!(body["command"].as_str().unwrap().starts_with("jackfield deadletters list"), "{body}");
    assert!(ops.requests().len() >= 2, "the one that failed was told again");
    assert!(ops.requests().iter().all(|r| !r.body.contains("ada@example.com")));

    target.fail(Fault::next(Kind::Reset { done: true }).method("POST"));
    let parked = probe::run(&host, json!([checked_call("POST", "/transfers/ada")])).await;
    let body = heard("needs-decision").await.json();
    assert_eq!((&body["run"], &body["reason"]), (&parked["id"], &json!("a call may have happened")));
    assert!(!body.to_string().contains("/transfers/ada"), "{body}");
    let shown = host.command().args(["environments", "notify", "--env", "dev"]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("go to ops /hooks/x"), "{shown:?}");
}

/// Threat row 70: a run that calls without end is stopped at its cap, and what is kept of a long run costs little memory
/// when it is replayed.
#[tokio::test(flavor = "multi_thread")]
async fn threat_070_a_run_that_calls_without_end_is_stopped_and_a_long_one_is_replayed_in_little_memory() {
    let (host, target) = host_and_target().await;
    let many = |times: u32| json!({ "do": "many-calls", "times": times, "call": { "connection": "target", "method": "GET", "url": "/read" } });
    let limited = Manifest::probe().set("component.probe.limits.calls", 500).set("component.probe.retry.first", "1ms");
    probe::deploy(&host, &limited).await;
    let run = probe::run(&host, many(1_000_000)).await;
    assert_eq!(
        (&run["state"], &run["last_outcome"]),
        (&json!("dead-lettered"), &json!("over-budget")),
        "{}",
        Api::brief(&run)
    );
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("more than 500") && reason.contains("limits.calls"), "{reason}");
    assert_eq!(target.take_requests().len(), 1_000, "two attempts of 500 calls");
    let full = Manifest::probe().set("component.probe.limits.journal", "256KiB");
    probe::deploy(&host, &full).await;
    let run = probe::run(&host, many(1_000_000)).await;
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("limits.journal"), "{reason}");

    // What is replayed: every read that lies before the last effect.
    const CALLS: u32 = 5_000;
    probe::deploy(&host, &Manifest::probe()).await;
    drop(target.take_requests());
    let before = peak_kib(&host);
    let steps = json!([many(CALLS), checked_call("POST", "/effect"), { "do": "fail", "until": 3 }]);
    let run = probe::run(&host, steps).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    assert_eq!(run["attempts_made"][2]["usage"]["replayed"], CALLS + 1);
    assert_eq!(target.requests().len(), CALLS as usize + 1);
    let grown = peak_kib(&host).saturating_sub(before);
    // About 1 KiB a call on disk and in memory; far from what a copy for each attempt would be.
    assert!(grown < 24 * 1024, "{grown} KiB for {CALLS} calls");
}

/// The most memory the host had so far.
fn peak_kib(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
