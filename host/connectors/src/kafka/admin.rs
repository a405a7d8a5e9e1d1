//! Two questions to a cluster that the library's safe half does not ask: who its brokers are, and what a topic's id is.
//!
//! Neither makes a topic that is not there. All of this crate's `unsafe` is here, each with what it relies on.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_int};
use std::time::Duration;

use rdkafka::bindings as raw;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;

use super::settings::Broker;

/// What a cluster says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClusterInfo {
    pub(super) id: String,
    pub(super) brokers: BTreeSet<Broker>,
}

/// What a cluster says of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicInfo {
    pub(super) name: String,
    /// Another for a topic that was deleted and made anew.
    pub(super) id: String,
    pub(super) partitions: i32,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoAnswer {
    pub(super) code: RDKafkaErrorCode,
    pub(super) text: String,
}

/// Asks who the brokers are: any broker that is connected, so the first answer comes from one of the settings'. Blocks, for at
/// most `limit`.
pub(super) fn cluster<C: ClientContext>(client: &Client<C>, limit: Duration) -> Result<ClusterInfo, NoAnswer> {
    let mut found: *const raw::rd_kafka_metadata = std::ptr::null();
    // SAFETY: the client lives as long as its borrow; no topic is asked about but those it knows.
    let code =
        unsafe { raw::rd_kafka_metadata(client.native_ptr(), 0, std::ptr::null_mut(), &mut found, millis(limit)) };
    let code: RDKafkaErrorCode = code.into();
    if code != RDKafkaErrorCode::NoError || found.is_null() {
        return Err(NoAnswer { code, text: code.to_string() });
    }
    // SAFETY: the answer is ours, has as many brokers as it says, and is destroyed once, when they are copied.
    let brokers = unsafe {
        let count = usize::try_from((*found).broker_cnt).unwrap_or(0);
        let brokers = (0..count).map(|i| {
            let broker = &*(*found).brokers.add(i);
            Broker { host: text(broker.host), port: u16::try_from(broker.port).unwrap_or(0) }
        });
        let brokers = brokers.collect();
        raw::rd_kafka_metadata_destroy(found);
        brokers
    };
    let id = client.fetch_cluster_id(limit).unwrap_or_default();
    Ok(ClusterInfo { id, brokers })
}

/// Asks about topics; of each what the cluster says, or why it says nothing. Blocks, for at most `limit`.
pub(super) fn topics<C: ClientContext>(
    client: &Client<C>,
    names: &[String],
    limit: Duration,
) -> Result<Vec<Result<TopicInfo, NoAnswer>>, NoAnswer> {
    // A topic's name has no zero byte: it was checked.
    let names: Vec<CString> = names.iter().filter_map(|name| CString::new(name.as_str()).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let asked = Asked::new(client, raw::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, limit)?;
    // SAFETY: the names live until the collection is made, which copies them; the client, the options and
    // the queue until `asked` is dropped, after the answer. The question copies the collection.
    unsafe {
        let collection = raw::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        raw::rd_kafka_DescribeTopics(asked.client, collection, asked.options, asked.queue);
        raw::rd_kafka_TopicCollection_destroy(collection);
    }
    let event = asked.answer(limit)?;
    // SAFETY: the event is the answer to this question, without an error; what is read of it lives as long as it does, and
    // lists have as many entries as they are said to have.
    unsafe {
        let result = raw::rd_kafka_event_DescribeTopics_result(event.0);
        let mut count = 0;
        let found = raw::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let described = (0..count).map(|i| {
            let topic = *found.add(i);
            let error = raw::rd_kafka_TopicDescription_error(topic);
            let code: RDKafkaErrorCode = raw::rd_kafka_error_code(error).into();
            if code != RDKafkaErrorCode::NoError {
                return Err(NoAnswer { code, text: text(raw::rd_kafka_error_string(error)) });
            }
            let mut partitions = 0;
            raw::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
            Ok(TopicInfo {
                name: text(raw::rd_kafka_TopicDescription_name(topic)),
                // As Kafka's own tools write it.
                id: text(raw::rd_kafka_Uuid_base64str(raw::rd_kafka_TopicDescription_topic_id(topic)))
                    .replace('+', "-")
                    .replace('/', "_"),
                partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
            })
        });
        Ok(described.collect())
    }
}

/// Copies text of the library's; empty if there is none.
///
/// # Safety
///
/// `pointer` is null, or leads to text with a zero at its end.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's word.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A question under way: its options and the queue of its answer.
struct Asked {
    client: *mut raw::rd_kafka_t,
    options: *mut raw::rd_kafka_AdminOptions_t,
    queue: *mut raw::rd_kafka_queue_t,
}

impl Asked {
    fn new<C: ClientContext>(
        client: &Client<C>,
        what: raw::rd_kafka_admin_op_t,
        limit: Duration,
    ) -> Result<Self, NoAnswer> {
        let client = client.native_ptr();
        let mut said = [0 as c_char; 256];
        // SAFETY: the client lives at least as long as the borrow that the caller holds until it has the answer; the buffer is
        // as long as is said.
        let (asked, code) = unsafe {
            let options = raw::rd_kafka_AdminOptions_new(client, what);
            let queue = raw::rd_kafka_queue_new(client);
            let asked = Self { client, options, queue };
            let code =
                raw::rd_kafka_AdminOptions_set_request_timeout(options, millis(limit), said.as_mut_ptr(), said.len());
            (asked, code.into())
        };
        if code == RDKafkaErrorCode::NoError {
            Ok(asked)
        } else {
            // SAFETY: the library ends what it writes with a zero.
            Err(NoAnswer { code, text: unsafe { text(said.as_ptr()) } })
        }
    }

    /// Waits for the answer.
    fn answer(&self, limit: Duration) -> Result<Answer, NoAnswer> {
        // The question's own limit comes first.
        let limit = millis(limit.saturating_add(Duration::from_secs(1)));
        // SAFETY: the queue lives; the event is ours to destroy, also if it says that there was an error.
        unsafe {
            let event = raw::rd_kafka_queue_poll(self.queue, limit);
            if event.is_null() {
                return Err(NoAnswer { code: RDKafkaErrorCode::OperationTimedOut, text: "no answer in time".into() });
            }
            let event = Answer(event);
            let code: RDKafkaErrorCode = raw::rd_kafka_event_error(event.0).into();
            if code == RDKafkaErrorCode::NoError {
                Ok(event)
            } else {
                Err(NoAnswer { code, text: text(raw::rd_kafka_event_error_string(event.0)) })
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // SAFETY: both were made by `new` and are destroyed once.
        unsafe {
            raw::rd_kafka_queue_destroy(self.queue);
            raw::rd_kafka_AdminOptions_destroy(self.options);
        }
    }
}

/// The event of an answer.
struct Answer(*mut raw::rd_kafka_event_t);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: it is ours, not null, and destroyed once.
        unsafe { raw::rd_kafka_event_destroy(self.0) };
    }
}

/// Whether a message of a delivery report may be in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persisted {
    No,
    Perhaps,
    Yes,
}

/// What the library knows of a message that it reports about.
pub(super) fn persisted(message: &BorrowedMessage<'_>) -> Persisted {
    // SAFETY: the message lives as long as its borrow.
    match unsafe { raw::rd_kafka_message_status(message.ptr()) } {
        raw::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Persisted::No,
        raw::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED => Persisted::Yes,
        raw::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED => Persisted::Perhaps,
    }
}

fn millis(limit: Duration) -> c_int {
    c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX).max(1)
}
