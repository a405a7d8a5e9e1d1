//! A rig for tests: a real hatch over a real SQLite store in a folder of its own, with a scripted
//! http connection at the far end.
//!
//! The store is never a mock: what is tested is what is promised about the disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use url::Url;

use super::Hatch;
use crate::artifact::{Digest, Inspection};
use crate::clock::{Clock, Rng, SystemRng};
use crate::event::Event;
use crate::executor::{Executor, ExecutorParts};
use crate::grant::{Capability, Grants};
use crate::ids::Scope;
use crate::intake::{Intake, Releases};
use crate::journal::{self, Chunk, Record};
use crate::limits::Limits;
use crate::lock::locked;
use crate::logs::{LogRetention, Logs};
use crate::metrics::Metrics;
use crate::outside::{Keys, Outside, OutsideParts};
use crate::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem};
use crate::ports::http::{HopCheck, Http, HttpFailure, HttpRequest, HttpResponse};
use crate::ports::sandbox::Sandbox;
use crate::release::{Component, Durability, Manifest, SourceTrigger, Trigger, TriggerKind, Version};
use crate::retry::RetryPolicy;
use crate::seal::MasterKey;
use crate::store::Store;
use crate::store::queue::{Claim, Room};
use crate::store::registry::Connection;
use crate::store::sqlite::{SqliteOptions, SqliteStore};

/// What the other side does with a request.
pub type Answer = Result<HttpResponse, HttpFailure>;

/// The other side: answers from a script, and remembers what it was asked.
pub struct ScriptedHttp {
    base: Url,
    keyed: bool,
    script: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl ScriptedHttp {
    /// Adds answers; once they are used up every request is answered 200.
    pub fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        locked(&self.script).extend(answers);
    }

    /// Everything it was asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<HttpRequest> {
        locked(&self.asked).clone()
    }
}

/// A response of the other side.
///
/// # Errors
///
/// Never; it is an [`Answer`] for a script.
pub fn responds(status: u16, body: &'static str) -> Answer {
    Ok(HttpResponse { status, headers: vec![], body: Bytes::from_static(body.as_bytes()) })
}

#[async_trait]
impl Http for ScriptedHttp {
    fn base(&self) -> Option<&Url> {
        Some(&self.base)
    }
    fn keyed(&self) -> bool {
        self.keyed
    }
    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }
    fn reserved_headers(&self) -> &[String] {
        &[]
    }
    async fn send(&self, request: HttpRequest, _: HopCheck<'_>) -> Answer {
        locked(&self.asked).push(request);
        locked(&self.script).pop_front().unwrap_or_else(|| responds(200, "ok"))
    }
}

struct ScriptedConnector(Arc<ScriptedHttp>);

#[async_trait]
impl Connector for ScriptedConnector {
    fn kind(&self) -> &'static str {
        "http"
    }
    fn serves(&self) -> &'static [Capability] {
        &[Capability::Http]
    }
    fn check(&self, _: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }
    fn secrets(&self, _: &Map<String, Value>) -> Vec<String> {
        vec![]
    }
    fn open(&self, _: &Map<String, Value>, _: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        Ok(Opened { http: Some(Arc::clone(&self.0) as Arc<dyn Http>), ..Opened::default() })
    }
    async fn test(&self, _: &Map<String, Value>, _: &Secrets, _: Duration) -> Vec<Finding> {
        vec![]
    }
}

/// How a rig is set up. The integration is `demo` in `dev`, its component `main`, its connection
/// `api` at `http://api.test/`, its trigger `go`; if its connector has a trigger, one of that
/// kind is `heard`.
pub struct RigOptions {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Of the component.
    pub limits: Limits,
    /// Of the component.
    pub grants: Grants,
    /// Of the component.
    pub retry: RetryPolicy,
    /// Whether the other side honours idempotency keys.
    pub keyed: bool,
}

/// Everything between a trigger and the other side, but for the sandbox.
pub struct Rig {
    /// Where the store lives; removed with the rig.
    pub folder: tempfile::TempDir,
    /// The store.
    pub store: Arc<dyn Store>,
    /// What hatches share.
    pub outside: Arc<Outside>,
    /// Where events enter.
    pub intake: Arc<Intake>,
    /// The other side.
    pub http: Arc<ScriptedHttp>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Guest logs.
    pub logs: Arc<Logs>,
    options: RigOptions,
    far: Option<Far>,
    rng: Arc<dyn Rng>,
}

