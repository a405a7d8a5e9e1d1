//! Metrics and health: names, labels from closed sets, and nothing for strangers.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use jackfield_tests::stubs::Stub;
use jackfield_tests::stubs::echo::Echo;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Dashboards depend on these names.
const NAMES: &[&str] = &[
    "jackfield_attempt_duration_seconds",
    "jackfield_attempts_total",
    "jackfield_build_info",
    "jackfield_egress_bytes_total",
    "jackfield_host_calls_total",
    "jackfield_ingress_bytes_total",
    "jackfield_instance_start_seconds",
    "jackfield_queue_oldest_seconds",
    "jackfield_queue_ready",
    "jackfield_run_cpu_seconds_total",
    "jackfield_run_duration_seconds",
    "jackfield_run_memory_bytes",
    "jackfield_runs_total",
    "jackfield_store_commits_total",
    "jackfield_trigger_events_total",
];

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_counted_by_component_and_outcome_and_nothing_else() {
    let target = Stub::start(0, Echo).await.unwrap();
    let host = Host::start().await;
    probe::connect(&host, &target).await;
    probe::deploy(&host, &Manifest::probe()).await;
    let call = probe::checked_call("POST", "/secret-path");
    let run = probe::run(&host, json!([call, { "do": "kv", "op": "set", "key": "secret-key", "value": 1 }])).await;
    assert_eq!(run["state"], "succeeded");
    probe::run(&host, json!({ "do": "reject", "message": "secret-message" })).await;

    let text = host.metrics_text().await;
    let families: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let missing: Vec<_> = NAMES.iter().filter(|name| !families.contains(**name)).collect();
    assert!(missing.is_empty(), "missing {missing:?} of {families:#?}");
    let foreign: Vec<_> =
        families.iter().filter(|name| !name.starts_with("jackfield_") && !name.starts_with("process_")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");

    let samples = host.samples().await;
    let value = |name: &str| samples.iter().find(|(sample, _)| sample == name).map(|(_, value)| *value);
    let labels = r#"component="probe",environment="dev",integration="probe""#;
    assert_eq!(value(&format!(r#"jackfield_attempts_total{{{labels},outcome="succeeded"}}"#)), Some(1.0), "{text}");
    assert_eq!(value(&format!(r#"jackfield_attempts_total{{{labels},outcome="failed"}}"#)), Some(1.0), "{text}");
    assert_eq!(value(&format!(r#"jackfield_runs_total{{{labels},state="dead-lettered"}}"#)), Some(1.0), "{text}");
    for hidden in ["secret-path", "secret-key", "secret-message", run["id"].as_str().unwrap()] {
        assert!(!text.contains(hidden), "`{hidden}` is in the metrics");
    }

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: apt-get install prometheus");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let checked = promtool.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stdout));
}

/// Threat row 88: however many names there are, a metric has at most so many series, and is quick to read.
#[tokio::test(flavor = "multi_thread")]
async fn threat_088_labels_cannot_flood() {
    let host = Host::options().alone().set("metrics.max_series", "10").start().await;
    for n in 0..15 {
        let name = format!("probe-{n}");
        probe::deploy(&host, &Manifest::probe().named(&name)).await;
        let run = host.api().run_to_end("dev", &name, &json!([{ "do": "echo" }])).await;
        assert_eq!(run["state"], "succeeded");
    }
    let begun = Instant::now();
    let text = host.metrics_text().await;
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    assert!(text.len() < 2 << 20, "{} bytes", text.len());
    let attempts: Vec<_> = text.lines().filter(|line| line.starts_with("jackfield_attempts_total{")).collect();
    assert!(attempts.len() <= 11, "{attempts:#?}");
    let overflow: Vec<_> = attempts.iter().filter(|line| line.contains("overflow")).collect();
    assert!(!overflow.is_empty(), "{attempts:#?}");
    let counted: f64 = attempts.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
    assert!((counted - 15.0).abs() < 0.5, "{counted} of 15 are counted");
}

/// Threat row 93: metrics and health have a listener of their own, and health names nothing of what runs here.
#[tokio::test(flavor = "multi_thread")]
async fn threat_093_health_and_metrics_stay_where_they_are() {
    let mut host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    for path in ["/livez", "/readyz"] {
        let response = reqwest::get(format!("{}{path}", host.metrics())).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("probe") && text.len() < 200, "{path}: {text}");
    }
    let ingress = format!("http://{}", host.addresses().ingress);
    for base in [host.admin(), ingress] {
        for path in ["/metrics", "/livez", "/readyz", "/debug/pprof", "/debug/pprof/profile"] {
            let status = reqwest::get(format!("{base}{path}")).await.unwrap().status();
            assert!(status == 404 || status == 401, "{base}{path} answers {status}");
        }
    }
    for path in ["/", "/debug/pprof", "/v1/status", "/openapi.json", "/hooks/x"] {
        let status = reqwest::get(format!("{}{path}", host.metrics())).await.unwrap().status();
        assert_eq!(status, 404, "{path}");
    }
    // All three are bound to this machine alone.
    for address in [host.addresses().ingress, host.addresses().admin, host.addresses().metrics] {
        assert!(address.ip().is_loopback(), "{address}");
    }
    let status = host.stop().await;
    assert!(status.success(), "{status}");
}
