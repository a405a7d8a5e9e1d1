//! Time travel: a run is exported from a host, and played again on a machine that has none.

use std::path::{Path, PathBuf};
use std::process::Output;

use jackfield_tests::api::Api;
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::scenario::Scenario;
use jackfield_tests::stubs::{Fault, Kind, Stub, echo};
use jackfield_tests::{env, probe};
use serde_json::{Value, json};
use tokio::process::Command;

/// A machine with the binary and nothing else: no host, no token, a home of its own.
struct Laptop(tempfile::TempDir);

impl Laptop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env::host_binary());
        command.env_clear().env("HOME", self.0.path()).current_dir(self.0.path()).args(arguments);
        command.output().await.unwrap()
    }

    /// What `replay --json` says, and its exit code.
    async fn replay(&self, file: &Path, more: &[&str]) -> (i32, Value) {
        let file = file.display().to_string();
        let ended = self.run(&[&["replay", file.as_str(), "--json"], more].concat()).await;
        let said = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", text(&ended)));
        (ended.status.code().unwrap(), said)
    }
}

fn text(ended: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr))
}

/// Exports a run into a file of the laptop's, by the command line.
async fn export(host: &Host, run: &str, laptop: &Laptop) -> (PathBuf, Value) {
    let file = laptop.file(&format!("{run}.json"));
    let ended = host.command().args(["runs", "export", run, "-o"]).arg(&file).output().await.unwrap();
    assert!(ended.status.success(), "{}", text(&ended));
    let recording = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    (file, recording)
}

const EXAMPLE: &str = "guest-examples/servicenow-to-github";
/// Of the feature request that a sweep comes to first.
const TITLE: &str = "Ünïcode in names";

