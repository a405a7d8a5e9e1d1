//! What every plug for statements keeps.

use super::*;
use crate::tests::{Names, network};
use jackfield_tests::servers::server::WRONG_PASSWORD;

const ORDERS: &str =
    "create table orders (id int primary key, item text not null check (item <> ''), price numeric(10, 2))";

#[tokio::test]
async fn contract_works() {
    let server = Postgres::shared().await;
    let database = database(server, ORDERS).await;
    let link = opened(server, &database);
    assert_eq!((link.schema(), link.timeout()), ("public", Duration::from_secs(30)));

    let insert = "insert into orders values ($1, $2, $3)";
    assert_eq!(write(&link, insert, &[int(1), text("tea"), text("4.50")]).await, Ok(1));
    assert_eq!(write(&link, insert, &[int(2), text("cake"), SqlValue::Null]).await, Ok(1));
    let table = read(&link, "select id, item, price from orders order by id").await.unwrap();
    let columns: Vec<_> = table.columns.iter().map(|c| (c.name.as_str(), c.type_name.as_str())).collect();
    assert_eq!(columns, [("id", "int4"), ("item", "text"), ("price", "numeric")]);
    assert_eq!(table.rows, [[int(1), text("tea"), text("4.50")], [int(2), text("cake"), SqlValue::Null]]);

    // Rows of a write, and an effect of none.
    let returning = query("update orders set price = 5 where id = 2 returning id, price", &[]);
    let SqlDone::Table(table) = link.run(&returning, false, &sending()).await.unwrap() else { panic!() };
    assert_eq!(table.rows, [[int(2), text("5.00")]]);
    assert_eq!(write(&link, "delete from orders where id = $1", &[int(9)]).await, Ok(0));
    let nothing = link.run(&execute("select * from orders", &[]), true, &sending()).await;
    assert_eq!(nothing, Ok(SqlDone::Change(Change { rows: 0, last_id: None })), "a read changes nothing");

    let batch = SqlCall::Batch(vec![
        step(insert, &[int(3), text("jam"), text("2")], Some(1)),
        step(insert, &[int(4), text("bread"), text("3")], None),
        step("update orders set price = price + 1 where id > $1", &[int(2)], Some(2)),
    ]);
    let change = |rows| Change { rows, last_id: None };
    assert_eq!(link.run(&batch, false, &sending()).await, Ok(SqlDone::Changes(vec![change(1), change(1), change(2)])));
    assert_eq!(server.sql(&database, "select sum(price) from orders").await, "16.50");
    assert_eq!(link.run(&SqlCall::Batch(Vec::new()), false, &sending()).await, Ok(SqlDone::Changes(Vec::new())));
    all_idle(server, &database).await;
}

#[tokio::test]
async fn contract_refused_by_the_other_side() {
    let server = Postgres::shared().await;
    let database = database(server, &format!("{ORDERS}; insert into orders values (1, 'tea', 1), (2, 'jam', 2)")).await;
    let link = opened(server, &database);
    let refused = async |text: &str, code: &str, words: &[&str]| match write(&link, text, &[]).await {
        Err(Failure::Refused { code: given, message }) => {
            assert_eq!(given, code, "{message}");
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        }
        other => panic!("{text}: {other:?}"),
    };
    refused("selec 1", "42601", &["syntax error", "at character 1"]).await;
    refused("insert into nowhere values (1)", "42P01", &["nowhere"]).await;
    refused("insert into orders values (1, 'x', 1)", "23505", &["orders_pkey", "Key (id)=(1) already exists"]).await;
    refused("insert into orders values (7, '', 1)", "23514", &["orders_item_check"]).await;
    refused("insert into orders values (7, null, 1)", "23502", &["item"]).await;
    refused("select 1 / 0 from orders", "22012", &["division by zero"]).await;
    refused("create role other", "42501", &["permission denied"]).await;

    // Where nothing may change, nothing does.
    let only_reads = link.run(&execute("delete from orders", &[]), true, &sending()).await;
    assert!(matches!(&only_reads, Err(Failure::Refused { code, .. }) if code == "25006"), "{only_reads:?}");

    // A batch is undone as a whole, and says which step it was.
    let batch = |second: &str, expect| {
        SqlCall::Batch(vec![step("delete from orders where id = 1", &[], Some(1)), step(second, &[], expect)])
    };
    let other = link.run(&batch("delete from orders where id = 9", Some(1)), false, &sending()).await;
    assert!(matches!(&other, Err(Failure::Conflict(text)) if text.contains("step 2 of 2 changed 0 rows")), "{other:?}");
    let failed = link.run(&batch("insert into orders values (2, 'x', 1)", None), false, &sending()).await;
    assert!(
        matches!(&failed, Err(Failure::Refused { code, message }) if code == "23505" && message.starts_with("step 2 of 2: ")),
        "{failed:?}"
    );
    assert_eq!(server.sql(&database, "select count(*) from orders").await, "2");

    for given in [vec![], vec![int(1), int(2)]] {
        let failure = link.run(&query("select $1::int", &given), true, &sending()).await;
        assert!(matches!(&failure, Err(Failure::Invalid(text)) if text.contains("has 1 parameters")), "{failure:?}");
    }
    let failure = read(&link, "select point(1, 2) as place").await;
    assert!(matches!(&failure, Err(Failure::Invalid(text)) if text.contains("`place::text`")), "{failure:?}");
    assert_eq!(one(&link, "select 1").await, int(1), "and it goes on");
    all_idle(server, &database).await;
}

