//! A hook from request to run, over a real store.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http_body::Frame;
use jackfield_core::clock::fake::FakeClock;
use jackfield_core::event::Output;
use jackfield_core::grant::Grants;
use jackfield_core::hatch::testing::{Rig, RigOptions, name};
use jackfield_core::ids::{RunId, Scope};
use jackfield_core::intake::Ended;
use jackfield_core::limits::Limits;
use jackfield_core::release::{Component, Manifest, Trigger, Verify, Version};
use jackfield_core::retry::RetryPolicy;
use jackfield_core::run::RunState;
use jackfield_core::store::queue::RunFilter;
use serde_json::Value;

use super::*;

const SECRET: &[u8] = b"thirty-two bytes of good secret.";

struct Doors {
    rig: Rig,
    clock: Arc<FakeClock>,
    time: Arc<dyn Clock>,
    releases: Arc<Releases>,
    intake: Arc<Intake>,
    hooks: Hooks,
    hold: Hold,
    draining: CancellationToken,
}

fn webhook(verify: Verify, respond: bool) -> Webhook {
    Webhook { verify, id_header: Some("x-id".into()), respond, rate_per_second: 1, burst: 1_000 }
}

fn scope() -> Scope {
    Scope { environment: name("dev"), integration: name("crm") }
}

impl Doors {
    async fn new() -> Self {
        let clock = Arc::new(FakeClock::default());
        let limits = Limits { event_bytes: 1_000, ..Limits::default() };
        let (grants, retry) = (Grants::default(), RetryPolicy::default());
        let options = RigOptions { clock: clock.clone(), limits, grants, retry, keyed: false };
        let rig = Rig::new(options).await;
        rig.outside
            .set_secret(&name("dev"), &name("signing"), &format!("whsec_{}", BASE64_STANDARD.encode(SECRET)).into())
            .await
            .unwrap();
        let releases = Releases::load(rig.store.clone()).await.unwrap();
        let (time, rng) = (clock.clone() as Arc<dyn Clock>, Arc::new(jackfield_core::clock::SystemRng));
        let intake = Intake::new(rig.store.clone(), releases.clone(), time.clone(), rng, rig.metrics.clone());
        let hold = Hold::open(rig.folder.path()).unwrap();
        let draining = CancellationToken::new();
        let doors = Self { rig, clock, time, releases, intake, hooks: Hooks::default(), hold, draining };
        let signed = Verify::StandardWebhooks { secret: name("signing") };
        let unset = Verify::Github { secret: name("not-set") };
        let slow = Webhook { burst: 2, ..webhook(Verify::Token, false) };
        doors
            .release(&[
                ("open", webhook(Verify::Token, false)),
                ("slow", slow),
                ("signed", webhook(signed, false)),
                ("unset", webhook(unset, false)),
                ("asks", webhook(Verify::Token, true)),
                ("gone", webhook(Verify::Token, false)),
            ])
            .await;
        doors
    }

    /// Releases a version with these triggers; the token of `open` is `token-open`.
    async fn release(&self, triggers: &[(&str, Webhook)]) {
        let component = Component {
            source: "main.wasm".into(),
            limits: Limits { event_bytes: 1_000, ..Limits::default() },
            retry: RetryPolicy::default(),
            grants: Grants::default(),
            build: None,
            durability: Default::default(),
        };
        let trigger = |(trigger, webhook): &(&str, Webhook)| Trigger {
            name: name(trigger),
            component: name("main"),
            kind: TriggerKind::Webhook(webhook.clone()),
            order: None,
        };
        let manifest = Manifest {
            name: name("crm"),
            description: String::new(),
            connections: [].into(),
            triggers: triggers.iter().map(trigger).collect(),
            components: [(name("main"), component)].into(),
        };
        let artifacts = [(name("main"), jackfield_core::artifact::Digest::of(b"main"))].into();
        let (store, now) = (&self.rig.store, self.clock.now());
        let number = store.add_version(Version { number: 0, manifest, artifacts }, now).await.unwrap();
        let hooks = triggers.iter().map(|(trigger, _)| (name(trigger), format!("token-{trigger}"))).collect();
        store.release(name("dev"), name("crm"), number, hooks, "tester".into(), now).await.unwrap();
        self.releases.refresh().await.unwrap();
        self.hooks.refresh(&**store).await.unwrap();
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        let context = Context {
            hooks: &self.hooks,
            releases: &self.releases,
            intake: &self.intake,
            outside: &self.rig.outside,
            clock: &self.time,
            metrics: &self.rig.metrics,
            hold: &self.hold,
            draining: &self.draining,
        };
        context.answer(request).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &'static str) -> Seen {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        seen(self.send(request.body(Body::from(body)).unwrap()).await).await
    }

