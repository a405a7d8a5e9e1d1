//! A whole database as text: filled through the store, dumped, loaded again, and read through the store.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::clock::fake::{FakeClock, FakeRng};
use jackfield_core::clock::{Clock as _, Timestamp};
use jackfield_core::grant::Capability;
use jackfield_core::hatch::testing::{chunk, name, scope};
use jackfield_core::ids::RunId;
use jackfield_core::journal::{ArgumentHash, Class, Record, What};
use jackfield_core::manifest;
use jackfield_core::ports::kv::{Assignment, KvCall};
use jackfield_core::release::{Overlap, Version};
use jackfield_core::run::Target;
use jackfield_core::seal::{MasterKey, SecretAad};
use jackfield_core::store::Store;
use jackfield_core::store::admin::{AdminStore as _, Right, Token};
use jackfield_core::store::kv::LocalCall;
use jackfield_core::store::queue::{Claim, Ending, JournalEnd, Needs, NewRun, Room, RunFilter, Settle};
use jackfield_core::store::registry::{Binding, Connection};
use jackfield_core::store::schedules::Tick;
use jackfield_core::store::sqlite::{SqliteOptions, SqliteStore};
use rusqlite::types::Value as Sql;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::golden::samples;

const MASTER: [u8; 32] = [7; 32];
const LARGE: &[u8] = &[b'x'; 5000];

fn open(folder: &Path, later: Duration) -> (SqliteStore, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::default());
    clock.advance(later);
    let options = SqliteOptions::new(Arc::<FakeClock>::clone(&clock), Arc::new(FakeRng::new(73)));
    (SqliteStore::open(folder, options).expect("it opens"), clock)
}

/// Fills a database of today's schema; gives its number and the dump.
pub(crate) async fn dump() -> (u32, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, clock) = open(folder.path(), Duration::ZERO);
    registry(&store, clock.now()).await;
    runs(&store, &clock).await;
    store.close().await;
    let conn = rusqlite::Connection::open(folder.path().join("jackfield.db")).expect("it opens");
    let schema = conn.query_row("SELECT max(number) FROM migrations", [], |row| row.get(0)).expect("it is there");
    (schema, text(&conn).expect("it reads"))
}

async fn registry(store: &dyn Store, now: Timestamp) {
    let dev = || scope().environment;
    let manifest = manifest::parse_toml(samples::MANIFEST, "jackfield.toml").expect("a good manifest");
    let digest = samples::inspection().digest;
    store.add_artifact(samples::inspection(), now).await.expect("stored");
    let artifacts = [(name("sync"), digest), (name("quiet"), digest)].into();
    let number = store.add_version(Version { number: 0, manifest, artifacts }, now).await.expect("stored");
    let hooks = vec![(name("announced"), "a-token-of-the-hook".to_owned())];
    store.release(dev(), name("demo"), number, hooks, "anna".into(), now).await.expect("released");
    let connection = Connection {
        name: name("github-test"),
        kind: "http".into(),
        settings: [("base".to_owned(), json!("https://api.github.com"))].into_iter().collect(),
        integrations: vec![name("demo")],
        set: now,
    };
    store.set_connection(dev(), connection).await.expect("stored");
    let binding = Binding { scope: scope(), name: name("github"), connection: name("github-test") };
    store.bind(binding).await.expect("stored");
    store.set_config(scope(), name("repository"), Some(json!({"a": [1, null]}))).await.expect("stored");
    let aad = SecretAad { environment: "dev", name: "signing", version: 1 };
    let sealed = MasterKey::from_bytes(MASTER).seal(&FakeRng::new(5), &aad, &SecretString::from("whsec"));
    store.set_secret(dev(), name("signing"), 1, sealed, now).await.expect("stored");
    let token = Token { name: name("ci"), rights: vec![Right::Read, Right::Admin], made: now, expires: None };
    store.add_token(token, [1; 32]).await.expect("stored");
    store.audit(now, "anna".into(), "deploy".into(), "demo 1".into()).await.expect("stored");
    store.set_meta_once("installation-key", vec![1, 2, 3]).await.expect("stored");
}

