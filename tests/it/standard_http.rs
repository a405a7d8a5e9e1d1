//! `wasi:http`: the standard interface leaves through the same hatch: same grants, credentials, journal and doubt.

use jackfield_tests::api::Api;
use jackfield_tests::env;
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::stubs::echo::Echo;
use jackfield_tests::stubs::{Fault, Kind, Stub};
use serde_json::{Value, json};

const SECRET: &str = "a-token-of-some-length";

async fn host_and_target() -> (Host, Stub) {
    let (host, target) = tokio::join!(Host::start(), async { Stub::start(0, Echo).await.unwrap() });
    let api = host.api();
    api.set_secret("dev", "token", SECRET).await;
    let settings = json!({ "base_url": target.base(), "credential": { "type": "bearer", "secret": "token" } });
    api.set_connection("dev", "target", "http", settings).await;
    let wasm = env::guest("tests/guests/fetcher/dist/fetcher.wasm");
    let manifest = Manifest::read("tests/guests/fetcher/jackfield.toml");
    api.deploy("dev", &manifest.text(), &[("fetcher", &wasm)]).await;
    (host, target)
}

fn call(target: &Stub, method: &str, path: &str, body: &str) -> Value {
    json!({ "method": method, "url": format!("{}{path}", target.base()), "body": body })
}

async fn answers(host: &Host, wish: Value) -> Vec<Value> {
    let run = host.api().run_to_end("dev", "fetcher", &wish).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    run["output"]["data"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_url_is_a_call_by_its_connection() {
    let (host, target) = host_and_target().await;
    let calls = [call(&target, "GET", "/granted/a?b=c", ""), call(&target, "POST", "/granted/b", "hello")];
    let answers = answers(&host, json!({ "calls": calls })).await;
    assert_eq!((&answers[0]["status"], &answers[1]["status"]), (&json!(200), &json!(201)), "{answers:#?}");
    let records = target.requests();
    let credential = format!("Bearer {SECRET}");
    assert!(records.iter().all(|r| r.header("authorization") == Some(credential.as_str())));
    assert_eq!((records[1].body.as_str(), records[0].parameter("b")), ("hello", Some("c")));
    assert!(records[1].header("idempotency-key").is_some(), "a POST carries a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_refused_and_not_sent() {
    let (host, target) = host_and_target().await;
    let port = target.port();
    let urls = [
        format!("http://127.0.0.1:{port}/other"),
        format!("http://127.0.0.1:{port}/granted/../other"),
        format!("http://localhost:{port}/granted/a"),
        format!("http://user@127.0.0.1:{port}/granted/a"),
        format!("http://127.0.0.1:{}/granted/a", host.addresses().admin.port()),
        "http://169.254.169.254/latest/meta-data/".into(),
        "https://example.com/".into(),
    ];
    let calls: Vec<_> = urls.iter().map(|url| json!({ "method": "GET", "url": url })).collect();
    let answers = answers(&host, json!({ "calls": calls })).await;
    for (url, answer) in urls.iter().zip(&answers) {
        assert!(answer["error"].is_string(), "{url}: {answer}");
    }
    // A guest's own credential in place of the connection's is refused too.
    let mut own = call(&target, "GET", "/granted/a", "");
    own["headers"] = json!([["authorization", "Bearer mine"]]);
    let answers = self::answers(&host, json!({ "calls": [own] })).await;
    assert!(answers[0]["error"].is_string(), "{answers:#?}");
    assert_eq!(target.requests(), [], "something was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_sent_together_are_all_made_and_recorded() {
    let (host, target) = host_and_target().await;
    target.fail(Fault { path: Some("/granted/1".into()), ..Fault::next(Kind::Slow { ms: 300 }) });
    let calls: Vec<_> = (1..=3).map(|n| call(&target, "POST", &format!("/granted/{n}"), "x")).collect();
    let run = host.api().run_to_end("dev", "fetcher", &json!({ "calls": calls, "together": true })).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    assert_eq!(target.requests().len(), 3);
    let recorded = run["attempts_made"][0]["calls"].as_array().unwrap();
    let whats: Vec<_> = recorded.iter().map(|c| (c["call"].as_u64().unwrap(), c["what"].as_str().unwrap())).collect();
    // Numbered in the guest's order, whatever came back first.
    assert_eq!(whats, [(1, "POST target /granted/1"), (2, "POST target /granted/2"), (3, "POST target /granted/3")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_attempt_makes_no_successful_call_again_and_doubt_parks() {
    let (host, target) = host_and_target().await;
    target.fail(Fault { path: Some("/granted/2".into()), ..Fault::next(Kind::status(429)) });
    let calls = [call(&target, "POST", "/granted/1", "x"), call(&target, "POST", "/granted/2", "y")];
    let run = host.api().run_to_end("dev", "fetcher", &json!({ "calls": calls, "check": true })).await;
    assert_eq!((&run["state"], &run["attempts"]), (&json!("succeeded"), &json!(2)), "{}", Api::brief(&run));
    let paths: Vec<_> = target.take_requests().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/granted/1", "/granted/2", "/granted/2"]);

    target.fail(Fault::next(Kind::Reset { done: true }));
    let run = host.api().run_to_end("dev", "fetcher", &json!({ "calls": calls, "check": true })).await;
    assert_eq!(run["state"], "needs-decision", "{}", Api::brief(&run));
    assert_eq!(target.requests().len(), 1);
}
