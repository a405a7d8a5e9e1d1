//! Plans, versions, differences and the way back.

use super::*;

const MANIFEST: &str = r#"manifest_version = 1
[integration]
name = "demo"
[connections]
github = { kind = "http" }
[[trigger]]
name = "announced"
kind = "webhook"
component = "sync"
verify = { scheme = "github", secret = "signing" }
[component.sync]
source = "sync.wasm"
[component.sync.grants]
kv = [{ prefix = "seen/" }]
config = ["team"]
"#;

const RELEASES: &str = "/v1/environments/dev/releases";
const PLAN: &str = "/v1/environments/dev/releases/plan";
const ROLLBACK: &str = "/v1/environments/dev/releases/demo/rollback";

/// The manifest, with leave to use all keys.
fn wider() -> String {
    MANIFEST.replace("seen/", "")
}

impl Rig {
    async fn wish(&self, path: &str, manifest: &str) -> Seen {
        let digest = self.artifact("sync", &[Capability::Kv], true).await;
        self.post(path, json!({ "manifest": manifest, "artifacts": { "sync": digest } })).await
    }

    /// All that a plan must leave as it is.
    async fn state(&self) -> String {
        let store = &self.built.host.store;
        let name = "demo".parse().unwrap();
        format!(
            "{:?}{:?}{:?}{:?}{:?}",
            store.releases().await.unwrap(),
            store.versions(&name, 100).await.unwrap(),
            store.activations(&name, 100).await.unwrap(),
            store.hooks().await.unwrap(),
            store.audit_trail(100).await.unwrap()
        )
    }

    fn active(&self) -> Option<u32> {
        let scope =
            jackfield_core::ids::Scope { environment: "dev".parse().unwrap(), integration: "demo".parse().unwrap() };
        self.built.host.releases.active(&scope).map(|release| release.version.number)
    }
}

#[tokio::test]
async fn a_plan_says_what_a_release_then_does_and_changes_nothing() {
    let rig = Rig::new().await;
    let nothing = rig.state().await;
    let plan = rig.wish(PLAN, MANIFEST).await.ok();
    assert_eq!((&plan["version"], &plan["new"], &plan["before"]), (&json!(1), &json!(true), &json!(null)));
    assert_eq!(plan["hooks"], json!([{ "trigger": "announced", "url": null }]));
    assert_eq!(plan["connections"][0]["name"], "github");
    let problem = plan["connections"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("jackfield connections set github --env dev"), "{problem}");
    let warnings = plan["warnings"].to_string();
    for needed in ["jackfield secrets set signing", "jackfield config set demo team"] {
        assert!(warnings.contains(needed), "{needed}: {warnings}");
    }
    assert!(!warnings.contains("connections set"), "it is said once: {warnings}");
    assert_eq!(rig.state().await, nothing);

    let released = rig.wish(RELEASES, MANIFEST).await.ok();
    assert_eq!(released["difference"], plan["difference"]);
    assert_eq!(released["warnings"].as_array().unwrap().len(), 3);

    let one = rig.state().await;
    let plan = rig.wish(PLAN, &wider()).await.ok();
    assert_eq!((&plan["version"], &plan["new"], &plan["before"]), (&json!(2), &json!(true), &json!(1)));
    assert_eq!(plan["hooks"][0]["url"], released["hooks"][0]["url"]);
    let part = &plan["difference"]["components"][0];
    assert_eq!(part["may_also"][0]["what"], "");
    assert_eq!(part["may_also"][0]["verb"], "read and write");
    let same = rig.wish(PLAN, MANIFEST).await.ok();
    assert_eq!((&same["version"], &same["new"], &same["before"]), (&json!(1), &json!(false), &json!(1)));
    assert_eq!(same["difference"]["components"], json!([]));
    assert_eq!(rig.state().await, one);
    assert_eq!(rig.wish(RELEASES, &wider()).await.ok()["difference"], plan["difference"]);
}

