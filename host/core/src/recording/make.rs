//! A recording made of a stored run: its journal, its event, its attempts and its log put together.
//!
//! Decided without I/O, from what the caller read. Not here: who may read it.

use std::collections::BTreeMap;

use super::calls::Parts;
use super::text::{Data, pairs};
use super::{
    BadRecording, FORMAT, NOTE, RecordedAttempt, RecordedCall, RecordedComponent, RecordedConnection, RecordedEvent,
    RecordedLine, RecordedOutcome, RecordedOutput, RecordedRun, Recording, observed,
};
use crate::artifact::Digest;
use crate::event::{Event, Output};
use crate::ids::ConnectionName;
use crate::journal::{Chunk, Corrupt, Record, decode};
use crate::logs::LogLine;
use crate::outcome::Outcome;
use crate::redact::Redactor;
use crate::release::{Component, Durability};
use crate::run::{AttemptRecord, RunDetail};

/// What lies around a run and is not stored with it.
pub struct Surroundings {
    /// The connections it may use.
    pub connections: BTreeMap<ConnectionName, RecordedConnection>,
    /// The run's key.
    pub idempotency_key: String,
    /// What its random values come from.
    pub random_seed: [u8; 32],
    /// Takes the values of secrets out.
    pub redactor: Redactor,
}

/// What a recording is made of.
pub struct Made<'a> {
    /// The run.
    pub run: RunDetail,
    /// Its journal.
    pub chunks: &'a [Chunk],
    /// Its component, as released.
    pub component: &'a Component,
    /// The bytes of it.
    pub artifact: Digest,
    /// What lies around it.
    pub surroundings: Surroundings,
    /// Its log.
    pub log: Vec<LogLine>,
}

/// What a journal says, in order.
pub(super) struct Read {
    pub(super) calls: Vec<RecordedCall>,
    pub(super) observed: Vec<String>,
    /// It ends with what the last ended attempt recorded behind its cut.
    past: Past,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Past {
    /// Nothing was cut off, or something came later.
    None,
    /// All of it is there.
    Kept,
    /// There was too much.
    LeftOut,
}

/// Reads all records, and applies cuts.
pub(super) fn read(chunks: &[Chunk], redactor: &Redactor) -> Result<Read, Corrupt> {
    let mut records = Vec::new();
    for chunk in chunks {
        records.extend(decode(chunk)?);
    }
    let mut past = Past::None;
    if let Some(Record::Past(bytes)) = records.last() {
        past = if bytes.is_empty() { Past::LeftOut } else { Past::Kept };
        let mut encoded = vec![chunks.first().and_then(|chunk| chunk.bytes.first()).copied().unwrap_or_default()];
        encoded.extend_from_slice(bytes);
        let number = chunks.last().map_or(0, |chunk| chunk.number);
        records.extend(decode(&Chunk { number, bytes: encoded })?);
    }
    let mut calls: BTreeMap<u32, Parts> = BTreeMap::new();
    let mut lines = Vec::new();
    for record in records {
        lines.extend(observed::line(&record));
        match record {
            Record::Intent { call, what, hash, generation, class } => {
                let parts = calls.entry(call).or_default();
                (parts.what, parts.hash, parts.class) = (Some(what), Some(hash), Some(class));
                (parts.generation, parts.answered) = (generation, None);
            }
            Record::Result { call, what, hash, class, verdict, took_ms, answer } => {
                let parts = calls.entry(call).or_default();
                (parts.what, parts.hash, parts.class) = (Some(what), Some(hash), Some(class));
                parts.answered = Some((verdict, took_ms, answer.into_vec()));
            }
            Record::Asked { call, request } => calls.entry(call).or_default().asked = Some(request.into_vec()),
            Record::Cut(again) => {
                for reopened in again {
                    calls.remove(&reopened.call);
                }
            }
            _ => {}
        }
    }
    let calls = calls.into_iter().filter_map(|(call, parts)| parts.call(call, redactor)).collect();
    Ok(Read { calls, observed: lines, past })
}

impl Made<'_> {
    /// Puts it together.
    ///
    /// # Errors
    ///
    /// The run's event is gone, or its journal is damaged.
    pub fn recording(self) -> Result<Recording, BadRecording> {
        let Self { run, chunks, component, artifact, surroundings, log } = self;
        let Surroundings { connections, idempotency_key, random_seed, redactor } = surroundings;
        let Read { calls, observed, past } =
            read(chunks, &redactor).map_err(|corrupt| BadRecording(corrupt.to_string()))?;
        let event = run.event.as_ref().ok_or_else(|| BadRecording("the run's event is not kept any more".into()))?;
        let last = run.attempts_made.last();
        let text = |text: &str| redactor.text(text).into_owned();
        // A journal that the last attempt left as it was ends with that attempt.
        let ended = last.filter(|last| by_guest(last) && (past != Past::None || whole(&run, last)));
        let partial = match (past, ended) {
            _ if component.durability == Durability::Relaxed => Some("the component is relaxed: no call is recorded"),
            (Past::LeftOut, _) => {
                Some("the last attempt recorded too much to keep: calls behind its last effect are missing")
            }
            (_, None) => Some("no attempt has ended since the last record: the recording ends where the journal does"),
            _ => None,
        };
        let outcome = ended.map(|last| RecordedOutcome {
            outcome: last.outcome.clone(),
            reason: last.reason.as_deref().map(text),
            stack: last.stack.iter().flat_map(|stack| stack.lines()).map(text).collect(),
            output: run.output.as_ref().map(|output| recorded_output(output, &redactor)),
        });
        let number = last.map_or(1, |last| last.number);
        let lines = log.into_iter().filter(|line| line.attempt == number).map(|line| recorded_line(&line, &redactor));
        let summary = run.summary;
        Ok(Recording {
            format: FORMAT,
            note: NOTE.into(),
            partial: partial.map(str::to_owned),
            run: RecordedRun {
                id: summary.id,
                environment: summary.target.environment,
                integration: summary.target.integration,
                version: summary.target.version,
                component: summary.target.component,
                trigger: summary.target.trigger,
                state: summary.state,
                reason: summary.reason.as_deref().map(text),
                accepted: summary.accepted,
                attempt: number,
                started: last.map_or(summary.accepted, |last| last.started),
                idempotency_key,
                random_seed,
            },
            component: RecordedComponent {
                artifact,
                limits: component.limits.into(),
                grants: component.grants.clone(),
            },
            connections,
            event: recorded_event(event, &redactor),
            calls,
            outcome,
            log: Some(lines.collect()),
            attempts: run.attempts_made.iter().map(|attempt| recorded_attempt(attempt, &redactor)).collect(),
            observed: Some(observed),
        })
    }
}

