//! Each interface, lifted and lowered by a guest; and `wasi:http` from the hook on.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use jackfield_core::grant::{HttpGrant, HttpTarget};
use jackfield_core::hatch::Hatch;
use jackfield_core::hatch::testing::{self, Rig, responds};
use jackfield_core::limits::{Limit, Limits};
use jackfield_core::outcome::Outcome;
use jackfield_core::ports::sandbox::Sandbox as _;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpHooks};

use super::wasi_http::Hooks;
use super::*;
use crate::testing::{Cell, DONE, Guest, all_denied, event, work};

fn set(capabilities: &[Capability]) -> Set {
    Set::of(&Grants { deny: capabilities.to_vec(), ..Grants::default() })
}

#[test]
fn every_set_links_and_links_only_what_it_has() {
    let engine = crate::engine::compiling(&crate::engine::EngineOptions::default(), None).unwrap();
    let linkers = Linkers::new(engine);
    for bits in 0..Set::COUNT {
        let linker = linkers.get(Set(u8::try_from(bits).unwrap())).unwrap();
        assert!(Arc::ptr_eq(&linker, &linkers.get(Set(u8::try_from(bits).unwrap())).unwrap()), "built once");
    }
    assert!(set(&[Capability::Kv]).has(Capability::Kv) && !set(&[Capability::Kv]).has(Capability::Http));
    assert_eq!(set(&[]), Set(0));
    assert_eq!(set(&Capability::ALL), Set(u8::try_from(Set::COUNT - 1).unwrap()));
}

/// Every interface of `wit/` is in the list.
#[test]
fn every_capability_is_complete() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".wit");
        if matches!(name, "world" | "handler") {
            continue;
        }
        let wanted = format!("jackfield:plugin/{name}");
        assert!(ALL.iter().any(|interface| interface.name == wanted), "{wanted} is not in capabilities::ALL");
    }
}

/// A request by connection: 14 words of arguments, flattened.
const SEND: &str = r#"(import "jackfield:plugin/http@0.1.0" "send"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;