fn new_run(clock: &FakeClock, id: u8, trigger: &str, data: &'static [u8], dedupe: bool) -> NewRun {
    clock.advance(Duration::from_millis(10));
    let mut event = samples::event(data);
    event.id = format!("event-{id}");
    NewRun {
        id: RunId::new(clock, &FakeRng::new(id.into())),
        target: Target {
            environment: name("dev"),
            integration: name("demo"),
            version: 1,
            component: name("sync"),
            trigger: name(trigger),
        },
        event: Arc::new(event),
        order: None,
        dedupe,
        needs: Needs { memory_bytes: 64 << 20, concurrency: 8 },
        due: clock.now(),
    }
}

/// A run in each state.
async fn runs(store: &dyn Store, clock: &FakeClock) {
    let endings = [
        Settle::Succeeded,
        Settle::DeadLettered { reason: "it gave up".into() },
        Settle::DeadLettered { reason: "it gave up, too".into() },
        Settle::Cancelled,
        Settle::Parked { reason: "call 1 may have happened".into() },
        Settle::Waiting { due: clock.now().plus(Duration::from_secs(3600)), hard: true },
    ];
    let mut ended = Vec::new();
    for (id, then) in (1..).zip(endings) {
        let run = new_run(clock, id, "announced", if id == 1 { LARGE } else { b"small" }, true);
        ended.push(run.id);
        store.accept(vec![run]).await.expect("accepted");
        let claim = claim(store).await;
        journal(store, &claim).await;
        let output = matches!(then, Settle::Succeeded).then(samples::output);
        let ending = Ending { attempt: samples::attempt(), output, then, journal: JournalEnd::Keep(None) };
        store.settle(claim.fence, ending).await.expect("settled");
    }
    store.discard("request-1".into(), vec![ended[2]]).await.expect("discarded");
    // One is in an attempt when the process ends, one has not begun.
    store.accept(vec![new_run(clock, 20, "by-hand", b"small", false)]).await.expect("accepted");
    journal(store, &claim(store).await).await;
    let tick = Tick {
        scope: scope(),
        trigger: name("beat"),
        timing: "every 90s".into(),
        from: store.cursors().await.expect("it reads").iter().find(|c| c.trigger.as_str() == "beat").expect("one").at,
        to: clock.now().plus(Duration::from_secs(90)),
        run: Some(NewRun { due: clock.now().plus(Duration::from_secs(7200)), ..new_run(clock, 21, "beat", b"", true) }),
        late: Some((3, clock.now())),
        overlap: Overlap::Allow,
    };
    store.tick(tick).await.expect("stored");
}

async fn claim(store: &dyn Store) -> Claim {
    let room = Room { slots: 1, memory_bytes: u64::MAX };
    store.claim(room).await.expect("claimed").pop().expect("one is due")
}

async fn journal(store: &dyn Store, claim: &Claim) {
    let (what, hash) = (What { capability: Capability::Http, text: "POST github /a".into() }, ArgumentHash::of([]));
    let intent = Record::Intent { call: 1, what, hash, generation: 0, class: Class::Unkeyed };
    store.append(claim.fence, chunk(0, &[Record::Block, intent])).await.expect("appended");
    let what = What { capability: Capability::Kv, text: "set seen/1".into() };
    let hash = ArgumentHash::of([b"kv".as_slice()]);
    let set = Assignment { key: "seen/1".into(), value: serde_bytes::ByteBuf::from(vec![1, 2]), ttl_seconds: None };
    let local = LocalCall { chunk: chunk(1, &[]), call: 2, what, hash };
    store.kv_write(claim.fence, scope(), KvCall::Set(set), local).await.expect("written").expect("allowed");
}

/// Loads a dump into a new database, opens it with this build, and reads all of it.
pub(crate) async fn read_dump(dump: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let conn = rusqlite::Connection::open(folder.path().join("jackfield.db")).expect("it opens");
    conn.execute_batch(dump).expect("it loads");
    drop(conn);
    let (store, _) = open(folder.path(), Duration::from_secs(60));
    let found = read(&store).await;
    store.close().await;
    found
}

