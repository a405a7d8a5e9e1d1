//! What was released where: environments, artifacts, versions, releases, hooks, connections, settings.
//!
//! - S50 A version is immutable. The same manifest and artifacts make no new version.
//! - S51 Version numbers are per integration, across environments, without a gap.
//! - S52 A release switches atomically: every accept sees the version before or the one after.
//! - S53 A hook's token is made once per (environment, integration, trigger) and kept across versions.
//! - S54 `dev` and `prod` exist from the start.
//! - S55 What was active where is kept, with who made it so, in the order in which it happened. A
//!   release of the version that is active already is none.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Reply, StoreError};
use crate::artifact::{Digest, Inspection};
use crate::clock::Timestamp;
use crate::ids::{ConfigName, ConnectionName, EnvironmentName, IntegrationName, Scope, TriggerName, VersionNumber};
use crate::release::Version;

/// A released version: what is active in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The environment.
    pub environment: EnvironmentName,
    /// The version.
    pub version: Version,
    /// Since when.
    pub since: Timestamp,
}

/// A version as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The version.
    pub version: Version,
    /// When it was stored.
    pub added: Timestamp,
}

/// A version became the active one of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The environment.
    pub environment: EnvironmentName,
    /// The version.
    pub number: VersionNumber,
    /// When.
    pub at: Timestamp,
    /// The name of the token that did it; empty if nobody knows any more.
    pub who: String,
}

/// A webhook's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Where.
    pub scope: Scope,
    /// The trigger.
    pub trigger: TriggerName,
    /// The unguessable part of the URL.
    pub token: String,
}

/// A connection of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// Its name in the environment.
    pub name: ConnectionName,
    /// Its connector, such as `http`.
    pub kind: String,
    /// As the connector checked them; secrets by name only.
    pub settings: Map<String, Value>,
    /// The integrations that may use it; empty for all.
    #[serde(default)]
    pub integrations: Vec<IntegrationName>,
    /// When it was last set.
    pub set: Timestamp,
}

/// An integration's own name for an environment's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Whose name.
    pub scope: Scope,
    /// The name in the manifest.
    pub name: ConnectionName,
    /// The connection of the environment.
    pub connection: ConnectionName,
}

/// See the module.
#[async_trait]
pub trait Registry: Send + Sync {
    /// All environments, by name.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn environments(&self) -> Result<Vec<EnvironmentName>, StoreError>;

    /// Records an artifact whose bytes are on disk and synced.
    ///
    /// # Errors
    ///
    /// `DiskFull`, `Unavailable`, `Stopped`.
    fn add_artifact(&self, inspection: Inspection, now: Timestamp) -> Reply<()>;

    /// What is known of an artifact.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn artifact(&self, digest: Digest) -> Result<Option<Inspection>, StoreError>;

    /// Stores a version unless the newest one is the same. Gives its number.
    ///
    /// # Errors
    ///
    /// `Missing` artifact; `DiskFull`, `Unavailable`, `Stopped`.
    fn add_version(&self, version: Version, now: Timestamp) -> Reply<VersionNumber>;

    /// A version, whole.
    ///
    /// # Errors
    ///
    /// `Missing`.
    async fn version(&self, integration: &IntegrationName, number: VersionNumber) -> Result<Version, StoreError>;

    /// The versions of an integration, newest first; none if there is no such integration.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn versions(&self, integration: &IntegrationName, limit: u32) -> Result<Vec<Kept>, StoreError>;

    /// What was active where, newest first, `limit` for each environment.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn activations(&self, integration: &IntegrationName, limit: u32) -> Result<Vec<Activation>, StoreError>;

    /// Makes a version the active one of an environment, in the name of `who`. `hooks` are (trigger,
    /// fresh token): a token is used only where the trigger has none yet.
    ///
    /// # Errors
    ///
    /// `Missing` environment or version.
    fn release(
        &self,
        environment: EnvironmentName,
        integration: IntegrationName,
        number: VersionNumber,
        hooks: Vec<(TriggerName, String)>,
        who: String,
        now: Timestamp,
    ) -> Reply<()>;

    /// Every active release.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn releases(&self) -> Result<Vec<Release>, StoreError>;

    /// Every hook, of active triggers or not.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn hooks(&self) -> Result<Vec<Hook>, StoreError>;

    /// Sets a connection.
    ///
    /// # Errors
    ///
    /// `Missing` environment.
    fn set_connection(&self, environment: EnvironmentName, connection: Connection) -> Reply<()>;

    /// The connections of an environment, by name.
    ///
    /// # Errors
    ///
    /// `Missing` environment.
    async fn connections(&self, environment: &EnvironmentName) -> Result<Vec<Connection>, StoreError>;

    /// Removes a connection.
    ///
    /// # Errors
    ///
    /// `Missing`.
    fn remove_connection(&self, environment: EnvironmentName, name: ConnectionName) -> Reply<()>;

    /// Binds an integration's name for a connection to another one than that of the same name.
    ///
    /// # Errors
    ///
    /// `Missing` environment.
    fn bind(&self, binding: Binding) -> Reply<()>;

    /// The bindings of an environment.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn bindings(&self, environment: &EnvironmentName) -> Result<Vec<Binding>, StoreError>;

    /// Sets (or with none removes) a setting that guests may read. Text is text; a number, a
    /// boolean, a list or a table is JSON.
    ///
    /// # Errors
    ///
    /// `Missing` environment.
    fn set_config(&self, scope: Scope, name: ConfigName, value: Option<Value>) -> Reply<()>;

    /// The settings of an integration in an environment, by name.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn config(&self, scope: &Scope) -> Result<Vec<(ConfigName, Value)>, StoreError>;
}
