//! The SDK for Go, through the built host: what its collector must not lose, every function of the store, `net/http`,
//! and what an uncaught panic tells.

use jackfield_tests::api::{Api, ENVIRONMENT};
use jackfield_tests::env;
use jackfield_tests::host::Host;
use jackfield_tests::stubs::{Fault, Kind, Stub, echo};
use serde_json::{Value, json};

/// A host with the fixture, and a side that it may call.
async fn asked() -> (Host, Stub) {
    asked_with(str::to_owned).await
}

async fn asked_with(change: impl FnOnce(&str) -> String) -> (Host, Stub) {
    let host = Host::start().await;
    let side = Stub::start(0, echo::Echo).await.unwrap();
    host.api().set_connection(ENVIRONMENT, "side", "http", json!({ "base_url": side.base() })).await;
    let folder = "tests/guests/asked-go";
    let manifest = std::fs::read_to_string(env::repository(folder).join("jackfield.toml")).unwrap();
    let wasm = env::guest(&format!("{folder}/dist/asked.wasm"));
    host.api().deploy(ENVIRONMENT, &change(&manifest), &[("asked", &wasm)]).await;
    (host, side)
}

async fn ask(host: &Host, wish: Value) -> Value {
    host.api().run_to_end(ENVIRONMENT, "asked", &wish).await
}

async fn answer(host: &Host, wish: Value) -> Value {
    let run = ask(host, wish).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    run["output"]["data"].clone()
}

/// Go's collector runs while the host hands over answers, and must do so neither at the wrong moment nor too early.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_large_answers_arrive_whole() {
    let (host, _) = asked().await;
    let told = answer(&host, json!({ "do": "many-answers", "times": 4_000, "bytes": 8_192 })).await;
    assert_eq!(told, json!({ "answers": 4_000, "kept": 80 }));
    // About as much at once as an answer may be.
    let told = answer(&host, json!({ "do": "many-answers", "times": 60, "bytes": 1_000_000 })).await;
    assert_eq!(told, json!({ "answers": 60, "kept": 2 }));
    // Goroutines that interrupt each other.
    let told = answer(&host, json!({ "do": "at-once", "times": 200, "bytes": 8_192 })).await;
    assert_eq!(told, json!({ "answers": 1_600 }));
}

