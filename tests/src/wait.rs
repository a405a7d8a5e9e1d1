//! Waiting for a condition with a deadline: the only way a test waits.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Generous: two cores may be busy with other things.
pub const LONG: Duration = Duration::from_secs(60);

/// Asks `look` until it gives a value, and panics with `what` when `limit` is over.
///
/// # Panics
///
/// `look` gave no value in time.
pub async fn until<T, F, W>(what: &str, limit: Duration, mut look: W) -> T
where
    F: Future<Output = Option<T>>,
    W: FnMut() -> F,
{
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
