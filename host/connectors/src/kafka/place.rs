//! Where a group begins: its topics, as they are now, and its first offsets.
//!
//! "From the latest" is decided once, when a group is new to a topic, and committed: else records that arrive while nobody
//! listens, before the first one was ever accepted, would be nobody's. From then on a partition without an offset is one that
//! was added, and is read from its beginning.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ports::source::SourceError;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use super::admin::{self, TopicInfo};
use super::group::Watching;
use super::settings::Listening;

/// The longest that topics are asked about while the trigger runs.
const LOOK: Duration = Duration::from_secs(10);

/// A topic, and what events call it.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) source: String,
    id: String,
}

/// The topics of a trigger.
#[derive(Clone, Debug)]
pub(super) struct Topics(HashMap<String, Topic>);

impl Topics {
    pub(super) fn get(&self, name: &str) -> Option<&Topic> {
        self.0.get(name)
    }

    /// Whether all are still the ones they were; an answer that does not come says nothing.
    pub(super) async fn are_the_same(self, consumer: Arc<StreamConsumer<Watching>>) -> Result<(), SourceError> {
        let names: Vec<String> = self.0.keys().cloned().collect();
        let asked = spawn_blocking(move || admin::topics(consumer.client(), &names, LOOK)).await;
        let Ok(Ok(answers)) = asked else { return Ok(()) };
        for topic in answers.into_iter().flatten() {
            if self.get(&topic.name).is_some_and(|known| known.id != topic.id) {
                return Err(SourceError::Lost(format!("the topic `{}` was made anew", topic.name)));
            }
        }
        Ok(())
    }
}

/// Looks the topics up, and sees to it that the group has a place in each.
pub(super) async fn prepare(
    consumer: &Arc<StreamConsumer<Watching>>,
    cluster: &str,
    listening: &Listening,
    limit: Duration,
) -> Result<Topics, SourceError> {
    let (consumer, names, earliest) = (Arc::clone(consumer), listening.topics.clone(), listening.earliest);
    let looking = spawn_blocking(move || {
        let found = look_up(&consumer, &names, limit)?;
        if !earliest {
            begin_at_the_end(&consumer, &found, limit)?;
        }
        Ok(found)
    });
    let found = looking.await.unwrap_or_else(|e| Err(SourceError::Lost(e.to_string())))?;
    let topics = found.into_iter().map(|topic| {
        let source = format!("kafka:{cluster}/{}/{}", topic.name, topic.id);
        (topic.name.clone(), Topic { name: Arc::from(topic.name), source, id: topic.id })
    });
    Ok(Topics(topics.collect()))
}

fn look_up(
    consumer: &StreamConsumer<Watching>,
    names: &[String],
    limit: Duration,
) -> Result<Vec<TopicInfo>, SourceError> {
    let lost = |text: String| SourceError::Lost(format!("the topics cannot be looked up: {text}"));
    let answers = admin::topics(consumer.client(), names, limit).map_err(|none| lost(none.text))?;
    let mut found = Vec::new();
    for answer in answers {
        found.push(answer.map_err(|none| match none.code {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
                let names = names.join("`, `");
                SourceError::Refused(format!("there is no topic `{names}`, or not all of them: create it"))
            }
            RDKafkaErrorCode::TopicAuthorizationFailed => {
                SourceError::Refused(format!("no permission for `{}`: {}", names.join("`, `"), none.text))
            }
            _ => lost(none.text),
        })?);
    }
    Ok(found)
}

/// Commits the ends of topics in which the group has no place at all.
fn begin_at_the_end(
    consumer: &StreamConsumer<Watching>,
    topics: &[TopicInfo],
    limit: Duration,
) -> Result<(), SourceError> {
    let lost = |what: &str, e: &KafkaError| match e.rdkafka_error_code() {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
            SourceError::Refused(format!("{what}: no permission for the group"))
        }
        _ => SourceError::Lost(format!("{what}: {e}")),
    };
    let new = new_ones(consumer, topics, limit).map_err(|e| lost("the group's offsets cannot be read", &e))?;
    let mut ends = TopicPartitionList::new();
    for topic in &new {
        for partition in 0..topic.partitions {
            let (_, end) = consumer
                .fetch_watermarks(&topic.name, partition, limit)
                .map_err(|e| lost("the ends of a topic cannot be read", &e))?;
            let _ = ends.add_partition_offset(&topic.name, partition, Offset::Offset(end));
        }
    }
    if ends.count() == 0 {
        return Ok(());
    }
    let Err(error) = consumer.commit(&ends, CommitMode::Sync) else { return Ok(()) };
    // Another node may have been faster, and the group be its already: then it has a place.
    match new_ones(consumer, topics, limit) {
        Ok(left) if left.is_empty() => Ok(()),
        _ => Err(lost("the group cannot be given its first offsets", &error)),
    }
}

/// The topics in which the group has committed nothing.
fn new_ones<'a>(
    consumer: &StreamConsumer<Watching>,
    topics: &'a [TopicInfo],
    limit: Duration,
) -> Result<Vec<&'a TopicInfo>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..topic.partitions {
            asked.add_partition(&topic.name, partition);
        }
    }
    let committed = consumer.committed_offsets(asked, limit)?;
    let has = |topic: &TopicInfo| {
        let of = committed.elements_for_topic(&topic.name);
        of.iter().any(|element| matches!(element.offset(), Offset::Offset(_)))
    };
    Ok(topics.iter().filter(|topic| !has(topic)).collect())
}
