//! The difference between two versions, as the API shows it.
//!
//! Not here: what makes a difference; the ledger says so.

use jackfield_core::diff;
use jackfield_core::grant::HttpTarget;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What leads from one version to another. A list that is empty says that nothing differs there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The version before; none for a first one.
    pub from: Option<u32>,
    /// The version after.
    pub to: u32,
    /// The components that differ.
    pub components: Vec<ComponentDifference>,
    /// The triggers that differ.
    pub triggers: Vec<TriggerDifference>,
    /// The connections that differ: names and kinds.
    pub connections: Vec<Setting>,
    /// What the integration says of itself, if that differs.
    pub description: Option<Setting>,
}

/// Whether a part came, went or differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is in the version after alone.
    Added,
    /// It is in the version before alone.
    Removed,
    /// It is in both, and differs.
    Changed,
}

/// A value that differs, as it is written in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// Its key, dotted: `limits.timeout`.
    pub key: String,
    /// The value before; none if it was not set.
    pub from: Option<String>,
    /// The value after; none if it is not set.
    pub to: Option<String>,
}

/// What differs in a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComponentDifference {
    /// Its name.
    pub name: String,
    /// Whether it came, went or differs.
    pub change: Change,
    /// The code before; none if it is the same, or if there was none.
    pub code_before: Option<Code>,
    /// The code after; none if it is the same, or if there is none.
    pub code_after: Option<Code>,
    /// Capabilities that the code imports now and did not before.
    pub imports_also: Vec<String>,
    /// What it may do now and might not before. New powers.
    pub may_also: Vec<Power>,
    /// Grants that are written anew and allow nothing that was not allowed before.
    pub may_still: Vec<Power>,
    /// What it might do before and may not any more.
    pub no_longer: Vec<Power>,
    /// Capabilities that are denied by name now and were not before.
    pub denied: Vec<String>,
    /// Capabilities that were denied by name and are not now.
    pub denied_no_longer: Vec<String>,
    /// Limits, retry policy, source and build.
    pub settings: Vec<Setting>,
}

/// What a component is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Code {
    /// The artifact.
    pub digest: String,
    /// Its size in bytes, if the host knows the artifact.
    pub size: Option<u64>,
    /// The language and the tools it names.
    pub producers: Vec<String>,
}

/// A single thing a component may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Power {
    /// The capability it is part of: `http`.
    pub capability: String,
    /// The connection or the URL it is about, if it is about one.
    pub target: Option<String>,
    /// `POST`, `read`, `write`, `emit` …
    pub verb: String,
    /// The path, the prefix of keys, the name, the type of events.
    pub what: String,
    /// What goes with it: `2 redirects`.
    pub with: Vec<String>,
}

/// What differs in a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TriggerDifference {
    /// Its name.
    pub name: String,
    /// Whether it came, went or differs.
    pub change: Change,
    /// Its kind, the one after if there are two.
    pub kind: String,
    /// What is set differently; for one that came, all of it.
    pub settings: Vec<Setting>,
}

impl From<diff::Difference> for Difference {
    fn from(d: diff::Difference) -> Self {
        Self {
            from: d.from,
            to: d.to,
            components: all(d.components),
            triggers: all(d.triggers),
            connections: all(d.connections),
            description: d.description.map(Into::into),
        }
    }
}

impl From<diff::Change> for Change {
    fn from(c: diff::Change) -> Self {
        match c {
            diff::Change::Added => Self::Added,
            diff::Change::Removed => Self::Removed,
            diff::Change::Changed => Self::Changed,
        }
    }
}

impl From<diff::Setting> for Setting {
    fn from(s: diff::Setting) -> Self {
        Self { key: s.key, from: s.from, to: s.to }
    }
}

impl From<diff::ComponentDifference> for ComponentDifference {
    fn from(c: diff::ComponentDifference) -> Self {
        let (before, after) = c.code.unwrap_or_default();
        let names = |list: Vec<jackfield_core::grant::Capability>| list.iter().map(ToString::to_string).collect();
        Self {
            name: c.name.into(),
            change: c.change.into(),
            code_before: before.map(Into::into),
            code_after: after.map(Into::into),
            imports_also: names(c.imports_also),
            may_also: all(c.may_also),
            may_still: all(c.may_still),
            no_longer: all(c.no_longer),
            denied: names(c.denied),
            denied_no_longer: names(c.denied_no_longer),
            settings: all(c.settings),
        }
    }
}

impl From<diff::Code> for Code {
    fn from(c: diff::Code) -> Self {
        Self { digest: c.digest.to_string(), size: c.size, producers: c.producers }
    }
}

impl From<diff::Power> for Power {
    fn from(power: diff::Power) -> Self {
        let capability = power.capability().to_string();
        let (target, verb, what, with) = match power {
            diff::Power::Http { target, method, path, redirects, retry_in_doubt } => {
                let target = match target {
                    HttpTarget::Connection(name) => name.into(),
                    HttpTarget::Url(url) => url.into(),
                };
                let redirects = (redirects > 0).then(|| format!("{redirects} redirects"));
                let again = retry_in_doubt.then(|| "in doubt: retry".to_owned());
                (Some(target), method, path.into(), redirects.into_iter().chain(again).collect())
            }
            diff::Power::Kv { prefix, write } => {
                (None, if write { "read and write" } else { "read" }.to_owned(), prefix, Vec::new())
            }
            diff::Power::Config(name) => (None, "read".into(), name.into(), Vec::new()),
            diff::Power::Events(types) => (None, "emit".into(), types.into(), Vec::new()),
            diff::Power::Sql { connection, verb, table, retry_in_doubt } => {
                let again = retry_in_doubt.then(|| "in doubt: retry".to_owned());
                (Some(connection.into()), verb.label().into(), table.into(), again.into_iter().collect())
            }
            diff::Power::SqlFunction { connection, function } => {
                (Some(connection.into()), "call".into(), function.into(), Vec::new())
            }
            diff::Power::Messaging { connection, action, topic } => {
                (Some(connection.into()), action.label().into(), topic.into(), Vec::new())
            }
            diff::Power::Blob { connection, prefix, write } => {
                (Some(connection.into()), if write { "read and write" } else { "read" }.into(), prefix, Vec::new())
            }
            diff::Power::EmailTo { connection, recipient } => {
                (Some(connection.into()), "send to".into(), recipient.into(), Vec::new())
            }
            diff::Power::EmailFrom { connection, sender } => {
                (Some(connection.into()), "send as".into(), sender.into(), Vec::new())
            }
        };
        Self { capability, target, verb, what, with }
    }
}

impl From<diff::TriggerDifference> for TriggerDifference {
    fn from(t: diff::TriggerDifference) -> Self {
        Self { name: t.name.into(), change: t.change.into(), kind: t.kind, settings: all(t.settings) }
    }
}

fn all<A, B: From<A>>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(B::from).collect()
}