    async fn runs(&self) -> usize {
        self.rig.store.runs(RunFilter { limit: 100, ..RunFilter::default() }).await.unwrap().len()
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    fn run(&self) -> RunId {
        self.json()["run"].as_str().unwrap().parse().unwrap()
    }
}

async fn seen(response: Response<Body>) -> Seen {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Seen { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// A body that must not be asked for.
struct Untouchable(u64);

impl http_body::Body for Untouchable {
    type Data = Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        panic!("the body was read")
    }
    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0)
    }
}

#[tokio::test]
async fn p1_an_accepted_request_is_a_run_on_disk() {
    let doors = Doors::new().await;
    let answer = doors.post("/hooks/token-open/orders/7?a=b", &[("content-type", "text/plain")], "hello").await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json().as_object().unwrap().len(), 1, "{}", answer.json());

    let detail = doors.rig.store.run(answer.run()).await.unwrap();
    assert_eq!(detail.summary.target.trigger, name("open"));
    assert_eq!(detail.summary.target.scope(), scope());
    let event = detail.event.unwrap();
    assert_eq!(event.data, "hello");
    assert_eq!(event.source, "/hooks/crm/open");
    assert!(event.meta.contains(&("path".into(), "/orders/7".into())), "{:?}", event.meta);
}

#[tokio::test]
async fn the_same_event_again_is_the_same_run() {
    let doors = Doors::new().await;
    let first = doors.post("/hooks/token-open", &[("x-id", "42")], "a").await;
    let again = doors.post("/hooks/token-open", &[("x-id", "42")], "b").await;
    assert_eq!((again.status, again.run()), (202, first.run()));
    assert_eq!(again.json()["duplicate"], true);
    assert_ne!(doors.post("/hooks/token-open", &[], "a").await.run(), first.run());
    assert_eq!(doors.runs().await, 2);
}

/// Whatever is wrong with an address, the answer is the same to the byte, and no body is read for it.
#[tokio::test]
async fn threat_046_addresses_cannot_be_told_apart() {
    let doors = Doors::new().await;
    doors.release(&[("open", webhook(Verify::Token, false))]).await;
    let mut answers = Vec::new();
    for path in [
        "/hooks/token-unknown",
        "/hooks/token-ope",
        "/hooks/token-openn",
        "/hooks/TOKEN-OPEN",
        "/hooks/token-open%20",
        "/hooks/token%2Dopen",
        "/hooks//token-open",
        "/hooks/",
        "/hooks",
        "/",
        "/hooks/token-gone",
        "/hooks/token-gone/below?x=y",
        "/v1/status",
    ] {
        let request = Request::post(path).body(Body::new(Untouchable(5))).unwrap();
        answers.push(seen(doors.send(request).await).await);
    }
    assert_eq!(answers[0].status, 404);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(doors.post("/hooks/token-open", &[], "").await.status, 202);
}

