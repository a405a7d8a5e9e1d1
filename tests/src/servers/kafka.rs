//! Apache Kafka: one node without ZooKeeper; looked at by the broker's own tools and a few requests of its protocol.

use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::process::{tool, try_tool};
use super::server::{Kind, PASSWORD, Server, USER, fresh_name};
use super::{kafka_produce, kafka_wire as wire, ports, tls};
use crate::{env, wait};

/// A Kafka broker, its own controller.
///
/// [`USER`] logs in with [`PASSWORD`] by PLAIN and by SCRAM-SHA-256, over TLS. Topics are made by [`Kafka::topic`] and
/// not by their first use.
pub type Kafka = Server<Setup>;

/// What can be chosen.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lines of `server.properties` besides those that every instance gets.
    pub settings: Vec<(String, String)>,
}

/// A broker that was set up.
pub struct Setup {
    plain: u16,
    tls: u16,
}

/// A record, as the broker's own consumer prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The partition it is in.
    pub partition: i32,
    /// Its offset in there.
    pub offset: i64,
    /// Its time, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Names and values, `name:value` parted by commas; empty when there are none.
    pub headers: String,
    /// Its key.
    pub key: Option<String>,
    /// Its value; none marks a deleted key.
    pub value: Option<String>,
}

/// The most that is sent at once, of values: well below what a broker takes.
const BATCH_BYTES: usize = 500_000;
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const TOPIC_COMMAND: &str = "org.apache.kafka.tools.TopicCommand";
/// Between the columns and after the lines of what the consumer prints, and for what is not there: no text has them.
const COLUMN: char = '\u{1f}';
const LINE: char = '\u{1e}';
const NOTHING: &str = "\u{1d}";

impl Kind for Setup {
    const NAME: &'static str = "kafka";
    type Options = Options;

    async fn set_up(options: Options, folder: &Path) -> Self {
        let (plain, tls, controller) = (ports::take(), ports::take(), ports::take());
        let certificates = tls::files();
        let chain = format!("{}{}", certificates.server.key, certificates.server.certificate);
        fs::write(folder.join("server.pem"), chain).expect("one's own folder can be written to");
        let mut properties = format!(
            "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-256,PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
log.dirs={folder}/logs
auto.create.topics.enable=false
# A broker that was killed comes back in seconds: its session of before is soon over.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# One node is all copies, and what is inside takes no time to make.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
",
            folder = folder.display()
        );
        for (key, value) in options.settings {
            properties.push_str(&format!("{key}={value}\n"));
        }
        fs::write(folder.join("server.properties"), properties).expect("one's own folder can be written to");
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "-t", &cluster_id(folder), "-c"]).arg(folder.join("server.properties"));
        format.args(["--add-scram", &format!("SCRAM-SHA-256=[name={USER},password={PASSWORD}]")]);
        tool(folder, format, b"").await;
        Self { plain, tls }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = java("kafka.Kafka");
        command.arg(folder.join("server.properties"));
        command
    }

    async fn is_ready(&self, _: &Path, _: &str) -> bool {
        // It names itself only once its controller lets it serve.
        wire::brokers(self.plain).await.is_ok_and(|brokers| brokers == 1)
    }
}

