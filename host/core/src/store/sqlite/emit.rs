//! Events on their way to those who hear them: what guests emit, and the ends of runs.
//!
//! Not here: who listens (`listeners.rs`), and how an event is stored as a run (`queue.rs`).

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};
use serde::Deserialize;
use serde_json::json;

use super::fault::{Fault, bad_row};
use super::ledger::Ledger;
use super::names::KnownTarget;
use super::packed::{Packed, hashed};
use super::queue::{self, DEDUPE, Final, Way};
use super::ready::Entry;
use super::writer::all_or_nothing;
use super::{SqliteStore, journal};
use crate::clock::Timestamp;
use crate::event::Event;
use crate::hatch::{encode_answer, events_verdict};
use crate::ids::{IntegrationName, RunId, Scope};
use crate::journal::encode_result;
use crate::limits::{EMIT_RUNS, EVENT_DEPTH};
use crate::listen::RUN_ENDS;
use crate::ports::events::{Draft, EventsError, Origin, meta, source};
use crate::run::{RunState, Target};
use crate::store::events::{Emitted, EventStore};
use crate::store::kv::LocalCall;
use crate::store::queue::{Fence, NewRun};
use crate::store::{Reply, StoreError};

impl EventStore for SqliteStore {
    fn emit(&self, fence: Fence, drafts: Vec<Draft>, local: LocalCall) -> Reply<Emitted> {
        let weight = drafts.iter().map(|draft| draft.size() + 256).sum::<usize>() + local.chunk.bytes.len();
        self.command(weight, move |ledger| {
            let entry = journal::owned(ledger, fence)?;
            let mut fresh = Vec::new();
            let done = all_or_nothing(ledger, |ledger| {
                fresh.clear();
                emit(ledger, fence.run, &entry, &drafts, local.call, &mut fresh)
            })?;
            let emitted = done.or_else(|refused| {
                // What was made of some of them is gone, and with it the names that were new.
                fresh.clear();
                let (names, conn) = (&mut ledger.names, &ledger.conn);
                names.rolled_back(conn)?;
                Ok::<_, Fault>(Emitted { answer: Err(refused), delivered: Vec::new(), unheard: 0, known: 0 })
            })?;
            // The hatch notes the same verdict in the attempt's own journal.
            let verdict = events_verdict(&emitted.answer);
            let mut chunk = local.chunk.clone();
            encode_result(
                &mut chunk,
                local.call,
                local.what.clone(),
                local.hash,
                verdict,
                &encode_answer(&emitted.answer),
            );
            journal::append(ledger, fence.run, &chunk)?;
            for (run, event) in &fresh {
                ledger.recent.keep(*run, event);
            }
            Ok(emitted)
        })
    }
}

/// Runs that are due at once, and their events.
type Fresh = Vec<(RunId, Arc<Event>)>;

fn emit(
    ledger: &mut Ledger,
    run: RunId,
    entry: &Entry,
    drafts: &[Draft],
    call: u32,
    fresh: &mut Fresh,
) -> Result<Result<Emitted, EventsError>, Fault> {
    let depth = depth(ledger, run)? + 1;
    if depth > EVENT_DEPTH {
        return Ok(Err(EventsError::Invalid(too_deep())));
    }
    let known = known_target(ledger, entry.target)?;
    let (environment, target) = (known.environment, known.target.clone());
    let mut ids = Vec::with_capacity(drafts.len());
    let mut emitted = Emitted { answer: Ok(Vec::new()), delivered: Vec::new(), unheard: 0, known: 0 };
    for (position, draft) in drafts.iter().enumerate() {
        if let Some(id) = &draft.id {
            ids.push(id.clone());
            if !note(ledger, &target, id, run)? {
                emitted.known += 1;
                continue;
            }
        } else {
            // A run, a call and a position are never twice the same.
            ids.push(format!("{run}/{call}/{position}"));
        }
        let origin = Origin { integration: &target.integration, run, depth };
        let event = draft.event(ids[position].clone(), origin, ledger.now);
        let due = ledger.now.plus(Duration::from_secs(draft.delay_seconds.into()));
        match deliver(ledger, environment, event, due, Way { depth, capped: true }, fresh)? {
            Ok(heard) if heard.is_empty() => emitted.unheard += 1,
            Ok(heard) => emitted.delivered.extend(heard),
            Err(full) => {
                let text = format!("{full} has too many events waiting to take one of type `{}`", draft.event_type);
                return Ok(Err(EventsError::Quota(text)));
            }
        }
        if emitted.delivered.len() > EMIT_RUNS {
            let text = format!("these events would become more than {EMIT_RUNS} runs at once: emit fewer in one call");
            return Ok(Err(EventsError::Invalid(text)));
        }
    }
    emitted.answer = Ok(ids);
    Ok(Ok(emitted))
}

fn too_deep() -> String {
    format!(
        "the chain of events is {EVENT_DEPTH} deep, and no longer: each of these events was made by a run of the one before"
    )
}

fn depth(ledger: &Ledger, run: RunId) -> Result<u32, Fault> {
    let mut select = ledger.conn.prepare_cached("SELECT depth FROM queue WHERE run = ?1")?;
    Ok(select.query_row([run.to_bytes()], |row| row.get(0))?)
}

fn known_target(ledger: &Ledger, target: i64) -> Result<&KnownTarget, Fault> {
    ledger.names.target(target).ok_or_else(|| bad_row("a run's target has no names"))
}