/// A plan and a release are refused for the same reasons, in the same words.
#[tokio::test]
async fn a_plan_is_refused_as_the_release_is() {
    let rig = Rig::new().await;
    for manifest in [
        MANIFEST.replace("kv = [{ prefix = \"seen/\" }]\n", ""),
        MANIFEST.replace("\"webhook\"", "\"webhok\""),
        MANIFEST.replace("kind = \"http\"", "kind = \"carrier-pigeon\""),
    ] {
        let planned = rig.wish(PLAN, &manifest).await.problem(422, "refused");
        assert_eq!(planned, rig.wish(RELEASES, &manifest).await.problem(422, "refused"));
    }
    rig.post("/v1/environments/nowhere/releases/plan", json!({ "manifest": MANIFEST, "artifacts": {} }))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn versions_say_when_by_whom_and_where() {
    let rig = Rig::new().await;
    rig.get("/v1/integrations/demo/versions").await.problem(404, "not-found");
    rig.wish(RELEASES, MANIFEST).await.ok();
    rig.wish("/v1/environments/prod/releases", MANIFEST).await.ok();
    rig.wish(RELEASES, &wider()).await.ok();
    let answer = rig.get("/v1/integrations/demo/versions").await.ok();
    let seen: Vec<_> =
        answer["versions"].as_array().unwrap().iter().map(|v| (&v["version"], &v["active_in"])).collect();
    assert_eq!(seen, [(&json!(2), &json!(["dev"])), (&json!(1), &json!(["prod"]))]);
    assert_eq!(answer["versions"][0]["by"], "tester");
    let history: Vec<_> = answer["activations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (&a["environment"], &a["version"], &a["by"]))
        .collect();
    assert_eq!(history.len(), 3);
    assert!(history.contains(&(&json!("prod"), &json!(1), &json!("tester"))), "{history:?}");
    let limited = rig.get("/v1/integrations/demo/versions?limit=1").await.ok();
    assert_eq!(limited["versions"].as_array().unwrap().len(), 1);

    let one = rig.get("/v1/integrations/demo/versions/1").await.ok();
    assert_eq!(one["manifest"]["component"]["sync"]["grants"]["kv"], json!([{ "prefix": "seen/" }]));
    rig.get("/v1/integrations/demo/versions/3").await.problem(404, "not-found");
    rig.get("/v1/integrations/demo/versions/x").await.problem(400, "bad-request");

    let diff = rig.get("/v1/integrations/demo/diff?from=1&to=2").await.ok();
    assert_eq!((&diff["from"], &diff["to"]), (&json!(1), &json!(2)));
    assert_eq!(diff["components"][0]["may_also"].as_array().unwrap().len(), 1);
    let back = rig.get("/v1/integrations/demo/diff?from=2&to=1").await.ok();
    assert_eq!(back["components"][0]["may_also"], json!([]));
    assert_eq!(rig.get("/v1/integrations/demo/diff?to=1").await.ok()["components"][0]["change"], "added");
    rig.get("/v1/integrations/demo/diff?from=1&to=9").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_rollback_makes_an_older_version_active_and_keeps_hooks() {
    let rig = Rig::new().await;
    let reader = rig.token("reader", &[Right::Read]).await;
    rig.post(ROLLBACK, json!({})).await.problem(404, "not-found");
    let first = rig.wish(RELEASES, MANIFEST).await.ok();
    let alone = rig.post(ROLLBACK, json!({})).await.problem(409, "conflict");
    assert!(alone["detail"].as_str().unwrap().contains("--to"), "{alone}");
    rig.wish(RELEASES, &wider()).await.ok();
    rig.wish(RELEASES, &wider()).await.ok();

    let back = rig.post(ROLLBACK, json!({})).await.ok();
    assert_eq!((&back["version"], &back["before"], &back["new"]), (&json!(1), &json!(2), &json!(false)));
    assert_eq!(back["hooks"], first["hooks"]);
    assert_eq!(back["difference"]["to"], 1);
    assert_eq!(rig.active(), Some(1));
    let trail = rig.get("/v1/audit?limit=1").await.ok();
    assert_eq!((&trail[0]["action"], &trail[0]["who"]), (&json!("rollback"), &json!("tester")));
    rig.post(ROLLBACK, json!({ "to": 1 })).await.problem(409, "conflict");
    rig.post(ROLLBACK, json!({ "to": 7 })).await.problem(404, "not-found");
    assert_eq!(rig.post(ROLLBACK, json!({ "to": 2 })).await.ok()["version"], 2);
    // The number of the next version is not that of an older one.
    let third = rig.wish(RELEASES, &MANIFEST.replace("seen/", "found/")).await.ok();
    assert_eq!(third["version"], 3);
    rig.as_(&reader, Method::POST, ROLLBACK, Some(json!({}))).await.problem(403, "forbidden");
}

/// What speaks against a release speaks against the way back to it too.
#[tokio::test]
async fn a_rollback_is_checked_as_a_release_is() {
    let rig = Rig::new().await;
    let both = MANIFEST
        .replace("github = { kind = \"http\" }", "github = { kind = \"http\" }\nother = { kind = \"http\" }")
        .replace(
            "kv =",
            "http = [{ connection = \"github\", methods = [\"GET\"], paths = [\"/**\"] }, \
         { connection = \"other\", methods = [\"GET\"], paths = [\"/**\"] }]\nkv =",
        );
    rig.wish(RELEASES, &both).await.ok();
    rig.wish(RELEASES, MANIFEST).await.ok();
    for (name, url) in [("github", "https://api.example.com"), ("other", "https://api.example.com/v1")] {
        let body = json!({ "kind": "http", "settings": { "base_url": url } });
        rig.put(&format!("/v1/environments/dev/connections/{name}"), body).await.ok();
    }
    let before = rig.state().await;
    rig.post(ROLLBACK, json!({})).await.problem(422, "refused");
    assert_eq!(rig.state().await, before);
    assert_eq!(rig.active(), Some(2));
}

/// Threat row 50, through the API: everything opens under the new key, and after it is read from its
/// file again.
#[tokio::test]
async fn threat_050_a_rotated_key_opens_what_was_sealed_before() {
    let rig = Rig::new().await;
    let deployer = rig.token("deployer", &[Right::Read, Right::Deploy, Right::Secrets]).await;
    rig.put("/v1/environments/dev/secrets/token", json!({ "value": "ghp_canary" })).await.ok();
    let rotate = "/v1/master-key/rotate";
    let rotated = rig.post(rotate, json!({})).await.ok();
    assert_eq!(rotated["values"], 2);
    assert_ne!(rotated["key"], rotated["before"]);
    let host = &rig.built.host;
    let (dev, name) = ("dev".parse().unwrap(), "token".parse().unwrap());
    let opened = async || {
        let value = host.outside.secret(&dev, &name).await.unwrap().unwrap();
        secrecy::ExposeSecret::expose_secret(&value).to_owned()
    };
    assert_eq!(opened().await, "ghp_canary");
    rig.put("/v1/environments/dev/secrets/token", json!({ "value": "ghp_second" })).await.ok();
    assert_eq!(opened().await, "ghp_second");
    let keys = crate::keys::load(&host.config.master_key, &*host.store, &*host.rng).await.unwrap();
    assert_eq!(keys.master.id(), rotated["key"].as_str().unwrap());
    let again = rig.post(rotate, json!({})).await.ok();
    assert_eq!(again["before"], rotated["key"]);
    let trail = rig.get("/v1/audit?limit=1").await.ok();
    assert_eq!(trail[0]["action"], "master-key-rotated");
    assert!(std::path::Path::new(again["kept"].as_str().unwrap()).exists());
    rig.as_(&deployer, Method::POST, rotate, None).await.problem(403, "forbidden");
}
