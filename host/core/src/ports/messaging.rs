//! Messages to brokers: what a guest publishes and asks for.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::outward::{Failure, Sending};
use crate::event::Attributes;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Topic, subject or routing key, in the broker's own spelling.
    pub topic: String,
    /// Messages with equal keys stay in order, where the broker can do so.
    pub key: Option<String>,
    /// What the data is.
    pub content_type: Option<String>,
    /// Further headers.
    pub headers: Attributes,
    /// The data.
    pub data: ByteBuf,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessagingCall {
    /// These, in order; done when the broker has confirmed them.
    Publish(Vec<Message>),
    /// This one, and waits for the reply.
    Request {
        /// The question.
        message: Message,
        /// How long to wait, in milliseconds.
        timeout_ms: u32,
    },
}

impl MessagingCall {
    /// What is published, in order.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        match self {
            Self::Publish(messages) => messages,
            Self::Request { message, .. } => std::slice::from_ref(message),
        }
    }
}

/// Why a call failed, in the words of the WIT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "error", content = "text")]
pub enum MessagingError {
    /// No grant; the text is the line to add. Never recorded.
    AccessDenied(String),
    /// The broker does not know the topic or refused the message.
    Refused(String),
    /// Not confirmed; perhaps some were published.
    Unavailable(String),
    /// No confirmation or no reply within the time.
    Timeout(String),
    /// Larger than the broker or the host allows.
    TooLarge(String),
}

/// What came back: a reply to a request, nothing to a publish.
pub type MessagingAnswer = Result<Option<Message>, MessagingError>;

/// An opened connection to a broker.
#[async_trait]
pub trait Messaging: Send + Sync {
    /// Its time limit for a call.
    fn timeout(&self) -> Duration;

    /// Makes the call. Each message carries a key of its own, `<with.key>-<index>`, in the header or
    /// field that the broker has for it, so that whoever receives it twice can tell.
    ///
    /// # Errors
    ///
    /// See [`Failure`]. `Broken` also if some of the messages may have been published.
    async fn run(&self, call: &MessagingCall, with: &Sending) -> Result<Option<Message>, Failure>;
}
