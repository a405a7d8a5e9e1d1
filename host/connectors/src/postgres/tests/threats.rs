//! Rows of the table of threats.

use super::*;
use crate::tests::{Names, network};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

#[tokio::test]
async fn threat_016_answers_are_cut_as_they_arrive() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let link = open(&Network::default(), &settings(server, &database, json!({ "pool": 1 })));
    let started = Instant::now();
    for text in [
        "select generate_series(1, 100000000)",
        "select repeat('x', 1000) from (select generate_series(1, 100000000)) q",
    ] {
        let failure = read(&link, text).await.unwrap_err();
        assert!(matches!(failure, Failure::TooLarge { .. }), "{failure:?}");
        assert_eq!(one(&link, "select 1").await, int(1));
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    all_idle(server, &database).await;
}

#[tokio::test]
async fn threat_016_time_is_over() {
    let server = Postgres::shared().await;
    let database = database(server, "create table t (a int)").await;
    let link = open(&Network::default(), &settings(server, &database, json!({ "pool": 1 })));
    let with = Sending { timeout: Duration::from_millis(500), ..sending() };
    let started = Instant::now();
    let slow = link.run(&query("select pg_sleep(60)", &[]), true, &with).await;
    assert!(matches!(&slow, Err(Failure::Broken { timed_out: true, .. })), "{slow:?}");
    let slow = link.run(&execute("insert into t select 1 from pg_sleep(60)", &[]), false, &with).await;
    assert!(matches!(&slow, Err(Failure::NotExecuted(text)) if text.contains("nothing was changed")), "{slow:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(one(&link, "select count(*) from t").await, int(0));
    all_idle(server, &database).await;
}

#[tokio::test]
async fn threat_018_no_transaction_stays_open() {
    let server = Postgres::shared().await;
    let database = database(server, "create table t (a int primary key)").await;
    let link = open(&Network::default(), &settings(server, &database, json!({ "pool": 3 })));
    let calls = [
        execute("insert into t select 1 from pg_sleep(5)", &[]),
        query("select generate_series(1, 100000000)", &[]),
        SqlCall::Batch(vec![step("insert into t values (1)", &[], None), step("select pg_sleep(5)", &[], None)]),
        execute("insert into t values (1), (1)", &[]),
    ];
    let with = Sending { answer_rows: u32::MAX, answer_bytes: u64::MAX, ..sending() };
    for millis in [0, 1, 2, 5, 10, 20, 50, 100, 200] {
        for call in &calls {
            // Dropped wherever it is.
            let _ = tokio::time::timeout(Duration::from_millis(millis), link.run(call, false, &with)).await;
        }
    }
    all_idle(server, &database).await;
    assert_eq!(one(&link, "select count(*) from t").await, int(0));
    let sessions =
        "select count(*) from pg_stat_activity where application_name = 'jackfield' and datname = current_database()";
    assert!(server.sql(&database, sessions).await.parse::<u32>().unwrap() <= 3);
    assert_eq!(write(&link, "insert into t values (1)", &[]).await, Ok(1));
}

#[tokio::test]
async fn threat_037_where_it_leads() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let denied = async |network: &Network, host: &str| {
        let link = open(network, &settings(server, &database, json!({ "host": host })));
        let failure = read(&link, "select 1").await.unwrap_err();
        assert!(matches!(failure, Failure::Denied(_)), "{host}: {failure:?}");
    };
    let (scripted, audited) =
        network(Names::default().with("mixed.test", &["127.0.0.1 169.254.169.254"]).with("db.test", &["127.0.0.1"]));
    denied(&scripted, "mixed.test").await;
    denied(&scripted, "169.254.169.254").await;
    denied(&scripted, "metadata.google.internal").await;
    denied(&scripted.strict(), "db.test").await;
    assert!(!audited.lock().unwrap().is_empty());
    let link = open(&scripted, &settings(server, &database, json!({ "host": "db.test" })));
    assert_eq!(one(&link, "select 1").await, int(1));
    scripted.set_own_listeners(vec![server.address()]);
    denied(&scripted, "db.test").await;
}

#[tokio::test]
async fn threat_038_slow_servers() {
    // One that accepts and says nothing, and one that says a byte now and then.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            open.spawn(async move {
                while stream.write_all(b"R").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
    });
    let server = Postgres::shared().await;
    let settings_of = |changes: Value| settings(server, "postgres", changes);
    let link = open(&Network::default(), &settings_of(json!({ "port": port, "connect_timeout": "500ms" })));
    let started = Instant::now();
    let Err(Failure::NotExecuted(text)) = read(&link, "select 1").await else { panic!() };
    assert!(text.contains("connect_timeout") && started.elapsed() < Duration::from_secs(3), "{text}");
    let with = Sending { timeout: Duration::from_millis(200), ..sending() };
    let Err(Failure::NotExecuted(_)) = link.run(&query("select 1", &[]), false, &with).await else { panic!() };
    assert!(started.elapsed() < Duration::from_secs(3));
    let found = PostgresConnector::new(&Network::default())
        .test(&settings_of(json!({ "port": port, "connect_timeout": "500ms" })), &secrets(PASSWORD), SOON)
        .await;
    assert!(found.iter().any(|f| !f.ok), "{found:?}");

    // One that hangs in the middle.
    let mut own = Postgres::start(Default::default()).await;
    let link = opened(&own, "postgres");
    assert_eq!(one(&link, "select 1").await, int(1));
    own.pause();
    let hung = link.run(&query("select 1", &[]), true, &with).await;
    assert!(matches!(hung, Err(Failure::Broken { timed_out: true, .. })), "{hung:?}");
    own.resume();
    assert_eq!(one(&link, "select 1").await, int(1));
}

