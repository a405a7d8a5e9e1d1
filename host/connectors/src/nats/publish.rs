//! What a guest publishes and asks for: one session shared by all runs, made when it is needed.
//!
//! Not here: grants, repeating and the journal, which the hatch asked before it came here.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Request, RequestErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use jackfield_core::event::Attributes;
use jackfield_core::ports::messaging::{Message, Messaging, MessagingCall};
use jackfield_core::ports::outward::{Failure, Sending};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::session::{Dialer, NoSession, Session, causes};
use super::settings;
use crate::broker;

/// By this header a stream knows a message that it has already.
const ID: &str = "Nats-Msg-Id";
const CONTENT_TYPE: &str = "Content-Type";
/// Where a message's key goes: NATS has no place of its own for it.
const KEY: &str = "Message-Key";

/// A failure to connect is the answer to whoever waited for the attempt, too.
const FRESH: Duration = Duration::from_millis(200);

/// An opened connection.
#[derive(Debug)]
pub(super) struct Link {
    dialer: Dialer,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    None,
    Open(Arc<Session>),
    Failed(Instant, NoSession),
}

impl Link {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self { dialer, state: Mutex::new(State::None) }
    }

    /// The session, made anew if the last one is over.
    async fn session(&self, deadline: Instant) -> Result<Arc<Session>, Failure> {
        let asked = Instant::now();
        let connecting = async {
            let mut state = self.state.lock().await;
            match &*state {
                State::Open(session) if !session.gone.is_cancelled() => return Ok(Arc::clone(session)),
                State::Failed(at, none) if *at >= asked || at.elapsed() < FRESH => return Err(none.clone()),
                _ => {}
            }
            match self.dialer.session("jackfield").await {
                Ok(session) => {
                    let session = Arc::new(session);
                    *state = State::Open(Arc::clone(&session));
                    Ok(session)
                }
                Err(none) => {
                    *state = State::Failed(Instant::now(), none.clone());
                    Err(none)
                }
            }
        };
        match timeout_at(deadline, connecting).await {
            Ok(session) => Ok(session?),
            Err(_) => Err(Failure::NotExecuted("not connected in time".into())),
        }
    }

    /// Publishes to streams, each message confirmed by one.
    async fn confirmed(&self, session: &Session, messages: Vec<Ready>, deadline: Instant) -> Result<(), Failure> {
        // They are handed to the session in order, each with its first poll; the answers come in any.
        let each = messages.into_iter().map(|message| async move {
            let subject = message.subject.clone();
            let answer = ask(session, message, deadline).await?;
            acknowledged(&subject, &answer.payload)
        });
        broker::together(join_all(each).await)
    }

    /// Publishes without a stream: done when the server has read it all.
    async fn sent(&self, session: &Session, messages: Vec<Ready>, deadline: Instant) -> Result<(), Failure> {
        let client = &session.client;
        let subjects: Vec<String> = messages.iter().map(|message| message.subject.clone()).collect();
        let sending = async {
            for Ready { subject, headers, data } in messages {
                client.publish_with_headers(subject, headers, data).await.map_err(|e| broken(causes(&e)))?;
            }
            // Nobody listens to a new inbox, and the server says so: after it has read everything before.
            let probe = Request::new().payload(Bytes::new());
            match client.send_request(client.new_inbox(), probe).await {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(()),
                Err(error) => Err(broken(causes(&error))),
            }
        };
        whole(session, &subjects, sending, deadline).await?;
        // A refusal was said before the probe was answered, and may be heard a little later.
        let refused = subjects.iter().map(|subject| Box::pin(session.refusals.refused(subject)));
        match tokio::time::timeout(broker::PAUSE, futures_util::future::select_all(refused)).await {
            Ok((text, ..)) if subjects.len() == 1 => Err(refusal(text)),
            Ok((text, ..)) => Err(broken(text)),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Messaging for Link {
    fn timeout(&self) -> Duration {
        self.dialer.settings.timeout
    }

    async fn run(&self, call: &MessagingCall, with: &Sending) -> Result<Option<Message>, Failure> {
        let began = Instant::now();
        let deadline = began + with.timeout;
        let ready: Result<Vec<Ready>, Failure> =
            call.messages().iter().enumerate().map(|(i, m)| Ready::of(m, &format!("{}-{i}", with.key))).collect();
        let ready = ready?;
        let session = self.session(deadline).await?;
        for message in &ready {
            message.fits(&session.client)?;
        }
        match call {
            MessagingCall::Publish(_) if ready.is_empty() => Ok(None),
            MessagingCall::Publish(_) if self.dialer.settings.jetstream => {
                self.confirmed(&session, ready, deadline).await.map(|()| None)
            }
            MessagingCall::Publish(_) => self.sent(&session, ready, deadline).await.map(|()| None),
            MessagingCall::Request { timeout_ms, .. } => {
                let deadline = deadline.min(began + Duration::from_millis((*timeout_ms).into()));
                let message =
                    ready.into_iter().next().ok_or_else(|| Failure::Invalid("there is no question".into()))?;
                let subject = message.subject.clone();
                let reply = ask(&session, message, deadline).await.map_err(|failure| match failure {
                    Failure::Refused { code, .. } if code == NO_RESPONDERS => {
                        Failure::NotExecuted(format!("nobody listens to `{subject}`"))
                    }
                    other => other,
                })?;
                answer(reply, with.answer_bytes).map(Some)
            }
        }
    }
}

/// A message as it goes out.
struct Ready {
    subject: String,
    headers: HeaderMap,
    data: Bytes,
}

impl Ready {
    fn of(message: &Message, id: &str) -> Result<Self, Failure> {
        let subject = &message.topic;
        settings::subject(subject).map_err(|problem| Failure::Invalid(format!("the topic `{subject}` {problem}")))?;
        broker::check_headers(message)?;
        let mut headers = HeaderMap::new();
        let mut own_id = false;
        for (name, value) in &message.headers {
            own_id |= name.eq_ignore_ascii_case(ID);
            // The others tell the server what to do: `Nats-Rollup` empties a stream.
            if name.to_ascii_lowercase().starts_with("nats-") && !name.eq_ignore_ascii_case(ID) {
                return Err(Failure::Invalid(format!(
                    "the header `{name}` is the server's own; only `{ID}` can be set"
                )));
            }
            headers.append(if name.eq_ignore_ascii_case(ID) { ID } else { name.as_str() }, value.as_str());
        }
        if !own_id {
            headers.insert(ID, id);
        }
        for (name, value) in [(CONTENT_TYPE, &message.content_type), (KEY, &message.key)] {
            let Some(value) = value else { continue };
            if value.contains(['\r', '\n', '\0']) {
                return Err(Failure::Invalid("a message's key or content type has a line break".into()));
            }
            headers.insert(name, value.as_str());
        }
        Ok(Self { subject: subject.clone(), headers, data: Bytes::copy_from_slice(&message.data) })
    }

    /// Whether the server takes it: it cuts the connection to whoever sends more than it said it would take.
    fn fits(&self, client: &Client) -> Result<(), Failure> {
        let headers: usize = self
            .headers
            .iter()
            .flat_map(|(name, values)| {
                let name: &str = name.as_ref();
                values.iter().map(move |value| name.len() + value.as_str().len() + ": \r\n".len())
            })
            .sum();
        let size = self.data.len() + headers + "NATS/1.0\r\n\r\n".len();
        let most = client.max_payload();
        if size <= most {
            return Ok(());
        }
        let message = format!(
            "a message to `{}` is {size} bytes with its headers, and the server takes {most} (its `max_payload`)",
            self.subject
        );
        Err(Failure::TooLarge { message, sent: false })
    }
}

const NO_RESPONDERS: &str = "503";

/// Sends one message and waits for what comes back.
async fn ask(session: &Session, message: Ready, deadline: Instant) -> Result<async_nats::Message, Failure> {
    let Ready { subject, headers, data } = message;
    let request = Request::new().headers(headers).payload(data);
    let asking = async {
        session.client.send_request(subject.clone(), request).await.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => {
                let message = format!(
                    "no stream holds `{subject}`: make one (`nats stream add`), or set `jetstream = false` on the \
                     connection to publish without confirmation"
                );
                Failure::Refused { code: NO_RESPONDERS.into(), message }
            }
            RequestErrorKind::MaxPayloadExceeded => Failure::TooLarge { message: causes(&error), sent: false },
            RequestErrorKind::InvalidSubject => Failure::Invalid(causes(&error)),
            _ => broken(causes(&error)),
        })
    };
    whole(session, std::slice::from_ref(&subject), asking, deadline).await
}

