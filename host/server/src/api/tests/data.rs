use futures_util::StreamExt as _;
use jackfield_core::logs::Level;
use jackfield_core::outcome::Usage;
use jackfield_core::redact::Redactor;
use jackfield_core::run::AttemptRecord;
use jackfield_core::store::queue::{Ending, JournalEnd, Room, Settle};

use super::super::backup::BackupManifest;
use super::*;

const SECRETS: &str = "/v1/environments/dev/secrets";
const RUNS: &str = "/v1/environments/dev/integrations/crm/runs";

#[tokio::test]
async fn threat_048_a_secret_is_never_shown() {
    let rig = Rig::new().await;
    let canary = "canary-7f3a9";
    let path = format!("{SECRETS}/github-token");
    let answer = rig.put(&path, json!({ "value": canary })).await;
    assert_eq!(answer.ok()["version"], 1);
    assert_eq!(rig.put(&path, json!({ "value": canary })).await.ok()["version"], 2);
    for body in [json!({ "value": { "x": canary } }), json!({ "value": [canary] }), json!({ canary: 1 }), json!(canary)]
    {
        let answer = rig.put(&path, body).await;
        answer.problem(400, "bad-request");
        assert!(!answer.text().contains(canary), "{}", answer.text());
    }
    rig.put(&path, json!({ "value": "" })).await.problem(400, "bad-request");
    rig.put(&path, json!({ "value": "x".repeat(64 * 1024 + 1) })).await.problem(413, "too-large");
    for path in [SECRETS, "/v1/audit", "/v1/status", "/v1/environments/dev/connections"] {
        assert!(!rig.get(path).await.text().contains(canary), "{path}");
    }
    let name = "github-token".parse().unwrap();
    let kept = rig.built.host.outside.secret(&"dev".parse().unwrap(), &name).await.unwrap().unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&kept), canary, "it is kept");

    rig.delete(&path).await.ok();
    rig.delete(&path).await.problem(404, "not-found");
    assert_eq!(rig.get(SECRETS).await.ok(), json!([]));
    rig.put("/v1/environments/nowhere/secrets/x", json!({ "value": "x" })).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_connection_is_checked_whole_and_says_what_it_lacks() {
    let rig = Rig::new().await;
    let path = "/v1/environments/dev/connections/github";
    let unknown = rig.put(path, json!({ "kind": "gopher", "settings": {} })).await.problem(422, "refused");
    assert!(unknown["problems"][0]["text"].as_str().unwrap().contains("http"), "it says what there is: {unknown}");
    let bad = json!({ "kind": "http", "settings": { "base_url": "ftp://x", "strange": 1 } });
    let bad = rig.put(path, bad).await.problem(422, "refused");
    assert!(bad["problems"].as_array().unwrap().len() >= 2, "all at once: {bad}");
    assert!(bad["problems"].as_array().unwrap().iter().all(|p| p["key"].is_string()), "{bad}");

    let settings =
        json!({ "base_url": "https://api.example.com", "credential": { "type": "bearer", "secret": "github-token" } });
    let set = rig.put(path, json!({ "kind": "http", "settings": settings, "integrations": ["crm"] })).await.ok();
    assert!(set["warnings"][0].as_str().unwrap().contains("jackfield secrets set github-token --env dev"), "{set}");
    rig.put(&format!("{SECRETS}/github-token"), json!({ "value": "x" })).await.ok();
    let set = rig.put(path, json!({ "kind": "http", "settings": settings })).await.ok();
    assert_eq!(set.get("warnings"), None, "{set}");
    let trail = rig.get("/v1/audit?limit=1").await.ok();
    assert!(trail[0]["detail"].as_str().unwrap().ends_with("changed integrations"), "{trail}");

    let list = rig.get("/v1/environments/dev/connections").await.ok();
    assert_eq!(list[0]["settings"], settings);
    assert_eq!(rig.get("/v1/environments/prod/connections").await.ok(), json!([]));

    let bind = "/v1/environments/dev/bindings/crm/issues";
    rig.put(bind, json!({ "connection": "gitlab" })).await.problem(422, "refused");
    rig.put(bind, json!({ "connection": "github" })).await.ok();
    let expected = json!([{ "integration": "crm", "name": "issues", "connection": "github" }]);
    assert_eq!(rig.get("/v1/environments/dev/bindings").await.ok(), expected);

    rig.delete(path).await.ok();
    rig.delete(path).await.problem(404, "not-found");
    let tested = rig.post(&format!("{path}/test"), json!({})).await;
    tested.problem(404, "not-found");
}