#[tokio::test]
async fn two_that_cannot_both_be_are_conflicts() {
    let server = Postgres::shared().await;
    let database =
        database(server, "create table t (a int primary key, b int); insert into t values (1, 0), (2, 0)").await;
    let link = opened(server, &database);
    let update = |first: i64, second: i64| {
        let text = "update t set b = b + 1 where a = $1 and pg_sleep(0.2) is not null";
        SqlCall::Batch(vec![step(text, &[int(first)], None), step(text, &[int(second)], None)])
    };
    let (one, other) = (update(1, 2), update(2, 1));
    let with = sending();
    let (a, b) = tokio::join!(link.run(&one, false, &with), link.run(&other, false, &with));
    let lost = if a.is_ok() { b } else { a };
    assert!(matches!(&lost, Err(Failure::Conflict(text)) if text.contains("deadlock")), "{lost:?}");
    assert_eq!(server.sql(&database, "select sum(b) from t").await, "2");

    // A lock that somebody holds for long is told before the time is over.
    let holding = async {
        server.sql(&database, "begin; lock table t; select pg_sleep(3); commit").await;
    };
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let with = Sending { timeout: Duration::from_secs(1), ..sending() };
        link.run(&execute("update t set b = 0", &[]), false, &with).await
    };
    let ((), waited) = tokio::join!(holding, waiting);
    assert!(matches!(&waited, Err(Failure::Conflict(text)) if text.contains("lock timeout")), "{waited:?}");
    all_idle(server, &database).await;
}

#[tokio::test]
async fn contract_wrong_credential() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let connector = PostgresConnector::new(&Network::default());
    let settings = settings(server, &database, json!({}));
    let link = connector.open(&settings, &secrets(WRONG_PASSWORD)).unwrap().sql.unwrap();
    let Err(Failure::NotExecuted(text)) = read(&link, "select 1").await else { panic!() };
    assert!(text.contains("secret `db-password`") && text.contains("user `app`"), "{text}");
    assert!(!text.contains(WRONG_PASSWORD), "{text}");
    let Err(Failure::NotExecuted(_)) = link.keyed(SOON).await else { panic!() };

    let unknown = open(&Network::default(), &super::settings(server, "nowhere", json!({})));
    let Err(Failure::NotExecuted(text)) = read(&unknown, "select 1").await else { panic!() };
    assert!(text.contains("nowhere"), "{text}");

    let problems = connector.open(&settings, &Vec::new()).err().unwrap();
    assert!(problems[0].key == "credential.secret" && problems[0].problem.contains("db-password"), "{problems:?}");
    let findings = connector.test(&settings, &secrets(WRONG_PASSWORD), SOON).await;
    assert!(findings.iter().any(|f| !f.ok && f.what == "credential"), "{findings:?}");
    assert!(!format!("{findings:?}").contains(WRONG_PASSWORD));
}

#[tokio::test]
async fn contract_limit_hit() {
    let server = Postgres::shared().await;
    let database = database(server, "create table t (a int)").await;
    let link = opened(server, &database);
    let with = Sending { answer_rows: 10, answer_bytes: 1000, ..sending() };
    let run = async |text: &str, reads| link.run(&query(text, &[]), reads, &with).await;

    assert!(run("select * from generate_series(1, 10)", true).await.is_ok());
    let rows = run("select * from generate_series(1, 11)", true).await;
    assert!(matches!(&rows, Err(Failure::TooLarge { message, .. }) if message.contains("limits.sql_rows")), "{rows:?}");
    assert!(run("select repeat('x', 900)", true).await.is_ok());
    for text in [
        "select repeat('x', 1001)",
        "select decode(repeat('00', 1001), 'hex')",
        "select repeat('x', 300) from generate_series(1, 4)",
    ] {
        let bytes = run(text, true).await;
        assert!(
            matches!(&bytes, Err(Failure::TooLarge { message, .. }) if message.contains("limits.sql_bytes")),
            "{bytes:?}"
        );
    }
    // A row that nobody would want in memory at all.
    let huge = run("select repeat('x', 100000000)", true).await;
    assert!(matches!(&huge, Err(Failure::TooLarge { message, .. }) if message.contains("100000")), "{huge:?}");
    // A write whose answer is too large is not carried out.
    let write = run("insert into t select * from generate_series(1, 11) returning a", false).await;
    assert!(matches!(write, Err(Failure::TooLarge { sent: false, .. })), "{write:?}");
    assert_eq!(server.sql(&database, "select count(*) from t").await, "0");
    assert_eq!(one(&link, "select 1").await, int(1), "and it goes on");
    all_idle(server, &database).await;
}

