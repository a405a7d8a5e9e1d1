//! A scenario: what must happen, whatever language the handler is written in. Read from `scenario.toml`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::env;
use crate::host::{Host, post_hook};
use crate::signing;
use crate::stubs::github::GitHub;
use crate::stubs::servicenow::ServiceNow;
use crate::stubs::{Record, Stub};

/// See the module.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Where.
    pub environment: String,
    /// The integration's name, in every language the same.
    pub integration: String,
    /// The outside systems, by the name that stands for their address in `{…}`.
    pub stubs: BTreeMap<String, StubData>,
    /// Secrets of the environment.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Connections of the environment.
    #[serde(default)]
    pub connections: BTreeMap<String, Connection>,
    /// Settings of the integration.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
    /// What happens, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// An outside system.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StubData {
    /// The Table API.
    ServiceNow(ServiceNow),
    /// Issues.
    GitHub {
        /// The token that is accepted.
        token: String,
        /// Repositories such as `acme/app`.
        repositories: Vec<String>,
    },
}

/// A connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Its connector.
    pub kind: String,
    /// Its settings.
    pub settings: Value,
}

/// Something that happens, and what must follow.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// For people.
    pub name: String,
    /// The trigger that hears it: a webhook, or a schedule that is fired by hand.
    pub trigger: String,
    /// Whether the trigger is a schedule, fired by hand.
    #[serde(default)]
    pub scheduled: bool,
    /// The event's id.
    pub id: String,
    /// The event's data.
    pub data: String,
    /// What must follow.
    pub expect: Expect,
}

/// What must follow; what is absent may be anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The run's final state.
    pub state: Option<String>,
    /// How many attempts it took.
    pub attempts: Option<u64>,
    /// How the last attempt ended.
    pub outcome: Option<String>,
    /// Part of the run's reason.
    pub reason_contains: Option<String>,
    /// The output.
    pub output: Option<ExpectedOutput>,
    /// The step whose run this is.
    pub same_run_as: Option<String>,
    /// The calls that arrive, all of them, in the order of each system.
    pub calls: Option<Vec<ExpectedCall>>,
}

/// An output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedOutput {
    /// Its status.
    pub status: Option<u16>,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its body.
    pub json: Value,
}

/// A call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCall {
    /// The system.
    pub to: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The whole query.
    pub query: Option<BTreeMap<String, String>>,
    /// Headers that must be there, by their name in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub json: Option<Value>,
    /// What was answered.
    pub status: Option<u16>,
}

/// What a step came to, in words that two languages must share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// The step's name.
    pub step: String,
    /// State, outcome and output of the run.
    pub end: String,
    /// The calls that arrived, in the order of each system: method, URL, the guest's headers, canonical body.
    pub calls: Vec<String>,
    /// What was logged.
    pub log: Vec<String>,
}

/// Headers that the host adds or that belong to the connection: not the guest's.
const HOSTS_HEADERS: [&str; 9] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "host",
    "idempotency-key",
    "traceparent",
    "tracestate",
    "user-agent",
];

impl Played {
    async fn of(host: &Host, step: &Step, run: &Value, outside: &BTreeMap<String, Stub>, arrived: &Arrived) -> Self {
        let id = run["id"].as_str().unwrap_or_default();
        let log = host.api().logs(id).await;
        let end = format!("{} {} {}", run["state"], run["last_outcome"], canonical(&run["output"]));
        let calls = arrived.iter().flat_map(|(system, records)| records.iter().map(move |r| described(system, r)));
        Self {
            step: step.name.clone(),
            end: nameless(end, outside),
            calls: calls.map(|call| nameless(call, outside)).collect(),
            log: log
                .iter()
                .map(|line| format!("{} {} {}", line["level"], line["message"], line["attributes"]))
                .collect(),
        }
    }
}

/// The calls that arrived, by system.
type Arrived = Vec<(String, Vec<Record>)>;

fn described(system: &str, record: &Record) -> String {
    let Record { method, path, query, .. } = record;
    let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let own = record.headers.iter().filter(|(name, _)| !HOSTS_HEADERS.contains(&name.as_str()));
    let headers: Vec<_> = own.map(|(name, value)| format!("{name}: {value}")).collect();
    let body = if record.body.is_empty() { String::new() } else { canonical(&record.json()) };
    format!("{method} {system} {path}?{} {headers:?} {body}", query.join("&"))
}

