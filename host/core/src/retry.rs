//! What becomes of a run after an attempt: a table, without clock or randomness.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outcome::{Failure, Outcome};

/// How often and how long a component's failed runs are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The delay after the first failure; doubles with each further one.
    pub first: Duration,
    /// Delays stop growing here.
    pub longest: Duration,
    /// No attempt starts later than this after the run was accepted.
    pub within: Duration,
    /// The most attempts, if the manifest prefers a count.
    pub attempts: Option<u32>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(600),
            within: Duration::from_secs(24 * 3600),
            attempts: None,
        }
    }
}

/// What the run has been through, the attempt that just ended included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Attempts that ended `failed`.
    pub failed: u32,
    /// Attempts that trapped or met a limit.
    pub hard: u32,
    /// Attempts released because of the host, in a row.
    pub faults: u32,
    /// Since the run was accepted.
    pub age: Duration,
}

/// What happens to the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// It is `succeeded`.
    Finish,
    /// It is `waiting`, for at most `delay`: full jitter picks between `at_least` and `delay`.
    Retry {
        /// What the guest asked for at least.
        at_least: Duration,
        /// The upper end of the jitter.
        delay: Duration,
    },
    /// It is `dead-lettered`.
    DeadLetter {
        /// Why, for a person.
        reason: String,
    },
    /// It is `needs-decision`.
    Park,
    /// It is `queued` again after `delay`; the attempt does not count.
    Release {
        /// The upper end of the jitter.
        delay: Duration,
    },
    /// It is `cancelled`.
    Cancel,
}

/// Decides what follows `outcome`.
#[must_use]
pub fn next_step(policy: &RetryPolicy, progress: Progress, outcome: &Outcome) -> NextStep {
    match outcome {
        Outcome::Succeeded { .. } => NextStep::Finish,
        Outcome::Cancelled => NextStep::Cancel,
        Outcome::InDoubt { .. } => NextStep::Park,
        Outcome::HostFault { .. } => {
            NextStep::Release { delay: doubled(Duration::from_millis(200), progress.faults, Duration::from_secs(30)) }
        }
        Outcome::Failed(Failure { retryable: false, .. }) => NextStep::DeadLetter { reason: outcome.reason() },
        Outcome::Failed(failure) => retry(policy, progress, failure.retry_after.unwrap_or_default(), outcome),
        Outcome::Trapped { .. }
        | Outcome::OutOfTime { .. }
        | Outcome::OutOfMemory { .. }
        | Outcome::OverBudget { .. } => {
            if progress.hard >= 2 {
                NextStep::DeadLetter { reason: outcome.reason() }
            } else {
                retry(policy, progress, Duration::ZERO, outcome)
            }
        }
    }
}

fn retry(policy: &RetryPolicy, progress: Progress, at_least: Duration, outcome: &Outcome) -> NextStep {
    let made = progress.failed + progress.hard;
    if policy.attempts.is_some_and(|most| made >= most) {
        return NextStep::DeadLetter { reason: format!("{} (attempt {made} of {made})", outcome.reason()) };
    }
    let left = policy.within.saturating_sub(progress.age);
    if left.is_zero() || at_least > left {
        return NextStep::DeadLetter {
            reason: format!("{} (after {made} attempts; retry.for is {:?})", outcome.reason(), policy.within),
        };
    }
    let delay = doubled(policy.first, made, policy.longest).max(at_least).min(left);
    NextStep::Retry { at_least, delay }
}

/// `first`, doubled for every further time, at most `longest`.
fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.saturating_sub(1).min(30)).min(longest)
}

