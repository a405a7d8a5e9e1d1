//! `events`: new events, for whoever listens.

use jackfield_core::ports::events::{Draft, EventsError};
use serde_bytes::ByteBuf;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::events;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    events::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl events::Host for State {
    async fn emit(&mut self, drafts: Vec<events::Draft>) -> Result<Result<Vec<String>, events::Error>> {
        let call = self.hatch.number()?;
        let answer = self.hatch.emit(call, drafts.into_iter().map(draft).collect()).await?;
        Ok(answer.map_err(error))
    }
}

fn draft(draft: events::Draft) -> Draft {
    Draft {
        id: draft.id,
        event_type: draft.event_type,
        subject: draft.subject,
        content_type: draft.content_type,
        schema: draft.schema,
        extensions: draft.extensions,
        data: ByteBuf::from(draft.data),
        delay_seconds: draft.delay_seconds,
    }
}

fn error(error: EventsError) -> events::Error {
    match error {
        EventsError::AccessDenied(text) => events::Error::AccessDenied(text),
        EventsError::Invalid(text) => events::Error::Invalid(text),
        EventsError::Quota(text) => events::Error::Quota(text),
        EventsError::Unavailable(text) => events::Error::Unavailable(text),
        EventsError::TooLarge(text) => events::Error::TooLarge(text),
    }
}
