//! The example on real systems: the orders of a Kafka topic are in PostgreSQL, each once, and what is wrong among them is a
//! dead letter. In every language it is written in.

use std::time::Duration;

use jackfield_tests::api::ENVIRONMENT;
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::servers::server::{PASSWORD, USER};
use jackfield_tests::servers::{Kafka, Postgres};
use jackfield_tests::{env, wait};
use serde_json::{Value, json};

const EXAMPLE: &str = "guest-examples/kafka-orders-to-postgres";
/// How long all orders may take.
const LIMIT: Duration = Duration::from_secs(240);
/// What the example's page says that the host's role needs.
const POWERS: &str = "grant select, insert on orders, order_lines to app;
    grant select, insert, update, delete on jackfield_ledger to app;";

#[tokio::test(flavor = "multi_thread")]
async fn orders_arrive_once_in_rust_over_a_kill() {
    arrive("rust", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_arrive_once_in_typescript() {
    arrive("js", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_arrive_once_in_python() {
    arrive("python", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_arrive_once_in_go() {
    arrive("go", false).await;
}

/// Sends all records, and looks at the tables and the dead letters when every one of them is handled; `kill`: with the host
/// killed in the middle.
async fn arrive(language: &str, kill: bool) {
    let (kafka, postgres) = (Kafka::shared().await, Postgres::shared().await);
    let topic = kafka.topic(3).await;
    let database = postgres.database().await;
    postgres.sql(&database, &file("schema.sql")).await;
    assert_eq!(USER, "app");
    postgres.sql(&database, POWERS).await;

    let mut host = Host::start().await;
    let brokers = json!({ "brokers": [kafka.address().to_string()], "tls": "off" });
    host.api().set_connection(ENVIRONMENT, "broker", "kafka", brokers).await;
    host.api().set_secret(ENVIRONMENT, "warehouse-password", PASSWORD).await;
    let mut warehouse = json!({
        "host": "127.0.0.1", "port": postgres.address().port(), "database": database, "tls": "off",
        "credential": { "user": USER, "secret": "warehouse-password" },
    });
    if kill {
        // Slow enough that there is a middle.
        warehouse["pace"] = json!({ "rate": "30/s" });
    }
    host.api().set_connection(ENVIRONMENT, "warehouse", "postgres", warehouse).await;
    let folder = format!("{EXAMPLE}/{language}");
    let wasm = env::guest(&format!("{folder}/dist/orders.wasm"));
    // A group of its own: the other languages' hosts are at the same broker.
    let manifest = Manifest::read(&format!("{folder}/jackfield.toml"))
        .set_toml("trigger.0.topics", &format!("[\"{topic}\"]"))
        .set("trigger.0.group", topic.as_str());
    host.api().deploy(ENVIRONMENT, &manifest.text(), &[("orders", &wasm)]).await;

    let text = file("orders.jsonl");
    let records: Vec<&str> = text.lines().collect();
    let keys: Vec<String> = records.iter().map(|record| customer(record)).collect();
    let keyed: Vec<_> = keys.iter().map(String::as_str).zip(records.iter().copied()).collect();
    kafka.produce(&topic, &keyed).await;

    if kill {
        wait::until("some orders are written", LIMIT, || async {
            (written(postgres, &database).await >= 30).then_some(())
        })
        .await;
        host.kill9().await;
        let before = written(postgres, &database).await;
        let all = file("expected.csv").lines().count() - 1;
        assert!(before < all, "the host was killed when all {all} orders were written");
        host.restart().await;
    }
    handled(&host, records.len()).await;
    same_lines(&postgres.sql(&database, &file("written.sql")).await, &file("expected.csv"), language);
    let dead = dead_letters(&host).await;
    let rejected = rejected(&records);
    for (line, data, reason) in &rejected {
        let told = dead.iter().find(|(dead, _)| dead == data).map(|(_, told)| told.as_str()).unwrap_or_default();
        assert!(
            told.starts_with("rejected: ") && told.contains(reason.as_str()),
            "{language}: line {line}: {reason}\nis not what is said: {told}"
        );
    }
    assert_eq!(dead.len(), rejected.len(), "{language}: {dead:#?}");
    // One entry for each call that wrote: none was carried out twice, nor was one for what is wrong.
    let calls = postgres.sql(&database, "select count(*) from jackfield_ledger").await;
    assert_eq!(calls, (records.len() - rejected.len()).to_string(), "{language}");
}

fn file(name: &str) -> String {
    let path = env::repository(EXAMPLE).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The key of a record: whose order it is, so that orders of one customer stay in order.
fn customer(record: &str) -> String {
    let order: Value = serde_json::from_str(record).unwrap_or_default();
    let name = order["customer"].as_str().filter(|name| !name.is_empty());
    name.unwrap_or("nobody").to_owned()
}

/// How many orders the table holds.
async fn written(postgres: &Postgres, database: &str) -> usize {
    postgres.sql(database, "select count(*) from orders").await.parse().expect("a count is a number")
}

/// Waits until every record's run is over.
async fn handled(host: &Host, records: usize) {
    let over = || async {
        let succeeded = host.api().runs_in("succeeded").await.len();
        let dead = host.api().runs_in("dead-lettered").await.len();
        (succeeded + dead >= records).then_some(succeeded + dead)
    };
    let over = wait::until(&format!("{records} records are handled"), LIMIT, over).await;
    assert_eq!(over, records, "a record became more than one run");
}

/// What the dead letters hold, and why they are dead.
async fn dead_letters(host: &Host) -> Vec<(Value, String)> {
    let mut found = Vec::new();
    for run in host.api().runs_in("dead-lettered").await {
        let run = host.api().run(run["id"].as_str().expect("a run has an id")).await;
        let event = &run["event"];
        let data = event.get("data").or_else(|| event.get("data_text")).cloned().unwrap_or_default();
        found.push((data, run["reason"].as_str().unwrap_or_default().to_owned()));
    }
    found
}

/// The wrong records: line, data as the API shows it, and what must be said.
fn rejected(records: &[&str]) -> Vec<(usize, Value, String)> {
    let text = file("rejected.csv");
    let rows = text.lines().skip(1).map(|row| {
        let (line, reason) = row.split_once(',').expect("a row has two cells");
        let quoted = reason.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let reason = quoted.map_or_else(|| reason.to_owned(), |quoted| quoted.replace("\"\"", "\""));
        let line: usize = line.parse().expect("a line is a number");
        let record = records[line - 1];
        let data = serde_json::from_str(record).unwrap_or_else(|_| Value::String(record.to_owned()));
        (line, data, reason)
    });
    rows.collect()
}

#[track_caller]
fn same_lines(found: &str, expected: &str, language: &str) {
    let (found, expected): (Vec<_>, Vec<_>) = (found.lines().collect(), expected.lines().collect());
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "{language}: line {} of expected.csv", number + 1);
    }
    assert_eq!(found.len(), expected.len(), "{language}: so many orders are written");
}
