//! One value of everything that is stored encoded, each with the name of its file.

use std::time::Duration;

use bytes::Bytes;
use jackfield_core::artifact::{Digest, Inspection};
use jackfield_core::clock::Timestamp;
use jackfield_core::event::{Event, Output};
use jackfield_core::grant::Capability;
use jackfield_core::hatch::encode_answer;
use jackfield_core::hatch::testing::{chunk, name};
use jackfield_core::journal::{self, ArgumentHash, CallSummary, Chunk, Class, Moment, Record, Reopened, Verdict, What};
use jackfield_core::manifest;
use jackfield_core::outcome::Usage;
use jackfield_core::ports::blob::{BlobAnswer, BlobDone, BlobError, ObjectInfo};
use jackfield_core::ports::email::{EmailAnswer, EmailError};
use jackfield_core::ports::events::{EventsAnswer, EventsError};
use jackfield_core::ports::http::{HttpAnswer, HttpError, HttpResponse};
use jackfield_core::ports::kv::{KvAnswer, KvEntry, KvError, KvValue};
use jackfield_core::ports::messaging::{Message, MessagingAnswer, MessagingError};
use jackfield_core::ports::sql::{Change, Column, SqlAnswer, SqlDone, SqlError, SqlValue, Table};
use jackfield_core::release::Version;
use jackfield_core::run::AttemptRecord;
use jackfield_core::store::admin::{Right, Token};
use jackfield_core::store::registry::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

/// Says what is wrong with stored bytes.
type Reads = Box<dyn Fn(&[u8]) -> Result<(), String>>;

/// A value, how it is stored today, and whether stored bytes read as it.
pub(crate) struct Sample {
    pub(crate) file: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reads: Reads,
}

fn same<T: PartialEq + std::fmt::Debug>(read: T, value: &T) -> Result<(), String> {
    if read == *value { Ok(()) } else { Err(format!("it reads as {read:?}\ninstead of {value:?}")) }
}

fn packed<T>(folder: &str, what: &str, value: T) -> Sample
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug + 'static,
{
    Sample {
        file: format!("{folder}/{what}.hex"),
        bytes: encode_answer(&value),
        reads: Box::new(move |bytes| same(rmp_serde::from_slice(bytes).map_err(|error| error.to_string())?, &value)),
    }
}

fn json<T>(what: &str, value: T) -> Sample
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug + 'static,
{
    Sample {
        file: format!("values/{what}.json"),
        bytes: serde_json::to_vec(&value).expect("it encodes"),
        reads: Box::new(move |bytes| same(serde_json::from_slice(bytes).map_err(|error| error.to_string())?, &value)),
    }
}

fn record(record: Record) -> Sample {
    Sample {
        file: format!("journal/{}.hex", record_name(&record)),
        bytes: chunk(0, std::slice::from_ref(&record)).bytes,
        reads: Box::new(move |bytes| {
            let chunk = Chunk { number: 0, bytes: bytes.to_vec() };
            same(journal::decode(&chunk).map_err(|error| error.to_string())?, &vec![record.clone()])
        }),
    }
}

/// A kind of record that is not named here does not compile: it needs a sample in [`all`] and a file.
fn record_name(record: &Record) -> String {
    match record {
        Record::Intent { what, class, .. } => format!("intent-{}-{}", what.capability, class_name(*class)),
        Record::Result { what, class, verdict, .. } => {
            format!("result-{}-{}-{}", what.capability, class_name(*class), verdict_name(*verdict))
        }
        Record::Poll { .. } => "poll".into(),
        Record::Ready(_) => "ready".into(),
        Record::Block => "block".into(),
        Record::Time(_) => "time".into(),
        Record::Remaining(_) => "remaining".into(),
        Record::Cut(_) => "cut".into(),
        Record::Decided { .. } => "decided".into(),
        Record::Asked { .. } => "asked".into(),
        Record::Past(_) => "past".into(),
    }
}

/// The kinds of records, each of which must be among the samples.
pub(crate) const RECORDS: [&str; 11] =
    ["intent", "result", "poll", "ready", "block", "time", "remaining", "cut", "decided", "asked", "past"];

const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Read => "read",
        Class::Local => "local",
        Class::Repeatable => "repeatable",
        Class::Unkeyed => "unkeyed",
    }
}

/// See [`RECORDS`].
pub(crate) const CLASSES: [&str; 4] = ["read", "local", "repeatable", "unkeyed"];

