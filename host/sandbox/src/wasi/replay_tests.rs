//! A guest that does many things at once, killed behind each record of its journal: it goes on, comes to an end, and no
//! call that has a result is sent again; and what it did is replayed to the same output without a request.
//!
//! The guest is TypeScript on the engine's own `fetch`; answers come in one order the first time and in another later.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::artifact::Digest;
use jackfield_core::clock::{Clock as _, SystemClock};
use jackfield_core::grant::{Capability, Grants, HttpGrant, HttpTarget};
use jackfield_core::hatch::testing::{self, Rig, RigOptions};
use jackfield_core::ids::RunId;
use jackfield_core::journal::{Cut, Record, decode};
use jackfield_core::limits::Limits;
use jackfield_core::outcome::{Outcome, Usage};
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem};
use jackfield_core::ports::http::{HopCheck, Http, HttpFailure, HttpRequest, HttpResponse};
use jackfield_core::ports::sandbox::Sandbox as _;
use jackfield_core::retry::RetryPolicy;
use jackfield_core::run::AttemptRecord;
use jackfield_core::store::queue::{Ending, Fence, JournalEnd, Settle};
use serde_json::{Map, Value, json};
use url::Url;

use crate::testing::{Cell, work};

const COMPONENT: &str = "../../tests/guests/concurrent/dist/concurrent.wasm";
/// Cuts of one scenario; with fewer records, or in a long test, every one.
const CUTS: usize = 24;

/// The other side: answers after a while that depends on the path, with a text that no other request gets.
#[derive(Default)]
struct Far {
    delays: Mutex<HashMap<String, u64>>,
    asked: Mutex<Vec<(String, String)>>,
}

impl Far {
    /// So that answers come in this order of paths.
    fn order(&self, paths: [&str; 3]) {
        *self.delays.lock().unwrap() = paths.iter().zip([1, 5, 9]).map(|(path, ms)| (format!("/{path}"), ms)).collect();
    }

    /// Key and path of each request since it was last asked.
    fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

struct FarHttp(Arc<Far>, Url);

#[async_trait]
impl Http for FarHttp {
    fn base(&self) -> Option<&Url> {
        Some(&self.1)
    }
    fn keyed(&self) -> bool {
        true
    }
    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }
    fn reserved_headers(&self) -> &[String] {
        &[]
    }
    async fn send(&self, request: HttpRequest, _: HopCheck<'_>) -> Result<HttpResponse, HttpFailure> {
        let key = request.headers.iter().find(|(name, _)| name == "idempotency-key").map(|(_, key)| key.clone());
        let (key, path) = (key.unwrap_or_default(), request.url.path().to_owned());
        self.0.asked.lock().unwrap().push((key.clone(), path.clone()));
        let usual = if path == "/slow" { 40 } else { 2 };
        let delay = self.0.delays.lock().unwrap().get(&path).copied().unwrap_or(usual);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let mut body = format!("{path} for <{key}>");
        if path == "/big" {
            body.push_str(&"b".repeat(2 << 20));
        }
        Ok(HttpResponse { status: 200, headers: vec![], body: Bytes::from(body) })
    }
}

struct FarConnector(Arc<Far>);

#[async_trait]
impl Connector for FarConnector {
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
        let base = "http://api.test/".parse().expect("a URL");
        Ok(Opened { http: Some(Arc::new(FarHttp(Arc::clone(&self.0), base))), ..Opened::default() })
    }
    async fn test(&self, _: &Map<String, Value>, _: &Secrets, _: Duration) -> Vec<Finding> {
        vec![]
    }
}

/// How one attempt went.
struct Went {
    output: String,
    journal: Vec<Record>,
    asked: Vec<(String, String)>,
    fence: Fence,
}

/// One run of one scenario, attempted again and again from journals that a test cuts.
struct Play {
    cell: Arc<Cell>,
    artifact: Digest,
    far: Arc<Far>,
    rig: Rig,
    run: RunId,
    grants: Grants,
    limits: Limits,
}

impl Play {
    async fn new(cell: &Arc<Cell>, artifact: Digest, scenario: &str) -> Self {
        let far = Arc::<Far>::default();
        let grant = HttpGrant {
            target: HttpTarget::Connection(testing::name("api")),
            methods: vec!["GET".into(), "POST".into()],
            paths: vec!["/**".parse().unwrap()],
            redirects: 0,
            retry_in_doubt: false,
        };
        let grants = Grants { http: vec![grant], ..Grants::default() };
        let limits = Limits::default();
        let options = RigOptions {
            clock: Arc::new(SystemClock),
            limits,
            grants: grants.clone(),
            retry: RetryPolicy::default(),
            keyed: true,
        };
        let rig = Rig::over(options, Arc::new(FarConnector(Arc::clone(&far))), Map::new()).await;
        let event = json!({ "scenario": scenario, "base": "http://api.test" }).to_string();
        let run = rig.accept(event.leak()).await;
        Self { cell: Arc::clone(cell), artifact, far, rig, run, grants, limits }
    }

