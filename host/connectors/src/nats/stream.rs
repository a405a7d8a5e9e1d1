//! The trigger on a stream: a durable consumer whose messages are acknowledged when they are runs on disk.
//!
//! Not here: subjects without a stream (`passing.rs`).

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, FromConsumer};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamErrorKind};
use async_nats::jetstream::{AckKind, ContextBuilder, Message};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use jackfield_core::clock::Timestamp;
use jackfield_core::ports::source::{Heard, SinkError, Source, SourceContext, SourceError};
use tokio::time::{Instant, interval_at, sleep, timeout};

use super::event;
use super::session::{Dialer, NoSession, Session, causes};
use crate::broker;

/// How long the server keeps a pull that it cannot fill.
const PULL: Duration = Duration::from_secs(5);

/// The most bytes of one pull: what is in memory of a stream, but for a single message that is larger.
const PULL_BYTES: usize = 4 * 1024 * 1024;

/// The most messages the server lets all nodes together have unacknowledged.
const MOST_UNACKNOWLEDGED: i64 = 1000;

/// How long an administrative request, or the confirmation of an acknowledgement, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct StreamSource {
    pub(super) dialer: Dialer,
    pub(super) stream: String,
    pub(super) subjects: Vec<String>,
    pub(super) all: bool,
    pub(super) ack_wait: Duration,
}

impl From<NoSession> for SourceError {
    fn from(none: NoSession) -> Self {
        match none {
            NoSession::Denied(text) | NoSession::Login(text) => Self::Refused(text),
            NoSession::Failed(text) => Self::Lost(text),
        }
    }
}

#[async_trait]
impl Source for StreamSource {
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError> {
        let name = format!("jackfield {}", cx.name);
        let session = tokio::select! {
            session = self.dialer.session(&name) => session?,
            () = cx.stop.cancelled() => return Ok(()),
        };
        let ended = self.listen(&session, &cx).await;
        // What was acknowledged last is to be on its way before the connection is closed.
        let _ = timeout(PATIENCE, session.client.flush()).await;
        match ended {
            Err(SourceError::Stopped(_)) if cx.stop.is_cancelled() => Ok(()),
            other => other,
        }
    }
}

impl StreamSource {
    async fn listen(&self, session: &Session, cx: &SourceContext) -> Result<(), SourceError> {
        let (consumer, source) = self.consumer(session, cx).await?;
        let taking = Taking { session, cx, consumer, source, still_there: broker::STILL_THERE.min(self.ack_wait / 3) };
        cx.sink.listening();
        taking.say_lag().await;
        let mut alone = false;
        loop {
            let mut pull = Pull::begin(&taking.consumer, alone).await?;
            let ended = taking.take(&mut pull).await;
            if !matches!(ended, Ok(false)) {
                pull.give_back().await;
            }
            if ended? {
                return Ok(());
            }
            // A message that does not fit into a pull's bytes is asked for by itself: it may not block the rest.
            alone = pull.too_large && pull.taken == 0;
            if pull.taken == 0 {
                taking.say_lag().await;
            }
        }
    }

    /// The durable consumer, made or brought up to date; and what its stream is called in events.
    async fn consumer(&self, session: &Session, cx: &SourceContext) -> Result<(Consumer<Config>, String), SourceError> {
        let context = ContextBuilder::new().timeout(PATIENCE).build(session.client.clone());
        let refused = |what: &str, error: &(dyn std::error::Error + 'static)| {
            let said = session.refusals.last().map(|said| format!(" (the server says: {said})")).unwrap_or_default();
            format!("{what} the stream `{}`: {}{said}", self.stream, causes(error))
        };
        let stream = context.get_stream(&self.stream).await.map_err(|error| match error.kind() {
            GetStreamErrorKind::JetStream(_) => SourceError::Refused(format!(
                "{}; make it with `nats stream add {}`",
                refused("cannot listen to", &error),
                self.stream
            )),
            _ => SourceError::Lost(refused("JetStream does not tell of", &error)),
        })?;
        let created = moment(stream.cached_info().created.unix_timestamp_nanos());
        let source = format!("nats:{}/{created}", self.stream);
        let name = durable(&cx.name);
        let refuse = |error: &(dyn std::error::Error + 'static)| {
            SourceError::Refused(refused(&format!("cannot have the consumer `{name}` of"), error))
        };
        let config = match stream.consumer_info(&name).await {
            Ok(info) => {
                // Where it began cannot be changed, and is not asked for again.
                let have = Config::try_from_consumer_config(info.config).map_err(|e| refuse(&*e))?;
                let want = self.wanted(have.clone());
                if want == have {
                    have
                } else {
                    return stream.update_consumer(want).await.map(|c| (c, source)).map_err(|e| refuse(&e));
                }
            }
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {
                let deliver_policy = if self.all { DeliverPolicy::All } else { DeliverPolicy::New };
                self.wanted(Config { durable_name: Some(name.clone()), deliver_policy, ..Config::default() })
            }
            Err(error) => return Err(SourceError::Lost(refused("JetStream does not tell of a consumer of", &error))),
        };
        let consumer = stream.create_consumer(config).await.map_err(|e| refuse(&e))?;
        Ok((consumer, source))
    }

