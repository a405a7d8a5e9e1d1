//! Limits: what one attempt may use of memory, CPU and time, and whether it wanted more.
//!
//! Not here: budgets of calls and bytes (the hatch's), nor the words for an ending (`invoke`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jackfield_core::outcome::TimeLimit;
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// Core instances of one attempt. Python links about 200.
pub(crate) const INSTANCES: usize = 256;
/// Tables of one attempt: every instance may have a few.
const TABLES: usize = INSTANCES * 4;
/// What a table element costs the host.
const TABLE_ELEMENT_BYTES: u64 = 8;
/// Entries of the table that holds what guests have handles to.
pub(crate) const HANDLES: usize = 1_000;
/// Handles as the engine counts them: it counts a lent handle twice.
pub(crate) const ENGINE_HANDLES: usize = 2 * HANDLES;

/// Counts the memories and tables of all instances of an attempt together.
///
/// A refused growth is not a trap: the guest is told and may cope. If it ends badly afterwards, that
/// is why.
#[derive(Debug)]
pub(crate) struct Memory {
    limit_bytes: u64,
    used: u64,
    peak: u64,
    /// Granted last, and not yet known to have been carried out.
    pending: u64,
    wanted: Option<u64>,
}

impl Memory {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, used: 0, peak: 0, pending: 0, wanted: None }
    }

    /// What the attempt may have, in bytes.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// The most it had, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak
    }

    /// What it would have had with the last growth that was refused, in bytes.
    pub(crate) fn wanted_bytes(&self) -> Option<u64> {
        self.wanted
    }

    fn grow(&mut self, more: u64) -> bool {
        self.pending = 0;
        let after = self.used.saturating_add(more);
        if after > self.limit_bytes {
            self.wanted = Some(after);
            return false;
        }
        self.pending = more;
        self.used = after;
        self.peak = self.peak.max(after);
        true
    }

    /// Takes back what was granted last, if it was the system that refused it.
    ///
    /// Only then: the engine also reports growths it never asked us about (a size no memory of that
    /// type can have), and a guest could have earlier, successful growths forgotten that way.
    fn failed(&mut self, error: &wasmtime::Error) {
        let by_the_system = error.is::<std::io::Error>() || error.is::<rustix::io::Errno>();
        if by_the_system {
            self.used -= self.pending;
        }
        self.pending = 0;
    }

    /// A growth beyond the memory's or table's own maximum fails whatever is said here.
    fn growing(&mut self, current: usize, desired: usize, max: Option<usize>, unit: u64) -> bool {
        let hopeless = max.is_some_and(|max| desired > max);
        let more = if hopeless { 0 } else { (desired.saturating_sub(current) as u64).saturating_mul(unit) };
        self.grow(more)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.growing(current, desired, max, 1))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed(&error);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.growing(current, desired, max, TABLE_ELEMENT_BYTES))
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed(&error);
        Ok(())
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        INSTANCES
    }
}

/// The two clocks of an attempt: CPU, measured around each poll of the guest, and the wall.
///
/// Shared by the future that polls the guest and the engine's callback, which runs inside such a poll
/// at each tick and stops a guest that never returns to the host.
#[derive(Debug)]
pub(crate) struct Clocks {
    started: Instant,
    timeout: Duration,
    cpu_limit: Duration,
    /// CPU of finished polls, in nanoseconds.
    cpu: AtomicU64,
    /// The thread's CPU clock when the current poll began, in nanoseconds.
    poll_began: AtomicU64,
    over: AtomicU8,
}

const OVER_CPU: u8 = 1;
const OVER_TIMEOUT: u8 = 2;

/// A clock ran out while guest code was running. Which one, [`Clocks::over`] knows.
#[derive(Debug, thiserror::Error)]
#[error("the attempt's time is over")]
pub(crate) struct TimeIsOver;

impl Clocks {
    pub(crate) fn start(cpu_limit: Duration, timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            timeout,
            cpu_limit,
            cpu: AtomicU64::new(0),
            poll_began: AtomicU64::new(0),
            over: AtomicU8::new(0),
        })
    }

    /// Since the start.
    pub(crate) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    /// CPU of the polls that have ended.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Ordering::Relaxed))
    }

    /// Which clock ran out, if one did.
    pub(crate) fn over(&self) -> Option<TimeLimit> {
        match self.over.load(Ordering::Relaxed) {
            OVER_CPU => Some(TimeLimit::Cpu),
            OVER_TIMEOUT => Some(TimeLimit::Timeout),
            _ => None,
        }
    }

    /// What that clock allowed.
    pub(crate) fn allowed(&self, limit: TimeLimit) -> Duration {
        match limit {
            TimeLimit::Cpu => self.cpu_limit,
            TimeLimit::Timeout => self.timeout,
        }
    }

    /// The wall clock ran out while the guest waited.
    pub(crate) fn timed_out(&self) {
        self.over.store(OVER_TIMEOUT, Ordering::Relaxed);
    }

    /// Measures `future`, poll by poll.
    pub(crate) fn measure<F: Future>(self: &Arc<Self>, future: F) -> Measured<F> {
        Measured { clocks: Arc::clone(self), future: Box::pin(future) }
    }

    /// Called at each tick in the middle of guest code: go on after a pause for others, or end.
    pub(crate) fn tick(&self) -> wasmtime::Result<UpdateDeadline> {
        let running = thread_cpu_ns().saturating_sub(self.poll_began.load(Ordering::Relaxed));
        if self.cpu() + Duration::from_nanos(running) >= self.cpu_limit {
            self.over.store(OVER_CPU, Ordering::Relaxed);
            return Err(TimeIsOver.into());
        }
        if self.wall() >= self.timeout {
            self.over.store(OVER_TIMEOUT, Ordering::Relaxed);
            return Err(TimeIsOver.into());
        }
        // Tokio's own yield lets the thread look at its timers and sockets before it comes back.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    }
}

/// A future whose CPU time is counted.
pub(crate) struct Measured<F> {
    clocks: Arc<Clocks>,
    future: std::pin::Pin<Box<F>>,
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        let before = thread_cpu_ns();
        self.clocks.poll_began.store(before, Ordering::Relaxed);
        let polled = self.future.as_mut().poll(context);
        self.clocks.cpu.fetch_add(thread_cpu_ns().saturating_sub(before), Ordering::Relaxed);
        polled
    }
}

fn thread_cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests;
