//! The trigger on subjects without a stream: at most once, as NATS delivers there.
//!
//! What is published while nobody listens is gone, and nobody can know what it was. It says so whenever that may have
//! happened.

use std::collections::VecDeque;
use std::pin::Pin;

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use jackfield_core::ports::source::{Heard, SinkError, Source, SourceContext, SourceError};
use tokio::time::{Instant, interval_at, timeout};

use super::event;
use super::session::{Dialer, Session, causes};
use crate::broker;

/// The most messages that wait for the sink.
const MOST_WAITING: usize = 10_000;

/// The most bytes of them.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct PassingSource {
    pub(super) dialer: Dialer,
    pub(super) subjects: Vec<String>,
}

#[async_trait]
impl Source for PassingSource {
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError> {
        let name = format!("jackfield {}", cx.name);
        let session = tokio::select! {
            session = self.dialer.session(&name) => session?,
            () = cx.stop.cancelled() => return Ok(()),
        };
        let messages = self.subscribe(&session, &cx).await?;
        cx.sink.listening();
        match self.listen(&session, &cx, messages).await {
            Err(SourceError::Stopped(_)) if cx.stop.is_cancelled() => Ok(()),
            other => other,
        }
    }
}

impl PassingSource {
    /// Listens to all subjects, as one of the group that this trigger is on all nodes.
    async fn subscribe(&self, session: &Session, cx: &SourceContext) -> Result<SelectAll<Subscriber>, SourceError> {
        let group = format!("jackfield.{}", cx.name.replace('/', "."));
        let mut subscribers = Vec::new();
        for subject in &self.subjects {
            let subscriber = session.client.queue_subscribe(subject.clone(), group.clone()).await;
            subscribers.push(subscriber.map_err(|e| SourceError::Lost(causes(&e)))?);
        }
        session.client.flush().await.map_err(|e| SourceError::Lost(causes(&e)))?;
        Ok(select_all(subscribers))
    }

    async fn listen(
        &self,
        session: &Session,
        cx: &SourceContext,
        mut messages: SelectAll<Subscriber>,
    ) -> Result<(), SourceError> {
        let place = self.subjects.join(", ");
        let mut slow = session.slow.clone();
        let mut waiting = Waiting::new(cx);
        let mut accepting: Option<Accepting<'_>> = None;
        let mut tick = interval_at(Instant::now() + broker::STILL_THERE, broker::STILL_THERE);
        let refused = self.subjects.iter().map(|subject| Box::pin(session.refusals.refused(subject)));
        let mut refused = futures_util::future::select_all(refused);
        loop {
            if accepting.is_none() && !waiting.heard.is_empty() {
                accepting = Some(cx.sink.accept(waiting.some(), None));
            }
            tokio::select! {
                biased;
                () = cx.stop.cancelled() => break,
                (text, ..) = &mut refused => return Err(SourceError::Refused(format!("the server refuses: {text}"))),
                () = session.gone.cancelled() => {
                    cx.sink.lost(&place, "the connection was lost: what is published until it is back is not heard");
                    return Err(SourceError::Lost("the connection to the server was lost".into()));
                }
                accepted = next(&mut accepting) => {
                    accepting = None;
                    accepted?;
                }
                Ok(()) = slow.changed() => cx.sink.lost(&place, "messages came faster than they could be read"),
                _ = tick.tick() => waiting.say(&place),
                Some(message) = messages.next() => waiting.add(&message),
            }
        }
        // What was heard exists nowhere else: it is given to the sink, if that still takes it.
        drop(messages);
        if let Some(accepting) = accepting {
            let _ = timeout(broker::LEAVE, accepting).await;
        }
        while !waiting.heard.is_empty() {
            match timeout(broker::LEAVE, cx.sink.accept(waiting.some(), None)).await {
                Ok(Ok(())) => {}
                _ => {
                    waiting.dropped += waiting.heard.len() as u64 + 1;
                    break;
                }
            }
        }
        waiting.say(&place);
        Ok(())
    }
}

type Accepting<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

async fn next(accepting: &mut Option<Accepting<'_>>) -> Result<(), SinkError> {
    match accepting {
        Some(accepting) => accepting.await,
        None => std::future::pending().await,
    }
}

/// What was heard and is not with the sink yet.
struct Waiting<'a> {
    cx: &'a SourceContext,
    heard: VecDeque<Heard>,
    bytes: usize,
    dropped: u64,
    /// Messages have no id of their own: this run's beginning and a count make one.
    begun: i64,
    count: u64,
}

impl<'a> Waiting<'a> {
    fn new(cx: &'a SourceContext) -> Self {
        Self { cx, heard: VecDeque::new(), bytes: 0, dropped: 0, begun: cx.now().as_millis(), count: 0 }
    }

    fn add(&mut self, message: &Message) {
        let size = message.payload.len();
        if self.heard.len() >= MOST_WAITING || self.bytes + size > MOST_BYTES {
            self.dropped += 1;
            return;
        }
        self.count += 1;
        let id = format!("{}-{}", self.begun, self.count);
        self.heard.push_back(event::passing(id, self.cx.now(), message));
        self.bytes += size;
    }

    /// As many as are handed over at once.
    fn some(&mut self) -> Vec<Heard> {
        let mut some = Vec::new();
        let mut bytes = 0;
        while some.len() < broker::BATCH && bytes < broker::BATCH_BYTES {
            let Some(heard) = self.heard.pop_front() else { break };
            bytes += heard.event.data.len();
            some.push(heard);
        }
        self.bytes -= bytes;
        some
    }

    /// Says how many were dropped since it was said last.
    fn say(&mut self, place: &str) {
        self.cx.sink.lag(self.heard.len() as u64);
        if self.dropped > 0 {
            self.cx.sink.lost(place, &format!("{} messages were dropped: runs are not accepted as fast", self.dropped));
            self.dropped = 0;
        }
    }
}
