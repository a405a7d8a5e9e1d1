//! Playing cases: one host for a language, several cases at the same time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::case::{Case, Step};
use super::check;
use super::language::{KNOWN, Language};
use super::outside::Outside;
use super::scripted;
use crate::api::{Api, ENVIRONMENT};
use crate::host::{Host, Options, post_hook};
use crate::manifest::Manifest;
use crate::stubs::Stub;
use crate::{env, wait};

/// Cases at the same time: most of a case is waiting.
const AT_A_TIME: usize = 6;
/// Events that may wait for one integration: few, so that a case can meet the quota.
pub const QUEUE: u32 = 60;
/// The fixture that looks into the store of a case.
const LOOK: &str = "look";
/// The capabilities whose cases are scripted.
const SCRIPTED: [&str; 4] = ["sql", "messaging", "blob", "email"];
const PROBE: &str = "tests/guests/probe/dist/probe.wasm";

/// What every case of a language shares.
struct Stage {
    language: Language,
    host: Host,
    manifest: String,
    /// The component that plays.
    component: String,
    /// Whether it is an example, whose manifest is taken as it is.
    example: bool,
    /// The digests of artifacts that are uploaded, by component.
    artifacts: BTreeMap<String, Value>,
}

/// Plays the case of an example in a language, on a host of its own: `guest-examples/<name>/case.toml`, in the form
/// of a case. Its connections lead to one outside; if there are several, each to the path of its name.
///
/// # Panics
///
/// Something was not as it must be; or the example is not built.
pub async fn play_example(name: &str, language: &str) {
    let known = KNOWN.iter().find(|(known, _)| *known == language);
    let (language, title) = *known.unwrap_or_else(|| panic!("there is no language `{language}`"));
    let folder = format!("guest-examples/{name}/{language}");
    let manifest = std::fs::read_to_string(env::repository(&folder).join("jackfield.toml")).expect("it has a manifest");
    let table: toml::Table = manifest.parse().expect("a manifest is TOML");
    let components = table["component"].as_table().expect("a manifest has components");
    let (component, about) = components.iter().next().expect("a manifest has a component");
    let built = about["source"].as_str().expect("an example's source is a file");
    let case =
        Case { name: name.to_owned(), ..Case::read(&env::repository(&format!("guest-examples/{name}/case.toml"))) };

    let host = Host::start().await;
    let files = [(component.clone(), format!("{folder}/{built}")), (LOOK.to_owned(), PROBE.to_owned())];
    let artifacts = upload(&host, files).await;
    let language = Language { name: language, title };
    let stage = Stage { language, host, manifest, component: component.clone(), example: true, artifacts };
    let problems = stage.play(&case).await;
    assert!(problems.is_empty(), "{name} in {title}: {} differences:\n{}", problems.len(), problems.join("\n"));
}

