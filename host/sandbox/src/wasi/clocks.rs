//! `wasi:clocks`, coarse and recorded: milliseconds, standing still between two polls.
//!
//! Timers run in the guest's own time: after an interruption they go on where they were.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::hatch::Hatch;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::state::State;
use crate::wasi::poll::recorded_as_ready;

const MILLISECOND: u64 = 1_000_000;
/// What the monotonic clock shows when an attempt begins. Not zero: Go's runtime takes that for a broken clock and ends.
const BEGIN_MS: u64 = 1_000;

struct Timer {
    hatch: Arc<Hatch>,
    /// In the guest's monotonic time.
    fires_ms: u64,
    yielded: bool,
}

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        if recorded_as_ready() {
            return;
        }
        loop {
            let now = self.hatch.guest_monotonic_ms();
            if now >= self.fires_ms {
                if !self.yielded {
                    // A guest that polls timers of the past in a loop must not keep the thread from its sockets.
                    self.yielded = true;
                    tokio::task::yield_now().await;
                }
                return;
            }
            self.yielded = true;
            tokio::time::sleep(Duration::from_millis(self.fires_ms - now)).await;
        }
    }
}

impl State {
    fn timer(&mut self, fires_ms: u64) -> Result<Resource<DynPollable>> {
        let timer = Timer { hatch: Arc::clone(&self.hatch), fires_ms, yielded: false };
        let timer = self.table.push(timer)?;
        subscribe(&mut self.table, timer)
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> Result<u64> {
        Ok(self.hatch.time()?.monotonic_ms.saturating_add(BEGIN_MS).saturating_mul(MILLISECOND))
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(MILLISECOND)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        self.timer(when.div_ceil(MILLISECOND).saturating_sub(BEGIN_MS))
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<DynPollable>> {
        let now = self.hatch.guest_monotonic_ms();
        self.timer(now.saturating_add(duration.div_ceil(MILLISECOND)))
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> Result<wall_clock::Datetime> {
        let millis = u64::try_from(self.hatch.time()?.wall.as_millis()).unwrap_or(0);
        let below_a_second = u32::try_from(millis % 1_000).unwrap_or(0);
        Ok(wall_clock::Datetime { seconds: millis / 1_000, nanoseconds: below_a_second * 1_000_000 })
    }

    fn resolution(&mut self) -> Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}
