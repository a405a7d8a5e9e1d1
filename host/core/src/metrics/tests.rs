use super::*;
use prometheus::{Encoder as _, TextEncoder};

/// Dashboards and alerts depend on these: a change here is a breaking change.
const NAMES: [&str; 28] = [
    "jackfield_attempt_duration_seconds histogram environment,integration,component",
    "jackfield_attempts_total counter environment,integration,component,outcome",
    "jackfield_build_info gauge version,engine",
    "jackfield_connection_breaker gauge environment,connection",
    "jackfield_connection_held_total counter environment,connection",
    "jackfield_dead_letters gauge environment,integration",
    "jackfield_egress_bytes_total counter environment,integration,component",
    "jackfield_events_emitted_total counter environment,integration,component,result",
    "jackfield_host_calls_total counter environment,integration,component,capability,result",
    "jackfield_ingress_bytes_total counter environment,integration,component",
    "jackfield_instance_start_seconds histogram environment,integration,component",
    "jackfield_log_lines_dropped_total counter environment,integration,component",
    "jackfield_queue_oldest_seconds gauge environment,integration",
    "jackfield_queue_parked gauge environment,integration",
    "jackfield_queue_ready gauge environment,integration",
    "jackfield_queue_running gauge environment,integration",
    "jackfield_run_cpu_seconds_total counter environment,integration,component",
    "jackfield_run_duration_seconds histogram environment,integration,component",
    "jackfield_run_memory_bytes histogram environment,integration,component",
    "jackfield_runs_total counter environment,integration,component,state",
    "jackfield_schedule_skipped_total counter environment,integration,reason",
    "jackfield_source_failures_total counter environment,integration,kind",
    "jackfield_source_lag_messages gauge environment,integration,trigger",
    "jackfield_source_listening gauge environment,integration,trigger",
    "jackfield_source_lost_total counter environment,integration,kind",
    "jackfield_store_commits_total counter ",
    "jackfield_store_wal_bytes gauge ",
    "jackfield_trigger_events_total counter environment,integration,kind,result",
];

fn target(component: &str) -> Target {
    Target {
        environment: "prod".parse().unwrap(),
        integration: "orders".parse().unwrap(),
        version: 1,
        component: component.parse().unwrap(),
        trigger: "hook".parse().unwrap(),
    }
}

fn depth(integration: &str, queued: u64) -> Depth {
    Depth {
        scope: Scope { environment: "prod".parse().unwrap(), integration: integration.parse().unwrap() },
        queued,
        running: 1,
        parked: 2,
        dead: 3,
        bytes: 0,
        oldest_due: Some(Timestamp(1_000)),
    }
}

fn usage() -> Usage {
    Usage {
        wall: Duration::from_millis(40),
        cpu: Duration::from_millis(30),
        start: Duration::from_micros(40),
        memory_peak_bytes: 1 << 20,
        calls: 2,
        replayed: 1,
        sent_bytes: 100,
        received_bytes: 200,
    }
}

fn fresh(max_series: usize) -> (Registry, Arc<Metrics>) {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry, max_series).unwrap();
    (registry, metrics)
}