/// What `sending` gives, unless the session ends, the server refuses one of `subjects`, or the time is over.
async fn whole<T>(
    session: &Session,
    subjects: &[String],
    sending: impl Future<Output = Result<T, Failure>>,
    deadline: Instant,
) -> Result<T, Failure> {
    let refused = subjects.iter().map(|subject| Box::pin(session.refusals.refused(subject)));
    tokio::select! {
        biased;
        done = sending => done,
        (text, ..) = futures_util::future::select_all(refused) => {
            Err(if subjects.len() == 1 { refusal(text) } else { broken(text) })
        }
        () = session.gone.cancelled() => Err(broken("the connection was lost before the server answered".into())),
        () = tokio::time::sleep_until(deadline) => {
            Err(Failure::Broken { message: "no answer came in time".into(), timed_out: true })
        }
    }
}

fn broken(message: String) -> Failure {
    Failure::Broken { message, timed_out: false }
}

fn refusal(text: String) -> Failure {
    Failure::Refused { code: "permission".into(), message: format!("the server refuses: {text}") }
}

/// What a stream says of a message.
#[derive(Deserialize)]
struct Ack {
    error: Option<AckError>,
    stream: Option<String>,
}

#[derive(Deserialize)]
struct AckError {
    code: u32,
    err_code: Option<u32>,
    description: Option<String>,
}

