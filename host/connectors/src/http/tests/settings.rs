//! Settings: every problem at once, each with the way out; and what a test of a connection says.

use super::*;
use crate::tests::{Names, network};
use jackfield_core::ports::connector::Finding;

#[track_caller]
fn says(settings: Value, key: &str, text: &str) {
    let found = problems(&settings);
    assert!(
        found.iter().any(|p| p.key == key && p.problem.contains(text)),
        "expected `{key}: … {text}` for {settings}; found {found:#?}"
    );
}

fn with(key: &str, value: Value) -> Value {
    let mut settings = json!({ "base_url": "https://api.test" });
    settings[key] = value;
    settings
}

#[test]
fn good_settings_have_no_problems() {
    let all = json!({
        "base_url": "https://api.example.com/v1",
        "credential": { "type": "header", "name": "X-Api-Key", "secret": "key", "prefix": "Key " },
        "headers": { "Accept": "application/json", "X-Tenant": "acme" },
        "timeout": "10m",
        "connect_timeout": "500ms",
        "idempotency": "header",
        "test": "GET /me",
    });
    assert_eq!(problems(&all), []);
    assert_eq!(problems(&json!({ "base_url": "http://127.0.0.1:9102" })), []);
    let connector = HttpConnector::new(&Network::default());
    assert_eq!(connector.secrets(all.as_object().unwrap()), ["key"]);
    let opened = connector.open(all.as_object().unwrap(), &secrets(&[("key", "v")])).unwrap().http.unwrap();
    assert!(opened.keyed());
    assert_eq!(opened.timeout(), Duration::from_secs(600));
    let plain = connector.open(json!({ "base_url": "https://a.test" }).as_object().unwrap(), &Vec::new()).unwrap();
    assert_eq!(plain.http.unwrap().timeout(), Duration::from_secs(30));
}

#[test]
fn every_problem_is_told_at_once() {
    let found = problems(&json!({
        "base_url": "https://api.test?x=1",
        "credential": { "type": "bearer", "secrett": "token" },
        "timout": "30s",
        "connect_timeout": "soon",
        "idempotency": true,
        "headers": { "a b": "c", "host": "x" },
    }));
    let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
    let expected = [
        "base_url",
        "credential.secret",
        "credential.secrett",
        "headers.a b",
        "headers.host",
        "connect_timeout",
        "idempotency",
        "timout",
    ];
    assert_eq!(keys, expected, "{found:#?}");
}

#[test]
fn a_problem_names_the_way_out() {
    says(json!({}), "base_url", "is missing; for example `https://api.example.com`");
    says(json!({ "base_url": 7 }), "base_url", "is a number, should be text");
    says(json!({ "base_url": "api.test" }), "base_url", "not an absolute URL");
    says(json!({ "base_url": "ftp://api.test" }), "base_url", "only https and http");
    says(json!({ "base_url": "https://me:pw@api.test" }), "base_url", "put them under `credential`");
    says(json!({ "base_url": "http://169.254.169.254" }), "base_url", "metadata");
    says(json!({ "base_url": "http://metadata.google.internal" }), "base_url", "metadata");
    says(with("timout", json!("3s")), "timout", "did you mean `timeout`?");
    says(with("something", json!("3s")), "something", "there are base_url, credential");
    says(with("timeout", json!("11m")), "timeout", "at most 600s");
    says(with("timeout", json!("0s")), "timeout", "more than 0");
    says(with("timeout", json!("30")), "timeout", "write `500ms`, `30s` or `2m`");
    says(with("timeout", json!(30)), "timeout", "is a number");
    says(with("idempotency", json!("yes")), "idempotency", "`header` if the other side");
    says(with("ca", json!("not PEM")), "ca", "-----BEGIN CERTIFICATE-----");
    for bad in ["me", "/me", "GET me", "POST /me", "get /me", "GET  /me", ""] {
        says(with("test", json!(bad)), "test", "such as `GET /user`");
    }
    says(with("headers", json!([])), "headers", "is a list, should be a table");
    says(with("headers", json!({ "Authorization": "x" })), "headers.Authorization", "use `credential`");
    says(with("headers", json!({ "x": "a\nb" })), "headers.x", "no line breaks");
    says(with("credential", json!("x")), "credential", "should be a table");
    says(with("credential", json!({})), "credential.type", "is missing");
    says(with("credential", json!({ "type": "token" })), "credential.type", "there are `none`, `bearer`");
    says(with("credential", json!({ "type": "basic", "secret": "x" })), "credential.user", "is missing");
    says(
        with("credential", json!({ "type": "bearer", "secret": "x", "user": "y" })),
        "credential.user",
        "not a setting",
    );
    let named = |name: &str| json!({ "type": "header", "secret": "x", "name": name });
    says(with("credential", named("a b")), "credential.name", "no header name");
    says(with("credential", named("Host")), "credential.name", "set by the host");
}

