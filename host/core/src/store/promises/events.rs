//! S80 … S86: events that guests make, and those of the ends of runs.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_bytes::ByteBuf;
use serde_json::Value;

use super::super::StoreError;
use super::super::events::Emitted;
use super::super::kv::LocalCall;
use super::super::queue::{Claim, Decision, RunFilter, Settle};
use super::registry::{add, inspection, version};
use super::{
    Death, Harness, QUEUE_RUNS, ROOM, accepted, claim_now, claim_one, dead, ending, name, new_run_in, scope, soon,
    success,
};
use crate::clock::Clock as _;
use crate::event::Event;
use crate::grant::Capability;
use crate::ids::RunId;
use crate::journal::{ArgumentHash, Chunk, Class, Record, Verdict, What, decode};
use crate::limits::{EVENT_DEPTH, Limits};
use crate::listen::Listen;
use crate::order::Order;
use crate::ports::events::{Draft, EventsAnswer, EventsError};
use crate::release::{Trigger, TriggerKind};
use crate::run::RunState;

fn listen(types: &[&str]) -> Listen {
    Listen { types: types.iter().map(|pattern| name(pattern)).collect(), ..Listen::default() }
}

/// Releases an integration that listens, by one trigger for each.
async fn release_with(
    h: &dyn Harness,
    environment: &str,
    integration: &str,
    listens: &[Listen],
    limits: Limits,
) -> u32 {
    let now = h.clock().now();
    h.store().add_artifact(inspection(b"one"), now).await.expect("added");
    let mut version = version(integration, &format!("{listens:?}"), b"one");
    version.manifest.components.get_mut(&name("handler")).expect("it is there").limits = limits;
    version.manifest.triggers.extend(listens.iter().enumerate().map(|(place, listen)| Trigger {
        name: name(&format!("heard-{place}")),
        component: name("handler"),
        kind: TriggerKind::Event(listen.clone()),
        order: Some(Order { by: name("subject"), block: false }),
    }));
    let number = add(h, &version).await.expect("added");
    let (environment, integration) = (name(environment), name(integration));
    h.store().release(environment, integration, number, Vec::new(), "tester".into(), now).await.expect("released");
    number
}

async fn release(h: &dyn Harness, environment: &str, integration: &str, types: &[&str]) -> u32 {
    let listens: Vec<Listen> = types.iter().map(|pattern| listen(&[pattern])).collect();
    release_with(h, environment, integration, &listens, Limits::default()).await
}

fn draft(event_type: &str, id: Option<&str>) -> Draft {
    Draft {
        id: id.map(Into::into),
        event_type: event_type.into(),
        subject: None,
        content_type: Some("text/plain".into()),
        schema: None,
        extensions: vec![("region".into(), "eu".into())],
        data: ByteBuf::from(*b"some data"),
        delay_seconds: 0,
    }
}

/// A claimed run whose guest emits, and how many chunks its journal has.
struct Guest {
    claim: Claim,
    chunks: u32,
}

impl Guest {
    async fn new(h: &dyn Harness) -> Self {
        accepted(h, "guest").await;
        Self { claim: claim_one(h).await, chunks: 0 }
    }

    async fn offer(&mut self, h: &dyn Harness, drafts: Vec<Draft>) -> Result<Emitted, StoreError> {
        let local = LocalCall {
            chunk: Chunk { number: self.chunks, bytes: vec![1] },
            call: self.chunks + 1,
            what: What { capability: Capability::Events, text: "emit".into() },
            hash: ArgumentHash::of([&b"arguments"[..]]),
        };
        let emitted = h.store().emit(self.claim.fence, drafts, local).await;
        self.chunks += u32::from(emitted.is_ok());
        emitted
    }

    async fn emit(&mut self, h: &dyn Harness, drafts: Vec<Draft>) -> Emitted {
        self.offer(h, drafts).await.expect("the store works")
    }

    fn run(&self) -> RunId {
        self.claim.fence.run
    }

    async fn succeed(self, h: &dyn Harness) {
        h.store().settle(self.claim.fence, success(&self.claim)).await.expect("settled");
    }
}