/// By RFC 8785: equal values are equal text.
fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

/// With the systems' names in place of their addresses, which differ from one play to the next.
fn nameless(mut text: String, outside: &BTreeMap<String, Stub>) -> String {
    for (name, stub) in outside {
        text = text.replace(stub.base(), &format!("{{{name}}}"));
    }
    text
}

impl Scenario {
    /// Reads one.
    ///
    /// # Panics
    ///
    /// It does not read; the message says where.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    }

    /// Starts one of its outside systems.
    ///
    /// # Errors
    ///
    /// The port is taken.
    ///
    /// # Panics
    ///
    /// It has none of that name.
    pub async fn stub(&self, name: &str, port: u16) -> io::Result<Stub> {
        match self.stubs.get(name).unwrap_or_else(|| panic!("the scenario has no stub `{name}`")) {
            StubData::ServiceNow(data) => Stub::start(port, data.clone()).await,
            StubData::GitHub { token, repositories } => {
                Stub::start(port, GitHub::new(token, repositories.clone())).await
            }
        }
    }

    /// The headers that the sender of a step's webhook signs it with.
    ///
    /// # Panics
    ///
    /// The scenario has no secret whose name ends in `-signing`.
    #[must_use]
    pub fn signed(&self, step: &Step) -> Vec<(String, String)> {
        let secret = self.secrets.iter().find(|(name, _)| name.ends_with("-signing"));
        let (_, secret) = secret.expect("a scenario with a webhook has a secret that it is signed with");
        let mut headers = signing::standard_webhooks(secret, &step.id, env::unix_seconds(), step.data.as_bytes());
        headers.push(("content-type".into(), "application/json".into()));
        headers
    }

    /// Sets up secrets, connections and settings, deploys, plays every step and checks what follows. Gives what
    /// each step came to, for a comparison with another language.
    ///
    /// # Panics
    ///
    /// Something else followed.
    pub async fn play(&self, host: &Host, manifest: &str, components: &[(&str, &[u8])]) -> Vec<Played> {
        let outside = self.set_up(host, manifest, components).await;
        let mut runs = BTreeMap::new();
        let mut all = Vec::new();
        for step in &self.steps {
            let (run, played) = self.play_step(host, step, &outside, &runs).await;
            runs.insert(step.name.clone(), run);
            all.push(played);
        }
        all
    }

    /// Starts the outside systems, sets up secrets, connections and settings, and deploys. Gives the outside systems.
    ///
    /// # Panics
    ///
    /// Something was refused.
    pub async fn set_up(&self, host: &Host, manifest: &str, components: &[(&str, &[u8])]) -> BTreeMap<String, Stub> {
        let mut outside = BTreeMap::new();
        for name in self.stubs.keys() {
            outside.insert(name.clone(), self.stub(name, 0).await.expect("a free port can be had"));
        }
        let (api, environment) = (host.api(), self.environment.as_str());
        for (name, value) in &self.secrets {
            api.set_secret(environment, name, value).await;
        }
        for (name, connection) in &self.connections {
            api.set_connection(environment, name, &connection.kind, placed(&connection.settings, &outside)).await;
        }
        api.deploy(environment, manifest, components).await;
        for (name, value) in &self.config {
            api.set_config(environment, &self.integration, name, value.clone()).await;
        }
        outside
    }

    /// What the hook answers to a step.
    async fn announce(&self, host: &Host, step: &Step) -> Value {
        let url = host.hook(&self.environment, &self.integration, &step.trigger).await;
        let answered = post_hook(&url, &self.signed(step), step.data.clone()).await;
        let (status, _, body) = answered.unwrap_or_else(|e| panic!("{}: the hook did not answer: {e:?}", step.name));
        assert_eq!(status, 202, "{}: {body:#}", step.name);
        body
    }

    /// What is answered to somebody who fires a schedule.
    async fn fire(&self, host: &Host, step: &Step) -> Value {
        let Self { environment, integration, .. } = self;
        let path = format!("/v1/environments/{environment}/integrations/{integration}/triggers/{}/fire", step.trigger);
        let answered = host.api().post(&path, &serde_json::json!({})).await;
        assert_eq!(answered.status, 202, "{}: {:#}", step.name, answered.body);
        answered.body
    }

