use super::*;
use crate::hold::Hold;

const TRIGGERS: &str = "/v1/environments/dev/integrations/sweeper/triggers";

impl Rig {
    async fn scheduled(&self) {
        let digest = self.artifact("sweeper", &[], true).await;
        let manifest = r#"manifest_version = 1
[integration]
name = "sweeper"
[component.main]
source = "main.wasm"
[[trigger]]
name = "nightly"
kind = "cron"
component = "main"
schedule = "30 2 * * *"
timezone = "Europe/Berlin"
misfire = { all = 3 }
[[trigger]]
name = "beat"
kind = "interval"
component = "main"
every = "90s"
[[trigger]]
name = "hook"
kind = "webhook"
component = "main"
"#;
        let body = json!({ "manifest": manifest, "artifacts": { "main": digest } });
        self.post("/v1/environments/dev/releases", body).await.ok();
    }
}

#[tokio::test]
async fn schedules_say_when_they_are_due() {
    let rig = Rig::new().await;
    rig.scheduled().await;
    let listed = rig.get("/v1/environments/dev/triggers").await.ok();
    let nightly = rig.get(&format!("{TRIGGERS}/nightly")).await.ok();
    assert_eq!(listed[0], nightly);
    assert_eq!((&nightly["kind"], &nightly["url"]), (&json!("cron"), &Value::Null));
    let schedule = &nightly["schedule"];
    assert_eq!(
        (&schedule["timing"], &schedule["zone"]),
        (&json!("30 2 * * * in Europe/Berlin"), &json!("Europe/Berlin"))
    );
    assert_eq!((&schedule["misfire"], &schedule["overlap"]), (&json!({ "all": 3 }), &json!("skip")));
    let next: Vec<&str> = schedule["next"].as_array().unwrap().iter().map(|at| at.as_str().unwrap()).collect();
    assert_eq!(next.len(), 5);
    assert!(next.iter().all(|at| at.ends_with(":30:00.000Z")) && next.is_sorted(), "{next:?}");
    assert_eq!((&schedule["last_fired"], &schedule["missed"]), (&Value::Null, &json!(0)));
    assert_eq!(listed[1]["schedule"]["timing"], "every 90s");
    assert_eq!(listed[2]["schedule"], Value::Null);
    rig.get(&format!("{TRIGGERS}/nobody")).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_schedule_is_fired_by_hand_and_nothing_else_is() {
    let rig = Rig::new().await;
    rig.scheduled().await;
    let fire = async |trigger: &str| rig.post(&format!("{TRIGGERS}/{trigger}/fire"), json!({})).await;
    let fired = fire("nightly").await;
    assert_eq!(fired.status, StatusCode::ACCEPTED);
    let run = fired.ok()["run"].as_str().unwrap().to_owned();
    let run = rig.get(&format!("/v1/runs/{run}")).await.ok();
    assert_eq!(
        (&run["trigger"], &run["component"], &run["event"]["type"]),
        (&json!("nightly"), &json!("main"), &json!("jackfield.cron"))
    );
    assert_eq!(run["event"]["data"]["zone"], "Europe/Berlin");
    assert_ne!(fire("beat").await.ok()["run"], run["id"]);
    let nightly = rig.get(&format!("{TRIGGERS}/nightly")).await.ok();
    assert_eq!(nightly["schedule"]["last_fired"], Value::Null, "it was none of its instants");
    let trail = rig.get("/v1/audit?limit=2").await.ok();
    assert_eq!((&trail[1]["action"], &trail[1]["who"]), (&json!("fire"), &json!("tester")));
    assert!(trail[1]["detail"].as_str().unwrap().starts_with("trigger nightly of sweeper in dev: run "), "{trail}");
    let refused = fire("hook").await.problem(400, "bad-request");
    assert!(refused["detail"].as_str().unwrap().contains("kind webhook"), "{refused}");
    fire("nobody").await.problem(404, "not-found");
    let reader = rig.token("reader", &[Right::Read]).await;
    let seen = rig.as_(&reader, Method::POST, &format!("{TRIGGERS}/nightly/fire"), Some(json!({}))).await;
    seen.problem(403, "forbidden");
}

#[tokio::test]
async fn a_held_host_fires_nothing() {
    let rig = Rig::prepared(|data| Hold::put(data).unwrap()).await;
    rig.scheduled().await;
    rig.post(&format!("{TRIGGERS}/nightly/fire"), json!({})).await.problem(503, "held");
}