#[tokio::test]
async fn threat_038_many_calls_share_few_sessions() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let link = open(&Network::default(), &settings(server, &database, json!({ "pool": 2 })));
    let mut calls = JoinSet::new();
    for i in 0..100 {
        let link = Arc::clone(&link);
        calls.spawn(async move { assert_eq!(one(&link, &format!("select {i}")).await, int(i)) });
    }
    calls.join_all().await;
    let sessions =
        "select count(*) from pg_stat_activity where application_name = 'jackfield' and datname = current_database()";
    assert_eq!(server.sql(&database, sessions).await, "2");

    let mut sleeping = JoinSet::new();
    for _ in 0..2 {
        let link = Arc::clone(&link);
        sleeping.spawn(async move { read(&link, "select pg_sleep(1)").await.map(|_| ()) });
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let with = Sending { timeout: Duration::from_millis(300), ..sending() };
    let busy = link.run(&query("select 1", &[]), true, &with).await;
    assert!(matches!(&busy, Err(Failure::NotExecuted(text)) if text.contains("pool = 2")), "{busy:?}");
    for slept in sleeping.join_all().await {
        slept.unwrap();
    }
    drop(link);
    for _ in 0..200 {
        if server.sql(&database, sessions).await == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("sessions outlive the connection");
}

#[tokio::test]
async fn threat_040_one_statement_only() {
    let server = Postgres::shared().await;
    let database = database(server, "create table t (a int)").await;
    let link = opened(server, &database);
    for text in ["select 1; drop table t", "select 1; insert into t values (1)"] {
        assert!(link.uses(text).is_err());
        // Even if nobody had asked: the protocol takes one.
        let failure = write(&link, text, &[]).await.unwrap_err();
        assert!(matches!(&failure, Failure::Refused { code, .. } if code == "42601"), "{failure:?}");
    }
    for text in ["copy t to program 'id'", "set role postgres", "do $$ begin end $$"] {
        assert!(link.uses(text).is_err(), "{text}");
    }
    let found = link.uses("select pg_read_file('/etc/passwd')").unwrap();
    assert!(found.functions.contains("pg_catalog.pg_read_file") && !found.only_reads());
    let failure = read(&link, "select pg_read_file('/etc/passwd')").await.unwrap_err();
    assert!(matches!(&failure, Failure::Refused { code, .. } if code == "42501"), "the role may not: {failure:?}");
    // A parameter stays one, whatever is in it.
    let injected = text("1'); drop table t; --");
    assert_eq!(write(&link, "insert into t select length($1)", &[injected]).await, Ok(1));
}

#[tokio::test]
async fn threat_040_a_session_keeps_nothing_for_the_next() {
    let server = Postgres::shared().await;
    let ddl = "create schema other; create table other.t (a text); insert into other.t values ('theirs'); \
        create table t (a text); insert into t values ('ours'); \
        create function leave() returns int language plpgsql as $$ begin \
            perform set_config('search_path', 'other', false); perform set_config('timezone', 'Asia/Tokyo', false); \
            perform set_config('jackfield.left', 'x', false); perform pg_advisory_lock(7); \
            perform set_config('statement_timeout', '1', false); \
            create temp table t (a text); insert into t values ('temporary'); execute 'listen left_here'; \
            return 1; end $$";
    let database = database(server, ddl).await;
    let link = open(&Network::default(), &settings(server, &database, json!({ "pool": 1 })));
    let pid = one(&link, "select pg_backend_pid()").await;
    assert_eq!(write(&link, "insert into t select 'x' where leave() = 1", &[]).await, Ok(1));
    assert_eq!(one(&link, "select pg_backend_pid()").await, pid, "the same session");
    assert_eq!(one(&link, "select min(a) from t").await, text("ours"));
    assert_eq!(one(&link, "select current_setting('timezone')").await, text("UTC"));
    assert_eq!(one(&link, "select current_setting('search_path')").await, text("public, pg_temp"));
    let left = one(&link, "select coalesce(current_setting('jackfield.left', true), '')").await;
    assert_eq!(left, text(""));
    assert_eq!(one(&link, "select count(*) from pg_listening_channels()").await, int(0));
    assert_eq!(one(&link, "select count(*) from pg_locks where locktype = 'advisory'").await, int(0));
    assert_eq!(one(&link, "select count(*) from pg_sleep(0.05)").await, int(1), "nor its statement_timeout");
    assert_eq!(one(&link, "select pg_backend_pid()").await, pid);
}
