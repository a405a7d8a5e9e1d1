//! What becomes of a run after an attempt: a table, without clock or randomness.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// How often and how long a component's failed runs are tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The delay after the first failure; doubles with each further one.
    pub first: Duration,
    /// Delays stop growing here.
    pub longest: Duration,
    /// No attempt starts later than this after the run was accepted.
    pub within: Duration,
    /// The most attempts, if the manifest prefers a count.
    pub attempts: Option<u32>,
    /// What differs for some endings. The first rule that fits counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RetryRule>,
}

/// An ending that a rule can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ends {
    /// The handler said so.
    Failed,
    /// The guest trapped.
    Trapped,
    /// It took too long.
    OutOfTime,
    /// It asked for too much memory.
    OutOfMemory,
    /// It used up a budget.
    OverBudget,
}

impl Ends {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Failed, Self::Trapped, Self::OutOfTime, Self::OutOfMemory, Self::OverBudget];

    /// The outcome's word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Trapped => "trapped",
            Self::OutOfTime => "out-of-time",
            Self::OutOfMemory => "out-of-memory",
            Self::OverBudget => "over-budget",
        }
    }
}

/// What differs from the policy for one kind of ending. What is not said is as the policy has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryRule {
    /// Which ending.
    pub on: Ends,
    /// Only failures of this name; with a `*` at its end, those that begin so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whether such a run is tried again at all, whatever the handler says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
    /// See [`RetryPolicy::first`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Duration>,
    /// See [`RetryPolicy::longest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Duration>,
    /// See [`RetryPolicy::within`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// The most attempts that end so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

impl RetryRule {
    fn fits(&self, outcome: &Outcome) -> bool {
        if self.on.label() != outcome.label() {
            return false;
        }
        match (&self.failure, outcome) {
            (None, _) => true,
            (Some(wanted), Outcome::Failed(failure)) => match wanted.strip_suffix('*') {
                Some(begin) => failure.name.starts_with(begin),
                None => failure.name == *wanted,
            },
            (Some(_), _) => false,
        }
    }

