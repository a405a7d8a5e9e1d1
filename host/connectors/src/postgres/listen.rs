//! The trigger: what other sessions say with NOTIFY, on the channels it listens to.
//!
//! PostgreSQL keeps no notification for who is not connected: what is said meanwhile is lost, and is told as lost.
//! Not here: changes of rows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use jackfield_core::clock::Timestamp;
use jackfield_core::event::Event;
use jackfield_core::ports::source::{Heard, Source, SourceContext, SourceError};
use serde::de::IgnoredAny;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_postgres::{AsyncMessage, Client, Notification};

use super::failure::{self, NotOpened};
use super::session::{Dialer, Messages, Seen};
use super::settings::Listening;

/// Notifications that wait here for the sink. Then the socket is no longer read, and the server keeps the rest.
const WAITING: usize = 1000;
/// The most that is handed over at once.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 1024 * 1024;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_millis(20);
/// How often the session is asked whether it is there, and how long it may take to say so.
const ALIVE: Duration = Duration::from_secs(30);

/// Listens. See the module.
pub(super) struct Listener {
    dialer: Dialer,
    listening: Listening,
    /// When it last stopped listening: from then on it heard nothing.
    deaf_since: Mutex<Option<Timestamp>>,
}

impl Listener {
    pub(super) fn new(dialer: Dialer, listening: Listening) -> Self {
        Self { dialer, listening, deaf_since: Mutex::new(None) }
    }

    /// A session that listens, and what its server says.
    async fn listening(&self, tasks: &mut JoinSet<()>) -> Result<(Client, mpsc::Receiver<Notification>), SourceError> {
        let (client, messages) = self.dialer.session(&Seen::default()).await.map_err(|e| self.refused(&e))?;
        let (said, heard) = mpsc::channel(WAITING);
        tasks.spawn(pumped(messages, said));
        for channel in &self.listening.channels {
            let listen = format!("LISTEN \"{}\"", channel.replace('"', "\"\""));
            client.batch_execute(&listen).await.map_err(|e| self.refused(&NotOpened::Server(e)))?;
        }
        Ok((client, heard))
    }

    fn refused(&self, error: &NotOpened) -> SourceError {
        let text = failure::not_opened(error, self.dialer.settings()).to_string();
        if failure::is_for_a_person(error) { SourceError::Refused(text) } else { SourceError::Lost(text) }
    }

    /// Where events come from: the cluster by its own number, so that another behind the same address is another source;
    /// by its address, if the role may not see the number.
    async fn source(&self, client: &Client) -> String {
        const IDENTITY: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::text || '.' \
            || (SELECT timeline_id FROM pg_control_checkpoint())::text";
        let settings = self.dialer.settings();
        let rows = client.query_typed(IDENTITY, &[]).await.unwrap_or_default();
        let identity = rows.first().and_then(|row| row.try_get::<_, String>(0).ok());
        let cluster = identity.unwrap_or_else(|| format!("{}:{}", settings.host, settings.port));
        format!("postgres:{cluster}/{}", settings.database)
    }

    fn deaf(&self) -> std::sync::MutexGuard<'_, Option<Timestamp>> {
        self.deaf_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hear(&self, cx: &SourceContext) -> Result<(), SourceError> {
        // Ends with this call, however that ends.
        let mut tasks = JoinSet::new();
        let (client, mut heard) = self.listening(&mut tasks).await?;
        let source = self.source(&client).await;
        let begun = cx.now();
        if let Some(since) = self.deaf().take() {
            let channels = self.listening.channels.join(", ");
            cx.sink.lost(&channels, &format!("notifications between {since} and {begun} are lost: nobody listened"));
        }
        cx.sink.listening();
        let result = self.listen(cx, &client, &mut heard, &Names { source, begun }).await;
        *self.deaf() = Some(cx.now());
        result
    }

    async fn listen(
        &self,
        cx: &SourceContext,
        client: &Client,
        heard: &mut mpsc::Receiver<Notification>,
        names: &Names,
    ) -> Result<(), SourceError> {
        let mut number = 0_u64;
        let mut asking = interval_at(Instant::now() + ALIVE, ALIVE);
        asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lost = |why: &str| SourceError::Lost(format!("the session that listened is lost: {why}"));
        loop {
            tokio::select! {
                biased;
                () = cx.stop.cancelled() => return Ok(()),
                first = heard.recv() => {
                    let Some(first) = first else { return Err(lost("it was closed")) };
                    let batch = gathered(first, heard).await;
                    let events = batch.into_iter().map(|n| { number += 1; names.event(n, number, cx.now()) });
                    cx.sink.accept(events.collect(), None).await?;
                }
                _ = asking.tick() => match timeout(ALIVE, client.simple_query("")).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(e)) => return Err(lost(&e.to_string())),
                    Err(_) => return Err(lost("it does not answer")),
                },
            }
        }
    }
}

#[async_trait]
impl Source for Listener {
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError> {
        self.hear(&cx).await
    }
}

/// Reads what the server says, and so keeps the session going. Ends when it has no more to say.
async fn pumped(mut messages: Messages, said: mpsc::Sender<Notification>) {
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notification(notification) = message
            && said.send(notification).await.is_err()
        {
            break;
        }
    }
}

/// The first, and those that come soon after it.
async fn gathered(first: Notification, heard: &mut mpsc::Receiver<Notification>) -> Vec<Notification> {
    let until = Instant::now() + GATHER;
    let mut bytes = first.payload().len();
    let mut batch = vec![first];
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        match tokio::time::timeout_at(until, heard.recv()).await {
            Ok(Some(next)) => {
                bytes += next.payload().len();
                batch.push(next);
            }
            Ok(None) | Err(_) => break,
        }
    }
    batch
}

/// What events of one session have in common.
struct Names {
    source: String,
    begun: Timestamp,
}

impl Names {
    fn event(&self, heard: Notification, number: u64, now: Timestamp) -> Heard {
        let payload = heard.payload().to_owned();
        let json = serde_json::from_str::<IgnoredAny>(&payload).is_ok();
        let event = Event {
            // Its own: PostgreSQL gives notifications no name.
            id: format!("{}/{number}", self.begun),
            source: self.source.clone(),
            event_type: "jackfield.postgres.notify".into(),
            subject: Some(heard.channel().to_owned()),
            time: Some(now.to_string()),
            content_type: Some(if json { "application/json" } else { "text/plain; charset=utf-8" }.into()),
            schema: None,
            extensions: Vec::new(),
            meta: vec![("pid".into(), heard.process_id().to_string())],
            data: payload.into_bytes().into(),
        };
        Heard { event: Arc::new(event), dedupe: false }
    }
}
