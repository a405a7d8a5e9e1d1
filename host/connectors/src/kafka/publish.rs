//! What a guest publishes: one idempotent producer shared by all runs, made when it is needed.
//!
//! Not here: grants, repeating and the journal, which the hatch asked before it came here.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use jackfield_core::ports::messaging::{Message, Messaging, MessagingCall};
use jackfield_core::ports::outward::{Failure, Sending};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::statistics::Statistics;
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::admin::{self, ClusterInfo, NoAnswer, Persisted};
use super::client::{Cluster, Heard, NoClient};
use super::settings;
use crate::broker;

/// By this header whoever hears a message twice can tell.
const KEY: &str = "jackfield-key";
const CONTENT_TYPE: &str = "content-type";

/// A failure to connect is the answer to whoever waited for the attempt, too.
const FRESH: Duration = Duration::from_millis(200);

/// A topic that was there is taken to be there for so long.
const TOPIC_IS_KNOWN: Duration = Duration::from_secs(60);

/// The longest a topic is asked about.
const ASK: Duration = Duration::from_secs(5);

/// The library's own limit of a message; the broker's and ours are lower.
const MOST_BYTES: &str = "33554432";

/// An opened connection.
#[derive(Debug)]
pub(super) struct Link {
    cluster: Cluster,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    None,
    Open(Arc<Producing>),
    Failed(Instant, NoClient),
}

impl Link {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self { cluster, state: Mutex::new(State::None) }
    }

    /// Who the cluster is, and its brokers, for a test.
    pub(super) async fn cluster(&self, deadline: Instant) -> Result<(String, Vec<String>), Failure> {
        let producing = self.producing(deadline).await?;
        let brokers = producing.info.brokers.iter().map(|broker| format!("{}:{}", broker.host, broker.port));
        Ok((producing.info.id.clone(), brokers.collect()))
    }

    /// The producer, made anew if the last one is of no more use.
    async fn producing(&self, deadline: Instant) -> Result<Arc<Producing>, Failure> {
        let asked = Instant::now();
        let opening = async {
            let mut state = self.state.lock().await;
            match &*state {
                State::Open(producing) if producing.is_usable() => return Ok(Arc::clone(producing)),
                State::Failed(at, none) if *at >= asked || at.elapsed() < FRESH => return Err(none.clone()),
                _ => {}
            }
            match Producing::open(&self.cluster).await {
                Ok(producing) => {
                    let producing = Arc::new(producing);
                    *state = State::Open(Arc::clone(&producing));
                    Ok(producing)
                }
                Err(none) => {
                    *state = State::Failed(Instant::now(), none.clone());
                    Err(none)
                }
            }
        };
        match timeout_at(deadline, opening).await {
            Ok(producing) => Ok(producing?),
            Err(_) => Err(Failure::NotExecuted("not connected in time".into())),
        }
    }
}

#[async_trait]
impl Messaging for Link {
    fn timeout(&self) -> Duration {
        self.cluster.settings.timeout
    }

    async fn run(&self, call: &MessagingCall, with: &Sending) -> Result<Option<Message>, Failure> {
        let deadline = Instant::now() + with.timeout;
        let MessagingCall::Publish(messages) = call else {
            let message = "Kafka has no replies: publish, and let a trigger hear the answer".into();
            return Err(Failure::Refused { code: String::new(), message });
        };
        for message in messages {
            settings::topic(&message.topic)
                .map_err(|problem| Failure::Invalid(format!("the topic `{}` {problem}", message.topic)))?;
            broker::check_headers(message)?;
        }
        if messages.is_empty() {
            return Ok(None);
        }
        let producing = self.producing(deadline).await?;
        producing.check_topics(&self.cluster, messages, deadline).await?;
        producing.publish(messages, &with.key, deadline).await.map(|()| None)
    }
}

/// A producer of a cluster whose brokers may be dialed.
struct Producing {
    /// None while it is being closed.
    producer: Option<Arc<ThreadedProducer<Deliveries>>>,
    heard: Arc<Heard>,
    /// As the cluster said when it was opened.
    info: ClusterInfo,
    known: StdMutex<HashMap<String, Instant>>,
    /// The cluster named a broker that may not be dialed.
    refused: CancellationToken,
    _guard: JoinSet<()>,
}

