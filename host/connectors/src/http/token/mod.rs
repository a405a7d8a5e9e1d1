//! The access token of a connection: kept in memory only, shared by all its calls, replaced before it ends.
//!
//! Not here: how the token endpoint is asked and what it answers (`endpoint.rs`).

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::HeaderValue;
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use jackfield_core::lock::locked;
use jackfield_core::ports::http::HttpFailure;
use jackfield_core::redact::Redactor;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

mod endpoint;
mod setting;

pub(super) use self::endpoint::Endpoint;
pub(super) use self::setting::OAuth2Setting;

/// The longest before its end that a token is replaced; of a short-lived one, a fifth of its life.
const MARGIN: Duration = Duration::from_secs(60);
/// How long an answer 401 does not ask for another token, after one did.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);
/// The pause after a first failure of the token endpoint; doubled with each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause after a failure that asking again does not mend. Some endpoints lock out who insists.
const LASTING_PAUSE: Duration = Duration::from_secs(60);
/// The longest that an endpoint's `retry-after` is honoured.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// A token as it is used.
pub(super) struct Token {
    /// `Bearer …`
    pub(super) header: HeaderValue,
    /// Takes it, and the client's secret, out of answers.
    pub(super) redactor: Redactor,
    /// What the endpoint said of it, for a person.
    pub(super) described: String,
    came: Instant,
    /// When to ask for the next.
    renew: Instant,
    ends: Instant,
}

impl Token {
    /// A token that was asked for at `asked` and is good for `life` from then.
    fn new(header: HeaderValue, redactor: Redactor, described: String, asked: Instant, life: Duration) -> Self {
        let ends = asked + life;
        Self { header, redactor, described, came: Instant::now(), renew: ends - MARGIN.min(life / 5), ends }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoToken {
    /// What happened, with the way out. Holds no secret and nothing that the endpoint wrote freely.
    pub(super) problem: String,
    /// The endpoint's own words, secrets taken out; for the operator's eyes.
    pub(super) said: Option<String>,
    /// Asking again will not help: a person has to change something.
    lasting: bool,
    /// When the endpoint says to come again.
    retry_after: Option<Duration>,
}

impl NoToken {
    fn passing(problem: String) -> Self {
        Self { problem, said: None, lasting: false, retry_after: None }
    }

    fn lasting(problem: String) -> Self {
        Self { lasting: true, ..Self::passing(problem) }
    }

    /// How long not to ask again, after `failures` in a row.
    fn pause(&self, failures: u32) -> Duration {
        if self.lasting {
            return LASTING_PAUSE;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        self.retry_after.map_or(doubled, |asked| asked.clamp(FIRST_PAUSE, LONGEST_RETRY_AFTER))
    }
}

impl From<NoToken> for HttpFailure {
    /// The guest's request was not sent.
    fn from(none: NoToken) -> Self {
        Self::NotSent(none.problem)
    }
}

type Result<T> = std::result::Result<T, NoToken>;

/// What a renewal comes to, for all who wait for it.
type Renewal = Shared<oneshot::Receiver<Result<Arc<Token>>>>;

/// See the module.
pub(super) struct Tokens {
    kept: Arc<Kept>,
    /// The renewal, if one is under way. No caller's own: one that gives up does not end it for the
    /// others. It ends with the connection.
    tasks: Mutex<JoinSet<()>>,
}

struct Kept {
    endpoint: Endpoint,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Token>>,
    renewing: Option<Renewal>,
    failed: Option<Failed>,
    /// When an answer 401 last made us ask for another token.
    refused: Option<Instant>,
}

struct Failed {
    none: NoToken,
    in_a_row: u32,
    until: Instant,
}

impl Tokens {
    /// Asks `endpoint` when a token is first needed.
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { kept: Arc::new(Kept { endpoint, state: Mutex::default() }), tasks: Mutex::default() }
    }

    /// The token endpoint.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.kept.endpoint
    }

    /// A token that is good now. One that ends soon is replaced meanwhile, without making anybody wait.
    ///
    /// # Errors
    ///
    /// There is none, or none came by `deadline`.
    pub(super) async fn current(&self, deadline: Instant) -> Result<Arc<Token>> {
        let renewal = {
            let mut state = locked(&self.kept.state);
            let now = Instant::now();
            if let Some(held) = state.held.clone().filter(|held| now < held.ends) {
                if now >= held.renew {
                    // Should it fail, the one we have is still good, and the failure is in the log.
                    let _ = self.renewal(&mut state, now);
                }
                return Ok(held);
            }
            self.renewal(&mut state, now)?
        };
        let unanswered = |why: &str| NoToken::passing(format!("no access token from {}: {why}", self.endpoint()));
        match timeout_at(deadline, renewal).await {
            Ok(Ok(token)) => token,
            Ok(Err(_)) => Err(unanswered("the request for one was given up")),
            Err(_) => Err(unanswered("none came within the call's time")),
        }
    }

    /// Another token in place of one that the other side answered 401 to, in a call that began at
    /// `began`. None if that answer is to be believed: the token is fresh, or a new one did not help
    /// a moment ago.
    pub(super) async fn instead_of(
        &self,
        rejected: &Arc<Token>,
        began: Instant,
        deadline: Instant,
    ) -> Option<Result<Arc<Token>>> {
        {
            let mut state = locked(&self.kept.state);
            let now = Instant::now();
            if state.held.as_ref().is_some_and(|held| Arc::ptr_eq(held, rejected)) {
                if rejected.came >= began || state.refused.is_some_and(|at| now < at + REFUSED_AGAIN) {
                    return None;
                }
                state.refused = Some(now);
                state.held = None;
            }
        }
        Some(self.current(deadline).await)
    }

    /// The renewal under way, or a new one.
    fn renewal(&self, state: &mut State, now: Instant) -> Result<Renewal> {
        // One that ended without taking itself out has panicked: it is not waited for.
        if let Some(renewing) = state.renewing.as_ref().filter(|renewing| renewing.peek().is_none()) {
            return Ok(renewing.clone());
        }
        if let Some(failed) = state.failed.as_ref().filter(|failed| now < failed.until) {
            let seconds = (failed.until - now).as_secs() + 1;
            let problem = format!("{} (asked again in {seconds}s)", failed.none.problem);
            return Err(NoToken { problem, ..failed.none.clone() });
        }
        let (done, renewal) = oneshot::channel();
        let renewal = renewal.shared();
        state.renewing = Some(renewal.clone());
        let kept = Arc::clone(&self.kept);
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _ = done.send(kept.renew().await);
        });
        Ok(renewal)
    }
}

