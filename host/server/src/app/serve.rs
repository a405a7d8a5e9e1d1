//! Starts the host and stops it, both in order.
//!
//! Up: listeners, then the executor and the scheduler. Down: not ready, doors closed, schedules stopped, runs get their time, what is left
//! is released, the store is closed. A store that stopped by itself ends everything at once.

use std::convert::Infallible;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::body::Body;
use http::Request;
use jackfield_core::artifact::Digest;
use jackfield_core::gauntlet::crash_point;
use jackfield_core::notify::Notifier;
use jackfield_core::scheduler::Scheduler;
use jackfield_core::store::StoreError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::build::{AuditNote, Built};
use super::{Addresses, Host};
use crate::listeners::{ListenError, Listener};
use crate::triggers::webhook;
use crate::{api, health};

/// Where the real addresses are written.
pub const LISTENERS_FILE: &str = "listeners.json";

/// What requests under way at the admin listener get when the host stops: some never end by themselves.
const ADMIN_GRACE: Duration = Duration::from_secs(2);
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// Serves until a signal, or until the store stops by itself. `ready` is called once the doors are open.
///
/// # Errors
///
/// The host could not start, or had to end.
pub async fn serve(built: Built, ready: impl FnOnce(&Host, Option<&str>)) -> anyhow::Result<()> {
    let Built { host, store, network, audit, setup_token } = built;
    let mut signals = Signals::new().context("signals cannot be heard")?;
    let doors = Doors::open(&host)?;
    let addresses = doors.addresses();
    network.set_own_listeners(vec![addresses.ingress, addresses.admin, addresses.metrics]);
    host.addresses.set(addresses).map_err(|_| anyhow!("the host was started twice"))?;
    write_addresses(&host.config.data, &addresses).context(LISTENERS_FILE)?;

    let background = TaskTracker::new();
    let (closing, ending, working) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let open = doors.serve(&host, &closing, &ending);
    background.spawn(until(ending.clone(), retain(host.clone())));
    background.spawn(until(ending.clone(), write_audit(host.clone(), audit)));
    background.spawn(until(ending.clone(), preload(host.clone())));
    background.spawn(until(closing.clone(), work_through(host.clone())));
    background.spawn(until(ending.clone(), notify(host.clone())));
    let mut executor = tokio::task::JoinSet::new();
    executor.spawn(execute(host.clone(), working.clone()));
    // Triggers stop when the doors close; runs go on.
    let mut scheduler = tokio::task::JoinSet::new();
    scheduler.spawn(schedule(host.clone(), closing.clone()));
    let mut sources = tokio::task::JoinSet::new();
    sources.spawn(hear(host.clone(), closing.clone()));
    tracing::info!(
        ingress = %addresses.ingress, admin = %addresses.admin, metrics = %addresses.metrics,
        data = %host.config.data.display(), held = host.hold.is_held(), "jackfield {} started", crate::VERSION,
    );
    ready(&host, setup_token.as_ref().map(|text| text.as_str()));
    drop(setup_token);

    let stopped = store.stopped();
    tokio::pin!(stopped);
    let ended = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping; a second signal ends at once");
            None
        }
        why = &mut stopped => return Err(failed(&why)),
        ended = executor.join_next() => Some(("executor", ended)),
        ended = scheduler.join_next() => Some(("scheduler", ended)),
    };
    if let Some((who, ended)) = ended {
        return Err(match ended {
            Some(Ok(Err(error))) => failed(&error.to_string()),
            Some(Err(error)) => anyhow!("the {who} ended: {error}"),
            _ => anyhow!("the {who} ended"),
        });
    }

    let orderly = async {
        host.health.drain();
        closing.cancel();
        working.cancel();
        crash_point("stop-draining");
        scheduler.join_next().await;
        sources.join_next().await;
        // Requests that wait for a run's output need the runs to go on meanwhile.
        let (executed, ()) = tokio::join!(executor.join_next(), open.closed());
        ending.cancel();
        background.close();
        background.wait().await;
        open.ended().await;
        let logs = host.logs.clone();
        let _ = tokio::task::spawn_blocking(move || logs.flush()).await;
        crash_point("stop-before-close");
        host.store.close().await;
        executed
    };
    tokio::select! {
        executed = orderly => match executed {
            Some(Ok(Err(error))) => Err(failed(&error.to_string())),
            _ => {
                tracing::info!("stopped");
                Ok(())
            }
        },
        name = signals.next() => Err(anyhow!("ended at once by a second signal ({name}); runs under way start again")),
        why = &mut stopped => Err(failed(&why)),
    }
}

/// The host must end: nothing it would still answer could be relied on.
fn failed(why: &str) -> anyhow::Error {
    tracing::error!(why, "the store has stopped; the host ends at once");
    anyhow!(
        "the store has stopped: {why}. Nothing that was acknowledged is lost; start the host again once the disk is well"
    )
}

async fn until(end: CancellationToken, work: impl Future<Output = ()>) {
    end.run_until_cancelled(work).await;
}

/// Claims and executes until told to stop; while the host is held, it only waits.
async fn execute(host: Arc<Host>, stop: CancellationToken) -> Result<(), StoreError> {
    if stop.run_until_cancelled(host.hold.released()).await.is_none() {
        return Ok(());
    }
    host.executor.run(stop, host.config.executor.drain).await
}

/// Starts the runs of schedules until told to stop; while the host is held, it only waits.
async fn schedule(host: Arc<Host>, stop: CancellationToken) -> Result<(), StoreError> {
    if stop.run_until_cancelled(host.hold.released()).await.is_none() {
        return Ok(());
    }
    let (store, releases, clock) = (host.store.clone(), host.releases.clone(), host.clock.clone());
    Scheduler::new(store, releases, host.intake.clone(), host.metrics.clone(), clock).run(stop).await
}

