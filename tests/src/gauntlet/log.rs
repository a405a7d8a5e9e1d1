//! What the load and the killer say: one JSON object a line, on disk before it counts.
//!
//! The load's log is what the outside world was promised. Not here: what follows from it (the checker).

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Something that was promised to the load, or done by the killer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum Said {
    /// An event was answered with 202.
    Accepted {
        /// The event's id.
        event: String,
        /// The run it became.
        run: String,
    },
    /// A setting was stored.
    Configured {
        /// It only grows.
        value: u64,
    },
    /// A dead letter was put away.
    Discarded {
        /// Which.
        run: String,
    },
    /// A dead letter was resumed.
    Resumed {
        /// Which.
        run: String,
    },
    /// A person decided over a parked run.
    Decided {
        /// Which.
        run: String,
        /// `retry` or `fail`.
        decision: String,
    },
    /// A run was seen to be final.
    Seen {
        /// Which.
        run: String,
    },
    /// An artifact was stored.
    Uploaded {
        /// Its SHA-256, in hex.
        digest: String,
    },
    /// The host listened again.
    Started {
        /// Which cycle follows.
        cycle: u32,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// The disk was full for a while: what nobody waits for may be lost.
    Full,
    /// The host was gone.
    Stopped(Stop),
    /// The storm is over: from here on nothing is killed.
    Calm {
        /// Entries in the ledger then.
        ledger: u64,
    },
    /// No run was under way or waiting any more.
    Drained {
        /// How long it took since the calm, in milliseconds; none if it did not within the limit.
        took_ms: Option<u64>,
    },
}

/// What was on disk when the host was gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Which cycle ended.
    pub cycle: u32,
    /// How, in words.
    pub how: String,
    /// Entries in the ledger by then.
    pub ledger: u64,
    /// The setting.
    pub config: Option<u64>,
    /// Runs that were acknowledged and are not there.
    pub absent: Vec<String>,
    /// Artifacts that were acknowledged and are not there, or not whole.
    pub damaged: Vec<String>,
    /// Journals of the runs that were not final.
    pub journals: Vec<Kept>,
}

/// A chunk of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The run.
    pub run: String,
    /// Its number.
    pub number: u32,
    /// SHA-256 of its bytes, in hex.
    pub digest: String,
    /// The calls it holds a successful result of, as `connection/path`.
    pub done: Vec<String>,
}

/// See the module.
pub struct Log {
    file: File,
    said: Vec<Said>,
}

impl Log {
    /// A new log in `file`.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn create(file: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(file)?, said: Vec::new() })
    }

    /// Writes something down. It counts when this returns.
    ///
    /// # Panics
    ///
    /// It cannot be written: a promise that nobody remembers would prove nothing.
    pub fn say(&mut self, said: Said) {
        let mut line = serde_json::to_vec(&said).expect("what is said is JSON");
        line.push(b'\n');
        self.file.write_all(&line).and_then(|()| self.file.sync_data()).expect("the log can be written");
        self.said.push(said);
    }

    /// All that was said.
    #[must_use]
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// Reads a log.
    ///
    /// # Errors
    ///
    /// It does not read.
    pub fn read(file: &Path) -> anyhow::Result<Vec<Said>> {
        let text = std::fs::read_to_string(file)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}
