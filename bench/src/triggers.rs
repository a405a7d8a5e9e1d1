//! Triggers on real servers, from the other side to the queue: events a second that are on disk as runs, beside the smaller of
//! the client library alone and SQLite alone with one insert an event.
//!
//! Both sides have the same messages of 100 bytes, and are measured from the first one on: joining a group takes its time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures_util::StreamExt as _;
use jackfield_connectors::Surroundings;
use jackfield_core::clock::SystemClock;
use jackfield_core::grant::{Grants, HttpGrant, HttpTarget};
use jackfield_core::hatch::testing::{Rig, RigOptions, name, scope};
use jackfield_core::limits::Limits;
use jackfield_core::retry::RetryPolicy;
use jackfield_core::sources::Sources;
use jackfield_tests::servers::server::{PASSWORD, USER};
use jackfield_tests::servers::{Kafka, Nats, Postgres, S3, kafka, nats, s3};
use jackfield_tests::stubs::{Answer, Api, Record, Stub};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rusqlite::{Connection, params};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::table::Table;

/// Messages of a broker.
const MESSAGES: usize = 50_000;
/// Things that are read one by one.
const FEW: usize = 2_000;
/// As many as the plugs hand over at once.
const BATCH: usize = 500;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    kafka(table).await?;
    nats(table).await?;
    notifications(table).await?;
    objects(table).await?;
    files(table).await?;
    polls(table).await?;
    Ok(())
}

fn message(number: usize) -> String {
    format!("{number:0100}")
}

/// A row with the smaller of the two ceilings.
fn row(table: &mut Table, what: &str, ours: f64, library: f64, raw: f64) {
    let what = format!("trigger `{what}`, each event synced as a run");
    let (ceiling, is) = if library < raw { (library, "the client library alone") } else { (raw, "SQLite alone") };
    table.row(&what, ours, ceiling, "/s", is);
}

/// What a trigger is measured on.
struct Heard<'a> {
    kind: &'static str,
    settings: Value,
    secrets: &'a [(&'static str, &'static str)],
    trigger: Value,
}

/// Events a second, from the first one that is stored to the last; `send` begins when the trigger listens.
async fn heard(
    what: Heard<'_>,
    events: usize,
    around: &Surroundings,
    send: impl Future<Output = ()>,
) -> anyhow::Result<f64> {
    let connector = jackfield_connectors::all(around).into_iter().find(|connector| connector.kind() == what.kind);
    let connector = connector.with_context(|| format!("there is no connector {}", what.kind))?;
    let http = HttpGrant {
        target: HttpTarget::Connection(name("api")),
        methods: vec!["GET".into()],
        paths: vec!["/**".parse().map_err(anyhow::Error::msg)?],
        redirects: 0,
        retry_in_doubt: false,
    };
    let clock = Arc::new(SystemClock);
    let options = RigOptions {
        clock: clock.clone(),
        limits: Limits::default(),
        grants: Grants { http: vec![http], ..Grants::default() },
        retry: RetryPolicy::default(),
        keyed: false,
    };
    let map = |value: Value| value.as_object().cloned().unwrap_or_default();
    let rig = Rig::hearing(options, connector, map(what.settings), map(what.trigger)).await;
    for (secret, value) in what.secrets {
        rig.outside.set_secret(&scope().environment, &name(secret), &SecretString::from(*value)).await?;
    }
    let sources = Sources::new(Arc::clone(&rig.intake), Arc::clone(&rig.outside), clock, Arc::clone(&rig.metrics));
    let stop = CancellationToken::new();
    let running = Arc::clone(&sources);
    let token = stop.clone();
    let mut task = JoinSet::new();
    task.spawn(async move { running.run(token).await });
    let measured = measured(&sources, what.kind, events);
    let sent = async {
        let listens = || sources.view(&scope(), &name("heard")).is_some_and(|view| view.listening);
        while !listens() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        send.await;
        std::future::pending().await
    };
    let rate = tokio::select! {
        rate = measured => rate,
        () = sent => Ok(0.0),
    };
    stop.cancel();
    while task.join_next().await.transpose()?.is_some() {}
    rate
}

/// Watches a trigger until it has heard all.
async fn measured(sources: &Sources, kind: &str, events: usize) -> anyhow::Result<f64> {
    let (began, mut first) = (Instant::now(), None);
    loop {
        let view = sources.view(&scope(), &name("heard")).unwrap_or_default();
        let heard = usize::try_from(view.heard)?;
        if heard > 0 && first.is_none() {
            first = Some((heard, Instant::now()));
        }
        if let Some((before, at)) = first
            && heard >= events
        {
            return Ok((events - before) as f64 / at.elapsed().as_secs_f64());
        }
        let late = began.elapsed() > Duration::from_secs(120);
        ensure!(!late, "{kind}: {heard} of {events} events came: {:?}", view.last_error);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// SQLite alone: an insert an event, in transactions of [`BATCH`], each synced.
async fn inserted(events: usize) -> anyhow::Result<f64> {
    tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir()?;
        let mut db = Connection::open(folder.path().join("alone.db"))?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE events (id TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;",
        )?;
        let began = Instant::now();
        for begin in (0..events).step_by(BATCH) {
            let transaction = db.transaction()?;
            {
                let mut insert = transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2)")?;
                for number in begin..events.min(begin + BATCH) {
                    insert.execute(params![format!("0/{number:012}"), message(number).as_bytes()])?;
                }
            }
            transaction.commit()?;
        }
        Ok(events as f64 / began.elapsed().as_secs_f64())
    })
    .await?
}

