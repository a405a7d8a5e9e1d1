//! What lies around a run, for its recording; and connections as a recording has them.
//!
//! Nothing secret leaves here: keys are derived for one run, and of a connection goes what its guest
//! can tell from the outside.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use url::Url;

use super::{Linked, Outside};
use crate::ids::RunId;
use crate::ports::connector::{Connector, Opened};
use crate::ports::http::{HopCheck, Http, HttpFailure, HttpRequest, HttpResponse};
use crate::recording::{RecordedConnection, Surroundings};
use crate::redact::Redactor;
use crate::release::{Component, Manifest};
use crate::run::Target;
use crate::store::StoreError;

/// A connection's own time limit for a call, of which a recording says nothing.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Outside {
    /// What a recording of a run needs to know besides what is stored with it.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn surroundings(
        &self,
        run: RunId,
        target: &Target,
        manifest: &Manifest,
        component: &Component,
    ) -> Result<Surroundings, StoreError> {
        let mut connections = std::collections::BTreeMap::new();
        let mut secrets = Vec::new();
        for name in component.grants.connections() {
            let linked = self.link(&target.scope(), manifest, name).await?;
            secrets.extend(linked.redactable.iter().cloned());
            connections.insert(name.clone(), recorded(&linked));
        }
        Ok(Surroundings {
            connections,
            idempotency_key: self.run_key(run),
            random_seed: self.installation.derive("random", &[&run.to_bytes()]),
            redactor: Redactor::new(secrets.iter().map(|secret| secret.expose_secret().as_bytes())),
        })
    }
}

fn recorded(linked: &Linked) -> RecordedConnection {
    let opened = linked.opened.as_ref().ok();
    let http = opened.and_then(|opened| opened.http.as_ref());
    RecordedConnection {
        base_url: http.and_then(|http| http.base()).cloned(),
        keyed: http.is_some_and(|http| http.keyed()),
        reserved_headers: http.map(|http| http.reserved_headers().to_vec()).unwrap_or_default(),
        unavailable: linked.opened.as_ref().err().cloned(),
        kind: linked.kind.clone().filter(|kind| kind != "http"),
        schema: opened.and_then(|opened| opened.sql.as_ref()).map(|sql| sql.schema().to_owned()),
        sender: opened.and_then(|opened| opened.email.as_ref()).and_then(|email| email.sender()).map(str::to_owned),
    }
}

impl Linked {
    /// A connection as it was recorded: it answers what can be said before anything is sent.
    pub(crate) fn played(recorded: &RecordedConnection, connectors: &[Arc<dyn Connector>]) -> Self {
        let kind = recorded.kind.as_deref().unwrap_or("http");
        let opened = match (&recorded.unavailable, connectors.iter().find(|connector| connector.kind() == kind)) {
            (Some(why), _) => Err(why.clone()),
            (None, _) if kind == "http" => {
                Ok(Opened { http: Some(Arc::new(Played(recorded.clone()))), ..Opened::default() })
            }
            (None, Some(connector)) => Ok(connector.offline(recorded.schema.as_deref(), recorded.sender.as_deref())),
            (None, None) => Err(format!("there is no connector of kind `{kind}`")),
        };
        Self { opened, kind: Some(kind.into()), gate: None, redactable: Arc::default() }
    }
}

/// Without a connection.
pub(crate) fn bare() -> Arc<dyn Http> {
    Arc::new(Played(RecordedConnection::default()))
}

struct Played(RecordedConnection);

#[async_trait]
impl Http for Played {
    fn base(&self) -> Option<&Url> {
        self.0.base_url.as_ref()
    }

    fn keyed(&self) -> bool {
        self.0.keyed
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    fn reserved_headers(&self) -> &[String] {
        &self.0.reserved_headers
    }

    /// Never reached: the journal of a playback is closed.
    async fn send(&self, _: HttpRequest, _: HopCheck<'_>) -> Result<HttpResponse, HttpFailure> {
        Err(HttpFailure::NotSent("nothing is sent while a recording is played".into()))
    }
}