async fn read(store: &dyn Store) -> Value {
    let dev = scope().environment;
    let (environments, hooks) = (store.environments().await.expect("read"), store.hooks().await.expect("read"));
    let releases: Vec<Value> = store
        .releases()
        .await
        .expect("read")
        .into_iter()
        .map(|release| json!([release.environment, release.version, release.since]))
        .collect();
    let activations: Vec<Value> = store
        .activations(&name("demo"), 10)
        .await
        .expect("read")
        .into_iter()
        .map(|one| json!([one.environment, one.number, one.at, one.who]))
        .collect();
    let (number, sealed) = store.secret(&dev, &name("signing")).await.expect("read").expect("it is there");
    let aad = SecretAad { environment: "dev", name: "signing", version: number };
    let secret = MasterKey::from_bytes(MASTER).open(&aad, &sealed).expect("it opens");
    let cursors: Vec<Value> = store
        .cursors()
        .await
        .expect("read")
        .into_iter()
        .map(|c| json!([c.scope, c.trigger, c.timing, c.since, c.at, c.fired, c.passed, c.skipped]))
        .collect();
    let mut runs = Vec::new();
    for run in store.runs(RunFilter { limit: 1_000, ..RunFilter::default() }).await.expect("read") {
        let chunks = store.load(run.id).await.expect("read");
        let journal: Vec<String> = chunks
            .iter()
            .flat_map(|chunk| jackfield_core::journal::decode(chunk).expect("it reads"))
            .map(|record| format!("{record:?}"))
            .collect();
        runs.push(shortened(json!({ "run": store.run(run.id).await.expect("read"), "journal": journal })));
    }
    json!({
        "environments": environments,
        "releases": releases,
        "activations": activations,
        "hooks": hooks,
        "connections": store.connections(&dev).await.expect("read"),
        "bindings": store.bindings(&dev).await.expect("read"),
        "config": store.config(&scope()).await.expect("read"),
        "secrets": store.secrets(&dev).await.expect("read"),
        "secret": secret.expose_secret(),
        "tokens": store.tokens().await.expect("read"),
        "audit": store.audit_trail(10).await.expect("read"),
        "meta": store.meta("installation-key").await.expect("read"),
        "kv": format!("{:?}", store.kv_read(&scope(), &KvCall::Get("seen/1".into())).await.expect("read")),
        "cursors": cursors,
        "runs": runs,
    })
}

/// With long lists of bytes as their digests.
fn shortened(value: Value) -> Value {
    match value {
        Value::Array(list) if list.len() > 64 => {
            let bytes: Vec<u8> = list.iter().map(|byte| byte.as_u64().expect("a byte") as u8).collect();
            format!("{} bytes, {}", bytes.len(), jackfield_core::artifact::Digest::of(&bytes)).into()
        }
        Value::Array(list) => list.into_iter().map(shortened).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, shortened(value))).collect(),
        other => other,
    }
}

/// The first thing of `expected` that `found` lacks or has otherwise. It may have more.
pub(crate) fn lacks(found: &Value, expected: &Value, at: &str) -> Option<String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected.iter().find_map(|(key, value)| {
            let at = format!("{at}.{key}");
            match found.get(key) {
                Some(found) => lacks(found, value, &at),
                None => Some(format!("{at} is not there")),
            }
        }),
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => found
            .iter()
            .zip(expected)
            .enumerate()
            .find_map(|(place, (found, expected))| lacks(found, expected, &format!("{at}[{place}]"))),
        _ if found == expected => None,
        _ => Some(format!("{at} is {found}, not {expected}")),
    }
}

/// Schema and rows, as statements that make them again.
fn text(conn: &rusqlite::Connection) -> rusqlite::Result<String> {
    let mut out = String::from("PRAGMA foreign_keys = OFF;\nBEGIN;\n");
    let mut schema = conn.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'
         ORDER BY type = 'index', rowid",
    )?;
    let things: Vec<(String, String, String)> =
        schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (_, _, sql) in &things {
        let _ = writeln!(out, "{sql};");
    }
    for (_, table, _) in things.iter().filter(|(kind, _, _)| kind == "table") {
        let mut select = conn.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = select.column_count();
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<String> =
                (0..columns).map(|column| Ok(literal(&row.get(column)?))).collect::<rusqlite::Result<_>>()?;
            let _ = writeln!(out, "INSERT INTO \"{table}\" VALUES ({});", values.join(", "));
        }
    }
    out.push_str("COMMIT;\n");
    Ok(out)
}

fn literal(value: &Sql) -> String {
    match value {
        Sql::Null => "NULL".into(),
        Sql::Integer(number) => number.to_string(),
        Sql::Real(number) => format!("{number:?}"),
        Sql::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Sql::Blob(bytes) => format!("x'{}'", data_encoding::HEXLOWER.encode(bytes)),
    }
}