#[tokio::test]
async fn settings_are_kept_as_they_are() {
    let rig = Rig::new().await;
    let base = "/v1/environments/dev/integrations/crm/config";
    for (name, value) in [("repository", json!("acme/app")), ("labels", json!(["a", "b"])), ("limit", json!(7))] {
        rig.put(&format!("{base}/{name}"), json!({ "value": value })).await.ok();
    }
    let expected = json!({ "labels": ["a", "b"], "limit": 7, "repository": "acme/app" });
    assert_eq!(rig.get(base).await.ok(), expected);
    assert_eq!(rig.get("/v1/environments/prod/integrations/crm/config").await.ok(), json!({}));
    rig.put(&format!("{base}/limit"), json!({ "value": null })).await.problem(400, "bad-request");
    rig.delete(&format!("{base}/limit")).await.ok();
    rig.delete(&format!("{base}/limit")).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_run_started_by_hand_is_durable_shown_and_cancelled() {
    let rig = Rig::new().await;
    rig.post(RUNS, json!({})).await.problem(404, "not-found");
    rig.released("crm").await;
    let body = json!({ "data": { "id": 7 }, "request": "fr-7", "subject": "FR-7" });
    let started = rig.post(RUNS, body.clone()).await;
    assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text());
    let started = started.json();
    assert_eq!(started["state"], "queued");
    let run = started["run"].as_str().unwrap();
    assert_eq!(rig.post(RUNS, body).await.ok()["run"], run, "the same request is the same run");
    let other = rig.post(&format!("{RUNS}?wait=1ms"), json!({ "data_text": "hi" })).await;
    assert_eq!(other.status, StatusCode::ACCEPTED, "it does not end in time");
    let other = other.json()["run"].as_str().unwrap().to_owned();

    let shown = rig.get(&format!("/v1/runs/{run}")).await.ok();
    assert_eq!(shown["event"]["data"], json!({ "id": 7 }));
    assert_eq!((&shown["event"]["id"], &shown["event"]["subject"]), (&json!("fr-7"), &json!("FR-7")));
    assert_eq!((&shown["event"]["content_type"], &shown["trigger"]), (&json!("application/json"), &json!("manual")));
    assert!(shown["accepted"].as_str().unwrap().ends_with('Z'));
    let prefix = &run[..run.len() - 1].to_lowercase();
    assert_eq!(rig.get(&format!("/v1/runs/{prefix}")).await.ok()["id"], run, "a prefix will do");
    assert_eq!(rig.get(&format!("/v1/runs/{run}/logs")).await.ok(), json!([]));
    let common: String = run.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    assert!(common.len() >= 6, "they were made within a second: {run} {other}");
    rig.get(&format!("/v1/runs/{common}")).await.problem(409, "conflict");
    rig.get("/v1/runs/01J").await.problem(404, "not-found");

    let page = rig.get("/v1/runs?environment=dev&integration=crm&state=queued&limit=1").await.ok();
    assert_eq!(page["runs"][0]["id"], other, "newest first");
    let next = page["next"].as_str().unwrap();
    let page = rig.get(&format!("/v1/runs?limit=1&before={next}")).await.ok();
    assert_eq!(page["runs"][0]["id"], run);
    rig.get("/v1/runs?environment=nowhere").await.problem(404, "not-found");

    rig.post(&format!("/v1/runs/{run}/decide"), json!({ "decision": "retry" })).await.problem(409, "conflict");
    rig.post(&format!("/v1/runs/{run}/decide"), json!({ "decision": "maybe" })).await.problem(400, "bad-request");
    assert_eq!(rig.post(&format!("/v1/runs/{run}/cancel"), json!({})).await.ok()["state"], "cancelled");
    rig.post(&format!("/v1/runs/{run}/cancel"), json!({})).await.problem(409, "conflict");
    assert_eq!(rig.get("/v1/audit?limit=1").await.ok()[0]["detail"], format!("run {run}"));

    let bad = [json!({ "data": 1, "data_text": "x" }), json!({ "data_base64": "?" }), json!({ "type": "a\nb" })];
    for body in bad {
        rig.post(RUNS, body).await.problem(400, "bad-request");
    }
    rig.post(RUNS, json!({ "component": "nothing" })).await.problem(404, "not-found");
    rig.post(RUNS, json!({ "data_text": "x".repeat(2 << 20) })).await.problem(413, "too-large");
    rig.post(RUNS, json!({ "data_text": "x".repeat(17 << 20) })).await.problem(413, "too-large");
}

