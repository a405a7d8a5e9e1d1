//! `retry` of a component, read and written: the policy, and the rules for single endings.
//!
//! Not here: what follows from them; see [`crate::retry`].

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::fields::{At, Complaints, Fields};
use super::units::show_duration;
use crate::retry::{Ends, RetryPolicy, RetryRule};

pub(super) const RETRY: &[&str] = &["first", "longest", "for", "attempts", "rules"];
pub(super) const RULE: &[&str] = &["on", "failure", "retry", "first", "longest", "for", "attempts"];

const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
const LONGEST_NAME: usize = 256;
const MOST_ATTEMPTS: u32 = 1_000_000;
/// The words of `on`, as [`Ends::ALL`] has them.
const ENDS: [&str; 5] = ["failed", "trapped", "out-of-time", "out-of-memory", "over-budget"];

/// The four that a policy and a rule have in common.
struct Times {
    first: Option<Duration>,
    longest: Option<Duration>,
    within: Option<Duration>,
    attempts: Option<u32>,
}

impl Times {
    fn read(c: &mut Complaints, fields: &Fields<'_>) -> Self {
        let some = Duration::from_millis(1)..=LONGEST;
        Self {
            first: fields.get("first").and_then(|at| c.duration(&at, some.clone())),
            longest: fields.get("longest").and_then(|at| c.duration(&at, some.clone())),
            within: fields.get("for").and_then(|at| c.duration(&at, Duration::ZERO..=LONGEST)),
            attempts: fields.get("attempts").and_then(|at| c.whole(&at, 1..=MOST_ATTEMPTS)),
        }
    }

    /// Complains if delays would shrink.
    fn fit(c: &mut Complaints, fields: &Fields<'_>, first: Duration, longest: Duration) {
        if first > longest
            && let Some(at) = fields.get("first").or_else(|| fields.get("longest"))
        {
            let (first, longest) = (show_duration(first), show_duration(longest));
            c.say(
                &at.place,
                format_args!("does not fit: `first` is {first} and `longest` is {longest}; delays only grow"),
            );
        }
    }
}

/// Reads a policy.
pub(super) fn policy(c: &mut Complaints, at: &At<'_>) -> RetryPolicy {
    let usual = RetryPolicy::default();
    let Some(fields) = c.fields(at, RETRY) else { return usual };
    let times = Times::read(c, &fields);
    let policy = RetryPolicy {
        first: times.first.unwrap_or(usual.first),
        longest: times.longest.unwrap_or(usual.longest),
        within: times.within.unwrap_or(usual.within),
        attempts: times.attempts,
        rules: Vec::new(),
    };
    Times::fit(c, &fields, policy.first, policy.longest);
    let rules = fields.get("rules").and_then(|at| c.list(&at)).unwrap_or_default();
    let rules = rules.iter().filter_map(|at| rule(c, at)).collect();
    RetryPolicy { rules, ..policy }
}

fn rule(c: &mut Complaints, at: &At<'_>) -> Option<RetryRule> {
    let fields = c.fields(at, RULE)?;
    let on = c.required(&fields, "on", "on = \"failed\"")?;
    let on = c.word(&on, &ENDS)?;
    let on = Ends::ALL.into_iter().find(|ends| ends.label() == on)?;
    let failure = match fields.get("failure") {
        Some(at) if on != Ends::Failed => {
            c.say(&at.place, "is the name of a failure; it goes with `on = \"failed\"`");
            return None;
        }
        Some(at) => Some(c.line(&at, LONGEST_NAME)?),
        None => None,
    };
    let retry = fields.get("retry").and_then(|at| c.flag(&at));
    let times = Times::read(c, &fields);
    if let (Some(first), Some(longest)) = (times.first, times.longest) {
        Times::fit(c, &fields, first, longest);
    }
    let Times { first, longest, within, attempts } = times;
    let nothing = first.is_none() && longest.is_none() && within.is_none() && attempts.is_none() && retry.is_none();
    if nothing {
        c.say(&at.place, "says nothing: write `retry = false`, `attempts = 3`, `first = \"1m\"` or so");
    } else if retry == Some(false) && (first.is_some() || longest.is_some() || within.is_some() || attempts.is_some()) {
        c.say(&at.place, "says `retry = false` and how to try again; write one of the two");
    }
    Some(RetryRule { on, failure, retry, first, longest, within, attempts })
}

