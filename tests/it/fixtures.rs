//! `jackfield test`: a project's fixtures, played on a machine that has no host.

use std::path::{Path, PathBuf};
use std::process::Output;

use jackfield_tests::host::Host;
use jackfield_tests::scenario::Scenario;
use jackfield_tests::stubs::{Fault, Kind};
use jackfield_tests::{env, warm};
use serde_json::{Value, json};
use tokio::process::Command;

const EXAMPLE: &str = "guest-examples/servicenow-to-github";
/// What a play may take on a busy machine, in milliseconds. It is a hundredth of it elsewhere.
const SLOW_MS: f64 = 2_000.0;

/// A project on a machine with a home of its own, and nothing else.
struct Project(tempfile::TempDir);

impl Project {
    /// A copy of a built example, without its build command: what is tested is there.
    fn of(folder: &str, component: &str) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        let from = env::repository(folder);
        let manifest = std::fs::read_to_string(from.join("jackfield.toml")).unwrap();
        let (kept, _) = manifest.split_once(&format!("[component.{component}.build]")).unwrap();
        project.write("jackfield.toml", kept);
        let wasm = format!("dist/{component}.wasm");
        std::fs::create_dir(project.file("dist")).unwrap();
        std::fs::write(project.file(&wasm), env::guest(&format!("{folder}/{wasm}"))).unwrap();
        for entry in std::fs::read_dir(from.join("tests")).unwrap() {
            let file = entry.unwrap().path();
            let text = std::fs::read_to_string(&file).unwrap();
            project.write(&format!("tests/{}", file.file_name().unwrap().to_str().unwrap()), &text);
        }
        project
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.file(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// A fixture like another one, but for something.
    fn edited(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut fixture: Value =
            serde_json::from_slice(&std::fs::read(self.file("tests/first.json")).unwrap()).unwrap();
        edit(&mut fixture);
        self.write(&format!("tests/{name}.json"), &fixture.to_string());
    }

    async fn run(&self, command: Command, arguments: &[&str]) -> (i32, String) {
        let mut command = command;
        command.env("HOME", self.0.path()).env("XDG_CACHE_HOME", warm::user_cache());
        command.current_dir(self.0.path()).arg("test").args(arguments);
        let ended = command.output().await.unwrap();
        (ended.status.code().unwrap(), text(&ended))
    }

    /// Without a host: what it says, and its exit code.
    async fn test(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env::host_binary());
        command.env_clear().env("PATH", env::variable("PATH").unwrap_or_default());
        self.run(command, arguments).await
    }
}

fn text(ended: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr))
}

#[track_caller]
fn says(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in\n{told}");
    }
}

