//! Standard output and error: what a guest prints becomes lines of its log, and its last words.
//!
//! Standard input is empty.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::hatch::Hatch;
use jackfield_core::limits::LOG_MESSAGE_BYTES;
use jackfield_core::lock::locked;
use jackfield_core::logs::Level;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{stderr, stdout};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::state::State;

/// What one write may hand over.
const WRITE_BYTES: usize = 64 << 10;
/// What is kept of the end of standard error, in bytes and lines.
const TAIL_BYTES: usize = 4 << 10;
const TAIL_LINES: usize = 32;

/// Both streams of an attempt.
pub(crate) struct Stdio {
    out: Stream,
    err: Stream,
    words: Arc<Mutex<Words>>,
}

/// What the guest said last, for the case that it traps.
#[derive(Default)]
struct Words {
    printed: VecDeque<String>,
    printed_bytes: usize,
    /// The last line of its log at level error, if it is newer than what was printed.
    logged: Option<String>,
}

impl Words {
    fn print(&mut self, line: &str) {
        self.logged = None;
        let line = cut(line, TAIL_BYTES);
        self.printed_bytes += line.len();
        self.printed.push_back(line.to_owned());
        while self.printed.len() > TAIL_LINES || self.printed_bytes > TAIL_BYTES {
            let gone = self.printed.pop_front();
            self.printed_bytes -= gone.map_or(0, |line| line.len());
        }
    }
}

impl Stdio {
    pub(crate) fn new(hatch: Arc<Hatch>) -> Self {
        let words = Arc::default();
        Self {
            out: Stream::new(Arc::clone(&hatch), Level::Info, None),
            err: Stream::new(hatch, Level::Warn, Some(Arc::clone(&words))),
            words,
        }
    }

    /// Takes note of a line the guest logged at level error.
    pub(crate) fn logged_error(&self, message: &str) {
        locked(&self.words).logged = Some(cut(message, TAIL_BYTES).to_owned());
    }

    /// Writes what was printed without a line's end.
    pub(crate) fn end(&self) {
        self.out.end();
        self.err.end();
    }

    /// What the guest said last, on standard error or in its log.
    pub(crate) fn last_words(&self) -> Option<String> {
        let words = locked(&self.words);
        let said = match &words.logged {
            Some(logged) => logged.trim().to_owned(),
            None => words.printed.iter().map(String::as_str).collect::<Vec<_>>().join("\n").trim().to_owned(),
        };
        (!said.is_empty()).then_some(said)
    }
}

/// One of the two. All handles to it share the unfinished line.
#[derive(Clone)]
struct Stream {
    hatch: Arc<Hatch>,
    level: Level,
    words: Option<Arc<Mutex<Words>>>,
    unfinished: Arc<Mutex<Vec<u8>>>,
}

impl Stream {
    fn new(hatch: Arc<Hatch>, level: Level, words: Option<Arc<Mutex<Words>>>) -> Self {
        Self { hatch, level, words, unfinished: Arc::default() }
    }

    fn print(&self, bytes: &[u8]) {
        let mut unfinished = locked(&self.unfinished);
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let mut piece = piece;
            while !piece.is_empty() {
                let room = LOG_MESSAGE_BYTES - unfinished.len();
                let (fits, rest) = piece.split_at(room.min(piece.len()));
                unfinished.extend_from_slice(fits);
                if fits.ends_with(b"\n") || unfinished.len() == LOG_MESSAGE_BYTES {
                    self.line(&mut unfinished);
                }
                piece = rest;
            }
        }
    }

    fn end(&self) {
        self.line(&mut locked(&self.unfinished));
    }

    fn line(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        if !line.is_empty() {
            self.hatch.log(self.level, text, &Vec::new());
            if let Some(words) = &self.words {
                locked(words).print(text);
            }
        }
        line.clear();
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_BYTES {
            return Err(StreamError::trap("a write of more bytes than check-write allowed"));
        }
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl stdout::Host for State {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(self.stdio.out.clone());
        Ok(self.table.push(stream)?)
    }
}

impl stderr::Host for State {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(self.stdio.err.clone());
        Ok(self.table.push(stream)?)
    }
}

/// The start of `text`, at most `bytes` of it, cut between two characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
