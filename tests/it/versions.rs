//! A plan before a release, versions, differences and the way back, by the command line.

use std::process::Stdio;

use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use serde_json::{Value, json};

/// A project on disk that the command line can deploy.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dist")).unwrap();
        std::fs::write(folder.path().join("dist/probe.wasm"), probe::wasm()).unwrap();
        Self(folder)
    }

    fn write(&self, manifest: &Manifest) -> &Self {
        std::fs::write(self.0.path().join("jackfield.toml"), manifest.text()).unwrap();
        self
    }

    async fn run(&self, host: &Host, arguments: &[&str]) -> (i32, String) {
        let mut command = host.command();
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null());
        let output = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text.into_owned())
    }
}

#[track_caller]
fn check(answer: &(i32, String), code: i32, parts: &[&str]) {
    assert_eq!(answer.0, code, "{}", answer.1);
    for part in parts {
        assert!(answer.1.contains(part), "`{part}` is not in\n{}", answer.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_says_a_release_does_and_a_rollback_undoes() {
    let host = Host::start().await;
    let project = Project::new();
    let narrow = Manifest::probe().set_toml("component.probe.grants.kv", r#"[{ prefix = "seen/" }]"#);
    project.write(&narrow);
    let plan = project.run(&host, &["deploy", "--plan"]).await;
    check(&plan, 0, &["probe  1  in dev, for the first time", "kv", "seen/", "Nothing was changed"]);
    check(&plan, 0, &["jackfield connections set target --env dev"]);
    assert_eq!(host.api().get("/v1/environments/dev/releases").await, json!([]));
    check(&project.run(&host, &["deploy"]).await, 0, &["probe 1 is active in dev"]);

    project.write(&Manifest::probe().set("component.probe.limits.timeout", "19s"));
    let plan = project.run(&host, &["deploy", "--plan"]).await;
    check(&plan, 0, &["probe  1 → 2  in dev", "may now also", "← new", "timeout 20s → 19s", "same code"]);
    let released = project.run(&host, &["deploy"]).await;
    check(&released, 0, &["probe 2 is active in dev (before: 1)", "may now also"]);

    // At work when it goes back: it ends on the version that accepted it.
    let working = host.api().start("dev", "probe", &json!([{ "do": "sleep", "ms": 1_500 }, { "do": "echo" }])).await;
    host.api().wait_for(&working, &["running"]).await;
    let url = host.hook("dev", "probe", "hook").await;

    // Nobody can be asked, so nothing is done.
    let asked = project.run(&host, &["rollback", "probe"]).await;
    check(&asked, 2, &["probe  2 → 1", "no longer", "--yes"]);
    let back = project.run(&host, &["rollback", "probe", "--yes"]).await;
    check(&back, 0, &["probe 1 is active in dev (before: 2)"]);
    let run = host.api().wait_for(&working, &["succeeded"]).await;
    assert_eq!(run["version"], 2);
    assert_eq!(host.hook("dev", "probe", "hook").await, url, "the hook keeps its address");
    let (status, _, body) = post_hook(&url, &[], r#"[{"do":"echo"}]"#).await.unwrap();
    assert_eq!(status, 202);
    let run = host.api().wait_for(body["run"].as_str().unwrap(), &["succeeded"]).await;
    assert_eq!(run["version"], 1);

    check(&project.run(&host, &["versions", "probe"]).await, 0, &["ACTIVE IN", "dev", "sha256:"]);
    check(&project.run(&host, &["diff", "probe"]).await, 0, &["probe  2 → 1"]);
    check(&project.run(&host, &["diff", "probe", "1", "2"]).await, 0, &["probe  1 → 2", "← new"]);
    check(
        &project.run(&host, &["diff", "probe", "--to-env", "prod"]).await,
        2,
        &["no version of probe is active in prod"],
    );
    check(&project.run(&host, &["versions", "nothing"]).await, 2, &["there is no integration `nothing`"]);

    let (code, text) = project.run(&host, &["--json", "deploy", "--plan"]).await;
    assert_eq!(code, 0, "{text}");
    let plan: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&plan["version"], &plan["new"], &plan["before"]), (&json!(2), &json!(false), &json!(1)));

    // A plan is refused as the release is, with the lines to add.
    project.write(&Manifest::probe().set_toml("component.probe.grants", "{}"));
    let refused = project.run(&host, &["deploy", "--plan"]).await;
    check(&refused, 2, &["[component.probe.grants]", "deny = [", "nothing was changed"]);
    let (code, script) = project.run(&host, &["completion", "bash"]).await;
    assert!(code == 0 && script.contains("_jackfield"), "{script}");
}
