//! The examples: each scenario once per language, same events, same outcomes, same outbound calls.

use jackfield_tests::env;
use jackfield_tests::host::Host;
use jackfield_tests::scenario::{Played, Scenario};

/// Languages that an example is written in: the folders beside its scenario that hold a manifest.
fn languages(example: &str) -> Vec<String> {
    let folder = env::repository("guest-examples").join(example);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found: Vec<String> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("jackfield.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    found
}

/// One scenario, once per language. Beyond what the file asks for, all must come to the same: outcome, output,
/// log, and the calls that arrived outside, equal in method, URL, the guest's own headers and canonical body.
#[tokio::test(flavor = "multi_thread")]
async fn servicenow_to_github_in_every_language() {
    let example = "servicenow-to-github";
    let languages = languages(example);
    assert_eq!(languages, ["js", "python", "rust"]);
    let scenario = Scenario::read(&env::repository("guest-examples").join(example).join("scenario.toml"));
    let mut first: Option<(String, Vec<Played>)> = None;
    for language in languages.into_iter().rev() {
        let folder = format!("guest-examples/{example}/{language}");
        let wasm = env::guest(&format!("{folder}/dist/sync.wasm"));
        let manifest = std::fs::read_to_string(env::repository(&folder).join("jackfield.toml")).unwrap();
        let host = Host::start().await;
        let played = scenario.play(&host, &manifest, &[("sync", &wasm)]).await;
        match &first {
            None => first = Some((language, played)),
            Some((other, reference)) => {
                for (one, two) in reference.iter().zip(&played) {
                    assert_eq!(one, two, "{other} and {language} differ");
                }
            }
        }
    }
}

/// The SDK ships bindings of the whole world; what a handler does not call, its component does not import.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_needs_what_its_handler_calls_and_no_more() {
    let host = Host::start().await;
    for (file, needs) in [
        ("guest-examples/hello/rust/dist/greet.wasm", vec![]),
        ("guest-examples/servicenow-to-github/rust/dist/sync.wasm", vec!["config", "http", "kv"]),
    ] {
        let answered = host.api().upload(env::guest(file)).await;
        let mut found: Vec<_> =
            answered.body["needs"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, needs, "{file}");
        assert_eq!(answered.body["handles_events"], true, "{file}");
        assert_eq!(answered.body["unknown_imports"], serde_json::json!([]), "{file}");
    }
}

/// The README's five minutes.
#[tokio::test(flavor = "multi_thread")]
async fn hello_answers_whom_it_was_told_of() {
    let host = Host::start().await;
    let manifest = std::fs::read_to_string(env::repository("guest-examples/hello/rust/jackfield.toml")).unwrap();
    let wasm = env::guest("guest-examples/hello/rust/dist/greet.wasm");
    host.api().deploy("dev", &manifest, &[("greet", &wasm)]).await;
    let url = host.hook("dev", "hello", "visit").await;
    let (status, headers, body) =
        jackfield_tests::host::post_hook(&format!("{url}?wait=30s"), &[], r#"{"name": "Ada"}"#).await.unwrap();
    assert_eq!((status, &body["hello"]), (200, &"Ada".into()), "{body:#}");
    assert_eq!(headers["content-type"], "application/json");
}