const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Refused => "refused",
        Verdict::NotExecuted => "not-executed",
        Verdict::InDoubt => "in-doubt",
    }
}

/// See [`RECORDS`].
pub(crate) const VERDICTS: [&str; 4] = ["done", "refused", "not-executed", "in-doubt"];

fn what(capability: Capability, text: &str) -> What {
    What { capability, text: text.into() }
}

fn hash(of: &str) -> ArgumentHash {
    ArgumentHash::of([of.as_bytes()])
}

/// The records of journals.
pub(crate) fn records() -> Vec<Sample> {
    let http = || what(Capability::Http, "POST github /repos/acme/app/issues");
    let intent = |class, generation| Record::Intent { call: 2, what: http(), hash: hash("i"), generation, class };
    let result = |capability, text: &str, class, verdict, answer| Record::Result {
        call: 300,
        what: what(capability, text),
        hash: hash(text),
        class,
        verdict,
        took_ms: 70_000,
        answer: ByteBuf::from(answer),
    };
    let answered = |status| -> Vec<u8> {
        let answer: HttpAnswer = Ok(response(status));
        encode_answer(&answer)
    };
    let sum: KvAnswer = Ok(KvValue::Sum(-7));
    let settings = vec![("repository".to_owned(), "acme/app".to_owned())];
    let emitted: EventsAnswer = Ok(vec!["01KJ".into()]);
    let moment = Moment { monotonic_ms: 1_234, wall: Timestamp(1_767_225_600_000) };
    let reopened = Reopened { call: 4, hash: hash("again"), generation: 1 };
    let unanswered: HttpAnswer = Err(HttpError::InDoubt("reset".into()));
    let all = [
        intent(Class::Repeatable, 0),
        intent(Class::Unkeyed, 3),
        result(Capability::Http, "GET github /user", Class::Read, Verdict::Done, answered(200)),
        result(Capability::Config, "get repository", Class::Read, Verdict::Done, encode_answer(&settings)),
        result(Capability::Kv, "increment n", Class::Local, Verdict::Done, encode_answer(&sum)),
        result(Capability::Events, "emit order.placed", Class::Local, Verdict::Done, encode_answer(&emitted)),
        result(Capability::Sql, "execute ledger insert orders", Class::Repeatable, Verdict::Done, first(sql())),
        result(Capability::Messaging, "publish broker a", Class::Repeatable, Verdict::Done, first(messaging())),
        result(Capability::Blob, "put store a", Class::Repeatable, Verdict::Done, first(blob())),
        result(Capability::Email, "send mail 1 recipient", Class::Unkeyed, Verdict::Done, first(email())),
        result(Capability::Http, "PUT github /a", Class::Repeatable, Verdict::Refused, answered(422)),
        result(Capability::Http, "DELETE github /a", Class::Repeatable, Verdict::NotExecuted, answered(503)),
        result(Capability::Http, "POST github /a", Class::Unkeyed, Verdict::InDoubt, encode_answer(&unanswered)),
        Record::Poll { of: 3, ready: vec![2, 0] },
        Record::Ready(true),
        Record::Block,
        Record::Time(moment),
        Record::Remaining(29_999),
        Record::Cut(vec![reopened]),
        Record::Decided { call: 4, who: "anna".into(), at: Timestamp(1_767_225_600_000) },
        Record::Asked { call: 4, request: ByteBuf::from(vec![0x81, 0xa1, b'm', 0xa3, b'G', b'E', b'T']) },
        Record::Past(ByteBuf::from(vec![0x81, 0xa1, b'b', 0xc0])),
    ];
    all.into_iter().map(record).collect()
}

fn response(status: u16) -> HttpResponse {
    let headers = vec![("content-type".into(), "application/json".into()), ("x-twice".into(), "1".into())];
    HttpResponse { status, headers, body: Bytes::from_static(b"{\"id\":\xff}") }
}

