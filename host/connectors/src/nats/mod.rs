//! The NATS plug: publishes to subjects and streams, asks and waits for the reply, and starts runs.
//!
//! Not here: grants, budgets and the journal, which the hatch asked before it came here.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::grant::Capability;
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem, TriggerWord};
use jackfield_core::ports::source::Source;
use serde_json::{Map, Value};

mod event;
mod passing;
mod publish;
mod session;
mod settings;
mod stream;
mod test;
mod tls;

#[cfg(test)]
mod tests;

use self::passing::PassingSource;
use self::publish::Link;
use self::session::{Credential, Dialer};
use self::settings::{Listening, Settings};
use self::stream::StreamSource;
use crate::broker;
use crate::network::Network;

/// The connector of kind `nats`.
#[derive(Debug)]
pub struct NatsConnector {
    network: Network,
}

impl NatsConnector {
    /// Its connections dial through `network`.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self { network: network.clone() }
    }

    fn dialer(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Dialer, Vec<SettingProblem>> {
        let settings = Settings::read(settings)?;
        let credential = Credential::open(&settings.credential, secrets).map_err(|problem| vec![problem])?;
        Ok(Dialer::new(self.network.clone(), settings, credential))
    }
}

#[async_trait]
impl Connector for NatsConnector {
    fn kind(&self) -> &'static str {
        "nats"
    }

    fn serves(&self) -> &'static [Capability] {
        &[Capability::Messaging]
    }

    fn check(&self, settings: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Settings::read(settings).map(|_| ())
    }

    fn secrets(&self, settings: &Map<String, Value>) -> Vec<String> {
        Settings::read(settings).ok().and_then(|s| s.credential.secret().map(str::to_owned)).into_iter().collect()
    }

    fn open(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let link = Link::new(self.dialer(settings, secrets)?);
        Ok(Opened { messaging: Some(Arc::new(link)), ..Opened::default() })
    }

    fn offline(&self, _schema: Option<&str>, _sender: Option<&str>) -> Opened {
        broker::offline()
    }

    async fn test(&self, settings: &Map<String, Value>, secrets: &Secrets, limit: Duration) -> Vec<Finding> {
        test::test(self, settings, secrets, limit).await
    }

    fn trigger(&self) -> Option<TriggerWord> {
        Some(TriggerWord {
            kind: "nats",
            example: "[[trigger]]\nname = \"ordered\"\nkind = \"nats\"\ncomponent = \"sync\"\nconnection = \"broker\"\n\
                      stream = \"ORDERS\"\nsubjects = [\"orders.new\"]\n",
        })
    }

    fn check_trigger(&self, trigger: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        settings::trigger(trigger).map(|_| ())
    }

    fn source(
        &self,
        settings: &Map<String, Value>,
        secrets: &Secrets,
        trigger: &Map<String, Value>,
    ) -> Result<Arc<dyn Source>, Vec<SettingProblem>> {
        let listening = settings::trigger(trigger)?;
        let dialer = self.dialer(settings, secrets)?;
        Ok(match listening {
            Listening::Stream { stream, subjects, all, ack_wait } => {
                Arc::new(StreamSource { dialer, stream, subjects, all, ack_wait })
            }
            Listening::Subjects(subjects) => Arc::new(PassingSource { dialer, subjects }),
        })
    }
}
