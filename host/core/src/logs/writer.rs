//! The thread that writes logs to their files, so that no guest and no async thread waits for a disk.
//!
//! What it cannot keep up with is dropped and counted.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Chunk, Segments};
use crate::clock::Timestamp;
use crate::ids::{EnvironmentName, RunId};

/// A buffer is handed over at this size, in bytes.
const HAND_OVER_BYTES: usize = 64 * 1024;
/// Or after this time.
const HAND_OVER_EVERY: Duration = Duration::from_millis(200);
/// Chunks on their way to the disk: at most about 16 MiB.
const CHUNKS: usize = 256;

/// What an attempt has written and its file has not.
pub(super) struct Buffer {
    environment: EnvironmentName,
    run: RunId,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    lines: u64,
    at: Timestamp,
}

impl Buffer {
    pub(super) fn new(environment: EnvironmentName, run: RunId) -> Self {
        Self { environment, run, pending: Mutex::default() }
    }

    /// Adds a line; whether it is time to hand over.
    pub(super) fn push(&self, line: &[u8], at: Timestamp) -> bool {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.bytes.extend_from_slice(line);
        pending.lines += 1;
        pending.at = at;
        pending.bytes.len() >= HAND_OVER_BYTES
    }
}

enum Command {
    Write(Chunk),
    Flush(SyncSender<()>),
    Stop,
}

type Watched = Arc<Mutex<HashMap<usize, Weak<Buffer>>>>;

/// See the module. Dropping it writes what is left.
pub(super) struct Writer {
    hands: Hands,
    thread: Option<JoinHandle<()>>,
}

/// What both sides need to hand buffers over.
#[derive(Clone)]
struct Hands {
    to: SyncSender<Command>,
    watched: Watched,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(segments: Arc<Mutex<Segments>>, dropped: Arc<AtomicU64>) -> io::Result<Self> {
        let (to, from) = sync_channel(CHUNKS);
        let hands = Hands { to, watched: Watched::default(), dropped };
        let own = hands.clone();
        let thread =
            std::thread::Builder::new().name("guest-logs".into()).spawn(move || own.write(&from, &segments))?;
        Ok(Self { hands, thread: Some(thread) })
    }

    /// From now on the buffer is handed over in time by itself.
    pub(super) fn watch(&self, buffer: &Arc<Buffer>) {
        let mut watched = self.hands.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.insert(Arc::as_ptr(buffer).addr(), Arc::downgrade(buffer));
    }

    /// Hands over what is in the buffer. Answers how many lines were lost.
    pub(super) fn hand_over(&self, buffer: &Buffer) -> u64 {
        self.hands.hand_over(buffer)
    }

    pub(super) fn flush(&self) {
        self.hands.hand_over_all();
        let (done, wait) = sync_channel(1);
        if self.hands.to.send(Command::Flush(done)).is_ok() {
            // An error means that the thread has ended: there is nothing to wait for.
            let _ = wait.recv();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.hands.hand_over_all();
        let _ = self.hands.to.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Hands {
    fn hand_over(&self, buffer: &Buffer) -> u64 {
        // The lock is held until the chunk is in line: chunks of an attempt keep their order.
        let mut pending = buffer.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.bytes.is_empty() {
            return 0;
        }
        let Pending { bytes, lines, at } = std::mem::take(&mut *pending);
        let chunk = Chunk { environment: buffer.environment.clone(), run: buffer.run, at, bytes, lines };
        match self.to.try_send(Command::Write(chunk)) {
            Ok(()) => 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
                lines
            }
        }
    }

    fn hand_over_all(&self) {
        let mut live = Vec::new();
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, buffer| match buffer.upgrade() {
            Some(buffer) => {
                live.push(buffer);
                true
            }
            None => false,
        });
        for buffer in live {
            self.hand_over(&buffer);
        }
    }

    fn write(&self, from: &Receiver<Command>, segments: &Mutex<Segments>) {
        let mut next = Instant::now() + HAND_OVER_EVERY;
        loop {
            match from.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Command::Write(chunk)) => {
                    let written = segments.lock().unwrap_or_else(PoisonError::into_inner).append(&chunk);
                    if let Err(error) = written {
                        self.dropped.fetch_add(chunk.lines, Ordering::Relaxed);
                        tracing::warn!(%error, environment = %chunk.environment, lines = chunk.lines, "guest log lines were lost");
                    }
                }
                Ok(Command::Flush(done)) => {
                    let _ = done.send(());
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() >= next {
                self.hand_over_all();
                next = Instant::now() + HAND_OVER_EVERY;
            }
        }
    }
}