/// Notes the id that an integration gives an event; whether it is new.
fn note(ledger: &Ledger, target: &Target, id: &str, run: RunId) -> Result<bool, Fault> {
    // A hash of three parts, where the key of a trigger's event begins with one of four: none is the other.
    let key = hashed([target.environment.as_str(), target.integration.as_str(), id]);
    let noted = ledger
        .conn
        .prepare_cached(
            "INSERT INTO dedupe (key, run, at) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET run = excluded.run, at = excluded.at WHERE at < ?4",
        )?
        .execute(params![key, run.to_bytes(), ledger.now.0, ledger.now.minus(DEDUPE).0])?;
    Ok(noted == 1)
}

/// Makes a run of every listener that hears `event`. Gives where, or the listener whose queue is full: then what was
/// made so far is for the caller to take back.
fn deliver(
    ledger: &mut Ledger,
    environment: i64,
    event: Event,
    due: Timestamp,
    way: Way,
    fresh: &mut Fresh,
) -> Result<Result<Vec<Scope>, IntegrationName>, Fault> {
    let listeners = ledger.listeners.of(environment, |listener| listener.listen.hears(&event));
    let event = Arc::new(event);
    let mut heard = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let new = NewRun {
            id: RunId::new(&*ledger.options.clock, &*ledger.options.rng),
            target: listener.target.clone(),
            event: Arc::clone(&event),
            dedupe: false,
            needs: listener.needs,
            due,
            order: listener.order.as_ref().and_then(|order| order.of(&event)),
        };
        let id = new.id;
        match queue::accept_one(ledger, &Packed::of(new)?, way) {
            Ok(_) => {}
            Err(Fault::Refused(StoreError::QueueFull(_))) => return Ok(Err(listener.target.integration.clone())),
            Err(fault) => return Err(fault),
        }
        heard.push(listener.target.scope());
        if event.data.len() as u64 > listener.event_bytes {
            let reason = format!(
                "the event has {} bytes of data; the component takes {} (limits.event)",
                event.data.len(),
                listener.event_bytes
            );
            let state = RunState::DeadLettered;
            queue::finish(ledger, id, Final { reason: Some(reason), ..Final::without_attempt(state) })?;
        } else if due <= ledger.now {
            fresh.push((id, Arc::clone(&event)));
        }
    }
    Ok(Ok(heard))
}

/// A run ended, or waits for a person: tells those who listen. Its row is still in the queue table.
pub(super) fn ended(
    ledger: &mut Ledger,
    run: RunId,
    entry: &Entry,
    state: RunState,
    outcome: Option<&str>,
    reason: Option<&str>,
) -> Result<(), Fault> {
    let known = known_target(ledger, entry.target)?;
    let environment = known.environment;
    if ledger.listeners.of(environment, |listener| listener.host).is_empty() {
        return Ok(());
    }
    let target = known.target.clone();
    let mut select =
        ledger.conn.prepare_cached("SELECT depth, fence, begun, accepted, last_outcome FROM queue WHERE run = ?1")?;
    let (depth, fence, begun, accepted, last) = select.query_row([run.to_bytes()], |row| {
        Ok((
            row.get::<_, u32>(0)? + 1,
            row.get::<_, i64>(1)?,
            row.get::<_, u32>(2)?,
            Timestamp(row.get(3)?),
            row.get::<_, Option<String>>(4)?,
        ))
    })?;
    drop(select);
    // What handles such an event is not told of: one that fails would be told of for ever.
    if depth > 1 && handles_an_end(ledger, run)? {
        return Ok(());
    }
    let event_type = format!("{RUN_ENDS}{state}");
    if depth > EVENT_DEPTH {
        tracing::warn!(%run, event_type, "the end of a run is told to nobody: {}", too_deep());
        return Ok(());
    }
    let outcome = outcome.map(str::to_owned).or(last);
    let Target { environment: place, integration, component, trigger, version } = &target;
    let data = json!({
        "run": run.to_string(),
        "environment": place,
        "integration": integration,
        "component": component,
        "trigger": trigger,
        "version": version,
        "state": state,
        "outcome": outcome,
        "reason": reason,
        "attempts": begun,
        "accepted": accepted.to_string(),
        "ended": ledger.now.to_string(),
    });
    let mut extensions = vec![
        ("integration".to_owned(), integration.to_string()),
        ("component".to_owned(), component.to_string()),
        ("trigger".to_owned(), trigger.to_string()),
    ];
    extensions.extend(outcome.map(|outcome| ("outcome".to_owned(), outcome)));
    let event = Event {
        // A run may end more than once, since a dead letter can be resumed; with another fence then.
        id: format!("{run}/{state}/{fence}"),
        source: source(integration),
        event_type,
        subject: Some(run.to_string()),
        time: Some(ledger.now.to_string()),
        content_type: Some("application/json".into()),
        schema: None,
        extensions,
        meta: meta(Origin { integration, run, depth }),
        data: data.to_string().into(),
    };
    let now = ledger.now;
    let told = deliver(ledger, environment, event, now, Way { depth, capped: false }, &mut Vec::new())?;
    debug_assert!(told.is_ok(), "nothing caps what the host tells");
    Ok(())
}

#[derive(Deserialize)]
struct EventType {
    #[serde(rename = "type")]
    event_type: String,
}

/// Whether a run that some run's event led to handles the end of that run.
fn handles_an_end(ledger: &Ledger, run: RunId) -> Result<bool, Fault> {
    let mut select = ledger.conn.prepare_cached("SELECT event FROM events WHERE run = ?1")?;
    let event: Option<Vec<u8>> = select.query_row([run.to_bytes()], |row| row.get(0)).optional()?;
    // One that is damaged must not keep its run from ending.
    let event = event.and_then(|event| rmp_serde::from_slice::<EventType>(&event).ok());
    Ok(event.is_some_and(|event| event.event_type.starts_with(RUN_ENDS)))
}
