//! Notices: tells outside that runs were dead-lettered or parked, again and again until it is heard.
//!
//! Not here: when something is noted (the store), and the events that integrations hear of each other.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Rng};
use crate::ids::RunId;
use crate::outside::Outside;
use crate::ports::http::HttpRequest;
use crate::retry::jittered;
use crate::run::RunState;
use crate::store::notices::Notice;
use crate::store::{Store, StoreError};

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_secs(1);
/// One telling takes at most this.
const LIMIT: Duration = Duration::from_secs(10);
/// The pause after the first telling that failed; doubles up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);
/// An answer is not looked at beyond this.
const ANSWER_BYTES: u64 = 64 * 1024;
/// The longest name of a failure that is told.
const NAME: usize = 64;

/// A reason without what a guest wrote: of a failure only its name, of a trap only that it was one.
#[must_use]
pub fn without_a_guests_words(outcome: Option<&str>, reason: &str) -> String {
    match outcome {
        Some("failed") => {
            let name = reason.split(": ").next().unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if !name.is_empty() && name.len() <= NAME && name.chars().all(plain) {
                format!("failed: {name}")
            } else {
                "failed".into()
            }
        }
        Some("trapped") => "trapped".into(),
        Some("in-doubt") => "a call may have happened".into(),
        _ => reason.to_owned(),
    }
}

/// See the module.
pub struct Notifier {
    store: Arc<dyn Store>,
    outside: Arc<Outside>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// Where a run is looked at.
    link: Box<dyn Fn(RunId) -> String + Send + Sync>,
}

impl Notifier {
    /// Puts it together; `link` gives the address of a run.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        outside: Arc<Outside>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        link: impl Fn(RunId) -> String + Send + Sync + 'static,
    ) -> Self {
        Self { store, outside, clock, rng, link: Box::new(link) }
    }

    /// Tells what there is to tell until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let work = async {
            loop {
                if let Err(problem) = self.tell().await {
                    tracing::warn!(%problem, "notices could not be read or marked; trying again");
                }
                self.clock.sleep(LOOK).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Tells what is due, once.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn tell(&self) -> Result<(), StoreError> {
        for notice in self.store.notices(self.clock.now()).await? {
            match self.send(&notice).await {
                Ok(()) => self.store.told(notice).await?,
                Err(problem) => {
                    let mut random = [0; 8];
                    self.rng.fill(&mut random);
                    let pause = FIRST.saturating_mul(1 << notice.tries.min(20)).min(LONGEST);
                    let due = self.clock.now().plus(jittered(pause / 2, pause, u64::from_le_bytes(random)));
                    tracing::warn!(
                        environment = %notice.scope.environment, integration = %notice.scope.integration,
                        connection = %notice.target.connection, problem, "a notice could not be told; trying again"
                    );
                    self.store.not_told(notice, problem, due).await?;
                }
            }
        }
        Ok(())
    }

    async fn send(&self, notice: &Notice) -> Result<(), String> {
        let target = &notice.target;
        let port = self.outside.port(&notice.scope.environment, &target.connection).await?;
        let base = port.base().ok_or("the connection has no base URL")?;
        let url = format!("{}{}", base.as_str().trim_end_matches('/'), target.path);
        let request = HttpRequest {
            method: "POST".into(),
            url: url.parse().map_err(|e| format!("the path does not fit the connection: {e}"))?,
            headers: vec![("content-type".into(), "application/json".into()), ("idempotency-key".into(), key(notice))],
            body: body(notice, &(self.link)(notice.run)).into(),
            timeout: LIMIT.min(port.timeout()),
            response_limit: ANSWER_BYTES,
            redirects: 0,
        };
        match port.send(request, &|_| false).await {
            Ok(answer) if answer.status < 300 => Ok(()),
            Ok(answer) => Err(format!("answered {}", answer.status)),
            Err(failure) => Err(failure.to_string()),
        }
    }
}

/// The same for every telling of the same runs.
fn key(notice: &Notice) -> String {
    format!("{}-{}-{}", notice.run, notice.state, notice.count)
}

fn body(notice: &Notice, link: &str) -> String {
    let next = match notice.state {
        RunState::NeedsDecision => format!("jackfield runs show {}", notice.run),
        _ => {
            let scope = &notice.scope;
            format!("jackfield deadletters list --env {} --integration {}", scope.environment, scope.integration)
        }
    };
    let runs = if notice.count == 1 { "a run".to_owned() } else { format!("{} runs", notice.count) };
    let text = format!("{runs} of {}: {} ({})", notice.scope, notice.state, notice.reason);
    json!({
        // What chat systems show.
        "text": format!("{text}\n{next}"),
        "type": format!("jackfield.runs.{}", notice.state),
        "environment": notice.scope.environment,
        "integration": notice.scope.integration,
        "component": notice.component,
        "state": notice.state,
        "runs": notice.count,
        "run": notice.run,
        "reason": notice.reason,
        "since": notice.since.to_string(),
        "link": link,
        "command": next,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_words_are_left_out() {
        for (outcome, reason, told) in [
            (Some("failed"), "TypeError: ada@example.com is no number", "failed: TypeError"),
            (Some("failed"), "non-determinism: non-determinism at call 1", "failed: non-determinism"),
            (Some("failed"), "ada@example.com: oh", "failed"),
            (Some("failed"), "", "failed"),
            (Some("trapped"), "panicked at ada@example.com", "trapped"),
            (Some("in-doubt"), "call 2 may have happened: POST bank /transfers/ada", "a call may have happened"),
            (Some("out-of-time"), "ran longer than 60s (limits.timeout)", "ran longer than 60s (limits.timeout)"),
            (None, "this run cannot be read: x", "this run cannot be read: x"),
        ] {
            assert_eq!(without_a_guests_words(outcome, reason), told, "{reason}");
        }
    }
}
