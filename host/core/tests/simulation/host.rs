//! One process of the host: everything real but the sandbox, on a runtime of its own. Dropping it is a
//! `kill -9`: every task of it is gone, at whatever await it was.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use jackfield_core::clock::fake::FakeRng;
use jackfield_core::clock::{Clock, Rng};
use jackfield_core::executor::{Executor, ExecutorParts};
use jackfield_core::intake::{Intake, Releases};
use jackfield_core::lock::locked;
use jackfield_core::logs::Logs;
use jackfield_core::metrics::Metrics;
use jackfield_core::outside::{Keys, Outside, OutsideParts};
use jackfield_core::scheduler::Scheduler;
use jackfield_core::seal::MasterKey;
use jackfield_core::store::Store;
use jackfield_core::store::sqlite::SqliteStore;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::simulation::guest::Guests;
use crate::simulation::ledger::Ledger;
use crate::simulation::net::{Net, Plug};
use crate::simulation::time::Time;

/// What a process is started with.
pub(crate) struct Start {
    pub(crate) boot: u64,
    pub(crate) seed: u64,
    pub(crate) store: SqliteStore,
    pub(crate) time: Arc<Time>,
    pub(crate) net: Arc<Net>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) ledger: Ledger,
    pub(crate) slots: u32,
    /// For the attempts under way when it is told to stop.
    pub(crate) grace: Duration,
}

/// The parts of a process that is up.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) releases: Arc<Releases>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// See the module.
pub(crate) struct Host {
    pub(crate) grace: Duration,
    pub(crate) stop: CancellationToken,
    parts: Arc<OnceLock<Parts>>,
    ended: Arc<AtomicBool>,
    idle: Arc<Idle>,
    // Dropped last: what the others drop may still belong to it.
    runtime: Runtime,
}

/// Whether there is nothing to do until something comes from outside.
#[derive(Default)]
struct Idle {
    yes: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Host {
    pub(crate) fn start(start: Start) -> Self {
        let idle = Arc::new(Idle::default());
        let parking = Arc::clone(&idle);
        let runtime = Builder::new_current_thread()
            .on_thread_park(move || {
                parking.yes.store(true, Ordering::SeqCst);
                if let Some(waker) = locked(&parking.waiting).take() {
                    waker.wake();
                }
            })
            .build()
            .expect("a runtime without drivers needs nothing");
        let (parts, ended, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let (up, over, stopped, grace) = (Arc::clone(&parts), Arc::clone(&ended), stop.clone(), start.grace);
        runtime.spawn(async move {
            work(start, &up, stopped).await;
            over.store(true, Ordering::SeqCst);
        });
        Self { grace, stop, parts, ended, idle, runtime }
    }

    /// Its parts, once it is up.
    pub(crate) fn parts(&self) -> Option<&Parts> {
        self.parts.get()
    }

    /// Whether it has come to its end by itself.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Lets it work until everything in it waits.
    pub(crate) fn work(&self) {
        self.idle.yes.store(false, Ordering::SeqCst);
        self.runtime.block_on(poll_fn(|cx| {
            if self.idle.yes.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            *locked(&self.idle.waiting) = Some(cx.waker().clone());
            Poll::Pending
        }));
    }

    /// Does something in it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }
}

async fn work(start: Start, up: &OnceLock<Parts>, stop: CancellationToken) {
    let clock: Arc<dyn Clock> = Arc::<Time>::clone(&start.time);
    let rng: Arc<dyn Rng> = Arc::new(FakeRng::new(start.seed));
    let store: Arc<dyn Store> = Arc::new(start.store);
    let releases = loop {
        match Releases::load(Arc::clone(&store)).await {
            Ok(releases) => break releases,
            // The real one would end and be started again.
            Err(_) => clock.sleep(Duration::from_millis(100)).await,
        }
    };
    let metrics = Metrics::register(&prometheus::Registry::new(), 100).expect("names are unique");
    let intake = Intake::new(
        Arc::clone(&store),
        Arc::clone(&releases),
        Arc::clone(&clock),
        Arc::clone(&rng),
        Arc::clone(&metrics),
    );
    let plug = Plug(start.net);
    let outside = Outside::new(OutsideParts {
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
        keys: Keys { master: MasterKey::from_bytes([7; 32]), installation: [9; 32] },
        bare_http: plug.wire(false),
        connectors: vec![Arc::new(plug)],
        logs: start.logs,
        metrics: Arc::clone(&metrics),
    });
    let executor = Executor::new(ExecutorParts {
        store: Arc::clone(&store),
        sandbox: Arc::new(Guests { ledger: start.ledger, clock: Arc::clone(&clock), boot: start.boot }),
        outside,
        intake: Arc::clone(&intake),
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(&clock),
        rng,
        slots: start.slots,
        memory_bytes: 1 << 40,
    });
    let scheduler =
        Scheduler::new(Arc::clone(&store), Arc::clone(&releases), Arc::clone(&intake), metrics, Arc::clone(&clock));
    let parts = Parts { store, executor: Arc::clone(&executor), intake, releases, clock };
    let _first = up.set(parts);
    let (_ran, _scheduled) = tokio::join!(executor.run(stop.clone(), start.grace), scheduler.run(stop));
}
