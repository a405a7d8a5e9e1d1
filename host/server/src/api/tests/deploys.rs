use super::*;

const MANIFEST: &str = r#"manifest_version = 1

[integration]
name = "feature-requests"
description = "Opens an issue for every feature request"

[connections]
servicenow = { kind = "http" }
github = { kind = "http" }

[[trigger]]
name = "announced"
kind = "webhook"
component = "sync"
verify = { scheme = "standard-webhooks", secret = "signing" }

[component.sync]
source = "dist/sync.wasm"

[component.sync.grants]
http = [
  { connection = "servicenow", methods = ["GET"], paths = ["/api/now/table/**"] },
  { connection = "github", methods = ["POST"], paths = ["/repos/*/*/issues"] },
]
config = ["repository"]
"#;

const RELEASES: &str = "/v1/environments/dev/releases";

impl Rig {
    async fn deploy(&self, manifest: &str, artifacts: Value) -> Seen {
        self.post(RELEASES, json!({ "manifest": manifest, "artifacts": artifacts })).await
    }
}

fn texts(problem: &Value) -> Vec<String> {
    problem["problems"].as_array().unwrap().iter().map(|p| p["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_deploy_makes_a_version_active_and_says_what_is_missing() {
    let rig = Rig::new().await;
    let digest = rig.artifact("sync", &[Capability::Http, Capability::Config], true).await;
    let artifacts = json!({ "sync": digest });
    let first = rig.deploy(MANIFEST, artifacts.clone()).await.ok();
    assert_eq!(
        (&first["integration"], &first["version"], &first["new"]),
        (&json!("feature-requests"), &json!(1), &json!(true))
    );
    let hook = first["hooks"][0].clone();
    assert_eq!(hook["trigger"], "announced");
    let url = hook["url"].as_str().unwrap();
    let token = url.rsplit('/').next().unwrap();
    assert!(url.starts_with("http://127.0.0.1:8080/hooks/") && token.len() == 22, "128 bits in base64url: {url}");
    let warnings = first["warnings"].to_string();
    for needed in [
        "jackfield connections set github",
        "jackfield connections set servicenow",
        "jackfield secrets set signing",
        "jackfield config set feature-requests repository",
    ] {
        assert!(warnings.contains(needed), "{needed}: {warnings}");
    }

    let again = rig.deploy(MANIFEST, artifacts.clone()).await.ok();
    assert_eq!((&again["version"], &again["new"]), (&json!(1), &json!(false)));
    assert_eq!(again["hooks"][0], hook, "a hook keeps its address");
    let changed = rig.deploy(&MANIFEST.replace("every feature", "each feature"), artifacts.clone()).await.ok();
    assert_eq!((&changed["version"], &changed["new"]), (&json!(2), &json!(true)));
    assert_eq!(changed["hooks"][0], hook);

    let body = json!({ "manifest": MANIFEST, "artifacts": artifacts });
    let prod = rig.post("/v1/environments/prod/releases", body).await.ok();
    assert_ne!(prod["hooks"][0], hook, "each environment has its own address");

    let list = rig.get(RELEASES).await.ok();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!((&list[0]["version"], &list[0]["components"]), (&json!(2), &json!(["sync"])));
    assert_eq!(list[0]["artifacts"]["sync"], digest);

    let triggers = rig.get("/v1/environments/dev/triggers").await.ok();
    assert_eq!(triggers[0]["url"], hook["url"]);
    assert_eq!((&triggers[0]["verify"], &triggers[0]["kind"]), (&json!("standard-webhooks"), &json!("webhook")));
    let reader = rig.token("reader", &[Right::Read]).await;
    let seen = rig.as_(&reader, Method::GET, "/v1/environments/dev/triggers", None).await;
    assert!(!seen.text().contains(token), "whoever may only look cannot send events: {}", seen.text());

    let trail = rig.get("/v1/audit?limit=3").await.ok();
    assert!(
        trail.as_array().unwrap().iter().all(|entry| entry["action"] == "deploy" && entry["who"] == "tester"),
        "{trail}"
    );
    assert!(!trail.to_string().contains(token));
}

#[tokio::test]
async fn everything_that_speaks_against_a_deploy_is_said_at_once_and_nothing_is_changed() {
    let rig = Rig::new().await;
    let digest = rig.artifact("sync", &[Capability::Http, Capability::Kv, Capability::Config], false).await;
    let manifest =
        format!("{MANIFEST}\n[component.other]\nsource = \"other.wasm\"\n[component.third]\nsource = \"third.wasm\"\n");
    let unknown = format!("sha256:{}", "0".repeat(64));
    let artifacts = json!({ "sync": digest, "third": unknown, "stranger": digest });
    let problem = rig.deploy(&manifest, artifacts).await.problem(422, "refused");
    let texts = texts(&problem).join("\n---\n");
    for needed in [
        "component `sync` imports `kv`, and no grant allows it",
        "[component.sync.grants]",
        "kv = [{ prefix = \"seen/\" }]",
        "deny = [\"kv\"]",
        "trigger `announced` starts component `sync`, which exports no handler",
        "component `other` has no artifact",
        &format!("this host has no artifact {unknown}"),
        "artifact for `stranger`",
    ] {
        assert!(texts.contains(needed), "{needed}: {texts}");
    }
    let ungranted =
        problem["problems"].as_array().unwrap().iter().find(|p| p["key"] == "component.sync.grants.kv").unwrap();
    let line = MANIFEST.lines().position(|l| l == "[component.sync.grants]").unwrap() + 1;
    assert_eq!(ungranted["line"], line, "{ungranted}");
    assert!(problem["detail"].as_str().unwrap().contains("was not deployed to dev"), "{problem}");

    assert_eq!(rig.get(RELEASES).await.ok(), json!([]));
    assert_eq!(rig.get("/v1/audit").await.ok(), json!([]));
    let store = &rig.built.host.store;
    assert!(store.hooks().await.unwrap().is_empty());
    assert!(store.version(&"feature-requests".parse().unwrap(), 1).await.is_err(), "a version was made");
}

#[tokio::test]
async fn a_manifest_that_does_not_read_is_refused_with_its_lines() {
    let rig = Rig::new().await;
    let manifest = MANIFEST.replace("kind = \"webhook\"", "kind = \"webhok\"").replace("[\"POST\"]", "[\"post it\"]");
    let problem = rig.deploy(&manifest, json!({})).await.problem(422, "refused");
    let lines: Vec<_> = problem["problems"].as_array().unwrap().iter().map(|p| p["line"].as_u64()).collect();
    assert!(lines.len() >= 2 && lines.iter().all(Option::is_some), "{problem}");
    rig.post(RELEASES, json!({ "manifest": 7, "artifacts": {} })).await.problem(400, "bad-request");
    rig.post(RELEASES, json!({ "manifest": {}, "artifacts": {} })).await.problem(422, "refused");
    rig.post("/v1/environments/nowhere/releases", json!({ "manifest": MANIFEST, "artifacts": {} }))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn two_connections_that_one_url_could_mean_are_refused() {
    let rig = Rig::new().await;
    let digest = rig.artifact("sync", &[Capability::Http], true).await;
    let connect = async |name: &str, url: &str| {
        let body = json!({ "kind": "http", "settings": { "base_url": url } });
        rig.put(&format!("/v1/environments/dev/connections/{name}"), body).await.ok()
    };
    connect("github", "https://api.example.com/v1").await;
    connect("servicenow", "https://api.example.com").await;
    let problem = rig.deploy(MANIFEST, json!({ "sync": digest })).await.problem(422, "refused");
    let texts = texts(&problem);
    assert!(texts.len() == 1 && texts[0].contains("`github`") && texts[0].contains("`servicenow`"), "{texts:?}");

    connect("servicenow", "https://api.example.com/v10").await;
    rig.deploy(MANIFEST, json!({ "sync": digest })).await.ok();

    // Two names for one connection are the same question.
    let bind = "/v1/environments/dev/bindings/feature-requests/servicenow";
    rig.put(bind, json!({ "connection": "github" })).await.ok();
    let problem = rig.deploy(MANIFEST, json!({ "sync": digest })).await.problem(422, "refused");
    assert_eq!(problem["problems"][0]["key"], "component.sync.grants.http");
}

#[tokio::test]
async fn a_component_that_could_never_start_here_is_refused() {
    let rig = Rig::new().await;
    let digest = rig.artifact("sync", &[], true).await;
    let host = &rig.built.host;
    let fits = host.config.executor.memory_bytes >= 1 << 30;
    let manifest =
        MANIFEST.replace("source = \"dist/sync.wasm\"", "source = \"dist/sync.wasm\"\nlimits = { memory = \"1GiB\" }");
    let answer = rig.deploy(&manifest, json!({ "sync": digest })).await;
    if fits {
        answer.ok();
    } else {
        let problem = answer.problem(422, "refused");
        assert_eq!(problem["problems"][0]["key"], "component.sync.limits.memory");
    }
}

#[tokio::test]
async fn a_deploy_whose_caller_hangs_up_is_carried_out_whole_or_not_at_all() {
    let rig = Rig::new().await;
    let digest = rig.artifact("sync", &[], true).await;
    let active = || {
        let all = rig.built.host.releases.all();
        all.first().map(|release| release.version.number)
    };
    for patience in 0..25 {
        let manifest = MANIFEST.replace("every feature", &format!("the feature {patience}"));
        let deploy = rig.deploy(&manifest, json!({ "sync": digest }));
        let _hung_up = tokio::time::timeout(Duration::from_micros(400 * patience), deploy).await;
        // The next one waits until this one is through, so afterwards there is nothing half done.
        rig.deploy(&manifest, json!({ "nobody": digest })).await.problem(422, "refused");
        let stored = rig.built.host.store.releases().await.unwrap();
        assert_eq!(active(), stored.first().map(|release| release.version.number), "after {patience}");
    }
    assert!(active().is_some(), "none of them had the time");
}