fn text(registry: &Registry) -> String {
    let mut out = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn has(registry: &Registry, line: &str) {
    let text = text(registry);
    assert!(text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
}

fn one_of_each(metrics: &Metrics) {
    let target = target("sync");
    metrics.attempt(&target, &Outcome::Succeeded { output: None }, &usage());
    metrics.call(&target, Capability::Http, CallResult::Ok);
    metrics.run_ended(&target, RunState::Succeeded, Duration::from_millis(50));
    metrics.depths(&[depth("orders", 5)], Timestamp(3_500));
    metrics.trigger(&target.scope(), "webhook", TriggerResult::QueueFull);
    metrics.skipped(&target.scope(), Skip::Overlap, 3);
    metrics.emitted(&target, 3, 2, 1);
    metrics.connection_breaker(&target.environment, &"api".parse().unwrap(), Word::Open);
    metrics.connection_held(&target.environment, &"api".parse().unwrap());
    metrics.source_listening(&target.scope(), "orders", true);
    metrics.source_lag(&target.scope(), "orders", 3);
    metrics.source_failed(&target.scope(), "kafka");
    metrics.source_lost(&target.scope(), "kafka");
    metrics.log_lines_dropped(&target, 7);
    metrics.build_info("0.1.0", "wasmtime 48.0.8");
    metrics.store_commits(2);
    metrics.store_wal_bytes(4096);
}

#[test]
fn names_and_labels_are_these() {
    let (registry, metrics) = fresh(1_000);
    one_of_each(&metrics);
    let found: Vec<String> = registry
        .gather()
        .iter()
        .map(|family| {
            let order =
                ["environment", "integration", "component", "version", "engine", "kind", "outcome", "state", "reason"];
            let mut labels: Vec<&str> =
                family.get_metric()[0].get_label().iter().map(prometheus::proto::LabelPair::name).collect();
            labels.sort_by_key(|l| order.iter().position(|o| o == l).unwrap_or(order.len()));
            let kind = format!("{:?}", family.get_field_type()).to_lowercase();
            format!("{} {kind} {}", family.name(), labels.join(","))
        })
        .collect();
    assert_eq!(found, NAMES);
}

#[test]
fn what_happened_is_counted() {
    let (registry, metrics) = fresh(1_000);
    one_of_each(&metrics);
    let sync = r#"component="sync",environment="prod",integration="orders""#;
    let scope = r#"environment="prod",integration="orders""#;
    has(&registry, &format!("jackfield_attempts_total{{{sync},outcome=\"succeeded\"}} 1"));
    has(&registry, &format!("jackfield_runs_total{{{sync},state=\"succeeded\"}} 1"));
    has(&registry, &format!("jackfield_run_duration_seconds_count{{{sync}}} 1"));
    has(&registry, &format!("jackfield_attempt_duration_seconds_sum{{{sync}}} 0.04"));
    has(&registry, &format!("jackfield_run_memory_bytes_bucket{{{sync},le=\"1048576\"}} 1"));
    has(&registry, &format!("jackfield_run_cpu_seconds_total{{{sync}}} 0.03"));
    has(&registry, &format!("jackfield_egress_bytes_total{{{sync}}} 100"));
    has(&registry, &format!("jackfield_ingress_bytes_total{{{sync}}} 200"));
    has(&registry, &format!("jackfield_log_lines_dropped_total{{{sync}}} 7"));
    has(
        &registry,
        r#"jackfield_host_calls_total{capability="http",component="sync",environment="prod",integration="orders",result="ok"} 1"#,
    );
    has(&registry, &format!("jackfield_queue_ready{{{scope}}} 5"));
    has(&registry, &format!("jackfield_queue_oldest_seconds{{{scope}}} 2.5"));
    has(&registry, &format!("jackfield_trigger_events_total{{{scope},kind=\"webhook\",result=\"queue-full\"}} 1"));
    has(&registry, "jackfield_build_info{engine=\"wasmtime 48.0.8\",version=\"0.1.0\"} 1");
}

#[test]
fn a_parked_run_has_no_duration_yet() {
    let (registry, metrics) = fresh(1_000);
    metrics.run_ended(&target("sync"), RunState::NeedsDecision, Duration::from_secs(1));
    assert!(text(&registry).contains("needs-decision"));
    assert!(!text(&registry).contains("jackfield_run_duration_seconds"));
}

#[test]
fn two_hosts_in_one_process_do_not_collide() {
    fresh(10);
    let (registry, _metrics) = fresh(10);
    assert!(Metrics::register(&registry, 10).is_err());
}

#[test]
fn gauges_of_an_integration_that_is_gone_go() {
    let (registry, metrics) = fresh(2);
    metrics.depths(&[depth("a", 1), depth("b", 2)], Timestamp(0));
    metrics.depths(&[depth("b", 3), depth("c", 4)], Timestamp(0));
    assert!(!text(&registry).contains("integration=\"a\""));
    has(&registry, r#"jackfield_queue_ready{environment="prod",integration="b"} 3"#);
    has(&registry, r#"jackfield_queue_ready{environment="prod",integration="c"} 4"#);
    metrics.depths(&[], Timestamp(0));
    assert!(!text(&registry).contains("jackfield_queue_ready{"));
}

/// Threat row 88: a flood of names ends in one series.
#[test]
fn threat_088_a_flood_of_labels_overflows() {
    let (registry, metrics) = fresh(10);
    for n in 0..100 {
        metrics.call(&target(&format!("c{n}")), Capability::Kv, CallResult::Ok);
        metrics.attempt(&target(&format!("c{n}")), &Outcome::Cancelled, &usage());
    }
    let depths: Vec<Depth> = (0..100).map(|n| depth(&format!("i{n}"), 2)).collect();
    metrics.depths(&depths, Timestamp(0));
    for family in registry.gather() {
        assert!(family.get_metric().len() <= 11, "{}", family.name());
    }
    let overflow = r#"component="overflow",environment="prod",integration="overflow""#;
    has(&registry, &format!("jackfield_attempts_total{{{overflow},outcome=\"cancelled\"}} 90"));
    has(&registry, &format!("jackfield_egress_bytes_total{{{overflow}}} 9000"));
    has(&registry, r#"jackfield_queue_ready{environment="prod",integration="overflow"} 180"#);
    // A series that was there first goes on counting.
    metrics.call(&target("c3"), Capability::Kv, CallResult::Ok);
    assert!(text(&registry).lines().any(|l| l.contains("component=\"c3\"") && l.ends_with(" 2")));
}
