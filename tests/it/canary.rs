//! Canaries: credentials that nobody but their own outside system may ever see.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use jackfield_tests::api::Api;
use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::stubs::{self, Answer, Record, Stub};
use jackfield_tests::{env, probe, signing};
use serde_json::{Value, json};

/// Visits every file below `folder`.
pub(crate) fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, visit) } else { visit(&path) }
    }
}

/// Answers with the headers and the query it was sent: an outside system that is careless with credentials. Gives out
/// one access token.
struct Mirror {
    token: String,
}

impl stubs::Api for Mirror {
    fn answer(&self, request: &Record, _base: &str) -> Answer {
        if request.path == "/token" {
            return Answer::json(200, &json!({ "access_token": self.token, "expires_in": 3600, "echo": request.body }));
        }
        let said = json!({ "headers": request.headers, "query": request.query });
        let mut answer = Answer::json(if request.path.ends_with("/fails") { 500 } else { 200 }, &said);
        for name in ["authorization", "x-api-key"] {
            if let Some(value) = request.header(name) {
                answer = answer.header(&format!("x-you-sent-{name}"), value);
            }
        }
        answer
    }
}

/// A secret and every form it may hide in.
struct Canary {
    name: &'static str,
    value: String,
    forms: Vec<(String, Vec<u8>)>,
}

impl Canary {
    fn new(name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        let mut forms = vec![("as it is".to_owned(), value.clone().into_bytes())];
        let percent: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        forms.push(("percent-encoded, + for space".into(), percent.clone().into_bytes()));
        forms.push(("percent-encoded".into(), percent.replace('+', "%20").into_bytes()));
        forms.push(("hex".into(), value.bytes().map(|b| format!("{b:02x}")).collect::<String>().into_bytes()));
        for (engine, called) in [(&STANDARD, "base64"), (&URL_SAFE, "base64 for URLs")] {
            // Wherever in a longer text it begins: of three alignments, the characters that are its own alone.
            for before in 0..3 {
                let text = engine.encode([vec![b' '; before], value.clone().into_bytes()].concat());
                let begin = [0, 2, 3][before];
                let end = (before + value.len()) * 8 / 6;
                forms.push((format!("{called} after {before}"), text.as_bytes()[begin..end].to_vec()));
            }
        }
        Self { name, value, forms }
    }
}

/// How many bytes of a form are looked up at once; the rest is then compared.
const HEAD: usize = 8;

/// Every canary and form that is in `bytes`, in one pass.
fn found_in<'a>(bytes: &[u8], canaries: &'a [Canary]) -> Vec<(&'a str, &'a str)> {
    let mut heads = HashMap::<&[u8], Vec<_>>::new();
    for canary in canaries {
        for (called, form) in &canary.forms {
            heads.entry(&form[..HEAD]).or_default().push((canary.name, called.as_str(), form.as_slice()));
        }
    }
    let mut found = Vec::new();
    for (at, window) in bytes.windows(HEAD).enumerate() {
        for (name, called, form) in heads.get(window).into_iter().flatten() {
            if bytes[at..].starts_with(form) && !found.contains(&(*name, *called)) {
                found.push((*name, *called));
            }
        }
    }
    found
}

#[test]
fn a_canary_is_found_in_every_form() {
    let canary = [Canary::new("x", "c4nary/+ =?&value")];
    for text in ["c4nary/+ =?&value", "c4nary%2F%2B%20%3D%3F%26value", &STANDARD.encode("Basic me:c4nary/+ =?&value!")]
    {
        assert!(!found_in(format!("before {text} behind").as_bytes(), &canary).is_empty(), "{text}");
    }
    assert!(found_in(b"c4nary/+ =?&valu", &canary).is_empty());
}

#[track_caller]
fn clean(place: &str, bytes: &[u8], canaries: &[Canary]) {
    let found = found_in(bytes, canaries);
    assert!(found.is_empty(), "in {place}: {found:?}");
}

