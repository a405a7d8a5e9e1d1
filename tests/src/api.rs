//! A client of the admin API, as a program outside would write it.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::wait;

/// The environment that tests work in, unless they say otherwise.
pub const ENVIRONMENT: &str = "dev";

/// A client with a token. Its methods panic, with all that was said, when an answer is none they can use.
#[derive(Clone, Debug)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    token: String,
}

/// An answer: status and body (as JSON; text that is none as a string).
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Answered {
    /// The machine-readable reason of a problem.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// All that a person reads of a problem: its detail and the text of its items.
    #[must_use]
    pub fn told(&self) -> String {
        let items = self.body["problems"].as_array().into_iter().flatten();
        let texts = items.map(|item| {
            format!("{} {}", item["key"].as_str().unwrap_or_default(), item["text"].as_str().unwrap_or_default())
        });
        let detail = self.body["detail"].as_str().unwrap_or_default().to_owned();
        std::iter::once(detail).chain(texts).collect::<Vec<_>>().join("\n")
    }
}

impl Api {
    /// A client of the API at `base`, such as `http://127.0.0.1:8081`.
    #[must_use]
    pub fn new(base: impl Into<String>, token: impl Into<String>) -> Self {
        // No pool: a host that was killed and started again must not be met on an old connection.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(120));
        let client = client.build().expect("a client without settings of its own can be built");
        Self { client, base: base.into(), token: token.into() }
    }

    /// The same API with another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: token.into(), ..self.clone() }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A request with the token; `path` starts with `/`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Sends, and reads the answer whatever it is.
    ///
    /// # Errors
    ///
    /// There was no answer.
    pub async fn send(request: RequestBuilder) -> reqwest::Result<Answered> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answered { status, body })
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answered {
        let request = self.request(method.clone(), path);
        let request = if let Some(body) = body { request.json(body) } else { request };
        match Self::send(request).await {
            Ok(answered) => answered,
            Err(problem) => panic!("{method} {path}: {problem:?}"),
        }
    }

    /// GET, expecting 200.
    pub async fn get(&self, path: &str) -> Value {
        good(path, self.call(Method::GET, path, None).await)
    }

    /// POST, whatever is answered.
    pub async fn post(&self, path: &str, body: &Value) -> Answered {
        self.call(Method::POST, path, Some(body)).await
    }

    /// PUT, expecting success.
    pub async fn put(&self, path: &str, body: &Value) -> Value {
        good(path, self.call(Method::PUT, path, Some(body)).await)
    }

    /// Uploads an artifact, and gives the whole answer.
    pub async fn upload(&self, wasm: impl Into<reqwest::Body>) -> Answered {
        // A large component is compiled meanwhile, on a machine that may be busy.
        let request = self.request(Method::POST, "/v1/artifacts").timeout(Duration::from_secs(600));
        let request = request.header("content-type", "application/wasm").body(wasm);
        match Self::send(request).await {
            Ok(answered) => answered,
            Err(problem) => panic!("POST /v1/artifacts: {problem:?}"),
        }
    }

    /// Uploads the components and releases a manifest, whatever is answered.
    pub async fn try_deploy(&self, environment: &str, manifest: &str, components: &[(&str, &[u8])]) -> Answered {
        let mut artifacts = serde_json::Map::new();
        for (component, wasm) in components {
            let inspection = good("/v1/artifacts", self.upload(wasm.to_vec()).await);
            artifacts.insert((*component).to_owned(), inspection["digest"].clone());
        }
        let body = json!({ "manifest": manifest, "file": "jackfield.toml", "artifacts": artifacts });
        self.post(&format!("/v1/environments/{environment}/releases"), &body).await
    }

    /// Uploads the components and releases a manifest.
    pub async fn deploy(&self, environment: &str, manifest: &str, components: &[(&str, &[u8])]) -> Value {
        good("deploy", self.try_deploy(environment, manifest, components).await)
    }

    /// Sets a secret.
    pub async fn set_secret(&self, environment: &str, name: &str, value: &str) -> Value {
        self.put(&format!("/v1/environments/{environment}/secrets/{name}"), &json!({ "value": value })).await
    }

    /// Sets a connection.
    pub async fn set_connection(&self, environment: &str, name: &str, kind: &str, settings: Value) -> Value {
        let body = json!({ "kind": kind, "settings": settings });
        self.put(&format!("/v1/environments/{environment}/connections/{name}"), &body).await
    }

    /// Sets a setting.
    pub async fn set_config(&self, environment: &str, integration: &str, name: &str, value: Value) -> Value {
        let path = format!("/v1/environments/{environment}/integrations/{integration}/config/{name}");
        self.put(&path, &json!({ "value": value })).await
    }

    /// Starts a run by hand with `data`, and gives its id.
    pub async fn start(&self, environment: &str, integration: &str, data: &Value) -> String {
        let path = format!("/v1/environments/{environment}/integrations/{integration}/runs");
        let answered = self.post(&path, &json!({ "data": data })).await;
        let started = good(&path, answered);
        started["run"].as_str().unwrap_or_else(|| panic!("no run in {started}")).to_owned()
    }

    /// A run as it is now.
    pub async fn run(&self, run: &str) -> Value {
        self.get(&format!("/v1/runs/{run}")).await
    }

    /// Waits until a run is in one of `states`.
    pub async fn wait_for(&self, run: &str, states: &[&str]) -> Value {
        self.wait_for_within(run, states, wait::LONG).await
    }

    /// Waits until a run is in one of `states`, not longer than `limit`.
    pub async fn wait_for_within(&self, run: &str, states: &[&str], limit: Duration) -> Value {
        let mut last = Value::Null;
        let looked = async {
            loop {
                let now = self.run(run).await;
                if states.iter().any(|state| now["state"] == *state) {
                    return now;
                }
                last = now;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(limit, looked).await {
            Ok(now) => now,
            Err(_) => panic!("run {run} is not {states:?} after {limit:?}: {last:#}"),
        }
    }

    /// Starts a run by hand and waits until it is final or parked.
    pub async fn run_to_end(&self, environment: &str, integration: &str, data: &Value) -> Value {
        let run = self.start(environment, integration, data).await;
        self.wait_for(&run, &["succeeded", "dead-lettered", "cancelled", "needs-decision"]).await
    }

    /// The log of a run.
    pub async fn logs(&self, run: &str) -> Vec<Value> {
        self.get(&format!("/v1/runs/{run}/logs")).await.as_array().cloned().unwrap_or_default()
    }

    /// The runs in a state, at most 1,000.
    pub async fn runs_in(&self, state: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/runs?state={state}&limit=1000")).await;
        page["runs"].as_array().cloned().unwrap_or_default()
    }

    /// The state, the outcomes of the attempts, and the reason of a run, for the message of an assertion.
    #[must_use]
    pub fn brief(run: &Value) -> String {
        let attempts = run["attempts_made"].as_array().into_iter().flatten();
        let outcomes: Vec<_> = attempts.map(|a| format!("{}: {}", a["outcome"], a["reason"])).collect();
        format!("{} after {outcomes:?}; {}", run["state"], run["reason"])
    }
}

fn good(what: &str, answered: Answered) -> Value {
    let success = StatusCode::from_u16(answered.status).is_ok_and(|status| status.is_success());
    assert!(success, "{what}: {} {:#}", answered.status, answered.body);
    answered.body
}
