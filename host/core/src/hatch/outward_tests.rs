//! Statements, messages, objects and mail through the hatch, with a connector that does as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_bytes::ByteBuf;
use serde_json::{Map, Value};

use super::Hatch;
use super::testing::{Rig, RigOptions, name};
use crate::clock::SystemClock;
use crate::grant::{BlobGrant, Capability, EmailGrant, Grants, MessagingAction, MessagingGrant, SqlGrant};
use crate::limits::Limits;
use crate::lock::locked;
use crate::ports::blob::{Blob, BlobCall, BlobDone, BlobError, Object};
use crate::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem};
use crate::ports::email::{Email, EmailError, Mail};
use crate::ports::messaging::{Message, Messaging, MessagingCall, MessagingError};
use crate::ports::outward::{Failure, Sending};
use crate::ports::sql::{Change, Sql, SqlCall, SqlDone, SqlError, SqlValue, Statement, Step, Uses, Verb};
use crate::retry::RetryPolicy;

/// The other side of everything: remembers what it was asked, and answers from a list of failures, then well.
#[derive(Default)]
struct Far {
    asked: Mutex<Vec<(String, Sending)>>,
    failures: Mutex<VecDeque<Failure>>,
    ledger: bool,
}

impl Far {
    fn ask<T>(&self, what: String, with: &Sending, well: T) -> Result<T, Failure> {
        locked(&self.asked).push((what, with.clone()));
        match locked(&self.failures).pop_front() {
            Some(failure) => Err(failure),
            None => Ok(well),
        }
    }

    fn asked(&self) -> Vec<String> {
        locked(&self.asked).iter().map(|(what, _)| what.clone()).collect()
    }

    fn keys(&self) -> Vec<String> {
        locked(&self.asked).iter().map(|(_, with)| with.key.clone()).collect()
    }
}

#[async_trait]
impl Sql for Far {
    /// A grammar of two words: `select orders`, `insert into billing.x`, `call pg_sleep`.
    fn uses(&self, text: &str) -> Result<Uses, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let mut uses = Uses::default();
        match words.as_slice() {
            ["call", function] => _ = uses.functions.insert((*function).to_owned()),
            [verb, .., table] => {
                let verb = Verb::ALL.into_iter().find(|known| known.label() == *verb);
                uses.tables.insert((verb.ok_or("it is not a statement")?, (*table).to_owned()));
            }
            _ => return Err("it is not a statement".into()),
        }
        Ok(uses)
    }
    fn schema(&self) -> &str {
        "public"
    }
    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
    async fn keyed(&self, _: Duration) -> Result<bool, Failure> {
        Ok(self.ledger)
    }
    async fn run(&self, call: &SqlCall, reads: bool, with: &Sending) -> Result<SqlDone, Failure> {
        let texts: Vec<&str> = call.statements().map(|statement| statement.text.as_str()).collect();
        let change = Change { rows: 1, last_id: None };
        let done = match call {
            SqlCall::Batch(steps) => SqlDone::Changes(vec![change; steps.len()]),
            _ => SqlDone::Change(change),
        };
        self.ask(format!("{}{}", if reads { "read: " } else { "" }, texts.join("; ")), with, done)
    }
}

#[async_trait]
impl Messaging for Far {
    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
    async fn run(&self, call: &MessagingCall, with: &Sending) -> Result<Option<Message>, Failure> {
        let topics: Vec<&str> = call.messages().iter().map(|message| message.topic.as_str()).collect();
        self.ask(topics.join(","), with, None)
    }
}

#[async_trait]
impl Blob for Far {
    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
    async fn run(&self, call: &BlobCall, with: &Sending) -> Result<BlobDone, Failure> {
        let done = if call.place().1 { BlobDone::Written("1".into()) } else { BlobDone::Data(None) };
        self.ask(call.place().0.to_owned(), with, done)
    }
}

#[async_trait]
impl Email for Far {
    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
    fn sender(&self) -> Option<&str> {
        Some("noreply@example.com")
    }
    fn address(&self, text: &str) -> Result<String, String> {
        let bare = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end_matches('>'));
        if bare.contains('@') { Ok(bare.into()) } else { Err(format!("`{bare}` is no address")) }
    }
    async fn send(&self, mail: &Mail, with: &Sending) -> Result<String, Failure> {
        self.ask(mail.to.join(","), with, "<1@example.com>".into())
    }
}

struct FarConnector(Arc<Far>);

#[async_trait]
impl Connector for FarConnector {
    fn kind(&self) -> &'static str {
        "http"
    }
    fn serves(&self) -> &'static [Capability] {
        &[Capability::Sql, Capability::Messaging, Capability::Blob, Capability::Email]
    }
    fn check(&self, _: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }
    fn secrets(&self, _: &Map<String, Value>) -> Vec<String> {
        vec![]
    }
    fn open(&self, _: &Map<String, Value>, _: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let far = || Arc::clone(&self.0);
        Ok(Opened { http: None, sql: Some(far()), messaging: Some(far()), blob: Some(far()), email: Some(far()) })
    }
    async fn test(&self, _: &Map<String, Value>, _: &Secrets, _: Duration) -> Vec<Finding> {
        vec![]
    }
}