impl Kafka {
    /// The instance of this test process.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Kafka> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Options::default())).await
    }

    /// Where it listens without TLS and for anybody.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.kind.plain).into()
    }

    /// Where it listens for TLS, and demands a password.
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.kind.tls).into()
    }

    /// Makes a topic, waits until each of its partitions is led, and gives its name.
    ///
    /// # Panics
    ///
    /// The broker refuses.
    pub async fn topic(&self, partitions: u16) -> String {
        let name = fresh_name("topic-");
        let made = wire::create_topic(self.kind.plain, &name, partitions.into()).await;
        made.unwrap_or_else(|e| panic!("a topic of {partitions} partitions: {e}"));
        wait::until("the topic is led", wait::LONG, || async {
            (wire::led_partitions(self.kind.plain, &name).await.ok()?.len() == usize::from(partitions)).then_some(())
        })
        .await;
        self.ends(&name).await;
        name
    }

    /// The offset after the last record of each partition: ends of transactions count.
    ///
    /// # Panics
    ///
    /// There is no such topic.
    pub async fn ends(&self, topic: &str) -> Vec<i64> {
        let port = self.kind.plain;
        patiently(&format!("the ends of {topic}"), || async move {
            let led = wire::led_partitions(port, topic).await?;
            wire::ends(port, topic, &led).await
        })
        .await
    }

    /// What a group committed in each partition of a topic; none where it committed nothing.
    ///
    /// # Panics
    ///
    /// There is no such topic.
    pub async fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        let port = self.kind.plain;
        patiently(&format!("what {group} committed of {topic}"), || async move {
            let led = wire::led_partitions(port, topic).await?;
            wire::committed(port, group, topic, &led).await
        })
        .await
    }

    /// All records of a topic, by partition and offset; without those of transactions that are open or were given up.
    /// Takes a second or two: a Java program reads them.
    pub async fn records(&self, topic: &str) -> Vec<Record> {
        let most: i64 = self.ends(topic).await.iter().sum();
        if most == 0 {
            return Vec::new();
        }
        let mut arguments: Vec<String> =
            ["--from-beginning", "--isolation-level", "read_committed"].map(Into::into).into();
        // Where ends of transactions count there are fewer records than that: then it ends when none comes for a while.
        arguments.extend(["--max-messages".into(), most.to_string(), "--timeout-ms".into(), "2000".into()]);
        let columns = ["timestamp", "partition", "offset", "headers", "key", "value"];
        let shown = columns.map(|column| format!("print.{column}=true"));
        let rest =
            [format!("key.separator={COLUMN}"), format!("line.separator={LINE}"), format!("null.literal={NOTHING}")];
        for property in shown.into_iter().chain(rest) {
            arguments.extend(["--formatter-property".into(), property]);
        }
        let arguments: Vec<&str> = ["--topic", topic].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let printed = self.tool(CONSOLE_CONSUMER, &arguments, "").await;
        let mut records: Vec<Record> = printed.split_terminator(LINE).filter_map(record).collect();
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// Sends records, keys and values, by the broker's own producer, one after the other. Takes a second or two.
    pub async fn produce(&self, topic: &str, records: &[(&str, &str)]) {
        let lines: String = records.iter().map(|(key, value)| format!("{key}{COLUMN}{value}\n")).collect();
        let separator = format!("key.separator={COLUMN}");
        let arguments = ["--topic", topic, "--reader-property", "parse.key=true", "--reader-property", &separator];
        self.tool(CONSOLE_PRODUCER, &arguments, &lines).await;
    }

    /// Sends records, keys and values of any bytes: those of one key, and those without, to one partition in this order.
    ///
    /// # Panics
    ///
    /// The broker refuses.
    pub async fn send(&self, topic: &str, messages: &[(Option<String>, Vec<u8>)]) {
        let port = self.kind.plain;
        let led = patiently(topic, || wire::led_partitions(port, topic)).await;
        let mut shares = vec![Vec::new(); led.len()];
        for message in messages {
            let key = message.0.as_deref().unwrap_or_default();
            let share = Sha256::digest(key)[0] as usize % led.len();
            shares[share].push(message);
        }
        let now = env::unix_seconds() * 1_000;
        for (partition, share) in led.iter().zip(shares) {
            let mut rest = share.as_slice();
            while !rest.is_empty() {
                let mut bytes = 0;
                let fits = rest.iter().take_while(|(_, value)| {
                    bytes += value.len();
                    bytes < BATCH_BYTES
                });
                let (batch, after) = rest.split_at(fits.count().max(1));
                let stored = kafka_produce::produce(port, topic, *partition, now, batch).await;
                stored.unwrap_or_else(|e| panic!("{} records for {topic}: {e}", batch.len()));
                rest = after;
            }
        }
    }

    /// Logs in over TLS as [`USER`], by the broker's own client. Takes a second or two.
    ///
    /// # Errors
    ///
    /// What the client said when it was refused.
    pub async fn login(&self, mechanism: &str, password: &str) -> Result<(), String> {
        let module = match mechanism {
            "PLAIN" => "plain.PlainLoginModule",
            _ => "scram.ScramLoginModule",
        };
        let settings = format!(
            "\
security.protocol=SASL_SSL
ssl.truststore.type=PEM
ssl.truststore.location={}
sasl.mechanism={mechanism}
sasl.jaas.config=org.apache.kafka.common.security.{module} required username=\"{USER}\" password=\"{password}\";
",
            tls::files().ca_file.display()
        );
        let file = self.folder().join(fresh_name("client-"));
        fs::write(&file, settings).expect("one's own folder can be written to");
        let mut command = java(TOPIC_COMMAND);
        command.args(["--list", "--bootstrap-server", &self.tls_address().to_string(), "--command-config"]).arg(file);
        try_tool(self.folder(), command, b"").await.map(drop)
    }

    /// Runs one of the broker's own tools against it, and gives what it printed.
    ///
    /// # Panics
    ///
    /// It failed.
    pub async fn tool(&self, class: &str, arguments: &[&str], input: &str) -> String {
        let mut command = java(class);
        command.args(["--bootstrap-server", &self.address().to_string()]).args(arguments);
        tool(self.folder(), command, input.as_bytes()).await
    }
}

/// One line of what the consumer was told to print.
fn record(line: &str) -> Option<Record> {
    let columns: Vec<&str> = line.split(COLUMN).collect();
    let [timestamp, partition, offset, headers, key, value] = columns[..] else { return None };
    let text = |column: &str| (column != NOTHING).then(|| column.to_owned());
    Some(Record {
        partition: partition.strip_prefix("Partition:")?.parse().ok()?,
        offset: offset.strip_prefix("Offset:")?.parse().ok()?,
        timestamp_ms: timestamp.split_once(':')?.1.parse().ok()?,
        headers: if headers == "NO_HEADERS" { String::new() } else { headers.to_owned() },
        key: text(key),
        value: text(value),
    })
}

/// A class of the broker's, run by Java so that it is soon there: nothing here lives long.
fn java(class: &str) -> Command {
    let jars = env::server_tool("kafka/lib").join("*");
    let mut command = Command::new("java");
    command.args(["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]).arg(jars).arg(class);
    command
}

/// Another for each instance, as it is in the world: 16 bytes in base 64, of which none may be a leading dash.
fn cluster_id(folder: &Path) -> String {
    let bytes = Sha256::digest(folder.as_os_str().as_encoded_bytes());
    let id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes[..16]);
    id.replacen('-', "J", 1)
}

/// Asks again while the broker says that it is not ready to tell: it lets clients in before it leads what it stores.
async fn patiently<T, F>(what: &str, ask: impl Fn() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(e) => assert!(begun.elapsed() < 2 * PATIENCE, "{what}: {e}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How long a request to the broker may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
