//! The hatch's messages: sizes, and which topics are granted.

use std::sync::Arc;
use std::time::Duration;

use super::outward::{Asked, Exchange, NotMade, Sent, told};
use super::{Hatch, On, Stop, encode_answer};
use crate::grant::{Capability, MessagingAction};
use crate::ids::{ConnectionName, shown as printable};
use crate::journal::{ArgumentHash, Class, What};
use crate::limits::{PUBLISH_BYTES, PUBLISH_MESSAGES};
use crate::pace::Gate;
use crate::ports::messaging::{Message, Messaging, MessagingAnswer, MessagingCall, MessagingError};
use crate::ports::outward::{Failure, Sending};

impl Hatch {
    /// Publishes messages or asks for a reply, or hands over the recorded answer. It runs in a task of its own, and is
    /// recorded even if this future is dropped.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn messaging(
        self: &Arc<Self>,
        call: u32,
        connection: String,
        request: MessagingCall,
    ) -> Result<MessagingAnswer, Stop> {
        let hatch = Arc::clone(self);
        self.in_a_task(async move { hatch.messaging_call(call, &connection, request).await }).await
    }

    async fn messaging_call(
        &self,
        call: u32,
        connection: &str,
        request: MessagingCall,
    ) -> Result<MessagingAnswer, Stop> {
        let what = What { capability: Capability::Messaging, text: label(connection, &request) };
        let (port, gate) = match self.check_messaging(connection, &request) {
            Ok(checked) => checked,
            Err(refused) => {
                if let MessagingError::AccessDenied(text) = &refused {
                    self.refuse(call, Capability::Messaging, &what.text, text);
                }
                return Ok(Err(refused));
            }
        };
        let encoded = encode_answer(&On { connection, call: &request });
        let hash = ArgumentHash::of([encoded.as_slice()]);
        let exchange = MessagingExchange { port, gate, what, limit: self.limits.message_bytes, request };
        self.carry_out(call, Asked { hash, class: Class::Repeatable, request: || encoded }, &exchange).await
    }

    #[expect(clippy::type_complexity, reason = "the two things its one caller takes apart at once")]
    fn check_messaging(
        &self,
        connection: &str,
        request: &MessagingCall,
    ) -> Result<(Arc<dyn Messaging>, Option<Arc<Gate>>), MessagingError> {
        let action = action(request);
        let messages = request.messages();
        let Some(first) = messages.first() else {
            return Err(MessagingError::Refused("there is no message in it".into()));
        };
        let not_granted = |topic: &str| {
            MessagingError::AccessDenied(format!(
                "messaging = [{{ connection = \"{}\", actions = [\"{}\"], topics = [\"{}\"] }}]",
                printable(connection),
                action.label(),
                printable(topic)
            ))
        };
        let name: ConnectionName = connection.parse().map_err(|_| not_granted(&first.topic))?;
        for message in messages {
            let granted = self.grants.messaging.iter().any(|grant| {
                grant.connection == name
                    && grant.actions.contains(&action)
                    && grant.topics.iter().any(|topic| topic.matches(&message.topic))
            });
            if !granted {
                return Err(not_granted(&message.topic));
            }
        }
        let found = self.port(&name, "messages", |opened| opened.messaging.clone());
        let Some((port, linked)) = found else { return Err(not_granted(&first.topic)) };
        let port = port.map_err(MessagingError::Unavailable)?;
        self.check_sizes(messages)?;
        Ok((port, linked.gate.clone()))
    }

    fn check_sizes(&self, messages: &[Message]) -> Result<(), MessagingError> {
        let limit = self.limits.message_bytes;
        if messages.len() > PUBLISH_MESSAGES {
            let text = format!("at most {PUBLISH_MESSAGES} messages at once; these are {}", messages.len());
            return Err(MessagingError::TooLarge(text));
        }
        let mut all = 0;
        for (at, message) in messages.iter().enumerate() {
            let bytes = size(message);
            all += bytes;
            if bytes > limit {
                return Err(MessagingError::TooLarge(format!(
                    "message {} has {bytes} bytes with its headers; the limit is {limit} (limits.message)",
                    at + 1
                )));
            }
            let bare = |text: &str| !text.chars().any(char::is_control);
            if message.topic.is_empty() || !bare(&message.topic) {
                return Err(MessagingError::Refused(format!("topic `{}` is not one", printable(&message.topic))));
            }
            if let Some((name, _)) =
                message.headers.iter().find(|(name, value)| name.is_empty() || !bare(name) || !bare(value))
            {
                let text = format!("header `{}` is empty or has a control character", printable(name));
                return Err(MessagingError::Refused(text));
            }
        }
        if messages.len() > 1 && all > PUBLISH_BYTES {
            return Err(MessagingError::TooLarge(format!(
                "the messages have {all} bytes together; at most {PUBLISH_BYTES} go at once"
            )));
        }
        Ok(())
    }
}

