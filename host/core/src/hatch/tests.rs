//! What the hatch refuses and what it adds, without a guest.

use super::testing::{Rig, hatch, name, responds};
use super::*;
use crate::grant::{HttpGrant, HttpTarget, KvGrant};
use crate::ports::events::{Draft, EventsError};
use crate::ports::http::{HttpAnswer, HttpCall, HttpError};
use crate::ports::kv::{Assignment, KvCall, KvError};

fn grants() -> Grants {
    let http = |target, methods: &[&str], path: &str| HttpGrant {
        target,
        methods: methods.iter().map(ToString::to_string).collect(),
        paths: vec![path.parse().unwrap()],
        redirects: 0,
        retry_in_doubt: false,
    };
    Grants {
        http: vec![
            http(HttpTarget::Connection(name("api")), &["GET", "POST"], "/open/**"),
            http(HttpTarget::Url("https://other.test/v1".parse().unwrap()), &["GET"], "/**"),
        ],
        kv: vec![KvGrant { prefix: "seen/".into(), write: true }, KvGrant { prefix: "old/".into(), write: false }],
        config: vec![name("repository")],
        events: vec!["order.*".parse().unwrap()],
        ..Grants::default()
    }
}

fn ask(connection: Option<&str>, method: &str, url: &str) -> HttpCall {
    HttpCall {
        connection: connection.map(name),
        method: method.into(),
        url: url.into(),
        headers: vec![],
        body: bytes::Bytes::new(),
        timeout: None,
        max_redirects: 0,
    }
}

async fn http(hatch: &Arc<Hatch>, call: HttpCall) -> HttpAnswer {
    let number = hatch.number().unwrap();
    hatch.http(number, call).await.unwrap()
}