#[tokio::test]
async fn only_post_and_put_whether_there_is_a_hook_or_not() {
    let doors = Doors::new().await;
    let mut answers = Vec::new();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "BREW"] {
        for token in ["token-open", "token-unknown"] {
            let request = Request::builder().method(method).uri(format!("/hooks/{token}"));
            answers.push(seen(doors.send(request.body(Body::empty()).unwrap()).await).await);
        }
    }
    assert!(answers.iter().all(|answer| answer.status == 405 && *answer == answers[0]), "{answers:#?}");
    assert_eq!(answers[0].headers["allow"], "POST, PUT");
    let put = Request::put("/hooks/token-open").body(Body::empty()).unwrap();
    assert_eq!(doors.send(put).await.status(), 202);
}

#[tokio::test]
async fn a_hook_has_a_rate_and_says_when_to_come_again() {
    let doors = Doors::new().await;
    for _ in 0..2 {
        assert_eq!(doors.post("/hooks/token-slow", &[], "").await.status, 202);
    }
    let flood = || Request::post("/hooks/token-slow").body(Body::new(Untouchable(5))).unwrap();
    let refused = doors.send(flood()).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(doors.post("/hooks/token-open", &[], "").await.status, 202, "another hook was slowed down");

    doors.release(&[("slow", Webhook { burst: 2, ..webhook(Verify::Token, false) })]).await;
    assert_eq!(doors.send(flood()).await.status(), 429, "a release forgave the flood");
    doors.clock.advance(Duration::from_secs(1));
    assert_eq!(doors.post("/hooks/token-slow", &[], "").await.status, 202);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_as_its_bytes_arrive() {
    let doors = Doors::new().await;
    let exact: &'static str = "x".repeat(1_000).leak();
    assert_eq!(doors.post("/hooks/token-open", &[], exact).await.status, 202);

    let declared = Request::post("/hooks/token-open").body(Body::new(Untouchable(1_001))).unwrap();
    let declared = seen(doors.send(declared).await).await;
    let frames = std::iter::repeat_with(|| Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b'x'; 400])));
    let endless = Body::from_stream(futures_util::stream::iter(frames));
    let endless = seen(doors.send(Request::post("/hooks/token-open").body(endless).unwrap()).await).await;
    for refused in [declared, endless] {
        assert_eq!(refused.status, 413);
        assert!(refused.json()["detail"].as_str().unwrap().contains("limits.event"), "{}", refused.json());
    }
    assert_eq!(doors.runs().await, 1);
}