/// A moment between the ends, picked by `random` (any u64).
#[must_use]
pub fn jittered(at_least: Duration, delay: Duration, random: u64) -> Duration {
    let span = u64::try_from(delay.saturating_sub(at_least).as_millis()).unwrap_or(u64::MAX);
    at_least + Duration::from_millis(random % span.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limit;
    use crate::outcome::TimeLimit;

    fn failed(retryable: bool, retry_after: Option<u64>) -> Outcome {
        Outcome::Failed(Failure {
            name: "Error".into(),
            message: "no".into(),
            stack: None,
            retryable,
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    fn after(failed_times: u32, age: u64) -> Progress {
        Progress { failed: failed_times, age: Duration::from_secs(age), ..Progress::default() }
    }

    #[track_caller]
    fn delay(progress: Progress, outcome: &Outcome, expected: u64) {
        match next_step(&RetryPolicy::default(), progress, outcome) {
            NextStep::Retry { delay, .. } => assert_eq!(delay, Duration::from_secs(expected)),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn dead(policy: RetryPolicy, progress: Progress, outcome: &Outcome) {
        let next = next_step(&policy, progress, outcome);
        assert!(matches!(next, NextStep::DeadLetter { .. }), "{next:?}");
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        for (times, expected) in [(1, 1), (2, 2), (3, 4), (10, 512), (11, 600), (60, 600)] {
            delay(after(times, 1), &failed(true, None), expected);
        }
    }

    #[test]
    fn the_guests_own_delay_may_exceed_the_longest_but_not_the_time_left() {
        delay(after(1, 1), &failed(true, Some(3600)), 3600);
        dead(RetryPolicy::default(), after(1, 86_000), &failed(true, Some(3600)));
    }

    #[test]
    fn a_day_is_enough() {
        delay(after(200, 86_399), &failed(true, None), 1);
        dead(RetryPolicy::default(), after(200, 86_400), &failed(true, None));
    }

    #[test]
    fn a_count_holds_if_there_is_one() {
        let policy = RetryPolicy { attempts: Some(3), ..RetryPolicy::default() };
        assert!(matches!(next_step(&policy, after(2, 1), &failed(true, None)), NextStep::Retry { .. }));
        dead(policy, after(3, 1), &failed(true, None));
    }

    #[test]
    fn a_handler_can_refuse_a_retry() {
        dead(RetryPolicy::default(), after(1, 1), &failed(false, None));
    }

    #[test]
    fn traps_and_limits_get_one_more_attempt() {
        let endings = [
            Outcome::Trapped { message: "unreachable".into(), frames: vec![] },
            Outcome::OutOfTime { limit: TimeLimit::Cpu, allowed: Duration::from_secs(10) },
            Outcome::OutOfMemory { limit_bytes: 1, wanted_bytes: 2 },
            Outcome::OverBudget { limit: Limit::Calls, allowed: 10 },
        ];
        for ending in endings {
            let one = Progress { hard: 1, ..Progress::default() };
            assert!(matches!(next_step(&RetryPolicy::default(), one, &ending), NextStep::Retry { .. }));
            dead(RetryPolicy::default(), Progress { hard: 2, ..one }, &ending);
        }
    }

    #[test]
    fn doubt_parks_and_our_faults_release_for_ever() {
        let doubt = Outcome::InDoubt { call: 2, what: "POST".into() };
        assert_eq!(next_step(&RetryPolicy::default(), Progress::default(), &doubt), NextStep::Park);
        let fault = Outcome::HostFault { message: "disk".into(), panicked: false };
        let old = Progress { faults: 10_000, age: Duration::from_secs(1_000_000), ..Progress::default() };
        assert_eq!(
            next_step(&RetryPolicy::default(), old, &fault),
            NextStep::Release { delay: Duration::from_secs(30) }
        );
    }

    #[test]
    fn jitter_stays_between_its_ends() {
        for random in [0, 1, 999, 1000, 1001, u64::MAX] {
            let picked = jittered(Duration::from_secs(1), Duration::from_secs(2), random);
            assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&picked));
        }
        assert_eq!(jittered(Duration::ZERO, Duration::ZERO, 7), Duration::ZERO);
    }
}