fn grants() -> Grants {
    Grants {
        sql: vec![
            SqlGrant {
                connection: name("api"),
                verbs: vec![Verb::Select],
                tables: vec!["*".parse().unwrap()],
                functions: vec!["lower_all".parse().unwrap()],
                retry_in_doubt: false,
            },
            SqlGrant {
                connection: name("api"),
                verbs: vec![Verb::Insert, Verb::Update],
                tables: vec!["billing.*".parse().unwrap()],
                functions: vec![],
                retry_in_doubt: false,
            },
        ],
        messaging: vec![MessagingGrant {
            connection: name("api"),
            actions: vec![MessagingAction::Publish],
            topics: vec!["orders.*".parse().unwrap()],
        }],
        blob: vec![
            BlobGrant { connection: name("api"), prefix: "in/".into(), write: false },
            BlobGrant { connection: name("api"), prefix: "out/".into(), write: true },
        ],
        email: vec![EmailGrant {
            connection: name("api"),
            recipients: vec!["@example.com".parse().unwrap()],
            senders: vec![],
        }],
        ..Grants::default()
    }
}

async fn rig(far: Far, limits: Limits) -> (Rig, Arc<Hatch>, Arc<Far>) {
    let far = Arc::new(far);
    let options = RigOptions {
        clock: Arc::new(SystemClock),
        limits,
        grants: grants(),
        retry: RetryPolicy::default(),
        keyed: false,
    };
    let rig = Rig::over(options, Arc::new(FarConnector(Arc::clone(&far))), Map::new()).await;
    rig.accept("").await;
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    (rig, hatch, far)
}

async fn usual() -> (Rig, Arc<Hatch>, Arc<Far>) {
    rig(Far::default(), Limits::default()).await
}

fn statement(text: &str) -> Statement {
    Statement { text: text.into(), parameters: vec![] }
}

async fn execute(hatch: &Arc<Hatch>, text: &str) -> Result<SqlDone, SqlError> {
    let call = hatch.number().unwrap();
    hatch.sql(call, "api".into(), SqlCall::Execute(statement(text))).await.unwrap()
}

fn message(topic: &str) -> Message {
    Message { topic: topic.into(), key: None, content_type: None, headers: vec![], data: ByteBuf::from(b"x".to_vec()) }
}

async fn publish(hatch: &Arc<Hatch>, messages: Vec<Message>) -> Result<Option<Message>, MessagingError> {
    let call = hatch.number().unwrap();
    hatch.messaging(call, "api".into(), MessagingCall::Publish(messages)).await.unwrap()
}

async fn blob(hatch: &Arc<Hatch>, request: BlobCall) -> Result<BlobDone, BlobError> {
    let call = hatch.number().unwrap();
    hatch.blob(call, "api".into(), request).await.unwrap()
}

fn mail(to: &str) -> Mail {
    Mail {
        sender: None,
        to: vec![to.into()],
        cc: vec![],
        bcc: vec![],
        reply_to: vec![],
        subject: "Invoice".into(),
        text: Some("Here it is".into()),
        html: None,
        headers: vec![],
        attachments: vec![],
    }
}

