//! What the tests of triggers share: a sink that keeps what it accepted and can be made to wait, and a source that runs.
//!
//! Not here: the real sink, which the host has.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::clock::SystemClock;
use jackfield_core::grant::{Grants, HttpGrant, HttpTarget};
use jackfield_core::ports::source::{Heard, Sink, SinkError, Source, SourceContext, SourceError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a test waits for what has to come.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// See the module.
pub(crate) struct TestSink {
    accepted: Mutex<Vec<Heard>>,
    count: watch::Sender<usize>,
    cursor: Mutex<Option<String>>,
    lost: Mutex<Vec<(String, String)>>,
    lag: AtomicU64,
    listening: watch::Sender<usize>,
    /// While true, nothing is accepted.
    full: watch::Sender<bool>,
    /// While true, what is accepted is kept, and nobody is told.
    silent: watch::Sender<bool>,
    /// How many calls wait because it is full.
    waiting: watch::Sender<usize>,
}

impl TestSink {
    /// Accepts everything at once.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            accepted: Mutex::default(),
            count: watch::Sender::new(0),
            cursor: Mutex::default(),
            lost: Mutex::default(),
            lag: AtomicU64::new(0),
            listening: watch::Sender::new(0),
            full: watch::Sender::new(false),
            silent: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        })
    }

    /// Says whether it makes whoever has something wait.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.send_replace(full);
    }

    /// Says whether it keeps what it is given and does not answer: whoever asked dies in between.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// Everything that was accepted, in order, again and again if so.
    pub(crate) fn accepted(&self) -> Vec<Heard> {
        self.accepted.lock().unwrap().clone()
    }

    /// What the host would make runs of: each (source, id) once.
    pub(crate) fn distinct(&self) -> BTreeSet<(String, String)> {
        let accepted = self.accepted.lock().unwrap();
        accepted.iter().map(|heard| (heard.event.source.clone(), heard.event.id.clone())).collect()
    }

    /// What was lost, and why.
    pub(crate) fn lost_ones(&self) -> Vec<(String, String)> {
        self.lost.lock().unwrap().clone()
    }

    /// The last lag that was told.
    pub(crate) fn last_lag(&self) -> u64 {
        self.lag.load(Ordering::SeqCst)
    }

    /// How many were accepted, again and again if so.
    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Returns when at least `n` were accepted.
    pub(crate) async fn until(&self, n: usize) {
        let mut count = self.count.subscribe();
        let waited = timeout(LONG, count.wait_for(|count| *count >= n)).await;
        assert!(waited.is_ok(), "{} of {n} came; lost: {:?}", self.count(), self.lost_ones());
    }

    /// Returns when at least `n` different ones were accepted.
    pub(crate) async fn until_distinct(&self, n: usize) {
        let mut count = self.count.subscribe();
        let waited = timeout(LONG, async {
            while self.distinct().len() < n {
                count.changed().await.unwrap();
            }
        });
        assert!(waited.await.is_ok(), "{} of {n} came; lost: {:?}", self.distinct().len(), self.lost_ones());
    }

    /// Returns when a source said `n` times that it listens.
    pub(crate) async fn until_listening(&self, n: usize) {
        let mut listening = self.listening.subscribe();
        timeout(LONG, listening.wait_for(|count| *count >= n)).await.expect("it listens in time").unwrap();
    }

    /// Returns when somebody waits because it is full.
    pub(crate) async fn until_waiting(&self) {
        let mut waiting = self.waiting.subscribe();
        timeout(LONG, waiting.wait_for(|count| *count > 0)).await.expect("somebody waits in time").unwrap();
    }
}

/// One that waits, as long as it lives.
struct Waits<'a>(&'a watch::Sender<usize>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

#[async_trait]
impl Sink for TestSink {
    async fn accept(&self, heard: Vec<Heard>, cursor: Option<String>) -> Result<(), SinkError> {
        let mut full = self.full.subscribe();
        if *full.borrow_and_update() {
            self.waiting.send_modify(|n| *n += 1);
            let _waits = Waits(&self.waiting);
            full.wait_for(|full| !*full).await.map_err(|_| SinkError::Stopped)?;
        }
        let n = heard.len();
        self.accepted.lock().unwrap().extend(heard);
        if cursor.is_some() {
            *self.cursor.lock().unwrap() = cursor;
        }
        self.count.send_modify(|count| *count += n);
        self.silent.subscribe().wait_for(|silent| !*silent).await.map_err(|_| SinkError::Stopped)?;
        Ok(())
    }

    async fn cursor(&self) -> Result<Option<String>, SinkError> {
        Ok(self.cursor.lock().unwrap().clone())
    }

    fn event_bytes(&self) -> u64 {
        1024 * 1024
    }

    fn listening(&self) {
        self.listening.send_modify(|n| *n += 1);
    }

    fn lag(&self, messages: u64) {
        self.lag.store(messages, Ordering::SeqCst);
    }

    fn lost(&self, position: &str, why: &str) {
        self.lost.lock().unwrap().push((position.to_owned(), why.to_owned()));
    }
}

fn context(sink: &Arc<TestSink>, stop: &CancellationToken, name: &str) -> SourceContext {
    SourceContext {
        sink: Arc::clone(sink) as Arc<dyn Sink>,
        clock: Arc::new(SystemClock),
        stop: stop.clone(),
        name: name.into(),
        connection: "there".parse().unwrap(),
        grants: everything(),
    }
}

/// Leave to read all that is on the connection.
fn everything() -> Grants {
    let http = HttpGrant {
        target: HttpTarget::Connection("there".parse().unwrap()),
        methods: vec!["GET".into()],
        paths: vec!["/**".parse().unwrap()],
        redirects: 0,
        retry_in_doubt: false,
    };
    Grants { http: vec![http], ..Grants::default() }
}

/// A source that runs in a task of its own. Aborted when dropped, as a crash would end it.
pub(crate) struct Running {
    task: JoinSet<Result<(), SourceError>>,
    stop: CancellationToken,
}

impl Running {
    /// Runs `source` once, under the name of a trigger.
    pub(crate) fn begin(source: Arc<dyn Source>, sink: &Arc<TestSink>, name: &str) -> Self {
        let stop = CancellationToken::new();
        let cx = context(sink, &stop, name);
        let mut task = JoinSet::new();
        task.spawn(async move { source.run(cx).await });
        Self { task, stop }
    }

    /// Runs `source` again whenever it ends by itself, as the supervisor does.
    pub(crate) fn kept(source: Arc<dyn Source>, sink: &Arc<TestSink>, name: &str) -> Self {
        let stop = CancellationToken::new();
        let cx = context(sink, &stop, name);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let ended = source.run(cx.clone()).await;
                if cx.stop.is_cancelled() {
                    return ended;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { task, stop }
    }

    /// Tells it to end, and gives how it ended.
    pub(crate) async fn stop(mut self) -> Result<(), SourceError> {
        self.stop.cancel();
        self.ended().await
    }

    /// How it ends by itself.
    pub(crate) async fn ended(&mut self) -> Result<(), SourceError> {
        let ended = timeout(LONG, self.task.join_next()).await.expect("it ends in time");
        ended.expect("it runs").expect("it does not panic")
    }

    /// Kills it where it is.
    pub(crate) async fn abort(mut self) {
        self.task.shutdown().await;
    }
}
