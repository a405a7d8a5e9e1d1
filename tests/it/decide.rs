//! A person's word over a call in doubt: it happened, and the run goes on with what the person says it answered.

use jackfield_tests::api::Api;
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe::{self, answers, checked_call};
use jackfield_tests::stubs::echo::Echo;
use jackfield_tests::stubs::{Fault, Kind, Stub};
use serde_json::{Value, json};

/// The run whose POST to /transfers was carried out and answered with 500: it waits for a decision.
async fn parked(host: &Host, target: &Stub) -> Value {
    probe::connect(host, target).await;
    probe::deploy(host, &Manifest::probe()).await;
    let fault = Fault::next(Kind::Status { status: 500, retry_after: None, done: true });
    target.fail(Fault { path: Some("/transfers".into()), ..fault });
    let mut transfer = checked_call("POST", "/transfers?to=somebody");
    transfer["text"] = "a body that nobody is shown".into();
    let run =
        probe::run(host, json!([checked_call("GET", "/before"), transfer, checked_call("POST", "/receipt")])).await;
    assert_eq!(run["state"], "needs-decision", "{}", Api::brief(&run));
    run
}

fn paths(target: &Stub) -> Vec<String> {
    target.requests().iter().map(|r| format!("{} {}", r.method, r.path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_call_that_happened_is_taken_as_done_and_the_run_goes_on_from_it() {
    let (host, target) = tokio::join!(Host::start(), async { Stub::start(0, Echo).await.unwrap() });
    let run = parked(&host, &target).await;
    let id = run["id"].as_str().unwrap();
    // What is in doubt, what was sent (no query, no body), and the line that would allow a retry.
    let doubt = &run["in_doubt"][0];
    assert_eq!((&doubt["call"], &doubt["what"]), (&json!(2), &json!("POST target /transfers")), "{doubt}");
    let line = r#"http = [{ connection = "target", methods = ["POST"], paths = ["/transfers"], in_doubt = "retry" }]"#;
    assert_eq!(doubt["allow"], line);
    assert!(!run["in_doubt"].to_string().contains("somebody") && !run["in_doubt"].to_string().contains("a body"));

    let decide = format!("/v1/runs/{id}/decide");
    for (wish, status) in [
        (json!({ "decision": "skip", "result": { "status": 500 } }), 400),
        (json!({ "decision": "skip", "call": 1 }), 409),
        (json!({ "decision": "retry", "result": {} }), 400),
        (json!({ "decision": "perhaps" }), 400),
    ] {
        let answered = host.api().post(&decide, &wish).await;
        assert_eq!(answered.status, status, "{wish}: {:#}", answered.body);
    }
    let wish =
        json!({ "decision": "skip", "result": { "status": 201, "headers": { "x-id": "7" }, "body": { "id": 7 } } });
    let decided = host.api().post(&decide, &wish).await;
    assert_eq!((decided.status, &decided.body["call"]["call"]), (200, &json!(2)), "{:#}", decided.body);
    assert_eq!(decided.body["result"], "201 with 8 bytes of body");
    let run = host.api().wait_for(id, &["succeeded", "dead-lettered", "needs-decision"]).await;
    let said = answers(&run);
    assert_eq!(
        (&said[1]["status"], &said[1]["body"], &said[1]["headers"]["x-id"]),
        (&json!(201), &json!("{\"id\":7}"), &json!("7"))
    );
    // Nothing was made twice: not the read before it either.
    assert_eq!(paths(&target), ["GET /before", "POST /transfers", "POST /receipt"]);
    // The record says that a person decided, and who; so does the audit trail.
    let decision = &run["decisions"][0];
    assert_eq!(
        (&decision["who"], &decision["decision"], &decision["call"]),
        (&json!("test"), &json!("skip"), &json!(2))
    );
    assert_eq!(decision["what"], "http POST target /transfers");
    let audit = host.api().get("/v1/audit?limit=50").await;
    let entries = audit.to_string();
    assert!(entries.contains("skip, call 2 (POST target /transfers) taken as 201"), "{entries}");
    let again = host.api().post(&decide, &json!({ "decision": "skip" })).await;
    assert_eq!(again.status, 409, "{:#}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_the_doubt_and_says_what_it_takes_as_the_answer() {
    let (host, target) = tokio::join!(Host::start(), async { Stub::start(0, Echo).await.unwrap() });
    let run = parked(&host, &target).await;
    let id = run["id"].as_str().unwrap();
    let shown = host.command().args(["runs", "show", id]).output().await.unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout);
    for told in
        ["call 2  http POST target /transfers", "decide", "skip --result", "in_doubt = \"retry\"", "idempotency=header"]
    {
        assert!(shown.contains(told), "{told:?} is not in\n{shown}");
    }
    let decided = host.command().args(["runs", "decide", id, "skip"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&decided.stdout);
    assert!(said.contains("is taken as done: 201 with 0 bytes of body") && said.contains("--result"), "{said}");
    let run = host.api().wait_for(id, &["succeeded", "dead-lettered", "needs-decision"]).await;
    assert_eq!((&answers(&run)[1]["status"], &answers(&run)[1]["body"]), (&json!(201), &json!("")));
    let shown = host.command().args(["runs", "show", id]).output().await.unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("skip by test: http POST target /transfers → 201"), "{shown}");
    assert_eq!(paths(&target), ["GET /before", "POST /transfers", "POST /receipt"]);
}
