//! The trigger on topics: a member of a consumer group whose offsets are committed when the records are runs on disk.
//!
//! The loop never waits for the sink: while that makes it wait, it takes up one batch more, pauses its partitions, and goes on
//! polling, so that the group does not take it for dead.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use jackfield_core::ports::source::{SinkError, Source, SourceContext, SourceError};
use rdkafka::consumer::{CommitMode, Consumer, MessageStream, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::admin;
use super::client::{Cluster, Heard, NoClient, Trouble};
use super::event;
use super::group::{Member, Partition, Watching};
use super::place::{self, Topics};
use super::settings::Listening;
use super::waiting::{Taken, Waiting};
use crate::broker;

/// A member that does not poll for so long is taken for dead.
pub(super) const MOST_POLL: Duration = Duration::from_secs(300);

/// A member that is not heard of for so long is taken for dead.
const SESSION: Duration = Duration::from_secs(10);

/// How often the loop looks about when nothing comes.
const LOOK: Duration = Duration::from_secs(1);

/// How often topics are looked at: whether they were made anew.
const LOOK_AT_TOPICS: u32 = 30;

/// No broker answers for so long: that is said.
const MOST_DOWN: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(super) struct TopicSource {
    pub(super) cluster: Cluster,
    pub(super) listening: Listening,
    /// See [`MOST_POLL`]; tests have less time.
    pub(super) most_poll: Duration,
}

#[async_trait]
impl Source for TopicSource {
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError> {
        let running = self.listen(&cx);
        match running.await {
            Err(SourceError::Stopped(_)) if cx.stop.is_cancelled() => Ok(()),
            other => other,
        }
    }
}

impl TopicSource {
    async fn listen(&self, cx: &SourceContext) -> Result<(), SourceError> {
        self.cluster.check_own().await?;
        let heard = Arc::new(Heard::default());
        let group = self.listening.group.clone().unwrap_or_else(|| format!("jackfield.{}", cx.name.replace('/', ".")));
        let member = Member::new(&self.config(&group), &heard)?;
        let consumer = member.consumer();
        let preparing = async {
            let limit = self.cluster.settings.connect_timeout;
            let asked = Arc::clone(consumer);
            let info = spawn_blocking(move || admin::cluster(asked.client(), limit)).await.map_err(|e| e.to_string());
            let info = info.and_then(|info| info.map_err(|none| none.text));
            let info = info.map_err(|text| self.cluster.explain("no broker answers", &text, &heard))?;
            self.cluster.check_advertised(&info.brokers).await?;
            heard.works();
            place::prepare(consumer, &info.id, &self.listening, limit).await
        };
        let topics = tokio::select! {
            topics = preparing => topics?,
            () = heard.hopeless() => return Err(self.cluster.explain("no broker lets us in", "", &heard).into()),
            refused = self.cluster.refused(&heard) => return Err(refused.into()),
            () = poll_only(consumer) => return Ok(()),
            () = cx.stop.cancelled() => return Ok(()),
        };
        let names: Vec<&str> = self.listening.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|e| SourceError::Lost(e.to_string()))?;
        let mut taking = Taking {
            source: self,
            cx,
            consumer: Arc::clone(consumer),
            watching: member.watching(),
            heard: &heard,
            topics,
            seen: HashMap::new(),
            waiting: Waiting::default(),
            paused: false,
            down: None,
        };
        let ended = taking.take(consumer.stream()).await;
        let (consumer, last) = (Arc::clone(consumer), member.watching().to_commit());
        // What was accepted is said, and the group is left. Nobody waits for a broker that does not answer.
        let leaving = spawn_blocking(move || {
            if last.count() > 0 {
                let _ = consumer.commit(&last, CommitMode::Sync);
            }
            consumer.unsubscribe();
        });
        let _ = timeout(broker::LEAVE, leaving).await;
        ended
    }

    fn config(&self, group: &str) -> rdkafka::ClientConfig {
        let session = SESSION.min(self.most_poll);
        let mut config = self.cluster.config();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Where a group begins is decided by `place`: a partition that is new to it begins at its beginning.
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("isolation.level", "read_committed")
            .set("max.poll.interval.ms", self.most_poll.as_millis().to_string())
            .set("session.timeout.ms", session.as_millis().to_string())
            .set("heartbeat.interval.ms", (session / 4).as_millis().to_string())
            // What is fetched ahead: this much for all partitions together.
            .set("queued.max.messages.kbytes", "8192")
            .set("queued.min.messages", "10000")
            .set("fetch.max.bytes", "8388608")
            // A single record may be larger than all that is asked for, and is reported then.
            .set("receive.message.max.bytes", "100000000")
            .set("max.partition.fetch.bytes", "1048576")
            .set("fetch.wait.max.ms", "100");
        config
    }
}

