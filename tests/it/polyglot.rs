//! The examples: each scenario once per language, same events, same outcomes, same outbound calls.

use jackfield_tests::env;
use jackfield_tests::host::Host;
use jackfield_tests::polyglot::play::play_example;
use jackfield_tests::scenario::{Played, Scenario, languages};
use jackfield_tests::wait;
use serde_json::{Value, json};

/// One scenario, once per language. Beyond what the file asks for, all must come to the same: outcome, output,
/// log, and the calls that arrived outside, equal in method, URL, the guest's own headers and canonical body.
#[tokio::test(flavor = "multi_thread")]
async fn servicenow_to_github_in_every_language() {
    let example = "servicenow-to-github";
    let languages = languages(example);
    assert_eq!(languages, ["go", "js", "python", "rust"]);
    let scenario = Scenario::of(example);
    let mut first: Option<(String, Vec<Played>)> = None;
    for language in languages.into_iter().rev() {
        let played = scenario.play(&language).await;
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

/// The example of events: an order that is sent twice is one event, and what hears of it counts it once.
#[tokio::test(flavor = "multi_thread")]
async fn order_events_in_every_language() {
    let example = "order-events";
    let languages = languages(example);
    assert_eq!(languages, ["go", "js", "python", "rust"]);
    let mut first: Option<(String, Vec<Value>)> = None;
    for language in languages.into_iter().rev() {
        let folder = format!("guest-examples/{example}/{language}");
        let wasm = env::guest(&format!("{folder}/dist/orders.wasm"));
        let manifest = std::fs::read_to_string(env::repository(&folder).join("jackfield.toml")).unwrap();
        let host = Host::start().await;
        host.api().deploy("dev", &manifest, &[("orders", &wasm)]).await;
        let url = host.hook("dev", example, "taken").await;
        let mut seen = Vec::new();
        for (number, customer) in [("1", "acme"), ("1", "acme"), ("2", "acme"), ("3", "other")] {
            let order = json!({ "number": number, "customer": customer }).to_string();
            let (status, _, body) =
                jackfield_tests::host::post_hook(&format!("{url}?wait=30s"), &[], order).await.unwrap();
            seen.push(json!([status, body]));
        }
        let counted = || async {
            let page = host.api().get("/v1/runs?state=succeeded&limit=1000").await;
            let runs: Vec<_> =
                page["runs"].as_array().unwrap().iter().filter(|r| r["trigger"] == "counted").cloned().collect();
            (runs.len() == 3).then_some(runs)
        };
        for run in wait::until("each order is counted", wait::LONG, counted).await.iter().rev() {
            let mut run = host.api().run(run["id"].as_str().unwrap()).await;
            run["event"]["time"].take();
            run["event"]["meta"].take();
            seen.push(json!([
                run["event"],
                run["output"]["data"],
                host.api().logs(run["id"].as_str().unwrap()).await.len()
            ]));
        }
        let all = host.api().get("/v1/runs?limit=1000").await;
        assert_eq!(all["runs"].as_array().unwrap().len(), 7, "{all:#}");
        assert_eq!(seen[5][1], json!({ "customer": "acme", "orders": 2 }), "{language}");
        match &first {
            None => first = Some((language, seen)),
            Some((other, reference)) => assert_eq!(reference, &seen, "{other} and {language} differ"),
        }
    }
}

/// Examples that are built with libraries of their language: what they do is what the library does.
#[tokio::test(flavor = "multi_thread")]
async fn an_example_with_a_crate() {
    play_example("due-reminders", "rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_with_a_go_module() {
    play_example("expense-report", "go").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_with_a_library_of_npm() {
    play_example("validate-orders", "js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_with_libraries_of_pypi() {
    play_example("product-feed", "python").await;
}

/// MarkupSafe, which jinja2 needs, has wheels for many machines and none that is pure Python.
#[test]
fn a_library_with_machine_code_is_refused_by_name_when_it_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let example = env::repository("guest-examples/hello/python");
    std::fs::create_dir(folder.path().join("src")).unwrap();
    for file in ["jackfield.toml", "src/handler.py"] {
        std::fs::copy(example.join(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("requirements.txt"), "jinja2==3.1.6\n").unwrap();
    let tools = env::python_tools().display().to_string();
    let path = format!("{tools}:{}", env::variable("PATH").unwrap_or_default());
    let mut build = std::process::Command::new(env::host_binary());
    let output = build.arg("build").arg(folder.path()).env("PATH", path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in ["`MarkupSafe", "which `jinja2` needs", "pure Python", "take another library, or leave `jinja2` out of"]
    {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

/// The SDK ships bindings of the whole world; what a handler does not call, its component does not import.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_needs_what_its_handler_calls_and_no_more() {
    let host = Host::start().await;
    for (file, needs) in [
        ("guest-examples/hello/rust/dist/greet.wasm", vec![]),
        ("guest-examples/servicenow-to-github/rust/dist/sync.wasm", vec!["config", "http", "kv"]),
        ("guest-examples/hello/go/dist/greet.wasm", vec![]),
        ("guest-examples/order-events/go/dist/orders.wasm", vec!["events", "kv"]),
        ("guest-examples/servicenow-to-github/go/dist/sync.wasm", vec!["config", "http", "kv"]),
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

/// The first example, in the languages that have an SDK and in one that has none.
#[tokio::test(flavor = "multi_thread")]
async fn hello_answers_whom_it_was_told_of_in_every_language() {
    let languages = languages("hello");
    assert_eq!(languages, ["c", "go", "js", "python", "rust"]);
    for language in languages {
        let folder = format!("guest-examples/hello/{language}");
        let manifest = std::fs::read_to_string(env::repository(&folder).join("jackfield.toml")).unwrap();
        let host = Host::start().await;
        host.api().deploy("dev", &manifest, &[("greet", &env::guest(&format!("{folder}/dist/greet.wasm")))]).await;
        let url = format!("{}?wait=60s", host.hook("dev", "hello", "visit").await);
        for name in ["Ada", "Ünïcode \" \\ 👋"] {
            let data = json!({ "more": [{ "name": 1 }, "}"], "name": name }).to_string();
            let (status, headers, body) = jackfield_tests::host::post_hook(&url, &[], data).await.unwrap();
            assert_eq!((status, &body["hello"]), (200, &name.into()), "{language}: {body:#}");
            assert_eq!(headers["content-type"], "application/json", "{language}");
        }
        for wrong in ["{}", "{\"name\": 7}", "{\"name\": null}", "", "{\"name\": \"Ada"] {
            let (status, _, body) = jackfield_tests::host::post_hook(&url, &[], wrong).await.unwrap();
            assert_eq!(status, 502, "{language}: {wrong}: {body:#}");
        }
        let rejected = host.api().get("/v1/runs?state=dead-lettered&limit=100").await;
        let reasons: Vec<_> =
            rejected["runs"].as_array().unwrap().iter().map(|run| run["reason"].to_string()).collect();
        assert_eq!(reasons.len(), 5, "{language}: {reasons:#?}");
        assert!(reasons.iter().all(|reason| reason.contains("rejected")), "{language}: {reasons:#?}");
    }
}
