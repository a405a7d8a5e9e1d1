//! Webhooks as strangers meet them: accepted means on disk, forged means 401, too much means 429.

use std::time::Duration;

use jackfield_tests::env;
use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::stubs::Stub;
use jackfield_tests::stubs::echo::Echo;
use jackfield_tests::{probe, signing, wait};
use serde_json::json;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn signed_hook() -> (Host, String) {
    let host = Host::start().await;
    host.api().set_secret("dev", "signing", SECRET).await;
    let manifest =
        Manifest::probe().set_toml("trigger.0.verify", r#"{ scheme = "standard-webhooks", secret = "signing" }"#);
    probe::deploy(&host, &manifest).await;
    let url = host.hook("dev", "probe", "hook").await;
    (host, url)
}

const ECHO: &str = r#"{"do":"echo"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_event_is_on_disk_and_comes_once() {
    let (mut host, url) = signed_hook().await;
    let headers = signing::standard_webhooks(SECRET, "msg_1", env::unix_seconds(), ECHO.as_bytes());
    let (status, _, body) = post_hook(&url, &headers, ECHO).await.unwrap();
    assert_eq!(status, 202, "{body:#}");
    let run = body["run"].as_str().unwrap().to_owned();
    // Nothing is waited for: what was answered 202 survives the host.
    host.kill9().await;
    host.restart().await;
    let ended = host.api().wait_for(&run, &["succeeded", "dead-lettered"]).await;
    let event = &probe::answers(&ended)[0]["event"];
    assert_eq!((&event["id"], &event["source"]), (&json!("msg_1"), &json!("/hooks/probe/hook")));

    let url = host.hook("dev", "probe", "hook").await;
    let (status, _, body) = post_hook(&url, &headers, ECHO).await.unwrap();
    assert_eq!((status, body["run"].as_str(), &body["duplicate"]), (202, Some(run.as_str()), &json!(true)));
}

