//! A member of a consumer group: which partitions it has, and since when.
//!
//! Not here: what becomes of their records (`source.rs`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientConfig, Offset};
use tokio::sync::watch;

use super::client::{Heard, NoClient};

/// A partition of a topic.
pub(super) type Partition = (Arc<str>, i32);

/// A client of the cluster in a group. Leaves it when it is dropped.
pub(super) struct Member {
    /// None while it is being closed.
    consumer: Option<Arc<StreamConsumer<Watching>>>,
}

impl Member {
    /// A member that has not joined yet.
    pub(super) fn new(config: &ClientConfig, heard: &Arc<Heard>) -> Result<Self, NoClient> {
        let watching = Watching { heard: Arc::clone(heard), held: Mutex::default(), changed: watch::Sender::new(0) };
        let made = StreamConsumer::from_config_and_context(config, watching);
        let consumer = made.map_err(|e| NoClient::Failed(format!("the settings make no client: {e}")))?;
        Ok(Self { consumer: Some(Arc::new(consumer)) })
    }

    pub(super) fn consumer(&self) -> &Arc<StreamConsumer<Watching>> {
        self.consumer.as_ref().expect("it is taken away only when this is dropped")
    }

    pub(super) fn watching(&self) -> &Watching {
        self.consumer().context()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let consumer = self.consumer.take();
        // Leaving the group is a talk with the broker: nobody is to wait for that.
        std::thread::spawn(move || drop(consumer));
    }
}

/// What a member hears of its group.
pub(super) struct Watching {
    heard: Arc<Heard>,
    held: Mutex<Held>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Held {
    /// Since which turn a partition is ours.
    since: HashMap<Partition, u64>,
    /// Up to where its records are runs on disk: what is committed.
    accepted: HashMap<Partition, i64>,
    /// The first record that was taken up of each.
    begun: HashMap<Partition, i64>,
    turn: u64,
}

impl Watching {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since which turn `partition` is ours; none if it is not.
    pub(super) fn since(&self, partition: &Partition) -> Option<u64> {
        self.held().since.get(partition).copied()
    }

    /// Notes that the records of `partition` before `next` are runs on disk.
    pub(super) fn accepted(&self, partition: &Partition, next: i64) {
        self.held().accepted.insert(partition.clone(), next);
    }

    /// All that was accepted of partitions that are ours, as it is committed.
    pub(super) fn to_commit(&self) -> TopicPartitionList {
        let held = self.held();
        list(held.accepted.iter().filter(|(partition, _)| held.since.contains_key(*partition)))
    }

    /// Where the records of `partition` that are no runs yet begin.
    pub(super) fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        let (held, partition) = (self.held(), (Arc::from(topic), partition));
        held.accepted.get(&partition).or_else(|| held.begun.get(&partition)).copied()
    }

    /// Notes that a record of `partition` was taken up; the first one counts.
    pub(super) fn begun(&self, partition: &Partition, offset: i64) {
        self.held().begun.entry(partition.clone()).or_insert(offset);
    }

    /// Counts changes of what is ours.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

fn list<'a>(offsets: impl Iterator<Item = (&'a Partition, &'a i64)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), next) in offsets {
        // An offset is refused only if it is negative beyond the library's special ones.
        let _ = list.add_partition_offset(topic, *partition, Offset::Offset(*next));
    }
    list
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements().iter().map(|element| (Arc::from(element.topic()), element.partition())).collect()
}

impl ClientContext for Watching {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        self.heard.log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.heard.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.heard.stats(statistics);
    }
}

impl ConsumerContext for Watching {
    /// Partitions go: what was accepted of them is committed, and what was not is the next owner's.
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(revoked) = rebalance else { return };
        let mut held = self.held();
        let mut last = HashMap::new();
        for partition in partitions(revoked) {
            held.since.remove(&partition);
            held.begun.remove(&partition);
            last.extend(held.accepted.remove_entry(&partition));
        }
        drop(held);
        // It is sent before the request to join again, on one connection: no need to wait for it. If the partitions are lost
        // already, it is refused.
        if !last.is_empty()
            && let Err(error) = consumer.commit(&list(last.iter()), CommitMode::Async)
        {
            tracing::debug!(%error, "what was accepted of partitions that go could not be committed");
        }
        self.changed.send_modify(|n| *n += 1);
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(assigned) => {
                let mut held = self.held();
                held.turn += 1;
                let turn = held.turn;
                held.since.extend(partitions(assigned).into_iter().map(|partition| (partition, turn)));
                drop(held);
                self.changed.send_modify(|n| *n += 1);
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => tracing::debug!(%error, "a group could not be rebalanced"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        // Told again with the next commit; what is never committed is delivered again, under the same ids.
        if let Err(error) = result {
            tracing::debug!(%error, "offsets could not be committed");
        }
    }
}
