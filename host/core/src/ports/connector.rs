//! A connector as the ledger sees it: it checks a connection's settings, opens it, and tests it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::blob::Blob;
use super::email::Email;
use super::http::Http;
use super::messaging::Messaging;
use super::source::Source;
use super::sql::Sql;
use crate::grant::{Capability, Grants};
use crate::ids::ConnectionName;

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
    /// For `sql`.
    pub sql: Option<Arc<dyn Sql>>,
    /// For `messaging`.
    pub messaging: Option<Arc<dyn Messaging>>,
    /// For `blob`.
    pub blob: Option<Arc<dyn Blob>>,
    /// For `email`.
    pub email: Option<Arc<dyn Email>>,
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

/// The trigger that a connector has, as a word of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerWord {
    /// The `kind` of the trigger, such as `kafka`.
    pub kind: &'static str,
    /// What a manifest would say of one, to show to somebody who got it wrong: lines of TOML.
    pub example: &'static str,
}

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

    /// Ports that answer what can be said before anything is sent, and send nothing: for playing what was recorded. `schema`
    /// and `sender` are what the connection had.
    fn offline(&self, _schema: Option<&str>, _sender: Option<&str>) -> Opened {
        Opened::default()
    }

    /// Looks whether the connection works, within `limit`, and explains.
    async fn test(&self, settings: &Map<String, Value>, secrets: &Secrets, limit: Duration) -> Vec<Finding>;

    /// The capabilities that its connections serve.
    fn serves(&self) -> &'static [Capability];

    /// The trigger it has, if it can start runs.
    fn trigger(&self) -> Option<TriggerWord> {
        None
    }

    /// Checks what a manifest says of a trigger on one of its connections, beside name, kind, component and connection,
    /// without touching the network.
    ///
    /// # Errors
    ///
    /// Every problem found.
    fn check_trigger(&self, _trigger: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        let problem = format!("a connection of kind `{}` starts no runs", self.kind());
        Err(vec![SettingProblem { key: "kind".into(), problem }])
    }

    /// Checks that a trigger stays within what its component was granted, where its source asks as the component would.
    /// `connection` is what the manifest calls the connection; the trigger passed [`Self::check_trigger`].
    ///
    /// # Errors
    ///
    /// Every problem found.
    fn check_reach(
        &self,
        _connection: &ConnectionName,
        _trigger: &Map<String, Value>,
        _grants: &Grants,
    ) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }

    /// What listens on a connection for a trigger. Connects when it is run.
    ///
    /// # Errors
    ///
    /// The settings of either do not check, or a secret is missing.
    fn source(
        &self,
        _settings: &Map<String, Value>,
        _secrets: &Secrets,
        trigger: &Map<String, Value>,
    ) -> Result<Arc<dyn Source>, Vec<SettingProblem>> {
        Err(self.check_trigger(trigger).err().unwrap_or_default())
    }
}
