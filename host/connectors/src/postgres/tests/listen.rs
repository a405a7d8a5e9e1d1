//! The trigger: notifications become events; what is said while nobody listens is told as lost.

use super::*;
use crate::testing::{Running, TestSink};
use jackfield_core::ports::source::{Source, SourceError};

fn source(server: &Postgres, database: &str, channels: &[&str]) -> Arc<dyn Source> {
    let trigger = json!({ "listen": channels });
    let settings = settings(server, database, json!({}));
    PostgresConnector::new(&Network::default())
        .source(&settings, &secrets(PASSWORD), trigger.as_object().unwrap())
        .unwrap_or_else(|e| panic!("{e:?}"))
}

#[tokio::test]
async fn what_is_said_is_heard() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let sink = TestSink::new();
    let running = Running::begin(source(server, &database, &["orders", "Odd \"one"]), &sink, "dev/shop/ordered");
    sink.until_listening(1).await;
    let say = "notify orders, '{\"id\": 1}'; notify other, 'x'; select pg_notify('Odd \"one', 'plain'); notify orders;";
    server.sql(&database, say).await;
    sink.until(3).await;
    let events: Vec<_> = sink.accepted().into_iter().map(|heard| (heard.dedupe, heard.event)).collect();
    let seen: Vec<_> = events
        .iter()
        .map(|(_, e)| {
            (e.subject.clone().unwrap(), String::from_utf8(e.data.to_vec()).unwrap(), e.content_type.clone().unwrap())
        })
        .collect();
    let (json, plain) = ("application/json".to_owned(), "text/plain; charset=utf-8".to_owned());
    assert_eq!(
        seen,
        [
            ("orders".into(), "{\"id\": 1}".into(), json),
            ("Odd \"one".into(), "plain".into(), plain.clone()),
            ("orders".into(), String::new(), plain),
        ]
    );
    let system = server.sql(&database, "select system_identifier from pg_control_system()").await;
    for (dedupe, event) in &events {
        assert!(!dedupe);
        assert_eq!(event.event_type, "jackfield.postgres.notify");
        assert_eq!(event.source, format!("postgres:{system}.1/{database}"));
        assert!(event.meta.iter().any(|(name, pid)| name == "pid" && pid.parse::<u32>().is_ok()));
    }
    assert_eq!(sink.distinct().len(), 3, "each has an id of its own");
    assert_eq!(sink.lost_ones(), []);

    running.stop().await.unwrap();
    all_gone(server, &database).await;
}

/// No session of ours is left.
async fn all_gone(server: &Postgres, database: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where application_name = 'jackfield' and datname = '{database}'"
    );
    for _ in 0..200 {
        if server.sql("postgres", &sql).await == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("a session is left");
}

#[tokio::test]
async fn what_is_said_while_the_queue_is_full_waits() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let sink = TestSink::new();
    let running = Running::begin(source(server, &database, &["orders"]), &sink, "dev/shop/ordered");
    sink.until_listening(1).await;
    sink.set_full(true);
    server.sql(&database, "select count(pg_notify('orders', i::text)) from generate_series(1, 5000) i").await;
    sink.until_waiting().await;
    assert_eq!(sink.count(), 0);
    server.sql(&database, "notify orders, 'last'").await;
    sink.set_full(false);
    sink.until(5001).await;
    let payloads: Vec<String> =
        sink.accepted().iter().map(|h| String::from_utf8(h.event.data.to_vec()).unwrap()).collect();
    let expected: Vec<String> = (1..=5000).map(|i| i.to_string()).chain(["last".to_owned()]).collect();
    assert_eq!(payloads, expected, "all of them, in order");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_said_while_the_server_was_away_is_told_as_lost() {
    let mut server = Postgres::start(Default::default()).await;
    let sink = TestSink::new();
    let running = Running::kept(source(&server, "postgres", &["orders"]), &sink, "dev/shop/ordered");
    sink.until_listening(1).await;
    server.sql("postgres", "notify orders, 'before'").await;
    sink.until(1).await;
    server.kill().await;
    server.restart().await;
    sink.until_listening(2).await;
    let lost = sink.lost_ones();
    assert!(lost.len() == 1 && lost[0].0 == "orders" && lost[0].1.contains("are lost"), "{lost:?}");
    server.sql("postgres", "notify orders, 'after'").await;
    sink.until(2).await;

    // A session that an operator ends.
    server
        .sql("postgres", "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'jackfield'")
        .await;
    sink.until_listening(3).await;
    assert_eq!(sink.lost_ones().len(), 2);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_source_that_cannot_listen_says_why() {
    let server = Postgres::shared().await;
    let ended = async |settings: Map<String, Value>, password: &str| {
        let trigger = json!({ "listen": ["orders"] });
        let source = PostgresConnector::new(&Network::default())
            .source(&settings, &secrets(password), trigger.as_object().unwrap())
            .unwrap_or_else(|e| panic!("{e:?}"));
        Running::begin(source, &TestSink::new(), "dev/shop/ordered").ended().await.unwrap_err()
    };
    let wrong = ended(settings(server, "postgres", json!({})), "guessed").await;
    assert!(matches!(&wrong, SourceError::Refused(text) if text.contains("db-password")), "{wrong:?}");
    let nowhere = ended(settings(server, "nowhere", json!({})), PASSWORD).await;
    assert!(matches!(nowhere, SourceError::Refused(_)), "{nowhere:?}");
    let nobody = ended(settings(server, "postgres", json!({ "port": 1 })), PASSWORD).await;
    assert!(matches!(&nobody, SourceError::Lost(text) if text.contains("refused the connection")), "{nobody:?}");
}