    async fn play_step(
        &self,
        host: &Host,
        step: &Step,
        outside: &BTreeMap<String, Stub>,
        runs: &BTreeMap<String, String>,
    ) -> (String, Played) {
        let (name, expect) = (&step.name, &step.expect);
        let body = if step.scheduled { self.fire(host, step).await } else { self.announce(host, step).await };
        let id = body["run"].as_str().unwrap_or_else(|| panic!("{name}: no run in {body:#}")).to_owned();
        if let Some(other) = &expect.same_run_as {
            assert_eq!(Some(&id), runs.get(other), "{name}: another run than that of `{other}`");
        }
        let run = host.api().wait_for(&id, &["succeeded", "dead-lettered", "needs-decision", "cancelled"]).await;
        if let Some(state) = &expect.state {
            assert_eq!(run["state"], **state, "{name}: {}", crate::api::Api::brief(&run));
        }
        if let Some(attempts) = expect.attempts {
            assert_eq!(run["attempts"], attempts, "{name}: {}", crate::api::Api::brief(&run));
        }
        if let Some(outcome) = &expect.outcome {
            assert_eq!(run["last_outcome"], **outcome, "{name}: {}", crate::api::Api::brief(&run));
        }
        if let Some(part) = &expect.reason_contains {
            let reason = run["reason"].as_str().unwrap_or_default();
            assert!(reason.contains(part), "{name}: `{part}` is not in the reason {reason:?}");
        }
        if let Some(output) = &expect.output {
            let got = &run["output"];
            assert_eq!(got["data"], placed(&output.json, outside), "{name}: output {got:#}");
            if let Some(status) = output.status {
                assert_eq!(got["status"], status, "{name}: output {got:#}");
            }
            if let Some(content_type) = &output.content_type {
                assert_eq!(got["content_type"], **content_type, "{name}: output {got:#}");
            }
        }
        let arrived: Arrived = outside.iter().map(|(system, stub)| (system.clone(), stub.take_requests())).collect();
        let played = Played::of(host, step, &run, outside, &arrived).await;
        if let Some(calls) = &expect.calls {
            for (system, records) in arrived {
                let expected: Vec<_> = calls.iter().filter(|call| call.to == system).collect();
                let list: Vec<_> =
                    records.iter().map(|r| format!("{} {} → {:?}", r.method, r.path, r.status)).collect();
                assert_eq!(records.len(), expected.len(), "{name}: calls of {system}: {list:#?}");
                for (record, call) in records.iter().zip(expected) {
                    same(name, record, call, outside);
                }
            }
        }
        (id, played)
    }
}

fn same(step: &str, record: &Record, call: &ExpectedCall, outside: &BTreeMap<String, Stub>) {
    let of = format!("{step}: {} {}", record.method, record.path);
    assert_eq!((&record.method, &record.path), (&call.method, &call.path), "{of}");
    if let Some(query) = &call.query {
        let got: BTreeMap<_, _> = record.query.iter().cloned().collect();
        assert_eq!((&got, record.query.len()), (query, query.len()), "{of}: query");
    }
    for (name, value) in &call.headers {
        assert_eq!(record.header(name), Some(value.as_str()), "{of}: header {name}");
    }
    if let Some(json) = &call.json {
        assert_eq!(record.json(), placed(json, outside), "{of}: body");
    }
    if call.status.is_some() {
        assert_eq!(record.status, call.status, "{of}: {}", record.body);
    }
}

/// With the systems' addresses in place of their names in `{…}`.
fn placed(value: &Value, outside: &BTreeMap<String, Stub>) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text.clone();
            for (name, stub) in outside {
                text = text.replace(&format!("{{{name}}}"), stub.base());
            }
            Value::String(text)
        }
        Value::Array(list) => list.iter().map(|value| placed(value, outside)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), placed(value, outside))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_reads() {
        let folder = env::repository("guest-examples");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path().join("scenario.toml");
            if file.is_file() {
                let scenario = Scenario::read(&file);
                assert!(!scenario.steps.is_empty(), "{}", file.display());
                read += 1;
            }
        }
        assert!(read > 0, "there is no scenario");
    }
}