fn sends() -> Guest {
    // connection some("api"), method "GET", url "/x", no headers, no body, no timeout, no redirects
    let body = "(call $send (i32.const 1) (i32.const 64) (i32.const 3) (i32.const 67) (i32.const 3) (i32.const 70) (i32.const 2)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store16 (i32.const 1034) (i32.load16_u (i32.const 2052)))
        (i32.store8 (i32.const 1032) (i32.const 1))
        (i32.store (i32.const 1056) (i32.load (i32.const 2064))) (i32.store (i32.const 1060) (i32.load (i32.const 2068)))
        (if (i32.load8_u (i32.const 2048)) (then
            (i32.store16 (i32.const 1034) (i32.load8_u (i32.const 2052)))
            (i32.store (i32.const 1056) (i32.load (i32.const 2056))) (i32.store (i32.const 1060) (i32.load (i32.const 2060)))))
        (i32.const 1024)";
    Guest::new(SEND, body).with(r#"(data (i32.const 64) "apiGET/x")"#)
}

fn http() -> Grants {
    let grant = HttpGrant {
        target: HttpTarget::Connection(testing::name("api")),
        methods: ["GET", "POST"].map(String::from).to_vec(),
        paths: vec!["/**".parse().unwrap()],
        redirects: 0,
        retry_in_doubt: false,
    };
    Grants { http: vec![grant], ..Grants::default() }
}

#[tokio::test]
async fn http_is_sent_and_answered() {
    let cell = Cell::new();
    let digest = cell.add(&sends());
    let ran = cell.attempt(digest, Limits::default(), http()).await;
    match ran.outcome() {
        Outcome::Succeeded { output: Some(output) } => {
            assert_eq!((output.status, output.data.as_ref()), (Some(200), b"ok".as_slice()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ran.rig.http.asked().len(), 1);
    assert_eq!(ran.rig.http.asked()[0].url.as_str(), "http://api.test/x");
}

#[tokio::test]
async fn threat_019_a_denied_call_is_answered_and_not_made() {
    let cell = Cell::new();
    let digest = cell.add(&sends());
    let ran = cell.attempt(digest, Limits::default(), all_denied()).await;
    match ran.outcome() {
        Outcome::Succeeded { output: Some(output) } => {
            assert_eq!(output.status, Some(0), "access-denied is the first case");
            let line = String::from_utf8_lossy(&output.data);
            assert!(line.starts_with("http = [{ connection = \"api\""), "the line to add: {line}");
        }
        other => panic!("{other:?}"),
    }
    assert!(ran.rig.http.asked().is_empty());
}

/// Emits one event of type `order.paid`; answers with its id, or with the refusal and its number.
fn emits() -> Guest {
    let imports = r#"(import "jackfield:plugin/events@0.1.0" "emit" (func $emit (param i32 i32 i32)))"#;
    // The type is the second field of a draft; all others are none, empty or 0.
    let body = "(i32.store (i32.const 3012) (i32.const 64)) (i32.store (i32.const 3016) (i32.const 10))
        (call $emit (i32.const 3000) (i32.const 1) (i32.const 2048))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (if (i32.load8_u (i32.const 2048)) (then
            (i32.store8 (i32.const 1032) (i32.const 1))
            (i32.store16 (i32.const 1034) (i32.load8_u (i32.const 2052)))
            (i32.store (i32.const 1056) (i32.load (i32.const 2056))) (i32.store (i32.const 1060) (i32.load (i32.const 2060))))
        (else
            (i32.store (i32.const 1056) (i32.load (i32.load (i32.const 2052))))
            (i32.store (i32.const 1060) (i32.load (i32.add (i32.load (i32.const 2052)) (i32.const 4))))))
        (i32.const 1024)";
    Guest::new(imports, body).with(r#"(data (i32.const 64) "order.paid")"#)
}

#[tokio::test]
async fn an_event_is_emitted_by_grant() {
    let cell = Cell::new();
    let digest = cell.add(&emits());
    let granted = Grants { events: vec!["order.*".parse().unwrap()], ..Grants::default() };
    match cell.attempt(digest, Limits::default(), granted).await.outcome() {
        Outcome::Succeeded { output: Some(output) } => {
            let id = String::from_utf8_lossy(&output.data);
            assert!(output.status.is_none() && id.ends_with("/1/0"), "{id}");
        }
        other => panic!("{other:?}"),
    }
    for grants in [all_denied(), Grants { events: vec!["order.sent".parse().unwrap()], ..Grants::default() }] {
        match cell.attempt(digest, Limits::default(), grants).await.outcome() {
            Outcome::Succeeded { output: Some(output) } => {
                assert_eq!(output.status, Some(0), "access-denied is the first case");
                assert_eq!(output.data.as_ref(), br#"events = ["order.paid"]"#, "the line to add");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_run_knows_itself() {
    let imports = r#"(import "jackfield:plugin/run@0.1.0" "current" (func $current (param i32)))
        (import "jackfield:plugin/run@0.1.0" "remaining-ms" (func $remaining (result i32)))"#;
    // `integration` is the fifth field: id 0, attempt 8, key 12, trigger 20, integration 28.
    let body = "(call $current (i32.const 2048))
        (if (i32.eqz (call $remaining)) (then (unreachable)))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1056) (i32.load (i32.const 2076))) (i32.store (i32.const 1060) (i32.load (i32.const 2080)))
        (i32.const 1024)";
    match Cell::new().run(&Guest::new(imports, body), Limits::default()).await.outcome() {
        Outcome::Succeeded { output: Some(output) } => assert_eq!(output.data.as_ref(), b"demo"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn unsent_bodies_have_a_limit() {
    let imports = r#"
        (import "wasi:http/types@0.2.6" "[constructor]fields" (func $fields (result i32)))
        (import "wasi:http/types@0.2.6" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
        (import "wasi:http/types@0.2.6" "[method]outgoing-request.body" (func $body (param i32 i32)))
        (import "wasi:http/types@0.2.6" "[method]outgoing-body.write" (func $stream (param i32 i32)))
        (import "wasi:io/streams@0.2.6" "[method]output-stream.check-write" (func $check (param i32 i32)))
        (import "wasi:io/streams@0.2.6" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))"#;
    let body = format!(
        "(call $body (call $request (call $fields)) (i32.const 2048))
         (call $stream (i32.load (i32.const 2052)) (i32.const 2056))
         (local.set $i (i32.load (i32.const 2060)))
         (loop
            (call $check (local.get $i) (i32.const 2064))
            (call $write (local.get $i) (i32.const 0) (i32.const 65536) (i32.const 2080))
            (local.set $j (i32.add (local.get $j) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $j) (i32.const 100)))) {DONE}"
    );
    let guest = Guest::new(imports, body);
    let limits = Limits { http_body_bytes: 1 << 20, in_flight: 4, ..Limits::default() };
    let ran = Cell::new().run(&guest, limits).await;
    assert_eq!(ran.outcome(), &Outcome::OverBudget { limit: Limit::OutgoingBody, allowed: 4 << 20 });
    let ran = Cell::new().run(&guest, Limits::default()).await;
    assert_eq!(ran.outcome(), &Outcome::Succeeded { output: None }, "6.25 MiB are not too many by default");
}

/// What a guest's `handle` comes to, without the guest.
struct Desk {
    rig: Rig,
    hatch: Arc<Hatch>,
    hooks: Hooks,
    calls: TaskTracker,
}

impl Desk {
    async fn new() -> Self {
        let (rig, hatch) = testing::hatch(Limits::default(), http()).await;
        let calls = TaskTracker::new();
        Self { hooks: Hooks::new(Arc::clone(&hatch), calls.clone()), rig, hatch, calls }
    }

    async fn send(&mut self, request: ::http::Request<WasiBody>) -> Result<(u16, Bytes), Error> {
        let sent = self.hooks.send_request(request, None, Box::new(async { Ok(()) }));
        let (response, _) = Box::into_pin(sent).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await.unwrap().to_bytes()))
    }
}

fn post(body: WasiBody, length: Option<u64>) -> ::http::Request<WasiBody> {
    let mut request = ::http::Request::builder().method("POST").uri("http://api.test/things?q=1");
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    request.header("x-one", "1").body(body).unwrap()
}

fn full(bytes: impl Into<Bytes>) -> WasiBody {
    // In two frames and without a length of its own, as a guest writes it.
    let bytes = bytes.into();
    let (one, two) = (bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..));
    let frames = [one, two].map(|data| Ok(http_body::Frame::data(data)));
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

#[tokio::test]
async fn a_fetch_by_absolute_url_is_a_call_of_the_connection() {
    let mut desk = Desk::new().await;
    desk.rig.http.will([responds(201, "made")]);
    let answer = desk.send(post(full("some data"), Some(9))).await.unwrap();
    assert_eq!(answer, (201, Bytes::from_static(b"made")));
    let asked = &desk.rig.http.asked()[0];
    assert_eq!((asked.method.as_str(), asked.url.as_str()), ("POST", "http://api.test/things?q=1"));
    assert_eq!(asked.body.as_ref(), b"some data");
    let names: Vec<_> = asked.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"x-one") && !names.contains(&"content-length") && !names.contains(&"host"), "{names:?}");
}

#[tokio::test]
async fn a_body_that_is_not_whole_is_not_sent() {
    let mut desk = Desk::new().await;
    let short = desk.send(post(full("some"), Some(9))).await;
    assert!(matches!(short, Err(Error::HttpRequestBodySize(Some(4)))), "{short:?}");
    let frames = [Ok(http_body::Frame::data(Bytes::from_static(b"some"))), Err(Error::HttpProtocolError)];
    let aborted = desk.send(post(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync(), None)).await;
    assert!(matches!(aborted, Err(Error::HttpProtocolError)), "{aborted:?}");
    desk.hatch.guest_returned();
    let late = desk.send(post(full("some data"), None)).await;
    assert!(matches!(late, Err(Error::HttpRequestBodySize(_))), "it ended because the guest did: {late:?}");
    assert!(desk.rig.http.asked().is_empty());
    // Nothing to finish: a request without a body is whole however its guest ended.
    let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let get = ::http::Request::get("http://api.test/x").body(empty).unwrap();
    assert_eq!(desk.send(get).await.unwrap().0, 200);
}

#[tokio::test]
async fn threat_016_a_body_over_its_limit_is_refused_and_read_to_its_end() {
    let mut desk = Desk::new().await;
    let large = Full::new(Bytes::from(vec![0; (4 << 20) + 1])).map_err(|never| match never {}).boxed_unsync();
    let refused = desk.send(post(large, None)).await;
    assert!(matches!(refused, Err(Error::HttpRequestBodySize(Some(4_194_305)))), "{refused:?}");
    assert!(desk.rig.http.asked().is_empty());
}

#[tokio::test]
async fn calls_are_numbered_in_the_guests_order_and_survive_its_disinterest() {
    let mut desk = Desk::new().await;
    let first = desk.hooks.send_request(post(full("a"), None), None, Box::new(async { Ok(()) }));
    let second = desk.hooks.send_request(post(full("b"), None), None, Box::new(async { Ok(()) }));
    drop((second, first));
    desk.calls.close();
    desk.calls.wait().await;
    desk.hatch.finish().await;
    let calls = desk.hatch.closing().calls;
    let numbers: Vec<_> = calls.iter().map(|call| call.call).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(desk.rig.http.asked().len(), 2);
}

#[tokio::test]
async fn a_denied_fetch_is_told_so() {
    let mut desk = Desk::new().await;
    let mut request = post(full("x"), None);
    *request.uri_mut() = "http://other.test/".parse().unwrap();
    assert!(matches!(desk.send(request).await, Err(Error::HttpRequestDenied)));
}

/// Two requests at once by `wasi:http`; answers with the order and the status of what came back.
fn fetches_two() -> Guest {
    let imports = r#"
        (import "wasi:http/types@0.2.6" "[constructor]fields" (func $fields (result i32)))
        (import "wasi:http/types@0.2.6" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
        (import "wasi:http/types@0.2.6" "[method]outgoing-request.set-scheme"
            (func $scheme (param i32 i32 i32 i32 i32) (result i32)))
        (import "wasi:http/types@0.2.6" "[method]outgoing-request.set-authority"
            (func $authority (param i32 i32 i32 i32) (result i32)))
        (import "wasi:http/types@0.2.6" "[method]outgoing-request.set-path-with-query"
            (func $path (param i32 i32 i32 i32) (result i32)))
        (import "wasi:http/outgoing-handler@0.2.6" "handle" (func $handle_request (param i32 i32 i32 i32)))
        (import "wasi:http/types@0.2.6" "[method]future-incoming-response.subscribe"
            (func $subscribe (param i32) (result i32)))
        (import "wasi:http/types@0.2.6" "[method]future-incoming-response.get" (func $get (param i32 i32)))
        (import "wasi:http/types@0.2.6" "[method]incoming-response.status" (func $status (param i32) (result i32)))
        (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))
        (import "jackfield:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
    // Futures at 2048, their pollables at 2056; what is seen from 3000 on, a count of polls in front.
    let items = r#"(data (i32.const 64) "defaultkapi.test/x")
        (func $start (param $n i32) (local $made i32)
            (local.set $made (call $request (call $fields)))
            (drop (call $scheme (local.get $made) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
            (drop (call $authority (local.get $made) (i32.const 1) (i32.const 72) (i32.const 8)))
            (drop (call $path (local.get $made) (i32.const 1) (i32.const 80) (i32.const 2)))
            (call $handle_request (local.get $made) (i32.const 0) (i32.const 0) (i32.const 2112))
            (if (i32.load8_u (i32.const 2112)) (then (unreachable)))
            (i32.store (i32.add (i32.const 2048) (local.get $n)) (i32.load (i32.const 2120)))
            (i32.store (i32.add (i32.const 2056) (local.get $n)) (call $subscribe (i32.load (i32.const 2120)))))
        (func $finish (param $n i32) (result i32)
            (call $get (i32.load (i32.add (i32.const 2048) (local.get $n))) (i32.const 2176))
            (if (i32.eqz (i32.load8_u (i32.const 2176))) (then (unreachable)))
            (if (i32.load8_u (i32.const 2184)) (then (unreachable)))
            (if (i32.load8_u (i32.const 2192)) (then (return (i32.load8_u (i32.const 2200)))))
            (call $status (i32.load (i32.const 2200))))"#;
    let body = "(call $start (i32.const 0)) (call $start (i32.const 4))
        (call $poll (i32.const 2056) (i32.const 2) (i32.const 2240))
        (i32.store (i32.const 3000) (i32.load (i32.const 2244)))
        (i32.store (i32.const 3004) (i32.load (i32.load (i32.const 2240))))
        (call $poll (i32.const 2056) (i32.const 1) (i32.const 2240))
        (call $poll (i32.const 2060) (i32.const 1) (i32.const 2240))
        (i32.store (i32.const 3008) (call $finish (i32.const 0)))
        (i32.store (i32.const 3012) (call $finish (i32.const 4)))
        (call $set (i32.const 64) (i32.const 7) (i32.const 71) (i32.const 1) (i32.const 3000) (i32.const 16)
            (i32.const 0) (i32.const 0) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1056) (i32.const 3000)) (i32.store (i32.const 1060) (i32.const 16))
        (i32.const 1024)";
    Guest::new(imports, body).with(items)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_fetches_at_once_are_replayed_without_a_request() {
    let cell = Cell::new();
    let digest = cell.add(&fetches_two());
    let kv = vec![jackfield_core::grant::KvGrant { prefix: String::new(), write: true }];
    let grants = Grants { kv, ..http() };
    let clock = Arc::new(jackfield_core::clock::SystemClock);
    let options = testing::RigOptions {
        clock,
        limits: Limits::default(),
        grants: grants.clone(),
        retry: jackfield_core::retry::RetryPolicy::default(),
        keyed: false,
    };
    let mut rig = Rig::new(options).await;
    rig.accept("hello").await;
    rig.http.will([responds(200, "one"), responds(404, "two")]);
    let mut seen = None;
    for (turn, requests) in [2, 0, 0].into_iter().enumerate() {
        let claim = rig.claim().await;
        let hatch = rig.hatch(&claim).await;
        let work = work(digest, Limits::default(), grants.clone(), &hatch, event());
        let outcome = cell.sandbox.invoke(work).await.unwrap().outcome;
        hatch.finish().await;
        match &outcome {
            Outcome::Succeeded { output: Some(output) } => {
                let word = |n: usize| u32::from_le_bytes(output.data[4 * n..4 * n + 4].try_into().unwrap());
                let mut statuses = [word(2), word(3)];
                statuses.sort_unstable();
                assert_eq!(statuses, [200, 404], "turn {turn}");
            }
            other => panic!("turn {turn}: {other:?}"),
        }
        assert_eq!(rig.http.asked().len(), requests, "turn {turn}");
        assert_eq!(*seen.get_or_insert_with(|| outcome.clone()), outcome, "turn {turn}");
        rig = rig.reopen().await;
    }
}
