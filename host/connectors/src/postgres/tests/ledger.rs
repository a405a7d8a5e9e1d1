//! A write whose answer is lost: with the ledger it is asked for again, without it nobody knows.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// As the page of this kind says.
const LEDGER: &str = "create table jackfield_ledger (key text primary key, answer bytea not null, \
    at timestamptz not null default now()); create index on jackfield_ledger (at)";

/// Between a connection and its server; cuts the connection behind a COMMIT that it has passed on.
struct Cutting {
    port: u16,
    cut: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Cutting {
    async fn before(server: &Postgres) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicBool::new(false));
        let (to, cuts) = (server.address(), Arc::clone(&cut));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(to).await.unwrap();
                open.spawn(pass_on(client, server, Arc::clone(&cuts)));
            }
        });
        Self { port, cut, _tasks: tasks }
    }
}

async fn pass_on(client: TcpStream, server: TcpStream, cut: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = async {
        let mut buffer = vec![0; 65536];
        loop {
            let Ok(n @ 1..) = from_client.read(&mut buffer).await else { return };
            let commits = buffer[..n].windows(7).any(|w| w == b"COMMIT\0");
            if to_server.write_all(&buffer[..n]).await.is_err() {
                return;
            }
            if commits && cut.load(Ordering::SeqCst) {
                // Long enough for the server to carry it out; what it answers goes nowhere.
                return;
            }
        }
    };
    let answering = async {
        let mut buffer = vec![0; 65536];
        loop {
            let Ok(n @ 1..) = from_server.read(&mut buffer).await else { return };
            if cut.load(Ordering::SeqCst) && buffer[..n].windows(7).any(|w| w == b"COMMIT\0") {
                return;
            }
            if to_client.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => tokio::time::sleep(Duration::from_millis(200)).await,
        () = answering => {}
    }
}

fn keyed(key: &str) -> Sending {
    Sending { key: key.into(), ..sending() }
}

#[tokio::test]
async fn with_the_ledger_a_lost_answer_is_given_again() {
    let server = Postgres::shared().await;
    let database = database(server, &format!("create table t (a int, b text); {LEDGER}")).await;
    let proxy = Cutting::before(server).await;
    let link = open(&Network::default(), &settings(server, &database, json!({ "port": proxy.port })));
    assert_eq!(link.keyed(SOON).await, Ok(true));

    let returning =
        query("insert into t values ($1, 'x') returning a, 1.5::float8, '\\xff'::bytea, null::int", &[int(1)]);
    let batch = SqlCall::Batch(vec![
        step("insert into t values (2, 'y')", &[], Some(1)),
        step("delete from t where a = 9", &[], None),
    ]);
    for (key, call) in [("one", &returning), ("two", &batch)] {
        proxy.cut.store(true, Ordering::SeqCst);
        let lost = link.run(call, false, &keyed(key)).await;
        assert!(
            matches!(&lost, Err(Failure::Broken { timed_out: false, message }) if message.contains("COMMIT")),
            "{lost:?}"
        );
        proxy.cut.store(false, Ordering::SeqCst);
        let again = link.run(call, false, &keyed(key)).await.unwrap();
        assert_eq!(link.run(call, false, &keyed(key)).await, Ok(again.clone()), "and again");
        let first = match again {
            SqlDone::Table(table) => {
                assert_eq!(table.columns.len(), 4);
                assert_eq!(
                    table.rows,
                    [[int(1), SqlValue::Float(1.5), SqlValue::Bytes(vec![255].into()), SqlValue::Null]]
                );
                continue;
            }
            SqlDone::Changes(changes) => changes,
            other => panic!("{other:?}"),
        };
        assert_eq!(first.iter().map(|c| c.rows).collect::<Vec<_>>(), [1, 0]);
    }
    assert_eq!(server.sql(&database, "select string_agg(a::text, ',' order by a) from t").await, "1,2", "each once");
    assert_eq!(
        server.sql(&database, "select string_agg(key, ',' order by key) from jackfield_ledger").await,
        "one,two"
    );
    // Reads leave no trace in it.
    read(&link, "select 1").await.unwrap();
    assert_eq!(server.sql(&database, "select count(*) from jackfield_ledger").await, "2");
    all_idle(server, &database).await;
}

#[tokio::test]
async fn without_the_ledger_a_lost_answer_is_in_doubt() {
    let server = Postgres::shared().await;
    let database = database(server, "create table t (a int)").await;
    let proxy = Cutting::before(server).await;
    let link = open(&Network::default(), &settings(server, &database, json!({ "port": proxy.port })));
    assert_eq!(link.keyed(SOON).await, Ok(false));
    proxy.cut.store(true, Ordering::SeqCst);
    let lost = link.run(&execute("insert into t values (1)", &[]), false, &keyed("k")).await;
    assert!(matches!(&lost, Err(Failure::Broken { timed_out: false, .. })), "{lost:?}");
    assert_eq!(server.sql(&database, "select count(*) from t").await, "1", "it was carried out");
}

#[tokio::test]
async fn a_key_is_carried_out_once_however_many_ask_at_a_time() {
    let server = Postgres::shared().await;
    let database = database(server, &format!("create table t (a int); {LEDGER}")).await;
    let link = opened(server, &database);
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let link = Arc::clone(&link);
        let call = query("insert into t select 1 from pg_sleep(0.1) returning a", &[]);
        asking.spawn(async move { link.run(&call, false, &keyed("same")).await.unwrap() });
    }
    let answers = asking.join_all().await;
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    assert_eq!(server.sql(&database, "select count(*) from t").await, "1");
}