async fn upload(host: &Host, files: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, Value> {
    let mut artifacts = BTreeMap::new();
    for (component, file) in files {
        let uploaded = host.api().upload(env::guest(&file)).await;
        assert!(uploaded.status < 300, "{file}: {:#}", uploaded.body);
        artifacts.insert(component, uploaded.body["digest"].clone());
    }
    artifacts
}

/// Plays every case in a language on a host of its own. Gives what was not as it must be, case by case.
///
/// # Panics
///
/// The guest is not built, or cannot be uploaded.
pub async fn play_all(language: Language, cases: Vec<Case>) -> Vec<String> {
    let (scripted, cases): (Vec<_>, Vec<_>) = cases.into_iter().partition(Case::is_scripted);
    let mut problems = if scripted.is_empty() { vec![] } else { scripted::play_all(&language, &scripted).await };
    if cases.is_empty() {
        return problems;
    }
    let host = Options::default().set("queue.runs", &QUEUE.to_string()).start().await;
    let manifest = std::fs::read_to_string(language.folder().join("jackfield.toml")).expect("a guest has a manifest");
    let folder = format!("tests/guests/cases-{}", language.name);
    let mut wanted =
        vec![("cases".to_owned(), format!("{folder}/dist/cases.wasm")), (LOOK.to_owned(), PROBE.to_owned())];
    for example in cases.iter().filter_map(|case| case.example.as_ref()).collect::<BTreeSet<_>>() {
        let (name, file) = example.split_once('/').expect("an example is named as folder/component");
        wanted.push((example.clone(), format!("guest-examples/{name}/{}/dist/{file}.wasm", language.name)));
    }
    let artifacts = upload(&host, wanted).await;
    let settings = json!({ "base_url": "http://127.0.0.1:1" });
    host.api().set_connection(ENVIRONMENT, "closed", "http", settings).await;

    let stage = Arc::new(Stage { language, host, manifest, component: "cases".into(), example: false, artifacts });
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let (mut playing, mut names) = (JoinSet::new(), HashMap::new());
    for case in cases {
        if case.except.contains_key(stage.language.name) {
            continue;
        }
        let name = format!("{}: {}", stage.language.title, case.name);
        let (stage, places) = (Arc::clone(&stage), Arc::clone(&places));
        let task = playing.spawn(async move {
            let _place = places.acquire().await;
            stage.play(&case).await
        });
        names.insert(task.id(), name);
    }
    while let Some(ended) = playing.join_next_with_id().await {
        // A panic (an answer that is none, a wait in vain) is told like a difference.
        let (task, found) = match ended {
            Ok(played) => played,
            Err(panic) => (panic.id(), vec![words(panic)]),
        };
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", names[&task])));
    }
    problems.sort();
    problems
}

fn words(panic: tokio::task::JoinError) -> String {
    let Ok(panic) = panic.try_into_panic() else { return "was stopped".into() };
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked without words").to_owned()
}

/// A run that ended, with all that belongs to it.
pub(super) struct Played {
    pub(super) run: Value,
    pub(super) log: Vec<Value>,
    pub(super) calls: Vec<crate::stubs::Record>,
    pub(super) base: String,
}

impl Stage {
    async fn play(&self, case: &Case) -> Vec<String> {
        let outside = Stub::start(0, Outside::new(case.outside.clone())).await.expect("a free port can be had");
        self.set_up(case, &outside).await;
        let mut problems = Vec::new();
        let mut called = BTreeSet::new();
        for step in &case.steps {
            let Some(expect) = step.expect(self.language.name, &case.name) else { continue };
            let run = self.run(case, step, outside.base()).await;
            let id = run["id"].as_str().unwrap_or_default();
            let log = self.host.api().logs(id).await;
            called.extend(functions(&run, &log));
            let calls = outside.take_requests();
            let played = Played { run, log, calls, base: outside.base().to_owned() };
            let place = |name: &str| self.language.place(name);
            let mut found = check::run(&expect, &played, place);
            if let Some(expected) = &expect.kv {
                found.extend(check::store(expected, &self.stored(case).await));
            }
            if let Some(expected) = &expect.events {
                found.extend(check::events(expected, &self.heard(case, expected.len()).await));
            }
            if !found.is_empty() && step.name.is_empty() {
                problems.extend(found);
            } else {
                problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", step.name)));
            }
        }
        let traced = case.covers.iter().filter(|function| leaves_a_trace(function));
        for function in traced.filter(|function| !called.contains(*function)) {
            problems.push(format!("it says that it covers {function}, and never called it; it called {called:?}"));
        }
        problems
    }

    async fn set_up(&self, case: &Case, outside: &Stub) {
        let (api, name) = (self.host.api(), case.name.as_str());
        let (mut manifest, mut artifact) = (Manifest::of(&self.manifest), &self.artifacts[&self.component]);
        let mut connections = vec!["outside".to_owned()];
        if self.example {
            let heard = r#"{ name = "heard", kind = "event", component = "look", types = ["**"] }"#;
            manifest = manifest.add_toml("trigger", heard);
            connections = manifest.names("connections");
        } else {
            // What other cases emit is theirs.
            let own = toml::Value::Array(vec![format!("/integrations/{name}").into()]);
            manifest = manifest.named(name).set("trigger.1.sources", own);
            // What scripts answer: here there is nobody to ask.
            for capability in SCRIPTED {
                manifest = manifest.without(&format!("component.cases.grants.{capability}"));
            }
            for connection in ["ledger", "broker", "files", "mail"] {
                manifest = manifest.without(&format!("connections.{connection}"));
            }
            manifest = manifest.set("component.cases.grants.deny", SCRIPTED.map(String::from).to_vec());
        }
        if let Some(example) = &case.example {
            artifact = &self.artifacts[example];
        }
        let several = connections.len() > 1;
        for connection in connections {
            // Two connections must not have the same base URL: an absolute URL could mean either.
            let below = if several { format!("/{connection}") } else { String::new() };
            let mut settings = json!({ "base_url": format!("{}{below}", outside.base()) });
            for (key, value) in &case.connection {
                settings[key] = value.clone();
            }
            let own = format!("{name}-{connection}");
            api.set_connection(ENVIRONMENT, &own, "http", settings).await;
            let path = format!("/v1/environments/{ENVIRONMENT}/bindings/{name}/{connection}");
            api.put(&path, &json!({ "connection": own })).await;
        }
        manifest = manifest
            .set("component.look.source", "look.wasm")
            .set_toml("component.look.grants", r#"{ kv = [{ prefix = "" }], deny = ["http", "config", "events"] }"#);
        for (path, value) in &case.manifest {
            manifest = manifest.set(path, value.clone());
        }
        let mut artifacts = json!({ LOOK: self.artifacts[LOOK] });
        artifacts[&self.component] = artifact.clone();
        let body = json!({ "manifest": manifest.text(), "file": "jackfield.toml", "artifacts": artifacts });
        let deployed = api.post(&format!("/v1/environments/{ENVIRONMENT}/releases"), &body).await;
        assert!(deployed.status < 300, "the deploy was refused: {:#}", deployed.body);
        for (key, value) in &case.config {
            api.set_config(ENVIRONMENT, name, key, value.clone()).await;
        }
    }

    /// Has a step's event handled, and gives the run when it is over.
    async fn run(&self, case: &Case, step: &Step, base: &str) -> Value {
        let api = self.host.api();
        let data = step.data.as_ref().map(|data| placed(data, base));
        let run = if let Some(headers) = &step.hook {
            let url = self.host.hook(ENVIRONMENT, &case.name, "hook").await;
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            let body = data.map(|data| data.to_string()).or_else(|| step.text.clone()).unwrap_or_default();
            let (status, _, body) = post_hook(&url, &headers, body).await.expect("the hook answers");
            assert_eq!(status, 202, "{body:#}");
            body["run"].clone()
        } else {
            let event_type = step.event_type.clone().unwrap_or_else(|| format!("case.{}", case.name));
            let mut wish = json!({ "component": self.component, "type": event_type });
            let texts = [
                ("subject", &step.subject),
                ("content_type", &step.content_type),
                ("data_text", &step.text),
                ("data_base64", &step.base64),
            ];
            for (key, text) in texts {
                if let Some(text) = text {
                    wish[key] = json!(text);
                }
            }
            if let Some(data) = data {
                wish["data"] = data;
            }
            let path = format!("/v1/environments/{ENVIRONMENT}/integrations/{}/runs", case.name);
            let started = api.post(&path, &wish).await;
            assert_eq!(started.status, 202, "{:#}", started.body);
            started.body["run"].clone()
        };
        let run = run.as_str().unwrap_or_default().to_owned();
        if let Some(line) = &step.cancel_after {
            let said = || async {
                api.logs(&run).await.iter().any(|l| l["message"].as_str() == Some(line.as_str())).then_some(())
            };
            wait::until("the handler says that it began", wait::LONG, said).await;
            let cancelled = api.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await;
            assert_eq!(cancelled.status, 200, "{:#}", cancelled.body);
        }
        api.wait_for(&run, &["succeeded", "dead-lettered", "needs-decision", "cancelled"]).await
    }

    /// What the case has in its store: key, and value in hex.
    async fn stored(&self, case: &Case) -> Value {
        let path = format!("/v1/environments/{ENVIRONMENT}/integrations/{}/runs", case.name);
        let wish = json!({ "component": LOOK, "data": { "do": "kv", "op": "dump" } });
        let started = self.host.api().post(&path, &wish).await;
        let run = started.body["run"].as_str().unwrap_or_else(|| panic!("{:#}", started.body)).to_owned();
        let run = self.host.api().wait_for(&run, &["succeeded", "dead-lettered"]).await;
        assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
        run["output"]["data"][0].clone()
    }

    /// The runs of what was emitted, once there are as many as expected; by the ids of their events.
    async fn heard(&self, case: &Case, expected: usize) -> Vec<Value> {
        let all = || async {
            let page = self.host.api().get(&format!("/v1/runs?integration={}&limit=1000", case.name)).await;
            let mut runs = page["runs"].as_array().cloned().unwrap_or_default();
            runs.retain(|run| run["trigger"] == "heard");
            (runs.len() >= expected).then_some(runs)
        };
        let mut heard = Vec::new();
        let wanted = wait::until("what was emitted is heard", Duration::from_secs(10), all).await;
        for run in wanted {
            heard.push(self.host.api().run(run["id"].as_str().unwrap_or_default()).await);
        }
        heard.sort_by_key(|run| run["event"]["id"].as_str().unwrap_or_default().to_owned());
        heard
    }
}

/// The functions of the contract that a run called, as its calls and its log show.
fn functions(run: &Value, log: &[Value]) -> BTreeSet<String> {
    let attempts = run["attempts_made"].as_array().into_iter().flatten();
    let calls = attempts.flat_map(|attempt| attempt["calls"].as_array().into_iter().flatten());
    let mut found: BTreeSet<String> = calls
        .map(|call| {
            let capability = call["capability"].as_str().unwrap_or_default();
            let what = call["what"].as_str().unwrap_or_default();
            match capability {
                "http" => "http.send".to_owned(),
                _ => format!("{capability}.{}", what.split(' ').next().unwrap_or_default()),
            }
        })
        .collect();
    if !log.is_empty() {
        found.insert("log.write".into());
    }
    found
}

/// Whether a function can be seen in the list of a run's calls, or in its log.
fn leaves_a_trace(function: &str) -> bool {
    ["http.", "kv.", "config.", "events.", "log."].iter().any(|capability| function.starts_with(capability))
}

/// With the outside's address in place of `{outside}`.
pub(super) fn placed(value: &Value, base: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{outside}", base)),
        Value::Array(list) => list.iter().map(|value| placed(value, base)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), placed(value, base))).collect(),
        other => other.clone(),
    }
}
