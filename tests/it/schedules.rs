//! Schedules of the real host: on time, through kills, and with what people see of them.

use std::time::Duration;

use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::{probe, wait};
use serde_json::{Value, json};

/// The probe with a trigger that fires each second. It does not understand the events, which is all the same
/// here; so that nothing else goes on, it is tried once.
fn each_second(misfire: &str) -> Manifest {
    let trigger = format!(
        r#"{{ name = "tick", kind = "cron", component = "probe", schedule = "* * * * * *", timezone = "Europe/Berlin",
             overlap = "allow", misfire = {misfire} }}"#
    );
    Manifest::probe().set_toml("trigger", &format!("[{trigger}]")).set_toml("component.probe.retry", "{ attempts = 1 }")
}

/// The instants that became runs, in seconds since 1970, as the runs' events have them.
async fn instants(host: &Host) -> Vec<i64> {
    let runs = host.api().get("/v1/runs?environment=dev&integration=probe&limit=1000").await;
    let list = runs.as_array().or_else(|| runs["runs"].as_array()).unwrap();
    let ids = list.iter().map(|run| run["event_id"].as_str().unwrap());
    let mut seconds: Vec<i64> = ids
        .map(|id| id.parse::<jiff::Timestamp>().unwrap_or_else(|_| panic!("{id} is no instant")).as_second())
        .collect();
    seconds.sort_unstable();
    seconds
}

async fn more(host: &Host, than: usize) -> Vec<i64> {
    let enough = async || {
        let instants = instants(host).await;
        (instants.len() > than).then_some(instants)
    };
    wait::until("schedules fire", wait::LONG, enough).await
}

/// P5: a run a second, and none of them twice or missing, though the host is killed again and again.
#[tokio::test(flavor = "multi_thread")]
async fn p5_one_firing_through_kills() {
    let mut host = Host::start().await;
    probe::deploy(&host, &each_second("{ all = 1000 }")).await;
    let mut seen = 0;
    for kill in 0..5_u64 {
        seen = more(&host, seen + 2).await.len();
        // At some moment around an instant.
        tokio::time::sleep(Duration::from_millis(kill * 230)).await;
        host.kill9().await;
        host.restart().await;
    }
    let instants = more(&host, seen + 2).await;
    let (first, last) = (instants[0], instants[instants.len() - 1]);
    assert_eq!(instants, (first..=last).collect::<Vec<_>>(), "each second once");
}

/// What a person sees of a schedule, a run by hand, and a host that is stopped: nothing fires then.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_shown_and_fired_by_hand() {
    let mut host = Host::start().await;
    let nightly = r#"[{ name = "nightly", kind = "cron", component = "probe", schedule = "30 2 * * *", timezone = "Europe/Berlin" }]"#;
    let manifest = Manifest::probe().set_toml("trigger", nightly).set_toml("component.probe.retry", "{ attempts = 1 }");
    probe::deploy(&host, &manifest).await;
    let path = "/v1/environments/dev/integrations/probe/triggers/nightly";
    let shown = host.api().get(path).await;
    let schedule = &shown["schedule"];
    assert_eq!(
        (&schedule["timing"], &schedule["zone"]),
        (&json!("30 2 * * * in Europe/Berlin"), &json!("Europe/Berlin"))
    );
    assert_eq!((&schedule["misfire"], &schedule["overlap"]), (&json!("once"), &json!("skip")));
    assert_eq!(schedule["next"].as_array().unwrap().len(), 5);
    assert_eq!(schedule["last_fired"], Value::Null);

    let fired =
        host.command().args(["triggers", "fire", "probe", "nightly", "--wait", "--json"]).output().await.unwrap();
    let ended: Value = serde_json::from_slice(&fired.stdout).unwrap();
    let event = &ended["event"];
    assert_eq!((&event["type"], &event["source"]), (&json!("jackfield.cron"), &json!("/schedules/probe/nightly")));
    assert_eq!((&event["data"]["zone"], &event["data"]["missed"]), (&json!("Europe/Berlin"), &json!(0)));
    assert_eq!(ended["trigger"], "nightly");
    let trail = host.api().get("/v1/audit").await;
    assert!(trail.to_string().contains("trigger nightly of probe in dev"), "{trail}");
    assert_eq!(host.api().get(path).await["schedule"]["next"], schedule["next"], "no instant lost its place");

    let listed = host.command().args(["triggers", "list"]).output().await.unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("30 2 * * * in Europe/Berlin") && listed.contains("02:30 Europe/Berlin (in"), "{listed}");
    assert!(host.stop().await.success());
}