async fn send(hatch: &Arc<Hatch>, mail: Mail) -> Result<String, EmailError> {
    let call = hatch.number().unwrap();
    hatch.email(call, "api".into(), mail).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_040_a_verb_on_a_table_is_granted_or_refused_with_the_line() {
    let (_rig, hatch, far) = usual().await;
    execute(&hatch, "select orders").await.unwrap();
    execute(&hatch, "insert into billing.invoices").await.unwrap();
    execute(&hatch, "call lower_all").await.unwrap();
    for (text, line) in [
        ("insert into orders", r#"verbs = ["insert"], tables = ["orders"]"#),
        ("select billing.invoices", r#"verbs = ["select"], tables = ["billing.invoices"]"#),
        ("delete from billing.invoices", r#"verbs = ["delete"]"#),
        ("select pg_catalog.pg_authid", r#"tables = ["pg_catalog.pg_authid"]"#),
        ("call pg_read_file", r#"functions = ["pg_read_file"]"#),
    ] {
        let answer = execute(&hatch, text).await;
        assert!(matches!(&answer, Err(SqlError::AccessDenied(told)) if told.contains(line)), "{text}: {answer:?}");
    }
    let answer = execute(&hatch, "nonsense").await;
    assert!(matches!(answer, Err(SqlError::Database { .. })), "{answer:?}");
    assert_eq!(far.asked().len(), 3, "{:?}", far.asked());
    let shown: Vec<String> = hatch.closing().calls.into_iter().map(|call| call.what).collect();
    assert!(shown.contains(&"execute api insert billing.invoices".into()), "{shown:?}");
}

/// One step of a batch that is not granted refuses the whole.
#[tokio::test(flavor = "multi_thread")]
async fn threat_040_a_batch_is_judged_by_each_of_its_statements() {
    let (_rig, hatch, far) = usual().await;
    let step = |text: &str| Step { statement: statement(text), expect_rows: None };
    let call = hatch.number().unwrap();
    let batch = SqlCall::Batch(vec![step("insert into billing.a"), step("delete from billing.a")]);
    let answer = hatch.sql(call, "api".into(), batch).await.unwrap();
    assert!(matches!(answer, Err(SqlError::AccessDenied(_))), "{answer:?}");
    for wrong in [vec![], vec![step("insert into billing.a"); 101]] {
        let call = hatch.number().unwrap();
        let answer = hatch.sql(call, "api".into(), SqlCall::Batch(wrong)).await.unwrap();
        assert!(matches!(answer, Err(SqlError::Database { .. })), "{answer:?}");
    }
    assert!(far.asked().is_empty());
}

fn broken() -> Failure {
    Failure::Broken { message: "reset".into(), timed_out: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_write_in_doubt_is_made_again_only_with_a_ledger() {
    let far = Far { failures: Mutex::new([broken()].into()), ..Far::default() };
    let (_rig, hatch, far) = rig(far, Limits::default()).await;
    let answer = execute(&hatch, "insert into billing.a").await;
    assert!(matches!(answer, Err(SqlError::InDoubt(_))), "{answer:?}");
    assert_eq!(far.asked().len(), 1);
    assert!(hatch.closing().in_doubt.is_some_and(|(_, what)| what.contains("insert billing.a")));

    let far = Far { failures: Mutex::new([broken()].into()), ledger: true, ..Far::default() };
    let (_rig, hatch, far) = rig(far, Limits::default()).await;
    execute(&hatch, "insert into billing.a").await.unwrap();
    let keys = far.keys();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1], "the same key however often");
    assert_eq!(hatch.closing().in_doubt, None);
}

/// A read runs where nothing can be changed, and is asked again freely.
#[tokio::test(flavor = "multi_thread")]
async fn p3_a_read_is_never_in_doubt() {
    let far = Far { failures: Mutex::new([broken(), broken()].into()), ..Far::default() };
    let (_rig, hatch, far) = rig(far, Limits::default()).await;
    execute(&hatch, "select orders").await.unwrap();
    assert_eq!(far.asked(), ["read: select orders"; 3]);
    assert_eq!(hatch.closing().in_doubt, None);
}

/// What a retried attempt asks again is answered from the journal; a write that was done is never made again.
#[tokio::test(flavor = "multi_thread")]
async fn p2_a_statement_that_succeeded_is_not_made_again() {
    let far = Arc::new(Far::default());
    let options = RigOptions {
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
        grants: grants(),
        retry: RetryPolicy::default(),
        keyed: false,
    };
    let rig = Rig::over(options, Arc::new(FarConnector(Arc::clone(&far))), Map::new()).await;
    rig.accept("").await;
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    let first = execute(&hatch, "insert into billing.a").await.unwrap();
    send(&hatch, mail("jane@example.com")).await.unwrap();
    publish(&hatch, vec![message("orders.new")]).await.unwrap();
    blob(&hatch, BlobCall::Remove("out/a".into())).await.unwrap();
    hatch.finish().await;
    drop((hatch, claim));
    let rig = rig.reopen().await;
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    assert_eq!(execute(&hatch, "insert into billing.a").await.unwrap(), first);
    send(&hatch, mail("jane@example.com")).await.unwrap();
    assert_eq!(far.asked().len(), 4, "{:?}", far.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_016_what_is_too_large_is_not_sent() {
    let limits = Limits { sql_bytes: 1024, message_bytes: 10, blob_bytes: 10, email_bytes: 100, ..Limits::default() };
    let (_rig, hatch, far) = rig(Far::default(), limits).await;
    let call = hatch.number().unwrap();
    let large = SqlValue::Text("a".repeat(2_000));
    let statement = Statement { text: "select orders".into(), parameters: vec![large] };
    let answer = hatch.sql(call, "api".into(), SqlCall::Query(statement)).await.unwrap();
    assert!(matches!(&answer, Err(SqlError::TooLarge(text)) if text.contains("limits.sql_bytes")), "{answer:?}");
    let large = Message { data: ByteBuf::from(vec![0; 11]), ..message("orders.new") };
    let answer = publish(&hatch, vec![message("orders.new"), large]).await;
    assert!(matches!(&answer, Err(MessagingError::TooLarge(text)) if text.contains("message 2")), "{answer:?}");
    let object =
        Object { name: "out/a".into(), content_type: None, metadata: vec![], data: ByteBuf::from(vec![0; 11]) };
    let answer = blob(&hatch, BlobCall::Put(object)).await;
    assert!(matches!(&answer, Err(BlobError::TooLarge(text)) if text.contains("limits.blob")), "{answer:?}");
    let answer = send(&hatch, Mail { text: Some("a".repeat(100)), ..mail("jane@example.com") }).await;
    assert!(matches!(&answer, Err(EmailError::TooLarge(text)) if text.contains("limits.email")), "{answer:?}");
    assert!(far.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_granted_with_their_action() {
    let (_rig, hatch, far) = usual().await;
    publish(&hatch, vec![message("orders.new"), message("orders.paid")]).await.unwrap();
    let answer = publish(&hatch, vec![message("orders.new"), message("secrets")]).await;
    let line = r#"topics = ["secrets"]"#;
    assert!(matches!(&answer, Err(MessagingError::AccessDenied(told)) if told.contains(line)), "{answer:?}");
    let call = hatch.number().unwrap();
    let request = MessagingCall::Request { message: message("orders.new"), timeout_ms: 10 };
    let answer = hatch.messaging(call, "api".into(), request).await.unwrap();
    let line = r#"actions = ["request"]"#;
    assert!(matches!(&answer, Err(MessagingError::AccessDenied(told)) if told.contains(line)), "{answer:?}");
    let headers = vec![("a\nb".into(), "c".into())];
    let answer = publish(&hatch, vec![Message { headers, ..message("orders.new") }]).await;
    assert!(matches!(answer, Err(MessagingError::Refused(_))), "{answer:?}");
    assert_eq!(far.asked(), ["orders.new,orders.paid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_granted_by_the_beginning_of_their_names() {
    let (_rig, hatch, far) = usual().await;
    let get = |name: &str| BlobCall::Get { name: name.into(), range: None };
    blob(&hatch, get("in/a")).await.unwrap();
    blob(&hatch, BlobCall::Remove("out/a".into())).await.unwrap();
    for refused in [get("other/a"), BlobCall::Remove("in/a".into()), get("inside")] {
        let answer = blob(&hatch, refused.clone()).await;
        assert!(matches!(answer, Err(BlobError::AccessDenied(_))), "{refused:?}: {answer:?}");
    }
    for invalid in [get("in/../out/a"), get("in//a"), get("/in/a"), get("")] {
        let answer = blob(&hatch, invalid.clone()).await;
        assert!(matches!(answer, Err(BlobError::Invalid(_))), "{invalid:?}: {answer:?}");
    }
    assert_eq!(far.asked(), ["in/a", "out/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_039_every_recipient_is_granted_and_so_is_the_sender() {
    let (_rig, hatch, far) = usual().await;
    send(&hatch, mail("Jane <jane@example.com>")).await.unwrap();
    let own = Mail { sender: Some("noreply@example.com".into()), ..mail("jane@example.com") };
    send(&hatch, own).await.unwrap();
    for refused in [
        mail("jane@elsewhere.net"),
        Mail { bcc: vec!["spy@elsewhere.net".into()], ..mail("jane@example.com") },
        Mail { sender: Some("boss@example.com".into()), ..mail("jane@example.com") },
    ] {
        let answer = send(&hatch, refused.clone()).await;
        assert!(matches!(answer, Err(EmailError::AccessDenied(_))), "{refused:?}: {answer:?}");
    }
    let many = Mail { to: vec!["jane@example.com".into(); 101], ..mail("jane@example.com") };
    for invalid in [many, Mail { text: None, ..mail("jane@example.com") }, mail("nobody")] {
        let answer = send(&hatch, invalid).await;
        assert!(matches!(answer, Err(EmailError::Invalid(_))), "{answer:?}");
    }
    assert_eq!(far.asked().len(), 2, "{:?}", far.asked());
    let shown = hatch.closing().calls;
    assert!(shown.iter().all(|call| !call.what.contains('@')), "who was written to is nobody's business: {shown:?}");
}

/// A mail whose answer is missing may have been sent: it is not sent again.
#[tokio::test(flavor = "multi_thread")]
async fn p3_a_mail_in_doubt_is_not_sent_again() {
    let far = Far { failures: Mutex::new([broken()].into()), ..Far::default() };
    let (_rig, hatch, far) = rig(far, Limits::default()).await;
    let answer = send(&hatch, mail("jane@example.com")).await;
    assert!(matches!(answer, Err(EmailError::InDoubt(_))), "{answer:?}");
    assert_eq!(far.asked().len(), 1);
    assert_eq!(hatch.closing().in_doubt.map(|(_, what)| what), Some("email send api 1 recipient".into()));
}