#[tokio::test]
async fn what_failed_leaves_no_key() {
    let server = Postgres::shared().await;
    let database =
        database(server, &format!("create table t (a int primary key); insert into t values (1); {LEDGER}")).await;
    let link = opened(server, &database);
    let insert = execute("insert into t values (1)", &[]);
    let refused = link.run(&insert, false, &keyed("k")).await;
    assert!(matches!(refused, Err(Failure::Refused { .. })), "{refused:?}");
    server.sql(&database, "delete from t").await;
    assert_eq!(link.run(&insert, false, &keyed("k")).await, Ok(SqlDone::Change(Change { rows: 1, last_id: None })));

    // Old rows go, those of today stay.
    server.sql(&database, "update jackfield_ledger set at = now() - interval '31 days'").await;
    let fresh = opened(server, &database);
    fresh.run(&execute("insert into t values (2)", &[]), false, &keyed("new")).await.unwrap();
    for _ in 0..200 {
        if server.sql(&database, "select string_agg(key, ',') from jackfield_ledger").await == "new" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.sql(&database, "select string_agg(key, ',') from jackfield_ledger").await, "new");

    // Taken away, it is missed before anything is done.
    server.sql(&database, "drop table jackfield_ledger").await;
    let gone = link.run(&execute("insert into t values (3)", &[]), false, &keyed("x")).await;
    assert!(matches!(&gone, Err(Failure::NotExecuted(text)) if text.contains("ledger")), "{gone:?}");
    assert_eq!(link.keyed(SOON).await, Ok(false));
    assert_eq!(server.sql(&database, "select count(*) from t where a = 3").await, "0");

    // There, and not to be used, it is not used.
    server.sql(&database, LEDGER).await;
    let other = opened(server, &database);
    assert_eq!(other.keyed(SOON).await, Ok(false));
    let found = PostgresConnector::new(&Network::default())
        .test(&settings(server, &database, json!({})), &secrets(PASSWORD), SOON)
        .await;
    assert!(
        found.iter().any(|f| !f.ok && f.what == "ledger" && f.detail.contains("grant select, insert")),
        "{found:?}"
    );
}