    /// The policy as it is for what this rule is about.
    fn over(&self, policy: &RetryPolicy) -> RetryPolicy {
        let first = self.first.unwrap_or(policy.first);
        RetryPolicy {
            first,
            longest: self.longest.unwrap_or(policy.longest).max(first),
            within: self.within.unwrap_or(policy.within),
            attempts: self.attempts.or(policy.attempts),
            rules: Vec::new(),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(600),
            within: Duration::from_secs(24 * 3600),
            attempts: None,
            rules: Vec::new(),
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
    /// It is `waiting` for a connection that lets no call through; the attempt does not count.
    Hold {
        /// The connection is not to be asked earlier.
        at_least: Duration,
        /// The upper end of the jitter.
        delay: Duration,
    },
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
        Outcome::Held { back_in, .. } => held(policy, progress, *back_in, outcome),
        Outcome::HostFault { .. } => {
            NextStep::Release { delay: doubled(Duration::from_millis(200), progress.faults, Duration::from_secs(30)) }
        }
        Outcome::Failed(_)
        | Outcome::Trapped { .. }
        | Outcome::OutOfTime { .. }
        | Outcome::OutOfMemory { .. }
        | Outcome::OverBudget { .. } => ended_badly(policy, progress, outcome),
    }
}

fn ended_badly(policy: &RetryPolicy, progress: Progress, outcome: &Outcome) -> NextStep {
    let rule = policy.rules.iter().find(|rule| rule.fits(outcome));
    let dead = || NextStep::DeadLetter { reason: outcome.reason() };
    if rule.is_some_and(|rule| rule.retry == Some(false)) {
        return NextStep::DeadLetter { reason: format!("{} (retry.rules: not tried again)", outcome.reason()) };
    }
    let wanted = rule.and_then(|rule| rule.retry) == Some(true);
    let counted = rule.and_then(|rule| rule.attempts);
    let (at_least, made) = match outcome {
        // What recorded and actual calls differ in is not mended by another attempt.
        Outcome::Failed(failure) if !failure.retryable && (!wanted || failure.name == "non-determinism") => {
            return dead();
        }
        Outcome::Failed(failure) => (failure.retry_after.unwrap_or_default(), progress.failed),
        // One more attempt, unless a rule says otherwise.
        _ if !wanted && progress.hard >= counted.unwrap_or(2) => return dead(),
        _ => (Duration::ZERO, progress.hard),
    };
    if let Some(most) = counted
        && made >= most
    {
        return NextStep::DeadLetter { reason: format!("{} (attempt {made} of {made})", outcome.reason()) };
    }
    match rule {
        Some(rule) => {
            // Counted above, by the rule's own measure.
            let attempts = if counted.is_some() { None } else { policy.attempts };
            retry(&RetryPolicy { attempts, ..rule.over(policy) }, progress, at_least, outcome)
        }
        None => retry(policy, progress, at_least, outcome),
    }
}

/// No attempt was used up, but a run does not wait for ever for a connection that is gone.
fn held(policy: &RetryPolicy, progress: Progress, back_in: Duration, outcome: &Outcome) -> NextStep {
    let left = policy.within.saturating_sub(progress.age);
    if left.is_zero() {
        return NextStep::DeadLetter { reason: format!("{} (retry.for is {:?})", outcome.reason(), policy.within) };
    }
    let at_least = back_in.min(left);
    NextStep::Hold { at_least, delay: (at_least + at_least / 10).min(left) }
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
    use crate::outcome::{Failure, TimeLimit};

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

    const ANY: RetryRule = RetryRule {
        on: Ends::Failed,
        failure: None,
        retry: None,
        first: None,
        longest: None,
        within: None,
        attempts: None,
    };

    fn ruled(rules: Vec<RetryRule>) -> RetryPolicy {
        RetryPolicy { rules, ..RetryPolicy::default() }
    }

    fn named(name: &str, retryable: bool) -> Outcome {
        let Outcome::Failed(failure) = failed(retryable, None) else { panic!("it is a failure") };
        Outcome::Failed(Failure { name: name.into(), ..failure })
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let policy = ruled(vec![
            RetryRule { failure: Some("Validation*".into()), retry: Some(false), ..ANY },
            RetryRule { failure: Some("RateLimited".into()), first: Some(Duration::from_secs(60)), ..ANY },
            RetryRule { attempts: Some(2), ..ANY },
        ]);
        dead(policy.clone(), after(1, 1), &named("ValidationError", true));
        match next_step(&policy, after(9, 1), &named("RateLimited", true)) {
            // Doubled eight times it would be longer than the longest.
            NextStep::Retry { delay, .. } => assert_eq!(delay, Duration::from_secs(600)),
            other => panic!("{other:?}"),
        }
        assert!(matches!(next_step(&policy, after(1, 1), &named("Other", true)), NextStep::Retry { .. }));
        dead(policy.clone(), after(2, 1), &named("Other", true));
        // The handler's own word holds where a rule does not overrule it.
        dead(policy, after(1, 1), &named("RateLimited", false));
    }

    #[test]
    fn a_rule_can_overrule_the_handler_but_not_a_divergence() {
        let policy = ruled(vec![RetryRule { retry: Some(true), ..ANY }]);
        assert!(matches!(next_step(&policy, after(5, 1), &named("Error", false)), NextStep::Retry { .. }));
        dead(policy, after(1, 1), &named("non-determinism", false));
    }

    #[test]
    fn rules_are_about_traps_and_limits_too() {
        let trap = Outcome::Trapped { message: "unreachable".into(), frames: vec![] };
        let hard = |hard| Progress { hard, ..Progress::default() };
        let counted = |attempts| ruled(vec![RetryRule { on: Ends::Trapped, attempts: Some(attempts), ..ANY }]);
        dead(counted(1), hard(1), &trap);
        assert!(matches!(next_step(&counted(5), hard(4), &trap), NextStep::Retry { .. }));
        dead(counted(5), hard(5), &trap);
        let always = ruled(vec![RetryRule { on: Ends::Trapped, retry: Some(true), ..ANY }]);
        assert!(matches!(next_step(&always, hard(50), &trap), NextStep::Retry { .. }));
        // Another ending is not concerned.
        dead(always, hard(2), &Outcome::OutOfMemory { limit_bytes: 1, wanted_bytes: 2 });
    }

    #[test]
    fn a_held_run_comes_back_and_uses_nothing_up_until_its_time_is_over() {
        let held = |seconds| Outcome::Held {
            connection: "api".into(),
            back_in: Duration::from_secs(seconds),
            why: "10 calls in a row found it not well".into(),
        };
        let policy = RetryPolicy { attempts: Some(1), ..RetryPolicy::default() };
        let hold = |at_least: u64, delay: u64| NextStep::Hold {
            at_least: Duration::from_secs(at_least),
            delay: Duration::from_secs(delay),
        };
        assert_eq!(next_step(&policy, after(1, 1), &held(60)), hold(60, 66));
        // Not later than its last moment.
        assert_eq!(next_step(&policy, after(1, 86_390), &held(60)), hold(10, 10));
        let NextStep::DeadLetter { reason } = next_step(&policy, after(1, 86_400), &held(60)) else { panic!("alive") };
        assert!(reason.contains("`api`") && reason.contains("retry.for"), "{reason}");
    }
}