/// The fixtures of the example pass, the second time in the milliseconds that they take.
#[expect(clippy::print_stdout, reason = "the figures are what a reader wants")]
async fn passes_in(language: &str) {
    let project = Project::of(&format!("{EXAMPLE}/{language}"), "sync");
    let (code, told) = project.test(&[]).await;
    assert_eq!(code, 0, "{language}: {told}");
    says(&told, &["✓ tests/first.json", "✓ tests/seen.json", "2 passed"]);
    let (code, told) = project.test(&["--json"]).await;
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"));
    assert_eq!((code, &told["passed"], &told["failed"]), (0, &json!(2), &json!(0)), "{language}: {told:#}");
    for fixture in told["fixtures"].as_array().unwrap() {
        println!("{language}: {} in {} ms; ready in {} ms", fixture["file"], fixture["took_ms"], told["ready_ms"]);
        assert!(fixture["took_ms"].as_f64().unwrap() < SLOW_MS, "{language}: {told:#}");
    }
    let calls: Vec<_> = told["fixtures"][0]["calls"].as_array().unwrap().iter().map(|c| c["what"].clone()).collect();
    assert!(calls.contains(&json!("POST github /repos/acme/app/issues")), "{language}: {calls:?}");

    // What the handler asks is what is compared.
    project.edited("other", |fixture| fixture["calls"][1]["request"]["data"]["title"] = json!("Export to csv"));
    let (code, told) = project.test(&["tests/other.json"]).await;
    assert_eq!(code, 1, "{language}: {told}");
    says(
        &told,
        &[
            "✗ tests/other.json   call 2 differs",
            "      POST github /repos/acme/app/issues\n    - title: \"Export to csv\"\n    + title: \"Export to CSV\"\n",
            "0 passed, 1 failed",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fixtures_pass_in_rust() {
    passes_in("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fixtures_pass_in_typescript() {
    passes_in("js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fixtures_pass_in_python() {
    passes_in("python").await;
}

/// Each kind of difference is told in its own words, with what was expected and what came.
#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_difference_is_told() {
    let project = Project::of(&format!("{EXAMPLE}/rust"), "sync");
    project.edited("missing", |f| f["calls"].as_array_mut().unwrap().push(json!({ "what": "GET github /rate_limit" })));
    project.edited("extra", |f| drop(f["calls"].as_array_mut().unwrap().pop()));
    project.edited("kv", |f| f["kv_after"] = json!({}));
    project.edited("outcome", |f| f["calls"][1]["response"]["status"] = json!(422));
    project.edited("output", |f| f["outcome"]["output"]["data"]["issue"] = json!(88));
    project.edited("rejected", |f| {
        f["event"]["data"] = json!({ "number": "no number!" });
        f["outcome"] = json!("rejected");
        f["calls"] = json!([]);
        f["kv_after"] = json!({});
    });
    let (code, told) = project.test(&[]).await;
    assert_eq!(code, 1, "{told}");
    says(
        &told,
        &[
            "✓ tests/first.json",
            "✓ tests/rejected.json",
            "✗ tests/missing.json    call 3 was not made\n    - GET github /rate_limit\n",
            "✗ tests/extra.json      call 2 is one too many\n    + POST github /repos/acme/app/issues\n",
            "✗ tests/kv.json         kv differs afterwards\n    + seen/FR-1042: {",
            "✗ tests/outcome.json    the outcome is another one\n    - succeeded\n    + failed: http-status:",
            "✗ tests/output.json     the output differs\n    - issue: 88\n    + issue: 87\n",
            "3 passed, 5 failed",
        ],
    );

    // The manifest's grants are in force: without them the call is refused, and the test says so.
    let manifest = std::fs::read_to_string(project.file("jackfield.toml")).unwrap();
    project.write("jackfield.toml", &manifest.replace("/repos/*/*/issues", "/repos/*/*/labels"));
    let (code, told) = project.test(&["tests/first.json"]).await;
    assert_eq!(code, 1, "{told}");
    says(
        &told,
        &["call 2 was not made", "access-denied by the manifest's grants: http POST github /repos/acme/app/issues"],
    );
}

/// What does not read is told with its place; the others are played all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_fixture_is_told() {
    let project = Project::of("guest-examples/hello/rust", "greet");
    project.write("tests/comma.json", "{ \"event\": { \"data\": { \"name\": \"Ada\" }, } }");
    project.write("tests/typo.json", r#"{ "event": { "data": {} }, "outcom": "succeeded" }"#);
    let (code, told) = project.test(&[]).await;
    assert_eq!(code, 2, "{told}");
    says(
        &told,
        &[
            "✗ tests/comma.json   is no fixture\n    line 1, column 41: it is not JSON: trailing comma",
            "✗ tests/typo.json    is no fixture\n    there is no member `outcom`; there are",
            "✓ tests/first.json",
            "1 passed, 2 could not be read",
        ],
    );
    let (code, told) = project.test(&["tests/none.json"]).await;
    assert_eq!(code, 2, "{told}");
    says(&told, &["tests/none.json: No such file"]);

    // Without any it says how one is made.
    std::fs::remove_dir_all(project.file("tests")).unwrap();
    let (code, told) = project.test(&[]).await;
    assert_eq!(code, 2, "{told}");
    says(&told, &["there are no fixtures in ./tests", "\"event\": { \"data\":", "--record RUN"]);
    // And what it says is one.
    let example: String = told.lines().skip_while(|line| !line.trim().starts_with('{')).take(2).collect();
    project.write("tests/first.json", &example);
    let (code, told) = project.test(&[]).await;
    assert_eq!(code, 0, "{told}");
}

/// What is older than its sources is built first, unless it is not wanted.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_built_when_its_sources_changed() {
    let project = Project::of("guest-examples/hello/rust", "greet");
    std::fs::rename(project.file("dist/greet.wasm"), project.file("prebuilt.wasm")).unwrap();
    let manifest = std::fs::read_to_string(project.file("jackfield.toml")).unwrap();
    let build = "[component.greet.build]\ncommand = \"cp prebuilt.wasm $JACKFIELD_OUT\"\nwatch = [\"src/**\"]\n";
    project.write("jackfield.toml", &format!("{manifest}{build}"));
    project.write("src/lib.rs", "");
    let (code, told) = project.test(&[]).await;
    assert_eq!(code, 0, "{told}");
    says(&told, &["building greet: it is not built", "1 passed"]);
    let (_, told) = project.test(&[]).await;
    assert!(!told.contains("building"), "{told}");
    let later = std::fs::metadata(project.file("dist/greet.wasm")).unwrap().modified().unwrap()
        + std::time::Duration::from_secs(5);
    std::fs::File::options().write(true).open(project.file("src/lib.rs")).unwrap().set_modified(later).unwrap();
    let (_, told) = project.test(&["--no-build"]).await;
    says(&told, &["src/lib.rs is newer than it; jackfield build builds it", "1 passed"]);
    let (_, told) = project.test(&[]).await;
    says(&told, &["building greet: src/lib.rs is newer than it", "1 passed"]);
}

/// A run of a host becomes a fixture that passes: by being copied as it is, and made short.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_becomes_a_fixture() {
    let project = Project::of(&format!("{EXAMPLE}/rust"), "sync");
    std::fs::remove_dir_all(project.file("tests")).unwrap();
    let scenario = Scenario::read(&env::repository(EXAMPLE).join("scenario.toml"));
    let manifest = std::fs::read_to_string(project.file("jackfield.toml")).unwrap();
    let wasm = std::fs::read(project.file("dist/sync.wasm")).unwrap();
    let host = Host::start().await;
    // Its sweep would meet the refusal that is meant for a run, if it came at that moment.
    let quiet = manifest.replace("*/5 * * * *", "0 0 1 1 *");
    let outside = scenario.set_up(&host, &quiet, &[("sync", &wasm)]).await;
    let run = host.api().run_to_end("dev", &scenario.integration, &json!({ "number": "FR-1042" })).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let id = run["id"].as_str().unwrap();
    let asked = outside["github"].requests().len();

    let (code, told) = project.run(host.command(), &["--record", id, "--to", "tests/fr-1042.json"]).await;
    assert_eq!(code, 0, "{told}");
    says(&told, &["✓ tests/fr-1042.json written", "personal data", "1 passed"]);
    let made: Value = serde_json::from_slice(&std::fs::read(project.file("tests/fr-1042.json")).unwrap()).unwrap();
    assert_eq!(made["config"], json!({ "repository": "acme/app" }), "{made:#}");
    assert_eq!((&made["kv"], made["kv_after"]["seen/FR-1042"]["number"].as_u64()), (&json!({}), Some(1)), "{made:#}");
    assert_eq!(made["calls"].as_array().unwrap().len(), 2, "{made:#}");
    assert_eq!(made["calls"][1]["request"]["data"]["title"], "Export to CSV", "{made:#}");
    for left_out in ["format", "component", "attempts", "observed", "note"] {
        assert!(made.get(left_out).is_none(), "{left_out} is in {made:#}");
    }
    let (code, told) = project.run(host.command(), &["--record", id, "--to", "tests/fr-1042.json"]).await;
    assert_eq!(code, 2, "{told}");
    says(&told, &["tests/fr-1042.json is there already", "--to FILE"]);
    // Its name, if nobody gives one, is the event's.
    let (code, told) = project.run(host.command(), &["--record", id]).await;
    assert_eq!(code, 0, "{told}");
    assert_eq!(std::fs::read_dir(project.file("tests")).unwrap().count(), 2, "{told}");

    // A dead letter, with the refusal that it died of.
    outside["github"].fail(Fault::next(Kind::status(403)).method("POST"));
    let dead = host.api().run_to_end("dev", &scenario.integration, &json!({ "number": "FR-1044" })).await;
    assert_eq!(dead["state"], "dead-lettered", "{dead:#}");
    let died = dead["id"].as_str().unwrap();
    let (code, told) = project.run(host.command(), &["--record", died, "--to", "tests/refused.json"]).await;
    assert_eq!(code, 0, "{told}");
    let made: Value = serde_json::from_slice(&std::fs::read(project.file("tests/refused.json")).unwrap()).unwrap();
    assert_eq!((&made["outcome"]["outcome"], &made["calls"][1]["response"]["status"]), (&json!("failed"), &json!(403)));
    assert!(made["outcome"]["reason"].as_str().unwrap().contains("403"), "{made:#}");
    let asked = outside["github"].requests().len().max(asked);

    let copy = project.file("tests/copied.json");
    let ended = host.command().args(["runs", "export", id, "-o"]).arg(&copy).output().await.unwrap();
    assert!(ended.status.success(), "{}", text(&ended));
    let (code, told) = project.test(&["--json"]).await;
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"));
    assert_eq!((code, &told["passed"]), (0, &json!(4)), "{told:#}");
    assert_eq!(outside["github"].requests().len(), asked, "a test sent something");

    let other = Project::of("guest-examples/hello/rust", "greet");
    let (code, told) = other.run(host.command(), &["--record", id]).await;
    assert_eq!(code, 2, "{told}");
    says(&told, &["is of the integration `servicenow-to-github`, and the project here is `hello`"]);
    assert!(Path::new(&copy).is_file());
}