#[test]
fn a_problem_never_shows_a_password() {
    let found = problems(&json!({ "base_url": "https://me:hunter22@api.test?x=1" }));
    assert!(!format!("{found:?}").contains("hunter22"), "{found:?}");
    let connector = HttpConnector::new(&Network::default());
    let settings = with("credential", json!({ "type": "bearer", "secret": "token" }));
    let open = |given: &[(&str, &str)]| connector.open(settings.as_object().unwrap(), &secrets(given)).err().unwrap();
    let found = open(&[("token", "line one\nline two")]);
    assert!(found[0].problem.contains("line break") && !found[0].problem.contains("line one"), "{found:?}");
    let found = open(&[("other", "x")]);
    assert_eq!(found[0].key, "credential.secret");
    assert!(found[0].problem.contains("`token` is not set"), "{found:?}");
}

async fn tested(network: &Network, settings: Value, given: &[(&str, &str)]) -> Vec<Finding> {
    HttpConnector::new(network).test(settings.as_object().unwrap(), &secrets(given), SOON).await
}

#[track_caller]
fn found(findings: &[Finding], what: &str, ok: bool, text: &str) {
    assert!(
        findings.iter().any(|f| f.what == what && f.ok == ok && f.detail.contains(text)),
        "expected {what} {ok} {text}: {findings:#?}"
    );
}

#[tokio::test]
async fn a_test_says_what_works_and_what_does_not() {
    let server = Server::start(|_, request| {
        let accepted = header(request, "authorization") == Some("Bearer right-token");
        match request.split(' ').nth(1).unwrap() {
            "/v1/me" if accepted => ok("{}"),
            "/v1/me" => Answer::Keep(response("401 Unauthorized", "", "no")),
            "/v1/admin" => Answer::Keep(response("403 Forbidden", "", "no")),
            "/v1/login" => Answer::Keep(response("302 Found", "location: /\r\n", "")),
            _ => Answer::Keep(response("404 Not Found", "", "")),
        }
    })
    .await;
    let (network, _) =
        network(Names::default().with("api.test", &["127.0.0.1"]).with("meta.test", &["169.254.169.254"]));
    let port = server.address.port();
    let settings = |path: Option<&str>| {
        json!({
            "base_url": format!("http://api.test:{port}/v1"),
            "credential": { "type": "bearer", "secret": "token" },
            "test": path.map(|path| format!("GET {path}")),
        })
    };
    let good = tested(&network, settings(Some("/me")), &[("token", "right-token")]).await;
    found(&good, "address", true, "api.test → 127.0.0.1");
    found(&good, "reachable", true, "connected in");
    found(&good, "credential", true, "accepted: GET /me answered 200");
    let wrong = tested(&network, settings(Some("/me")), &[("token", "wrong-token")]).await;
    found(&wrong, "credential", false, "not accepted: GET /me answered 401");
    let lost = tested(&network, settings(Some("/mee")), &[("token", "right-token")]).await;
    found(&lost, "credential", false, "is the path of `test` right?");
    let lacking = tested(&network, settings(Some("/admin")), &[("token", "right-token")]).await;
    found(&lacking, "permission", false, "GET /admin answered 403");
    let login = tested(&network, settings(Some("/login")), &[("token", "right-token")]).await;
    found(&login, "credential", false, "a redirect");
    let unasked = tested(&network, settings(None), &[("token", "right-token")]).await;
    found(&unasked, "credential", true, "not proved: nothing was asked with it. Set `test`");

    found(&tested(&network, settings(None), &[]).await, "settings", false, "`token` is not set");
    found(&tested(&network, json!({ "base_url": "x" }), &[]).await, "settings", false, "base_url");
    found(
        &tested(&network, json!({ "base_url": "http://who.test" }), &[]).await,
        "address",
        false,
        "cannot be resolved",
    );
    found(&tested(&network, json!({ "base_url": "http://meta.test" }), &[]).await, "address", false, "metadata");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let dead = tested(&network, json!({ "base_url": format!("http://{free}") }), &[]).await;
    found(&dead, "reachable", false, "refused the connection: nothing listens there");
}

#[tokio::test]
async fn a_test_ends_in_time() {
    let server = Server::start(|_, _| Answer::Silence).await;
    let settings = json!({ "base_url": server.base(), "test": "GET /" });
    let connector = HttpConnector::new(&Network::default());
    let found = connector.test(settings.as_object().unwrap(), &Vec::new(), Duration::from_millis(200)).await;
    let last = found.last().unwrap();
    assert!(!last.ok && last.detail.contains("in"), "{found:?}");
}
