//! `email`: mail through a mail connection.

use jackfield_core::ports::email::{Attachment, EmailError, Mail};
use serde_bytes::ByteBuf;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::email;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    email::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl email::Host for State {
    async fn send(&mut self, connection: String, mail: email::Mail) -> Result<Result<String, email::Error>> {
        let number = self.hatch.number()?;
        Ok(self.hatch.email(number, connection, lifted(mail)).await?.map_err(error))
    }
}

fn lifted(mail: email::Mail) -> Mail {
    let attachment = |file: email::Attachment| Attachment {
        name: file.name,
        content_type: file.content_type,
        content_id: file.content_id,
        data: ByteBuf::from(file.data),
    };
    Mail {
        sender: mail.sender,
        to: mail.to,
        cc: mail.cc,
        bcc: mail.bcc,
        reply_to: mail.reply_to,
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        headers: mail.headers,
        attachments: mail.attachments.into_iter().map(attachment).collect(),
    }
}

fn error(error: EmailError) -> email::Error {
    match error {
        EmailError::AccessDenied(text) => email::Error::AccessDenied(text),
        EmailError::Invalid(text) => email::Error::Invalid(text),
        EmailError::Refused(text) => email::Error::Refused(text),
        EmailError::Unavailable(text) => email::Error::Unavailable(text),
        EmailError::TooLarge(text) => email::Error::TooLarge(text),
        EmailError::InDoubt(text) => email::Error::InDoubt(text),
    }
}