    /// One attempt over the journal that the last settle left.
    async fn attempt(&self) -> Went {
        let claim = self.rig.claim().await;
        let hatch = self.rig.hatch(&claim).await;
        let event = jackfield_core::event::Event::clone(&claim.event);
        let work = work(self.artifact, self.limits, self.grants.clone(), &hatch, event);
        let report = self.cell.sandbox.invoke(work).await.expect("the host is not to blame");
        hatch.finish().await;
        let tail = hatch.closing().tail;
        // Behind everything that the attempt handed to the writer: what is read now is all of it.
        self.end(claim.fence, JournalEnd::Keep(tail)).await;
        let fence = self.rig.claim().await.fence;
        let chunks = self.rig.store.load(self.run).await.unwrap();
        let journal = chunks.iter().flat_map(|chunk| decode(chunk).unwrap()).collect();
        let output = match report.outcome {
            Outcome::Succeeded { output: Some(output) } => String::from_utf8(output.data.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        Went { output, journal, asked: self.far.take(), fence }
    }

    /// As if the host had died when no more than these records were on disk.
    async fn die(&self, fence: Fence, on_disk: &[Record]) {
        let then = (!on_disk.is_empty()).then(|| testing::chunk(0, on_disk));
        self.end(fence, JournalEnd::Cut(Cut { keep: 0, then })).await;
    }

    async fn end(&self, fence: Fence, journal: JournalEnd) {
        let now = SystemClock.now();
        let attempt = AttemptRecord {
            number: 1,
            started: now,
            ended: now,
            outcome: "host-fault".into(),
            reason: None,
            stack: None,
            usage: Usage::default(),
            refused: None,
            calls: vec![],
        };
        let then = Settle::Waiting { due: now, hard: false };
        self.rig.store.settle(fence, Ending { attempt, output: None, then, journal }).await.unwrap();
    }
}

/// Whether the journal holds a result that names this request's key.
fn has_result(journal: &[Record], key: &str) -> bool {
    let key = format!("<{key}>");
    journal.iter().any(|record| match record {
        Record::Result { answer, .. } => answer.windows(key.len()).take(256).any(|part| part == key.as_bytes()),
        _ => false,
    })
}

async fn survives(cell: &Arc<Cell>, artifact: Digest, scenario: &str) {
    let play = Play::new(cell, artifact, scenario).await;
    play.far.order(["a", "b", "c"]);
    let first = play.attempt().await;
    assert!(!first.output.starts_with("ERROR"), "{scenario}: {}", first.output);
    assert!(!first.asked.is_empty(), "{scenario} asked nothing");
    #[expect(clippy::disallowed_methods, reason = "which tests to run is no configuration of the host")]
    let long = std::env::var_os("JACKFIELD_LONG").is_some();
    let every = if long { 1 } else { first.journal.len().div_ceil(CUTS).max(1) };
    let mut fence = first.fence;
    play.far.order(["c", "b", "a"]);
    for cut in (0..=first.journal.len()).step_by(every).chain([first.journal.len()]) {
        let on_disk = &first.journal[..cut];
        play.die(fence, on_disk).await;
        let second = play.attempt().await;
        for (key, path) in second.asked.iter().filter(|(key, _)| !key.is_empty()) {
            assert!(!has_result(on_disk, key), "{scenario}, cut at {cut}: {path} was sent again");
        }
        if cut == first.journal.len() {
            assert_eq!(second.output, first.output, "{scenario}: replayed");
            assert!(second.asked.is_empty(), "{scenario}: replayed, and asked {:?}", second.asked);
        }
        // What went on is replayed whole.
        play.die(second.fence, &second.journal).await;
        let third = play.attempt().await;
        assert_eq!(third.output, second.output, "{scenario}, cut at {cut}: replayed");
        assert!(third.asked.is_empty(), "{scenario}, cut at {cut}: replayed, and asked {:?}", third.asked);
        fence = third.fence;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_calls_timers_and_clocks_at_once_survive_a_kill_behind_each_record() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMPONENT);
    let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}: run `make guests`", file.display()));
    let cell = Arc::new(Cell::new());
    let artifact = cell.add_bytes(&bytes);
    for scenario in ["main", "orderonly", "same", "chain", "race", "late", "mixed", "over", "half", "many", "busy"] {
        survives(&cell, artifact, scenario).await;
    }
}