#[tokio::test]
async fn dead_letters_are_named_or_nothing_happens() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    let run = rig.post(RUNS, json!({})).await.ok()["run"].clone();
    for verb in ["resume", "discard"] {
        let path = format!("/v1/dead-letters/{verb}");
        rig.post(&path, json!({ "request": "r1", "runs": [run] })).await.problem(409, "conflict");
        rig.post(&path, json!({ "request": "r1", "runs": ["01ARZ3NDEKTSV4RRFFQ69G5FAV"] }))
            .await
            .problem(404, "not-found");
        rig.post(&path, json!({ "request": "", "runs": [run] })).await.problem(400, "bad-request");
        rig.post(&path, json!({ "request": "r1", "runs": [] })).await.problem(400, "bad-request");
    }
}

#[tokio::test]
async fn a_held_host_starts_nothing_until_it_is_released() {
    let rig = Rig::prepared(|data| std::fs::write(data.join(crate::hold::FILE), "").unwrap()).await;
    rig.released("crm").await;
    assert_eq!(rig.get("/v1/status").await.ok()["held"], true);
    let held = rig.post(RUNS, json!({})).await.problem(503, "held");
    assert!(held["detail"].as_str().unwrap().contains("--release-hold"), "{held}");
    assert_eq!(rig.post("/v1/release-hold", json!({})).await.ok(), json!({ "held": false }));
    rig.post(RUNS, json!({})).await.ok();
    assert_eq!(rig.get("/v1/audit?limit=1").await.ok()[0]["action"], "release-hold");
}

/// Claims the one run that is due, and ends its attempt like this.
async fn end(rig: &Rig, outcome: &str, then: Settle) {
    let host = &rig.built.host;
    let claims = host.store.claim(Room { slots: 1, memory_bytes: 1 << 30 }).await.unwrap();
    let now = host.clock.now();
    let attempt = AttemptRecord {
        number: 1,
        started: now,
        ended: now,
        outcome: outcome.into(),
        reason: None,
        stack: None,
        usage: Usage { wall: Duration::from_micros(1_500), ..Usage::default() },
        refused: None,
        calls: Vec::new(),
    };
    let ending = Ending { attempt, output: None, then, journal: JournalEnd::Keep(None) };
    host.store.settle(claims[0].fence, ending).await.unwrap();
}

#[tokio::test]
async fn threat_074_a_resume_sent_twice_resumes_once() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    let run = rig.post(RUNS, json!({})).await.ok()["run"].as_str().unwrap().to_owned();
    let dead = || Settle::DeadLettered { reason: "RangeError: no".into() };
    end(&rig, "failed", dead()).await;
    let shown = rig.get(&format!("/v1/runs/{run}")).await.ok();
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("dead-lettered"), &json!("RangeError: no")));
    assert_eq!(shown["attempts_made"][0]["usage"]["wall_ms"], 1.5);

    let body = json!({ "request": "r1", "runs": [&run[..25], run] });
    for _ in 0..2 {
        assert_eq!(rig.post("/v1/dead-letters/resume", body.clone()).await.ok(), json!({ "resumed": 1 }));
        assert_eq!(rig.get(&format!("/v1/runs/{run}")).await.ok()["state"], "queued");
    }
    end(&rig, "failed", dead()).await;
    let body = json!({ "request": "r2", "runs": [run] });
    assert_eq!(rig.post("/v1/dead-letters/discard", body).await.ok(), json!({ "discarded": 1 }));
    assert_eq!(rig.get("/v1/runs?state=discarded").await.ok()["runs"][0]["id"], run);
    let trail = rig.get("/v1/audit?limit=1").await.ok();
    assert_eq!((&trail[0]["action"], &trail[0]["detail"]), (&json!("discard"), &json!(format!("1 run(s): {run}"))));
}