/// Threat row 56: the host dies when the run is over and before its sender knows. What is sent again is the same run.
#[tokio::test(flavor = "multi_thread")]
async fn threat_056_an_event_that_is_sent_again_is_the_run_that_it_was() {
    let mut host = Host::start().await;
    let stub = Stub::start(0, Echo).await.unwrap();
    probe::connect(&host, &stub).await;
    probe::deploy(&host, &Manifest::probe().set("trigger.0.id_header", "x-event-id")).await;
    let steps = json!([probe::checked_call("POST", "/once")]).to_string();
    let headers = [("x-event-id".to_owned(), "event-1".to_owned())];
    for (kill, wait) in [("", "?wait=30s"), ("again-", ""), ("late-", "?wait=30s")] {
        let headers = headers.clone().map(|(name, id)| (name, format!("{kill}{id}")));
        let before = stub.requests().len();
        let url = format!("{}{wait}", host.hook("dev", "probe", "hook").await);
        // The sender sends and never hears anything: the answer, if there is one, is lost with the host.
        let sending = tokio::spawn({
            let (url, headers, steps) = (url, headers.clone(), steps.clone());
            async move { post_hook(&url, &headers, steps).await.map(drop) }
        });
        let over = || async {
            let page = host.api().get("/v1/runs?environment=dev&integration=probe&state=succeeded").await;
            let found = page["runs"].as_array().unwrap().iter().find(|run| run["event_id"] == headers[0].1.as_str());
            found.map(|run| run["id"].as_str().unwrap().to_owned())
        };
        let run = wait::until("the run is over", wait::LONG, over).await;
        host.kill9().await;
        sending.abort();
        host.restart().await;
        let url = host.hook("dev", "probe", "hook").await;
        let (status, _, body) = post_hook(&url, &headers, steps.clone()).await.unwrap();
        assert_eq!((status, body["run"].as_str(), &body["duplicate"]), (202, Some(run.as_str()), &json!(true)));
        let run = host.api().run(&run).await;
        assert_eq!((&run["state"], run["attempts_made"].as_array().unwrap().len()), (&json!("succeeded"), 1));
        assert_eq!(stub.requests().len(), before + 1, "it was carried out once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_may_wait_for_the_output_where_the_trigger_says_so() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let url = host.hook("dev", "probe", "hook").await;
    let steps = json!({ "do": "output", "status": 418, "content_type": "text/plain", "text": "short and stout", "headers": { "x-pot": "tea" } });
    let (status, headers, body) = post_hook(&format!("{url}?wait=30s"), &[], steps.to_string()).await.unwrap();
    assert_eq!((status, &body), (418, &json!("short and stout")));
    assert_eq!(
        (&headers["content-type"], &headers["x-pot"]),
        (&"text/plain".parse().unwrap(), &"tea".parse().unwrap())
    );

    // Not in time: it goes on.
    let slow = json!({ "do": "sleep", "ms": 3_000 }).to_string();
    let (status, _, body) = post_hook(&format!("{url}?wait=100ms"), &[], slow).await.unwrap();
    assert_eq!(status, 202, "{body:#}");
    assert!(body["run"].is_string());

    // Dead-lettered: no detail for strangers.
    let rejected = json!({ "do": "reject", "message": "the inner reason" }).to_string();
    let (status, headers, body) = post_hook(&format!("{url}?wait=30s"), &[], rejected).await.unwrap();
    assert_eq!((status, &headers["content-type"]), (502, &"application/problem+json".parse().unwrap()));
    assert!(!body.to_string().contains("the inner reason"), "{body:#}");

    // Where the trigger does not say so, nobody waits: `wait` is then a parameter of the sender's own.
    probe::deploy(&host, &Manifest::probe().set("trigger.0.respond", false)).await;
    let begun = std::time::Instant::now();
    let slow = json!({ "do": "sleep", "ms": 10_000 }).to_string();
    let (status, _, _) = post_hook(&format!("{url}?wait=9s"), &[], slow).await.unwrap();
    assert_eq!(status, 202);
    assert!(begun.elapsed() < Duration::from_secs(5), "it waited for {:?}", begun.elapsed());
}

/// Threat row 41: forged, stale, future, replayed, truncated, of an unknown version, with many signatures.
#[tokio::test(flavor = "multi_thread")]
async fn threat_041_what_is_not_genuine_is_refused_and_all_alike() {
    let (host, url) = signed_hook().await;
    let now = env::unix_seconds();
    let good = |id: &str, at: i64| signing::standard_webhooks(SECRET, id, at, ECHO.as_bytes());
    let with = |name: &str, value: &str| {
        let mut headers = good("msg_x", now);
        headers.iter_mut().filter(|(n, _)| n == name).for_each(|(_, v)| *v = value.into());
        headers
    };
    let without = |name: &str| good("msg_x", now).into_iter().filter(|(n, _)| n != name).collect::<Vec<_>>();
    let signature = good("msg_x", now)[2].1.clone();
    let other_secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let forged = [
        ("another secret", signing::standard_webhooks(other_secret, "msg_x", now, ECHO.as_bytes())),
        ("another body", signing::standard_webhooks(SECRET, "msg_x", now, b"{}")),
        ("six minutes old", good("msg_x", now - 360)),
        ("six minutes ahead", good("msg_x", now + 360)),
        ("no time", with("webhook-timestamp", "soon")),
        ("a huge time", with("webhook-timestamp", "99999999999999999999999999")),
        ("another id", with("webhook-id", "msg_y")),
        ("an empty id", with("webhook-id", "")),
        ("cut short", with("webhook-signature", &signature[..signature.len() - 2])),
        ("an unknown version", with("webhook-signature", &signature.replace("v1,", "v9,"))),
        ("no version", with("webhook-signature", signature.trim_start_matches("v1,"))),
        ("a thousand wrong ones", with("webhook-signature", &["v1,AAAA"; 1000].join(" "))),
        ("without id", without("webhook-id")),
        ("without time", without("webhook-timestamp")),
        ("without signature", without("webhook-signature")),
        ("nothing", vec![]),
    ];
    let mut answers = Vec::new();
    for (what, headers) in forged {
        let (status, _, body) = post_hook(&url, &headers, ECHO).await.unwrap();
        assert_eq!(status, 401, "{what}: {body:#}");
        answers.push(body.to_string());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the sender is told which it was: {answers:#?}");
    let runs = host.api().get("/v1/runs").await;
    assert_eq!(runs["runs"], json!([]));

    // Several signatures, one of them right: a secret is being changed.
    let (status, _, _) =
        post_hook(&url, &with("webhook-signature", &format!("v1,AAAA {signature}")), ECHO).await.unwrap();
    assert_eq!(status, 202);
    // A replay is the same run.
    let (status, _, body) = post_hook(&url, &good("msg_x", now), ECHO).await.unwrap();
    assert_eq!((status, &body["duplicate"]), (202, &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn github_signs_in_its_own_way() {
    let host = Host::start().await;
    host.api().set_secret("dev", "hub", "It's a Secret to Everybody").await;
    let manifest = Manifest::probe().set_toml("trigger.0.verify", r#"{ scheme = "github", secret = "hub" }"#);
    probe::deploy(&host, &manifest).await;
    let url = host.hook("dev", "probe", "hook").await;
    let headers = signing::github("It's a Secret to Everybody", "72d3162e", "issues", ECHO.as_bytes());
    let (status, _, body) = post_hook(&format!("{url}?wait=30s"), &headers, ECHO).await.unwrap();
    assert_eq!(status, 200, "{body:#}");
    let event = &body[0]["event"];
    assert_eq!((&event["type"], &event["id"]), (&json!("com.github.issues"), &json!("72d3162e")));
    let meta = event["meta"].to_string();
    assert!(!meta.contains("sha256="), "signatures are stripped: {meta}");

    let forged = signing::github("another", "72d3162f", "issues", ECHO.as_bytes());
    assert_eq!(post_hook(&url, &forged, ECHO).await.unwrap().0, 401);
}

/// Threat row 41 for the senders that sign in ways of their own.
#[tokio::test(flavor = "multi_thread")]
async fn threat_041_each_sender_is_known_by_its_own_signature() {
    type Sign = fn(&str, i64, &[u8]) -> Vec<(String, String)>;
    const KEY: &str = "8f742231b10e8888abcd99aaabbb85a5";
    let shopify: Sign = |secret, _, body| signing::shopify(secret, "orders/create", "98880550", body);
    let hmac = r#"{ scheme = "hmac", secret = "signing", header = "X-Signature-Of-Mine", prefix = "sha256=", signed = "{timestamp}.{body}", timestamp = { header = "X-At" } }"#;
    let senders: [(&str, &str, Sign); 4] = [
        ("stripe", r#"{ scheme = "stripe", secret = "signing" }"#, signing::stripe),
        ("slack", r#"{ scheme = "slack", secret = "signing" }"#, signing::slack),
        ("shopify", r#"{ scheme = "shopify", secret = "signing" }"#, shopify),
        ("hmac", hmac, signing::timed_hmac),
    ];
    let host = Host::start().await;
    // One secret takes the place of the other: for a while both are good.
    host.api().set_secret("dev", "signing", &format!("{KEY} the-one-it-is-replaced-by")).await;
    let now = env::unix_seconds();
    for (scheme, verify, sign) in senders {
        let name = format!("probe-{scheme}");
        probe::deploy(&host, &Manifest::probe().named(&name).set_toml("trigger.0.verify", verify)).await;
        let url = host.hook("dev", &name, "hook").await;
        let good = sign(KEY, now, ECHO.as_bytes());
        let (status, _, body) = post_hook(&format!("{url}?wait=30s"), &good, ECHO).await.unwrap();
        assert_eq!(status, 200, "{scheme}: {body:#}");
        let signature = good[0].1.rsplit('=').find(|part| part.len() > 8).unwrap();
        assert!(!body.to_string().contains(signature), "{scheme}: signatures are stripped: {body}");
        let next = sign("the-one-it-is-replaced-by", now, b"{\"do\":\"echo\" }");
        let (status, _, body) = post_hook(&url, &next, r#"{"do":"echo" }"#).await.unwrap();
        assert_eq!(status, 202, "{scheme}: {body:#}");

        // A replay is the run it was.
        let (status, _, body) = post_hook(&url, &good, ECHO).await.unwrap();
        assert_eq!((status, &body["duplicate"]), (202, &json!(true)), "{scheme}: {body:#}");

        let mut forged = vec![
            ("another secret", sign("another-secret-of-this-length", now, ECHO.as_bytes())),
            ("another body", sign(KEY, now, b"{}")),
            ("nothing", vec![]),
        ];
        if scheme != "shopify" {
            forged.push(("six minutes old", sign(KEY, now - 360, ECHO.as_bytes())));
            forged.push(("six minutes ahead", sign(KEY, now + 360, ECHO.as_bytes())));
        }
        let mut answers = Vec::new();
        for (what, headers) in forged {
            let (status, _, body) = post_hook(&url, &headers, ECHO).await.unwrap();
            assert_eq!(status, 401, "{scheme}, {what}: {body:#}");
            answers.push(body.to_string());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{scheme}: the sender is told which it was: {answers:#?}");
    }
    let runs = host.api().get("/v1/runs?limit=100").await;
    // Two for each sender, but for Shopify, whose second request had the id of the first.
    assert_eq!(runs["runs"].as_array().unwrap().len(), 7, "{runs:#}");
}

/// Threat row 42: a body that pretends to be a parsed upload stays bytes, whatever its type says.
#[tokio::test(flavor = "multi_thread")]
async fn threat_042_bodies_stay_opaque() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let url = host.hook("dev", "probe", "hook").await;
    let pretended = json!({ "files": { "x": { "filepath": "/etc/passwd", "originalFilename": "x" } } }).to_string();
    for content_type in
        ["application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "nonsense"]
    {
        let headers = [("content-type".to_owned(), content_type.to_owned())];
        let (status, _, body) = post_hook(&url, &headers, pretended.clone()).await.unwrap();
        assert_eq!(status, 202, "{content_type}: {body:#}");
        let run = host.api().wait_for(body["run"].as_str().unwrap(), &["dead-lettered"]).await;
        assert_eq!(run["event"]["data"].to_string(), pretended, "{content_type}");
        assert_eq!(run["event"]["content_type"], content_type);
        assert!(!run.to_string().contains("root:"), "a file was read");
    }
}

/// Threat row 46: hooks cannot be guessed, and an unknown one looks like any other.
#[tokio::test(flavor = "multi_thread")]
async fn threat_046_hooks_are_not_to_be_guessed() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    for n in 0..20 {
        probe::deploy(&host, &Manifest::probe().named(&format!("probe-{n}"))).await;
    }
    let triggers = host.api().get("/v1/environments/dev/triggers").await;
    let urls = triggers.as_array().unwrap().iter().filter_map(|t| t["url"].as_str());
    let mut tokens: Vec<_> = urls.map(|url| url.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(tokens.len(), 21);
    for token in &tokens {
        // 22 characters of base 64, or 26 of base 32, hold 128 bits.
        assert!(token.len() >= 22, "{token}");
        assert!(!token.contains("probe"), "{token}");
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 21);
    let shared = tokens.windows(2).map(|two| two[0].bytes().zip(two[1].bytes()).take_while(|(a, b)| a == b).count());
    assert!(shared.max().unwrap() < 6, "tokens begin alike: {tokens:#?}");

    let (base, _) = host
        .hook("dev", "probe", "hook")
        .await
        .rsplit_once("/hooks/")
        .map(|(b, t)| (b.to_owned(), t.to_owned()))
        .unwrap();
    let mut answers = Vec::new();
    for path in
        ["/hooks/", "/hooks/x", "/hooks/dev/probe/hook", &format!("/hooks/{}", "A".repeat(tokens[0].len())), "/other"]
    {
        let (status, headers, body) = post_hook(&format!("{base}{path}"), &[], ECHO).await.unwrap();
        let kind = headers.get("content-type").cloned();
        answers.push((status, kind, body["title"].clone(), body["code"].clone()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(answers[0].0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_and_too_many_are_told_apart() {
    let host = Host::start().await;
    let manifest = Manifest::probe()
        .set("component.probe.limits.event", "64KiB")
        .set_toml("trigger.0.rate", "{ per_second = 1, burst = 5 }");
    probe::deploy(&host, &manifest).await;
    let url = host.hook("dev", "probe", "hook").await;
    let (status, _, body) = post_hook(&url, &[], vec![b'x'; 65 * 1024]).await.unwrap();
    assert_eq!(status, 413, "{body:#}");
    assert!(body.to_string().contains("limits.event"), "{body:#}");

    let mut statuses = Vec::new();
    let mut retry_after = None;
    for _ in 0..10 {
        let (status, headers, _) = post_hook(&url, &[], ECHO).await.unwrap();
        if status == 429 {
            retry_after = headers.get("retry-after").and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        }
        statuses.push(status);
    }
    let accepted = statuses.iter().filter(|s| **s == 202).count();
    assert!((3..=6).contains(&accepted), "{statuses:?}");
    assert!(retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{retry_after:?}");
    // What was accepted runs; what was not is nowhere.
    let idle = || async {
        let runs = host.api().get("/v1/runs?limit=100").await;
        let runs = runs["runs"].as_array().unwrap().clone();
        runs.iter().all(|run| run["state"] == "succeeded").then_some(runs.len())
    };
    assert_eq!(jackfield_tests::wait::until("all runs end", Duration::from_secs(60), idle).await, accepted);
}

/// Credentials and signatures in headers are not kept.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_sender_are_stripped() {
    let host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let url = host.hook("dev", "probe", "hook").await;
    let headers: Vec<(String, String)> =
        [("authorization", "Bearer hush-1"), ("cookie", "session=hush-2"), ("x-kept", "yes")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into();
    let (status, _, body) = post_hook(&format!("{url}/below/here?a=b&wait=30s"), &headers, ECHO).await.unwrap();
    assert_eq!(status, 200, "{body:#}");
    let text = body.to_string();
    assert!(!text.contains("hush"), "{text}");
    let meta = body[0]["event"]["meta"].as_array().unwrap().clone();
    let has = |name: &str, value: &str| meta.iter().any(|pair| pair[0] == name && pair[1] == value);
    assert!(has("x-kept", "yes") && has("method", "POST"), "{meta:#?}");
    assert!(meta.iter().any(|pair| pair[1].as_str().unwrap().contains("below/here")), "{meta:#?}");
}