    /// `config` with everything that is this trigger's to say.
    fn wanted(&self, config: Config) -> Config {
        let (filter_subject, filter_subjects) = match self.subjects.as_slice() {
            [one] => (one.clone(), Vec::new()),
            many => (String::new(), many.to_vec()),
        };
        Config {
            description: Some("A trigger of Jackfield".into()),
            filter_subject,
            filter_subjects,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            max_ack_pending: MOST_UNACKNOWLEDGED,
            // Whatever cannot be a run becomes a dead letter here: the server is not to give up by itself.
            max_deliver: -1,
            ..config
        }
    }
}

/// A consumer's name cannot have dots or slashes.
fn durable(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    format!("jackfield_{}", name.chars().map(allowed).collect::<String>())
}

fn moment(nanos: i128) -> Timestamp {
    Timestamp(i64::try_from(nanos / 1_000_000).unwrap_or_default())
}

/// One request for messages, and those of them that nobody has looked at yet.
struct Pull {
    batch: Batch,
    held: VecDeque<Message>,
    ended: bool,
    taken: usize,
    /// It ended before a message that is larger than its bytes.
    too_large: bool,
}

impl Pull {
    async fn begin(consumer: &Consumer<Config>, alone: bool) -> Result<Self, SourceError> {
        let pull = consumer.batch().expires(PULL);
        let pull = if alone { pull.max_messages(1) } else { pull.max_messages(broker::BATCH).max_bytes(PULL_BYTES) };
        let batch = pull.messages().await.map_err(|e| SourceError::Lost(causes(&e)))?;
        Ok(Self { batch, held: VecDeque::new(), ended: false, taken: 0, too_large: false })
    }

    /// Hears one more message into memory. Safe to drop.
    async fn hear(&mut self) -> Result<(), SourceError> {
        match self.batch.next().await {
            Some(Ok(message)) => {
                self.held.push_back(message);
                Ok(())
            }
            None => {
                self.ended = true;
                Ok(())
            }
            Some(Err(error)) => {
                self.ended = true;
                let text = error.to_string().to_ascii_lowercase();
                self.too_large = text.contains("exceeds maxbytes");
                if self.too_large || text.contains("batch completed") {
                    return Ok(());
                }
                Err(SourceError::Lost(format!("the server ended the delivery: {error}")))
            }
        }
    }

    /// The next message; none at the end. Safe to drop.
    async fn next(&mut self) -> Result<Option<Message>, SourceError> {
        loop {
            if let Some(message) = self.held.pop_front() {
                self.taken += 1;
                return Ok(Some(message));
            }
            if self.ended {
                return Ok(None);
            }
            self.hear().await?;
        }
    }

    /// Tells the server to deliver to somebody else, at once, what was not looked at.
    async fn give_back(&mut self) {
        while !self.ended && matches!(self.hear().now_or_never(), Some(Ok(()))) {}
        for message in self.held.drain(..) {
            let _ = message.ack_with(AckKind::Nak(None)).await;
        }
    }
}

/// What it takes to make runs of a pull's messages.
struct Taking<'a> {
    session: &'a Session,
    cx: &'a SourceContext,
    consumer: Consumer<Config>,
    source: String,
    still_there: Duration,
}

