//! An error that nobody caught names the file and the line of whoever wrote the handler, in every language.

use jackfield_tests::env;
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::stubs::{self, Answer, Record, Stub};
use jackfield_tests::{api::ENVIRONMENT, probe};
use serde_json::{Value, json};

/// A side that does not say what the handler takes for granted.
struct Silent;

impl stubs::Api for Silent {
    fn answer(&self, _: &Record, _: &str) -> Answer {
        Answer::json(201, &json!({ "id": "x" }))
    }
}

/// The place of some text in a source file, as `file:line`.
fn place(folder: &str, file: &str, of: &str) -> String {
    let text = std::fs::read_to_string(env::repository(folder).join(file)).unwrap();
    let line = text.lines().position(|line| line.contains(of)).unwrap_or_else(|| panic!("{of} is not in {file}"));
    format!("{file}:{}", line + 1)
}

async fn show(host: &Host, run: &str) -> String {
    let ended = host.command().args(["runs", "show", run]).output().await.unwrap();
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

/// A bug on a line known to the test: in the API, in `runs show`, and beside it what was logged last.
async fn named_in(language: &str, file: &str, bug: &str, words: &str) {
    let folder = format!("tests/guests/thrice-{language}");
    let manifest = std::fs::read_to_string(env::repository(&folder).join("jackfield.toml")).unwrap();
    let wasm = env::guest(&format!("{folder}/dist/order.wasm"));
    let place = place(&folder, file, bug);
    let side = Stub::start(0, Silent).await.unwrap();
    let host = Host::start().await;
    for name in ["stock", "bank", "parcels"] {
        let base = format!("{}/{name}", side.base().trim_end_matches('/'));
        host.api().set_connection(ENVIRONMENT, name, "http", json!({ "base_url": base })).await;
    }
    host.api().deploy(ENVIRONMENT, &manifest, &[("order", &wasm)]).await;
    let id = host.api().start(ENVIRONMENT, "thrice", &json!({ "order": "o-1" })).await;
    let run = host.api().wait_for(&id, &["dead-lettered", "waiting", "needs-decision"]).await;
    let last = run["attempts_made"].as_array().unwrap().last().unwrap();
    let told = format!("{} {}", last["reason"], last["stack"]);
    assert!(told.contains(&place) && told.contains(words), "{language}: {place} or {words} is not in {last:#}");
    // The author's own line comes first, not the machinery that ends a guest.
    let first = last["stack"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    assert!(first.starts_with("at ") && first.contains(&place), "{language}: {first} is not {place}: {last:#}");
    let shown = show(&host, &id).await;
    assert!(shown.contains(&place) && shown.contains(words), "{language}: {place} or {words} is not in\n{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_its_line_in_rust() {
    named_in("rust", "src/lib.rs", ".expect(\"an answer has a number\")", "an answer has a number").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_its_line_in_typescript() {
    named_in("js", "src/handler.ts", "given.trim()", "TypeError").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_its_line_in_python() {
    named_in("python", "src/handler.py", "logging.info(\"%s %s\", what, answer[name])", "KeyError").await;
}

/// A trap says nothing itself: the last lines of the log stand beside it, those of its own attempt alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_trap_has_the_last_lines_of_its_log_beside_it() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let log = |n: u32| json!({ "do": "log", "level": "info", "message": format!("step {n}"), "attributes": { "n": n.to_string() } });
    let mut steps: Vec<Value> = (1..=7).map(log).collect();
    steps.push(json!({ "do": "panic", "message": "the widget is upside down" }));
    let run = probe::run(&host, json!(steps)).await;
    let attempts = run["attempts_made"].as_array().unwrap();
    let last = attempts.last().unwrap();
    let lines: Vec<_> = last["log"].as_array().unwrap().iter().map(|l| l["message"].as_str().unwrap()).collect();
    assert_eq!(lines.len(), 5, "{last:#}");
    assert_eq!(lines[..4], ["step 4", "step 5", "step 6", "step 7"]);
    assert!(lines[4].contains("the widget is upside down"), "{last:#}");
    assert!(last["log"].as_array().unwrap().iter().all(|line| line["attempt"] == last["number"]), "{last:#}");
    assert!(attempts[..attempts.len() - 1].iter().all(|attempt| attempt.get("log").is_none()), "{run:#}");
    let shown = show(&host, run["id"].as_str().unwrap()).await;
    assert!(shown.contains("step 7  n=7") && !shown.contains("step 3"), "{shown}");
    assert!(shown.contains("lines more: jackfield logs --run"), "{shown}");

    // A run that succeeded has no such lines beside it.
    let fine = probe::run(&host, json!([log(1)])).await;
    assert!(fine["attempts_made"][0].get("log").is_none(), "{fine:#}");
}
