//! What the journal costs: a run of three calls that cannot be repeated, beside the same run of a component with
//! `durability = "relaxed"`, beside what the disk takes for a commit.
//!
//! The other side answers at once, so all that is measured is ours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::clock::SystemClock;
use jackfield_core::grant::{Grants, HttpGrant, HttpTarget};
use jackfield_core::hatch::testing::{Rig, RigOptions, event, name, scope};
use jackfield_core::limits::Limits;
use jackfield_core::outcome::{Outcome, Usage};
use jackfield_core::ports::http::HttpCall;
use jackfield_core::ports::sandbox::{HostFault, Report, Sandbox, Work};
use jackfield_core::retry::RetryPolicy;
use rusqlite::{Connection, params};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::table::{Table, median};

const CALLS: u32 = 3;
/// What a run waits for the disk: its accept, the intent of each call, its settle.
const WAITS: u32 = CALLS + 2;
const RUNS: u32 = 3_000;
const ALONE: u32 = 300;
const BODY: &[u8] = br#"{"order":"o-1","charge":"c-1"}"#;

/// A guest that makes three calls.
struct Three;

#[async_trait]
impl Sandbox for Three {
    async fn invoke(&self, work: Work) -> Result<Report, HostFault> {
        let fault = |e: &dyn std::fmt::Display| HostFault(e.to_string());
        for _ in 0..CALLS {
            let call = HttpCall {
                connection: Some(name("api")),
                method: "POST".into(),
                url: "/x".into(),
                headers: vec![],
                body: Bytes::from_static(BODY),
                timeout: None,
                max_redirects: 0,
            };
            let number = work.hatch.number().map_err(|e| fault(&e))?;
            let answer = work.hatch.http(number, call).await.map_err(|e| fault(&e))?;
            answer.map_err(|e| HostFault(format!("{e:?}")))?;
        }
        Ok(Report { outcome: Outcome::Succeeded { output: None }, usage: Usage::default() })
    }
}

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let (mut durable, mut bare, mut commit) = (vec![], vec![], vec![]);
    for _ in 0..3 {
        durable.push(measured(true).await?);
        bare.push(measured(false).await?);
        commit.push(tokio::task::spawn_blocking(commit_alone).await??);
    }
    let of = |all: &[Measured], one: fn(&Measured) -> f64| median(all.iter().map(one).collect());
    let commit = median(commit);
    table.row(
        "three-call run, durable: CPU, 64 at once",
        of(&durable, |m| m.cpu),
        of(&bare, |m| m.cpu),
        "µs",
        "the same run, relaxed",
    );
    table.row(
        "three-call run, durable: runs a second, 64 at once",
        of(&durable, |m| m.rate),
        of(&bare, |m| m.rate),
        "/s",
        "the same run, relaxed",
    );
    table.row(
        "three-call run, durable: one at a time",
        of(&durable, |m| m.alone),
        f64::from(WAITS) * commit,
        "µs",
        "five commits of SQLite alone, synced",
    );
    table.row("a commit of SQLite alone, synced", commit, 0.0, "µs", "");
    Ok(())
}

struct Measured {
    /// CPU of a run, in microseconds.
    cpu: f64,
    /// Runs a second.
    rate: f64,
    /// A run when there is no other, in microseconds.
    alone: f64,
}

async fn measured(durable: bool) -> anyhow::Result<Measured> {
    let grant = HttpGrant {
        target: HttpTarget::Connection(name("api")),
        methods: vec!["POST".into()],
        paths: vec!["/**".parse().map_err(anyhow::Error::msg)?],
        redirects: 0,
        retry_in_doubt: false,
    };
    let options = RigOptions {
        clock: Arc::new(SystemClock),
        limits: Limits { concurrency: 64, ..Limits::default() },
        grants: Grants { http: vec![grant], ..Grants::default() },
        retry: RetryPolicy::default(),
        keyed: false,
    };
    let rig = Arc::new(if durable { Rig::new(options).await } else { Rig::relaxed(options).await });
    let executor = rig.executor(Arc::new(Three), 64);
    let stop = CancellationToken::new();
    let work = executor.run(stop.clone(), Duration::from_secs(30));
    let feed = async {
        runs(&rig, 64, ALONE).await?;
        let started = Instant::now();
        runs(&rig, 1, ALONE).await?;
        let alone = started.elapsed();
        let (started, before) = (Instant::now(), cpu()?);
        runs(&rig, 64, RUNS).await?;
        let (took, after) = (started.elapsed(), cpu()?);
        stop.cancel();
        anyhow::Ok(Measured {
            cpu: after.saturating_sub(before).as_secs_f64() * 1e6 / f64::from(RUNS),
            rate: f64::from(RUNS) / took.as_secs_f64(),
            alone: alone.as_secs_f64() * 1e6 / f64::from(ALONE),
        })
    };
    let (worked, measured) = tokio::join!(work, feed);
    worked?;
    measured
}

/// Accepts so many events and waits for the end of each run.
async fn runs(rig: &Arc<Rig>, clients: u32, runs: u32) -> anyhow::Result<()> {
    let mut waiting = JoinSet::new();
    for _ in 0..clients {
        let rig = Arc::clone(rig);
        waiting.spawn(async move {
            for _ in 0..runs / clients {
                let accepted = rig.intake.manual(&scope(), None, event("{}"), false).await;
                let run = accepted.map_err(|e| anyhow::anyhow!("{e}"))?.run();
                rig.intake.outcome(run, Duration::from_secs(30)).await.context("a run does not end")?;
            }
            anyhow::Ok(())
        });
    }
    for ended in waiting.join_all().await {
        ended?;
    }
    Ok(())
}

/// What this process used of its processors, by the kernel's clock of 100 ticks a second.
fn cpu() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("/proc/self/stat does not read")?;
    Ok(Duration::from_millis((user + system) * 10))
}

/// One small row a transaction, in microseconds.
fn commit_alone() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let db = Connection::open(folder.path().join("alone.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE journal (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL);",
    )?;
    let mut insert = db.prepare("INSERT INTO journal (bytes) VALUES (?1)")?;
    let started = Instant::now();
    for _ in 0..ALONE {
        insert.execute(params![[7_u8; 300]])?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(ALONE))
}