/// What stands behind the connection `api`, instead of the script.
struct Far {
    connector: Arc<dyn Connector>,
    settings: Map<String, Value>,
    /// What the manifest says of the trigger `heard`.
    trigger: Map<String, Value>,
}

impl Rig {
    /// A rig in a new folder.
    pub async fn new(options: RigOptions) -> Self {
        Self::made(options, None, Durability::Durable).await
    }

    /// A rig whose component records nothing.
    pub async fn relaxed(options: RigOptions) -> Self {
        Self::made(options, None, Durability::Relaxed).await
    }

    /// A rig whose connection is a real one.
    pub async fn over(options: RigOptions, connector: Arc<dyn Connector>, settings: Map<String, Value>) -> Self {
        Self::hearing(options, connector, settings, Map::new()).await
    }

    /// A rig whose connection is a real one, with what the manifest says of the trigger on it.
    pub async fn hearing(
        options: RigOptions,
        connector: Arc<dyn Connector>,
        settings: Map<String, Value>,
        trigger: Map<String, Value>,
    ) -> Self {
        Self::made(options, Some(Far { connector, settings, trigger }), Durability::Durable).await
    }

    async fn made(options: RigOptions, far: Option<Far>, durability: Durability) -> Self {
        let folder = tempfile::tempdir().expect("the machine has a folder for temporary files");
        let rig = Self::open(folder, options, far).await;
        let (rig, mut manifest) = (rig.0, rig.1);
        for component in manifest.components.values_mut() {
            component.durability = durability;
        }
        let digest = Digest::of(b"main");
        let inspection = Inspection {
            digest,
            size: 4,
            needs: vec![],
            imports: vec![],
            exports: vec![],
            unknown_imports: vec![],
            handles_events: true,
            handles_requests: false,
            producers: vec![],
        };
        let now = rig.options.clock.now();
        let scope = scope();
        let store = &rig.store;
        store.add_artifact(inspection, now).await.expect("stored");
        let artifacts = [(name("main"), digest)].into();
        let number = store.add_version(Version { number: 0, manifest, artifacts }, now).await.expect("stored");
        let (environment, integration) = (scope.environment, scope.integration);
        store.release(environment.clone(), integration, number, vec![], "tester".into(), now).await.expect("stored");
        let connection = Connection {
            name: name("api"),
            kind: kind(rig.far.as_ref()).into(),
            settings: rig.far.as_ref().map(|far| far.settings.clone()).unwrap_or_default(),
            integrations: vec![],
            set: now,
        };
        store.set_connection(environment, connection).await.expect("stored");
        let Rig { folder, store, options, far, .. } = rig;
        store.close().await;
        drop(store);
        // Opened again, so that a fresh rig and a reopened one are the same.
        Self::open(folder, options, far).await.0
    }

    /// The same folder after the host died: everything in memory is gone.
    pub async fn reopen(self) -> Self {
        let Rig { folder, store, outside, intake, options, far, .. } = self;
        store.close().await;
        drop((store, outside, intake));
        Self::open(folder, options, far).await.0
    }