#[tokio::test]
async fn a_parked_run_is_decided_over_once() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    let run = rig.post(RUNS, json!({})).await.ok()["run"].as_str().unwrap().to_owned();
    end(&rig, "in-doubt", Settle::Parked { reason: "call 2 may have happened".into() }).await;
    assert_eq!(rig.get("/v1/runs?state=needs-decision").await.ok()["runs"][0]["id"], run);
    let path = format!("/v1/runs/{run}/decide");
    assert_eq!(rig.post(&path, json!({ "decision": "fail" })).await.ok()["state"], "dead-lettered");
    rig.post(&path, json!({ "decision": "fail" })).await.problem(409, "conflict");
}

#[tokio::test]
async fn whoever_waits_is_told_as_soon_as_a_run_ends() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    let waiting = format!("{RUNS}?wait=40s");
    let cancel = async {
        let mut run = String::new();
        until("the run", async || {
            let page = rig.get("/v1/runs").await.ok();
            run = page["runs"][0]["id"].as_str().unwrap_or_default().to_owned();
            !run.is_empty()
        })
        .await;
        rig.post(&format!("/v1/runs/{run}/cancel"), json!({})).await.ok();
    };
    let (answer, ()) = tokio::join!(rig.post(&waiting, json!({})), cancel);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["state"], "cancelled");
}

#[tokio::test]
async fn threat_087_what_guests_and_strangers_say_is_escaped() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    let hostile = "\u{1b}[31mred\r\n\0\u{9b}2J\u{7f}\u{202e}<script>\u{2028}";
    let run = rig.post(RUNS, json!({ "data": { hostile: hostile } })).await.ok()["run"].clone();
    let answer = rig.get(&format!("/v1/runs/{}", run.as_str().unwrap())).await;
    let text = std::str::from_utf8(&answer.bytes).unwrap();
    assert!(!text.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}')), "{text:?}");
    assert_eq!(answer.json()["event"]["data"], json!({ hostile: hostile }), "and it reads back unchanged");

    let name = rig.get("/v1/runs/%1b%5b31m%0d%0a%c2%9b").await;
    name.problem(404, "not-found");
    assert!(!name.text().chars().any(char::is_control), "{:?}", name.text());
    let kind = rig.put("/v1/environments/dev/connections/x", json!({ "kind": hostile, "settings": {} })).await;
    kind.problem(422, "refused");
    assert!(!kind.text().chars().any(char::is_control), "{:?}", kind.text());
}

#[tokio::test]
async fn the_host_says_how_it_is() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    rig.post(RUNS, json!({ "data": 1 })).await.ok();
    let status = rig.get("/v1/status").await.ok();
    assert_eq!(status["environments"], json!(["dev", "prod"]));
    assert_eq!((&status["held"], &status["store"]["writable"]), (&json!(false), &json!(true)));
    assert_eq!(status["store"]["queues"][0]["queued"], 1);
    assert!(status["engine"].as_str().unwrap().contains("48."), "{status}");
    assert_eq!(rig.get("/v1/environments").await.ok(), json!([{ "name": "dev" }, { "name": "prod" }]));
    assert_eq!(rig.post("/v1/release-hold", json!({})).await.ok(), json!({ "held": false }));
    assert_eq!(rig.get("/v1/logs?environment=dev&level=warn").await.ok(), json!([]));
}

