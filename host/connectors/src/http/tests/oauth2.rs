//! Access tokens: asked for once for all, replaced in time, and never shown.

use super::*;
use crate::tests::{Names, network};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackfield_core::ports::connector::Finding;

const SECRET: &str = "the-client-secret";

/// A server that is both: `/token` gives tokens, all else is an API that takes some of them.
struct Both {
    server: Server,
    tokens: Arc<AtomicUsize>,
}

/// What the API thinks of the token with this number.
type Accepts = fn(usize) -> bool;

fn token(number: usize) -> String {
    format!("access-token-{number}")
}

fn given(number: usize, more: &str) -> Vec<u8> {
    response("200 OK", "", format!(r#"{{"access_token":"{}","token_type":"Bearer"{more}}}"#, token(number)))
}

impl Both {
    /// `endpoint` is given the number of the request for a token, from 1.
    async fn start(endpoint: impl Fn(usize) -> Answer + Send + Sync + 'static, accepts: Accepts) -> Self {
        let tokens = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&tokens);
        let server = Server::start(move |_, request| {
            if request.starts_with("POST /token ") {
                return endpoint(count.fetch_add(1, Ordering::SeqCst) + 1);
            }
            let number = header(request, "authorization").and_then(|a| a.strip_prefix("Bearer access-token-"));
            match number.and_then(|n| n.parse().ok()) {
                Some(number) if accepts(number) => ok("welcome"),
                _ => Answer::Keep(response("401 Unauthorized", "", "who?")),
            }
        })
        .await;
        Self { server, tokens }
    }

    fn asked(&self) -> usize {
        self.tokens.load(Ordering::SeqCst)
    }

    fn settings(&self, more: Value) -> Value {
        settings(&self.server.base(), more)
    }

    fn link(&self, more: Value) -> Link {
        opened(&Network::default(), &self.settings(more), &[("client", SECRET)])
    }

    fn url(&self) -> String {
        format!("{}/things", self.server.base())
    }

    fn calls(&self) -> usize {
        self.server.heard().iter().filter(|heard| !heard.starts_with("POST /token ")).count()
    }
}

fn settings(base: &str, more: Value) -> Value {
    let mut credential = json!({
        "type": "oauth2", "token_url": format!("{base}/token"), "client_id": "jackfield", "secret": "client",
    });
    credential.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "base_url": base, "credential": credential, "test": "GET /things" })
}

fn none() -> Value {
    json!({})
}

