//! Checking: what a played case came to, against what is expected.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Value, json};

use super::case::{Expect, ExpectedCall};
use super::differ::{fits, shown, text_fits};
use super::parts::parts;
use super::play::{Played, placed};
use crate::api::Api;
use crate::stubs::Record;

/// What is wrong with a run, its log and its calls.
pub(super) fn run(expect: &Expect, played: &Played, place: impl Fn(&str) -> String) -> Vec<String> {
    let Played { run, log, calls, base } = played;
    let mut problems = Vec::new();
    let attempts = run["attempts_made"].as_array().map(Vec::as_slice).unwrap_or_default();
    if run["state"] != expect.state.as_str() || attempts.len() != expect.attempts {
        let wanted = format!("{} after {} attempts", expect.state, expect.attempts);
        problems.push(format!("expected {wanted}, came to {}", Api::brief(run)));
    }
    if let Some(outcome) = &expect.outcome {
        let failed: Vec<_> = attempts.iter().map(|a| &a["outcome"]).filter(|word| *word != "succeeded").collect();
        if failed.is_empty() || failed.iter().any(|word| *word != outcome.as_str()) {
            problems.push(format!("expected outcome {outcome}, came to {}", Api::brief(run)));
        }
    }
    if let Some(reason) = &expect.reason {
        let told = attempts.iter().rfind(|a| a["outcome"] != "succeeded").map_or(&run["reason"], |a| &a["reason"]);
        let told = told.as_str().unwrap_or_default();
        let reason = reason.replace("{outside}", base);
        if !text_fits(&reason, told) {
            problems.push(format!("reason\n    - {reason}\n    + {told}"));
        }
    }
    if let Some(name) = expect.at.as_ref().filter(|name| !name.is_empty()) {
        let place = place(name);
        let texts = attempts.iter().flat_map(|a| [&a["reason"], &a["stack"]]).chain(log.iter().map(|l| &l["message"]));
        let texts: Vec<_> = texts.filter_map(Value::as_str).collect();
        if !texts.iter().any(|text| names(text, &place)) {
            problems.push(format!("{place} is named nowhere in\n{}", texts.join("\n")));
        }
    }
    if let Some(pattern) = &expect.stack {
        let stack = attempts.last().and_then(|a| a["stack"].as_str()).unwrap_or_default();
        if !text_fits(pattern, stack) {
            problems.push(format!("stack\n    - {pattern}\n    + {stack}"));
        }
    }
    if let Some(least) = expect.after_ms {
        let instant = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let ended = attempts.first().and_then(|a| instant(&a["ended"]));
        let next = attempts.get(1).and_then(|a| instant(&a["started"]));
        let waited = ended.zip(next).map(|(ended, next)| next.as_millisecond() - ended.as_millisecond());
        if waited.is_none_or(|waited| waited < least) {
            problems.push(format!("the second attempt came after {waited:?} ms, not after {least} or more"));
        }
    }
    let id = run["id"].as_str().unwrap_or_default();
    let mut same = |what: &str, expected: &Value, got: &Value| {
        let expected = placed(&named(expected, id), base);
        if !fits(&expected, got) {
            problems.push(format!("{what}\n{}", shown(&expected, got)));
        }
    };
    if let Some(output) = &expect.output {
        same("output", output, &run["output"]["data"]);
    }
    if let Some(output) = &expect.whole_output {
        same("output", output, &run["output"]);
    }
    if let Some(lines) = &expect.log {
        let with = lines.iter().any(|line| line.as_array().is_some_and(|parts| parts.len() > 2));
        same("log", &json!(lines), &log.iter().map(|line| described(line, with)).collect());
    }
    if let Some(expected) = &expect.calls {
        let (expected, got) = compared(expected, calls);
        same("calls", &expected, &got);
    }
    for line in &expect.log_has {
        let with = line.as_array().is_some_and(|parts| parts.len() > 2);
        if !log.iter().any(|known| fits(line, &described(known, with))) {
            let all: Vec<_> = log.iter().take(20).map(|line| described(line, true).to_string()).collect();
            problems.push(format!("no line {line} in the log:\n{}", all.join("\n")));
        }
    }
    problems
}

/// Whether a text names a place: by `file:line`, and not a line whose number begins so.
fn names(text: &str, place: &str) -> bool {
    text.match_indices(place).any(|(at, found)| !text[at + found.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

fn named(value: &Value, run: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("<run>", run)),
        Value::Array(list) => list.iter().map(|value| named(value, run)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), named(value, run))).collect(),
        other => other.clone(),
    }
}

