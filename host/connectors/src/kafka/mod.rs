//! The Kafka plug: publishes to topics, and starts runs of their records.
//!
//! Not here: grants, budgets and the journal, which the hatch asked before it came here.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::grant::Capability;
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem, TriggerWord};
use jackfield_core::ports::source::Source;
use serde_json::{Map, Value};

mod admin;
mod client;
mod event;
mod group;
mod place;
mod publish;
mod settings;
mod source;
mod test;
mod waiting;

#[cfg(test)]
mod tests;

use self::client::Cluster;
use self::publish::Link;
use self::settings::Settings;
use self::source::TopicSource;
use crate::broker;
use crate::network::Network;

/// The connector of kind `kafka`.
#[derive(Debug)]
pub struct KafkaConnector {
    network: Network,
}

impl KafkaConnector {
    /// Its connections are checked by `network`.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self { network: network.clone() }
    }

    fn cluster(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Cluster, Vec<SettingProblem>> {
        let settings = Settings::read(settings)?;
        Cluster::new(self.network.clone(), settings, secrets).map_err(|problem| vec![problem])
    }

    fn topics(
        &self,
        settings: &Map<String, Value>,
        secrets: &Secrets,
        trigger: &Map<String, Value>,
    ) -> Result<TopicSource, Vec<SettingProblem>> {
        let listening = settings::trigger(trigger)?;
        let cluster = self.cluster(settings, secrets)?;
        Ok(TopicSource { cluster, listening, most_poll: source::MOST_POLL })
    }
}

#[async_trait]
impl Connector for KafkaConnector {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn serves(&self) -> &'static [Capability] {
        &[Capability::Messaging]
    }

    fn check(&self, settings: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Settings::read(settings).map(|_| ())
    }

    fn secrets(&self, settings: &Map<String, Value>) -> Vec<String> {
        Settings::read(settings).ok().and_then(|settings| settings.credential).map(|c| c.secret).into_iter().collect()
    }

    fn open(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let link = Link::new(self.cluster(settings, secrets)?);
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
            kind: "kafka",
            example: "[[trigger]]\nname = \"ordered\"\nkind = \"kafka\"\ncomponent = \"sync\"\nconnection = \"broker\"\n\
                      topics = [\"orders\"]\n",
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
        Ok(Arc::new(self.topics(settings, secrets, trigger)?))
    }
}