#[tokio::test]
async fn whoever_follows_the_logs_does_not_hold_up_the_end() {
    let rig = Rig::new().await;
    let request =
        Request::get("/v1/logs/follow").header(AUTHORIZATION, format!("Bearer {}", rig.admin)).body(Body::empty());
    let response = rig.send(request.unwrap()).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/x-ndjson");
    rig.built.host.health.drain();
    let end = tokio::time::timeout(Duration::from_secs(10), to_bytes(response.into_body(), 1 << 20)).await;
    assert_eq!(end.expect("it went on").unwrap(), Bytes::new());
}

#[tokio::test]
async fn log_lines_arrive_as_they_are_written() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    let run = rig.post(RUNS, json!({})).await.ok()["run"].as_str().unwrap().to_owned();
    let path = format!("/v1/logs/follow?environment=dev&level=warn&run={}", &run[..20]);
    let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {}", rig.admin)).body(Body::empty());
    let mut lines = rig.send(request.unwrap()).await.into_body().into_data_stream();

    let host = &rig.built.host;
    let target = host.store.run(run.parse().unwrap()).await.unwrap().summary.target;
    let log = host.logs.attempt(run.parse().unwrap(), 1, &target, 1 << 20, Redactor::none());
    log.write(Level::Info, "below the level", &[]);
    log.write(Level::Warn, "no channel\u{1b}[0m", &[("channel".into(), "#general".into())]);
    let line = tokio::time::timeout(Duration::from_secs(20), lines.next()).await.expect("it came").unwrap().unwrap();
    let text = std::str::from_utf8(&line).unwrap();
    assert!(text.ends_with('\n') && !text.trim_end().chars().any(char::is_control), "{text:?}");
    let line: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&line["level"], &line["run"], &line["attempt"]), (&json!("warn"), &json!(run), &json!(1)));
    assert_eq!(line["attributes"], json!([{ "name": "channel", "value": "#general" }]));
    assert!(line["at"].as_str().unwrap().ends_with('Z'));

    until("the lines of the run", async || {
        rig.get(&format!("/v1/runs/{run}/logs")).await.ok().as_array().unwrap().len() == 2
    })
    .await;
    let recent = rig.get("/v1/logs?integration=crm&limit=1").await.ok();
    assert_eq!(recent[0], line);
}

async fn entries(rig: &Rig, query: &str) -> Vec<(String, Vec<u8>)> {
    use std::io::Read as _;
    let answer = rig.post(&format!("/v1/backup{query}"), json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.headers[CONTENT_TYPE], "application/x-tar");
    let mut archive = tar::Archive::new(&answer.bytes[..]);
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mode().unwrap(), 0o600);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        found.push((entry.path().unwrap().display().to_string(), bytes));
    }
    found
}

#[tokio::test]
async fn a_backup_is_whole_and_holds_keys_only_if_asked() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    rig.put(&format!("{SECRETS}/x"), json!({ "value": "canary-1188" })).await.ok();

    let found = entries(&rig, "").await;
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["manifest.json", "jackfield.db"]);
    assert!(names.len() == 3 && names[2].starts_with("artifacts/") && names[2].ends_with(".wasm"), "{names:?}");
    let manifest: BackupManifest = serde_json::from_slice(&found[0].1).unwrap();
    assert_eq!((manifest.format, manifest.artifacts.as_slice()), (1, &[names[2].to_owned()][..]));
    assert!(found[1].1.starts_with(b"SQLite format 3\0"));
    assert!(found.iter().all(|(_, bytes)| !bytes.windows(11).any(|w| w == b"canary-1188")), "a secret lies open in it");
    assert_eq!(
        std::fs::read_dir(rig.built.host.config.data.join("uploads")).map_or(0, Iterator::count),
        0,
        "the copy is gone"
    );

    let found = entries(&rig, "?with_keys=true").await;
    let key = &found.iter().find(|(name, _)| name == "keys/master.key").expect("it was asked for").1;
    assert_eq!(*key, std::fs::read(rig.data.path().join("master.key")).unwrap());
    let trail = rig.get("/v1/audit?limit=2").await.ok();
    assert!(trail[0]["detail"].as_str().unwrap().contains("with the master key"), "{trail}");
    assert!(trail[1]["detail"].as_str().unwrap().contains("without keys"), "{trail}");
}
