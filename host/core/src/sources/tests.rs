//! A source that says what it is told to say, over a real store.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::SystemClock;
use crate::event::Event;
use crate::grant::{Capability, Grants};
use crate::hatch::testing::{self, Rig, RigOptions, name, scope};
use crate::limits::Limits;
use crate::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem, TriggerWord};
use crate::ports::source::Source;
use crate::retry::RetryPolicy;
use crate::run::RunState;
use crate::store::queue::RunFilter;

/// What the source does, once for each time that it is run; then it waits to be stopped.
enum Act {
    /// Hands these over, data by id, and then the cursor.
    Hear(Vec<(&'static str, usize)>, Option<&'static str>),
    /// Fails.
    Fail,
}

#[derive(Default)]
struct Script {
    acts: Mutex<Vec<Act>>,
    runs: AtomicU32,
    /// The cursor that each run of it began with.
    cursors: Mutex<Vec<Option<String>>>,
}

impl Script {
    fn next(&self) -> Option<Act> {
        let mut acts = locked(&self.acts);
        (!acts.is_empty()).then(|| acts.remove(0))
    }
}

#[async_trait]
impl Source for Script {
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let cursor = cx.sink.cursor().await?;
        locked(&self.cursors).push(cursor);
        match self.next() {
            Some(Act::Fail) => return Err(SourceError::Lost("the line is down".into())),
            Some(Act::Hear(messages, cursor)) => {
                cx.sink.listening();
                let heard = messages.into_iter().map(|(id, bytes)| {
                    let event = testing::event("");
                    let event =
                        Event { id: id.into(), source: "far:1".into(), data: Bytes::from(vec![0; bytes]), ..event };
                    Heard { event: Arc::new(event), dedupe: true }
                });
                cx.sink.accept(heard.collect(), cursor.map(str::to_owned)).await?;
                return Err(SourceError::Lost("once more".into()));
            }
            None => cx.sink.listening(),
        }
        cx.stop.cancelled().await;
        Ok(())
    }
}

struct Plug(Arc<Script>);

#[async_trait]
impl Connector for Plug {
    fn kind(&self) -> &'static str {
        "http"
    }
    fn serves(&self) -> &'static [Capability] {
        &[]
    }
    fn check(&self, _: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }
    fn secrets(&self, _: &Map<String, Value>) -> Vec<String> {
        vec![]
    }
    fn open(&self, _: &Map<String, Value>, _: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        Ok(Opened::default())
    }
    async fn test(&self, _: &Map<String, Value>, _: &Secrets, _: Duration) -> Vec<Finding> {
        vec![]
    }
    fn trigger(&self) -> Option<TriggerWord> {
        Some(TriggerWord { kind: "far", example: "kind = \"far\"" })
    }
    fn check_trigger(&self, _: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }
    fn source(
        &self,
        _: &Map<String, Value>,
        _: &Secrets,
        _: &Map<String, Value>,
    ) -> Result<Arc<dyn Source>, Vec<SettingProblem>> {
        Ok(Arc::clone(&self.0) as Arc<dyn Source>)
    }
}

async fn rig(acts: Vec<Act>) -> (Rig, Arc<Sources>, Arc<Script>, CancellationToken) {
    let script = Arc::new(Script { acts: Mutex::new(acts), ..Script::default() });
    let options = RigOptions {
        clock: Arc::new(SystemClock),
        limits: Limits { event_bytes: 10, ..Limits::default() },
        grants: Grants::default(),
        retry: RetryPolicy::default(),
        keyed: false,
    };
    let rig = Rig::over(options, Arc::new(Plug(Arc::clone(&script))), Map::new()).await;
    let (intake, outside, metrics) = (Arc::clone(&rig.intake), Arc::clone(&rig.outside), Arc::clone(&rig.metrics));
    let sources = Sources::new(intake, outside, Arc::new(SystemClock), metrics);
    let stop = CancellationToken::new();
    let (runs, until) = (Arc::clone(&sources), stop.clone());
    #[expect(clippy::disallowed_methods, reason = "the test ends it")]
    tokio::spawn(async move { runs.run(until).await });
    (rig, sources, script, stop)
}

async fn until(what: &str, met: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if met().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 6 s: {what}");
}

async fn runs(rig: &Rig) -> Vec<crate::run::RunSummary> {
    rig.store.runs(RunFilter { limit: 100, ..RunFilter::default() }).await.unwrap()
}

/// What was heard twice is one run; the next run of the source goes on from the cursor that was stored with it.
#[tokio::test(flavor = "multi_thread")]
async fn p1_what_is_heard_is_a_run_and_the_cursor_moves_with_it() {
    let heard = vec![("1", 3), ("2", 3)];
    let acts = vec![Act::Hear(heard, Some("at 2")), Act::Hear(vec![("2", 3), ("3", 3)], None)];
    let (rig, sources, script, stop) = rig(acts).await;
    until("three runs of the source", async || script.runs.load(Ordering::SeqCst) >= 3).await;
    assert_eq!(runs(&rig).await.len(), 3);
    let cursors = locked(&script.cursors).clone();
    assert_eq!(cursors, [None, Some("at 2".into()), Some("at 2".into())]);
    let view = sources.view(&scope(), &name("heard")).unwrap();
    assert!(view.listening && view.heard == 4, "{view:?}");
    stop.cancel();
}

/// Threat row 82: what is too large becomes a dead letter that says where it is; the stream moves on.
#[tokio::test(flavor = "multi_thread")]
async fn threat_082_what_is_too_large_is_a_dead_letter_and_the_others_are_runs() {
    let (rig, _, script, stop) = rig(vec![Act::Hear(vec![("1", 3), ("2", 11), ("3", 3)], None)]).await;
    until("two runs of the source", async || script.runs.load(Ordering::SeqCst) >= 2).await;
    let all = runs(&rig).await;
    let (dead, others): (Vec<_>, Vec<_>) = all.iter().partition(|run| run.state == RunState::DeadLettered);
    assert_eq!((dead.len(), others.len()), (1, 2), "{all:?}");
    let reason = dead[0].reason.clone().unwrap_or_default();
    assert!(
        reason.contains("11 bytes") && reason.contains("limits.event") && reason.contains("2 in far:1"),
        "{reason}"
    );
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_is_run_again_and_says_why() {
    let (_rig, sources, script, stop) = rig(vec![Act::Fail]).await;
    until("a failure", async || sources.view(&scope(), &name("heard")).is_some_and(|view| view.last_error.is_some()))
        .await;
    let view = sources.view(&scope(), &name("heard")).unwrap();
    assert!(view.last_error.is_some_and(|(_, text)| text == "the line is down"));
    until("another run", async || script.runs.load(Ordering::SeqCst) >= 2).await;
    until("it listens", async || sources.view(&scope(), &name("heard")).is_some_and(|view| view.listening)).await;
    stop.cancel();
    until("nothing is shown any more", async || sources.view(&scope(), &name("heard")).is_none()).await;
}

/// A connection that was changed is opened anew; one of another environment changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_connection_is_listened_to_anew() {
    let (rig, sources, script, stop) = rig(vec![]).await;
    until("it listens", async || sources.view(&scope(), &name("heard")).is_some_and(|view| view.listening)).await;
    rig.outside.connection_changed(&name("prod"));
    rig.outside.connection_changed(&name("dev"));
    until("another run", async || script.runs.load(Ordering::SeqCst) >= 2).await;
    assert_eq!(script.runs.load(Ordering::SeqCst), 2);
    stop.cancel();
}