impl fmt::Debug for Producing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producing").field("heard", &self.heard).finish_non_exhaustive()
    }
}

impl Drop for Producing {
    fn drop(&mut self) {
        let producer = self.producer.take();
        // The library joins its threads: nobody is to wait for that.
        std::thread::spawn(move || drop(producer));
    }
}

impl Producing {
    async fn open(cluster: &Cluster) -> Result<Self, NoClient> {
        cluster.check_own().await?;
        let mut config = cluster.config();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", cluster.settings.timeout.as_millis().to_string())
            .set("message.max.bytes", MOST_BYTES)
            .set("queue.buffering.max.kbytes", "65536")
            .set("linger.ms", "1")
            .set("compression.type", "lz4");
        let heard = Arc::new(Heard::default());
        let made = ThreadedProducer::from_config_and_context(&config, Deliveries(Arc::clone(&heard)));
        let producer = Arc::new(made.map_err(|e| NoClient::Failed(format!("the settings make no client: {e}")))?);
        let refused = CancellationToken::new();
        let mut producing = Self {
            producer: Some(producer),
            heard,
            info: ClusterInfo::default(),
            known: StdMutex::default(),
            refused: refused.clone(),
            _guard: JoinSet::new(),
        };
        let limit = cluster.settings.connect_timeout;
        let info = tokio::select! {
            info = producing.ask(move |producer| admin::cluster(producer.client(), limit)) => {
                info.map_err(|none| cluster.explain("no broker answers", &none.text, &producing.heard))?
            }
            refused = cluster.refused(&producing.heard) => return Err(refused),
        };
        cluster.check_advertised(&info.brokers).await?;
        producing.heard.works();
        producing.info = info;
        let (mut brokers, cluster) = (producing.heard.brokers(), cluster.clone());
        producing._guard.spawn(async move {
            while brokers.changed().await.is_ok() {
                let named = brokers.borrow_and_update().clone();
                if let Err(none) = cluster.check_advertised(&named).await {
                    tracing::warn!(reason = %none, "a connection to Kafka is given up");
                    refused.cancel();
                }
            }
        });
        Ok(producing)
    }

    fn is_usable(&self) -> bool {
        let fatal = self.producer.as_ref().is_none_or(|producer| producer.client().fatal_error().is_some());
        // Who was turned away once may be let in now: with a client that has not been told so.
        !fatal && !self.refused.is_cancelled() && !self.heard.is_hopeless()
    }

    /// Asks the cluster something; the answer, unless it becomes clear that there will be none.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&ThreadedProducer<Deliveries>) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let no_answer = |text: &str| NoAnswer { code: RDKafkaErrorCode::Fail, text: text.to_owned() };
        let Some(producer) = self.producer.clone() else { return Err(no_answer("it is closed")) };
        tokio::select! {
            answer = spawn_blocking(move || ask(&producer)) => {
                answer.unwrap_or_else(|_| Err(no_answer("the question failed")))
            }
            () = self.heard.hopeless() => Err(no_answer("no broker lets us in")),
        }
    }

    /// Whether the topics are there: they are never made by their first use.
    async fn check_topics(&self, cluster: &Cluster, messages: &[Message], deadline: Instant) -> Result<(), Failure> {
        let wanted: BTreeSet<&str> = messages.iter().map(|message| message.topic.as_str()).collect();
        let unknown: Vec<String> = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, at| at.elapsed() < TOPIC_IS_KNOWN && !self.heard.is_down());
            wanted.into_iter().filter(|topic| !known.contains_key(*topic)).map(str::to_owned).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let limit = deadline.saturating_duration_since(Instant::now()).min(ASK);
        let asked = self.ask(move |producer| admin::topics(producer.client(), &unknown, limit)).await;
        let answers = asked.map_err(|none| cluster.explain("no broker answers", &none.text, &self.heard))?;
        self.heard.works();
        for answer in answers {
            let topic = answer.map_err(|none| no_topic(messages, &none))?;
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.name, Instant::now());
        }
        Ok(())
    }

    async fn publish(&self, messages: &[Message], key: &str, deadline: Instant) -> Result<(), Failure> {
        let Some(producer) = &self.producer else { return Err(Failure::NotExecuted("it is closed".into())) };
        let mut reports = Vec::with_capacity(messages.len());
        for (i, message) in messages.iter().enumerate() {
            let (tell, told) = oneshot::channel();
            let record = BaseRecord::<[u8], [u8], Box<Tell>>::with_opaque_to(&message.topic, Box::new(tell))
                .payload(&message.data)
                .headers(headers(message, &format!("{key}-{i}")));
            let record = match &message.key {
                Some(key) => record.key(key.as_bytes()),
                None => record,
            };
            // One that is refused here was not taken up.
            reports.push(match producer.send(record) {
                Ok(()) => Ok(told),
                Err((error, _)) => Err(undelivered(&error, Persisted::No)),
            });
        }
        let reports = reports.into_iter().map(async |report| match timeout_at(deadline, report?).await {
            Ok(Ok(report)) => report,
            Ok(Err(_)) => Err(broken("the client was closed before the broker confirmed", false)),
            Err(_) => Err(broken("no confirmation came in time", true)),
        });
        let published = tokio::select! {
            reports = join_all(reports) => broker::together(reports),
            () = self.refused.cancelled() => {
                Err(broken("the cluster named a broker that may not be dialed", false))
            }
        };
        match &published {
            Ok(()) => self.heard.works(),
            // What was known of topics may have changed.
            Err(_) => self.known.lock().unwrap_or_else(PoisonError::into_inner).clear(),
        }
        published
    }
}