impl Taking<'_> {
    /// Makes runs of all that a pull gives. True if the trigger is to end.
    async fn take(&self, pull: &mut Pull) -> Result<bool, SourceError> {
        loop {
            let first = tokio::select! {
                biased;
                () = self.cx.stop.cancelled() => return Ok(true),
                () = self.session.gone.cancelled() => return Err(lost()),
                first = pull.next() => first?,
            };
            let Some(first) = first else { return Ok(false) };
            let messages = gather(first, pull).await?;
            let mut heard = Vec::with_capacity(messages.len());
            for message in &messages {
                heard.extend(self.heard(message)?);
            }
            match self.accept(heard, &messages, pull).await {
                Ok(()) => self.acknowledge(&messages, pull).await?,
                Err(error) => {
                    for message in &messages {
                        let _ = message.ack_with(AckKind::Nak(None)).await;
                    }
                    return Err(error);
                }
            }
        }
    }

    /// As an event; none if it is too large to be one.
    fn heard(&self, message: &Message) -> Result<Option<Heard>, SourceError> {
        let info = message.info().map_err(|e| SourceError::Lost(format!("a message has no place in a stream: {e}")))?;
        if message.payload.len() > broker::LARGEST {
            let why = format!("{} bytes, more than any event can have", message.payload.len());
            self.cx.sink.lost(&format!("{} {} ({})", self.source, info.stream_sequence, message.subject), &why);
            return Ok(None);
        }
        let published = moment(info.published.unix_timestamp_nanos());
        Ok(Some(event::stored(&self.source, info.stream_sequence, published, message)))
    }

    /// Has the sink accept, and tells the server meanwhile that its messages are being worked on.
    async fn accept(&self, heard: Vec<Heard>, messages: &[Message], pull: &mut Pull) -> Result<(), SourceError> {
        if heard.is_empty() {
            return Ok(());
        }
        let mut accepting = self.cx.sink.accept(heard, None);
        let mut tick = interval_at(Instant::now() + self.still_there, self.still_there);
        let leave = async {
            self.cx.stop.cancelled().await;
            sleep(broker::LEAVE).await;
        };
        tokio::pin!(leave);
        loop {
            tokio::select! {
                biased;
                accepted = &mut accepting => return Ok(accepted?),
                () = self.session.gone.cancelled() => return Err(lost()),
                () = &mut leave => return Err(SinkError::Stopped.into()),
                _ = tick.tick() => {
                    for message in messages.iter().chain(&pull.held) {
                        message.ack_with(AckKind::Progress).await.map_err(|_| lost())?;
                    }
                    self.say_lag().await;
                }
                heard = pull.hear(), if !pull.ended => heard?,
            }
        }
    }

    /// Acknowledges; done when the server has it.
    async fn acknowledge(&self, messages: &[Message], pull: &Pull) -> Result<(), SourceError> {
        let Some((last, before)) = messages.split_last() else { return Ok(()) };
        let acknowledging = async {
            for message in before {
                message.ack().await?;
            }
            // One connection, one order: when this one is confirmed the server has all of them.
            last.double_ack().await
        };
        tokio::select! {
            done = timeout(PATIENCE, acknowledging) => match done {
                Ok(Ok(())) => {}
                Ok(Err(e)) => return Err(SourceError::Lost(format!("an acknowledgement was not confirmed: {e}"))),
                Err(_) => return Err(SourceError::Lost("an acknowledgement was not confirmed in time".into())),
            },
            () = self.session.gone.cancelled() => return Err(lost()),
        }
        if let Ok(info) = last.info() {
            let held = u64::try_from(pull.held.len()).unwrap_or(u64::MAX);
            self.cx.sink.lag(info.pending.saturating_add(held));
        }
        Ok(())
    }

    /// Asks the server how many messages wait.
    async fn say_lag(&self) {
        if let Ok(Ok(info)) = timeout(PATIENCE, self.consumer.get_info()).await {
            let pending = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
            self.cx.sink.lag(info.num_pending.saturating_add(pending));
        }
    }
}

/// What arrives together with `first`.
async fn gather(first: Message, pull: &mut Pull) -> Result<Vec<Message>, SourceError> {
    let until = Instant::now() + broker::GATHER;
    let mut bytes = first.payload.len();
    let mut messages = vec![first];
    while messages.len() < broker::BATCH && bytes < broker::BATCH_BYTES && Instant::now() < until {
        match timeout(broker::PAUSE, pull.next()).await {
            Ok(Ok(Some(message))) => {
                bytes += message.payload.len();
                messages.push(message);
            }
            // Nothing more just now. What went wrong is met again when the next message is waited for.
            Ok(Ok(None)) | Err(_) => break,
            Ok(Err(error)) => return Err(error),
        }
    }
    Ok(messages)
}

fn lost() -> SourceError {
    SourceError::Lost("the connection to the server was lost".into())
}
