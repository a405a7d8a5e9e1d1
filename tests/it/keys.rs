//! The keys to everything: the master key, rotated and lost, and the tokens of the admin API.

use std::fs;
use std::path::{Path, PathBuf};

use jackfield_tests::api::Api;
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use jackfield_tests::stubs::Stub;
use jackfield_tests::stubs::echo::Echo;
use serde_json::{Value, json};

const SECRET: &str = "ghp_0123456789abcdef";

async fn with_credential(host: &Host, target: &Stub) {
    host.api().set_secret("dev", "token", SECRET).await;
    let settings = json!({ "base_url": target.base(), "credential": { "type": "bearer", "secret": "token" } });
    probe::connect_with(host, settings).await;
    probe::deploy(host, &Manifest::probe()).await;
}

/// That the host opens the secret: the call's credential reaches the other side.
#[track_caller]
fn sent(target: &Stub, calls: usize) {
    let requests = target.requests();
    assert_eq!(requests.len(), calls);
    let seen = format!("{:?}", requests.last().unwrap());
    assert!(seen.contains(SECRET), "the credential was not sent: {seen}");
}

async fn call(host: &Host) {
    let run = probe::run(host, json!([probe::checked_call("GET", "/x")])).await;
    assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
}

async fn json_of(host: &Host, arguments: &[&str]) -> Value {
    let output = host.command().arg("--json").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A start that is refused: what the host says.
async fn refused(host: &Host, data: &Path, key: &Path) -> String {
    let set = |key: &str, value: &Path| format!("{key}={}", value.display());
    let output = host
        .command()
        .args(["serve", "--set", &set("data", data), "--set", &set("master_key_file", key)])
        .args(["--set", "ingress.listen=127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0"])
        .args(["--set", "metrics.listen=127.0.0.1:0"])
        .output();
    let output =
        tokio::time::timeout(std::time::Duration::from_secs(30), output).await.expect("it does not start").unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Threat row 50: rotated while it runs, killed where it hurts, started with the wrong key.
#[tokio::test(flavor = "multi_thread")]
async fn threat_050_a_master_key_is_rotated_online_and_survives_kills() {
    let target = Stub::start(0, Echo).await.unwrap();
    let mut host = Host::start().await;
    with_credential(&host, &target).await;
    call(&host).await;
    sent(&target, 1);

    let backup = host.api().request(reqwest::Method::POST, "/v1/backup").send().await.unwrap().bytes().await.unwrap();

    let rotated = json_of(&host, &["secrets", "rotate-key"]).await;
    assert_eq!(rotated["values"], 2);
    let file = PathBuf::from(rotated["file"].as_str().unwrap());
    let kept = PathBuf::from(rotated["kept"].as_str().unwrap());
    call(&host).await;
    sent(&target, 2);
    host.kill9().await;
    host.restart().await;
    call(&host).await;
    sent(&target, 3);

    // Killed between the store's commit and the file's exchange: the new key lies beside the old one.
    host.kill9().await;
    let beside = PathBuf::from(format!("{}.new", file.display()));
    fs::rename(&file, &beside).unwrap();
    fs::copy(&kept, &file).unwrap();
    host.restart().await;
    call(&host).await;
    sent(&target, 4);
    assert!(!beside.exists() && kept.exists());
    assert!(host.printed().contains("rotation"), "it is said in the log");

    // A backup from before, with the key from after, and with the one that was kept.
    host.kill9().await;
    let (archive, restored) = (host.folder().join("before.tar"), host.folder().join("restored"));
    fs::write(&archive, &backup).unwrap();
    let restore = host.command().arg("restore").arg(&archive).arg("--data").arg(&restored).output().await.unwrap();
    assert!(restore.status.success(), "{}", String::from_utf8_lossy(&restore.stderr));
    let before: Vec<u8> = fs::read(&file).unwrap();
    let told = refused(&host, &restored, &file).await;
    assert!(told.contains(&format!("cp {} {}", kept.display(), file.display())), "{told}");
    assert_eq!(fs::read(&file).unwrap(), before, "a refused start changes nothing");

    // Lost altogether.
    let lost = refused(&host, &restored, &host.folder().join("nowhere.key")).await;
    assert!(lost.contains("is missing") && lost.contains("JACKFIELD_MASTER_KEY"), "{lost}");
    assert!(!host.folder().join("nowhere.key").exists(), "no other key is made in its place");

    let at = restored.clone();
    fs::copy(&kept, &file).unwrap();
    host.restart_with(move |options| options.data(at)).await;
    json_of(&host, &["restore", "--release-hold"]).await;
    call(&host).await;
    sent(&target, 5);
}

/// Threat row 91: a token is taken from a header alone; neither it nor a guess is stored or logged.
#[tokio::test(flavor = "multi_thread")]
async fn threat_091_no_token_is_taken_from_a_url_stored_or_logged() {
    let mut host = Host::options().first_start().set("log.level", "debug").start().await;
    let made = host.api().post("/v1/tokens", &json!({ "name": "ci", "rights": ["read"] })).await;
    let token = made.body["token"].as_str().unwrap().to_owned();
    let with = host.api().with_token(token.as_str());
    with.get("/v1/environments").await;

    // In a URL it counts for nothing.
    let nobody = host.api().with_token("");
    for query in ["token", "access_token", "api_key", "authorization"] {
        let request = nobody.request(reqwest::Method::GET, "/v1/environments").query(&[(query, &token)]);
        assert_eq!(Api::send(request).await.unwrap().status, 401, "{query}");
    }
    let guess = "jf_guessed-token-that-nobody-has";
    let wrong = host.api().with_token(guess).request(reqwest::Method::GET, "/v1/environments");
    assert_eq!(Api::send(wrong).await.unwrap().status, 401);

    let own = host.api().token().to_owned();
    host.stop().await;
    let log = host.printed();
    let mut files = vec![("the log".to_owned(), log.into_bytes())];
    let mut folders = vec![host.data()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    assert!(files.len() > 2, "{files:?}");

    for (name, bytes) in files {
        for secret in [token.as_str(), guess, own.as_str()] {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{name} holds a token");
        }
    }
}