/// Threat row 48: a guest that reads all it can reach, and a reader of everything the host keeps or answers, find none.
#[tokio::test(flavor = "multi_thread")]
async fn threat_048_no_credential_is_seen_by_anybody() {
    let mut host = Host::options().first_start().start().await;
    let unlikely = format!("{:x}", host.pid());
    let token = format!("c4nary-access/{unlikely}+~=end");
    let target = Stub::start(0, Mirror { token: token.clone() }).await.unwrap();
    let canaries = [
        Canary::new("bearer", format!("c4nary-bearer/{unlikely}+~=end")),
        Canary::new("basic", format!("c4nary basic?{unlikely}&/+=end")),
        Canary::new("header", format!("c4nary-header/{unlikely}+%=end")),
        Canary::new("query", format!("c4nary query/{unlikely}+&=end")),
        Canary::new("signing", format!("whsec_{}", STANDARD.encode(format!("c4nary-signing-{unlikely}-0123456789")))),
        Canary::new("unused", format!("c4nary-unused/{unlikely}+=end")),
        Canary::new("client", format!("c4nary-client/{unlikely}+=end")),
        Canary::new("access", token),
    ];
    let api = host.api();
    // The last is given by the other side and kept nowhere.
    for canary in &canaries[..canaries.len() - 1] {
        api.set_secret("dev", canary.name, &canary.value).await;
    }
    let credentials = [
        ("bearer", json!({ "type": "bearer", "secret": "bearer" })),
        ("basic", json!({ "type": "basic", "user": "robot", "secret": "basic" })),
        ("header", json!({ "type": "header", "name": "x-api-key", "secret": "header" })),
        ("query", json!({ "type": "query", "name": "api_key", "secret": "query" })),
        (
            "oauth",
            json!({ "type": "oauth2", "token_url": format!("{}/token", target.base()), "client_id": "robot",
                "secret": "client", "auth": "body" }),
        ),
    ];
    let mut manifest = Manifest::probe()
        .set_toml("trigger.0.verify", r#"{ scheme = "standard-webhooks", secret = "signing" }"#)
        .set_toml("component.probe.grants.http", &grants(&["bearer", "basic", "header", "query", "oauth"]))
        .set("component.probe.retry.attempts", 1);
    for (name, credential) in &credentials {
        manifest = manifest.set_toml(&format!("connections.{name}"), r#"{ kind = "http" }"#);
        let base = format!("{}/{name}", target.base());
        api.set_connection("dev", name, "http", json!({ "base_url": base, "credential": credential })).await;
    }
    probe::deploy(&host, &manifest).await;
    for (name, _) in &credentials {
        let tested = api.post(&format!("/v1/environments/dev/connections/{name}/test"), &json!({})).await;
        clean("a connection test", tested.body.to_string().as_bytes(), &canaries);
    }

    // The guest: calls that are answered with its own credential, that fail, that are refused; then it looks.
    let mut steps = Vec::new();
    for (name, _) in &credentials {
        for (method, url) in [("GET", "/a"), ("POST", "/b"), ("GET", "/fails"), ("DELETE", "/not-granted")] {
            let call = json!({ "do": "call", "connection": name, "method": method, "url": url, "tolerate": true });
            steps.push(call);
        }
        let theirs = json!({ "do": "call", "connection": name, "method": "GET", "url": "/c", "headers": { "authorization": "mine" }, "tolerate": true });
        steps.push(theirs);
    }
    let mut needles: Vec<Value> = Vec::new();
    for canary in &canaries {
        let printable =
            canary.forms.iter().filter_map(|(called, form)| Some((called, std::str::from_utf8(form).ok()?)));
        needles.extend(printable.map(|(called, text)| probe::needle(&format!("{} {called}", canary.name), text)));
    }
    // Its own proof that it looks in the right place.
    let control = "a text that is surely there";
    needles.push(probe::needle("control", control));
    steps.push(json!({ "do": "canary", "needles": needles, "control": control }));
    let body = Value::Array(steps).to_string();
    let signing_secret = &canaries[4].value;
    let headers = signing::standard_webhooks(signing_secret, "msg_1", env::unix_seconds(), body.as_bytes());
    let url = host.hook("dev", "probe", "hook").await;
    let (status, _, answered) = post_hook(&url, &headers, body).await.unwrap();
    assert_eq!(status, 202, "{answered:#}");
    let run = api.wait_for(answered["run"].as_str().unwrap(), &["succeeded", "dead-lettered", "needs-decision"]).await;
    let answers = probe::answers(&run);
    let seen = answers.last().unwrap();
    let found: Vec<_> = seen["found"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(found, ["control"], "the guest found credentials");
    assert!(seen["looked_at"].as_u64().unwrap() > 1 << 20, "{seen}");
    assert_eq!((&seen["variables"], &seen["files"]), (&json!(0), &json!(false)), "{seen}");

    // The credentials did arrive where they belong, or all this proves nothing.
    let records = target.requests();
    let arrived = |f: &dyn Fn(&Record) -> bool| records.iter().any(f);
    assert!(arrived(&|r| r.header("authorization") == Some(&format!("Bearer {}", canaries[0].value))));
    assert!(arrived(&|r| r.header("authorization")
        == Some(&format!("Basic {}", STANDARD.encode(format!("robot:{}", canaries[1].value))))));
    assert!(arrived(&|r| r.header("x-api-key") == Some(&canaries[2].value)));
    assert!(arrived(&|r| r.parameter("api_key") == Some(&canaries[3].value)));
    let secret: String = url::form_urlencoded::byte_serialize(canaries[6].value.as_bytes()).collect();
    assert!(arrived(&|r| r.path == "/token" && r.body.contains(&secret)));
    assert!(arrived(&|r| r.header("authorization") == Some(&format!("Bearer {}", canaries[7].value))));
    // One token for the test of the connection, and one for all that the runs did.
    assert_eq!(records.iter().filter(|r| r.path == "/token").count(), 2);
    assert!(!arrived(&|r| r.path.ends_with("/c")), "a guest's own authorization was sent");

    // A guest that says aloud what it was answered, in its log, its error and its panic.
    for steps in [
        json!([{ "do": "call", "connection": "bearer", "method": "GET", "url": "/fails", "check": true }]),
        json!([{ "do": "call", "connection": "query", "method": "GET", "url": "http://[::1", "check": true }]),
        json!([{ "do": "panic", "message": "at the end" }]),
    ] {
        api.run_to_end("dev", "probe", &steps).await;
    }

    let ids =
        json!({ "run": run["id"], "digest": api.get("/v1/environments/dev/releases").await[0]["artifacts"]["probe"] });
    let job = json!({ "request": "x", "verb": "resume", "filter": { "environment": "prod" } });
    assert_eq!(api.post("/v1/dead-letters/jobs", &job).await.status, 200);
    every_answer(&api, &ids, &canaries).await;
    // What leaves as a file, of the run that was answered with its own credentials and of those that said them aloud.
    let page = api.get("/v1/runs?limit=100").await;
    let runs = page["runs"].as_array().unwrap();
    for run in runs {
        let id = run["id"].as_str().unwrap();
        let export = api.get(&format!("/v1/runs/{id}/export")).await;
        assert!(export["outcome"].is_object(), "{export:#}");
        clean("an exported run", export.to_string().as_bytes(), &canaries);
    }
    assert!(runs.len() >= 4, "only {} runs were exported", runs.len());
    clean("/metrics", host.metrics_text().await.as_bytes(), &canaries);
    let backup = api.request(reqwest::Method::POST, "/v1/backup").json(&json!({})).send().await.unwrap();
    assert!(backup.status().is_success(), "{}", backup.status());
    clean("a backup", &backup.bytes().await.unwrap(), &canaries);
    let token = host.api().token().to_owned();
    host.stop().await;
    clean("what the host printed", host.printed().as_bytes(), &canaries);

    // The token and the master key are as secret, and lie in no file of the data folder either.
    let master_key = fs::read(host.folder().join("master.key")).unwrap();
    let mut files = 0;
    walk(&host.data(), &mut |file| {
        let bytes = fs::read(file).unwrap();
        let place = file.display().to_string();
        clean(&place, &bytes, &canaries);
        clean(&place, &bytes, &[Canary::new("token", token.clone())]);
        let key = master_key.trim_ascii();
        assert!(!bytes.windows(key.len()).any(|window| window == key), "the master key is in {place}");
        files += 1;
    });
    assert!(files > 3, "only {files} files in {}", host.data().display());
}

fn grants(connections: &[&str]) -> String {
    let grant = |name: &&str| format!(r#"{{ connection = "{name}", methods = ["GET", "POST"], paths = ["/**"] }}"#);
    format!("[{}]", connections.iter().map(grant).collect::<Vec<_>>().join(", "))
}

/// The answers of every GET route of the OpenAPI file.
async fn every_answer(api: &Api, ids: &Value, canaries: &[Canary]) {
    let openapi = api.get("/openapi.json").await;
    let known = |name: &str| match name {
        "environment" => "dev".to_owned(),
        "integration" => "probe".to_owned(),
        "trigger" => "hook".to_owned(),
        "version" => "1".to_owned(),
        "name" => "bearer".to_owned(),
        other => ids[other].as_str().unwrap_or("x").to_owned(),
    };
    let mut asked = Vec::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        if item.get("get").is_none() {
            continue;
        }
        let parts = path.split('/').map(|part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => known(name),
            None => part.to_owned(),
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let request = api.request(reqwest::Method::GET, &path);
        // One of them never ends: what it says in a moment is enough.
        let answered = tokio::time::timeout(Duration::from_secs(10), request.send()).await.unwrap().unwrap();
        assert!(answered.status().is_success(), "GET {path}: {}", answered.status());
        let mut text = Vec::new();
        let mut answered = answered;
        let limit = Duration::from_millis(if path.ends_with("/follow") { 300 } else { 10_000 });
        while let Ok(Ok(Some(chunk))) = tokio::time::timeout(limit, answered.chunk()).await {
            text.extend_from_slice(&chunk);
        }
        clean(&path, &text, canaries);
        asked.push(path);
    }
    assert!(asked.len() >= 12, "only {asked:#?} were asked");
}
