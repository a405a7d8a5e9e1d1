//! Upgrades while work goes on: a run keeps the version that accepted it, and a release is one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jackfield_tests::api::Api;
use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The same component with another digest: a custom section more, which nobody reads.
fn variant(wasm: &[u8], number: u8) -> Vec<u8> {
    let mut other = wasm.to_vec();
    // Custom section, three bytes: a name of one letter, and one byte of content.
    other.extend([0, 3, 1, b'v', number]);
    other
}

/// Threat row 28: the same name is released again while runs are under way.
#[tokio::test(flavor = "multi_thread")]
async fn threat_028_a_release_switches_at_once_and_runs_keep_their_version() {
    let host = Host::start().await;
    let manifest = Manifest::probe().set_toml("trigger.0.rate", "{ per_second = 10000, burst = 10000 }").text();
    let wasm = probe::wasm();
    let deploy = async |number: u8| {
        let deployed = host.api().deploy("dev", &manifest, &[("probe", &variant(&wasm, number))]).await;
        deployed["version"].as_u64().unwrap()
    };
    assert_eq!(deploy(1).await, 1);
    let digest = |release: &Value| release["artifacts"]["probe"].as_str().unwrap().to_owned();
    let first = digest(&host.api().get("/v1/environments/dev/releases").await[0]);

    // At work when the release comes.
    let working = host.api().start("dev", "probe", &json!([{ "do": "sleep", "ms": 3_000 }, { "do": "echo" }])).await;
    host.api().wait_for(&working, &["running"]).await;

    let url = host.hook("dev", "probe", "hook").await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for _ in 0..4 {
        let (url, stop) = (url.clone(), Arc::clone(&stop));
        senders.spawn(async move {
            let mut accepted = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let (status, _, body) = post_hook(&url, &[], r#"[{"do":"echo"}]"#).await.expect("the host answers");
                assert_eq!(status, 202, "{body:#}");
                accepted.push(body["run"].as_str().unwrap().to_owned());
            }
            accepted
        });
    }
    let mut lowest_after = Vec::new();
    for number in 2..=5 {
        let version = deploy(number).await;
        assert_eq!(version, u64::from(number));
        // Whatever is accepted from now on is of this version or a later one.
        let (status, _, body) = post_hook(&url, &[], r#"[{"do":"echo"}]"#).await.unwrap();
        assert_eq!(status, 202);
        lowest_after.push((version, body["run"].as_str().unwrap().to_owned()));
    }
    stop.store(true, Ordering::Relaxed);
    let mut runs: Vec<String> = senders.join_all().await.into_iter().flatten().collect();
    runs.sort();

    let mut last = 0;
    for id in &runs {
        let run = host.api().wait_for(id, &["succeeded", "dead-lettered"]).await;
        let version = run["version"].as_u64().unwrap();
        // Ids sort by time: versions never go back, but for neighbours within one switch.
        assert!(version + 1 >= last, "run {id} is of version {version} after one of {last}");
        last = last.max(version);
        assert_eq!(probe::answers(&run)[0]["run"]["version"], version, "the guest saw another version");
    }
    for (version, id) in lowest_after {
        let run = host.api().wait_for(&id, &["succeeded"]).await;
        assert!(run["version"].as_u64().unwrap() >= version);
    }
    let old = host.api().wait_for(&working, &["succeeded"]).await;
    assert_eq!(old["version"], 1, "{}", Api::brief(&old));
    assert_eq!(probe::answers(&old)[1]["run"]["version"], 1);

    // Both are there to be seen.
    let now = digest(&host.api().get("/v1/environments/dev/releases").await[0]);
    assert_ne!(first, now);
    for digest in [first, now] {
        assert_eq!(host.api().get(&format!("/v1/artifacts/{digest}")).await["digest"], digest.as_str());
    }
}

/// A restart does not compile again: the first run after it is not slower than the compiler is.
#[tokio::test(flavor = "multi_thread")]
async fn threat_027_code_that_was_changed_on_disk_is_not_run() {
    let mut host = Host::options().first_start().start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let run = probe::run(&host, json!({ "do": "echo" })).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    host.stop().await;

    // One bit in the middle of every large file that is no artifact, no database and no log.
    let mut changed = 0;
    super::canary::walk(&host.data(), &mut |file| {
        let text = file.display().to_string();
        let bytes = std::fs::read(file).unwrap();
        if bytes.len() < 100_000
            || bytes.starts_with(b"\0asm")
            || bytes.starts_with(b"SQLite")
            || text.contains("-wal")
            || text.contains("log")
        {
            return;
        }
        let mut bytes = bytes;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).unwrap();
        changed += 1;
    });
    assert!(changed > 0, "no compiled code was found in {}", host.data().display());

    host.restart().await;
    let run = probe::run(&host, json!({ "do": "echo" })).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    let audit = host.api().get("/v1/audit?limit=100").await;
    assert!(audit.to_string().contains("cache") || audit.to_string().contains("code"), "nobody was told: {audit:#}");
}
