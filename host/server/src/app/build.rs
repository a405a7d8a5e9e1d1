//! Builds the host: everything in its order, and nothing started yet.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use jackfield_connectors::Surroundings;
use jackfield_connectors::{Denied, Network, SystemResolver};
use jackfield_core::bulk::Bulk;
use jackfield_core::clock::{Clock, Rng, SystemClock, SystemRng, Timestamp};
use jackfield_core::executor::{Executor, ExecutorParts};
use jackfield_core::intake::{Intake, Releases};
use jackfield_core::logs::Logs;
use jackfield_core::metrics::Metrics;
use jackfield_core::outside::{Outside, OutsideParts};
use jackfield_core::sources::Sources;
use jackfield_core::store::Store;
use jackfield_core::store::admin::Right;
use jackfield_core::store::sqlite::{SqliteOptions, SqliteStore};
use jackfield_sandbox::code::{CodeOptions, CodeStore};
use jackfield_sandbox::compile::CompileLimits;
use jackfield_sandbox::engine::{self, Engine, EngineOptions};
use jackfield_sandbox::gate::GateLimits;
use jackfield_sandbox::invoke::WasmSandbox;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::Host;
use crate::config::Config;
use crate::health::Health;
use crate::hold::Hold;
use crate::setup::SetupToken;
use crate::triggers::webhook::Hooks;
use crate::{crash_mark, keys};

/// Components kept mapped at the same time.
const LOADED_MAX: usize = 1_000;
/// Entries for the audit trail that wait to be written.
const AUDIT_LINE: usize = 256;
/// The same refused address is written down again after this.
const AUDIT_AGAIN: Duration = Duration::from_secs(3600);

/// The host, and what only its start and stop need.
pub struct Built {
    /// What the doors share.
    pub host: Arc<Host>,
    /// The store, to be told when it stops by itself.
    pub store: SqliteStore,
    /// The network, to be told of our own listeners.
    pub network: Network,
    /// What is to be written to the audit trail.
    pub audit: mpsc::Receiver<AuditNote>,
    /// The set-up token's text, if there is one: to be shown once.
    pub setup_token: Option<Zeroizing<String>>,
}

/// Something for the audit trail that was noticed where nothing can wait for the store.
pub struct AuditNote {
    /// What happened.
    pub action: &'static str,
    /// To what.
    pub detail: String,
}

/// Builds the host in its data folder.
///
/// # Errors
///
/// What keeps the host from starting, with the way out. Nothing was changed that a second start minds.
pub async fn build(config: Config) -> anyhow::Result<Built> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let started = clock.now();
    let data = config.data.as_path();
    make_folder(data)?;

    let mut options = SqliteOptions::new(clock.clone(), rng.clone());
    options.queue_runs = config.queue.runs;
    options.queue_bytes = config.queue.bytes;
    options.crash_mark = Some(data.join(crash_mark::FILE));
    let sqlite = SqliteStore::open(data, options)?;
    crash_mark::arm(data).context("the crash mark cannot be kept")?;
    let store: Arc<dyn Store> = Arc::new(sqlite.clone());
    let keys = keys::load(&config.master_key, &*store, &*rng).await?;

    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry, config.metrics.max_series)?;
    metrics.build_info(crate::VERSION, &format!("{} {}", engine::NAME, engine::VERSION));
    let logs = Logs::open(data.join("logs"), clock.clone(), config.log_retention)
        .with_context(|| format!("guest logs cannot be kept in {}", data.join("logs").display()))?;

    let (to_audit, audit) = mpsc::channel(AUDIT_LINE);
    let open = network(&to_audit, clock.clone());
    let network = if config.network.private_by_default() { open.clone() } else { open.strict() };
    let around = |network| Surroundings {
        network,
        folders: config.connections.folders.clone(),
        own_folder: Some(data.to_path_buf()),
    };
    let outside = Outside::new(OutsideParts {
        store: store.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        keys,
        connectors: jackfield_connectors::all(&around(network.clone())),
        bare_http: jackfield_connectors::bare(&network),
        logs: logs.clone(),
        metrics: metrics.clone(),
    });

    let own = config.network.environments().iter().map(|(environment, private)| {
        let network = if *private { open.clone() } else { open.strict() };
        (environment.clone(), jackfield_connectors::all(&around(network)))
    });
    outside.set_own_connectors(own.collect());

    let slots = config.executor.slots.get();
    let engine = EngineOptions { pool_instances: slots.max(64), ..EngineOptions::default() };
    let engine = Engine::new(engine)?;
    let code = Arc::new(CodeStore::open(code_options(data, &outside, to_audit), &engine)?);
    let sandbox = Arc::new(WasmSandbox::new(&engine, code.clone()));

    let releases = Releases::load(store.clone()).await?;
    let intake = Intake::new(store.clone(), releases.clone(), clock.clone(), rng.clone(), metrics.clone());
    let executor = Executor::new(ExecutorParts {
        store: store.clone(),
        sandbox,
        outside: outside.clone(),
        intake: intake.clone(),
        metrics: metrics.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        slots,
        memory_bytes: config.executor.memory_bytes,
    });
    let sources = Sources::new(intake.clone(), outside.clone(), clock.clone(), metrics.clone());
    let hooks = Hooks::default();
    hooks.refresh(&*store).await?;

    let bulk = Bulk::new(store.clone(), releases.clone(), clock.clone(), rng.clone());
    let hold = Hold::open(data).context("whether the host is held")?;
    let (setup, setup_token) = setup(data, &*store, &*rng, started).await?;
    let host = Arc::new(Host {
        health: Health::new(sqlite.clone()),
        config,
        store,
        clock,
        rng,
        outside,
        releases,
        intake,
        sources,
        executor,
        bulk,
        code,
        logs,
        metrics,
        registry,
        hooks,
        hold,
        setup,
        started,
        addresses: OnceLock::new(),
    });
    Ok(Built { host, store: sqlite, network, audit, setup_token })
}

