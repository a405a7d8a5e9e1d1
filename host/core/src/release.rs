//! What is released: a manifest, checked, and the artifacts it names. Immutable once numbered.
//!
//! Not here: how the text is read and complained about; see [`crate::manifest`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::{Digest, Inspection};
use crate::grant::{Capability, Grants};
use crate::ids::{ComponentName, ConnectionName, IntegrationName, TriggerName, VersionNumber};
use crate::limits::Limits;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// `[component.<name>.build]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Run in the manifest's folder.
    pub command: String,
    /// Files whose change asks for a new build.
    #[serde(default)]
    pub watch: Vec<String>,
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
}

/// What a trigger listens to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TriggerKind {
    /// HTTP requests to a hook.
    Webhook(Webhook),
    /// Somebody who asks for a run.
    Manual,
}

impl TriggerKind {
    /// Its word in the manifest.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Manual => "manual",
        }
    }
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
