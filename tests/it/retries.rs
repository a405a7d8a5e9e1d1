//! What follows a failure: another attempt, a dead letter, or a person's decision.

use std::time::Duration;

use jackfield_tests::api::Api;
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe::{self, answers, call, checked_call};
use jackfield_tests::stubs::echo::Echo;
use jackfield_tests::stubs::{Fault, Kind, Stub};
use serde_json::{Value, json};

async fn host_and_target() -> (Host, Stub) {
    let (host, target) = tokio::join!(Host::start(), async { Stub::start(0, Echo).await.unwrap() });
    probe::connect(&host, &target).await;
    probe::deploy(&host, &Manifest::probe()).await;
    (host, target)
}

fn outcomes(run: &Value) -> Vec<&str> {
    run["attempts_made"].as_array().unwrap().iter().map(|a| a["outcome"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_failed_is_made_again_and_an_effect_that_succeeded_is_not() {
    let (host, target) = host_and_target().await;
    // (A 500 would be in doubt, and a read in doubt is repeated within the attempt: 503 says that nothing was done.)
    target.fail(Fault::next(Kind::status(503)).method("GET"));
    let steps =
        json!([checked_call("GET", "/status/200"), checked_call("POST", "/effect"), checked_call("GET", "/after")]);
    // Attempt 1 fails at its very first call; a second fault meets the read behind the effect.
    target.fail(Fault { path: Some("/after".into()), ..Fault::next(Kind::status(503)) });
    let run = probe::run(&host, steps).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    assert_eq!(outcomes(&run), ["failed", "failed", "succeeded"]);
    let arrived: Vec<_> = target.requests().iter().map(|r| (r.path.clone(), r.status.unwrap())).collect();
    let arrived: Vec<_> = arrived.iter().map(|(path, status)| (path.as_str(), *status)).collect();
    // What lies before the last successful effect is served from the journal: the first read comes no third time.
    let expected = [("/status/200", 503), ("/status/200", 200), ("/effect", 201), ("/after", 503), ("/after", 200)];
    assert_eq!(arrived, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_in_doubt_is_repeated_within_the_attempt() {
    let (host, target) = host_and_target().await;
    for kind in [Kind::status(500), Kind::Cut, Kind::Reset { done: true }] {
        target.fail(Fault::next(kind.clone()));
        let run = probe::run(&host, json!([checked_call("GET", "/read")])).await;
        assert_eq!(outcomes(&run), ["succeeded"], "{kind:?}: {}", Api::brief(&run));
        assert_eq!(target.take_requests().len(), 2, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unkeyed_post_that_answers_500_parks_the_run_until_somebody_decides() {
    let (host, target) = host_and_target().await;
    target.fail(Fault::next(Kind::Status { status: 500, retry_after: None, done: false }).method("POST"));
    let steps = json!([call("GET", "/before"), checked_call("POST", "/transfers")]);
    let run = probe::run(&host, steps).await;
    assert_eq!(run["state"], "needs-decision", "{}", Api::brief(&run));
    assert_eq!(outcomes(&run), ["in-doubt"]);
    let calls = run["attempts_made"][0]["calls"].as_array().unwrap_or_else(|| panic!("no calls in {run:#}"));
    let doubtful: Vec<_> = calls.iter().filter(|call| call["in_doubt"] == true).map(|call| &call["what"]).collect();
    assert_eq!(doubtful, [&json!("POST target /transfers")], "{calls:#?}");

    let id = run["id"].as_str().unwrap();
    let decided = host.api().post(&format!("/v1/runs/{id}/decide"), &json!({ "decision": "retry" })).await;
    assert_eq!(decided.status, 200, "{:#}", decided.body);
    let run = host.api().wait_for(id, &["succeeded", "dead-lettered", "needs-decision"]).await;
    // A decision that was just taken may be seen before it is acted on.
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    let posts: Vec<_> = target.requests().into_iter().filter(|r| r.method == "POST").collect();
    assert_eq!(posts.len(), 2);
    let key = posts[0].header("idempotency-key").expect("a POST carries a key");
    assert_eq!(posts[1].header("idempotency-key"), Some(key), "the same call keeps its key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_in_the_middle_is_in_doubt_and_can_be_given_up() {
    let (host, target) = host_and_target().await;
    target.fail(Fault::next(Kind::Cut).method("POST"));
    let run = probe::run(&host, json!([checked_call("POST", "/transfers")])).await;
    assert_eq!(run["state"], "needs-decision", "{}", Api::brief(&run));
    let id = run["id"].as_str().unwrap();
    let decided = host.api().post(&format!("/v1/runs/{id}/decide"), &json!({ "decision": "fail" })).await;
    assert_eq!(decided.status, 200, "{:#}", decided.body);
    let run = host.api().wait_for(id, &["dead-lettered"]).await;
    assert_eq!(target.requests().len(), 1, "nothing was made again: {}", Api::brief(&run));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_handles_doubt_has_decided_for_itself() {
    let (host, target) = host_and_target().await;
    target.fail(Fault::next(Kind::Reset { done: true }).method("POST"));
    let mut tolerant = call("POST", "/transfers");
    tolerant["tolerate"] = true.into();
    let run = probe::run(&host, json!([tolerant])).await;
    assert_eq!(answers(&run)[0]["error"], "in-doubt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_post_in_doubt_is_made_again_with_the_same_key() {
    let (host, target) = host_and_target().await;
    probe::connect_with(&host, json!({ "base_url": target.base(), "idempotency": "header" })).await;
    target.fail(Fault::next(Kind::Reset { done: true }).method("POST"));
    let run = probe::run(&host, json!([checked_call("POST", "/transfers")])).await;
    assert_eq!(answers(&run)[0]["status"], 201);
    let keys: Vec<_> = target.requests().iter().map(|r| r.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
}

/// The attempt's number is the guest's to see and not to act on: a handler whose calls depend on it is stopped at the
/// first call that is another one than before, and nothing of it leaves.
#[tokio::test(flavor = "multi_thread")]
async fn threat_071_a_handler_that_asks_for_something_else_the_next_time_is_stopped_there() {
    let (host, target) = host_and_target().await;
    target.fail(Fault { path: Some("/last".into()), ..Fault::next(Kind::status(503)) });
    let steps = json!([
        checked_call("POST", "/effect"),
        checked_call("POST", "/in-attempt-{attempt}"),
        checked_call("GET", "/last"),
    ]);
    let run = probe::run(&host, steps).await;
    assert_eq!((&run["state"], &run["attempts"]), (&json!("dead-lettered"), &json!(2)), "{}", Api::brief(&run));
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("non-determinism at call 2: recorded http POST"), "{reason}");
    let arrived: Vec<_> = target.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(arrived, ["/effect", "/in-attempt-1", "/last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_tried_again_not_before_they_may() {
    let (host, target) = host_and_target().await;
    target.fail(Fault::next(Kind::too_many(Duration::from_secs(2))));
    let begun = std::time::Instant::now();
    let run = probe::run(&host, json!([checked_call("POST", "/limited")])).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    assert_eq!(outcomes(&run), ["failed", "succeeded"]);
    assert!(begun.elapsed() >= Duration::from_secs(2), "it came back after {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_succeed_is_not_tried_again() {
    let (host, target) = host_and_target().await;
    for (steps, reason) in [
        (json!({ "do": "fail", "retryable": false, "message": "as agreed" }), "as agreed"),
        (json!({ "do": "reject", "message": "no such order" }), "no such order"),
        (json!([checked_call("GET", "/status/404")]), "404"),
    ] {
        let run = probe::run(&host, steps).await;
        assert_eq!((&run["state"], &run["attempts"]), (&json!("dead-lettered"), &json!(1)), "{}", Api::brief(&run));
        assert!(run["reason"].as_str().unwrap().contains(reason), "{}", run["reason"]);
    }
    drop(target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_can_be_resumed_once_by_request_and_put_away() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let run = probe::run(&host, json!([{ "do": "fail", "retryable": false, "until": 2 }])).await;
    assert_eq!(run["state"], "dead-lettered", "{}", Api::brief(&run));
    let id = run["id"].as_str().unwrap();
    let wish = json!({ "request": "first", "runs": [id] });
    let resumed = host.api().post("/v1/dead-letters/resume", &wish).await;
    assert_eq!((resumed.status, &resumed.body["resumed"]), (200, &json!(1)), "{:#}", resumed.body);
    let run = host.api().wait_for(id, &["succeeded"]).await;
    assert_eq!(run["attempts"], 2);
    // The same request again is answered as before and does nothing.
    let again = host.api().post("/v1/dead-letters/resume", &wish).await;
    assert_eq!((again.status, &again.body["resumed"]), (200, &json!(1)), "{:#}", again.body);
    assert_eq!(host.api().run(id).await["attempts"], 2);

    let run = probe::run(&host, json!({ "do": "reject", "message": "x" })).await;
    let wish = json!({ "request": "second", "runs": [run["id"]] });
    let gone = host.api().post("/v1/dead-letters/discard", &wish).await;
    assert_eq!((gone.status, &gone.body["discarded"]), (200, &json!(1)), "{:#}", gone.body);
    assert_eq!(host.api().run(run["id"].as_str().unwrap()).await["state"], "discarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_cancelled_while_it_waits_and_while_it_works() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe().set("component.probe.retry.first", "1s")).await;
    for steps in [json!({ "do": "fail", "retry_after_ms": 600_000 }), json!({ "do": "sleep", "ms": 15_000 })] {
        let id = host.api().start("dev", "probe", &steps).await;
        host.api().wait_for(&id, &["waiting", "running"]).await;
        let answered = host.api().post(&format!("/v1/runs/{id}/cancel"), &json!({})).await;
        assert_eq!(answered.status, 200, "{:#}", answered.body);
        host.api().wait_for_within(&id, &["cancelled"], Duration::from_secs(10)).await;
    }
}

/// A handler whose calls depend on the attempt asks for something else when it is tried again, and is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_changes_its_mind_is_stopped_before_any_effect() {
    let (host, target) = host_and_target().await;
    let steps = json!([
        call("GET", "/page/{attempt}"),
        checked_call("POST", "/effect"),
        { "do": "fail", "until": 2 },
        checked_call("POST", "/second"),
    ]);
    let run = probe::run(&host, steps).await;
    assert_eq!(run["state"], "dead-lettered", "{}", Api::brief(&run));
    assert!(run["reason"].as_str().unwrap().contains("non-determinism at call 1"), "{}", run["reason"]);
    let paths: Vec<_> = target.requests().iter().map(|r| r.path.clone()).collect();
    assert_eq!(paths, ["/page/1", "/effect"]);

    // Both calls are shown side by side.
    let shown = host.command().args(["runs", "show", run["id"].as_str().unwrap()]).output().await.unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for line in ["recorded  GET target /page/1", "now       GET target /page/2", "they differ from line 1 on"] {
        assert!(shown.contains(line), "`{line}` is not in\n{shown}");
    }
}

/// What a repeated attempt sees of time and chance in its replayed part is what the first one saw.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_attempt_sees_the_same_time_and_the_same_chance() {
    let (host, target) = host_and_target().await;
    // The first event tells what a single attempt sees; the failing one repeats, and its effect's body is checked
    // against the recorded one by the host: other bytes would be non-determinism.
    let steps = json!([
        { "do": "random", "bytes": 16 },
        { "do": "clock", "times": 3, "apart_ms": 5 },
        checked_call("POST", "/effect"),
        { "do": "remaining" },
        { "do": "fail", "until": 3 },
    ]);
    let run = probe::run(&host, steps).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    assert_eq!(target.requests().len(), 1);
    let answers = answers(&run);
    assert_eq!(answers[0].as_str().unwrap().len(), 32);
    let readings = answers[1].as_array().unwrap();
    assert!(readings.iter().all(|r| r[0].as_u64().unwrap() % 1_000_000 == 0), "the clock is coarse: {readings:?}");
    assert!(readings.windows(2).all(|two| two[0][1].as_u64() < two[1][1].as_u64()), "time goes on: {readings:?}");
}