#[tokio::test]
async fn contract_killed_mid_call_and_restarted() {
    let mut server = Postgres::start(Default::default()).await;
    let database = database(&server, "create table t (a int)").await;
    let link = opened(&server, &database);
    assert_eq!(write(&link, "insert into t values (1)", &[]).await, Ok(1));

    let with = sending();
    let (reading, writing) =
        (query("select pg_sleep(30)", &[]), execute("insert into t select 2 from pg_sleep(30)", &[]));
    let both = async { tokio::join!(link.run(&reading, true, &with), link.run(&writing, false, &with)) };
    let killing = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.kill().await;
    };
    let ((read, written), ()) = tokio::join!(both, killing);
    for failure in [read.map(|_| ()), written.map(|_| ())] {
        assert!(matches!(&failure, Err(Failure::NotExecuted(text)) if text.contains("before COMMIT")), "{failure:?}");
    }
    let Err(Failure::NotExecuted(text)) = super::read(&link, "select 1").await else { panic!() };
    assert!(text.contains("refused the connection"), "{text}");

    server.restart().await;
    assert_eq!(one(&link, "select sum(a) from t").await, int(1), "the same connection, and nothing of the write");
    assert_eq!(write(&link, "insert into t values (3)", &[]).await, Ok(1));

    // Restarted while nobody called: the dead sessions are replaced unseen, for a write too.
    server.kill().await;
    server.restart().await;
    assert_eq!(write(&link, "insert into t values (4)", &[]).await, Ok(1));
    // Ended by an operator while nobody called.
    server
        .sql("postgres", "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'jackfield'")
        .await;
    assert_eq!(one(&link, "select count(*) from t").await, int(3));
    // Ended by an operator in the middle.
    let (ended, ()) = tokio::join!(link.run(&writing, false, &with), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server
            .sql(
                "postgres",
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'jackfield'",
            )
            .await;
    });
    assert!(matches!(&ended, Err(Failure::NotExecuted(text)) if text.contains("administrator")), "{ended:?}");
    assert_eq!(one(&link, "select count(*) from t").await, int(3));
}

#[tokio::test]
async fn contract_tls() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    let files = tls::files();
    let (network, _) = network(Names::default().with("localhost", &["127.0.0.1"]).with("other.test", &["127.0.0.1"]));
    let link = |host: &str, ca: Option<&str>| {
        open(&network, &settings(server, &database, json!({ "host": host, "tls": "require", "ca": ca })))
    };
    for host in ["localhost", "127.0.0.1"] {
        let secure = link(host, Some(&files.ca));
        let ssl = one(&secure, "select ssl from pg_stat_ssl where pid = pg_backend_pid()").await;
        assert_eq!(ssl, SqlValue::Boolean(true), "{host}");
        // The time is over: the server is told so over TLS, too.
        let with = Sending { timeout: Duration::from_millis(300), ..sending() };
        let late = secure.run(&query("select pg_sleep(10)", &[]), true, &with).await;
        assert!(matches!(late, Err(Failure::Broken { timed_out: true, .. })), "{late:?}");
    }
    all_idle(server, &database).await;
    let refused = async |host: &str, ca: Option<&str>, because: &str| {
        let failure = read(&link(host, ca), "select 1").await.unwrap_err();
        assert!(matches!(&failure, Failure::NotExecuted(text) if text.contains(because)), "{host}: {failure:?}");
    };
    refused("localhost", None, "authority that is not trusted here; if it is yours, set `ca`").await;
    refused("localhost", Some(&files.stranger), "TLS with `localhost").await;
    refused("other.test", Some(&files.ca), "another name than `host`").await;

    let findings = |settings: Map<String, Value>| {
        let network = network.clone();
        async move { PostgresConnector::new(&network).test(&settings, &secrets(PASSWORD), SOON).await }
    };
    let good = settings(server, &database, json!({ "host": "localhost", "tls": "require", "ca": files.ca }));
    let found = findings(good).await;
    assert!(found.iter().all(|f| f.ok), "{found:#?}");
    let what: Vec<&str> = found.iter().map(|f| f.what.as_str()).collect();
    assert_eq!(what, ["address", "reachable", "tls", "credential", "server", "role", "schema", "ledger"]);
    assert!(found[2].detail.contains("TLS 1.3, certificate valid"), "{found:#?}");
    let wrong = settings(server, &database, json!({ "host": "other.test", "tls": "require", "ca": files.ca }));
    let found: Vec<Finding> = findings(wrong).await.into_iter().filter(|f| !f.ok).collect();
    assert!(found.len() == 1 && found[0].what == "tls" && found[0].detail.contains("another name"), "{found:#?}");
}
