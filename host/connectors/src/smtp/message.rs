//! A mail as it goes over the wire: who gets it, and its bytes.
//!
//! Everything that a guest says is checked here for what could begin a header or a command of its own.
//! Not here: the session it is sent in.

use std::fmt::Display;

use jackfield_core::ports::email::{Attachment, Mail};
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Body, Mailbox, Message, MultiPart, SinglePart};

use super::address::mailbox;

/// Headers that are made here, or that say how a mail came.
const HOSTS: &[&str] = &[
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "return-path",
    "received",
    "mime-version",
    "dkim-signature",
    "authentication-results",
];
/// Beginnings of such names.
const HOSTS_FAMILIES: &[&str] = &["content-", "resent-", "arc-", "mime-"];
const MOST_HEADERS: usize = 100;
const MOST_HEADER_BYTES: usize = 2_000;
/// What a mail client shows of it; a line on the wire is folded.
const MOST_SUBJECT_BYTES: usize = 2_000;

/// See the module.
pub(super) struct Outgoing {
    /// In whose name, as an address alone.
    pub(super) from: String,
    /// Everybody it goes to, as addresses alone, each once.
    pub(super) to: Vec<String>,
    /// `<…@…>`.
    pub(super) message_id: String,
    /// Headers and body; lines end in CR LF.
    pub(super) bytes: Vec<u8>,
}

/// Puts a mail together.
///
/// # Errors
///
/// What in it cannot be sent, and why.
pub(super) fn compose(mail: &Mail, sender: Option<&Mailbox>, key: &str) -> Result<Outgoing, String> {
    let from = match (&mail.sender, sender) {
        (Some(named), _) => mailbox(named)?,
        (None, Some(own)) => own.clone(),
        (None, None) => {
            return Err("the mail names no sender, and the connection has none: set `sender` on one of them".into());
        }
    };
    let message_id = format!("<{key}@{}>", from.email.domain());
    let mut to: Vec<lettre::Address> = Vec::new();
    for recipient in mail.recipients() {
        let address = mailbox(recipient)?.email;
        if !to.contains(&address) {
            to.push(address);
        }
    }
    let envelope = Envelope::new(Some(from.email.clone()), to.clone()).map_err(wrong("the recipients"))?;
    checked("the subject", &mail.subject, MOST_SUBJECT_BYTES)?;
    let mut builder = Message::builder()
        .from(from.clone())
        .subject(mail.subject.as_str())
        .message_id(Some(message_id.clone()))
        .date_now()
        .envelope(envelope);
    for one in &mail.to {
        builder = builder.to(mailbox(one)?);
    }
    for one in &mail.cc {
        builder = builder.cc(mailbox(one)?);
    }
    for one in &mail.reply_to {
        builder = builder.reply_to(mailbox(one)?);
    }
    if mail.headers.len() > MOST_HEADERS {
        return Err(format!("the mail has {} headers; the most are {MOST_HEADERS}", mail.headers.len()));
    }
    for (name, value) in &mail.headers {
        builder = builder.raw_header(header(name, value)?);
    }
    let message = match content(mail)? {
        Content::Single(part) => builder.singlepart(part),
        Content::Multi(part) => builder.multipart(part),
    };
    let bytes = message.map_err(wrong("the mail"))?.formatted();
    let to = to.iter().map(ToString::to_string).collect();
    Ok(Outgoing { from: from.email.to_string(), to, message_id, bytes })
}

fn wrong<E: Display>(what: &str) -> impl FnOnce(E) -> String + '_ {
    move |e| format!("{what} cannot be sent: {e}")
}

/// Refuses what could end a header and begin another.
fn checked(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{what} holds a line break or another control character"));
    }
    if text.len() > most {
        return Err(format!("{what} has {} bytes; the most are {most}", text.len()));
    }
    Ok(())
}

fn header(name: &str, value: &str) -> Result<HeaderValue, String> {
    let shown: String = name.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if name.is_empty() || name.len() > 64 || !plain {
        return Err(format!("`{shown}` is no header name: letters, digits and `-`, at most 64"));
    }
    let lower = name.to_ascii_lowercase();
    if HOSTS.contains(&lower.as_str()) || HOSTS_FAMILIES.iter().any(|family| lower.starts_with(family)) {
        return Err(format!("the header `{shown}` is set by the host from the mail's own fields"));
    }
    checked(&format!("the header `{shown}`"), value, MOST_HEADER_BYTES)?;
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| format!("`{shown}` is no header name"))?;
    Ok(HeaderValue::new(name, value.to_owned()))
}

enum Content {
    Single(SinglePart),
    Multi(MultiPart),
}

/// The text, its like in HTML with its images, and the files: each layer only if it is needed.
fn content(mail: &Mail) -> Result<Content, String> {
    let (inline, files): (Vec<&Attachment>, Vec<&Attachment>) =
        mail.attachments.iter().partition(|file| file.content_id.is_some());
    let text = mail.text.as_ref().map(|text| SinglePart::plain(text.clone()));
    let html = match &mail.html {
        None => None,
        Some(html) if inline.is_empty() => Some(Content::Single(SinglePart::html(html.clone()))),
        Some(html) => {
            let mut related = MultiPart::related().singlepart(SinglePart::html(html.clone()));
            for file in &inline {
                related = related.singlepart(part(file)?);
            }
            Some(Content::Multi(related))
        }
    };
    if html.is_none() && !inline.is_empty() {
        return Err("an attachment has a `content-id`, and there is no `html` to refer to it".into());
    }
    let body = match (text, html) {
        (None, None) => return Err("the mail has neither `text` nor `html`".into()),
        (Some(text), None) => Content::Single(text),
        (None, Some(html)) => html,
        (Some(text), Some(Content::Single(html))) => {
            Content::Multi(MultiPart::alternative().singlepart(text).singlepart(html))
        }
        (Some(text), Some(Content::Multi(html))) => {
            Content::Multi(MultiPart::alternative().singlepart(text).multipart(html))
        }
    };
    if files.is_empty() {
        return Ok(body);
    }
    let mixed = MultiPart::mixed();
    let mut mixed = match body {
        Content::Single(part) => mixed.singlepart(part),
        Content::Multi(part) => mixed.multipart(part),
    };
    for file in files {
        mixed = mixed.singlepart(part(file)?);
    }
    Ok(Content::Multi(mixed))
}

fn part(file: &Attachment) -> Result<SinglePart, String> {
    checked("the name of an attachment", &file.name, 255)?;
    if file.name.is_empty() {
        return Err("an attachment has no name".into());
    }
    checked("the content type of an attachment", &file.content_type, 255)?;
    let kind = ContentType::parse(&file.content_type)
        .map_err(|_| format!("the attachment `{}` has no content type such as `application/pdf`", file.name))?;
    if file.content_type.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Err(format!("the attachment `{}` cannot be of several parts", file.name));
    }
    let part = match &file.content_id {
        None => Part::new(file.name.clone()),
        Some(id) => {
            let plain = |c: char| c.is_ascii_graphic() && !"<>\"\\()".contains(c);
            if id.is_empty() || id.len() > 255 || !id.chars().all(plain) {
                return Err(format!("the content id of `{}` is not one of plain ASCII characters", file.name));
            }
            Part::new_inline_with_name(id.clone(), file.name.clone())
        }
    };
    // Always so: what a server does to the ends of lines must not reach a file.
    let body = Body::new_with_encoding(file.data.to_vec(), ContentTransferEncoding::Base64)
        .map_err(|_| format!("the attachment `{}` cannot be encoded", file.name))?;
    Ok(part.body(body, kind))
}
