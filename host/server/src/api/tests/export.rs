//! Runs as files, and the components they were handled by.

use http::Method;
use jackfield_core::recording::Recording;
use jackfield_core::store::admin::Right;
use serde_json::json;

use super::{COMPONENT, Rig};

const RUNS: &str = "/v1/environments/dev/integrations/crm/runs";

#[tokio::test]
async fn a_run_is_exported_by_whoever_may_read_it_and_the_trail_says_so() {
    let rig = Rig::new().await;
    // Before the first request: tokens are read from the store once.
    let other = rig.token("deployer", &[Right::Deploy]).await;
    let reader = rig.token("reader", &[Right::Read]).await;
    rig.released("crm").await;
    let run = rig.post(RUNS, json!({ "data": { "name": "Ada" } })).await.ok()["run"].as_str().unwrap().to_owned();
    let path = format!("/v1/runs/{run}/export");
    rig.as_(&other, Method::GET, &path, None).await.problem(403, "forbidden");
    let export = rig.as_(&reader, Method::GET, &path, None).await;
    let recording = Recording::read(&export.bytes).unwrap_or_else(|e| panic!("{e}: {}", export.text()));
    assert_eq!(recording.run.id.to_string(), run);
    assert_eq!(recording.event.data.data, Some(json!({ "name": "Ada" })));
    assert!(recording.partial.is_some() && recording.outcome.is_none(), "no attempt has ended: {}", export.text());
    assert_eq!(rig.as_(&reader, Method::GET, &path, None).await.bytes, export.bytes, "twice the same");
    let trail = rig.get("/v1/audit?limit=1").await.ok();
    assert_eq!((&trail[0]["action"], &trail[0]["detail"]), (&json!("export"), &json!(format!("run {run}"))));
    rig.get("/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/export").await.problem(404, "not-found");
}

#[tokio::test]
async fn threat_087_an_export_can_be_looked_at_in_a_terminal() {
    let rig = Rig::new().await;
    rig.released("crm").await;
    let hostile = "\u{1b}[31mred\r\n\0\u{9b}2J\u{7f}\u{202e}<script>\u{2028}";
    let run = rig.post(RUNS, json!({ "data": { hostile: hostile } })).await.ok()["run"].clone();
    let export = rig.get(&format!("/v1/runs/{}/export", run.as_str().unwrap())).await;
    let text = export.text();
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}')), "{text:?}");
    assert_eq!(export.json()["event"]["data"], json!({ hostile: hostile }), "and it reads back unchanged");
}

#[tokio::test]
async fn a_component_is_given_out_as_it_came() {
    let rig = Rig::new().await;
    let digest = rig.artifact("given", &[], true).await;
    let reader = rig.token("reader", &[Right::Read]).await;
    let content = rig.as_(&reader, Method::GET, &format!("/v1/artifacts/{digest}/content"), None).await;
    assert_eq!(
        (content.status.as_u16(), &content.headers["content-type"]),
        (200, &"application/wasm".parse().unwrap())
    );
    assert!(content.bytes.starts_with(&COMPONENT));
    assert_eq!(rig.get("/v1/audit?limit=1").await.ok()[0]["action"], "download");
    let unknown = format!("/v1/artifacts/sha256:{}/content", "0".repeat(64));
    rig.get(&unknown).await.problem(404, "not-found");
}
