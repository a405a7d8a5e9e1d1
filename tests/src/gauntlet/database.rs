//! The host's database, read as a file: what the host knows when it is not there to tell.
//!
//! Always a copy: opening the original would recover its log, which is the host's to do. Not here: what is right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::log::Kept;
use super::msgpack::Value;

/// A state as it is stored, from `queued` (0) to `discarded` (7).
pub type State = i64;
/// Waits for a person.
pub const NEEDS_DECISION: State = 3;
/// Ended well.
pub const SUCCEEDED: State = 4;
/// Will not be tried again on its own.
pub const DEAD: State = 5;
/// Stopped by a person.
pub const CANCELLED: State = 6;
/// A dead letter that was put away.
pub const DISCARDED: State = 7;

/// A run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Where it is.
    pub state: State,
    /// What started it.
    pub trigger: String,
    /// The source of its event.
    pub source: String,
    /// The id of its event; none if the event is gone.
    pub event: Option<String>,
    /// Why it is where it is.
    pub reason: Option<String>,
    /// How often it was claimed.
    pub fence: i64,
    /// Attempts begun.
    pub begun: i64,
    /// When each ended attempt began and ended, in the order they were begun.
    pub attempts: Vec<(i64, i64)>,
    /// Its journal.
    pub journal: Vec<Chunk>,
    /// The data of its output.
    pub output: Option<Vec<u8>>,
}

impl Run {
    /// The records of its journal.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.journal.iter().flat_map(|chunk| &chunk.records)
    }
}

/// A chunk of a journal.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Counted from 0.
    pub number: u32,
    /// SHA-256, in hex.
    pub digest: String,
    /// What it holds.
    pub records: Vec<Record>,
}

/// A record of a journal, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A call was about to be made.
    Intent,
    /// A call was answered.
    Result {
        /// `read`, `local`, `repeatable`, `unkeyed`.
        class: String,
        /// `done`, `refused`, `not-executed`, `in-doubt`.
        verdict: String,
        /// What it was: `POST target /a/1`, `increment count/keyed`.
        what: String,
        /// The body of the answer, if it has one.
        body: Option<Vec<u8>>,
    },
    /// The rest was cut off here.
    Cut,
    /// Something else.
    Other,
}

/// Everything the checker wants of the database.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// All runs, by id.
    pub runs: BTreeMap<String, Run>,
    /// The host's own keys and values.
    pub kv: BTreeMap<String, String>,
    /// The setting `setting`.
    pub config: Option<u64>,
    /// What SQLite says is wrong with the file.
    pub damage: Vec<String>,
}

/// A copy of the database, removed when it is dropped.
pub struct Copy {
    conn: Connection,
    _folder: tempfile::TempDir,
}

impl Copy {
    /// Copies the database in a host's data folder. The host must be gone.
    ///
    /// # Errors
    ///
    /// There is none, or it does not open.
    pub fn of(data: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let to = folder.path().join("copy.db");
        std::fs::copy(data.join("jackfield.db"), &to)?;
        let log = data.join("jackfield.db-wal");
        if log.exists() {
            std::fs::copy(log, folder.path().join("copy.db-wal"))?;
        }
        Ok(Self { conn: Connection::open(to)?, _folder: folder })
    }

    /// The ids of all runs. Empty for a database that was never set up.
    ///
    /// # Errors
    ///
    /// The database does not read.
    pub fn runs(&self) -> anyhow::Result<BTreeSet<String>> {
        if !self.is_set_up()? {
            return Ok(BTreeSet::new());
        }
        let mut select = self.conn.prepare("SELECT run FROM queue UNION ALL SELECT run FROM history")?;
        let ids = select.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
        Ok(ids.collect::<Result<Vec<_>, _>>()?.iter().map(id).collect())
    }