async fn kafka(table: &mut Table) -> anyhow::Result<()> {
    let server = Kafka::start(kafka::Options::default()).await;
    let topic = server.topic(4).await;
    let address = server.address().to_string();
    let (to, brokers) = (topic.clone(), address.clone());
    let library = tokio::task::spawn_blocking(move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &brokers).set("queue.buffering.max.messages", "200000");
        let producer: ThreadedProducer<_> = config.create()?;
        for number in 0..MESSAGES {
            let (key, value) = (format!("k{}", number % 64), message(number));
            producer.send(BaseRecord::to(&to).key(&key).payload(&value)).map_err(|(e, _)| e)?;
        }
        producer.flush(Duration::from_secs(60))?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &brokers).set("group.id", "alone").set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create()?;
        consumer.subscribe(&[&to])?;
        let mut began = None;
        for _ in 0..MESSAGES {
            // It may also answer nothing because something else happened, such as a partition that came.
            let asked = Instant::now();
            while consumer.poll(Duration::from_secs(1)).transpose()?.is_none() {
                ensure!(asked.elapsed() < Duration::from_secs(60), "no record came in a minute");
            }
            began.get_or_insert_with(Instant::now);
        }
        anyhow::Ok(MESSAGES as f64 / began.context("nothing was read")?.elapsed().as_secs_f64())
    });
    let library = library.await??;
    let what = Heard {
        kind: "kafka",
        settings: json!({ "brokers": [address], "tls": "off" }),
        secrets: &[],
        trigger: json!({ "topics": [topic], "from": "earliest" }),
    };
    let ours = heard(what, MESSAGES, &Surroundings::default(), async {}).await?;
    row(table, "kafka", ours, library, inserted(MESSAGES).await?);
    Ok(())
}

async fn nats(table: &mut Table) -> anyhow::Result<()> {
    use async_nats::jetstream::{self, consumer, stream};
    let server = Nats::start(nats::Options::default()).await;
    let options = async_nats::ConnectOptions::with_user_and_password(USER.into(), PASSWORD.into());
    let context = jetstream::new(options.connect(server.address().to_string()).await?);
    let storage = stream::StorageType::Memory;
    let config = stream::Config { name: "S".into(), subjects: vec!["a".into()], storage, ..Default::default() };
    let stream = context.create_stream(config).await?;
    for begin in (0..MESSAGES).step_by(1000) {
        let mut acks = Vec::new();
        for number in begin..begin + 1000 {
            acks.push(context.publish("a", message(number).into()).await?);
        }
        for ack in acks {
            ack.await?;
        }
    }
    let config = consumer::pull::Config { durable_name: Some("alone".into()), ..Default::default() };
    let alone = stream.create_consumer(config).await?;
    let mut messages = alone.stream().max_messages_per_batch(BATCH).messages().await?;
    let mut began = None;
    for _ in 0..MESSAGES {
        let message = messages.next().await.context("the stream ended")??;
        began.get_or_insert_with(Instant::now);
        message.ack().await.map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    let library = MESSAGES as f64 / began.context("nothing was read")?.elapsed().as_secs_f64();
    let what = Heard {
        kind: "nats",
        settings: json!({
            "servers": [format!("nats://{}", server.address())], "credential": { "user": USER, "secret": "password" },
        }),
        secrets: &[("password", PASSWORD)],
        trigger: json!({ "stream": "S", "deliver": "all" }),
    };
    let ours = heard(what, MESSAGES, &Surroundings::default(), async {}).await?;
    row(table, "nats", ours, library, inserted(MESSAGES).await?);
    Ok(())
}

async fn notifications(table: &mut Table) -> anyhow::Result<()> {
    let server = Postgres::start(Default::default()).await;
    let database = server.database().await;
    let port = server.address().port();
    let notify = format!("select pg_notify('ch', lpad(n::text, 100, '0')) from generate_series(1, {MESSAGES}) n");
    let config = format!("host=127.0.0.1 port={port} user={USER} password={PASSWORD} dbname={database}");
    let (client, mut connection) = config.parse::<tokio_postgres::Config>()?.connect(tokio_postgres::NoTls).await?;
    let (told, mut said) = tokio::sync::mpsc::unbounded_channel();
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        while let Some(Ok(message)) = futures_util::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let tokio_postgres::AsyncMessage::Notification(notification) = message {
                let _ = told.send(notification);
            }
        }
    });
    client.batch_execute("listen ch").await?;
    let send = server.sql(&database, &notify);
    let listen = async {
        let mut began = None;
        for _ in 0..MESSAGES {
            said.recv().await.context("the connection ended")?;
            began.get_or_insert_with(Instant::now);
        }
        anyhow::Ok(MESSAGES as f64 / began.context("nothing was read")?.elapsed().as_secs_f64())
    };
    let (_, library) = tokio::join!(send, listen);
    let library = library?;
    driver.shutdown().await;
    let what = Heard {
        kind: "postgres",
        settings: json!({
            "host": "127.0.0.1", "port": port, "database": database, "tls": "off",
            "credential": { "user": USER, "secret": "password" },
        }),
        secrets: &[("password", PASSWORD)],
        trigger: json!({ "listen": ["ch"] }),
    };
    let send = async {
        server.sql(&database, &notify).await;
    };
    let ours = heard(what, MESSAGES, &Surroundings::default(), send).await?;
    row(table, "postgres", ours, library, inserted(MESSAGES).await?);
    Ok(())
}

