//! Calls a second through the plug, beside the client library alone. Told, not judged: `cargo test -- --ignored --nocapture`.

use super::*;
use tokio::time::Instant;
use tokio_postgres::NoTls;

const CALLS: u32 = 2000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn calls_a_second() {
    let server = Postgres::shared().await;
    let ledger = "create table jackfield_ledger (key text primary key, answer bytea not null, at timestamptz not null default now())";
    let plain = database(
        server,
        "create table t (a int primary key, b text); insert into t select i, 'x' from generate_series(1, 1000) i",
    )
    .await;
    let link = opened(server, &plain);
    let select = query("select a, b from t where a = $1", &[int(7)]);
    let update = execute("update t set b = 'y' where a = $1", &[int(7)]);
    let told = async |name: &str, link: &Arc<dyn Sql>, call: &SqlCall, reads: bool| {
        let begun = Instant::now();
        for i in 0..CALLS {
            let with = Sending { key: format!("{name}{i}"), ..sending() };
            link.run(call, reads, &with).await.unwrap();
        }
        println!("{name}: {:.0}/s", f64::from(CALLS) / begun.elapsed().as_secs_f64());
    };
    told("select, plug", &link, &select, true).await;
    told("update, plug", &link, &update, false).await;
    server.sql(&plain, &format!("set role {USER}; {ledger}")).await;
    let keyed = opened(server, &plain);
    told("update with ledger, plug", &keyed, &update, false).await;

    let to = format!("host=127.0.0.1 port={} user={USER} password={PASSWORD} dbname={plain}", server.address().port());
    let (client, connection) = tokio_postgres::connect(&to, NoTls).await.unwrap();
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(async move { drop(connection.await) });
    let raw = async |name: &str, text: &str| {
        let begun = Instant::now();
        for _ in 0..CALLS {
            client.query(text, &[&7_i32]).await.unwrap();
        }
        println!("{name}: {:.0}/s", f64::from(CALLS) / begun.elapsed().as_secs_f64());
    };
    raw("select, library, prepared each time", "select a, b from t where a = $1").await;
    raw("update, library, prepared each time", "update t set b = 'y' where a = $1").await;
}
