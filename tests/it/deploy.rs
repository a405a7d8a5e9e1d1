//! Deploys: what is refused, and that the refusal says the way out.

use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use serde_json::json;

/// A capability that is imported and not granted: refused, with the manifest lines that would allow it.
#[tokio::test(flavor = "multi_thread")]
async fn threat_019_a_missing_grant_is_refused_with_the_lines_that_allow_it() {
    let host = Host::start().await;
    let wasm = probe::wasm();
    let manifest = Manifest::probe().set_toml("component.probe.grants", "{}");
    let refused = host.api().try_deploy("dev", &manifest.text(), &[("probe", &wasm)]).await;
    assert_eq!((refused.status, refused.code()), (422, "refused"), "{:#}", refused.body);
    let told = refused.told();
    for line in ["[component.probe.grants]", "http = [", "kv = [", "config = [", "events = [", "deny = ["] {
        assert!(told.contains(line), "`{line}` is not in\n{told}");
    }
    assert_eq!(host.api().get("/v1/environments/dev/releases").await, json!([]), "nothing was changed");

    // Denied by name it may come in, and each call is refused to the guest, never a trap.
    let denied = manifest.set_toml("component.probe.grants.deny", r#"["http", "kv", "config", "events"]"#);
    host.api().deploy("dev", &denied.text(), &[("probe", &wasm)]).await;
    let run = probe::run(
        &host,
        json!([{ "do": "call", "connection": "target", "method": "GET", "url": "/x", "tolerate": true }]),
    )
    .await;
    assert_eq!(probe::answers(&run)[0]["error"], "access-denied");
    let run = probe::run(&host, json!([{ "do": "kv", "op": "get", "key": "a" }])).await;
    assert_eq!(run["state"], "dead-lettered");
    assert!(run["reason"].as_str().unwrap().contains("access-denied"), "{}", run["reason"]);

    // And what is granted is granted no further than it says.
    let narrow = Manifest::probe()
        .set_toml("component.probe.grants.http", r#"[{ connection = "target", methods = ["GET"], paths = ["/a/*"] }]"#)
        .set_toml("component.probe.grants.kv", r#"[{ prefix = "mine/" }, { prefix = "theirs/", access = "read" }]"#);
    let target = jackfield_tests::stubs::Stub::start(0, jackfield_tests::stubs::echo::Echo).await.unwrap();
    probe::connect(&host, &target).await;
    host.api().deploy("dev", &narrow.text(), &[("probe", &wasm)]).await;
    for (method, url, allowed) in [
        ("GET", "/a/b", true),
        ("GET", "/a/b?c=d", true),
        ("POST", "/a/b", false),
        ("GET", "/a/b/c", false),
        ("GET", "/b", false),
        ("GET", "/a/../b", false),
        ("GET", "/a/%2e%2e/b", false),
    ] {
        let call = json!({ "do": "call", "connection": "target", "method": method, "url": url, "tolerate": true });
        let run = probe::run(&host, json!([call])).await;
        let answer = &probe::answers(&run)[0];
        assert_eq!(answer["error"] == "access-denied", !allowed, "{method} {url}: {answer}");
    }
    assert_eq!(target.requests().len(), 2);
    for (step, allowed) in [
        (json!({ "do": "kv", "op": "set", "key": "mine/x", "value": 1 }), true),
        (json!({ "do": "kv", "op": "get", "key": "theirs/x" }), true),
        (json!({ "do": "kv", "op": "set", "key": "theirs/x", "value": 1 }), false),
        (json!({ "do": "kv", "op": "get", "key": "other" }), false),
    ] {
        let run = probe::run(&host, step.clone()).await;
        assert_eq!(run["state"] == "succeeded", allowed, "{step}: {}", run["reason"]);
    }
}

/// Whatever is no component is refused, and told what it is.
#[tokio::test(flavor = "multi_thread")]
async fn threat_024_what_is_no_component_is_told_so() {
    let host = Host::start().await;
    let wasm = probe::wasm();
    let core_module = [0, b'a', b's', b'm', 1, 0, 0, 0].to_vec();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("nothing", vec![], ""),
        ("text", b"hello".to_vec(), ""),
        ("text format", b"(component)".to_vec(), "text"),
        ("a core module", core_module, "module"),
        ("half a component", wasm[..wasm.len() / 2].to_vec(), ""),
        ("an ELF file, as precompiled code is", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(), ""),
    ];
    for (what, bytes, told) in cases {
        let refused = host.api().upload(bytes).await;
        assert!((400..500).contains(&refused.status), "{what}: {} {:#}", refused.status, refused.body);
        let text = refused.told();
        assert!(!text.trim().is_empty() && text.to_lowercase().contains(told), "{what}: {text}");
    }
    // The host takes a good one all the same.
    assert_eq!(host.api().upload(wasm).await.status, 201);
}

/// Every problem of a manifest at once, each with its line, its key and the way out.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_manifest_is_told_all_at_once() {
    let host = Host::start().await;
    let wasm = probe::wasm();
    let text = Manifest::probe()
        .set("trigger.0.component", "prob")
        .set("component.probe.limits.memory", "16 parsecs")
        .set("component.probe.grantz", 1)
        .text();
    let refused = host.api().try_deploy("dev", &text, &[("probe", &wasm)]).await;
    assert_eq!((refused.status, refused.code()), (422, "refused"), "{:#}", refused.body);
    let problems = refused.body["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems.iter().all(|p| p["line"].as_u64().is_some_and(|line| line > 0)), "{problems:#?}");
    let told = refused.told();
    for part in ["probe", "16 parsecs", "limits.memory", "grants"] {
        assert!(told.contains(part), "`{part}` is not in\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_no_new_version() {
    let host = Host::start().await;
    let first = probe::deploy(&host, &Manifest::probe()).await;
    assert_eq!((&first["version"], &first["new"]), (&json!(1), &json!(true)));
    let again = probe::deploy(&host, &Manifest::probe()).await;
    assert_eq!((&again["version"], &again["new"]), (&json!(1), &json!(false)));
    let changed = probe::deploy(&host, &Manifest::probe().set("component.probe.limits.timeout", "19s")).await;
    assert_eq!((&changed["version"], &changed["new"]), (&json!(2), &json!(true)));
    assert_eq!(first["hooks"], changed["hooks"], "a hook keeps its address");
    // In another environment the same version has another hook.
    let text = Manifest::probe().set("component.probe.limits.timeout", "19s").text();
    let prod = host.api().deploy("prod", &text, &[("probe", &probe::wasm())]).await;
    assert_eq!(prod["version"], 2);
    assert_ne!(prod["hooks"][0]["url"], first["hooks"][0]["url"]);
}

/// Nobody without a token, nobody with a right too few, and no default credentials.
#[tokio::test(flavor = "multi_thread")]
async fn threat_090_nobody_comes_in_without_a_token() {
    let host = Host::start().await;
    let openapi = host.api().with_token("").get("/openapi.json").await;
    let mut asked = 0;
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for method in
            methods.as_object().unwrap().keys().filter(|m| ["get", "put", "post", "delete"].contains(&m.as_str()))
        {
            if ["/openapi.json", "/v1/login"].contains(&path.as_str()) {
                continue;
            }
            let path: String = path
                .split('/')
                .map(|part| if part.starts_with('{') { "x" } else { part })
                .collect::<Vec<_>>()
                .join("/");
            for token in ["", "jf_wrong", "admin"] {
                let api = host.api().with_token(token);
                let request = api.request(method.to_uppercase().parse().unwrap(), &path).json(&json!({}));
                let answered = jackfield_tests::api::Api::send(request).await.unwrap();
                // Who is wrong too often is told to wait; nobody is let in.
                let expected: &[u16] = if asked < 15 { &[401] } else { &[401, 429] };
                assert!(expected.contains(&answered.status), "{method} {path} with {token:?}: {:#}", answered.body);
                asked += 1;
            }
        }
    }
    assert!(asked > 90, "only {asked} were asked");
    // A good token is not held up by somebody else's wrong ones.
    host.api().get("/v1/environments").await;
    // The set-up token works once.
    let body = json!({ "setup_token": "jfs_wrong", "name": "other" });
    assert!([401, 429].contains(&host.api().post("/v1/login", &body).await.status));
    assert!(!host.data().join("setup-token").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_end_where_they_end() {
    let host = Host::start().await;
    let made = host.api().post("/v1/tokens", &json!({ "name": "reader", "rights": ["read"] })).await;
    assert!(made.status < 300, "{:#}", made.body);
    let reader = host.api().with_token(made.body["token"].as_str().unwrap());
    reader.get("/v1/environments").await;
    let cases = [
        ("POST", "/v1/dead-letters/discard", json!({ "request": "x", "runs": ["x"] })),
        ("PUT", "/v1/environments/dev/secrets/x", json!({ "value": "x" })),
        ("POST", "/v1/tokens", json!({ "name": "more", "rights": ["admin"] })),
        ("POST", "/v1/backup", json!({})),
    ];
    for (method, path, body) in cases {
        let request = reader.request(method.parse().unwrap(), path).json(&body);
        let answered = jackfield_tests::api::Api::send(request).await.unwrap();
        assert_eq!((answered.status, answered.code()), (403, "forbidden"), "{method} {path}");
    }
    let revoked = host.api().request(reqwest::Method::DELETE, "/v1/tokens/reader").send().await.unwrap();
    assert!(revoked.status().is_success());
    let answered =
        jackfield_tests::api::Api::send(reader.request(reqwest::Method::GET, "/v1/environments")).await.unwrap();
    assert_eq!(answered.status, 401);
}
