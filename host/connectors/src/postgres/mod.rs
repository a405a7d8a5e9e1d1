//! The postgres plug: statements in transactions of their own, and notifications that start runs.
//!
//! Not here: grants, budgets and the journal, which the hatch asked before it came here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::grant::Capability;
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem, TriggerWord};
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_core::ports::source::Source;
use jackfield_core::ports::sql::{Sql, SqlCall, SqlDone, Uses};
use serde_json::{Map, Value};
use tokio::time::Instant;

mod call;
mod failure;
mod ledger;
mod listen;
mod session;
mod settings;
mod test;
mod uses;
mod values;
mod wire;

#[cfg(test)]
mod tests;

use self::ledger::Ledger;
use self::listen::Listener;
use self::session::{Dialer, Sessions};
use self::settings::{Listening, Settings};
use crate::network::Network;

/// The connector of kind `postgres`.
#[derive(Debug)]
pub struct PostgresConnector {
    network: Network,
}

impl PostgresConnector {
    /// Its connections dial through `network`.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self { network: network.clone() }
    }

    fn dialer(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Dialer, Vec<SettingProblem>> {
        let settings = Arc::new(Settings::read(settings)?);
        Dialer::new(&self.network, settings, secrets).map_err(|problem| vec![problem])
    }
}

#[async_trait]
impl Connector for PostgresConnector {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn serves(&self) -> &'static [Capability] {
        &[Capability::Sql]
    }

    fn check(&self, settings: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Settings::read(settings).map(|_| ())
    }

    fn secrets(&self, settings: &Map<String, Value>) -> Vec<String> {
        Settings::read(settings).map(|s| s.secret).into_iter().collect()
    }

    fn open(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let link = Link::new(self.dialer(settings, secrets)?);
        Ok(Opened { sql: Some(Arc::new(link)), ..Opened::default() })
    }

    fn offline(&self, schema: Option<&str>, _sender: Option<&str>) -> Opened {
        let sql = Offline { schema: schema.unwrap_or(settings::SCHEMA).to_owned() };
        Opened { sql: Some(Arc::new(sql)), ..Opened::default() }
    }

    async fn test(&self, settings: &Map<String, Value>, secrets: &Secrets, limit: Duration) -> Vec<Finding> {
        test::test(self, settings, secrets, limit).await
    }

    fn trigger(&self) -> Option<TriggerWord> {
        Some(TriggerWord {
            kind: "postgres",
            example: "[[trigger]]\nname = \"ordered\"\nkind = \"postgres\"\ncomponent = \"sync\"\nconnection = \"shop\"\n\
                      listen = [\"orders\"]\n",
        })
    }

    fn check_trigger(&self, trigger: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Listening::read(trigger).map(|_| ())
    }

    fn source(
        &self,
        settings: &Map<String, Value>,
        secrets: &Secrets,
        trigger: &Map<String, Value>,
    ) -> Result<Arc<dyn Source>, Vec<SettingProblem>> {
        let listening = Listening::read(trigger)?;
        Ok(Arc::new(Listener::new(self.dialer(settings, secrets)?, listening)))
    }
}

/// An opened connection.
struct Link {
    sessions: Sessions,
    ledger: Ledger,
}

impl Link {
    fn new(dialer: Dialer) -> Self {
        let ledger = Ledger::new(&dialer.settings().schema);
        Self { sessions: Sessions::new(dialer), ledger }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("settings", self.sessions.settings()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Sql for Link {
    fn uses(&self, text: &str) -> Result<Uses, String> {
        uses::uses(text)
    }

    fn schema(&self) -> &str {
        &self.sessions.settings().schema
    }

    fn timeout(&self) -> Duration {
        self.sessions.settings().timeout
    }

    async fn keyed(&self, within: Duration) -> Result<bool, Failure> {
        self.ledger.is_installed(&self.sessions, Instant::now() + within).await
    }

    async fn run(&self, call: &SqlCall, reads: bool, with: &Sending) -> Result<SqlDone, Failure> {
        call::run(self, call, reads, with).await
    }
}

/// A connection that reads statements and makes no call.
struct Offline {
    schema: String,
}

#[async_trait]
impl Sql for Offline {
    fn uses(&self, text: &str) -> Result<Uses, String> {
        uses::uses(text)
    }

    fn schema(&self) -> &str {
        &self.schema
    }

    fn timeout(&self) -> Duration {
        settings::TIMEOUT
    }

    async fn keyed(&self, _: Duration) -> Result<bool, Failure> {
        Ok(false)
    }

    async fn run(&self, _: &SqlCall, _: bool, _: &Sending) -> Result<SqlDone, Failure> {
        Err(Failure::NotExecuted("the connection is not open here".into()))
    }
}