/// What guests were answered, as journals keep it. An answer that is not named does not compile.
pub(crate) fn answers() -> Vec<Sample> {
    let text = || "why not".to_owned();
    let http: [HttpAnswer; 7] = [
        Ok(response(201)),
        Err(HttpError::AccessDenied(text())),
        Err(HttpError::Invalid(text())),
        Err(HttpError::Unavailable(text())),
        Err(HttpError::Timeout(text())),
        Err(HttpError::InDoubt(text())),
        Err(HttpError::TooLarge(text())),
    ];
    let http_name = |answer: &HttpAnswer| match answer {
        Ok(_) => "http-response",
        Err(HttpError::AccessDenied(_)) => "http-access-denied",
        Err(HttpError::Invalid(_)) => "http-invalid",
        Err(HttpError::Unavailable(_)) => "http-unavailable",
        Err(HttpError::Timeout(_)) => "http-timeout",
        Err(HttpError::InDoubt(_)) => "http-in-doubt",
        Err(HttpError::TooLarge(_)) => "http-too-large",
    };
    let entry = || KvEntry { value: ByteBuf::from(vec![0, 255]), version: "7".into() };
    let kv: [KvAnswer; 10] = [
        Ok(KvValue::Entry(Some(entry()))),
        Ok(KvValue::Entries(vec![None, Some(entry())])),
        Ok(KvValue::Done),
        Ok(KvValue::Flag(true)),
        Ok(KvValue::Page { keys: vec!["a".into()], next: Some("b".into()) }),
        Ok(KvValue::Sum(i64::MIN)),
        Err(KvError::AccessDenied(text())),
        Err(KvError::Invalid(text())),
        Err(KvError::Quota(text())),
        Err(KvError::Unavailable(text())),
    ];
    let kv_name = |answer: &KvAnswer| match answer {
        Ok(KvValue::Entry(_)) => "kv-entry",
        Ok(KvValue::Entries(_)) => "kv-entries",
        Ok(KvValue::Done) => "kv-done",
        Ok(KvValue::Flag(_)) => "kv-flag",
        Ok(KvValue::Page { .. }) => "kv-page",
        Ok(KvValue::Sum(_)) => "kv-sum",
        Err(KvError::AccessDenied(_)) => "kv-access-denied",
        Err(KvError::Invalid(_)) => "kv-invalid",
        Err(KvError::Quota(_)) => "kv-quota",
        Err(KvError::Unavailable(_)) => "kv-unavailable",
    };
    let events: [EventsAnswer; 6] = [
        Ok(vec!["01KJ".into(), "own-id".into()]),
        Err(EventsError::AccessDenied(text())),
        Err(EventsError::Invalid(text())),
        Err(EventsError::Quota(text())),
        Err(EventsError::Unavailable(text())),
        Err(EventsError::TooLarge(text())),
    ];
    let events_name = |answer: &EventsAnswer| match answer {
        Ok(_) => "events-ids",
        Err(EventsError::AccessDenied(_)) => "events-access-denied",
        Err(EventsError::Invalid(_)) => "events-invalid",
        Err(EventsError::Quota(_)) => "events-quota",
        Err(EventsError::Unavailable(_)) => "events-unavailable",
        Err(EventsError::TooLarge(_)) => "events-too-large",
    };
    let http = http.into_iter().map(|answer| packed("answers", http_name(&answer), answer));
    let kv = kv.into_iter().map(|answer| packed("answers", kv_name(&answer), answer));
    let settings = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
    let events = events.into_iter().map(|answer| packed("answers", events_name(&answer), answer));
    let outward = named(sql()).chain(named(messaging())).chain(named(blob())).chain(named(email()));
    http.chain(kv).chain(events).chain([packed("answers", "config", settings)]).chain(outward).collect()
}