/// A stream would not take a message of this size.
const OVER_SIZE: u32 = 10054;

fn acknowledged(subject: &str, answer: &[u8]) -> Result<(), Failure> {
    let ack: Option<Ack> = serde_json::from_slice(answer).ok();
    match ack {
        Some(Ack { error: None, stream: Some(_) }) => Ok(()),
        Some(Ack { error: Some(error), .. }) => {
            let said = error.description.unwrap_or_else(|| "no reason given".into());
            Err(match (error.code, error.err_code) {
                (_, Some(OVER_SIZE)) => Failure::TooLarge { message: format!("`{subject}`: {said}"), sent: false },
                // The server has no room or no leader just now.
                (503, _) => Failure::NotExecuted(format!("`{subject}`: {said}")),
                (code, detail) => Failure::Refused { code: detail.unwrap_or(code).to_string(), message: said },
            })
        }
        // Somebody answered who is no stream: it was delivered, and stored by nobody we know of.
        _ => {
            Err(broken(format!("what answered on `{subject}` is no stream; set `jetstream = false` if none is meant")))
        }
    }
}

fn answer(reply: async_nats::Message, most: u64) -> Result<Message, Failure> {
    let size = u64::try_from(reply.payload.len()).unwrap_or(u64::MAX);
    if size > most {
        let message = format!("the reply is {size} bytes, over the limit of {most} (`limits.message`)");
        return Err(Failure::TooLarge { message, sent: true });
    }
    let (content_type, key, headers) = taken_apart(reply.headers.as_ref());
    Ok(Message { topic: reply.subject.to_string(), key, content_type, headers, data: Vec::from(reply.payload).into() })
}

/// The content type, the key and the other headers of a message that arrived.
pub(super) fn taken_apart(headers: Option<&HeaderMap>) -> (Option<String>, Option<String>, Attributes) {
    let (mut content_type, mut key, mut rest) = (None, None, Attributes::new());
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let name: &str = name.as_ref();
        for value in values {
            let place = if name.eq_ignore_ascii_case(CONTENT_TYPE) {
                &mut content_type
            } else if name == KEY {
                &mut key
            } else {
                rest.push((name.to_owned(), value.to_string()));
                continue;
            };
            *place = Some(value.to_string());
        }
    }
    // The library keeps them without order; an event's are in one.
    rest.sort();
    (content_type, key, rest)
}
