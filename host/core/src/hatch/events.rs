//! The hatch's event calls: attributes, sizes and grants; accepted in one transaction with their record.

use super::{Hatch, Stop, encode_answer};
use crate::grant::Capability;
use crate::ids::shown as printable;
use crate::journal::{ArgumentHash, CallSummary, Class, LookUp, Verdict, What};
use crate::limits::{
    EMIT_ATTRIBUTE_BYTES, EMIT_BYTES, EMIT_CALL_BYTES, EMIT_DELAY_SECONDS, EMIT_EVENTS, EMIT_EXTENSIONS,
};
use crate::listen::{check_extension, check_type, is_the_hosts};
use crate::metrics::{CallResult, TriggerResult};
use crate::ports::events::{Draft, EventsAnswer, EventsError};
use crate::store::kv::LocalCall;

impl Hatch {
    /// Emits events, or hands over the recorded answer.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn emit(&self, call: u32, drafts: Vec<Draft>) -> Result<EventsAnswer, Stop> {
        let what = What { capability: Capability::Events, text: label(&drafts) };
        if let Err(refused) = check(&drafts).and_then(|()| self.may_emit(&drafts)) {
            if let EventsError::AccessDenied(text) = &refused {
                self.refuse(call, Capability::Events, &what.text, text);
            }
            return Ok(Err(refused));
        }
        let encoded = encode_answer(&drafts);
        let hash = ArgumentHash::of([encoded.as_slice()]);
        match self.look_up_asked(call, &what, &hash, Class::Local, || encoded)? {
            LookUp::Answered { verdict, answer, took_ms } => {
                return self.replay::<EventsAnswer>(call, &what, verdict, &answer, took_ms, shown);
            }
            LookUp::Fresh { .. } | LookUp::Interrupted { .. } => {}
        }
        let (number, reply) = {
            // The call takes its place in line under the lock: the order on disk is the order here.
            let mut journal = self.journal();
            let chunk = journal.begin_local();
            let number = chunk.number;
            let local = LocalCall { chunk, call, what: what.clone(), hash };
            (number, self.outside.store.emit(self.info.fence, drafts, local))
        };
        let emitted = self.stored(reply).await?;
        let answer = emitted.answer;
        let verdict = verdict(&answer);
        self.journal().end_local(number, call, what.clone(), hash, verdict, encode_answer(&answer));
        for scope in &emitted.delivered {
            self.outside.metrics.trigger(scope, "event", TriggerResult::Accepted);
        }
        let result = if let Ok(ids) = &answer {
            let (unheard, known) = (u64::from(emitted.unheard), u64::from(emitted.known));
            self.outside.metrics.emitted(&self.info.target, ids.len() as u64 - unheard - known, unheard, known);
            CallResult::Ok
        } else {
            CallResult::Error
        };
        self.outside.metrics.call(&self.info.target, Capability::Events, result);
        self.show(CallSummary {
            call,
            capability: Capability::Events,
            what: what.text,
            result: match &answer {
                Ok(_) => match emitted.delivered.len() {
                    1 => "accepted, 1 run".into(),
                    runs => format!("accepted, {runs} runs"),
                },
                Err(_) => shown(&answer),
            },
            took_ms: 0,
            replayed: false,
            in_doubt: false,
        });
        Ok(answer)
    }

    fn may_emit(&self, drafts: &[Draft]) -> Result<(), EventsError> {
        match drafts.iter().find(|draft| !self.grants.events(&draft.event_type)) {
            None => Ok(()),
            Some(draft) => Err(EventsError::AccessDenied(format!("events = [\"{}\"]", printable(&draft.event_type)))),
        }
    }
}

/// Whether events were accepted: only then it is an effect that a retry must not repeat.
#[must_use]
pub(crate) fn verdict(answer: &EventsAnswer) -> Verdict {
    match answer {
        Ok(ids) if !ids.is_empty() => Verdict::Done,
        Ok(_) | Err(_) => Verdict::Refused,
    }
}

/// What emitting these is, for a person.
pub(crate) fn label(drafts: &[Draft]) -> String {
    let first = drafts.first().map_or("nothing".into(), |draft| printable(&draft.event_type));
    let more = if drafts.len() > 1 { format!(" and {} more", drafts.len() - 1) } else { String::new() };
    format!("emit {first}{more}")
}

fn shown(answer: &EventsAnswer) -> String {
    match answer {
        Ok(_) => "accepted".into(),
        Err(EventsError::AccessDenied(_)) => "access-denied".into(),
        Err(EventsError::Invalid(_)) => "invalid".into(),
        Err(EventsError::Quota(_)) => "quota".into(),
        Err(EventsError::Unavailable(_)) => "unavailable".into(),
        Err(EventsError::TooLarge(_)) => "too-large".into(),
    }
}

/// Checks number, attributes and sizes against the limits of the interface.
fn check(drafts: &[Draft]) -> Result<(), EventsError> {
    if drafts.len() > EMIT_EVENTS {
        let text = format!("at most {EMIT_EVENTS} events at once, not {}", drafts.len());
        return Err(EventsError::Invalid(text));
    }
    let mut bytes = 0;
    for draft in drafts {
        attributes(draft).map_err(EventsError::Invalid)?;
        let size = draft.size() as u64;
        if size > EMIT_BYTES {
            let text = format!("an event has at most {EMIT_BYTES} bytes; this one has {size}");
            return Err(EventsError::TooLarge(text));
        }
        bytes += size;
    }
    if bytes > EMIT_CALL_BYTES {
        let text = format!("the events of one call have at most {EMIT_CALL_BYTES} bytes together, not {bytes}");
        return Err(EventsError::TooLarge(text));
    }
    Ok(())
}

fn attributes(draft: &Draft) -> Result<(), String> {
    check_type(&draft.event_type)?;
    if is_the_hosts(&draft.event_type) {
        return Err(format!("events of type `{}` are the host's own", printable(&draft.event_type)));
    }
    let texts = [
        ("an id", &draft.id),
        ("a subject", &draft.subject),
        ("a content type", &draft.content_type),
        ("a schema", &draft.schema),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            plain(name, text)?;
        }
    }
    if draft.extensions.len() > EMIT_EXTENSIONS {
        return Err(format!("an event has at most {EMIT_EXTENSIONS} extension attributes"));
    }
    for (place, (name, value)) in draft.extensions.iter().enumerate() {
        check_extension(name)?;
        plain("an attribute", value)?;
        if draft.extensions[..place].iter().any(|(other, _)| other == name) {
            return Err(format!("extension attribute `{name}` is there twice"));
        }
    }
    if draft.delay_seconds > EMIT_DELAY_SECONDS {
        return Err(format!(
            "an event is delayed by at most {EMIT_DELAY_SECONDS} seconds, not {}",
            draft.delay_seconds
        ));
    }
    Ok(())
}

fn plain(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > EMIT_ATTRIBUTE_BYTES || text.chars().any(char::is_control) {
        return Err(format!(
            "{what} has 1 to {EMIT_ATTRIBUTE_BYTES} bytes and no control characters; this is `{}`",
            printable(text)
        ));
    }
    Ok(())
}
