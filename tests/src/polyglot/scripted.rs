//! Cases whose calls are answered by a script: played by `jackfield test`, so that databases, brokers, storages and mail
//! servers answer, and fail, as a case wants it.
//!
//! Not here: whether the host's connectors do so; that is theirs to show, against real servers.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use super::case::{Case, Step};
use super::language::Language;
use crate::manifest::Manifest;
use crate::{env, warm};

/// Plays them all in a language, as fixtures of one project. Gives what was not as it must be.
///
/// # Panics
///
/// The guest is not built, or `jackfield test` does not answer.
pub(super) async fn play_all(language: &Language, cases: &[Case]) -> Vec<String> {
    let project = tempfile::tempdir().expect("a folder can be made");
    let folder = project.path();
    let manifest = std::fs::read_to_string(language.folder().join("jackfield.toml")).expect("a guest has a manifest");
    // What is tested is built.
    write(&folder.join("jackfield.toml"), Manifest::of(&manifest).without("component.cases.build").text().as_bytes());
    let built = format!("tests/guests/cases-{}/dist/cases.wasm", language.name);
    write(&folder.join("dist/cases.wasm"), &env::guest(&built));
    let (mut problems, mut played) = (Vec::new(), 0);
    for case in cases.iter().filter(|case| !case.except.contains_key(language.name)) {
        for (number, step) in case.steps.iter().enumerate() {
            let Some(expect) = step.expect(language.name, &case.name) else { continue };
            let output = expect.output.unwrap_or_else(|| panic!("{}: a scripted step says its output", case.name));
            let file = folder.join(format!("tests/{}-{number}.json", case.name));
            write(&file, fixture(case, step, &output).to_string().as_bytes());
            played += 1;
        }
        let uncovered = case.covers.iter().filter(|function| !asked(case, function));
        problems.extend(uncovered.map(|function| {
            format!(
                "{}: {}: it says that it covers {function}, and its script has no such call",
                language.title, case.name
            )
        }));
    }
    let mut command = Command::new(env::host_binary());
    command.env_clear().env("PATH", env::variable("PATH").unwrap_or_default()).env("HOME", folder);
    command.env("XDG_CACHE_HOME", warm::user_cache()).current_dir(folder).args(["test", "--no-build", "--json"]);
    let ended = command.output().await.expect("the host's binary runs");
    let (said, complaint) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{}: {said}{complaint}", language.title));
    let fixtures = told["fixtures"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(fixtures.len(), played, "{}: {told:#}", language.title);
    for fixture in fixtures.iter().filter(|fixture| fixture["passed"] != true) {
        let about = if fixture["problem"].is_null() { &fixture["differences"] } else { &fixture["problem"] };
        problems.push(format!("{}: {}: {about:#}", language.title, fixture["file"].as_str().unwrap_or_default()));
    }
    problems
}

fn fixture(case: &Case, step: &Step, output: &Value) -> Value {
    let event_type = step.event_type.clone().unwrap_or_else(|| format!("case.{}", case.name));
    json!({
        "event": { "type": event_type, "data": step.data },
        "calls": step.script.iter().map(with_nulls).collect::<Vec<_>>(),
        "outcome": { "output": { "data": with_nulls(output) } },
    })
}

/// `<null>` is JSON's null, which TOML does not have.
fn with_nulls(value: &Value) -> Value {
    match value {
        Value::String(text) if text == "<null>" => Value::Null,
        Value::Array(list) => list.iter().map(with_nulls).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), with_nulls(value))).collect(),
        other => other.clone(),
    }
}

/// Whether a script has a call of a function, such as `blob.get`: calls begin with the function's word.
fn asked(case: &Case, function: &str) -> bool {
    let (capability, name) = function.split_once('.').unwrap_or((function, ""));
    let calls = case.steps.iter().flat_map(|step| &step.script);
    let mut of_it = calls.filter(|call| call["capability"] == capability);
    let word = if name == "list-objects" { "list" } else { name };
    of_it.any(|call| call["what"].as_str().is_some_and(|what| what.split(' ').next() == Some(word)))
}

fn write(file: &Path, content: &[u8]) {
    std::fs::create_dir_all(file.parent().expect("a file has a folder")).expect("a folder can be made");
    std::fs::write(file, content).expect("a file can be written");
}
