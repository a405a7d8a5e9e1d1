//! What only this backend does; its promises are in `promises.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::migrate::{self, Migration};
use super::stepped::Commit;
use super::{OpenError, SqliteOptions, SqliteStore};
use crate::clock::fake::{FakeClock, FakeRng};
use crate::ids::RunId;
use crate::store::promises::{
    DEAD_BYTES, Death, Harness, KV_BYTES, QUEUE_BYTES, QUEUE_RUNS, ROOM, accepted, claim_now, claim_one, dead_letter,
    new_run, success,
};
use crate::store::queue::{Fence, Retention, RunFilter, RunQueue as _};
use crate::store::{Store, StoreError};
use crate::store::{admin::AdminStore as _, journal::JournalStore as _};

struct Sqlite {
    folder: tempfile::TempDir,
    clock: Arc<FakeClock>,
    rng: Arc<FakeRng>,
    store: SqliteStore,
}

impl Sqlite {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, rng) = (Arc::new(FakeClock::default()), Arc::new(FakeRng::new(7)));
        let store = SqliteStore::open(folder.path(), options(folder.path(), &clock, &rng)).unwrap();
        Self { folder, clock, rng, store }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("jackfield.db")
    }

    fn open(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(self.folder.path(), options(self.folder.path(), &self.clock, &self.rng))
    }
}

fn options(folder: &Path, clock: &Arc<FakeClock>, rng: &Arc<FakeRng>) -> SqliteOptions {
    SqliteOptions {
        queue_runs: QUEUE_RUNS,
        queue_bytes: QUEUE_BYTES,
        dead_bytes: DEAD_BYTES,
        kv_bytes: KV_BYTES,
        crash_mark: Some(folder.join("crash-mark")),
        ..SqliteOptions::new(Arc::<FakeClock>::clone(clock), Arc::<FakeRng>::clone(rng))
    }
}

#[async_trait]
impl Harness for Sqlite {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn clock(&self) -> Arc<FakeClock> {
        Arc::clone(&self.clock)
    }

    fn rng(&self) -> Arc<FakeRng> {
        Arc::clone(&self.rng)
    }

    async fn owner_is_gone(&mut self, how: Death) {
        self.store.close().await;
        if how == Death::Marked {
            fs::write(self.folder.path().join("crash-mark"), "x").unwrap();
        }
        self.store = self.open().unwrap();
    }

    async fn runs_in_backup(&self, file: &Path) -> Vec<RunId> {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(file, folder.path().join("jackfield.db")).unwrap();
        let store = SqliteStore::open(folder.path(), options(folder.path(), &self.clock, &self.rng)).unwrap();
        let runs = store.runs(RunFilter { limit: 1_000, ..RunFilter::default() }).await.unwrap();
        store.close().await;
        runs.into_iter().map(|run| run.id).collect()
    }
}

crate::keeps_every_promise!(Sqlite::new);

#[tokio::test]
async fn a_second_process_on_the_folder_is_refused() {
    let sqlite = Sqlite::new();
    let refused = sqlite.open().err().unwrap();
    assert!(matches!(refused, OpenError::InUse(_)));
    let text = refused.to_string();
    assert!(text.contains("in use by another process") && text.contains(sqlite.folder.path().to_str().unwrap()));
    sqlite.store.close().await;
    sqlite.open().unwrap();
}

#[tokio::test]
async fn a_newer_or_a_changed_schema_is_refused() {
    let sqlite = Sqlite::new();
    sqlite.store.close().await;
    let conn = rusqlite::Connection::open(sqlite.file()).unwrap();
    let newest = migrate::ALL.last().unwrap().number;
    conn.execute("INSERT INTO migrations (number, checksum, at) VALUES (?1, x'00', 0)", [newest + 1]).unwrap();
    let refused = sqlite.open().err().unwrap();
    assert!(matches!(refused, OpenError::Newer { .. }), "{refused}");
    conn.execute("DELETE FROM migrations WHERE number = ?1", [newest + 1]).unwrap();
    conn.execute("UPDATE migrations SET checksum = zeroblob(32) WHERE number = 1", []).unwrap();
    let refused = sqlite.open().err().unwrap();
    assert!(matches!(refused, OpenError::Changed { number: 1 }), "{refused}");
}