async fn objects(table: &mut Table) -> anyhow::Result<()> {
    let server = S3::start(s3::Options::default()).await;
    let bucket = server.bucket().await;
    let keys: Vec<String> = (0..FEW).map(|number| format!("in/{number:05}")).collect();
    for (number, key) in keys.iter().enumerate() {
        server.put(&bucket, key, message(number).as_bytes()).await;
    }
    let began = Instant::now();
    for key in &keys {
        let (status, body) = server.request(reqwest::Method::GET, &format!("/{bucket}/{key}"), b"").await;
        ensure!(status == 200 && body.len() == 100, "{key}: {status}");
    }
    let library = FEW as f64 / began.elapsed().as_secs_f64();
    let what = Heard {
        kind: "s3",
        settings: json!({
            "endpoint": server.endpoint(), "region": s3::REGION, "bucket": bucket, "path_style": true,
            "credential": { "access_key": s3::ACCESS_KEY, "secret": "key" },
        }),
        secrets: &[("key", s3::SECRET_KEY)],
        trigger: json!({ "from": "all" }),
    };
    let ours = heard(what, FEW, &Surroundings::default(), async {}).await?;
    row(table, "object", ours, library, inserted(FEW).await?);
    Ok(())
}

async fn files(table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("in");
    std::fs::create_dir(&path)?;
    for number in 0..FEW {
        std::fs::write(path.join(format!("{number:05}")), message(number))?;
    }
    let began = Instant::now();
    for entry in std::fs::read_dir(&path)? {
        ensure!(std::fs::read(entry?.path())?.len() == 100, "a file is not whole");
    }
    let library = FEW as f64 / began.elapsed().as_secs_f64();
    let surroundings = Surroundings { folders: vec![folder.path().to_owned()], ..Surroundings::default() };
    let what = Heard {
        kind: "folder",
        settings: json!({ "path": path }),
        secrets: &[],
        trigger: json!({ "ready": "rename" }),
    };
    let ours = heard(what, FEW, &surroundings, async {}).await?;
    row(table, "file", ours, library, inserted(FEW).await?);
    Ok(())
}

/// Answers pages of a thousand items.
struct Pages;

const PAGE: usize = 1_000;

impl Api for Pages {
    fn answer(&self, request: &Record, _: &str) -> Answer {
        let page = request.query.iter().find(|(name, _)| name == "page").map_or("0", |(_, value)| value.as_str());
        let page: usize = page.parse().unwrap_or_default();
        let items: Vec<_> = (page * PAGE..(page + 1) * PAGE).map(|n| json!({ "id": n, "text": message(n) })).collect();
        let next = if (page + 1) * PAGE < MESSAGES { json!(format!("?page={}", page + 1)) } else { Value::Null };
        Answer::json(200, &json!({ "items": items, "next": next }))
    }
}

async fn polls(table: &mut Table) -> anyhow::Result<()> {
    let server = Stub::start(0, Pages).await?;
    let client = reqwest::Client::new();
    let began = Instant::now();
    let mut found = 0;
    for page in 0..MESSAGES / PAGE {
        let body: Bytes = client.get(format!("{}/list?page={page}", server.base())).send().await?.bytes().await?;
        let body: Value = serde_json::from_slice(&body)?;
        found += body["items"].as_array().map_or(0, Vec::len);
    }
    ensure!(found == MESSAGES, "{found} items");
    let library = MESSAGES as f64 / began.elapsed().as_secs_f64();
    let what = Heard {
        kind: "http",
        settings: json!({ "base_url": server.base() }),
        secrets: &[],
        trigger: json!({
            "path": "/list?from={watermark}", "items": "/items", "id": "/id", "watermark": "/id", "start": "0", "next": "/next",
        }),
    };
    let ours = heard(what, MESSAGES, &Surroundings::default(), async {}).await?;
    row(table, "poll", ours, library, inserted(MESSAGES).await?);
    Ok(())
}