struct MessagingExchange {
    port: Arc<dyn Messaging>,
    gate: Option<Arc<Gate>>,
    what: What,
    limit: u64,
    request: MessagingCall,
}

impl Exchange for MessagingExchange {
    type Answer = MessagingAnswer;

    fn what(&self) -> &What {
        &self.what
    }

    fn gate(&self) -> Option<&Arc<Gate>> {
        self.gate.as_ref()
    }

    fn timeout(&self) -> Duration {
        match &self.request {
            MessagingCall::Publish(_) => self.port.timeout(),
            MessagingCall::Request { timeout_ms, .. } => {
                Duration::from_millis((*timeout_ms).into()).min(self.port.timeout())
            }
        }
    }

    fn sent_bytes(&self) -> u64 {
        self.request.messages().iter().map(size).sum()
    }

    fn most(&self) -> (u64, u32) {
        (self.limit, 1)
    }

    /// At least once by declaration: each message carries its key, so that whoever receives it twice can tell.
    async fn class(&self, _: Duration) -> Result<Class, Failure> {
        Ok(Class::Repeatable)
    }

    async fn send(&self, with: Sending, _: Class) -> Sent<MessagingAnswer> {
        let came = self.port.run(&self.request, &with).await;
        told(came, |reply| reply.as_ref().map_or(0, size), error)
    }

    fn not_made(&self, why: NotMade) -> MessagingAnswer {
        Err(match why {
            NotMade::Interrupted => {
                MessagingError::Unavailable("the host was interrupted before the answer came".into())
            }
            NotMade::Failed(failure) => error(failure),
        })
    }

    fn shown(answer: &MessagingAnswer) -> String {
        match answer {
            Ok(None) => "confirmed".into(),
            Ok(Some(reply)) => format!("{} bytes", reply.data.len()),
            Err(MessagingError::AccessDenied(_)) => "access-denied".into(),
            Err(MessagingError::Refused(_)) => "refused".into(),
            Err(MessagingError::Unavailable(_)) => "unavailable".into(),
            Err(MessagingError::Timeout(_)) => "no answer".into(),
            Err(MessagingError::TooLarge(_)) => "too large".into(),
        }
    }

    fn is_ok(answer: &MessagingAnswer) -> bool {
        answer.is_ok()
    }
}

fn error(failure: Failure) -> MessagingError {
    match failure {
        Failure::Denied(text) | Failure::NotExecuted(text) | Failure::Conflict(text) => {
            MessagingError::Unavailable(text)
        }
        Failure::Invalid(text) => MessagingError::Refused(text),
        Failure::Refused { message, .. } => MessagingError::Refused(message),
        Failure::Broken { message, timed_out: true } => MessagingError::Timeout(message),
        Failure::Broken { message, .. } => MessagingError::Unavailable(message),
        Failure::TooLarge { message, .. } => MessagingError::TooLarge(message),
    }
}

const fn action(request: &MessagingCall) -> MessagingAction {
    match request {
        MessagingCall::Publish(_) => MessagingAction::Publish,
        MessagingCall::Request { .. } => MessagingAction::Request,
    }
}

fn size(message: &Message) -> u64 {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let key = message.key.as_ref().map_or(0, String::len);
    (message.data.len() + headers + key) as u64
}

fn label(connection: &str, request: &MessagingCall) -> String {
    let messages = request.messages();
    let topic = messages.first().map_or("", |message| message.topic.as_str());
    let more = if messages.len() > 1 { format!(" and {} more", messages.len() - 1) } else { String::new() };
    format!("{} {} {}{more}", action(request).label(), printable(connection), printable(topic))
}
