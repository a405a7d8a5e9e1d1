//! HAPI, a FHIR R4 server with its database in a file; looked at by its own REST interface.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::process::java;
use super::server::{Kind, Server, http};
use super::{ports, server};

/// A FHIR server, below `/fhir`. It lets everybody in.
///
/// It takes 16 seconds to start, and half a minute on a busy machine: only for tests that need it, and once for all.
pub type Fhir = Server<Setup>;

/// A server that was set up.
pub struct Setup {
    port: u16,
}

impl Kind for Setup {
    const NAME: &'static str = "fhir";
    const PATIENCE: Duration = Duration::from_secs(300);
    type Options = ();

    async fn set_up(_: (), _: &Path) -> Self {
        Self { port: ports::take() }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = java("fhir", "fhir.Main");
        command.arg(self.port.to_string()).arg(folder.join("db"));
        command
    }

    async fn is_ready(&self, _: &Path, _: &str) -> bool {
        // What it counts it can also store.
        let answer = http().get(self.at("Patient?_summary=count")).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }
}

impl Setup {
    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/fhir/{path}", self.port)
    }
}

impl Fhir {
    /// The instance of this test process. A test that lists patients sees those of all others: one that needs no patients
    /// keeps to other kinds of resources.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Fhir> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(())).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.kind.port).into()
    }

    /// Asks for a path below `/fhir/`, such as `Patient?family=Lee`. Gives the status and what it answered.
    ///
    /// # Panics
    ///
    /// It does not answer, or not in JSON.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let mut request = server::http().request(method, self.kind.at(path)).body(body.to_owned());
        request = request.header("content-type", "application/fhir+json").header("accept", "application/fhir+json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap_or_else(|e| panic!("{path}: {e:?}"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_else(|e| panic!("{path}: {e:?}"));
        (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {status}: {e}: {text}")))
    }
}