/// A sweep that opens one issue, then is refused: the run that failed is played with the same outcome and log.
#[expect(clippy::print_stdout, reason = "the figures are what a reader wants")]
async fn failed_in(language: &str) {
    let scenario = Scenario::read(&env::repository(EXAMPLE).join("scenario.toml"));
    let folder = format!("{EXAMPLE}/{language}");
    let wasm = env::guest(&format!("{folder}/dist/sync.wasm"));
    let manifest = std::fs::read_to_string(env::repository(&folder).join("jackfield.toml")).unwrap();
    let mut host = Host::start().await;
    let outside = scenario.set_up(&host, &manifest, &[("sync", &wasm)]).await;
    host.api().set_config("dev", &scenario.integration, "sweep-page", json!(1)).await;
    let (servicenow, github) = (&outside["servicenow"], &outside["github"]);
    servicenow.fail(Fault::next(Kind::Slow { ms: 1 }).method("GET"));
    servicenow.fail(Fault::next(Kind::status(403)).method("GET"));
    let path = format!("/v1/environments/dev/integrations/{}/triggers/sweep/fire", scenario.integration);
    let fired = host.api().post(&path, &json!({})).await;
    let id = fired.body["run"].as_str().unwrap_or_else(|| panic!("{:#}", fired.body)).to_owned();
    let run = host.api().wait_for(&id, &["succeeded", "dead-lettered", "needs-decision"]).await;
    assert_eq!(run["state"], "dead-lettered", "{language}: {}", Api::brief(&run));
    assert!(run["reason"].as_str().unwrap().contains("403"), "{language}: {}", Api::brief(&run));

    let laptop = Laptop::new();
    let (file, recording) = export(&host, &id, &laptop).await;
    let second = Laptop::new();
    let (again, _) = export(&host, &id, &second).await;
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&file).unwrap(), "two exports of one run differ");
    assert_eq!(recording["format"], 1);
    let calls = recording["calls"].as_array().unwrap();
    let whats: Vec<_> = calls.iter().map(|call| call["what"].as_str().unwrap()).collect();
    assert!(whats.contains(&"POST github /repos/acme/app/issues"), "{whats:?}");
    let last = calls.last().unwrap();
    assert_eq!((&last["response"]["status"], &last["request"]["connection"]), (&json!(403), &json!("servicenow")));
    let opened = calls.iter().find(|call| call["what"] == "POST github /repos/acme/app/issues").unwrap();
    assert_eq!(opened["request"]["data"]["title"], TITLE, "{opened:#}");
    assert_eq!(opened["response"]["data"]["number"], 1, "{opened:#}");
    assert!(!recording["log"].as_array().unwrap().is_empty(), "{language} logged nothing");

    // The host is gone, and so are the other sides.
    let requests = (servicenow.requests().len(), github.requests().len());
    host.stop().await;
    let component = laptop.file("sync.wasm");
    std::fs::write(&component, &wasm).unwrap();
    let component = component.display().to_string();
    let (code, first) = laptop.replay(&file, &["--component", &component]).await;
    assert_eq!((code, &first["same"]), (0, &json!(true)), "{language}: {first:#}");
    assert_eq!(first["outcome"], recording["outcome"], "{language}: {first:#}");
    assert_eq!((&first["log"], &first["log_difference"]), (&recording["log"], &Value::Null), "{language}: {first:#}");
    assert_eq!(requests, (servicenow.requests().len(), github.requests().len()), "{language}: something was sent");

    // A second time it is compiled already, and needs no file.
    let (code, second) = laptop.replay(&file, &[]).await;
    assert_eq!((code, &second["same"]), (0, &json!(true)), "{language}: {second:#}");
    let code_ready = |told: &Value| told["compile_ms"].as_f64().unwrap();
    assert!(code_ready(&second) < code_ready(&first), "{language}: {first:#}\n{second:#}");
    println!(
        "{language}: replayed in {} ms; the code was ready after {} ms, the second time {} ms",
        second["replay_ms"],
        code_ready(&first),
        code_ready(&second)
    );
    let ended = laptop.run(&["replay", &file.display().to_string()]).await;
    let said = text(&ended);
    assert!(ended.status.success() && said.contains("as recorded") && said.contains("opened an issue for"), "{said}");

    // An edited file: the guest asks for something else than it says, and both are shown.
    let mut edited = recording.clone();
    let call = edited["calls"].as_array_mut().unwrap().iter_mut().find(|call| call["call"] == opened["call"]).unwrap();
    call["request"]["data"]["title"] = json!("Another title");
    let other = laptop.file("edited.json");
    std::fs::write(&other, edited.to_string()).unwrap();
    let (code, told) = laptop.replay(&other, &[]).await;
    assert_eq!((code, &told["diverged"]["call"]), (1, &opened["call"]), "{language}: {told:#}");
    let said = text(&laptop.run(&["replay", &other.display().to_string()]).await);
    for part in ["non-determinism at call", "recorded  POST github", "now       POST github", "Another title", TITLE] {
        assert!(said.contains(part), "{language}: {part} is not in {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_plays_offline_in_rust() {
    failed_in("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_plays_offline_in_typescript() {
    failed_in("js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_plays_offline_in_python() {
    failed_in("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_plays_offline_in_go() {
    failed_in("go").await;
}

/// Calls, timers, clocks and random values at the same time: what came when is played as it came.
#[tokio::test(flavor = "multi_thread")]
async fn p6_what_came_at_the_same_time_comes_in_the_same_order() {
    let host = Host::start().await;
    let target = Stub::start(0, echo::Echo).await.unwrap();
    for (n, path) in ["/c", "/a", "/b"].iter().enumerate() {
        let mut slow = Fault::next(Kind::Slow { ms: 1 + 12 * n as u64 });
        slow.path = Some((*path).into());
        target.fail(slow);
    }
    probe::connect(&host, &target).await;
    let folder = "tests/guests/concurrent";
    let manifest = std::fs::read_to_string(env::repository(folder).join("jackfield.toml")).unwrap();
    let wasm = env::guest(&format!("{folder}/dist/concurrent.wasm"));
    host.api().deploy("dev", &manifest, &[("concurrent", &wasm)]).await;
    let data = json!({ "scenario": "main", "base": target.base() });
    let run = host.api().run_to_end("dev", "concurrent", &data).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));

    // The component comes from the host, by its digest.
    let laptop = Laptop::new();
    let (file, recording) = export(&host, run["id"].as_str().unwrap(), &laptop).await;
    let mut command = host.command();
    command.env("HOME", laptop.0.path()).current_dir(laptop.0.path()).args(["replay", "--json"]).arg(&file);
    let ended = command.output().await.unwrap();
    let told: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", text(&ended)));
    assert_eq!((ended.status.code(), &told["same"]), (Some(0), &json!(true)), "{told:#}");
    assert_eq!(told["outcome"]["output"], recording["outcome"]["output"], "{told:#}");
    let trail = host.api().get("/v1/audit").await.to_string();
    assert!(trail.contains("\"export\"") && trail.contains("\"download\""), "{trail}");
}

/// Another build is refused, unless it is asked for: then its calls are compared.
#[tokio::test(flavor = "multi_thread")]
async fn another_build_than_recorded_has_to_be_asked_for() {
    let host = Host::start().await;
    let target = Stub::start(0, echo::Echo).await.unwrap();
    probe::connect(&host, &target).await;
    probe::deploy(&host, &Manifest::probe()).await;
    let run = probe::run(
        &host,
        json!([probe::checked_call("GET", "/one"), { "do": "log", "level": "info", "message": "done" }]),
    )
    .await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
    let laptop = Laptop::new();
    let (file, recording) = export(&host, run["id"].as_str().unwrap(), &laptop).await;
    let file = file.display().to_string();

    let ended = laptop.run(&["replay", &file]).await;
    let said = text(&ended);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("is not here") && said.contains("--component"), "{said}");

    // The same program with a section more: another digest.
    let other = laptop.file("other.wasm");
    std::fs::write(&other, [probe::wasm(), b"\0\x04\x03new".to_vec()].concat()).unwrap();
    let other = other.display().to_string();
    let ended = laptop.run(&["replay", &file, "--component", &other]).await;
    let said = text(&ended);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(
        said.contains(recording["component"]["artifact"].as_str().unwrap()) && said.contains("--any-version"),
        "{said}"
    );
    let (code, told) = laptop.replay(Path::new(&file), &["--component", &other, "--any-version"]).await;
    assert_eq!((code, &told["same"], &told["exact"]), (0, &json!(true), &json!(false)), "{told:#}");

    let ended = laptop.run(&["replay", &other]).await;
    assert_eq!(ended.status.code(), Some(2), "{}", text(&ended));
}
