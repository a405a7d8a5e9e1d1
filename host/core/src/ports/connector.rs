//! A connector as the ledger sees it: it checks a connection's settings, opens it, and tests it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::http::Http;

/// A setting that will not do, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct SettingProblem {
    /// The key, dotted: `credential.secret`.
    pub key: String,
    /// What is wrong with its value, and what would be right.
    pub problem: String,
}

/// An opened connection: the ports it serves. Cheap to clone; closed when the last clone goes.
#[derive(Clone, Default)]
pub struct Opened {
    /// For `http`.
    pub http: Option<Arc<dyn Http>>,
}

/// One thing a connection test looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was looked at: `address`, `credential` …
    pub what: String,
    /// What was found, and the way out if it is not ok.
    pub detail: String,
}

/// The secrets a connection's settings name, by name, read for the moment of opening.
pub type Secrets = Vec<(String, SecretString)>;

/// The host code for one kind of outside system.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The `kind` of its connections, such as `http`.
    fn kind(&self) -> &'static str;

    /// Checks settings as an operator wrote them, all at once, without touching the network.
    ///
    /// # Errors
    ///
    /// Every problem found.
    fn check(&self, settings: &Map<String, Value>) -> Result<(), Vec<SettingProblem>>;

    /// The names of the secrets these (checked) settings refer to.
    fn secrets(&self, settings: &Map<String, Value>) -> Vec<String>;

    /// Opens a connection. Connects lazily: a dead peer is no error here.
    ///
    /// # Errors
    ///
    /// The settings do not check, or a secret is missing.
    fn open(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Opened, Vec<SettingProblem>>;

    /// Looks whether the connection works, within `limit`, and explains.
    async fn test(&self, settings: &Map<String, Value>, secrets: &Secrets, limit: Duration) -> Vec<Finding>;
}
