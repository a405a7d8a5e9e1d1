//! What is released: a manifest, checked, and the artifacts it names. Immutable once numbered.
//!
//! Not here: how the text is read and complained about; see [`crate::manifest`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::artifact::{Digest, Inspection};
use crate::grant::{Capability, Grants};
use crate::ids::{ComponentName, ConnectionName, IntegrationName, TriggerName, VersionNumber};
use crate::limits::Limits;
use crate::listen::Listen;
use crate::manifest::show_duration;
use crate::order::Order;
use crate::retry::RetryPolicy;

pub mod verify;

pub use self::verify::Verify;

/// A manifest after checking; whoever holds one need not check again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `integration.name`
    pub name: IntegrationName,
    /// `integration.description`
    #[serde(default)]
    pub description: String,
    /// Our names for connections, and their kinds.
    #[serde(default)]
    pub connections: BTreeMap<ConnectionName, String>,
    /// What starts runs.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// The parts.
    pub components: BTreeMap<ComponentName, Component>,
}

/// `[component.<name>]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// A file beside the manifest.
    pub source: String,
    /// What an attempt may use.
    #[serde(default)]
    pub limits: Limits,
    /// When a failed run is tried again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// What it may do.
    #[serde(default)]
    pub grants: Grants,
    /// How it is built, for the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// What is recorded of its runs.
    #[serde(default, skip_serializing_if = "Durability::is_durable")]
    pub durability: Durability,
}

/// What is recorded of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// Every call: a run that is tried again repeats none that succeeded.
    #[default]
    Durable,
    /// Nothing: a run that is tried again makes all its calls again, with the same keys.
    Relaxed,
}

impl Durability {
    /// Whether it is the usual one.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        matches!(self, Self::Durable)
    }

    /// Its word in the manifest.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Relaxed => "relaxed",
        }
    }
}

/// `[component.<name>.build]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Run in `folder`.
    pub command: String,
    /// The component's own folder, relative to the manifest's; the manifest's if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The language whose SDK and tools the command line makes ready first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Files of `folder` whose change asks for a new build.
    #[serde(default)]
    pub watch: Vec<String>,
}

/// A language that has an SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// And JavaScript.
    TypeScript,
    /// Python.
    Python,
    /// Rust.
    Rust,
    /// Go.
    Go,
}

impl Language {
    /// All of them, those that most people know first.
    pub const ALL: [Self; 4] = [Self::TypeScript, Self::Python, Self::Rust, Self::Go];

    /// Its word in the manifest.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::Rust => "rust",
            Self::Go => "go",
        }
    }
}

/// `[[trigger]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name, unique in the integration.
    pub name: TriggerName,
    /// The component that handles its events.
    pub component: ComponentName,
    /// What it listens to.
    #[serde(flatten)]
    pub kind: TriggerKind,
    /// How its runs are ordered, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// What a trigger listens to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TriggerKind {
    /// HTTP requests to a hook.
    Webhook(Webhook),
    /// Times on a clock.
    Cron(Cron),
    /// Every so often.
    Interval(Interval),
    /// Events that integrations make, or the host of the ends of their runs.
    Event(Listen),
    /// What a connector hears on a connection.
    #[serde(rename = "connection")]
    Source(SourceTrigger),
    /// Somebody who asks for a run.
    Manual,
}

impl TriggerKind {
    /// What happens to instants that are missed or overlap; none if it has no instants.
    #[must_use]
    pub const fn policy(&self) -> Option<(Misfire, Overlap)> {
        match self {
            Self::Cron(cron) => Some((cron.misfire, cron.overlap)),
            Self::Interval(interval) => Some((interval.misfire, interval.overlap)),
            Self::Webhook(_) | Self::Event(_) | Self::Source(_) | Self::Manual => None,
        }
    }