impl Kept {
    async fn renew(&self) -> Result<Arc<Token>> {
        let asked = self.endpoint.ask().await.map(Arc::new);
        let mut state = locked(&self.state);
        state.renewing = None;
        match &asked {
            Ok(token) => {
                state.failed = None;
                state.held = Some(Arc::clone(token));
            }
            Err(none) => {
                let in_a_row = state.failed.as_ref().map_or(0, |failed| failed.in_a_row).saturating_add(1);
                let pause = none.pause(in_a_row);
                tracing::warn!(problem = none.problem, pause_s = pause.as_secs(), "no access token for a connection");
                state.failed = Some(Failed { none: none.clone(), in_a_row, until: Instant::now() + pause });
            }
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_endpoint_is_asked_less_and_less() {
        #[track_caller]
        fn check(none: &NoToken, failures: u32, seconds: u64) {
            assert_eq!(none.pause(failures), Duration::from_secs(seconds), "{none:?} {failures}");
        }
        let passing = NoToken::passing("down".into());
        for (failures, seconds) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (7, 30), (u32::MAX, 30)] {
            check(&passing, failures, seconds);
        }
        check(&NoToken::lasting("no".into()), 1, 60);
        let told = |seconds| NoToken { retry_after: Some(Duration::from_secs(seconds)), ..passing.clone() };
        for (asked, seconds) in [(0, 1), (7, 7), (86_400, 300)] {
            check(&told(asked), 1, seconds);
        }
    }

    #[test]
    fn a_token_is_replaced_before_it_ends() {
        #[track_caller]
        fn check(life: u64, before: u64) {
            let (asked, life) = (Instant::now(), Duration::from_secs(life));
            let token = Token::new(HeaderValue::from_static("x"), Redactor::none(), String::new(), asked, life);
            assert_eq!(token.ends - token.renew, Duration::from_secs(before), "{life:?}");
            assert_eq!(token.ends, asked + life);
        }
        check(3600, 60);
        check(300, 60);
        check(100, 20);
        check(5, 1);
    }
}
