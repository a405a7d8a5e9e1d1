//! The gate before a connection: its breaker and its pace, with the waiting that these need.
//!
//! What may leave is decided in [`crate::breaker`]. Not here: what a held call means for its attempt
//! (the hatch) and for its run (the executor).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::breaker::{Answer, Breaker, Health, Pass, Settings, View, Why};
use crate::clock::Clock;
use crate::ids::{ConnectionName, EnvironmentName};
use crate::lock::locked;
use crate::metrics::Metrics;
use crate::ports::http::{HttpFailure, HttpResponse};

/// A call waits in its attempt for its connection's pace for so long; for longer it goes back to the queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module. Shared by all attempts of an environment.
pub struct Gate {
    environment: EnvironmentName,
    connection: ConnectionName,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    breaker: Mutex<Breaker>,
    /// The connection's settings, all of them, as it was opened last.
    set_up: Mutex<Option<Map<String, Value>>>,
    /// Calls at the same time; none if they are not limited.
    places: Mutex<Option<(u32, Arc<Semaphore>)>>,
}

/// A call that may not leave now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// When to come back.
    pub back_in: Duration,
    /// Why.
    pub why: Why,
}

/// Leave for a call. Dropped without a word, it says nothing about the other side.
pub struct Permit {
    gate: Arc<Gate>,
    pass: Option<Pass>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Gate {
    /// The gate of a connection.
    pub(crate) fn new(
        environment: EnvironmentName,
        connection: ConnectionName,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let breaker = Mutex::new(Breaker::new(Settings::default()));
        let (set_up, places) = (Mutex::default(), Mutex::default());
        Arc::new(Self { environment, connection, clock, metrics, breaker, set_up, places })
    }

    /// The connection was opened with these settings. If they are others than before, nothing is known of the other
    /// side any more.
    pub(crate) fn opened(&self, set_up: &Map<String, Value>) {
        // They were checked when they were set; older ones that do not read are as if they were not there.
        let settings = Settings::read(set_up).unwrap_or_default();
        let mut before = locked(&self.set_up);
        if before.as_ref().is_some_and(|before| before != set_up) {
            locked(&self.breaker).forget(settings.clone());
        }
        *before = Some(set_up.clone());
        self.set(settings);
    }

    /// The pace and the breaker from now on.
    fn set(&self, settings: Settings) {
        let mut places = locked(&self.places);
        if places.as_ref().map(|(count, _)| *count) != settings.concurrency {
            *places = settings.concurrency.map(|count| (count, Arc::new(Semaphore::new(count as usize))));
        }
        locked(&self.breaker).set(settings);
    }

    /// The connection, as the environment names it.
    #[must_use]
    pub fn connection(&self) -> &ConnectionName {
        &self.connection
    }

    /// What can be seen of it.
    #[must_use]
    pub fn view(&self) -> View {
        locked(&self.breaker).view(self.clock.monotonic())
    }

    /// Asks for leave, and waits for the pace at most as long as makes sense within `left`.
    ///
    /// # Errors
    ///
    /// The call may not leave now.
    pub async fn enter(self: &Arc<Self>, left: Duration) -> Result<Permit, Held> {
        let patience = PATIENCE.min(left / 2);
        let places = locked(&self.places).as_ref().map(|(_, places)| Arc::clone(places));
        let place = match places {
            None => None,
            Some(places) => tokio::select! {
                biased;
                place = places.acquire_owned() => place.ok(),
                () = self.clock.sleep(patience) => {
                    let answer = locked(&self.breaker).crowded(self.clock.monotonic());
                    return Err(self.held(answer));
                }
            },
        };
        let answer = locked(&self.breaker).ask(self.clock.monotonic(), patience);
        self.show();
        match answer {
            Answer::Hold { .. } => Err(self.held(answer)),
            Answer::Go { wait, pass } => {
                // Made before anything is waited for: an attempt that ends meanwhile gives it back.
                let permit = Permit { gate: Arc::clone(self), pass: Some(pass), _place: place };
                if !wait.is_zero() {
                    self.clock.sleep(wait).await;
                }
                Ok(permit)
            }
        }
    }

    fn held(&self, answer: Answer) -> Held {
        self.metrics.connection_held(&self.environment, &self.connection);
        match answer {
            Answer::Hold { back_in, why } => Held { back_in, why },
            Answer::Go { .. } => Held { back_in: PATIENCE, why: Why::Crowded },
        }
    }

    fn show(&self) {
        let word = locked(&self.breaker).word(self.clock.monotonic());
        self.metrics.connection_breaker(&self.environment, &self.connection, word);
    }
}

impl Permit {
    /// Says how the call found the other side.
    pub fn report(mut self, health: Health, retry_after: Option<Duration>) {
        self.told(health, retry_after);
    }