fn make_folder(data: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("data: the folder {} cannot be made", data.display()))
}

/// A set-up token, unless somebody can already make tokens.
async fn setup(
    data: &Path,
    store: &dyn Store,
    rng: &dyn Rng,
    now: Timestamp,
) -> anyhow::Result<(SetupToken, Option<Zeroizing<String>>)> {
    let tokens = store.tokens().await?;
    let admin = tokens
        .iter()
        .any(|(token, _)| token.rights.contains(&Right::Admin) && token.expires.is_none_or(|expires| expires > now));
    if admin {
        return Ok((SetupToken::closed(data).context("the old set-up token")?, None));
    }
    let (setup, text) = SetupToken::open(data, rng).context("the set-up token cannot be written")?;
    Ok((setup, Some(text)))
}

fn code_options(data: &Path, outside: &Outside, audit: mpsc::Sender<AuditNote>) -> CodeOptions {
    CodeOptions {
        artifacts: data.join("artifacts"),
        cache: data.join("code"),
        mac_key: outside.derived_key("code cache"),
        worker: own_binary(),
        gate: GateLimits::default(),
        compile: CompileLimits::default(),
        loaded_max: LOADED_MAX,
        on_audit: Arc::new(move |detail| {
            tracing::warn!("{detail}");
            let _full = audit.try_send(AuditNote { action: "code-cache-refused", detail });
        }),
    }
}

/// This very binary, also after the file was replaced by a newer one.
pub fn own_binary() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or(running) }
}

fn network(audit: &mpsc::Sender<AuditNote>, clock: Arc<dyn Clock>) -> Network {
    let audit = audit.clone();
    let seen: Mutex<HashMap<String, Duration>> = Mutex::default();
    Network::new(
        Arc::new(SystemResolver),
        Arc::new(move |denied: Denied| {
            let address = denied.address.map(|address| format!(" ({address})")).unwrap_or_default();
            let detail = format!("{}:{}{address}: {}", denied.host, denied.port, denied.reason);
            let now = clock.monotonic();
            {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.retain(|_, at| now.saturating_sub(*at) < AUDIT_AGAIN);
                // A guest that varies what it asks for must fill neither memory nor the trail.
                if seen.len() >= 1_000 || seen.insert(detail.clone(), now).is_some() {
                    return;
                }
            }
            let _full = audit.try_send(AuditNote { action: "address-denied", detail });
        }),
    )
}
