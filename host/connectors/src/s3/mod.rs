//! The s3 plug: objects of one bucket of Amazon S3, or of a server that speaks its protocol, and runs of those that come.
//!
//! Not here: grants and sizes, which the hatch asked before it came here.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::grant::Capability;
use jackfield_core::ports::blob::{Blob, BlobCall, BlobDone};
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem, TriggerWord};
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_core::ports::source::Source;
use object_store::StaticCredentialProvider;
use object_store::aws::AwsCredential;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

mod answer;
mod bucket;
mod courier;
mod settings;
mod test;
mod trigger;

#[cfg(test)]
mod tests;

use self::bucket::Bucket;
use self::settings::{Settings, Wanted};
use crate::address::Origin;
use crate::http::client::{Client, Dialer};
use crate::network::Network;
use crate::settings::secret;
use crate::tls;

/// Signatures name the host; HTTP/2 would move that name elsewhere.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// The connector of kind `s3`.
#[derive(Debug)]
pub struct S3Connector {
    network: Network,
}

impl S3Connector {
    /// Its connections dial through `network`.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self { network: network.clone() }
    }

    fn dialer(&self, settings: &Settings) -> Result<Dialer, SettingProblem> {
        let tls = tls::client(settings.ca.as_deref(), PROTOCOLS)
            .map_err(|problem| SettingProblem { key: "ca".into(), problem })?;
        let (network, timeout) = (self.network.clone(), settings.connect_timeout);
        Ok(Dialer { network, origin: Origin::Operator, tls, timeout })
    }

    fn bucket(&self, settings: Settings, secrets: &Secrets) -> Result<Bucket, SettingProblem> {
        let client = Client::new(self.dialer(&settings)?);
        let credential = AwsCredential {
            key_id: settings.keys.access_key.clone(),
            secret_key: secret(secrets, &settings.keys.secret)?.expose_secret().to_owned(),
            token: None,
        };
        Ok(Bucket::new(settings, client, Arc::new(StaticCredentialProvider::new(credential))))
    }
}

#[async_trait]
impl Connector for S3Connector {
    fn kind(&self) -> &'static str {
        "s3"
    }

    fn serves(&self) -> &'static [Capability] {
        &[Capability::Blob]
    }

    fn check(&self, settings: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Settings::read(settings).map(|_| ())
    }

    fn secrets(&self, settings: &Map<String, Value>) -> Vec<String> {
        Settings::read(settings).ok().map(|settings| settings.keys.secret).into_iter().collect()
    }

    fn open(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let bucket = self.bucket(Settings::read(settings)?, secrets).map_err(|problem| vec![problem])?;
        Ok(Opened { blob: Some(Arc::new(Link(bucket))), ..Opened::default() })
    }

    fn offline(&self, _schema: Option<&str>, _sender: Option<&str>) -> Opened {
        Opened { blob: Some(Arc::new(Offline)), ..Opened::default() }
    }

    async fn test(&self, settings: &Map<String, Value>, secrets: &Secrets, limit: Duration) -> Vec<Finding> {
        test::test(self, settings, secrets, limit).await
    }

    fn trigger(&self) -> Option<TriggerWord> {
        Some(TriggerWord {
            kind: "object",
            example: "kind = \"object\"\nconnection = \"invoices\"\nprefix = \"incoming/\"\npattern = \"*.pdf\"",
        })
    }

    fn check_trigger(&self, trigger: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Wanted::read(trigger).map(|_| ())
    }

    fn source(
        &self,
        settings: &Map<String, Value>,
        secrets: &Secrets,
        trigger: &Map<String, Value>,
    ) -> Result<Arc<dyn Source>, Vec<SettingProblem>> {
        let bucket = self.bucket(Settings::read(settings)?, secrets).map_err(|problem| vec![problem])?;
        Ok(Arc::new(trigger::Looks::new(bucket, Wanted::read(trigger)?)))
    }
}

/// An opened connection.
struct Link(Bucket);

#[async_trait]
impl Blob for Link {
    fn timeout(&self) -> Duration {
        self.0.settings.timeout
    }

    async fn run(&self, call: &BlobCall, with: &Sending) -> Result<BlobDone, Failure> {
        self.0.call(call, with).await
    }
}

/// Does nothing.
struct Offline;

#[async_trait]
impl Blob for Offline {
    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn run(&self, _: &BlobCall, _: &Sending) -> Result<BlobDone, Failure> {
        Err(Failure::NotExecuted("a recording is played: nothing is read or written".into()))
    }
}