/// A line of the log: level, message, and attributes if they matter.
fn described(line: &Value, with_attributes: bool) -> Value {
    let mut parts = vec![line["level"].clone(), line["message"].clone()];
    if with_attributes {
        let list = line["attributes"].as_array().into_iter().flatten();
        let pairs = list.filter_map(|pair| Some((pair["name"].as_str()?.to_owned(), pair["value"].clone())));
        // In an order of their own: not every language keeps that of the call.
        let sorted: BTreeMap<String, Value> = pairs.collect();
        parts.push(json!(sorted));
    }
    Value::Array(parts)
}

/// Expected and arrived calls, as far as the expected ones say something.
fn compared(expected: &[ExpectedCall], arrived: &[Record]) -> (Value, Value) {
    let wanted: Vec<Value> = expected.iter().map(wanted).collect();
    let got = arrived.iter().enumerate().map(|(place, record)| seen(record, expected.get(place)));
    (json!(wanted), got.collect())
}

fn wanted(call: &ExpectedCall) -> Value {
    let mut value = json!({ "call": format!("{} {}", call.method, call.path), "query": call.query });
    value["headers"] = json!(call.headers);
    match (&call.json, &call.sha256, &call.parts) {
        (Some(json), ..) => value["json"] = json.clone(),
        (_, Some(digest), _) => value["sha256"] = json!(digest),
        (.., Some(parts)) => value["parts"] = json!(parts),
        _ => value["text"] = json!(call.text.as_deref().unwrap_or_default()),
    }
    if let Some(status) = call.status {
        value["status"] = json!(status);
    }
    value
}

fn seen(record: &Record, expected: Option<&ExpectedCall>) -> Value {
    let mut value = json!({ "call": format!("{} {}", record.method, record.path), "query": record.query });
    let wanted = expected.map(|call| call.headers.keys().map(String::as_str).collect::<Vec<_>>()).unwrap_or_default();
    let headers = record.headers.iter().filter(|(name, _)| wanted.contains(&name.as_str()));
    value["headers"] = headers.map(|(name, value)| (name.clone(), json!(value))).collect();
    match expected {
        Some(ExpectedCall { json: Some(_), .. }) => value["json"] = record.json(),
        Some(ExpectedCall { sha256: Some(_), .. }) => value["sha256"] = json!(record.sha256),
        Some(ExpectedCall { parts: Some(_), .. }) => match parts(record) {
            Some(parts) => value["parts"] = json!(parts),
            None => value["text"] = json!(record.body),
        },
        _ => value["text"] = json!(record.body),
    }
    if expected.is_some_and(|call| call.status.is_some()) {
        value["status"] = json!(record.status);
    }
    value
}

/// What is wrong with what is stored, given as hex by key.
pub(super) fn store(expected: &BTreeMap<String, Value>, got: &Value) -> Vec<String> {
    let got: BTreeMap<String, Value> = got
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, hex)| {
            let hex = hex.as_str().unwrap_or_default();
            let bytes = (0..hex.len()).step_by(2).filter_map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
            let bytes: Vec<u8> = bytes.collect();
            (key.clone(), serde_json::from_slice(&bytes).unwrap_or_else(|_| json!({ "hex": hex })))
        })
        .collect();
    let (expected, got) = (json!(expected), json!(got));
    if fits(&expected, &got) { Vec::new() } else { vec![format!("kv\n{}", shown(&expected, &got))] }
}

/// What is wrong with the events that were heard.
pub(super) fn events(expected: &[Value], runs: &[Value]) -> Vec<String> {
    let got: Value = runs
        .iter()
        .zip(expected.iter().map(Some).chain(std::iter::repeat(None)))
        .map(|(run, expected)| {
            let mut event = run["event"].clone();
            event["waits"] = json!(run["state"] == "waiting" || run["state"] == "queued");
            if let Some(text) = event["data_base64"].as_str() {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
                event["data"] = json!(bytes);
            }
            // What an expected event does not speak of may be anything.
            if let (Some(known), Some(fields)) = (expected.and_then(Value::as_object), event.as_object_mut()) {
                fields.retain(|key, _| known.contains_key(key));
            }
            event
        })
        .collect();
    let expected = json!(expected);
    if fits(&expected, &got) { Vec::new() } else { vec![format!("events\n{}", shown(&expected, &got))] }
}