    async fn open(folder: tempfile::TempDir, options: RigOptions, far: Option<Far>) -> (Self, Manifest) {
        let rng: Arc<dyn Rng> = Arc::new(SystemRng);
        let clock = Arc::clone(&options.clock);
        let sqlite = SqliteOptions::new(Arc::clone(&clock), Arc::clone(&rng));
        let store = SqliteStore::open(folder.path(), sqlite).expect("a new folder opens");
        let store: Arc<dyn Store> = Arc::new(store);
        let metrics = Metrics::register(&prometheus::Registry::new(), 1_000).expect("names are unique");
        let retention = LogRetention { age: Duration::from_secs(86_400), bytes: 1 << 30 };
        let logs = Logs::open(folder.path().join("logs"), Arc::clone(&clock), retention).expect("a folder for logs");
        let http = Arc::new(ScriptedHttp {
            base: "http://api.test/".parse().expect("a URL"),
            keyed: options.keyed,
            script: Mutex::default(),
            asked: Mutex::default(),
        });
        let outside = Outside::new(OutsideParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            keys: Keys { master: MasterKey::from_bytes([7; 32]), installation: [9; 32] },
            connectors: vec![match &far {
                Some(far) => Arc::clone(&far.connector),
                None => Arc::new(ScriptedConnector(Arc::clone(&http))),
            }],
            bare_http: Arc::clone(&http) as Arc<dyn Http>,
            logs: Arc::clone(&logs),
            metrics: Arc::clone(&metrics),
        });
        let releases = Releases::load(Arc::clone(&store)).await.expect("releases");
        let intake = Intake::new(Arc::clone(&store), releases, clock, Arc::clone(&rng), Arc::clone(&metrics));
        let component = Component {
            source: "main.wasm".into(),
            limits: options.limits,
            retry: options.retry.clone(),
            grants: options.grants.clone(),
            build: None,
            durability: Default::default(),
        };
        let trigger = |text, kind| Trigger { name: name(text), component: name("main"), kind, order: None };
        let mut triggers = vec![trigger("go", TriggerKind::Manual)];
        if let Some(far) = &far
            && let Some(word) = far.connector.trigger()
        {
            let settings = far.trigger.clone();
            let source = SourceTrigger { on: word.kind.into(), connection: name("api"), settings };
            triggers.push(trigger("heard", TriggerKind::Source(source)));
        }
        let manifest = Manifest {
            name: name("demo"),
            description: String::new(),
            connections: [(name("api"), kind(far.as_ref()).to_owned())].into(),
            triggers,
            components: [(name("main"), component)].into(),
        };
        (Self { folder, store, outside, intake, http, metrics, logs, options, far, rng }, manifest)
    }

    /// Accepts an event with this data as a run.
    pub async fn accept(&self, data: &'static str) -> crate::ids::RunId {
        self.intake.manual(&scope(), None, event(data), false).await.expect("accepted").run()
    }

    /// Claims the next run.
    pub async fn claim(&self) -> Claim {
        let room = Room { slots: 1, memory_bytes: 1 << 40 };
        self.store.claim(room).await.expect("claimed").pop().expect("one is due")
    }

    /// Opens the hatch of a claimed run.
    pub async fn hatch(&self, claim: &Claim) -> Arc<Hatch> {
        let version = self.store.version(&claim.target.integration, claim.target.version).await.expect("a version");
        let component = version.manifest.components[&claim.target.component].clone();
        self.outside.open(claim, &version.manifest, &component).await.expect("opened")
    }

    /// An executor over this rig.
    #[must_use]
    pub fn executor(&self, sandbox: Arc<dyn Sandbox>, slots: u32) -> Arc<Executor> {
        self.executor_within(sandbox, slots, 1 << 40)
    }

    /// An executor with a budget of memory for guests.
    #[must_use]
    pub fn executor_within(&self, sandbox: Arc<dyn Sandbox>, slots: u32, memory_bytes: u64) -> Arc<Executor> {
        Executor::new(ExecutorParts {
            store: Arc::clone(&self.store),
            sandbox,
            outside: Arc::clone(&self.outside),
            intake: Arc::clone(&self.intake),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.options.clock),
            rng: Arc::clone(&self.rng),
            slots,
            memory_bytes,
        })
    }
}

/// The kind of the connection.
fn kind(far: Option<&Far>) -> &'static str {
    far.map_or("http", |far| far.connector.kind())
}

/// The rig's integration.
#[must_use]
pub fn scope() -> Scope {
    Scope { environment: name("dev"), integration: name("demo") }
}

/// An event with this data.
#[must_use]
pub fn event(data: &'static str) -> Event {
    Event {
        id: "1".into(),
        source: "/manual".into(),
        event_type: "jackfield.manual".into(),
        subject: None,
        time: None,
        content_type: None,
        schema: None,
        extensions: vec![],
        meta: vec![],
        data: Bytes::from_static(data.as_bytes()),
    }
}

/// A chunk of a journal with these records: for a journal that was cut where a test says.
#[must_use]
pub fn chunk(number: u32, records: &[Record]) -> Chunk {
    Chunk { number, bytes: journal::encode(records) }
}

/// A name that is known to be good.
///
/// # Panics
///
/// It is not.
#[must_use]
pub fn name<N: std::str::FromStr>(text: &str) -> N {
    text.parse().ok().expect("a good name")
}

/// A hatch of its own rig, for tests of one attempt. The rig must outlive it.
pub async fn hatch(limits: Limits, grants: Grants) -> (Rig, Arc<Hatch>) {
    let clock = Arc::new(crate::clock::SystemClock);
    let options = RigOptions { clock, limits, grants, retry: RetryPolicy::default(), keyed: false };
    let rig = Rig::new(options).await;
    rig.accept("").await;
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    (rig, hatch)
}