/// Serves what the library says, as long as nothing is subscribed to.
async fn poll_only(consumer: &StreamConsumer<Watching>) {
    let mut records = consumer.stream();
    while records.next().await.is_some() {}
}

/// Up to where partitions will be accepted.
type Reached = HashMap<Partition, (i64, u64)>;
type Accepting = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send>>;

async fn next(accepting: &mut Option<(Accepting, Reached)>) -> Result<(), SinkError> {
    match accepting {
        Some((accepting, _)) => accepting.await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

struct Taking<'a> {
    source: &'a TopicSource,
    cx: &'a SourceContext,
    consumer: Arc<StreamConsumer<Watching>>,
    watching: &'a Watching,
    heard: &'a Heard,
    topics: Topics,
    /// The last record of each partition: offsets only grow, unless a topic was made anew.
    seen: HashMap<Partition, (i64, u64)>,
    waiting: Waiting,
    paused: bool,
    /// Since when no broker is connected.
    down: Option<Instant>,
}

impl Taking<'_> {
    async fn take(&mut self, mut records: MessageStream<'_, Watching>) -> Result<(), SourceError> {
        let cx = self.cx;
        let mut accepting: Option<(Accepting, Reached)> = None;
        let mut changed = self.watching.changed();
        let mut brokers = self.heard.brokers();
        let mut look = interval(LOOK);
        let mut looks = 0;
        let mut listening = false;
        let mut looking: JoinSet<Result<(), SourceError>> = JoinSet::new();
        loop {
            if accepting.is_none() && self.waiting.due().is_some_and(|due| due <= Instant::now()) {
                accepting = self.hand_over();
            }
            self.pause(accepting.is_some() && self.waiting.is_full())?;
            let due = if accepting.is_none() { self.waiting.due() } else { None };
            tokio::select! {
                biased;
                () = cx.stop.cancelled() => break,
                accepted = next(&mut accepting) => {
                    let reached = accepting.take().map(|(_, reached)| reached).unwrap_or_default();
                    accepted?;
                    self.commit(reached);
                }
                Ok(()) = changed.changed() => {
                    if !listening {
                        cx.sink.listening();
                        listening = true;
                    }
                    // Partitions that are new are not paused.
                    self.paused = false;
                }
                Ok(()) = brokers.changed() => {
                    let named = brokers.borrow_and_update().clone();
                    self.source.cluster.check_advertised(&named).await?;
                }
                _ = look.tick() => {
                    looks += 1;
                    self.look()?;
                    if looks % LOOK_AT_TOPICS == 0 && looking.is_empty() {
                        looking.spawn(self.topics.clone().are_the_same(Arc::clone(&self.consumer)));
                    }
                }
                Some(looked) = looking.join_next() => looked.unwrap_or(Ok(()))?,
                Some(record) = records.next() => {
                    self.add(record)?;
                    while !self.waiting.is_full() {
                        match records.next().now_or_never() {
                            Some(Some(record)) => self.add(record)?,
                            _ => break,
                        }
                    }
                }
                () = until(due) => {}
            }
        }
        // What the sink still says is waited for, so that it is committed; what it was not asked is for the next run.
        if let Some((accepting, reached)) = accepting {
            match timeout(broker::LEAVE, accepting).await {
                Ok(Ok(())) => self.commit(reached),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Takes a record up.
    fn add(&mut self, record: Result<BorrowedMessage<'_>, KafkaError>) -> Result<(), SourceError> {
        let record = match record {
            Ok(record) => record,
            Err(error) => return met(&error),
        };
        let Some(topic) = self.topics.get(record.topic()) else { return Ok(()) };
        let partition = (Arc::clone(&topic.name), record.partition());
        // It went to another member a moment ago.
        let Some(since) = self.watching.since(&partition) else { return Ok(()) };
        let offset = record.offset();
        if let Some(&(last, then)) = self.seen.get(&partition)
            && then == since
            && offset <= last
        {
            return Err(SourceError::Lost(format!(
                "partition {} of the topic `{}` begins anew at {offset}, after {last}",
                partition.1, partition.0
            )));
        }
        if self.seen.insert(partition.clone(), (offset, since)).is_none_or(|(_, then)| then != since) {
            self.watching.begun(&partition, offset);
        }
        let size = record.payload_len();
        let event = if size > broker::LARGEST {
            let why = format!("{size} bytes, more than any event can have");
            self.cx.sink.lost(&format!("{} {}/{offset}", topic.source, partition.1), &why);
            None
        } else {
            Some(event::heard(&topic.source, &record))
        };
        self.waiting.add(Taken { partition, offset, since, event });
        Ok(())
    }

    /// Hands what waits to the sink; none if there is nothing for it.
    fn hand_over(&mut self) -> Option<(Accepting, Reached)> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut reached = Reached::new();
        let mut events = Vec::with_capacity(waiting.taken.len());
        for taken in waiting.taken {
            // What is another member's by now is left to it.
            if self.watching.since(&taken.partition) == Some(taken.since) {
                reached.insert(taken.partition, (taken.offset + 1, taken.since));
                events.extend(taken.event);
            }
        }
        if events.is_empty() {
            self.commit(reached);
            return None;
        }
        // Before `accept`: no offset of these may be committed here.
        let sink = Arc::clone(&self.cx.sink);
        Some((Box::pin(async move { sink.accept(events, None).await }), reached))
    }

    /// Commits what is on disk. This is called when `accept` has answered, and nowhere before it.
    fn commit(&self, reached: Reached) {
        let mut any = false;
        for (partition, (next, since)) in reached {
            // An offset of a partition that went away and came back is not moved: somebody else may have gone on.
            if self.watching.since(&partition) == Some(since) {
                self.watching.accepted(&partition, next);
                any = true;
            }
        }
        if any && let Err(error) = self.consumer.commit(&self.watching.to_commit(), CommitMode::Async) {
            tracing::debug!(%error, "offsets could not be committed");
        }
    }

    /// Pauses all partitions, or lets them go on.
    fn pause(&mut self, pause: bool) -> Result<(), SourceError> {
        if pause == self.paused {
            return Ok(());
        }
        let paused = self
            .consumer
            .assignment()
            .and_then(|all| if pause { self.consumer.pause(&all) } else { self.consumer.resume(&all) });
        paused.map_err(|e| SourceError::Lost(e.to_string()))?;
        self.paused = pause;
        Ok(())
    }

    /// Says how many records wait, and whether the brokers are away.
    fn look(&mut self) -> Result<(), SourceError> {
        let lag = self.heard.marks().into_iter().filter_map(|mark| {
            let partition = (Arc::clone(&self.topics.get(&mark.topic)?.name), mark.partition);
            self.watching.since(&partition)?;
            let at = self.watching.position(&mark.topic, mark.partition).unwrap_or(mark.at);
            u64::try_from(mark.end - at).ok()
        });
        self.cx.sink.lag(lag.sum());
        if !self.heard.is_down() {
            self.down = None;
            return Ok(());
        }
        let since = *self.down.get_or_insert_with(Instant::now);
        if since.elapsed() > MOST_DOWN || self.heard.trouble() == Some(Trouble::Login) {
            return Err(self.source.cluster.explain("the connection to the brokers was lost", "", self.heard).into());
        }
        Ok(())
    }
}

/// What an error that came in place of a record means.
fn met(error: &KafkaError) -> Result<(), SourceError> {
    use RDKafkaErrorCode as Code;
    let refused = [
        Code::TopicAuthorizationFailed,
        Code::GroupAuthorizationFailed,
        Code::UnknownTopicOrPartition,
        Code::UnknownTopic,
        Code::InvalidTopic,
        Code::InconsistentGroupProtocol,
        Code::InvalidSessionTimeout,
    ];
    match error.rdkafka_error_code() {
        Some(code) if refused.contains(&code) => Err(NoClient::Login(format!("the brokers refuse: {code}")).into()),
        Some(code @ (Code::Fatal | Code::PollExceeded)) => Err(SourceError::Lost(code.to_string())),
        // The library goes on by itself, and what it cannot get over is seen by `look`.
        _ => {
            tracing::debug!(%error, "librdkafka");
            Ok(())
        }
    }
}

impl fmt::Debug for Taking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taking").finish_non_exhaustive()
    }
}