/// The events of all runs that can be claimed, and what handles them: `integration/trigger`.
async fn heard(h: &dyn Harness) -> Vec<(String, Event, Claim)> {
    let mut all: Vec<_> = claim_now(h, ROOM)
        .await
        .into_iter()
        .map(|claim| {
            let target = format!("{}/{}", claim.target.integration, claim.target.trigger);
            (target, Event::clone(&claim.event), claim)
        })
        .collect();
    all.sort_by(|a, b| (&a.0, &a.1.id).cmp(&(&b.0, &b.1.id)));
    all
}

fn targets(heard: &[(String, Event, Claim)]) -> Vec<&str> {
    heard.iter().map(|(target, ..)| target.as_str()).collect()
}

/// S80
pub async fn s80_events_and_their_record_are_one(h: &mut dyn Harness) {
    release(h, "dev", "one", &["order.paid"]).await;
    let mut guest = Guest::new(h).await;
    let emitted = guest.emit(h, vec![draft("order.paid", None), draft("order.paid", Some("mine"))]).await;
    let ids = vec![format!("{}/1/0", guest.run()), "mine".to_owned()];
    let expected = Emitted { answer: Ok(ids.clone()), delivered: vec![scope("dev", "one"); 2], unheard: 0, known: 0 };
    assert_eq!(emitted, expected);
    let chunks = h.store().load(guest.run()).await.expect("loaded");
    let records: Vec<Record> = chunks.iter().flat_map(|chunk| decode(chunk).expect("it reads")).collect();
    let [Record::Result { call: 1, class: Class::Local, verdict: Verdict::Done, answer, .. }] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(rmp_serde::from_slice::<EventsAnswer>(answer).expect("it reads"), Ok(ids));
    // A chunk that does not follow takes the events with it.
    let chunks = std::mem::replace(&mut guest.chunks, 7);
    let refused = guest.offer(h, vec![draft("order.paid", Some("lost"))]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    guest.chunks = chunks;
    // They stay, whatever becomes of the run; and a superseded fence makes none.
    let end = ending(&guest.claim, "failed", Settle::Waiting { due: soon(h, 60), hard: false });
    h.store().settle(guest.claim.fence, end).await.expect("settled");
    let refused = guest.offer(h, vec![draft("order.paid", Some("late"))]).await;
    assert_eq!(refused, Err(StoreError::Superseded { run: guest.run() }));
    h.owner_is_gone(Death::Unmarked).await;
    let heard = heard(h).await;
    assert_eq!(heard.len(), 2);
    let again = heard.iter().find(|(_, event, _)| event.id == "mine").expect("it is there");
    let now = h.clock().now();
    let expected = Event {
        id: "mine".into(),
        source: "/integrations/demo".into(),
        event_type: "order.paid".into(),
        subject: None,
        time: Some(now.to_string()),
        content_type: Some("text/plain".into()),
        schema: None,
        extensions: vec![("region".into(), "eu".into())],
        meta: vec![("run".into(), guest.run().to_string()), ("depth".into(), "1".into())],
        data: "some data".into(),
    };
    assert_eq!(again.1, expected);
}

/// S81
pub async fn s81_whoever_listens_hears(h: &mut dyn Harness) {
    release(h, "dev", "one", &["order.paid", "order.*", "other"]).await;
    release(h, "dev", "two", &["**"]).await;
    release(h, "prod", "one", &["**"]).await;
    let mut guest = Guest::new(h).await;
    let emitted = guest.emit(h, vec![draft("order.paid", None)]).await;
    assert_eq!((emitted.delivered.len(), emitted.unheard), (3, 0));
    let first = heard(h).await;
    assert_eq!(targets(&first), ["one/heard-0", "one/heard-1", "two/heard-0"]);
    // Another version: what it does not listen for it does not hear, and runs are of the version active then.
    let number = release(h, "dev", "one", &["other"]).await;
    release(h, "dev", "two", &["nothing"]).await;
    let emitted = guest.emit(h, vec![draft("order.paid", None), draft("other", None)]).await;
    assert_eq!((emitted.delivered, emitted.unheard), (vec![scope("dev", "one")], 1));
    let second = heard(h).await;
    assert_eq!((targets(&second), second[0].2.target.version), (vec!["one/heard-0"], number));
    // So it is after a restart.
    guest.succeed(h).await;
    h.owner_is_gone(Death::Unmarked).await;
    for (.., claim) in heard(h).await {
        h.store().settle(claim.fence, success(&claim)).await.expect("settled");
    }
    while let Some((.., claim)) = heard(h).await.pop() {
        h.store().settle(claim.fence, success(&claim)).await.expect("settled");
    }
    let mut guest = Guest::new_as(h, "later").await;
    guest.emit(h, vec![draft("order.paid", None), draft("other", None)]).await;
    assert_eq!(targets(&heard(h).await), ["one/heard-0"]);
}

impl Guest {
    async fn new_as(h: &dyn Harness, event: &str) -> Self {
        accepted(h, event).await;
        Self { claim: claim_one(h).await, chunks: 0 }
    }
}

/// S81
pub async fn s81_a_delay_is_kept(h: &mut dyn Harness) {
    release(h, "dev", "one", &["order.paid"]).await;
    let mut guest = Guest::new(h).await;
    guest.emit(h, vec![Draft { delay_seconds: 60, ..draft("order.paid", None) }]).await;
    h.clock().advance(Duration::from_secs(59));
    h.store().wake();
    assert!(heard(h).await.is_empty());
    h.clock().advance(Duration::from_secs(1));
    h.store().wake();
    assert_eq!(heard(h).await.len(), 1);
}

/// S82
pub async fn s82_a_known_id_is_ignored(h: &mut dyn Harness) {
    release(h, "dev", "one", &["order.*"]).await;
    let mut guest = Guest::new(h).await;
    let twice = vec![draft("order.paid", Some("7")), draft("order.sent", Some("7")), draft("order.paid", Some("8"))];
    let emitted = guest.emit(h, twice).await;
    assert_eq!(emitted.answer, Ok(vec!["7".into(), "7".into(), "8".into()]));
    assert_eq!((emitted.delivered.len(), emitted.known), (2, 1));
    assert_eq!(heard(h).await.len(), 2);
    // By another run of the integration, too; not by another integration.
    let emitted = Guest::new_as(h, "other").await.emit(h, vec![draft("order.paid", Some("7"))]).await;
    assert_eq!((emitted.answer, emitted.known), (Ok(vec!["7".into()]), 1));
    h.store().accept(vec![new_run_in(h, "else", "handler", "event")]).await.expect("accepted");
    let mut other = Guest { claim: claim_one(h).await, chunks: 0 };
    assert_eq!(other.emit(h, vec![draft("order.paid", Some("7"))]).await.known, 0);
    assert_eq!(heard(h).await.len(), 1);
    h.clock().advance(Duration::from_secs(7 * 24 * 3600 - 60));
    assert_eq!(guest.emit(h, vec![draft("order.paid", Some("7"))]).await.known, 1);
    h.clock().advance(Duration::from_secs(120));
    assert_eq!(guest.emit(h, vec![draft("order.paid", Some("7"))]).await.known, 0);
}

/// S83
pub async fn s83_threat_085_a_chain_of_events_ends(h: &mut dyn Harness) {
    release(h, "dev", "demo", &["loop"]).await;
    let mut guest = Guest::new(h).await;
    for depth in 1..=EVENT_DEPTH {
        assert!(guest.emit(h, vec![draft("loop", None)]).await.answer.is_ok());
        guest.succeed(h).await;
        let claim = claim_one(h).await;
        assert_eq!(claim.event.meta[1], ("depth".into(), depth.to_string()));
        guest = Guest { claim, chunks: 0 };
    }
    let refused = guest.emit(h, vec![draft("loop", None)]).await;
    let Err(EventsError::Invalid(text)) = &refused.answer else { panic!("{refused:?}") };
    assert!(text.contains("16 deep"), "{text}");
    assert!(heard(h).await.is_empty());
    // A resumed dead letter is as deep as it was.
    let run = guest.run();
    h.store().settle(guest.claim.fence, dead(&guest.claim)).await.expect("settled");
    h.store().resume("again".into(), vec![run]).await.expect("resumed");
    let mut guest = Guest { claim: claim_one(h).await, chunks: 1 };
    assert!(guest.emit(h, vec![draft("loop", None)]).await.answer.is_err());
}

/// S84
pub async fn s84_a_full_queue_refuses_all_of_them(h: &mut dyn Harness) {
    release(h, "dev", "one", &["order.paid"]).await;
    release(h, "dev", "two", &["order.paid"]).await;
    let mut guest = Guest::new(h).await;
    for number in 1..QUEUE_RUNS {
        let run = new_run_in(h, "two", "handler", &format!("before-{number}"));
        h.store().accept(vec![run]).await.expect("accepted");
    }
    let refused = guest.emit(h, vec![draft("order.paid", Some("1")), draft("order.paid", Some("2"))]).await;
    let Err(EventsError::Quota(text)) = &refused.answer else { panic!("{refused:?}") };
    assert!(text.starts_with("two "), "{text}");
    assert!(refused.delivered.is_empty());
    let of_one = RunFilter { integration: Some(name("one")), limit: 10, ..RunFilter::default() };
    assert!(h.store().runs(of_one).await.expect("listed").is_empty(), "all or none");
    // Not even their ids were noted.
    let claims = claim_now(h, ROOM).await;
    assert_eq!(claims.len() as u64, QUEUE_RUNS - 1);
    let emitted = guest.emit(h, vec![draft("order.paid", Some("1"))]).await;
    assert_eq!((emitted.delivered.len(), emitted.known), (2, 0));
}

fn ends(heard: &[(String, Event, Claim)]) -> Vec<(String, String)> {
    heard.iter().map(|(_, event, _)| (event.event_type.clone(), event.subject.clone().unwrap_or_default())).collect()
}

/// S85
pub async fn s85_the_end_of_a_run_is_an_event(h: &mut dyn Harness) {
    // Nobody listens: nothing is made.
    let before = accepted(h, "before").await;
    let claim = claim_one(h).await;
    h.store().settle(claim.fence, success(&claim)).await.expect("settled");
    release(h, "dev", "one", &["**", "jackfield.run.*"]).await;
    release(h, "prod", "one", &["jackfield.run.*"]).await;
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut expected: BTreeSet<String> = BTreeSet::new();
    let mut take = async |h: &dyn Harness, state: &str, run: RunId| {
        let heard = heard(h).await;
        assert_eq!(targets(&heard), ["one/heard-1"], "{state}");
        assert_eq!(ends(&heard), [(format!("jackfield.run.{state}"), run.to_string())]);
        let (_, event, claim) = heard.into_iter().next().expect("one");
        assert!(seen.insert(event.id.clone()), "{} came twice", event.id);
        expected.insert(event.id.clone());
        assert_eq!(event.source, "/integrations/demo");
        h.store().settle(claim.fence, success(&claim)).await.expect("settled");
        event
    };
    // Each end of an attempt that ends or parks a run.
    let run = accepted(h, "succeeds").await;
    let claim = claim_one(h).await;
    let end = ending(&claim, "failed", Settle::Waiting { due: soon(h, 0), hard: false });
    h.store().settle(claim.fence, end).await.expect("settled");
    let claim = claim_one(h).await;
    assert_eq!(claim.fence.run, run, "that it waits is no end");
    h.store().settle(claim.fence, success(&claim)).await.expect("settled");
    let event = take(h, "succeeded", run).await;
    let data: Value = serde_json::from_slice(&event.data).expect("it is JSON");
    assert_eq!(
        (&data["run"], &data["component"], &data["attempts"]),
        (&run.to_string().into(), &"handler".into(), &2.into())
    );
    assert_eq!((&data["outcome"], &data["reason"]), (&"succeeded".into(), &Value::Null));
    let run = accepted(h, "dies").await;
    let claim = claim_one(h).await;
    h.store().settle(claim.fence, dead(&claim)).await.expect("settled");
    let event = take(h, "dead-lettered", run).await;
    let data: Value = serde_json::from_slice(&event.data).expect("it is JSON");
    assert_eq!((&data["outcome"], &data["reason"]), (&"failed".into(), &"it gave up".into()));
    assert!(event.extensions.contains(&("integration".into(), "demo".into())), "{event:?}");
    // Again, after it was resumed.
    h.store().resume("again".into(), vec![run]).await.expect("resumed");
    let claim = claim_one(h).await;
    let end = ending(&claim, "in-doubt", Settle::Parked { reason: "who knows".into() });
    h.store().settle(claim.fence, end).await.expect("settled");
    take(h, "needs-decision", run).await;
    h.store().decide(run, Decision::Fail).await.expect("decided");
    take(h, "dead-lettered", run).await;
    // One that was never attempted.
    let run = accepted(h, "cancelled").await;
    h.store().cancel(run).await.expect("cancelled");
    take(h, "cancelled", run).await;
    // However full the queue is.
    for number in 0..QUEUE_RUNS {
        let mut filler = new_run_in(h, "one", "handler", &format!("filler-{number}"));
        filler.due = soon(h, 3_600);
        h.store().accept(vec![filler]).await.expect("accepted");
    }
    let run = accepted(h, "with a full queue").await;
    let claim = claim_one(h).await;
    h.store().settle(claim.fence, success(&claim)).await.expect("settled");
    take(h, "succeeded", run).await;
    assert_eq!(h.store().run(before).await.expect("it is there").summary.state, RunState::Succeeded);
}

/// S85
pub async fn s85_threat_085_nobody_hears_of_the_end_of_a_run_that_heard_of_one(h: &mut dyn Harness) {
    release(h, "dev", "one", &["jackfield.run.*"]).await;
    release(h, "dev", "two", &["jackfield.run.*"]).await;
    accepted(h, "event").await;
    let claim = claim_one(h).await;
    h.store().settle(claim.fence, success(&claim)).await.expect("settled");
    let heard_of = heard(h).await;
    assert_eq!(targets(&heard_of), ["one/heard-0", "two/heard-0"]);
    for (.., claim) in heard_of {
        h.store().settle(claim.fence, dead(&claim)).await.expect("settled");
    }
    assert!(heard(h).await.is_empty());
    // A chain through events of its own ends as every other does.
    release(h, "dev", "two", &["nothing"]).await;
    release(h, "dev", "one", &["jackfield.run.succeeded", "loop"]).await;
    let mut guest = Guest::new_as(h, "chain").await;
    guest.emit(h, vec![draft("loop", None)]).await;
    guest.succeed(h).await;
    let mut rounds = 0;
    loop {
        let all = heard(h).await;
        let mut one_more = false;
        for (target, _, claim) in all {
            let mut guest = Guest { claim, chunks: 0 };
            if target == "one/heard-0" {
                one_more |= guest.emit(h, vec![draft("loop", None)]).await.answer.is_ok();
            }
            guest.succeed(h).await;
        }
        if !one_more {
            break;
        }
        rounds += 1;
        assert!(rounds < 2 * EVENT_DEPTH, "it goes on for ever");
    }
}

/// S86
pub async fn s86_an_event_too_large_is_a_dead_letter(h: &mut dyn Harness) {
    let small = Limits { event_bytes: 4, ..Limits::default() };
    release_with(h, "dev", "one", &[listen(&["order.paid"])], small).await;
    release(h, "dev", "two", &["order.paid"]).await;
    let mut guest = Guest::new(h).await;
    let emitted = guest.emit(h, vec![draft("order.paid", None)]).await;
    assert!(emitted.answer.is_ok(), "{emitted:?}");
    assert_eq!(targets(&heard(h).await), ["two/heard-0"]);
    let dead = RunFilter { state: Some(RunState::DeadLettered), limit: 10, ..RunFilter::default() };
    let dead = h.store().runs(dead).await.expect("listed");
    let reason = dead[0].reason.as_deref().expect("there is one");
    assert!(dead.len() == 1 && reason.contains("limits.event"), "{dead:?}");
    assert!(h.store().run(dead[0].id).await.expect("it is there").event.is_some());
}