    /// What its instants follow from, as text to compare; none if it has none. Stored; a change of its
    /// form is taken for a changed schedule.
    #[must_use]
    pub fn timing(&self) -> Option<String> {
        match self {
            Self::Cron(cron) => Some(format!("{} in {}", cron.schedule, cron.timezone)),
            Self::Interval(interval) => Some(format!("every {}", show_duration(interval.every))),
            Self::Webhook(_) | Self::Event(_) | Self::Source(_) | Self::Manual => None,
        }
    }

    /// Its word in the manifest.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Source(source) => &source.on,
            Self::Webhook(_) => "webhook",
            Self::Cron(_) => "cron",
            Self::Interval(_) => "interval",
            Self::Event(_) => "event",
            Self::Manual => "manual",
        }
    }
}

/// Hears from another system, by its connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTrigger {
    /// The connector's word for it, such as `kafka`.
    pub on: String,
    /// Where.
    pub connection: ConnectionName,
    /// What else the manifest says of it, for the connector.
    #[serde(default)]
    pub settings: Map<String, Value>,
}

/// A webhook's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// How a request is known to be genuine.
    pub verify: Verify,
    /// The header that identifies an event, in lower case, where the scheme has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_header: Option<String>,
    /// Whether `wait=` may ask for the output.
    #[serde(default)]
    pub respond: bool,
    /// Requests a second, on average, before 429.
    pub rate_per_second: u32,
    /// Requests at once, before 429.
    pub burst: u32,
}

/// A cron trigger's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cron {
    /// Five fields, or six with the second before them.
    pub schedule: String,
    /// The IANA name of the zone that the fields are in.
    pub timezone: String,
    /// What happens to missed instants.
    #[serde(default)]
    pub misfire: Misfire,
    /// What happens while an earlier run is not final.
    #[serde(default)]
    pub overlap: Overlap,
}

/// An interval trigger's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// From one instant to the next; they are the multiples of it since 1970 UTC.
    pub every: Duration,
    /// What happens to missed instants.
    #[serde(default)]
    pub misfire: Misfire,
    /// What happens while an earlier run is not final.
    #[serde(default)]
    pub overlap: Overlap,
}

/// What happens to instants that the host gets to late; see [`crate::schedule::due`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Misfire {
    /// Nothing.
    Skip,
    /// One run for all of them.
    #[default]
    Once,
    /// A run for each of the latest so many.
    All(u32),
}

/// What happens to an instant while an earlier run of the trigger is not final: it runs, waits to be
/// tried again, or waits for a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It becomes a run beside the other one.
    Allow,
    /// It is skipped, and counted.
    #[default]
    Skip,
    /// It waits for the other one's end. What has come by then is treated as the misfire policy says.
    Queue,
}

impl Overlap {
    /// Its word in the manifest.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }
}

/// An immutable release of an integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counted from 1 per integration; 0 before the store numbered it.
    pub number: VersionNumber,
    /// The manifest.
    pub manifest: Manifest,
    /// The artifact of each component.
    pub artifacts: BTreeMap<ComponentName, Digest>,
}

/// A component that imports what its manifest neither grants nor denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ungranted {
    /// Which component.
    pub component: ComponentName,
    /// What it imports.
    pub capability: Capability,
}

impl Ungranted {
    /// What is wrong and the manifest lines that would allow it.
    #[must_use]
    pub fn explain(&self) -> String {
        let Self { component, capability } = self;
        format!(
            "component `{component}` imports `{capability}`, and no grant allows it.\n\
             Add what it may do, or deny it (calls then return access-denied):\n  \
             [component.{component}.grants]\n  {}\n  deny = [\"{capability}\"]",
            capability.example()
        )
    }
}

/// The imports of `inspection` that `grants` does not mention.
#[must_use]
pub fn ungranted(component: &ComponentName, grants: &Grants, inspection: &Inspection) -> Vec<Ungranted> {
    inspection
        .needs
        .iter()
        .filter(|capability| !grants.mentions(**capability))
        .map(|capability| Ungranted { component: component.clone(), capability: *capability })
        .collect()
}