    fn is_set_up(&self) -> anyhow::Result<bool> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('queue', 'history', 'config')";
        Ok(self.conn.query_row(sql, [], |row| row.get::<_, i64>(0))? == 3)
    }

    /// The setting that the load counts up.
    ///
    /// # Errors
    ///
    /// The database does not read.
    pub fn config(&self) -> anyhow::Result<Option<u64>> {
        if !self.is_set_up()? {
            return Ok(None);
        }
        let mut select = self.conn.prepare("SELECT value FROM config WHERE name = 'setting'")?;
        let values: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(values.first().and_then(|value| value.parse().ok()))
    }

    /// The journals of runs that are not final.
    ///
    /// # Errors
    ///
    /// The database does not read.
    pub fn journals(&self) -> anyhow::Result<Vec<Kept>> {
        if !self.is_set_up()? {
            return Ok(Vec::new());
        }
        let mut select = self.conn.prepare(
            "SELECT j.run, j.number, j.bytes FROM journal j JOIN queue q ON q.run = j.run ORDER BY j.run, j.number",
        )?;
        let mut rows = select.query([])?;
        let mut kept = Vec::new();
        while let Some(row) = rows.next()? {
            let chunk = chunk(row.get(1)?, &row.get::<_, Vec<u8>>(2)?);
            let done = chunk.records.iter().filter_map(done_call).map(str::to_owned).collect();
            kept.push(Kept { run: id(&row.get(0)?), number: chunk.number, digest: chunk.digest, done });
        }
        Ok(kept)
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// The database does not read.
    pub fn dump(&self) -> anyhow::Result<Dump> {
        let mut dump = Dump { config: self.config()?, ..Dump::default() };
        let mut check = self.conn.prepare("PRAGMA integrity_check(20)")?;
        let found: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        dump.damage = found.into_iter().filter(|line| line != "ok").collect();
        let mut select = self.conn.prepare(
            "SELECT r.run, r.state, t.\"trigger\", r.reason, r.fence, r.begun, e.event, o.output FROM
                 (SELECT run, state, target, reason, fence, begun FROM queue
                  UNION ALL SELECT run, state, target, reason, fence, begun FROM history) r
             JOIN targets t ON t.id = r.target
             LEFT JOIN events e ON e.run = r.run LEFT JOIN outputs o ON o.run = r.run",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let event = row.get::<_, Option<Vec<u8>>>(6)?.and_then(|bytes| Value::take(&mut bytes.as_slice()).ok());
            let text = |name: &str| event.as_ref().and_then(|e| e.get(name)).and_then(Value::text).map(str::to_owned);
            let output = row.get::<_, Option<Vec<u8>>>(7)?;
            let output = output.and_then(|bytes| Value::take(&mut bytes.as_slice()).ok()?.get("data")?.bytes());
            let run = Run {
                state: row.get(1)?,
                trigger: row.get(2)?,
                source: text("source").unwrap_or_default(),
                event: text("id"),
                reason: row.get(3)?,
                fence: row.get(4)?,
                begun: row.get(5)?,
                output,
                ..Run::default()
            };
            let run_id = id(&row.get(0)?);
            if dump.runs.insert(run_id.clone(), run).is_some() {
                dump.damage.push(format!("run {run_id} is in the queue and in the history"));
            }
        }
        self.add_attempts(&mut dump)?;
        self.add_journals(&mut dump)?;
        let mut select = self.conn.prepare("SELECT key, value FROM kv")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let pairs = select.query_map([], |row| Ok((text(row.get(0)?), text(row.get(1)?))))?;
        dump.kv = pairs.collect::<Result<_, _>>()?;
        Ok(dump)
    }

    fn add_attempts(&self, dump: &mut Dump) -> anyhow::Result<()> {
        let mut select = self.conn.prepare("SELECT run, record FROM attempts ORDER BY run, place")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let record = Value::take(&mut row.get::<_, Vec<u8>>(1)?.as_slice())?;
            let time = |name: &str| record.get(name).and_then(Value::int).unwrap_or_default();
            if let Some(run) = dump.runs.get_mut(&id(&row.get(0)?)) {
                run.attempts.push((time("started"), time("ended")));
            }
        }
        Ok(())
    }

    fn add_journals(&self, dump: &mut Dump) -> anyhow::Result<()> {
        let mut select = self.conn.prepare("SELECT run, number, bytes FROM journal ORDER BY run, number")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(run) = dump.runs.get_mut(&id(&row.get(0)?)) {
                run.journal.push(chunk(row.get(1)?, &row.get::<_, Vec<u8>>(2)?));
            }
        }
        Ok(())
    }
}

/// The call of an effect that is known to have happened, as `connection/path`.
#[must_use]
pub fn done_call(record: &Record) -> Option<&str> {
    match record {
        Record::Result { class, verdict, what, .. } if verdict == "done" && class != "read" => Some(what),
        _ => None,
    }
}

fn chunk(number: u32, bytes: &[u8]) -> Chunk {
    let digest = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut records = Vec::new();
    // The first byte says the format; what does not read is left to the host's own checks.
    let mut rest = bytes.get(1..).unwrap_or_default();
    while !rest.is_empty() {
        let Ok(value) = Value::take(&mut rest) else { break };
        records.push(record(&value));
    }
    Chunk { number, digest, records }
}

fn record(value: &Value) -> Record {
    if value.get("i").is_some() {
        return Record::Intent;
    }
    if value.get("x").is_some() {
        return Record::Cut;
    }
    let Some(result) = value.get("r").filter(|result| result.get("v").is_some()) else { return Record::Other };
    let text = |name: &str| result.get(name).and_then(Value::text).unwrap_or_default().to_owned();
    let what = result.get("w").and_then(|what| what.get("t")).and_then(Value::text).unwrap_or_default().to_owned();
    let answer = result.get("a").and_then(Value::bytes).unwrap_or_default();
    let answer = Value::take(&mut answer.as_slice()).ok();
    let body = answer.as_ref().and_then(|answer| answer.find("body")).and_then(Value::bytes);
    Record::Result { class: text("k"), verdict: text("v"), what, body }
}

/// A run's id as the host writes it: 128 bits in Crockford's base 32.
fn id(bytes: &[u8; 16]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let number = u128::from_be_bytes(*bytes);
    (0..26).rev().map(|place| char::from(DIGITS[(number >> (place * 5)) as usize & 31])).collect()
}

/// The file of an artifact in a data folder.
#[must_use]
pub fn artifact(data: &Path, digest: &str) -> PathBuf {
    data.join("artifacts").join(format!("{digest}.wasm"))
}
