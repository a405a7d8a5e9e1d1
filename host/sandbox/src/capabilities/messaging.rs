//! `messaging`: messages to a broker connection.

use jackfield_core::ports::messaging::{Message, MessagingCall, MessagingError};
use serde_bytes::ByteBuf;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::messaging;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    messaging::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl messaging::Host for State {
    async fn publish(
        &mut self,
        connection: String,
        messages: Vec<messaging::Message>,
    ) -> Result<Result<(), messaging::Error>> {
        let number = self.hatch.number()?;
        let call = MessagingCall::Publish(messages.into_iter().map(message).collect());
        Ok(self.hatch.messaging(number, connection, call).await?.map(drop).map_err(error))
    }

    async fn request(
        &mut self,
        connection: String,
        question: messaging::Message,
        timeout_ms: u32,
    ) -> Result<Result<messaging::Message, messaging::Error>> {
        let number = self.hatch.number()?;
        let call = MessagingCall::Request { message: message(question), timeout_ms };
        match self.hatch.messaging(number, connection, call).await? {
            Ok(Some(reply)) => Ok(Ok(lowered(reply))),
            Ok(None) => Err(self.other_answer("messaging", number).into()),
            Err(refused) => Ok(Err(error(refused))),
        }
    }
}

fn message(message: messaging::Message) -> Message {
    Message {
        topic: message.topic,
        key: message.key,
        content_type: message.content_type,
        headers: message.headers,
        data: ByteBuf::from(message.data),
    }
}

fn lowered(message: Message) -> messaging::Message {
    messaging::Message {
        topic: message.topic,
        key: message.key,
        content_type: message.content_type,
        headers: message.headers,
        data: message.data.into_vec(),
    }
}

fn error(error: MessagingError) -> messaging::Error {
    match error {
        MessagingError::AccessDenied(text) => messaging::Error::AccessDenied(text),
        MessagingError::Refused(text) => messaging::Error::Refused(text),
        MessagingError::Unavailable(text) => messaging::Error::Unavailable(text),
        MessagingError::Timeout(text) => messaging::Error::Timeout(text),
        MessagingError::TooLarge(text) => messaging::Error::TooLarge(text),
    }
}