#[test]
fn a_released_migration_is_never_edited() {
    let sums: Vec<_> = migrate::ALL.iter().map(|m| crate::artifact::Digest::of(m.sql.as_bytes()).to_string()).collect();
    let released = [
        "sha256:81ba3a69d064902362565a333fa72d2e5b873fd0757d366665fcfaf1020873f2",
        "sha256:ca532dcc632028c0642276bb6b3c778f8b69aa0d3691ee0908f7947276440ecb",
        "sha256:e0c82f64231590aecb17d8ae02801d7bff4a5883ffaf4d33025b2ada535d135d",
        "sha256:52b8b2be0447fa94f740d5eb1c8bd9a23f38feabc4535bb7c0527aee6a1702ca",
        "sha256:ae6686ced89f6cc7e535cd42c2716681e50759f424ae747636d7e250cf824677",
        "sha256:9853ba2429c481bba7ae3e27b2306c554f09a60c13b91a4d1167032932b979fa",
        "sha256:f487ff5f0f26e6fdb6d3ac213b03ae59b105011f8d67b50dbfa8c94da4c4dd3a",
    ];
    assert_eq!(sums, released);
    assert!(migrate::ALL.iter().zip(1..).all(|(migration, number)| migration.number == number));
}

#[test]
fn migrations_go_forward_one_by_one() {
    let mut conn = rusqlite::Connection::open_in_memory().unwrap();
    let first = Migration { number: 1, sql: "CREATE TABLE a (x)" };
    let second = Migration { number: 2, sql: "CREATE TABLE b (x); INSERT INTO b SELECT x FROM a" };
    let broken = Migration { number: 2, sql: "CREATE TABLE c (x); INSERT INTO nowhere VALUES (1)" };
    let now = crate::clock::Timestamp(0);
    let one = [Migration { number: 1, sql: first.sql }];
    migrate::migrate(&mut conn, &one, now).unwrap();
    conn.execute("INSERT INTO a VALUES (7)", []).unwrap();
    assert!(migrate::migrate(&mut conn, &[Migration { number: 1, sql: first.sql }, broken], now).is_err());
    assert_eq!(migrate::version(&conn).unwrap(), Some(1), "a step is taken whole or not at all");
    migrate::migrate(&mut conn, &[first, second], now).unwrap();
    assert_eq!(conn.query_row("SELECT x FROM b", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
    assert_eq!(migrate::version(&conn).unwrap(), Some(2));
}

/// What was active before activations were kept is kept as one that nobody is known for.
#[test]
fn a_release_of_an_older_ledger_is_an_activation() {
    let mut conn = rusqlite::Connection::open_in_memory().unwrap();
    let now = crate::clock::Timestamp(0);
    migrate::migrate(&mut conn, &migrate::ALL[..1], now).unwrap();
    conn.execute_batch(
        "INSERT INTO integrations (id, name) VALUES (1, 'demo');
         INSERT INTO scopes (id, environment, integration) VALUES (7, 1, 1);
         INSERT INTO releases (scope, version, since) VALUES (7, 3, 1000);",
    )
    .unwrap();
    migrate::migrate(&mut conn, migrate::ALL, now).unwrap();
    let sql = "SELECT place, version, at, who FROM activations WHERE scope = 7";
    let found = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    assert_eq!(found, Ok((1_i64, 3_i64, 1_000_i64, String::new())));
}

#[test]
fn the_linked_sqlite_is_new_enough() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn files_are_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let sqlite = Sqlite::new();
    accepted(&sqlite, "event").await;
    for name in ["jackfield.db", "jackfield.db-wal", "lock"] {
        let mode = fs::metadata(sqlite.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

/// Keeps the writer in a transaction of its own until something is sent, so that the rest gathers.
fn hold_back(sqlite: &Sqlite) -> (std::sync::mpsc::Sender<()>, crate::store::Reply<()>) {
    let (hold, held) = std::sync::mpsc::channel();
    let (begun, begins) = std::sync::mpsc::channel();
    let blocked = sqlite.store.command(0, move |_| {
        begun.send(()).ok();
        held.recv().ok();
        Ok(())
    });
    begins.recv().unwrap();
    (hold, blocked)
}

#[tokio::test]
async fn what_waits_is_committed_together_and_a_claim_costs_no_commit_of_its_own() {
    let sqlite = Sqlite::new();
    sqlite.store.writable().await.unwrap();
    let (hold, blocked) = hold_back(&sqlite);
    let claim = sqlite.store.claim(ROOM);
    let before = sqlite.store.counters();
    let replies: Vec<_> = (0..8).map(|n| sqlite.store.accept(vec![new_run(&sqlite, &format!("event-{n}"))])).collect();
    hold.send(()).unwrap();
    blocked.await.unwrap();
    for reply in replies {
        reply.await.unwrap();
    }
    assert_eq!(claim.await.unwrap().len(), 8);
    let after = sqlite.store.counters();
    // The held one, and all the others together.
    assert_eq!(after.commits - before.commits, 2);
    assert_eq!(after.commands - before.commands, 8);
    assert!(after.wal_bytes > 0);
}

#[tokio::test]
async fn a_refusal_does_not_roll_back_its_neighbours() {
    let sqlite = Sqlite::new();
    accepted(&sqlite, "event").await;
    let claim = claim_one(&sqlite).await;
    let (hold, blocked) = hold_back(&sqlite);
    let chunk = |number| crate::journal::Chunk { number, bytes: vec![1] };
    let stale = Fence { number: claim.fence.number - 1, ..claim.fence };
    let first = sqlite.store.append(claim.fence, chunk(0));
    let refused = sqlite.store.append(stale, chunk(1));
    let full = sqlite.store.accept((0..11).map(|n| new_run(&sqlite, &format!("flood-{n}"))).collect());
    let second = sqlite.store.append(claim.fence, chunk(1));
    let run = new_run(&sqlite, "event");
    let constraint = sqlite.store.command(0, |ledger| {
        ledger.conn.execute("INSERT INTO integrations (id, name) VALUES (1, 'x'), (1, 'y')", [])?;
        Ok(())
    });
    let duplicate = sqlite.store.accept(vec![run]);
    hold.send(()).unwrap();
    blocked.await.unwrap();
    assert_eq!(first.await, Ok(()));
    assert!(matches!(refused.await, Err(StoreError::Superseded { .. })));
    assert!(matches!(full.await, Err(StoreError::QueueFull(_))));
    assert!(matches!(constraint.await, Err(StoreError::Conflict(_))));
    assert_eq!(second.await, Ok(()));
    assert!(matches!(duplicate.await.unwrap()[..], [crate::store::queue::Accepted::Duplicate(_)]));
    assert_eq!(sqlite.store.load(claim.fence.run).await.unwrap().len(), 2);
}

async fn fill(sqlite: &Sqlite, pages_more: i64) {
    let set = move |ledger: &mut super::ledger::Ledger| {
        let pages: i64 = ledger.conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        ledger.conn.query_row(&format!("PRAGMA max_page_count = {}", pages + pages_more), [], |_| Ok(()))?;
        Ok(())
    };
    sqlite.store.command(0, set).await.unwrap();
}

#[tokio::test]
async fn threat_058_a_full_disk_refuses_and_resumes_by_itself() {
    let sqlite = Sqlite::new();
    let durable = accepted(&sqlite, "before").await;
    fill(&sqlite, 0).await;
    let large = |id: &str| {
        let mut new = new_run(&sqlite, id);
        let data = vec![1; 20_000].into();
        new.event = Arc::new(crate::event::Event { data, ..(*new.event).clone() });
        new
    };
    let new = large("during");
    let run = new.id;
    assert_eq!(sqlite.store.accept(vec![new.clone()]).await, Err(StoreError::DiskFull));
    assert_eq!(sqlite.store.accept(vec![new.clone()]).await, Err(StoreError::DiskFull));
    assert!(matches!(sqlite.store.run(run).await, Err(StoreError::Missing(_))));
    // What needs no more space goes on: claims, and what was accepted is there.
    assert_eq!(claim_one(&sqlite).await.fence.run, durable);
    fill(&sqlite, 1_000).await;
    let answer = sqlite.store.accept(vec![new]).await.unwrap();
    assert_eq!(answer, [crate::store::queue::Accepted::New(run)]);
    assert_eq!(claim_one(&sqlite).await.fence.run, run);
}

#[tokio::test]
async fn threat_058_the_reserve_lets_an_operator_remove_things() {
    let sqlite = Sqlite::new();
    let reserve = sqlite.folder.path().join("reserve");
    let run = dead_letter(&sqlite, "event").await;
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 1024 * 1024);
    // Stands for a file system where only the reserve's space is left.
    let watched = reserve.clone();
    let answer = sqlite
        .store
        .freeing(move |ledger| {
            if watched.exists() {
                let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
                return Err(rusqlite::Error::SqliteFailure(full, None).into());
            }
            super::decisions::bulk(ledger, super::decisions::Bulk::Discard, "click", &[run])
        })
        .await;
    assert_eq!(answer, Ok(1));
    assert!(!reserve.exists());
    assert_eq!(sqlite.store.retain(Retention { age: std::time::Duration::ZERO, runs: 0, bytes: 0 }).await, Ok(1));
}

#[tokio::test]
async fn threat_059_an_io_error_stops_the_store_for_good() {
    let sqlite = Sqlite::new();
    let stopped = sqlite.store.stopped();
    let run = accepted(&sqlite, "before").await;
    let claim = sqlite.store.claim(crate::store::queue::Room { slots: 0, ..ROOM });
    let failed = sqlite.store.command(0, |_| -> Result<(), super::Fault> {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        Err(rusqlite::Error::SqliteFailure(error, None).into())
    });
    assert!(matches!(failed.await, Err(StoreError::Stopped(_))));
    assert!(matches!(claim.await, Err(StoreError::Stopped(_))));
    let later = sqlite.store.accept(vec![new_run(&sqlite, "after")]).await;
    assert!(matches!(later, Err(StoreError::Stopped(_))), "{later:?}");
    assert!(!stopped.await.is_empty());
    // A new process finds what was accepted.
    let again = sqlite.open().unwrap();
    assert_eq!(again.run(run).await.unwrap().summary.id, run);
}

#[tokio::test]
async fn a_panic_in_the_writer_stops_the_store() {
    let sqlite = Sqlite::new();
    let failed = sqlite.store.command(0, |_| -> Result<(), super::Fault> { panic!("a test's own panic") }).await;
    assert!(matches!(failed, Err(StoreError::Stopped(_))), "{failed:?}");
    assert!(sqlite.store.stopped().await.contains("panicked"));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let sqlite = Sqlite::new();
    sqlite.store.close().await;
    sqlite.store.close().await;
    assert!(matches!(sqlite.store.writable().await, Err(StoreError::Stopped(_))));
    let read = sqlite.store.audit_trail(1).await;
    assert!(matches!(read, Err(StoreError::Stopped(_))), "{read:?}");
}

#[tokio::test]
async fn threat_060_a_damaged_run_is_put_aside_and_the_others_go_on() {
    let mut sqlite = Sqlite::new();
    let damaged = accepted(&sqlite, "damaged").await;
    let journaled = accepted(&sqlite, "journaled").await;
    let sound = accepted(&sqlite, "sound").await;
    let claims = claim_now(&sqlite, ROOM).await;
    for claim in claims {
        let chunk = crate::journal::Chunk { number: 0, bytes: vec![1, 2, 3] };
        sqlite.store.append(claim.fence, chunk).await.unwrap();
        let due = crate::clock::Timestamp(0);
        let then = crate::store::queue::Settle::Waiting { due, hard: false };
        let ending = crate::store::promises::ending(&claim, "failed", then);
        sqlite.store.settle(claim.fence, ending).await.unwrap();
    }
    sqlite.store.close().await;
    {
        let conn = rusqlite::Connection::open(sqlite.file()).unwrap();
        conn.execute(
            "UPDATE events SET event = CAST(replace(CAST(event AS TEXT), 'data', 'dada') AS BLOB) WHERE run = ?1",
            [damaged.to_bytes()],
        )
        .unwrap();
        conn.execute("UPDATE journal SET bytes = x'010203ff' WHERE run = ?1", [journaled.to_bytes()]).unwrap();
    }
    sqlite.store = sqlite.open().unwrap();
    let claims = claim_now(&sqlite, ROOM).await;
    let mut claimed: Vec<_> = claims.iter().map(|claim| claim.fence.run).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, [journaled, sound]);
    let listed = sqlite.store.runs(RunFilter { limit: 10, ..RunFilter::default() }).await.unwrap();
    let aside = listed.iter().find(|run| run.id == damaged).unwrap();
    assert_eq!(aside.state, crate::run::RunState::DeadLettered);
    assert!(aside.reason.as_deref().unwrap().contains("cannot be read"));
    assert_eq!(sqlite.store.run(damaged).await.unwrap().event, None);
    let loaded = sqlite.store.load(journaled).await;
    assert!(matches!(loaded, Err(StoreError::Conflict(_))), "{loaded:?}");
    assert_eq!(sqlite.store.load(sound).await.unwrap().len(), 1);
}

#[tokio::test]
async fn data_is_stored_once_and_goes_with_its_last_run() {
    let sqlite = Sqlite::new();
    let count = |sql: &'static str| {
        sqlite.store.command(0, move |ledger| Ok(ledger.conn.query_row(sql, [], |row| row.get::<_, i64>(0))?))
    };
    for id in ["a", "b"] {
        let mut new = new_run(&sqlite, id);
        let data = vec![1; 20_000].into();
        new.event = Arc::new(crate::event::Event { data, ..(*new.event).clone() });
        sqlite.store.accept(vec![new]).await.unwrap();
    }
    assert_eq!(count("SELECT sum(uses) * 100 + count(*) FROM bodies").await, Ok(201));
    for claim in claim_now(&sqlite, ROOM).await {
        assert_eq!(claim.event.data.len(), 20_000);
        let end = success(&claim);
        sqlite.store.settle(claim.fence, end).await.unwrap();
    }
    let keep = |runs| Retention { age: std::time::Duration::from_secs(1 << 30), runs, bytes: 1 << 40 };
    assert_eq!(sqlite.store.retain(keep(1)).await, Ok(1));
    assert_eq!(count("SELECT sum(uses) * 100 + count(*) FROM bodies").await, Ok(101));
    assert_eq!(sqlite.store.retain(keep(0)).await, Ok(1));
    for table in ["bodies", "events", "attempts", "journal", "outputs", "history", "queue"] {
        let sql: &'static str = Box::leak(format!("SELECT count(*) FROM {table}").into_boxed_str());
        assert_eq!(count(sql).await, Ok(0), "{table}");
    }
}

#[tokio::test]
async fn retention_gives_the_space_back() {
    let mut sqlite = Sqlite::new();
    for number in 0..60_u8 {
        let mut new = new_run(&sqlite, &format!("event-{number}"));
        let data = vec![number; 50_000].into();
        new.event = Arc::new(crate::event::Event { data, ..(*new.event).clone() });
        sqlite.store.accept(vec![new]).await.unwrap();
        let claim = claim_one(&sqlite).await;
        let end = success(&claim);
        sqlite.store.settle(claim.fence, end).await.unwrap();
    }
    sqlite.owner_is_gone(Death::Unmarked).await;
    let before = fs::metadata(sqlite.file()).unwrap().len();
    assert!(before > 3_000_000);
    assert_eq!(sqlite.store.retain(Retention { age: std::time::Duration::ZERO, runs: 0, bytes: 0 }).await, Ok(60));
    sqlite.owner_is_gone(Death::Unmarked).await;
    let after = fs::metadata(sqlite.file()).unwrap().len();
    assert!(after < 500_000, "{after} of {before} bytes are left");
}

#[tokio::test]
async fn threat_061_the_log_stays_bounded() {
    let sqlite = Sqlite::new();
    for _ in 0..40 {
        let write = |ledger: &mut super::ledger::Ledger| {
            ledger.conn.execute("INSERT OR REPLACE INTO meta VALUES ('filler', zeroblob(2000000))", [])?;
            Ok(())
        };
        sqlite.store.command(0, write).await.unwrap();
    }
    let log = fs::metadata(sqlite.folder.path().join("jackfield.db-wal")).unwrap().len();
    assert!(log < 64 << 20, "80 MB were written; the log has {log} bytes");
}

#[tokio::test]
async fn the_audit_trail_cannot_be_edited_and_its_chain_is_checked() {
    let sqlite = Sqlite::new();
    let at = crate::clock::Timestamp(5);
    sqlite.store.audit(at, "ops".into(), "deploy".into(), "demo 1".into()).await.unwrap();
    sqlite.store.audit(at, "ops".into(), "deploy".into(), "demo 2".into()).await.unwrap();
    for sql in ["UPDATE audit SET detail = 'other'", "DELETE FROM audit WHERE number = 2"] {
        let refused = sqlite.store.command(0, move |ledger| Ok(ledger.conn.execute(sql, [])?)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }
    let trail = sqlite.store.audit_trail(10).await.unwrap();
    let mut before = [0; 32];
    for entry in trail.iter().rev() {
        before = super::admin::chain(&before, entry.number, entry.at, &entry.who, &entry.action, &entry.detail);
        assert_eq!(entry.hash, data_encoding::HEXLOWER.encode(&before));
    }
}

#[tokio::test]
async fn a_sound_database_has_no_findings_and_a_damaged_page_is_one() {
    let mut sqlite = Sqlite::new();
    for number in 0..10 {
        accepted(&sqlite, &format!("event-{number}")).await;
    }
    assert_eq!(sqlite.store.check().await, Ok(Vec::new()));
    sqlite.store.close().await;
    let root: i64 = {
        let conn = rusqlite::Connection::open(sqlite.file()).unwrap();
        conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'", [], |row| row.get(0)).unwrap()
    };
    let mut bytes = fs::read(sqlite.file()).unwrap();
    let page = (root as usize - 1) * 4096;
    bytes[page..page + 8].fill(0xee);
    fs::write(sqlite.file(), bytes).unwrap();
    sqlite.store = sqlite.open().unwrap();
    let found = sqlite.store.check().await;
    assert!(found.as_ref().map_or(true, |found| !found.is_empty()), "{found:?}");
    // What is not damaged goes on.
    assert_eq!(claim_now(&sqlite, ROOM).await.len(), 10);
    let audit = sqlite.store.audit(crate::clock::Timestamp(0), "ops".into(), "x".into(), String::new()).await;
    assert!(matches!(audit, Err(StoreError::Unavailable(_))), "{audit:?}");
    assert!(sqlite.store.accept(vec![new_run(&sqlite, "another")]).await.is_ok());
}

/// Numbers that are on somebody's disk.
#[test]
fn stored_forms_never_change() {
    let bytes: Vec<u8> = (0..100).collect();
    let at = crate::clock::Timestamp(1_767_225_600_000);
    let chain = super::admin::chain(&[7; 32], 3, at, "ops", "deploy", "demo 1");
    let forms = [super::checksum::checksum(&bytes).to_string(), data_encoding::HEXLOWER.encode(&chain)];
    assert_eq!(forms, ["-1788539700914491568", "9d482807c5c1af194528c9f32eb2c599e5e55a810e0cf4e251958ec8b3aa6dd8"]);
}

#[tokio::test]
async fn a_claim_that_nobody_took_is_given_back_even_if_a_commit_fails_meanwhile() {
    let (clock, rng) = (Arc::new(FakeClock::default()), Arc::new(FakeRng::new(7)));
    let options = SqliteOptions::new(Arc::<FakeClock>::clone(&clock), Arc::<FakeRng>::clone(&rng));
    let (store, mut writer) = SqliteStore::by_hand(options, || {}).unwrap();
    let sqlite = Sqlite { folder: tempfile::tempdir().unwrap(), clock, rng, store };
    let run = new_run(&sqlite, "a");
    let accepted = sqlite.store.accept(vec![run]);
    writer.step(Commit::Done);
    accepted.await.unwrap();
    let claim = sqlite.store.claim(ROOM);
    writer.step(Commit::Done);
    assert_eq!(writer.open_runs(), (0, 1, 0), "it was handed over");
    drop(claim);
    writer.step(Commit::Refused);
    assert_eq!(writer.open_runs(), (0, 1, 0), "nothing could be written");
    assert!(writer.patience().is_some(), "the writer forgets about it");
    writer.step(Commit::Done);
    assert_eq!(writer.open_runs(), (1, 0, 0), "it is not given back");
}