fn headers(message: &Message, id: &str) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(message.headers.len() + 2);
    let mut own = [(CONTENT_TYPE, message.content_type.as_deref()), (KEY, Some(id))];
    for (name, value) in &message.headers {
        // The guest's own word for the one or the other stands.
        for (ours, ready) in &mut own {
            if name.eq_ignore_ascii_case(ours) {
                *ready = None;
            }
        }
        headers = headers.insert(Header { key: name, value: Some(value) });
    }
    for (name, value) in own {
        if let Some(value) = value {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
    }
    headers
}

fn no_topic(messages: &[Message], none: &NoAnswer) -> Failure {
    let names: BTreeSet<&str> = messages.iter().map(|message| message.topic.as_str()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join("`, `");
    let code = format!("{:?}", none.code);
    match none.code {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
            let which = if messages.len() == 1 { "there is no topic" } else { "one of these is no topic:" };
            let message = format!("{which} `{names}`; create it: publishing makes none");
            Failure::Refused { code, message }
        }
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            Failure::Refused { code, message: format!("no permission for `{names}`: {}", none.text) }
        }
        _ => Failure::NotExecuted(format!("`{names}`: {}", none.text)),
    }
}

fn broken(message: &str, timed_out: bool) -> Failure {
    Failure::Broken { message: message.to_owned(), timed_out }
}

/// What a delivery that failed means for the call.
fn undelivered(error: &KafkaError, persisted: Persisted) -> Failure {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
    let text = code.to_string();
    match (persisted, code) {
        (_, Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
            Failure::TooLarge { message: format!("{text}: the topic's `max.message.bytes`"), sent: false }
        }
        (Persisted::No, Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)
        | (Persisted::No, Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::InvalidTopic)
        | (Persisted::No, Code::PolicyViolation | Code::InvalidRecord | Code::UnknownPartition) => {
            Failure::Refused { code: format!("{code:?}"), message: text }
        }
        (Persisted::No, _) => Failure::NotExecuted(text),
        (_, code) => Failure::Broken { message: text, timed_out: code == Code::MessageTimedOut },
    }
}

type Report = Result<(), Failure>;
type Tell = oneshot::Sender<Report>;

/// Hands delivery reports to whoever waits for them.
struct Deliveries(Arc<Heard>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        self.0.log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.stats(statistics);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Tell>;

    fn delivery(&self, result: &DeliveryResult<'_>, tell: Box<Tell>) {
        let report = match result {
            Ok(_) => Ok(()),
            Err((error, message)) => match admin::persisted(message) {
                Persisted::Yes => Ok(()),
                persisted => Err(undelivered(error, persisted)),
            },
        };
        // Nobody waits any more, if the call's time is over.
        let _ = tell.send(report);
    }
}
