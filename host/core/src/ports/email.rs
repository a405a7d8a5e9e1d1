//! Mail: what a guest hands to a mail server.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::outward::{Failure, Sending};
use crate::event::Attributes;

/// A file that goes with a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// File name.
    pub name: String,
    /// What it is.
    pub content_type: String,
    /// For what the HTML refers to as `cid:…`.
    pub content_id: Option<String>,
    /// The data.
    pub data: ByteBuf,
}

/// A mail. Addresses are `jane@example.com` or `Jane Doe <jane@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// None: the connection's sender.
    pub sender: Option<String>,
    /// Recipients.
    pub to: Vec<String>,
    /// Recipients.
    pub cc: Vec<String>,
    /// Recipients that the others do not see.
    pub bcc: Vec<String>,
    /// Where answers go.
    pub reply_to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: Option<String>,
    /// The same as HTML.
    pub html: Option<String>,
    /// Further headers.
    pub headers: Attributes,
    /// Files.
    pub attachments: Vec<Attachment>,
}

impl Mail {
    /// Everybody it goes to.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        [&self.to, &self.cc, &self.bcc].into_iter().flatten().map(String::as_str)
    }
}

/// Why a mail was not accepted, in the words of the WIT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "error", content = "text")]
pub enum EmailError {
    /// No grant; the text is the line to add. Never recorded.
    AccessDenied(String),
    /// An address or a header is not valid.
    Invalid(String),
    /// The mail server refused it for good.
    Refused(String),
    /// It cannot be reached, or asks to try later.
    Unavailable(String),
    /// Larger than the limit.
    TooLarge(String),
    /// Sent, and no answer came.
    InDoubt(String),
}

/// The message id; what the journal keeps.
pub type EmailAnswer = Result<String, EmailError>;

/// An opened connection to a mail server.
#[async_trait]
pub trait Email: Send + Sync {
    /// Its time limit for a call.
    fn timeout(&self) -> Duration;

    /// The sender of mails that name none, as an address alone; none if the connection has none.
    fn sender(&self) -> Option<&str>;

    /// The address alone of `jane@example.com` or `Jane Doe <jane@example.com>`, its domain in lower case.
    ///
    /// # Errors
    ///
    /// It is no address; why.
    fn address(&self, text: &str) -> Result<String, String>;

    /// Sends it, once, with a message id made of `with.key`; gives the message id.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    async fn send(&self, mail: &Mail, with: &Sending) -> Result<String, Failure>;
}
