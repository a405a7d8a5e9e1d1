//! The addresses of webhooks: which token leads where, how fast, and how many wait.
//!
//! A token is looked up by its SHA-256, so the time it takes tells nothing of the tokens there are.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jackfield_core::clock::Clock;
use jackfield_core::ids::{Scope, TriggerName};
use jackfield_core::store::{Store, StoreError};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests of one hook that wait for their run's output at the same time.
pub const WAITING: usize = 100;

/// Every hook there is, of active triggers or not.
#[derive(Default)]
pub struct Hooks {
    by_token: RwLock<HashMap<[u8; 32], Arc<Known>>>,
}

/// One hook.
pub struct Known {
    /// Where it leads.
    pub scope: Scope,
    /// To which trigger.
    pub trigger: TriggerName,
    waiting: Arc<Semaphore>,
    rate: Mutex<Option<Rate>>,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Time, NoOpMiddleware<Nanos>>;

struct Rate {
    per_second: u32,
    burst: u32,
    limiter: Arc<Limiter>,
}

impl Hooks {
    /// Reads them again. A hook that stays keeps count of its rate and of who waits.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn refresh(&self, store: &dyn Store) -> Result<(), StoreError> {
        let hooks = store.hooks().await?;
        let mut by_token = self.by_token.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *by_token);
        for hook in hooks {
            let key = key(&hook.token);
            let kept = old.remove(&key).filter(|known| known.scope == hook.scope && known.trigger == hook.trigger);
            let known = kept.unwrap_or_else(|| Arc::new(Known::new(hook.scope, hook.trigger)));
            by_token.insert(key, known);
        }
        Ok(())
    }

    /// The hook of this token.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<Arc<Known>> {
        self.by_token.read().unwrap_or_else(PoisonError::into_inner).get(&key(token)).cloned()
    }
}

fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Known {
    fn new(scope: Scope, trigger: TriggerName) -> Self {
        Self { scope, trigger, waiting: Arc::new(Semaphore::new(WAITING)), rate: Mutex::default() }
    }

    /// A place among those that wait, if there is one.
    #[must_use]
    pub fn wait(&self) -> Option<OwnedSemaphorePermit> {
        self.waiting.clone().try_acquire_owned().ok()
    }

    /// Counts a request; an error says after how long another one is allowed.
    ///
    /// # Errors
    ///
    /// It is one too many.
    pub fn within_rate(&self, per_second: u32, burst: u32, clock: &Arc<dyn Clock>) -> Result<(), Duration> {
        let limiter = {
            let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
            match &*rate {
                Some(rate) if (rate.per_second, rate.burst) == (per_second, burst) => rate.limiter.clone(),
                _ => {
                    let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
                    let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
                    let limiter = Arc::new(Limiter::direct_with_clock(quota, Time(clock.clone())));
                    *rate = Some(Rate { per_second, burst, limiter: limiter.clone() });
                    limiter
                }
            }
        };
        limiter.check().map_err(|until| until.wait_time_from(clock.monotonic().into()))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hook {} of {}", self.trigger, self.scope)
    }
}

/// The host's clock, as the rate limiter wants it.
#[derive(Clone)]
struct Time(Arc<dyn Clock>);

impl governor::clock::Clock for Time {
    type Instant = Nanos;
    fn now(&self) -> Nanos {
        self.0.monotonic().into()
    }
}
