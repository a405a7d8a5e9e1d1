//! Accept, claim and settle, each acknowledged after its sync, beside SQLite alone: one insert and one
//! delete an event, in transactions of 64.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jackfield_core::clock::SystemClock;
use jackfield_core::grant::Grants;
use jackfield_core::hatch::testing::{Rig, RigOptions, event, scope};
use jackfield_core::limits::Limits;
use jackfield_core::outcome::{Outcome, Usage};
use jackfield_core::ports::sandbox::{HostFault, Report, Sandbox, Work};
use jackfield_core::retry::RetryPolicy;
use rusqlite::{Connection, params};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::table::{Table, median};

const EVENTS: u32 = 6_000;
const CLIENTS: u32 = 64;
const DATA: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A guest that succeeds at once.
struct Nothing;

#[async_trait]
impl Sandbox for Nothing {
    async fn invoke(&self, _: Work) -> Result<Report, HostFault> {
        Ok(Report { outcome: Outcome::Succeeded { output: None }, usage: Usage::default() })
    }
}

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = (vec![], vec![]);
    for _ in 0..3 {
        ours.push(settled().await?);
        theirs.push(tokio::task::spawn_blocking(sqlite_alone).await??);
    }
    table.row(
        "events accepted, run and settled, 64 clients",
        median(ours),
        median(theirs),
        "/s",
        "SQLite alone, batches of 64, synced",
    );
    Ok(())
}

async fn settled() -> anyhow::Result<f64> {
    let options = RigOptions {
        clock: Arc::new(SystemClock),
        limits: Limits { concurrency: 64, ..Limits::default() },
        grants: Grants::default(),
        retry: RetryPolicy::default(),
        keyed: false,
    };
    let rig = Arc::new(Rig::new(options).await);
    let executor = rig.executor(Arc::new(Nothing), 64);
    let stop = CancellationToken::new();
    let started = Instant::now();
    let work = executor.run(stop.clone(), Duration::from_secs(30));
    let feed = async {
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let rig = Arc::clone(&rig);
            clients.spawn(async move {
                for _ in 0..EVENTS / CLIENTS {
                    rig.intake.manual(&scope(), None, event(DATA), false).await.map_err(|e| anyhow::anyhow!("{e}"))?;
                }
                anyhow::Ok(())
            });
        }
        for fed in clients.join_all().await {
            fed?;
        }
        // The queue is empty once nothing is queued or running.
        loop {
            let left: u64 = rig.store.depths().await?.iter().map(|d| d.queued + d.running).sum();
            if left == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took = started.elapsed();
        stop.cancel();
        anyhow::Ok(took)
    };
    let (worked, took) = tokio::join!(work, feed);
    worked?;
    Ok(f64::from(EVENTS / CLIENTS * CLIENTS) / took?.as_secs_f64())
}

fn sqlite_alone() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut db = Connection::open(folder.path().join("alone.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE queue (id INTEGER PRIMARY KEY, data BLOB NOT NULL);",
    )?;
    let started = Instant::now();
    for batch in 0..EVENTS / 64 {
        let transaction = db.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO queue VALUES (?1, ?2)")?;
            let mut delete = transaction.prepare_cached("DELETE FROM queue WHERE id = ?1")?;
            for n in 0..64 {
                insert.execute(params![batch * 64 + n, DATA.as_bytes()])?;
            }
            for n in 0..64 {
                delete.execute(params![i64::from(batch * 64 + n) - 64])?;
            }
        }
        transaction.commit()?;
    }
    Ok(f64::from(EVENTS / 64 * 64) / started.elapsed().as_secs_f64())
}
