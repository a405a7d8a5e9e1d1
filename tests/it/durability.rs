//! Durability: what is there again after a stop or a kill. Kills without number are the gauntlet's (`gauntlet.rs`).

use std::time::Duration;

use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use serde_json::json;

/// SIGTERM while work goes on: runs are released without using up an attempt, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_gives_runs_back() {
    let mut host = Host::options().set("executor.drain", "300ms").start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let id = host.api().start("dev", "probe", &json!([{ "do": "sleep", "ms": 2_000 }, { "do": "echo" }])).await;
    host.api().wait_for(&id, &["running"]).await;
    let begun = std::time::Instant::now();
    let status = host.stop().await;
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    host.restart().await;
    let run = host.api().wait_for(&id, &["succeeded", "dead-lettered"]).await;
    assert_eq!(run["state"], "succeeded", "{}", jackfield_tests::api::Api::brief(&run));
    let outcomes: Vec<_> =
        run["attempts_made"].as_array().unwrap().iter().map(|a| a["outcome"].as_str().unwrap()).collect();
    assert!(outcomes.iter().all(|o| ["succeeded", "host-fault"].contains(o)), "{outcomes:?}");
}

/// Settings, secrets, connections, releases and tokens are there again after a kill.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_survives_a_kill() {
    let mut host = Host::start().await;
    let api = host.api();
    api.set_secret("dev", "one", "a secret of some length").await;
    api.set_connection("dev", "target", "http", json!({ "base_url": "http://127.0.0.1:9" })).await;
    probe::deploy(&host, &Manifest::probe()).await;
    api.set_config("dev", "probe", "setting", json!({ "a": [1, 2] })).await;
    let before = [
        api.get("/v1/environments/dev/secrets").await,
        api.get("/v1/environments/dev/connections").await,
        api.get("/v1/environments/dev/releases").await,
        api.get("/v1/tokens").await,
    ];
    host.kill9().await;
    host.restart().await;
    let api = host.api();
    let after = [
        api.get("/v1/environments/dev/secrets").await,
        api.get("/v1/environments/dev/connections").await,
        api.get("/v1/environments/dev/releases").await,
        api.get("/v1/tokens").await,
    ];
    assert_eq!(before, after);
    let run = probe::run(&host, json!([{ "do": "config", "name": "setting" }])).await;
    assert_eq!(probe::answers(&run)[0], r#"{"a":[1,2]}"#);
}

/// Threat row 68: only a death that left its mark, while the run was alone, counts against it; at the third it is put
/// away. Kills and power cuts leave no mark and put nobody away.
#[tokio::test(flavor = "multi_thread")]
async fn threat_068_only_marked_deaths_put_a_run_away() {
    let mut host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let id = host.api().start("dev", "probe", &json!([{ "do": "sleep", "ms": 15_000 }])).await;
    for _ in 0..5 {
        host.api().wait_for(&id, &["running"]).await;
        host.kill9().await;
        host.restart().await;
    }
    for death in 1..=3 {
        host.api().wait_for(&id, &["running"]).await;
        let pid = rustix::process::Pid::from_raw(host.pid()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::SEGV).unwrap();
        let status = host.ended().await;
        assert!(!status.success(), "{status}");
        host.restart().await;
        let run = host.api().run(&id).await;
        assert_eq!(
            run["state"] == "dead-lettered",
            death == 3,
            "death {death}: {}",
            jackfield_tests::api::Api::brief(&run)
        );
    }
    let run = host.api().run(&id).await;
    assert!(run["reason"].as_str().unwrap().starts_with("crashed-host"), "{run:#}");
    // The others go on.
    assert_eq!(probe::run(&host, json!({ "do": "echo" })).await["state"], "succeeded");
}
