//! What the run of a step came to: its end, and the calls that arrived at stub servers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expect::ExpectedCall;
use super::file::Step;
use super::outside::Outside;
use super::play::Play;
use crate::api::Api;
use crate::stubs::{Record, Stub};

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

/// The calls that arrived, by system.
pub(super) type Arrived = Vec<(String, Vec<Record>)>;

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

impl Play<'_> {
    /// Waits for the end of a step's run, and looks at it.
    pub(super) async fn ended(&self, step: &Step, id: &str) -> Value {
        let (name, expect) = (&step.name, &step.expect);
        let run = self.host.api().wait_for(id, &["succeeded", "dead-lettered", "needs-decision", "cancelled"]).await;
        if let Some(state) = &expect.state {
            assert_eq!(run["state"], **state, "{name}: {}", Api::brief(&run));
        }
        if let Some(attempts) = expect.attempts {
            assert_eq!(run["attempts"], attempts, "{name}: {}", Api::brief(&run));
        }
        if let Some(outcome) = &expect.outcome {
            assert_eq!(run["last_outcome"], **outcome, "{name}: {}", Api::brief(&run));
        }
        if let Some(part) = &expect.reason_contains {
            let reason = run["reason"].as_str().unwrap_or_default();
            assert!(reason.contains(part), "{name}: `{part}` is not in the reason {reason:?}");
        }
        if let Some(output) = &expect.output {
            let got = &run["output"];
            let json = self.outside.fill(&output.json, &self.of(step, "expect.output.json"));
            assert_eq!(got["data"], json, "{name}: output {got:#}");
            if let Some(status) = output.status {
                assert_eq!(got["status"], status, "{name}: output {got:#}");
            }
            if let Some(content_type) = &output.content_type {
                assert_eq!(got["content_type"], **content_type, "{name}: output {got:#}");
            }
        }
        run
    }

    /// What arrived at stub servers since the last look.
    pub(super) fn arrived(&self) -> Arrived {
        self.outside.stubs.iter().map(|(system, stub)| (system.clone(), stub.take_requests())).collect()
    }

    /// What a step with a run came to.
    pub(super) async fn played(&self, step: &Step, run: &Value, arrived: &Arrived) -> Played {
        let stubs = &self.outside.stubs;
        let log = self.host.api().logs(run["id"].as_str().unwrap_or_default()).await;
        let end = format!("{} {} {}", run["state"], run["last_outcome"], canonical(&run["output"]));
        let calls = arrived.iter().flat_map(|(system, records)| records.iter().map(move |r| described(system, r)));
        Played {
            step: step.name.clone(),
            end: nameless(end, stubs),
            calls: calls.map(|call| nameless(call, stubs)).collect(),
            log: log
                .iter()
                .map(|line| format!("{} {} {}", line["level"], line["message"], line["attributes"]))
                .collect(),
        }
    }

    /// The calls that arrived are those that must.
    pub(super) fn same_calls(&self, step: &Step, arrived: Arrived) {
        let Some(calls) = &step.expect.calls else { return };
        for (system, records) in arrived {
            let expected: Vec<_> = calls.iter().filter(|call| call.to == system).collect();
            let list: Vec<_> = records.iter().map(|r| format!("{} {} → {:?}", r.method, r.path, r.status)).collect();
            assert_eq!(records.len(), expected.len(), "{}: calls of {system}: {list:#?}", step.name);
            for (record, call) in records.iter().zip(expected) {
                same(&step.name, record, call, &self.outside);
            }
        }
    }
}

fn same(step: &str, record: &Record, call: &ExpectedCall, outside: &Outside) {
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
        assert_eq!(record.json(), outside.fill(json, &of), "{of}: body");
    }
    if call.status.is_some() {
        assert_eq!(record.status, call.status, "{of}: {}", record.body);
    }
}