/// The order of a map and the choice of a `select` are random, and for a retry the same ones.
#[tokio::test(flavor = "multi_thread")]
async fn p6_what_go_does_at_random_it_does_again() {
    let retried = |manifest: &str| manifest.replace("attempts = 1", "first = \"10ms\", attempts = 3");
    let (host, side) = asked_with(retried).await;
    side.fail(Fault::next(Kind::status(503)).method("GET").times(2));
    let mut orders = Vec::new();
    for _ in 0..2 {
        let before = side.requests().len();
        let run = ask(&host, json!({ "do": "at-random" })).await;
        assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
        let posts: Vec<_> =
            side.requests()[before..].iter().filter(|r| r.method == "POST").map(|r| r.path.clone()).collect();
        assert_eq!(posts.len(), 15, "{posts:?}");
        orders.push(posts);
    }
    assert_ne!(orders[0], orders[1], "two runs have the same seed");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_go_can_do_with_the_host_is_done() {
    let (host, side) = asked().await;
    let told = answer(&host, json!({ "do": "store" })).await;
    let expected = json!({
        "set": null, "entry": "{\"n\":1}", "another version": false, "its version": true, "a new key": true,
        "sum": -3, "batch": true, "batch that does not hold": false, "many": ["2", "", "[\"x\"]", "2"],
        "keys": ["asked/a", "asked/c", "asked/n"], "removed": true, "denied": true, "no counter": true,
    });
    assert_eq!(told, expected);

    let mut slow = Fault::next(Kind::Slow { ms: 5_000 });
    slow.path = Some("/slow".into());
    side.fail(slow);
    let told = answer(&host, json!({ "do": "client", "url": side.base() })).await;
    assert_eq!((&told["status"], &told["type"]), (&json!("201 Created"), &json!("application/json; charset=utf-8")));
    assert!(told["body"].as_str().unwrap().contains("\"path\":\"/a\""), "{told:#}");
    assert_eq!((&told["plain"], &told["denied"], &told["late"]), (&json!(200), &json!(true), &json!(true)), "{told:#}");
    let first = &side.requests()[0];
    assert_eq!((first.method.as_str(), first.header("x-of"), first.json()), ("POST", Some("go"), json!({ "x": 1 })));
    assert_eq!(first.query, [("b".to_owned(), "c".to_owned())]);

    let told = answer(&host, json!({ "do": "until-the-end" })).await;
    assert_eq!(told, json!({ "ticks": 3, "left": true, "run": "asked", "until": true }));

    let run = ask(&host, json!({ "do": "say" })).await;
    let lines = host.api().logs(run["id"].as_str().unwrap()).await;
    let told: Vec<_> = lines.iter().map(|line| json!([line["level"], line["message"]])).collect();
    let expected = [
        json!(["warn", "by slog"]),
        json!(["info", "by log"]),
        json!(["info", "printed"]),
        json!(["warn", "by the runtime"]),
    ];
    assert_eq!(told, expected, "{lines:#?}");
    let attributes = json!([{ "name": "number", "value": "7" }, { "name": "request.method", "value": "GET" }]);
    assert_eq!(lines[0]["attributes"], attributes, "{lines:#?}");
}

/// The last attempt of a run that failed, and what the command line shows of the run.
async fn failed(host: &Host, wish: Value) -> (Value, String) {
    let run = ask(host, wish).await;
    assert_eq!(run["state"], "dead-lettered", "{}", Api::brief(&run));
    let shown = host.command().args(["runs", "show", run["id"].as_str().unwrap()]).output().await.unwrap();
    assert!(shown.status.success());
    (run["attempts_made"].as_array().unwrap().last().unwrap().clone(), String::from_utf8(shown.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_in_go_tells_file_and_line() {
    let (host, _) = asked().await;
    let (attempt, shown) = failed(&host, json!({ "do": "nil" })).await;
    let reason = attempt["reason"].as_str().unwrap();
    assert!(reason.contains("panic: runtime error: invalid memory address or nil pointer dereference"), "{reason}");
    let stack: Vec<_> = attempt["stack"].as_str().unwrap().lines().collect();
    assert_eq!(stack[..2], ["at main.inner (endings.go:22)", "at main.outer (endings.go:18)"], "{stack:?}");
    assert!(stack.len() == 3 && stack[2].starts_with("at main.onWish (handler.go:"), "{stack:?}");
    assert!(shown.contains("at main.inner (endings.go:22)"), "{shown}");

    // A panic that nobody can catch: Go's own last words.
    let (attempt, shown) = failed(&host, json!({ "do": "goroutine" })).await;
    assert_eq!(attempt["outcome"], "trapped", "{attempt:#}");
    for part in ["panic: nobody catches this", "endings.go:29"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }

    let (attempt, _) = failed(&host, json!({ "do": "error", "url": "x" })).await;
    let reason = attempt["reason"].as_str().unwrap();
    let expected = "no-number: reading the number: strconv.Atoi: parsing \"x\": invalid syntax";
    assert!(reason.contains(expected), "{reason}");
    assert!(attempt["stack"].as_str().unwrap().starts_with("at main.failing (endings.go:"), "{attempt:#}");

    let (attempt, _) = failed(&host, json!({ "do": "dance" })).await;
    assert!(attempt["reason"].as_str().unwrap().contains("nobody knows how to dance"), "{attempt:#}");
    let (attempt, _) = failed(&host, json!({ "do": 7 })).await;
    assert!(attempt["reason"].as_str().unwrap().contains("`do` is a JSON number, not a Go string"), "{attempt:#}");

    let (attempt, _) = failed(&host, json!({ "do": "memory" })).await;
    assert_eq!(attempt["outcome"], "out-of-memory", "{attempt:#}");
}