/// An answer and the name of its file.
type Named<A> = Vec<(&'static str, A)>;

fn named<A>(answers: Named<A>) -> impl Iterator<Item = Sample>
where
    A: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug + 'static,
{
    answers.into_iter().map(|(name, answer)| packed("answers", name, answer))
}

fn first<A: Serialize>(answers: Named<A>) -> Vec<u8> {
    encode_answer(&answers[0].1)
}

fn why() -> String {
    "why not".into()
}

fn sql() -> Named<SqlAnswer> {
    let change = Change { rows: 3, last_id: Some(-1) };
    let columns = vec![Column { name: "id".into(), type_name: "int8".into() }];
    let values = [
        SqlValue::Null,
        SqlValue::Boolean(true),
        SqlValue::Integer(i64::MIN),
        SqlValue::Float(0.5),
        SqlValue::Text("ä".into()),
        SqlValue::Bytes(ByteBuf::from(vec![0, 255])),
    ];
    let table = Table { columns, rows: values.into_iter().map(|value| vec![value]).collect() };
    vec![
        ("sql-change", Ok(SqlDone::Change(change.clone()))),
        ("sql-table", Ok(SqlDone::Table(table))),
        ("sql-changes", Ok(SqlDone::Changes(vec![change]))),
        ("sql-access-denied", Err(SqlError::AccessDenied(why()))),
        ("sql-database", Err(SqlError::Database { code: "23505".into(), message: why() })),
        ("sql-conflict", Err(SqlError::Conflict(why()))),
        ("sql-unavailable", Err(SqlError::Unavailable(why()))),
        ("sql-timeout", Err(SqlError::Timeout(why()))),
        ("sql-in-doubt", Err(SqlError::InDoubt(why()))),
        ("sql-too-large", Err(SqlError::TooLarge(why()))),
    ]
}

fn messaging() -> Named<MessagingAnswer> {
    let reply = Message {
        topic: "a".into(),
        key: Some("k".into()),
        content_type: Some("text/plain".into()),
        headers: vec![("h".into(), "v".into())],
        data: ByteBuf::from(vec![0, 255]),
    };
    vec![
        ("messaging-confirmed", Ok(None)),
        ("messaging-reply", Ok(Some(reply))),
        ("messaging-access-denied", Err(MessagingError::AccessDenied(why()))),
        ("messaging-refused", Err(MessagingError::Refused(why()))),
        ("messaging-unavailable", Err(MessagingError::Unavailable(why()))),
        ("messaging-timeout", Err(MessagingError::Timeout(why()))),
        ("messaging-too-large", Err(MessagingError::TooLarge(why()))),
    ]
}

fn blob() -> Named<BlobAnswer> {
    let info = ObjectInfo {
        name: "a/b".into(),
        size: u64::MAX,
        content_type: Some("text/plain".into()),
        modified: "2026-01-01T00:00:00Z".into(),
        etag: "e".into(),
        metadata: vec![("m".into(), "v".into())],
    };
    vec![
        ("blob-written", Ok(BlobDone::Written("e".into()))),
        ("blob-info", Ok(BlobDone::Info(Some(info.clone())))),
        ("blob-data", Ok(BlobDone::Data(Some(ByteBuf::from(vec![0, 255]))))),
        ("blob-removed", Ok(BlobDone::Removed)),
        ("blob-page", Ok(BlobDone::Page { objects: vec![info], next: Some("b".into()) })),
        ("blob-access-denied", Err(BlobError::AccessDenied(why()))),
        ("blob-invalid", Err(BlobError::Invalid(why()))),
        ("blob-refused", Err(BlobError::Refused(why()))),
        ("blob-unavailable", Err(BlobError::Unavailable(why()))),
        ("blob-too-large", Err(BlobError::TooLarge(why()))),
    ]
}

fn email() -> Named<EmailAnswer> {
    vec![
        ("email-accepted", Ok("<1@example.com>".into())),
        ("email-access-denied", Err(EmailError::AccessDenied(why()))),
        ("email-invalid", Err(EmailError::Invalid(why()))),
        ("email-refused", Err(EmailError::Refused(why()))),
        ("email-unavailable", Err(EmailError::Unavailable(why()))),
        ("email-too-large", Err(EmailError::TooLarge(why()))),
        ("email-in-doubt", Err(EmailError::InDoubt(why()))),
    ]
}

/// The other values of rows.
pub(crate) fn values() -> Vec<Sample> {
    let digest = Digest::of(b"artifact");
    let version = Version {
        number: 3,
        manifest: manifest::parse_toml(MANIFEST, "jackfield.toml").unwrap_or_else(|problems| panic!("{problems:?}")),
        artifacts: [(name("sync"), digest), (name("quiet"), digest)].into(),
    };
    let connection = Connection {
        name: name("github"),
        kind: "http".into(),
        settings: [("base".to_owned(), "https://api.github.com".into())].into_iter().collect(),
        integrations: vec![name("demo")],
        set: Timestamp(5),
    };
    let token = Token {
        name: name("ci"),
        rights: vec![Right::Read, Right::Deploy, Right::Secrets, Right::Admin],
        made: Timestamp(1),
        expires: Some(Timestamp(2)),
    };
    vec![
        packed("values", "event", event(b"{\"n\":1}")),
        packed("values", "event-least", least()),
        packed("values", "output", output()),
        packed("values", "attempt", attempt()),
        json("version", version),
        json("inspection", inspection()),
        json("connection", connection),
        json("token", token),
    ]
}

/// What an upload said.
pub(crate) fn inspection() -> Inspection {
    Inspection {
        digest: Digest::of(b"artifact"),
        size: 1 << 33,
        needs: vec![Capability::Config, Capability::Kv, Capability::Http],
        imports: vec!["wasi:io/poll@0.2.6".into()],
        exports: vec!["jackfield:plugin/handler@0.1.0".into()],
        unknown_imports: vec![],
        handles_events: true,
        handles_requests: false,
        producers: vec!["Rust 1.95.0".into()],
    }
}

/// An event with everything.
pub(crate) fn event(data: &'static [u8]) -> Event {
    Event {
        id: "1".into(),
        source: "/hooks/demo/announced".into(),
        event_type: "jackfield.webhook".into(),
        subject: Some("issue 5".into()),
        time: Some("2026-01-01T00:00:00.000Z".into()),
        content_type: Some("application/json".into()),
        schema: Some("https://example.com/schema".into()),
        extensions: vec![("tenant".into(), "a".into())],
        meta: vec![("method".into(), "POST".into()), ("header:x".into(), "y".into())],
        data: Bytes::from_static(data),
    }
}

fn least() -> Event {
    let text = String::new;
    Event {
        id: text(),
        source: text(),
        event_type: text(),
        subject: None,
        time: None,
        content_type: None,
        schema: None,
        extensions: vec![],
        meta: vec![],
        data: Bytes::new(),
    }
}

/// An output with everything.
pub(crate) fn output() -> Output {
    Output {
        status: Some(202),
        content_type: Some("text/plain".into()),
        headers: vec![("x-a".into(), "b".into())],
        data: Bytes::from_static(b"hello\x00\xff"),
    }
}

/// An attempt with everything.
pub(crate) fn attempt() -> AttemptRecord {
    let call = CallSummary {
        call: 1,
        capability: Capability::Http,
        what: "GET github /user".into(),
        result: "200".into(),
        took_ms: 12,
        replayed: true,
        in_doubt: false,
    };
    AttemptRecord {
        number: 2,
        started: Timestamp(1_767_225_600_000),
        ended: Timestamp(1_767_225_601_500),
        outcome: "failed".into(),
        reason: Some("Error: no".into()),
        stack: Some("at a\nat b".into()),
        usage: Usage {
            wall: Duration::from_millis(1_500),
            cpu: Duration::from_micros(250),
            start: Duration::from_nanos(99),
            memory_peak_bytes: 1 << 26,
            calls: 1,
            replayed: 1,
            sent_bytes: 10,
            received_bytes: 20,
        },
        refused: Some("http GET evil".into()),
        calls: vec![call],
    }
}

/// A manifest with everything.
pub(crate) const MANIFEST: &str = r#"manifest_version = 1

[integration]
name = "demo"
description = "Everything a manifest may say"

[connections]
github = { kind = "http" }

[[trigger]]
name = "announced"
kind = "webhook"
component = "sync"
verify = { scheme = "standard-webhooks", secret = "signing" }
respond = true
rate = { per_second = 5, burst = 20 }

[[trigger]]
name = "by-hand"
kind = "manual"
component = "sync"

[[trigger]]
name = "sweep"
kind = "cron"
component = "sync"
schedule = "*/5 * * * *"
timezone = "Europe/Berlin"
misfire = { all = 10 }
overlap = "queue"

[[trigger]]
name = "beat"
kind = "interval"
component = "quiet"
every = "90s"
misfire = "skip"
overlap = "allow"

[component.sync]
source = "dist/sync.wasm"
limits = { memory = "64MiB", timeout = "30s", calls = 10, http_body = 4096 }
retry = { first = "500ms", longest = "5m", for = "12h", attempts = 9 }

[component.sync.grants]
http = [
  { connection = "github", methods = ["POST"], paths = ["/repos/*/*/issues"], in_doubt = "retry" },
  { url = "https://api.example.com/v1", methods = ["GET", "HEAD"], paths = ["/**"], redirects = 3 },
]
kv = [{ prefix = "seen/" }, { prefix = "", access = "read" }]
config = ["repository"]

[component.sync.build]
command = "npm run build"
watch = ["src/**"]

[component.quiet]
source = "dist/quiet.wasm"
grants = { deny = ["http", "kv"] }
"#;
