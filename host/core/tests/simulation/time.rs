//! Time: it stands still until the world moves it on to the next thing that happens.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::clock::{Clock, Timestamp};
use jackfield_core::lock::locked;

/// 2026-03-29T00:00:00Z: an hour before the clocks of Europe are set forward.
const START: i64 = 1_774_742_400_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Time(Mutex<State>);

#[derive(Default)]
struct State {
    now: Duration,
    /// How far the wall clock was set, in milliseconds.
    set: i64,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    slept: u64,
}

impl Time {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0)
    }

    /// When the first sleeper wakes.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.state().sleepers.first_key_value().map(|((until, _), _)| *until)
    }

    /// Moves on, and wakes whoever slept until then.
    pub(crate) fn advance(&self, to: Duration) {
        let woken = {
            let mut state = self.state();
            state.now = state.now.max(to);
            let until = (state.now, u64::MAX);
            let later = state.sleepers.split_off(&until);
            std::mem::replace(&mut state.sleepers, later)
        };
        for waker in woken.into_values() {
            waker.wake();
        }
    }

    /// Sets the wall clock, forward or back.
    pub(crate) fn set_wall(&self, by_ms: i64) {
        self.state().set += by_ms;
    }
}

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        let state = self.state();
        Timestamp(START + state.set).plus(state.now)
    }

    fn monotonic(&self) -> Duration {
        self.state().now
    }

    async fn sleep(&self, duration: Duration) {
        let key = {
            let mut state = self.state();
            state.slept += 1;
            (state.now.saturating_add(duration), state.slept)
        };
        let _gone = Gone(self, key);
        poll_fn(|cx| {
            let mut state = self.state();
            if state.now >= key.0 {
                return Poll::Ready(());
            }
            state.sleepers.insert(key, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A sleeper that sleeps no more.
struct Gone<'a>(&'a Time, (Duration, u64));

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.state().sleepers.remove(&self.1);
    }
}