async fn a_hatch() -> (Rig, Arc<Hatch>) {
    hatch(Limits::default(), grants()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_the_grant_is_refused_before_anything_is_sent() {
    let (rig, hatch) = a_hatch().await;
    for (connection, method, url) in [
        (Some("api"), "GET", "/closed"),
        (Some("api"), "PUT", "/open/x"),
        (Some("unknown"), "GET", "/open/x"),
        (None, "GET", "http://api.test/closed"),
        (None, "GET", "https://other.test/v2/x"),
        (None, "POST", "https://other.test/v1/x"),
        (None, "GET", "https://elsewhere.test/"),
        (None, "GET", "https://other.test.evil.test/v1/x"),
        (Some("api"), "GET", "/open/../closed"),
        (Some("api"), "GET", "/open/%2e%2e/closed"),
    ] {
        let answer = http(&hatch, ask(connection, method, url)).await;
        assert!(matches!(answer, Err(HttpError::AccessDenied(_))), "{method} {url}: {answer:?}");
    }
    for (connection, method, url) in [
        (Some("api"), "get", "/open/x"),
        (Some("api"), "CONNECT", "/open/x"),
        (Some("api"), "GET", "open"),
        (Some("api"), "GET", "//evil.test/open"),
        (Some("api"), "GET", "/open\\..\\closed"),
        (Some("api"), "GET", "/open/\r\nhost: evil"),
        (Some("api"), "GET", "/open#x"),
        (None, "GET", "ftp://other.test/v1/x"),
        (None, "GET", "https://me@other.test/v1/x"),
        (None, "GET", "https://other.test\t/v1"),
    ] {
        let answer = http(&hatch, ask(connection, method, url)).await;
        let refused = matches!(answer, Err(HttpError::Invalid(_) | HttpError::AccessDenied(_)));
        assert!(refused, "{method} {url}: {answer:?}");
    }
    assert!(rig.http.asked().is_empty(), "{:?}", rig.http.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_url_that_a_connection_covers_is_a_call_by_name() {
    let (rig, hatch) = a_hatch().await;
    http(&hatch, ask(None, "GET", "http://api.test/open/x?y=1")).await.unwrap();
    let asked = rig.http.asked();
    assert_eq!(asked[0].url.as_str(), "http://api.test/open/x?y=1");
    let shown = hatch.closing().calls;
    assert_eq!(shown[0].what, "GET api /open/x", "by name, without the query");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_adds_the_key_and_the_trace_unless_the_guest_set_its_own() {
    let (rig, hatch) = a_hatch().await;
    http(&hatch, ask(Some("api"), "POST", "/open/x")).await.unwrap();
    http(&hatch, ask(Some("api"), "GET", "/open/x")).await.unwrap();
    let mut own = ask(Some("api"), "POST", "/open/x");
    own.headers.push(("Idempotency-Key".into(), "mine".into()));
    http(&hatch, own).await.unwrap();
    let values = |n: usize, header: &str| -> Vec<String> {
        let wanted = |(name, value): &(String, String)| name.eq_ignore_ascii_case(header).then(|| value.clone());
        rig.http.asked()[n].headers.iter().filter_map(wanted).collect()
    };
    assert_eq!(values(0, "idempotency-key").len(), 1);
    assert!(values(1, "idempotency-key").is_empty());
    assert_eq!(values(2, "idempotency-key"), ["mine"]);
    assert_ne!(values(0, "idempotency-key"), values(2, "idempotency-key"));
    assert_eq!(values(0, "traceparent"), [hatch.info().traceparent.clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_answers_badly_is_repeated_and_then_handed_over() {
    let (rig, hatch) = a_hatch().await;
    rig.http.will([responds(500, ""), responds(500, ""), responds(500, "still")]);
    let answer = http(&hatch, ask(Some("api"), "GET", "/open/x")).await.unwrap();
    assert_eq!((answer.status, rig.http.asked().len()), (500, 3));
    assert_eq!(hatch.closing().in_doubt, None, "a read is never in doubt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_its_limit_is_not_sent() {
    let limits = Limits { http_body_bytes: 10, ..Limits::default() };
    let (rig, hatch) = hatch(limits, grants()).await;
    let mut call = ask(Some("api"), "POST", "/open/x");
    call.body = bytes::Bytes::from_static(b"eleven byte");
    let answer = http(&hatch, call).await;
    assert!(matches!(&answer, Err(HttpError::TooLarge(text)) if text.contains("limits.http_body")), "{answer:?}");
    assert!(rig.http.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_outside_the_grant_are_refused_and_reads_do_not_grant_writes() {
    let (_rig, hatch) = a_hatch().await;
    let set = |key: &str| {
        KvCall::Set(Assignment { key: key.into(), value: serde_bytes::ByteBuf::from(*b"v"), ttl_seconds: None })
    };
    for (call, allowed) in [
        (set("seen/1"), true),
        (KvCall::Get("old/1".into()), true),
        (set("old/1"), false),
        (set("other"), false),
        (KvCall::Get("other".into()), false),
        (KvCall::Keys { prefix: "seen".into(), cursor: None, limit: 10 }, false),
        (KvCall::Keys { prefix: "seen/a".into(), cursor: None, limit: 10 }, true),
    ] {
        let answer = hatch.kv(hatch.number().unwrap(), "default", call.clone()).await.unwrap();
        assert_eq!(answer.is_ok(), allowed, "{call:?}: {answer:?}");
        assert!(allowed || matches!(answer, Err(KvError::AccessDenied(_))));
    }
    for bad in [KvCall::Get(String::new()), KvCall::Get("seen/\u{0}".into()), KvCall::Get("k".repeat(513))] {
        let answer = hatch.kv(hatch.number().unwrap(), "default", bad).await.unwrap();
        assert!(matches!(answer, Err(KvError::Invalid(_))), "{answer:?}");
    }
}

fn draft(event_type: &str) -> Draft {
    Draft {
        id: None,
        event_type: event_type.into(),
        subject: None,
        content_type: None,
        schema: None,
        extensions: vec![],
        data: serde_bytes::ByteBuf::new(),
        delay_seconds: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_emitted_by_grant_and_within_limits() {
    let (_rig, hatch) = a_hatch().await;
    let emit = async |drafts: Vec<Draft>| hatch.emit(hatch.number().unwrap(), drafts).await.unwrap();
    assert_eq!(emit(vec![draft("order.paid"), draft("order.sent")]).await.unwrap().len(), 2);
    assert_eq!(emit(vec![]).await, Ok(vec![]));
    let refused = emit(vec![draft("order.paid"), draft("invoice.sent")]).await;
    assert_eq!(refused, Err(EventsError::AccessDenied("events = [\"invoice.sent\"]".into())));
    let mut twice = draft("order.paid");
    twice.extensions = vec![("a".into(), "1".into()), ("a".into(), "2".into())];
    let named = |name: &str| Draft { extensions: vec![(name.into(), "x".into())], ..draft("order.paid") };
    for bad in [
        draft(""),
        draft("a b"),
        draft("jackfield.run.succeeded"),
        Draft { id: Some(String::new()), ..draft("order.paid") },
        Draft { subject: Some("a\n".into()), ..draft("order.paid") },
        Draft { delay_seconds: u32::MAX, ..draft("order.paid") },
        named("Region"),
        named("subject"),
        twice,
    ] {
        let answer = emit(vec![bad.clone()]).await;
        assert!(matches!(answer, Err(EventsError::Invalid(_))), "{bad:?}: {answer:?}");
    }
    assert!(matches!(emit(vec![draft("order.paid"); 101]).await, Err(EventsError::Invalid(_))));
    let sized = |bytes: usize| Draft { data: serde_bytes::ByteBuf::from(vec![0; bytes]), ..draft("order.paid") };
    assert!(matches!(emit(vec![sized(1 << 20)]).await, Err(EventsError::TooLarge(_))));
    assert!(matches!(emit(vec![sized(900 << 10); 5]).await, Err(EventsError::TooLarge(_))));
    assert!(emit(vec![sized(900 << 10); 4]).await.is_ok());
    let shown = hatch.closing();
    assert_eq!(shown.calls[0].what, "emit order.paid and 1 more");
    assert_eq!(shown.calls[0].result, "accepted, 0 runs");
    assert_eq!(shown.refused.as_deref(), Some("events emit order.paid and 1 more: events = [\"invoice.sent\"]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_repeated_attempt_does_not_emit_again() {
    let (mut rig, first) = a_hatch().await;
    let once = first.emit(first.number().unwrap(), vec![draft("order.paid")]).await.unwrap();
    drop(first);
    for _ in 0..2 {
        rig = rig.reopen().await;
        let claim = rig.claim().await;
        let hatch = rig.hatch(&claim).await;
        let again = hatch.emit(hatch.number().unwrap(), vec![draft("order.paid")]).await.unwrap();
        assert_eq!(again, once);
        assert_eq!(hatch.closing().replayed, 1);
    }
    let claim = rig.reopen().await;
    let claimed = claim.claim().await;
    let hatch = claim.hatch(&claimed).await;
    let other = hatch.emit(hatch.number().unwrap(), vec![draft("order.sent")]).await;
    assert!(matches!(other, Err(Stop::NonDeterminism(_))), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_by_grant() {
    let (_rig, hatch) = a_hatch().await;
    assert!(hatch.config_get(hatch.number().unwrap(), "other").await.unwrap().is_err());
    assert_eq!(hatch.config_get(hatch.number().unwrap(), "repository").await.unwrap(), Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_bounded() {
    let (_rig, hatch) = hatch(Limits { journal_bytes: 2_000, ..Limits::default() }, grants()).await;
    let ended = (0..1_000).find_map(|_| hatch.remaining_ms().err());
    assert!(matches!(ended, Some(Stop::OverBudget { limit: Limit::Journal, .. })), "{ended:?}");
    assert!(hatch.number().is_err(), "nothing goes on after a stop");
}