/// Hears from other systems until told to stop; while the host is held, it only waits.
async fn hear(host: Arc<Host>, stop: CancellationToken) {
    if stop.run_until_cancelled(host.hold.released()).await.is_some() {
        host.sources.run(stop).await;
    }
}

/// Removes what retention does not keep, every minute.
async fn retain(host: Arc<Host>) {
    loop {
        host.clock.sleep(RETAIN_EVERY).await;
        // A backup that was just put back must not lose its history before anybody looked at it.
        if host.hold.is_held() {
            continue;
        }
        match host.store.retain(host.config.retention).await {
            Ok(0) => {}
            Ok(runs) => tracing::debug!(runs, "retention removed finished runs"),
            Err(error) => tracing::warn!(%error, "retention could not remove finished runs"),
        }
        let logs = host.logs.clone();
        match tokio::task::spawn_blocking(move || logs.retain()).await {
            Ok(0) => {}
            Ok(files) => tracing::debug!(files, "retention removed guest logs"),
            Err(error) => tracing::error!(%error, "retention of guest logs ended badly"),
        }
    }
}

/// Works through jobs over dead letters; while the host is held, it only waits.
async fn work_through(host: Arc<Host>) {
    host.hold.released().await;
    host.bulk.run(CancellationToken::new()).await;
}

/// Tells notices outside; while the host is held, it only waits.
async fn notify(host: Arc<Host>) {
    host.hold.released().await;
    let tls = host.config.admin.tls.is_some();
    let admin = host.addresses.get().map_or(host.config.admin.listen, |addresses| addresses.admin);
    let base = super::base_url(admin, tls);
    let link = move |run| format!("{base}/v1/runs/{run}");
    let (store, outside) = (host.store.clone(), host.outside.clone());
    Notifier::new(store, outside, host.clock.clone(), host.rng.clone(), link).run(CancellationToken::new()).await;
}

async fn write_audit(host: Arc<Host>, mut notes: mpsc::Receiver<AuditNote>) {
    while let Some(AuditNote { action, detail }) = notes.recv().await {
        if let Err(error) = host.store.audit(host.clock.now(), "host".into(), action.into(), detail).await {
            tracing::warn!(%error, action, "an entry of the audit trail could not be written");
        }
    }
}

/// Loads the code of what is active, so that the first event after a start does not wait for it.
async fn preload(host: Arc<Host>) {
    let mut digests: Vec<Digest> =
        host.releases.all().iter().flat_map(|release| release.version.artifacts.values().copied()).collect();
    digests.sort_unstable();
    digests.dedup();
    for digest in digests {
        if let Err(error) = host.code.prepare(digest).await {
            tracing::warn!(artifact = %digest, %error, "the code of an active component could not be loaded");
        }
    }
}

struct Doors {
    ingress: Listener,
    admin: Listener,
    metrics: Listener,
}

impl Doors {
    fn open(host: &Host) -> Result<Self, ListenError> {
        let config = &host.config;
        let limits = &config.listeners;
        let trusted = &config.ingress.trusted_proxies;
        Ok(Self {
            ingress: Listener::bind("ingress", config.ingress.listen, config.ingress.tls.as_ref(), limits, trusted)?,
            admin: Listener::bind("admin", config.admin.listen, config.admin.tls.as_ref(), limits, trusted)?,
            metrics: Listener::bind("metrics", config.metrics.listen, None, limits, &[])?,
        })
    }

    fn addresses(&self) -> Addresses {
        Addresses { ingress: self.ingress.address(), admin: self.admin.address(), metrics: self.metrics.address() }
    }

    /// Starts serving. The metrics listener goes on until `ending`, so that a load balancer sees why.
    fn serve(self, host: &Arc<Host>, closing: &CancellationToken, ending: &CancellationToken) -> Open {
        let open = Open { outer: TaskTracker::new(), metrics: TaskTracker::new() };
        let for_ingress = host.clone();
        let ingress = tower::service_fn(move |request: Request<Body>| {
            let host = for_ingress.clone();
            async move { Ok::<_, Infallible>(webhook::answer(&host, request).await) }
        });
        let for_metrics = host.clone();
        let metrics = tower::service_fn(move |request: Request<Body>| {
            let host = for_metrics.clone();
            async move { Ok::<_, Infallible>(health::answer(&host, request).await) }
        });
        open.outer.spawn(self.ingress.serve(ingress, closing.clone(), host.config.executor.drain));
        open.outer.spawn(self.admin.serve(api::router(host.clone()), closing.clone(), ADMIN_GRACE));
        open.metrics.spawn(self.metrics.serve(metrics, ending.clone(), Duration::ZERO));
        open.outer.close();
        open.metrics.close();
        open
    }
}

/// The doors while they are open.
struct Open {
    outer: TaskTracker,
    metrics: TaskTracker,
}

impl Open {
    /// Returns once ingress and admin are closed and their last requests ended.
    async fn closed(&self) {
        self.outer.wait().await;
    }

    /// The same for the metrics listener.
    async fn ended(&self) {
        self.metrics.wait().await;
    }
}

/// Writes the addresses so that a reader sees the old file or the new one, never half of one.
fn write_addresses(data: &Path, addresses: &Addresses) -> io::Result<()> {
    let (file, new) = (data.join(LISTENERS_FILE), data.join("listeners.json.new"));
    let mut out = fs::File::create(&new)?;
    serde_json::to_writer(&mut out, addresses)?;
    out.write_all(b"\n")?;
    drop(out);
    fs::rename(new, file)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
