//! Limits: every ending that a limit brings about names the limit and the setting.

use std::time::Duration;

use jackfield_tests::api::Api;
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use jackfield_tests::stubs::Stub;
use jackfield_tests::stubs::echo::Echo;
use serde_json::{Value, json};

async fn ends(host: &Host, steps: Value, outcome: &str, told: &[&str]) -> Value {
    let run = probe::run(host, steps).await;
    assert_eq!(run["state"], "dead-lettered", "{}", Api::brief(&run));
    let attempts = run["attempts_made"].as_array().unwrap();
    assert!(attempts.iter().all(|a| a["outcome"] == outcome), "{}", Api::brief(&run));
    let reason = run["reason"].as_str().unwrap();
    for part in told {
        assert!(reason.contains(part), "`{part}` is not in {reason:?}");
    }
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_ends_an_attempt_is_named_with_its_setting() {
    let target = Stub::start(0, Echo).await.unwrap();
    let host = Host::start().await;
    probe::connect(&host, &target).await;
    let manifest = Manifest::probe().set_toml(
        "component.probe.limits",
        r#"{ memory = "16MiB", cpu = "500ms", timeout = "2s", calls = 20, output = "64KiB" }"#,
    );
    probe::deploy(&host, &manifest).await;

    let run = ends(&host, json!({ "do": "loop" }), "out-of-time", &["limits.cpu"]).await;
    // One more attempt, then it is over.
    assert_eq!(run["attempts"], 2);
    ends(&host, json!({ "do": "sleep", "ms": 60_000 }), "out-of-time", &["limits.timeout"]).await;
    ends(&host, json!({ "do": "alloc", "bytes": 64 << 20 }), "out-of-memory", &["limits.memory", "16 MiB"]).await;
    let call = json!({ "connection": "target", "method": "GET", "url": "/x" });
    ends(&host, json!({ "do": "many-calls", "times": 21, "call": call }), "over-budget", &["limits.calls", "20"]).await;
    ends(&host, json!({ "do": "output", "bytes": 65 * 1024 }), "over-budget", &["limits.output"]).await;
    // The host is as well as before.
    let run = probe::run(&host, json!({ "do": "echo" })).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_keeps_what_the_guest_said_and_where_it_was() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let run = ends(
        &host,
        json!({ "do": "panic", "message": "the widget is upside down" }),
        "trapped",
        &["the widget is upside down", "steps.rs:"],
    )
    .await;
    let stack = run["attempts_made"][0]["stack"].as_str().expect("a trap has frames");
    assert!(stack.contains("probe"), "no name of the guest's own in\n{stack}");
    let logged = host.api().logs(run["id"].as_str().unwrap()).await;
    assert!(
        logged.iter().any(|l| l["level"] == "error" && l["message"].as_str().unwrap().contains("upside down")),
        "{logged:#?}"
    );

    ends(&host, json!({ "do": "recurse" }), "trapped", &["stack"]).await;
    ends(&host, json!({ "do": "exit", "status": 3 }), "trapped", &["exit"]).await;
    let once = probe::run(&host, json!([{ "do": "panic", "message": "only once", "until": 2 }])).await;
    assert_eq!((&once["state"], &once["attempts"]), (&json!("succeeded"), &json!(2)), "{}", Api::brief(&once));
}

/// A flood of log lines is cut, said to be cut, and costs the host no more than the cap.
#[tokio::test(flavor = "multi_thread")]
async fn threat_086_a_log_flood_is_cut_and_said_to_be() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe().set("component.probe.limits.log", "64KiB")).await;
    let run = probe::run(&host, json!([{ "do": "log-flood", "lines": 30_000, "bytes": 200 }])).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    let lines = host.api().logs(run["id"].as_str().unwrap()).await;
    let bytes: usize = lines.iter().map(|line| line["message"].as_str().unwrap().len()).sum();
    assert!(bytes <= 80 * 1024, "{bytes} bytes were kept");
    assert!(
        lines.iter().any(|l| l["message"].as_str().unwrap().contains("dropped")),
        "nothing says that lines are missing"
    );
    let dropped: f64 = host
        .samples()
        .await
        .iter()
        .filter(|(n, _)| n.starts_with("jackfield_log_lines_dropped_total"))
        .map(|(_, v)| v)
        .sum();
    assert!(dropped > 20_000.0, "{dropped}");
}

/// What a guest writes cannot steer a terminal or break a line, in the API and on the command line.
#[tokio::test(flavor = "multi_thread")]
async fn threat_087_a_guests_text_steers_no_terminal() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let nasty = "a\u{1b}[31mred\u{7}\r\nforged line\u{0}\u{9b}31m <script>alert(1)</script>";
    let run = probe::run(&host, json!([{ "do": "log", "level": "warn", "message": nasty, "attributes": { "k\u{1b}": nasty } }, { "do": "fail", "retryable": false, "message": nasty }])).await;
    let id = run["id"].as_str().unwrap().to_owned();

    let raw = host
        .api()
        .request(reqwest::Method::GET, &format!("/v1/runs/{id}/logs"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let controls: Vec<_> = raw.chars().filter(|c| c.is_control() && *c != '\n').collect();
    assert!(controls.is_empty(), "the API answers with {controls:?}");

    for arguments in
        [vec!["runs", "show", &id], vec!["logs", "--run", &id], vec!["runs", "list"], vec!["deadletters", "list"]]
    {
        let output = host.command().args(&arguments).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let controls: Vec<_> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
        assert!(controls.is_empty(), "{arguments:?} prints {controls:?}");
        assert!(
            !text.lines().any(|line| line.trim_start().starts_with("forged line")),
            "{arguments:?} breaks a line:\n{text}"
        );
    }
}

/// Four guests that compute for ever are ended in time, and a neighbour goes on meanwhile without a failure.
#[tokio::test(flavor = "multi_thread")]
async fn p9_threat_001_loops_end_in_time_and_the_neighbour_goes_on() {
    let host = Host::options().alone().start().await;
    let looping = Manifest::probe()
        .named("looping")
        .set_toml("component.probe.limits", r#"{ timeout = "1s", cpu = "10s" }"#)
        .set("component.probe.retry.attempts", 1);
    probe::deploy(&host, &looping).await;
    probe::deploy(&host, &Manifest::probe().named("neighbour")).await;
    let api = host.api();
    let mut loops = Vec::new();
    for _ in 0..4 {
        loops.push(api.start("dev", "looping", &json!({ "do": "loop" })).await);
    }
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let run = api.run_to_end("dev", "neighbour", &json!({ "do": "echo" })).await;
        assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    }
    for id in loops {
        let run = api.wait_for(&id, &["dead-lettered"]).await;
        let attempt = &run["attempts_made"][0];
        assert_eq!(attempt["outcome"], "out-of-time", "{}", Api::brief(&run));
        let wall = attempt["usage"]["wall_ms"].as_f64().unwrap();
        assert!((1_000.0..1_250.0).contains(&wall), "ended after {wall} ms");
    }
}
