//! Time and randomness, passed in: nothing else in the host reads a clock or makes a random byte.
//!
//! Not here: what a guest sees of time, which is recorded (see [`crate::journal`]).

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// A moment, in whole milliseconds since 1970-01-01 UTC. Shown as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment and `later` after it; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment less `earlier`.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 text.
    ///
    /// # Errors
    ///
    /// The text is not an RFC 3339 instant.
    pub fn parse(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>().map(|t| Self(t.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// Where time comes from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock. It may jump in either direction.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns once [`Clock::monotonic`] has moved on by `duration`.
    async fn sleep(&self, duration: Duration);
}

/// What `future` gives, unless `limit` is over on `clock` first.
pub async fn within<T>(clock: &dyn Clock, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        given = future => Some(given),
        () = clock.sleep(limit) => None,
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

fn started() -> Instant {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    *STARTED.get_or_init(Instant::now)
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    fn monotonic(&self) -> Duration {
        started().elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Where randomness comes from.
pub trait Rng: Send + Sync {
    /// Fills `bytes` with random bytes fit for keys and tokens.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

/// A clock that stands still until a test moves it.
#[cfg(any(test, feature = "test-support"))]
pub mod fake {
    use super::{Clock, Duration, Rng, Timestamp, async_trait};
    use std::sync::Mutex;
    use tokio::sync::watch;

    /// See the module. Starts at 2026-01-01T00:00:00Z.
    #[derive(Debug)]
    pub struct FakeClock {
        wall: Mutex<Timestamp>,
        monotonic: watch::Sender<Duration>,
    }

    impl Default for FakeClock {
        fn default() -> Self {
            Self { wall: Mutex::new(Timestamp(1_767_225_600_000)), monotonic: watch::channel(Duration::ZERO).0 }
        }
    }

    impl FakeClock {
        /// Moves both clocks on.
        pub fn advance(&self, by: Duration) {
            {
                let mut wall = self.wall.lock().expect("no test panics holding it");
                *wall = wall.plus(by);
            }
            self.monotonic.send_modify(|m| *m += by);
        }

        /// Sets the wall clock alone, as an operator or NTP does.
        pub fn set_wall(&self, to: Timestamp) {
            *self.wall.lock().expect("no test panics holding it") = to;
        }
    }

    #[async_trait]
    impl Clock for FakeClock {
        fn now(&self) -> Timestamp {
            *self.wall.lock().expect("no test panics holding it")
        }
        fn monotonic(&self) -> Duration {
            *self.monotonic.borrow()
        }
        async fn sleep(&self, duration: Duration) {
            let mut moved = self.monotonic.subscribe();
            let until = self.monotonic() + duration;
            let _ = moved.wait_for(|now| *now >= until).await;
        }
    }

    /// A generator that gives the same bytes for the same seed.
    #[derive(Debug)]
    pub struct FakeRng(Mutex<u64>);

    impl FakeRng {
        /// Starts from `seed`.
        #[must_use]
        pub fn new(seed: u64) -> Self {
            Self(Mutex::new(seed))
        }
    }

    impl Rng for FakeRng {
        fn fill(&self, bytes: &mut [u8]) {
            let mut state = self.0.lock().expect("no test panics holding it");
            for byte in bytes {
                // splitmix64
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                *byte = (z ^ (z >> 31)) as u8;
            }
        }
    }
}