    fn told(&mut self, health: Health, retry_after: Option<Duration>) {
        let Some(pass) = self.pass.take() else { return };
        let (before, after, view) = {
            let mut breaker = locked(&self.gate.breaker);
            let now = self.gate.clock.monotonic();
            let before = breaker.word(now);
            breaker.report(now, pass, health, retry_after);
            (before, breaker.word(now), breaker.view(now))
        };
        if before != after {
            let (environment, connection) = (&self.gate.environment, &self.gate.connection);
            let next_ms = view.next_in.map_or(0, |next| u64::try_from(next.as_millis()).unwrap_or(u64::MAX));
            tracing::warn!(%environment, %connection, breaker = after.label(), next_ms, "a connection's breaker moved");
        }
        self.gate.show();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.told(Health::Unknown, None);
    }
}

/// How the answer to an HTTP call says the other side is.
pub(crate) fn health(came: &Result<HttpResponse, HttpFailure>) -> Health {
    match came {
        Ok(HttpResponse { status, .. }) | Err(HttpFailure::TooLarge { status, .. }) => match status {
            429 => Health::Busy,
            // Of these two a caller is to blame.
            501 | 505 => Health::Well,
            500.. => Health::Unwell,
            _ => Health::Well,
        },
        Err(HttpFailure::NotSent(_) | HttpFailure::Broken { .. }) => Health::Unwell,
        Err(HttpFailure::Denied(_) | HttpFailure::Invalid(_)) => Health::Unknown,
    }
}

/// What a 429 or 503 says about when to come back.
pub(crate) fn retry_after(came: &Result<HttpResponse, HttpFailure>, clock: &dyn Clock) -> Option<Duration> {
    let response = came.as_ref().ok().filter(|response| matches!(response.status, 429 | 503))?;
    let (_, value) = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // A date: `Sun, 06 Nov 1994 08:49:37 GMT`.
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let millis = at.as_millisecond() - clock.now().0;
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fake::FakeClock;

    fn response(status: u16, retry_after: Option<&str>) -> Result<HttpResponse, HttpFailure> {
        let headers = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect();
        Ok(HttpResponse { status, headers, body: bytes::Bytes::new() })
    }

    fn gate(settings: Settings) -> (Arc<FakeClock>, Arc<Gate>) {
        let clock = Arc::new(FakeClock::default());
        let metrics = Metrics::register(&prometheus::Registry::new(), 10).unwrap();
        let gate = Gate::new("dev".parse().unwrap(), "api".parse().unwrap(), clock.clone(), metrics);
        gate.set(settings);
        (clock, gate)
    }

    #[test]
    fn what_an_answer_says_of_the_other_side() {
        for (status, expected) in [
            (200, Health::Well),
            (404, Health::Well),
            (408, Health::Well),
            (429, Health::Busy),
            (500, Health::Unwell),
            (501, Health::Well),
            (502, Health::Unwell),
            (503, Health::Unwell),
        ] {
            assert_eq!(health(&response(status, None)), expected, "{status}");
        }
        assert_eq!(health(&Err(HttpFailure::NotSent("refused".into()))), Health::Unwell);
        assert_eq!(health(&Err(HttpFailure::Broken { message: "reset".into(), timed_out: false })), Health::Unwell);
        assert_eq!(health(&Err(HttpFailure::Denied("no".into()))), Health::Unknown);
    }

    #[test]
    fn when_to_come_back_is_read_in_both_forms() {
        // It is 2026-01-01T00:00:00Z.
        let clock = FakeClock::default();
        let seconds = Some(Duration::from_secs(120));
        assert_eq!(retry_after(&response(429, Some(" 120 ")), &clock), seconds);
        assert_eq!(retry_after(&response(503, Some("Thu, 01 Jan 2026 00:02:00 GMT")), &clock), seconds);
        assert_eq!(retry_after(&response(503, Some("Wed, 31 Dec 2025 00:00:00 GMT")), &clock), Some(Duration::ZERO));
        assert_eq!(retry_after(&response(503, Some("soon")), &clock), None);
        assert_eq!(retry_after(&response(500, Some("120")), &clock), None, "only these two may ask");
        assert_eq!(retry_after(&response(429, None), &clock), None);
    }

    #[tokio::test]
    async fn a_permit_that_is_dropped_lets_the_next_one_look() {
        let (clock, gate) = gate(Settings { failures: 1, ..Settings::default() });
        gate.enter(Duration::from_secs(60)).await.unwrap_or_else(|_| panic!("held")).report(Health::Unwell, None);
        assert!(gate.enter(Duration::from_secs(60)).await.is_err());
        clock.advance(Duration::from_secs(1));
        let probe = gate.enter(Duration::from_secs(60)).await.unwrap_or_else(|_| panic!("held"));
        assert!(gate.enter(Duration::from_secs(60)).await.is_err(), "one at a time");
        drop(probe);
        gate.enter(Duration::from_secs(60)).await.unwrap_or_else(|_| panic!("held")).report(Health::Well, None);
        assert_eq!(gate.view().word, crate::breaker::Word::Closed);
    }

    #[tokio::test]
    async fn calls_at_the_same_time_are_limited() {
        let (_clock, gate) = gate(Settings { concurrency: Some(1), ..Settings::default() });
        let first = gate.enter(Duration::ZERO).await.unwrap_or_else(|_| panic!("held"));
        // No patience is left, so it does not wait for the clock.
        let held = gate.enter(Duration::ZERO).await.err().unwrap();
        assert_eq!(held.why, Why::Crowded);
        drop(first);
        assert!(gate.enter(Duration::ZERO).await.is_ok());
    }
}