/// Whether its guest ended an attempt, as opposed to the host or a person.
fn by_guest(attempt: &AttemptRecord) -> bool {
    let others = [Outcome::Cancelled.label(), Outcome::HostFault { message: String::new(), panicked: false }.label()];
    !others.contains(&attempt.outcome.as_str())
}

/// Whether nothing was recorded since `last` ended.
fn whole(run: &RunDetail, last: &AttemptRecord) -> bool {
    // Under way again, an attempt may have recorded more.
    run.summary.state != crate::run::RunState::Running && last.number >= run.summary.attempts
}

fn recorded_attempt(attempt: &AttemptRecord, redactor: &Redactor) -> RecordedAttempt {
    RecordedAttempt {
        number: attempt.number,
        started: attempt.started,
        ended: attempt.ended,
        outcome: attempt.outcome.clone(),
        reason: attempt.reason.as_deref().map(|reason| redactor.text(reason).into_owned()),
        calls: attempt.usage.calls,
        replayed: attempt.usage.replayed,
    }
}

fn recorded_event(event: &Event, redactor: &Redactor) -> RecordedEvent {
    RecordedEvent {
        id: event.id.clone(),
        source: event.source.clone(),
        event_type: event.event_type.clone(),
        subject: event.subject.clone(),
        time: event.time.clone(),
        content_type: event.content_type.clone(),
        schema: event.schema.clone(),
        extensions: pairs(&event.extensions, redactor),
        meta: pairs(&event.meta, redactor),
        data: Data::of(&redactor.bytes(event.data.clone())),
    }
}

pub(super) fn recorded_output(output: &Output, redactor: &Redactor) -> RecordedOutput {
    RecordedOutput {
        status: output.status,
        content_type: output.content_type.clone(),
        headers: pairs(&output.headers, redactor),
        data: Data::of(&redactor.bytes(output.data.clone())),
    }
}

pub(super) fn recorded_line(line: &LogLine, redactor: &Redactor) -> RecordedLine {
    RecordedLine {
        level: line.level,
        message: redactor.text(&line.message).into_owned(),
        attributes: pairs(&line.attributes, redactor),
    }
}