#[track_caller]
fn unavailable(result: Result<HttpResponse, HttpFailure>, text: &str) -> String {
    match result {
        Err(HttpFailure::NotSent(why)) if why.contains(text) => {
            assert!(!why.contains(SECRET) && !why.contains("access-token-"), "{why}");
            why
        }
        other => panic!("expected that nothing was sent, and `{text}`: {other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_put_on_every_request() {
    let both = Both::start(|n| Answer::Keep(given(n, r#","expires_in":3600"#)), |_| true).await;
    let link = both.link(json!({ "scopes": ["things.read", "things.write"], "audience": "https://api.test" }));
    for _ in 0..3 {
        assert_eq!(send(&link, get(&both.url())).await.unwrap().status, 200);
    }
    let heard = both.server.heard();
    assert_eq!((both.asked(), heard.len()), (1, 4), "{heard:#?}");
    let asked = heard[0].clone();
    assert_eq!(header(&asked, "content-type"), Some("application/x-www-form-urlencoded"));
    let basic = format!("Basic {}", STANDARD.encode(format!("jackfield:{SECRET}")));
    assert_eq!(header(&asked, "authorization"), Some(&*basic));
    let body = asked.split("\r\n\r\n").nth(1).unwrap();
    let expected = "grant_type=client_credentials&scope=things.read+things.write&audience=https%3A%2F%2Fapi.test";
    assert_eq!(body, expected);
    for call in &heard[1..] {
        assert_eq!(header(call, "authorization"), Some("Bearer access-token-1"));
    }
    // A connection that is opened anew, because a secret or a setting changed, knows nothing of it.
    assert_eq!(send(&both.link(none()), get(&both.url())).await.unwrap().status, 200);
    assert_eq!(both.asked(), 2);
}

#[tokio::test]
async fn the_client_can_show_itself_in_the_form() {
    let both = Both::start(|n| Answer::Keep(given(n, "")), |_| true).await;
    let link = both.link(json!({ "auth": "body", "scopes": "a  b", "resource": "urn:x" }));
    send(&link, get(&both.url())).await.unwrap();
    let asked = both.server.heard()[0].clone();
    assert_eq!(header(&asked, "authorization"), None);
    let expected =
        format!("grant_type=client_credentials&scope=a+b&resource=urn%3Ax&client_id=jackfield&client_secret={SECRET}");
    assert_eq!(asked.split("\r\n\r\n").nth(1), Some(&*expected));
}

#[tokio::test]
async fn a_token_that_ends_is_replaced_before_anybody_notices() {
    let both = Both::start(|n| Answer::Keep(given(n, r#","expires_in":1"#)), |_| true).await;
    let link = both.link(none());
    let started = tokio::time::Instant::now();
    while both.asked() < 3 {
        assert!(started.elapsed() < SOON, "the token was never replaced");
        assert_eq!(send(&link, get(&both.url())).await.unwrap().status, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started.elapsed() > Duration::from_millis(1500), "{:?}: a token is kept as long as it is good", started);
}

#[tokio::test]
async fn fifty_calls_at_once_ask_for_one_token() {
    let both = Both::start(|n| Answer::Later(Duration::from_millis(100), given(n, "")), |_| true).await;
    let link = Arc::new(both.link(none()));
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (link, url) = (Arc::clone(&link), both.url());
        calls.spawn(async move { send(&*link, get(&url)).await.unwrap().status });
    }
    assert_eq!(calls.join_all().await, [200; 50]);
    assert_eq!((both.asked(), both.calls()), (1, 50));
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_end_the_request_for_the_others() {
    let both = Both::start(|n| Answer::Later(Duration::from_millis(300), given(n, "")), |_| true).await;
    let link = Arc::new(both.link(none()));
    let mut first = JoinSet::new();
    let (shared, url) = (Arc::clone(&link), both.url());
    first.spawn(async move { send(&*shared, get(&url)).await });
    until("the endpoint is asked", || both.asked() == 1).await;
    first.shutdown().await;
    assert_eq!(send(&*link, get(&both.url())).await.unwrap().status, 200);
    assert_eq!((both.asked(), both.calls()), (1, 1));
}

#[tokio::test]
async fn a_401_is_tried_once_more_with_another_token() {
    static REVOKED: AtomicUsize = AtomicUsize::new(0);
    let both = Both::start(|n| Answer::Keep(given(n, "")), |n| n > REVOKED.load(Ordering::SeqCst)).await;
    let link = Arc::new(both.link(none()));
    assert_eq!(send(&*link, post(&both.url(), "one")).await.unwrap().status, 200);
    REVOKED.store(1, Ordering::SeqCst);
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (link, url) = (Arc::clone(&link), both.url());
        calls.spawn(async move { send(&*link, post(&url, "two")).await.unwrap().status });
    }
    assert_eq!(calls.join_all().await, [200; 50]);
    assert_eq!(both.asked(), 2, "all of them share the new token");
    for heard in both.server.heard().iter().filter(|heard| heard.contains("access-token-2")) {
        assert!(heard.ends_with("two"), "the whole request is made again: {heard}");
    }
}

#[tokio::test]
async fn contract_refused_a_401_that_no_token_helps_is_the_guests_to_see() {
    let both = Both::start(|n| Answer::Keep(given(n, "")), |_| false).await;
    let link = both.link(none());
    let answer = send(&link, get(&both.url())).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (401, &b"who?"[..]));
    assert_eq!((both.asked(), both.calls()), (1, 1), "a fresh token is not replaced");
    for _ in 0..20 {
        assert_eq!(send(&link, get(&both.url())).await.unwrap().status, 401);
    }
    assert_eq!((both.asked(), both.calls()), (2, 22), "one other token was tried, once");
}

#[tokio::test]
async fn only_401_asks_for_another_token() {
    let server = Server::start(|_, request| {
        if request.starts_with("POST /token ") {
            Answer::Keep(given(1, ""))
        } else {
            Answer::Keep(response("403 Forbidden", "", ""))
        }
    })
    .await;
    let link = opened(&Network::default(), &settings(&server.base(), none()), &[("client", SECRET)]);
    for _ in 0..3 {
        assert_eq!(send(&link, get(&format!("{}/x", server.base()))).await.unwrap().status, 403);
    }
    assert_eq!(server.heard().len(), 4);
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_costs_a_call_its_own_time() {
    let both = Both::start(|_| Answer::Silence, |_| true).await;
    let link = both.link(none());
    let brief = HttpRequest { timeout: Duration::from_millis(200), ..post(&both.url(), "x") };
    let why = unavailable(send(&link, brief).await, "none came within the call's time");
    assert!(why.contains(&format!("{}/token", both.server.base())), "{why}");
    assert_eq!((both.asked(), both.calls()), (1, 0));
}

#[tokio::test]
async fn a_dead_endpoint_is_not_hammered_and_is_found_again() {
    let both = Both::start(
        |n| if n == 1 { Answer::Keep(response("503 Service Unavailable", "", "")) } else { Answer::Keep(given(n, "")) },
        |_| true,
    )
    .await;
    let link = both.link(none());
    unavailable(send(&link, get(&both.url())).await, "it answered 503");
    for _ in 0..20 {
        unavailable(send(&link, get(&both.url())).await, "it answered 503 (asked again in 1s)");
    }
    assert_eq!(both.asked(), 1);
    let started = tokio::time::Instant::now();
    while send(&link, get(&both.url())).await.is_err() {
        assert!(started.elapsed() < SOON, "it was never asked again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(both.asked(), 2);

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let link = both.link(json!({ "token_url": format!("http://{free}/token") }));
    unavailable(send(&link, get(&both.url())).await, "refused the connection");
    let cut = Both::start(|_| Answer::Reset(Vec::new()), |_| true).await;
    unavailable(send(&cut.link(none()), get(&cut.url())).await, "no access token from");
}

#[tokio::test]
async fn odd_answers_give_no_token() {
    let json = |body: &str| response("200 OK", "content-type: application/json\r\n", body);
    let table: Vec<(Vec<u8>, &str)> = vec![
        (json("not JSON"), "no JSON with an `access_token`"),
        (json(""), "no JSON with an `access_token`"),
        (json("[]"), "no JSON with an `access_token`"),
        (json("{}"), "no JSON with an `access_token`"),
        (json(r#"{"access_token":""}"#), "no access token that can be put into a header"),
        (json(r#"{"access_token":7}"#), "no access token that can be put into a header"),
        (json(r#"{"access_token":"access-token-1\r\nx-evil: 1"}"#), "no access token that can be put"),
        (json("{\"access_token\":\"access-token-1\\u0000\"}"), "no access token that can be put"),
        (json(r#"{"access_token":"access token"}"#), "no access token that can be put"),
        (json(r#"{"access_token":"töken"}"#), "no access token that can be put"),
        (json(&format!(r#"{{"access_token":"{}"}}"#, "x".repeat(20_000))), "no access token that can be put"),
        (json(&" ".repeat(70_000)), "larger than 64 KiB"),
        (json(r#"{"access_token":"access-token-1","token_type":"mac"}"#), "not of type `Bearer`"),
        (json(r#"{"error":"invalid_scope"}"#), "does not grant these `scopes`"),
        (response("400 Bad Request", "", r#"{"error":"unauthorized_client"}"#), "may not use client credentials"),
        (response("400 Bad Request", "", r#"{"error":"unsupported_grant_type"}"#), "gives no tokens"),
        (response("400 Bad Request", "", r#"{"error":"temporarily_unavailable"}"#), "it answered 400"),
        (response("404 Not Found", "", "<html>"), "it answered 404; is `token_url` right?"),
        (response("429 Too Many Requests", "retry-after: 7\r\n", ""), "it answered 429"),
        (response("302 Found", "location: http://169.254.169.254/\r\n", ""), "a redirect, which is not followed"),
        (response("307 Temporary Redirect", "location: /token2\r\n", ""), "a redirect, which is not followed"),
    ];
    for (answer, text) in table {
        let shown = String::from_utf8_lossy(&answer).chars().take(200).collect::<String>();
        let both = Both::start(move |_| Answer::Keep(answer.clone()), |_| true).await;
        let link = both.link(none());
        println!("{shown}");
        unavailable(send(&link, get(&both.url())).await, text);
        unavailable(send(&link, get(&both.url())).await, text);
        assert_eq!((both.asked(), both.calls(), both.server.heard().len()), (1, 0, 1), "{shown}");
    }
}

#[tokio::test]
async fn odd_lives_are_lived_with() {
    for life in [
        "",
        r#","expires_in":"3600""#,
        r#","expires_in":-5"#,
        r#","expires_in":0"#,
        r#","expires_in":"soon""#,
        r#","expires_in":null"#,
        r#","expires_in":1e300"#,
        r#","expires_in":18446744073709551615"#,
        r#","expires_in":99999999999999999999999999"#,
        r#","expires_in":{}"#,
    ] {
        let both = Both::start(move |n| Answer::Keep(given(n, life)), |_| true).await;
        let link = both.link(none());
        for _ in 0..3 {
            assert_eq!(send(&link, get(&both.url())).await.unwrap().status, 200, "{life}");
        }
        assert_eq!(both.asked(), 1, "{life}");
    }
}

#[tokio::test]
async fn contract_wrong_credential_is_said_to_be_one() {
    let refusal = format!(r#"{{"error":"invalid_client","error_description":"{SECRET} is wrong\nfor jackfield"}}"#);
    let both = Both::start(
        move |_| Answer::Keep(response("401 Unauthorized", "www-authenticate: Basic\r\n", refusal.clone())),
        |_| true,
    )
    .await;
    let link = both.link(none());
    for _ in 0..5 {
        let why = unavailable(send(&link, get(&both.url())).await, "does not accept the client (invalid_client)");
        assert!(why.contains("the secret `client`") && !why.contains("for jackfield"), "{why}");
    }
    assert_eq!((both.asked(), both.calls()), (1, 0));

    let findings = tested(&both, none()).await;
    found(&findings, "token", false, "(invalid_client): check `client_id`, the secret `client` and `auth`");
    found(&findings, "token", false, "it says: [redacted] is wrongfor jackfield");
    assert!(findings.iter().all(|f| f.what != "credential"), "{findings:#?}");
}

async fn tested(both: &Both, more: Value) -> Vec<Finding> {
    let connector = HttpConnector::new(&Network::default());
    connector.test(both.settings(more).as_object().unwrap(), &secrets(&[("client", SECRET)]), SOON).await
}

#[track_caller]
fn found(findings: &[Finding], what: &str, ok: bool, text: &str) {
    assert!(
        findings.iter().any(|f| f.what == what && f.ok == ok && f.detail.contains(text)),
        "expected {what} {ok} {text}: {findings:#?}"
    );
    let all = format!("{findings:?}");
    assert!(!all.contains(SECRET) && !all.contains("access-token-"), "{all}");
}

#[tokio::test]
async fn a_test_says_how_it_went_with_the_token() {
    let both = Both::start(|n| Answer::Keep(given(n, r#","expires_in":3599,"scope":"a b""#)), |_| true).await;
    let findings = tested(&both, none()).await;
    found(&findings, "token", true, "expires in 3599s, scopes `a b`; asked without TLS");
    found(&findings, "token", true, &format!("from {}/token in ", both.server.base()));
    found(&findings, "credential", true, "GET /things answered 200");
    let both = Both::start(|n| Answer::Keep(given(n, "")), |_| false).await;
    let findings = tested(&both, json!({ "scopes": "asked" })).await;
    found(&findings, "token", true, "it is not told when it expires, scopes `asked`");
    found(&findings, "credential", false, "not accepted: GET /things answered 401");
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let findings = tested(&both, json!({ "token_url": format!("http://{dead}/t?k=hush") })).await;
    found(&findings, "token", false, "refused the connection");
    assert!(!format!("{findings:?}").contains("hush"), "{findings:?}");
}

#[tokio::test]
async fn what_echoes_a_token_or_a_secret_is_redacted() {
    let server = Server::start(|_, request| match request {
        token if token.starts_with("POST /token ") => Answer::Keep(given(1, "")),
        call => {
            let echoed = header(call, "authorization").unwrap();
            let coded = STANDARD.encode(echoed);
            Answer::Keep(response("200 OK", &format!("x-echo: {echoed}\r\n"), format!("{echoed} {coded} {SECRET}")))
        }
    })
    .await;
    let link = opened(&Network::default(), &settings(&server.base(), none()), &[("client", SECRET)]);
    let answer = send(&link, get(&format!("{}/x", server.base()))).await.unwrap();
    assert!(answer.headers.contains(&("x-echo".into(), "Bearer [redacted]".into())), "{answer:?}");
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(body.starts_with("Bearer [redacted] ") && body.ends_with("[redacted] [redacted]"), "{body}");
    let debug = format!("{link:?} {:?}", link.base());
    assert!(!debug.contains("access-token") && !debug.contains(SECRET), "{debug}");
}

#[tokio::test]
async fn the_token_stays_with_the_connections_own_server() {
    let other = Server::start(|_, _| ok("other")).await;
    let to = format!("location: http://other.test:{}/\r\n", other.address.port());
    let server = Server::start(move |_, request| match request {
        token if token.starts_with("POST /token ") => Answer::Keep(given(1, "")),
        _ => Answer::Keep(response("302 Found", &to, "")),
    })
    .await;
    let (network, _) = network(Names::default().with("other.test", &["127.0.0.1"]));
    let link = opened(&network, &settings(&server.base(), none()), &[("client", SECRET)]);
    let call = HttpRequest { redirects: 3, ..get(&format!("{}/x", server.base())) };
    // The other server is inside and no operator named it: it is not even called.
    let result = link.send(call, &|_| true).await;
    assert!(matches!(result, Err(HttpFailure::Denied(_))), "{result:?}");
    assert_eq!(other.accepted(), 0);
}

#[tokio::test]
async fn threat_036_the_token_endpoint_meets_the_same_address_rules() {
    let both = Both::start(|n| Answer::Keep(given(n, "")), |_| true).await;
    let api = Server::start(|_, _| ok("api")).await;
    let names = || Names::default().with("login.test", &["127.0.0.1"]).with("meta.test", &["169.254.169.254"]);
    let with = |token_url: String| {
        let mut settings = settings(&api.base(), none());
        settings["credential"]["token_url"] = token_url.into();
        settings
    };
    let port = both.server.address.port();
    let call = || get(&format!("{}/x", api.base()));

    // An operator's own may be private.
    let (open, audited) = network(names());
    let private = with(format!("http://login.test:{port}/token"));
    assert_eq!(send(&opened(&open, &private, &[("client", SECRET)]), call()).await.unwrap().status, 200);
    // But no metadata service, no listener of ours, and where private is denied nothing private.
    let meta = with("http://meta.test/latest/token".into());
    unavailable(send(&opened(&open, &meta, &[("client", SECRET)]), call()).await, "must not be called");
    let strict = opened(&open.strict(), &private, &[("client", SECRET)]);
    assert!(send(&strict, call()).await.is_err());
    open.set_own_listeners(vec![both.server.address]);
    unavailable(send(&opened(&open, &private, &[("client", SECRET)]), call()).await, "listener of this host");
    assert!(audited.lock().unwrap().len() >= 3, "each refusal is audited");
    assert_eq!(both.asked(), 1);
}

#[test]
fn a_problem_with_the_settings_names_the_way_out() {
    #[track_caller]
    fn says(more: Value, key: &str, text: &str) {
        let found = problems(&settings("https://api.test", more));
        assert!(found.iter().any(|p| p.key == key && p.problem.contains(text)), "{key} {text}: {found:#?}");
        assert!(!format!("{found:?}").contains("hush"), "{found:?}");
    }
    assert_eq!(problems(&settings("https://api.test", none())), []);
    let connector = HttpConnector::new(&Network::default());
    assert_eq!(connector.secrets(settings("https://api.test", none()).as_object().unwrap()), ["client"]);
    says(json!({ "token_url": null }), "credential.token_url", "is missing");
    says(json!({ "client_id": "" }), "credential.client_id", "is missing");
    says(json!({ "secret": null }), "credential.secret", "the name of a secret");
    says(json!({ "token_url": "login.test/token" }), "credential.token_url", "not an absolute URL");
    says(json!({ "token_url": "ftp://login.test" }), "credential.token_url", "only https and http");
    says(json!({ "token_url": "https://me:hush@login.test" }), "credential.token_url", "they are `client_id`");
    says(json!({ "token_url": "https://login.test/#x" }), "credential.token_url", "fragment");
    says(json!({ "token_url": "http://169.254.169.254/token" }), "credential.token_url", "metadata");
    says(json!({ "client_id": "a\nb" }), "credential.client_id", "control character");
    says(json!({ "auth": "post" }), "credential.auth", "`basic` (a header, the default) or `body`");
    says(json!({ "scopes": 7 }), "credential.scopes", "a list of scopes");
    says(json!({ "scopes": ["a", 7] }), "credential.scopes", "a list of scopes");
    says(json!({ "scopes": ["a b"] }), "credential.scopes", "no spaces");
    says(json!({ "scopes": "a \"b\"" }), "credential.scopes", "no spaces, quotes");
    says(json!({ "scope": "a" }), "credential.scope", "did you mean `credential.scopes`?");
    says(json!({ "client_secret": "hush" }), "credential.client_secret", "not a setting");
}
