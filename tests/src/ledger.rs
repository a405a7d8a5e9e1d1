//! The ledger: an independent witness of what arrived. Each request is on disk before it is answered.
//!
//! A process of its own, so that nothing the host does to itself can touch what it remembers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::stubs::{Answer, Api, Kind, Record};

/// One request that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// `Idempotency-Key`, if there was one.
    pub key: Option<String>,
    /// SHA-256 of the body, in hex.
    pub body: String,
    /// The number of the first entry with the same key.
    pub first: u64,
    /// Milliseconds since the ledger was opened.
    pub at_ms: u64,
}

/// What a ledger server stands for: it writes down and answers 201.
///
/// A key that was there before is answered with the number it got then, as a service does that honours keys.
pub struct Ledger {
    opened: Instant,
    book: Mutex<Book>,
}

struct Book {
    file: File,
    count: u64,
    keys: BTreeMap<String, u64>,
}

impl Ledger {
    /// A ledger that is written to `file`, which is made new.
    ///
    /// # Errors
    ///
    /// The file cannot be made.
    pub fn open(file: &Path) -> io::Result<Self> {
        let file = File::create(file)?;
        Ok(Self { opened: Instant::now(), book: Mutex::new(Book { file, count: 0, keys: BTreeMap::new() }) })
    }

    /// The entries of a ledger's file.
    ///
    /// # Panics
    ///
    /// It does not read.
    #[must_use]
    pub fn entries(file: &Path) -> Vec<Entry> {
        let text = std::fs::read_to_string(file).expect("the ledger can be read");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of the ledger is an entry")).collect()
    }
}

impl Api for Ledger {
    fn answer(&self, request: &Record, _base: &str) -> Answer {
        let key = request.header("idempotency-key").map(str::to_owned);
        let body = Sha256::digest(request.body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let at_ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.count += 1;
        let number = book.count;
        let first = key.as_ref().map_or(number, |key| *book.keys.entry(key.clone()).or_insert(number));
        let entry =
            Entry { number, method: request.method.clone(), path: request.path.clone(), key, body, first, at_ms };
        let mut line = serde_json::to_vec(&entry).expect("an entry is JSON");
        line.push(b'\n');
        // One that cannot write must not answer: the test would count too few.
        book.file.write_all(&line).and_then(|()| book.file.sync_data()).expect("the ledger can be written");
        Answer::json(201, &json!({ "entry": first, "repeated": first != number }))
    }

    /// A path says by its end how its call is answered the first time: `…-drop` with the end of the connection,
    /// `…-late500` with 500, `…-slow` late; the work is done and written down all the same.
    fn meets(&self, request: &Record) -> Option<Kind> {
        let key = request.header("idempotency-key")?;
        if self.book.lock().unwrap_or_else(PoisonError::into_inner).keys.contains_key(key) {
            return None;
        }
        let (_, word) = request.path.rsplit_once('-')?;
        match word {
            "drop" => Some(Kind::Reset { done: true }),
            "late500" => Some(Kind::Status { status: 500, retry_after: None, done: true }),
            "slow" => Some(Kind::Slow { ms: 150 }),
            _ => None,
        }
    }
}

/// A running ledger process. Killed when it is dropped.
pub struct Process {
    _child: Child,
    base: String,
    file: PathBuf,
}

impl Process {
    /// Starts the binary at `program`, writing to `file`.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn start(program: &str, file: PathBuf) -> Self {
        let mut child = Command::new(program)
            .arg("--file")
            .arg(&file)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        let stdout = child.stdout.take().expect("its standard output is ours");
        let line = BufReader::new(stdout).lines().next_line().await.expect("the ledger speaks").unwrap_or_default();
        let base = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("the ledger said {line:?}")).to_owned();
        Self { _child: child, base, file }
    }

    /// Its address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What arrived so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        Ledger::entries(&self.file)
    }

    /// How many requests arrived so far.
    ///
    /// # Panics
    ///
    /// The ledger cannot be read.
    #[must_use]
    pub fn count(&self) -> usize {
        let bytes = std::fs::read(&self.file).expect("the ledger can be read");
        bytes.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Answers everything so much later.
    pub async fn delay(&self, ms: u64) {
        let fault = json!({ "fault": "slow", "ms": ms, "times": u32::MAX });
        let client = reqwest::Client::new();
        let answered =
            client.post(format!("{}/__faults", self.base)).json(&fault).send().await.expect("the ledger answers");
        assert!(answered.status().is_success());
    }
}