/// What differs from `usual`, in the form it is read in.
pub(super) fn write(policy: &RetryPolicy, usual: &RetryPolicy) -> Map<String, Value> {
    let mut out = Map::new();
    let mut changed = |key: &str, differs: bool, value: Value| {
        if differs {
            out.insert(key.into(), value);
        }
    };
    changed("first", policy.first != usual.first, show_duration(policy.first).into());
    changed("longest", policy.longest != usual.longest, show_duration(policy.longest).into());
    changed("for", policy.within != usual.within, show_duration(policy.within).into());
    changed("attempts", policy.attempts != usual.attempts, policy.attempts.into());
    let rules: Vec<Value> = policy.rules.iter().map(written_rule).collect();
    changed("rules", policy.rules != usual.rules, rules.into());
    out
}

fn written_rule(rule: &RetryRule) -> Value {
    let mut out = Map::new();
    out.insert("on".into(), json!(rule.on.label()));
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(key.into(), value);
        }
    };
    put("failure", rule.failure.clone().map(Value::from));
    put("retry", rule.retry.map(Value::from));
    put("first", rule.first.map(|d| show_duration(d).into()));
    put("longest", rule.longest.map(|d| show_duration(d).into()));
    put("for", rule.within.map(|d| show_duration(d).into()));
    put("attempts", rule.attempts.map(Value::from));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{parse_json, parse_toml, to_json};

    const BEFORE: &str = "manifest_version = 1\n[integration]\nname = \"a\"\n[component.sync]\nsource = \"a.wasm\"\n[component.sync.retry]\n";

    #[test]
    fn words_are_the_outcomes() {
        assert_eq!(Ends::ALL.map(Ends::label), ENDS);
    }

    #[test]
    fn rules_are_read_and_written() {
        let text = format!(
            "{BEFORE}first = \"2s\"\nrules = [{{ on = \"trapped\", attempts = 1 }}, \
             {{ on = \"failed\", failure = \"RateLimited\", first = \"1m\", longest = \"1h\", for = \"48h\", retry = true }}]\n"
        );
        let manifest = parse_toml(&text, "m").unwrap();
        let policy = &manifest.components[&"sync".parse().unwrap()].retry;
        assert_eq!(policy.first, Duration::from_secs(2));
        assert_eq!((policy.rules[0].on, policy.rules[0].attempts), (Ends::Trapped, Some(1)));
        let limited = &policy.rules[1];
        assert_eq!((limited.failure.as_deref(), limited.retry), (Some("RateLimited"), Some(true)));
        assert_eq!(
            (limited.first, limited.within.map(|d| d.as_secs())),
            (Some(Duration::from_secs(60)), Some(48 * 3600))
        );
        assert_eq!(parse_json(&to_json(&manifest)).unwrap(), manifest);
    }

    #[test]
    fn a_rule_that_will_not_do_is_explained() {
        for (rule, key, told) in [
            ("{ attempts = 1 }", "rules[0].on", "on = \"failed\""),
            ("{ on = \"trap\", attempts = 1 }", "rules[0].on", "trapped"),
            ("{ on = \"trapped\", failure = \"X\", attempts = 1 }", "rules[0].failure", "on = \"failed\""),
            ("{ on = \"failed\" }", "rules[0]", "says nothing"),
            ("{ on = \"failed\", retry = false, attempts = 3 }", "rules[0]", "one of the two"),
            ("{ on = \"failed\", first = \"1m\", longest = \"1s\" }", "rules[0].first", "delays only grow"),
            ("{ on = \"failed\", tries = 3 }", "rules[0].tries", "is not a key here"),
        ] {
            let problems = parse_toml(&format!("{BEFORE}rules = [{rule}]\n"), "m").unwrap_err();
            let found = &problems.list[0];
            assert_eq!(found.key, format!("component.sync.retry.{key}"), "{problems:?}");
            assert!(found.text.contains(told), "{rule}: {}", found.text);
        }
    }
}
