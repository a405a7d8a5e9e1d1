//! The network as the host sees it: two connections, whose requests the world carries, loses and answers.
//!
//! Not here: what becomes of a request (the world decides) and what the other side did (the ledger).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::grant::Capability;
use jackfield_core::ids::RunId;
use jackfield_core::lock::locked;
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem};
use jackfield_core::ports::http::{HopCheck, Http, HttpFailure, HttpRequest, HttpResponse};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use url::Url;

pub(crate) type Answer = Result<HttpResponse, HttpFailure>;

/// A request on its way.
pub(crate) struct Sent {
    /// Whether it went over the connection whose other side honours keys.
    pub(crate) keyed: bool,
    pub(crate) method: String,
    /// Whose call it is, as its path says.
    pub(crate) call: (RunId, u32),
    pub(crate) key: Option<String>,
    /// Tells attempts apart.
    pub(crate) trace: String,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// What hosts sent and the world has not taken yet.
#[derive(Default)]
pub(crate) struct Net(Mutex<Vec<Sent>>);

impl Net {
    pub(crate) fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut *locked(&self.0))
    }
}

struct Wire {
    net: Arc<Net>,
    base: Url,
    keyed: bool,
}

#[async_trait]
impl Http for Wire {
    fn base(&self) -> Option<&Url> {
        Some(&self.base)
    }
    fn keyed(&self) -> bool {
        self.keyed
    }
    fn timeout(&self) -> Duration {
        Duration::from_secs(8)
    }
    fn reserved_headers(&self) -> &[String] {
        &[]
    }
    async fn send(&self, request: HttpRequest, _: HopCheck<'_>) -> Answer {
        let header = |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let mut path = request.url.path().trim_start_matches('/').split('/');
        let call = path.next().and_then(|run| run.parse().ok()).zip(path.next().and_then(|call| call.parse().ok()));
        let Some(call) = call else { return Err(HttpFailure::Invalid("no guest of a test asks so".into())) };
        let (reply, answer) = oneshot::channel();
        let sent = Sent {
            keyed: self.keyed,
            call,
            key: header("idempotency-key"),
            trace: header("traceparent").unwrap_or_default(),
            method: request.method,
            body: request.body,
            timeout: request.timeout,
            reply,
        };
        locked(&self.net.0).push(sent);
        answer
            .await
            .unwrap_or_else(|_| Err(HttpFailure::Broken { message: "the wire is gone".into(), timed_out: false }))
    }
}

/// Opens connections to the network.
pub(crate) struct Plug(pub(crate) Arc<Net>);

impl Plug {
    pub(crate) fn wire(&self, keyed: bool) -> Arc<dyn Http> {
        let base = if keyed { "http://keyed.test/" } else { "http://plain.test/" };
        Arc::new(Wire { net: Arc::clone(&self.0), base: base.parse().expect("a URL"), keyed })
    }
}

#[async_trait]
impl Connector for Plug {
    fn kind(&self) -> &'static str {
        "http"
    }
    fn serves(&self) -> &'static [Capability] {
        &[Capability::Http]
    }
    fn check(&self, _: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }
    fn secrets(&self, _: &Map<String, Value>) -> Vec<String> {
        vec![]
    }
    fn open(&self, settings: &Map<String, Value>, _: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let keyed = settings.get("keyed").and_then(Value::as_bool).unwrap_or_default();
        Ok(Opened { http: Some(self.wire(keyed)), ..Opened::default() })
    }
    async fn test(&self, _: &Map<String, Value>, _: &Secrets, _: Duration) -> Vec<Finding> {
        vec![]
    }
}
