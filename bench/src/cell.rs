//! A fresh instance and one call, beside the same work as a native function.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jackfield_core::clock::SystemClock;
use jackfield_core::grant::Grants;
use jackfield_core::hatch::testing::{Rig, RigOptions, event};
use jackfield_core::limits::Limits;
use jackfield_core::outcome::Outcome;
use jackfield_core::ports::sandbox::{Sandbox, Work};
use jackfield_core::retry::RetryPolicy;
use jackfield_sandbox::code::{CodeOptions, CodeStore};
use jackfield_sandbox::compile::CompileLimits;
use jackfield_sandbox::engine::{Engine, EngineOptions};
use jackfield_sandbox::gate::GateLimits;
use jackfield_sandbox::invoke::WasmSandbox;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::table::{Table, median};

const GUEST: &str = "guest-examples/hello/rust/dist/greet.wasm";
pub(crate) const EVENT: &str = r#"{"name":"Ada","padding":"0123456789012345678901234567890123456789"}"#;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let rig = rig().await;
    rig.accept(EVENT).await;
    let claim = rig.claim().await;
    let folder = rig.folder.path();
    let engine = Engine::new(EngineOptions::default())?;
    let code = Arc::new(CodeStore::open(options(folder), &engine)?);
    let file = folder.join("guest.wasm");
    std::fs::copy(GUEST, &file).with_context(|| format!("{GUEST}: build it with `make guests`"))?;
    let compiling = Instant::now();
    let artifact = code.add_artifact(&file, "bench").await?.inspection.digest;
    let compiling = compiling.elapsed();
    let sandbox = Arc::new(WasmSandbox::new(&engine, Arc::clone(&code)));

    let work = |hatch| Work {
        artifact,
        event: Arc::new(event(EVENT)),
        limits: Limits::default(),
        grants: Arc::new(Grants::default()),
        hatch,
        stop: CancellationToken::new(),
    };
    let one = || async {
        let report = sandbox.invoke(work(rig.hatch(&claim).await)).await;
        match report.map_err(|fault| anyhow::anyhow!("{fault}"))?.outcome {
            Outcome::Succeeded { .. } => Ok(()),
            other => anyhow::bail!("the guest did not succeed: {}", other.reason()),
        }
    };
    for _ in 0..200 {
        one().await?;
    }
    let (mut fresh, mut opened, mut native) = (vec![], vec![], vec![]);
    for _ in 0..9 {
        fresh.push(micros(500, one).await?);
        opened.push(
            micros(500, || async {
                drop(black_box(rig.hatch(&claim).await));
                Ok(())
            })
            .await?,
        );
        native.push(
            micros(20_000, || async {
                black_box(greet(black_box(EVENT)));
                Ok(())
            })
            .await?,
        );
    }
    let (fresh, opened, native) = (median(fresh), median(opened), median(native));
    table.row("fresh instance, one call (with its hatch)", fresh, native, "µs", "the same as a native function");
    table.row("  of which opening the hatch", opened, native, "µs", "the same as a native function");

    let two = Instant::now();
    let mut tasks = JoinSet::new();
    let rig = Arc::new(rig);
    let claim = Arc::new(claim);
    for _ in 0..2 {
        let (rig, claim, sandbox) = (Arc::clone(&rig), Arc::clone(&claim), Arc::clone(&sandbox));
        tasks.spawn(async move {
            for _ in 0..2_000 {
                let work = Work {
                    artifact,
                    event: Arc::new(event(EVENT)),
                    limits: Limits::default(),
                    grants: Arc::new(Grants::default()),
                    hatch: rig.hatch(&claim).await,
                    stop: CancellationToken::new(),
                };
                let _ = black_box(sandbox.invoke(work).await);
            }
        });
    }
    tasks.join_all().await;
    let both = two.elapsed().as_secs_f64() * 1e6 / 4_000.0;
    table.row("events a second, two threads", 1e6 / both, 1e6 / fresh, "/s", "one thread");
    table.row("compile the guest (once per upload)", compiling.as_secs_f64() * 1e3, 0.0, "ms", "");
    Ok(())
}

/// A host in a temporary folder, but for its sandbox.
pub(crate) async fn rig() -> Rig {
    Rig::new(RigOptions {
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
        grants: Grants::default(),
        retry: RetryPolicy::default(),
        keyed: false,
    })
    .await
}

/// A code store below `folder`, with the limits that every host has.
pub(crate) fn options(folder: &Path) -> CodeOptions {
    CodeOptions {
        artifacts: folder.join("artifacts"),
        cache: folder.join("code"),
        mac_key: [1; 32],
        worker: std::env::current_exe().expect("a process knows its own file"),
        gate: GateLimits::default(),
        compile: CompileLimits::default(),
        loaded_max: 10,
        on_audit: Arc::new(|_| {}),
    }
}

/// What the guest does, without a guest.
fn greet(data: &str) -> Vec<u8> {
    let event: Value = serde_json::from_str(data).expect("the event is JSON");
    serde_json::to_vec(&serde_json::json!({ "hello": event["name"] })).expect("JSON can be written")
}

async fn micros<F>(times: u32, one: impl Fn() -> F) -> anyhow::Result<f64>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let started = Instant::now();
    for _ in 0..times {
        one().await?;
    }
    Ok(per(started.elapsed(), times))
}

fn per(time: Duration, times: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(times)
}