fn signed(id: &str, at: i64, body: &str) -> [(&'static str, String); 3] {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    [("webhook-id", id.to_owned()), ("webhook-timestamp", at.to_string()), ("webhook-signature", signature)]
}

/// All that is not genuine is answered alike; a replay is the run it was.
#[tokio::test]
async fn threat_041_not_genuine_is_401_and_a_replay_is_no_new_run() {
    let doors = Doors::new().await;
    let now = doors.clock.now().as_millis() / 1000;
    let send = async |headers: [(&'static str, String); 3], body: &'static str| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        doors.post("/hooks/token-signed", &headers, body).await
    };
    let mut refused = vec![doors.post("/hooks/token-signed", &[], "x").await];
    refused.push(send(signed("m1", now, "x"), "y").await);
    refused.push(send(signed("m1", now - 301, "x"), "x").await);
    refused.push(send(signed("m1", now + 301, "x"), "x").await);
    let mut other_version = signed("m1", now, "x");
    other_version[2].1 = other_version[2].1.replace("v1,", "v2,");
    refused.push(send(other_version, "x").await);
    assert!(refused.iter().all(|answer| answer.status == 401 && *answer == refused[0]), "{refused:#?}");
    assert_eq!(doors.runs().await, 0);

    let first = send(signed("m1", now, "x"), "x").await;
    assert_eq!(first.status, 202);
    let replayed = send(signed("m1", now, "x"), "x").await;
    let redelivered = send(signed("m1", now + 60, "x"), "x").await;
    for again in [replayed, redelivered] {
        assert_eq!((again.status, again.run()), (202, first.run()));
    }
    let event = doors.rig.store.run(first.run()).await.unwrap().event.unwrap();
    assert!(event.meta.iter().all(|(name, _)| name != "webhook-signature"), "{:?}", event.meta);
}

#[tokio::test]
async fn a_hook_without_its_secret_accepts_nothing() {
    let doors = Doors::new().await;
    let answer = doors.post("/hooks/token-unset", &[("x-hub-signature-256", "sha256=00")], "x").await;
    assert_eq!(answer.status, 503);
    assert!(!String::from_utf8_lossy(&answer.body).contains("not-set"), "the answer names the secret");
    assert_eq!(doors.runs().await, 0);
}

#[tokio::test]
async fn a_held_host_accepts_nothing_until_it_is_released() {
    let doors = Doors::new().await;
    Hold::put(doors.rig.folder.path()).unwrap();
    let doors = Doors { hold: Hold::open(doors.rig.folder.path()).unwrap(), ..doors };
    let answer = doors.post("/hooks/token-open", &[], "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    doors.hold.release().unwrap();
    assert_eq!(doors.post("/hooks/token-open", &[], "").await.status, 202);
}

/// The answer to a request that waits, while its run ends in this way.
async fn asked(state: RunState, output: Option<Output>) -> Seen {
    let doors = Doors::new().await;
    let ending = async {
        loop {
            for run in doors.rig.store.runs(RunFilter { limit: 1, ..RunFilter::default() }).await.unwrap() {
                let reason = Some("secret reason".into());
                doors.intake.ended(run.id, Ended { state, output: output.clone(), reason });
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = doors.post("/hooks/token-asks?wait=10s", &[], "") => answer,
        () = ending => unreachable!("it goes on until there is an answer"),
    }
}

#[tokio::test]
async fn a_trigger_that_responds_answers_with_the_output() {
    let output =
        Output { status: Some(201), content_type: Some("text/plain".into()), data: "hi".into(), headers: vec![] };
    let answer = asked(RunState::Succeeded, Some(output)).await;
    assert_eq!((answer.status, &answer.body[..]), (201, &b"hi"[..]));

    let failed = asked(RunState::DeadLettered, None).await;
    assert_eq!(failed.status, 502);
    assert_eq!(failed.headers["content-type"], "application/problem+json");
    assert!(!String::from_utf8_lossy(&failed.body).contains("secret reason"));
}

#[tokio::test]
async fn a_run_that_is_not_over_in_time_is_accepted_all_the_same() {
    let doors = Doors::new().await;
    let passing = async {
        loop {
            doors.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        answer = doors.post("/hooks/token-asks?wait=10s", &[], "") => answer,
        () = passing => unreachable!("it goes on until there is an answer"),
    };
    assert_eq!(answer.status, 202);
    assert!(doors.rig.store.run(answer.run()).await.is_ok());

    // Nor does anybody wait for a host that stops.
    doors.draining.cancel();
    assert_eq!(doors.post("/hooks/token-asks?wait=60s", &[], "").await.status, 202);
}

#[tokio::test]
async fn waiting_has_bounds() {
    let doors = Doors::new().await;
    for bad in ["wait=61s", "wait=1h", "wait=", "wait=-1s", "wait=1.5s", "wait=99999999999999999999s"] {
        assert_eq!(doors.post(&format!("/hooks/token-asks?{bad}"), &[], "").await.status, 400, "{bad}");
    }
    assert_eq!(doors.runs().await, 0);
    // Where the trigger does not respond, the parameter is the sender's own.
    assert_eq!(doors.post("/hooks/token-open?wait=forever", &[], "").await.status, 202);

    let known = doors.hooks.find("token-asks").unwrap();
    let places: Vec<_> = (0..hooks::WAITING).map(|_| known.wait().unwrap()).collect();
    let refused = doors.post("/hooks/token-asks?wait=1s", &[], "").await;
    assert_eq!(refused.status, 429);
    assert_eq!(doors.runs().await, 1, "a refused request became a run");
    drop(places);
    doors.draining.cancel();
    assert_eq!(doors.post("/hooks/token-asks?wait=1s", &[], "").await.status, 202);
}
