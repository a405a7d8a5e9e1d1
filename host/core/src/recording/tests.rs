//! Tests of recordings: what is written reads back, what is played is what was recorded, and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_bytes::ByteBuf;
use serde_json::json;

use super::playback::Playback;
use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::grant::{Capability, HttpGrant, HttpTarget};
use crate::hatch::testing::{Rig, RigOptions, name, responds, scope};
use crate::hatch::{Hatch, HttpAsked, Stop, emit_label, encode_answer};
use crate::journal::{ArgumentHash, Chunk, Class, Moment, Record, Verdict, What, encode};
use crate::outcome::{Failure, Outcome, Usage};
use crate::ports::events::{Draft, EventsAnswer, EventsError};
use crate::ports::http::{HttpAnswer, HttpCall, HttpError, HttpResponse};
use crate::ports::kv::{Addition, Assignment, KvAnswer, KvCall, KvEntry, KvError, KvValue};
use crate::ports::sandbox::Report;
use crate::redact::Redactor;
use crate::retry::RetryPolicy;
use crate::run::{AttemptRecord, RunDetail};
use crate::store::queue::{Ending, JournalEnd, Settle};

#[track_caller]
fn data(bytes: &[u8], written: &str) {
    let data = Data::of(bytes);
    let text = serde_json::to_string(&data).unwrap();
    assert_eq!(text, written);
    assert_eq!(serde_json::from_str::<Data>(&text).unwrap().bytes().unwrap(), bytes);
}

#[test]
fn bytes_are_written_in_the_form_that_reads_back() {
    data(b"", "{}");
    data(br#"{"b":1,"a":[null]}"#, r#"{"data":{"b":1,"a":[null]}}"#);
    data(br#"{ "b": 1 }"#, r#"{"data_text":"{ \"b\": 1 }"}"#);
    data(b"null", r#"{"data_text":"null"}"#);
    data(b"1e2", r#"{"data_text":"1e2"}"#);
    data(b"18446744073709551616", r#"{"data_text":"18446744073709551616"}"#);
    data(b"hello", r#"{"data_text":"hello"}"#);
    data(b"\xff\x00", r#"{"data_base64":"/wA="}"#);
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "\\PC{0,30}".prop_map(String::into_bytes),
        "[0-9a-z{}:,\" ]{0,12}".prop_map(String::into_bytes),
        (any::<i64>(), "\\PC{0,9}").prop_map(|(n, s)| json!({ "n": n, "s": s, "l": [true, null] }).to_string().into()),
    ]
}

fn pairs_of() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[a-zA-Z: -]{0,8}", "\\PC{0,12}"), 0..4)
}

fn classes() -> impl Strategy<Value = Class> {
    prop::sample::select(vec![Class::Read, Class::Local, Class::Repeatable, Class::Unkeyed])
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop::sample::select(vec![Verdict::Done, Verdict::Refused, Verdict::NotExecuted, Verdict::InDoubt])
}

/// A call: what it is, its hash, what it was asked with, what it was answered.
type Call = (What, ArgumentHash, Option<Vec<u8>>, Vec<u8>);

fn http() -> impl Strategy<Value = Call> {
    let place = prop::sample::select(vec!["github", "https://api.test", "http://127.0.0.1:9101"]);
    let query = prop::option::of("[a-z0-9=&?%]{0,8}");
    let request = ("[A-Z]{1,7}", place, "/[a-z0-9/%._-]{0,12}", query, pairs_of(), bodies());
    let response = (100..599_u16, pairs_of(), bodies());
    let error = ("\\PC{0,20}", 0..6_u8).prop_map(|(text, which)| match which {
        0 => HttpError::AccessDenied(text),
        1 => HttpError::Invalid(text),
        2 => HttpError::Unavailable(text),
        3 => HttpError::Timeout(text),
        4 => HttpError::InDoubt(text),
        _ => HttpError::TooLarge(text),
    });
    let answer = prop_oneof![
        response.prop_map(|(status, headers, body)| Ok(HttpResponse { status, headers, body: body.into() })),
        error.prop_map(Err)
    ];
    (request, answer).prop_map(|((method, place, path, query, headers, body), answer): (_, HttpAnswer)| {
        let body = (!body.is_empty()).then(|| ByteBuf::from(body));
        let body_bytes = body.as_ref().map_or(0, |body| body.len() as u64);
        let asked = HttpAsked { method, place: place.into(), path, query, headers, body_bytes, body };
        let what = What { capability: Capability::Http, text: asked.text() };
        (what, asked.hash().unwrap(), Some(encode_answer(&asked)), encode_answer(&answer))
    })
}

fn kv() -> impl Strategy<Value = Call> {
    let asked = ("[a-z/]{1,9}", bodies(), any::<i64>(), prop::option::of(1..9_u32), 0..4_u8);
    let call = asked.prop_map(|(key, value, by, ttl_seconds, which)| match which {
        0 => KvCall::Get(key),
        1 => KvCall::Increment(Addition { key, by }),
        2 => KvCall::GetMany(vec![key.clone(), key]),
        _ => KvCall::Set(Assignment { key, value: ByteBuf::from(value), ttl_seconds }),
    });
    let answer = (bodies(), any::<i64>(), "\\PC{0,9}", 0..6_u8).prop_map(|(value, sum, text, which)| match which {
        0 => Ok(KvValue::Entry(None)),
        1 => Ok(KvValue::Entry(Some(KvEntry { value: ByteBuf::from(value), version: text }))),
        2 => Ok(KvValue::Sum(sum)),
        3 => Ok(KvValue::Done),
        4 => Err(KvError::Quota(text)),
        _ => Ok(KvValue::Flag(sum > 0)),
    });
    (call, answer).prop_map(|(call, answer): (_, KvAnswer)| {
        let what = What { capability: Capability::Kv, text: call.label() };
        let asked = encode_answer(&call);
        (what, ArgumentHash::of([asked.as_slice()]), Some(asked), encode_answer(&answer))
    })
}

fn events() -> impl Strategy<Value = Call> {
    let draft = ("[a-z.]{1,9}", prop::option::of("\\PC{0,9}"), bodies(), pairs_of(), 0..9_u32);
    let draft = draft.prop_map(|(event_type, text, data, extensions, delay_seconds)| Draft {
        id: text.clone(),
        event_type,
        subject: text.clone(),
        content_type: None,
        schema: text,
        extensions,
        data: ByteBuf::from(data),
        delay_seconds,
    });
    let answer = (prop::collection::vec("\\PC{0,9}", 0..3), any::<bool>()).prop_map(|(ids, fine)| match fine {
        true => Ok(ids),
        false => Err(EventsError::Quota(ids.concat())),
    });
    (prop::collection::vec(draft, 0..3), answer).prop_map(|(drafts, answer): (_, EventsAnswer)| {
        let what = What { capability: Capability::Events, text: emit_label(&drafts) };
        let asked = encode_answer(&drafts);
        (what, ArgumentHash::of([asked.as_slice()]), Some(asked), encode_answer(&answer))
    })
}

fn config() -> impl Strategy<Value = Call> {
    (prop::option::of("[a-z]{1,8}"), pairs_of()).prop_map(|(name, settings)| {
        let text = name.map_or_else(|| "get-all".to_owned(), |name| format!("get {name}"));
        let hash = ArgumentHash::of([text.as_bytes()]);
        (What { capability: Capability::Config, text }, hash, None, encode_answer(&settings))
    })
}

fn records_of(call: u32, made: Call, class: Class, verdict: Verdict, answered: bool, generation: u32) -> Vec<Record> {
    let (what, hash, asked, answer) = made;
    let mut records: Vec<_> =
        asked.map(|asked| Record::Asked { call, request: ByteBuf::from(asked) }).into_iter().collect();
    let intent = !matches!(class, Class::Read | Class::Local);
    if intent {
        records.push(Record::Intent { call, what: what.clone(), hash, generation, class });
    }
    if answered || !intent {
        let answer = ByteBuf::from(answer);
        records.push(Record::Result { call, what, hash, class, verdict, took_ms: 7, answer });
    }
    records
}

fn sequence() -> impl Strategy<Value = Vec<Record>> {
    let time = (any::<u64>(), 0..4_000_000_000_000_i64);
    let one = prop_oneof![
        time.prop_map(|(monotonic_ms, wall)| Record::Time(Moment { monotonic_ms, wall: Timestamp(wall) })),
        any::<u32>().prop_map(Record::Remaining),
        any::<bool>().prop_map(Record::Ready),
        Just(Record::Block),
        (any::<u32>(), prop::collection::vec(any::<u32>(), 0..4)).prop_map(|(of, ready)| Record::Poll { of, ready }),
    ];
    prop::collection::vec(one, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a journal holds, the file made of it gives back the very same records.
    #[test]
    fn p6_every_record_survives_the_file(
        calls in prop::collection::vec((prop_oneof![http(), kv(), events(), config()], classes(), verdicts(), any::<bool>(), 0..3_u32), 0..5),
        own in sequence(),
    ) {
        let mut records = Vec::new();
        for (at, (call, class, verdict, answered, generation)) in calls.into_iter().enumerate() {
            let generation = if matches!(class, Class::Read | Class::Local) { 0 } else { generation };
            records.extend(records_of(at as u32 + 1, call, class, verdict, answered, generation));
        }
        let chunk = Chunk { number: 0, bytes: encode(&[records.clone(), own.clone()].concat()) };
        let read = make::read(&[chunk], &Redactor::none()).unwrap();
        let text = serde_json::to_string_pretty(&read.calls).unwrap();
        let again: Vec<RecordedCall> = serde_json::from_str(&text).unwrap();
        let again: Vec<Record> = again.iter().flat_map(|call| call.records().unwrap()).collect();
        prop_assert_eq!(again, records, "{}", text);
        let lines: Vec<Record> = read.observed.iter().map(|line| observed::record(line).unwrap()).collect();
        prop_assert_eq!(lines, own);
        prop_assert!(!text.contains("answer_base64") && !text.contains("request_hash"), "{}", text);
    }
}

fn options() -> RigOptions {
    let grant = HttpGrant {
        target: HttpTarget::Connection(name("api")),
        methods: vec!["GET".into(), "POST".into()],
        paths: vec!["/**".parse().unwrap()],
        redirects: 0,
        retry_in_doubt: false,
    };
    let kv = crate::grant::KvGrant { prefix: String::new(), write: true };
    let grants = Grants { http: vec![grant], kv: vec![kv], ..Grants::default() };
    RigOptions {
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
        grants,
        retry: RetryPolicy::default(),
        keyed: true,
    }
}

fn request(method: &str, url: &str, body: &'static str) -> HttpCall {
    HttpCall {
        connection: Some(name("api")),
        method: method.into(),
        url: url.into(),
        headers: vec![("X-Own".into(), "1".into())],
        body: Bytes::from_static(body.as_bytes()),
        timeout: None,
        max_redirects: 0,
    }
}

/// A guest: an effect, a count, a read, and one more effect that the other side fails.
async fn guest(hatch: &Arc<Hatch>, last: &'static str) -> Result<u16, Stop> {
    hatch.time()?;
    let number = hatch.number()?;
    hatch.http(number, request("POST", "/one", r#"{"a":1}"#)).await?.unwrap();
    let number = hatch.number()?;
    let add = KvCall::Increment(Addition { key: "count".into(), by: 1 });
    hatch.kv(number, "default", add).await?.unwrap();
    let number = hatch.number()?;
    hatch.http(number, request("GET", "/two?x=1", "")).await?.unwrap();
    let number = hatch.number()?;
    let answer = hatch.http(number, request("POST", "/three", last)).await?.unwrap();
    hatch.remaining_ms()?;
    Ok(answer.status)
}

fn failed() -> Outcome {
    Outcome::Failed(Failure {
        name: "Error".into(),
        message: "the last one failed".into(),
        stack: None,
        retryable: true,
        retry_after: None,
    })
}

/// An attempt that failed, settled as the executor does, and the recording made of what is then stored.
async fn recorded() -> (Rig, Recording) {
    let rig = Rig::new(options()).await;
    rig.accept("hello").await;
    rig.http.will([responds(201, "made"), responds(200, "read"), responds(422, "no")]);
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    assert_eq!(guest(&hatch, "third").await.unwrap(), 422);
    hatch.log(Level::Warn, "about to fail", &vec![("why".into(), "422".into())]);
    hatch.finish().await;
    let closing = hatch.closing();
    let now = SystemClock.now();
    let attempt = AttemptRecord {
        number: 1,
        started: now,
        ended: now,
        outcome: failed().label().into(),
        reason: Some(failed().reason()),
        stack: None,
        usage: Usage::default(),
        refused: None,
        calls: closing.calls.clone(),
    };
    let then = Settle::DeadLettered { reason: "over".into() };
    let ending = Ending { attempt, output: None, then, journal: JournalEnd::Cut(closing.cut) };
    rig.store.settle(claim.fence, ending).await.unwrap();
    let run = claim.fence.run;
    let version = rig.store.version(&scope().integration, 1).await.unwrap();
    let component = &version.manifest.components[&claim.target.component];
    let surroundings = rig.outside.surroundings(run, &claim.target, &version.manifest, component).await.unwrap();
    let detail: RunDetail = rig.store.run(run).await.unwrap();
    let chunks = rig.store.load(run).await.unwrap();
    let log = rig.logs.of_run(run, 100);
    let artifact = version.artifacts[&claim.target.component];
    let made = Made { run: detail, chunks: &chunks, component, artifact, surroundings, log };
    let recording = made.recording().unwrap();
    (rig, recording)
}

/// A dead letter keeps all that its last attempt did, also behind the cut, and plays from it.
#[tokio::test]
async fn p7_a_dead_letter_plays_as_it_was() {
    let (rig, recording) = recorded().await;
    let text = recording.write();
    let read = Recording::read(&text).unwrap();
    assert_eq!(read, recording, "{}", String::from_utf8_lossy(&text));
    assert_eq!(read.write(), text);
    let whats: Vec<_> = read.calls.iter().map(|call| call.what.as_str()).collect();
    assert_eq!(whats, ["POST api /one", "increment count", "GET api /two", "POST api /three"]);
    assert_eq!(read.calls[0].request.as_ref().unwrap()["data"], json!({ "a": 1 }));
    assert_eq!(read.calls[0].request.as_ref().unwrap()["headers"], json!(["X-Own: 1"]));
    assert_eq!(read.calls[2].request.as_ref().unwrap()["path"], "/two?x=1");
    assert_eq!(read.calls[3].response.as_ref().unwrap()["status"], 422);
    assert_eq!((read.partial.as_deref(), read.outcome.as_ref().unwrap().outcome.as_str()), (None, "failed"));

    let asked = rig.http.asked().len();
    let folder = tempfile::tempdir().unwrap();
    let playback = Playback::open(&read, folder.path(), true, vec![]).unwrap();
    let hatch = playback.work(read.component.artifact).hatch;
    assert_eq!(guest(&hatch, "third").await.unwrap(), 422);
    hatch.log(Level::Warn, "about to fail", &vec![("why".into(), "422".into())]);
    let report = Report { outcome: failed(), usage: Usage::default() };
    let played = playback.ended(Ok(report)).await;
    assert_eq!(played.differences(&read), [""; 0]);
    assert_eq!((played.log_difference(&read), played.usage.replayed), (None, 4));
    assert_eq!(rig.http.asked().len(), asked, "something was sent");
}

/// What is not recorded, or recorded otherwise, is not made: both calls are shown.
#[tokio::test]
async fn p6_another_call_than_recorded_ends_the_playback() {
    let (_rig, recording) = recorded().await;
    let folder = tempfile::tempdir().unwrap();
    let playback = Playback::open(&recording, folder.path(), true, vec![]).unwrap();
    let hatch = playback.work(recording.component.artifact).hatch;
    guest(&hatch, "another").await.unwrap_err();
    let report = Report { outcome: failed(), usage: Usage::default() };
    let played = playback.ended(Ok(report)).await;
    let diverged = played.diverged.clone().unwrap();
    assert_eq!(diverged.call, 4);
    let stack = played.outcome().stack.join("\n");
    assert_eq!(
        stack,
        "recorded  POST api /three\n          X-Own: 1\n          third\n\
         now       POST api /three\n          X-Own: 1\n          another\nthey differ from line 3 on"
    );
    let told = played.differences(&recording);
    assert!(told[0].starts_with("non-determinism at call 4: recorded http POST api /three, now"), "{told:?}");

    // An edited recording: its request counts, whatever it was before.
    let mut edited = recording.clone();
    edited.calls[3].request.as_mut().unwrap()["data_text"] = json!("another");
    edited.calls[3].response = Some(json!({ "status": 201 }));
    let folder = tempfile::tempdir().unwrap();
    let playback = Playback::open(&edited, folder.path(), true, vec![]).unwrap();
    let hatch = playback.work(recording.component.artifact).hatch;
    assert_eq!(guest(&hatch, "another").await.unwrap(), 201);

    // One call more than there is.
    let number = hatch.number().unwrap();
    let more = hatch.http(number, request("GET", "/four", "")).await.unwrap_err();
    assert_eq!(
        more.to_string(),
        "non-determinism at call 5: recorded nothing: the recording has no such call, now http GET api /four"
    );
}

/// A next attempt goes on from the cut, and its own end takes the place of the one before.
#[tokio::test]
async fn what_was_cut_off_is_kept_of_the_last_attempt_alone() {
    let rig = Rig::new(options()).await;
    rig.accept("hello").await;
    for (attempt, told) in [(1, "no"), (2, "still no")] {
        rig.http.will((attempt == 1).then(|| responds(201, "made")));
        rig.http.will([responds(200, "read"), responds(422, told)]);
        let claim = rig.claim().await;
        let hatch = rig.hatch(&claim).await;
        guest(&hatch, "third").await.unwrap();
        hatch.finish().await;
        let closing = hatch.closing();
        assert_eq!(closing.replayed, if attempt == 1 { 0 } else { 2 });
        let attempt = AttemptRecord {
            number: attempt,
            started: SystemClock.now(),
            ended: SystemClock.now(),
            outcome: "failed".into(),
            reason: None,
            stack: None,
            usage: Usage::default(),
            refused: None,
            calls: vec![],
        };
        let then = Settle::Waiting { due: SystemClock.now(), hard: false };
        let ending = Ending { attempt, output: None, then, journal: JournalEnd::Cut(closing.cut) };
        rig.store.settle(claim.fence, ending).await.unwrap();
        let chunks = rig.store.load(claim.fence.run).await.unwrap();
        let read = make::read(&chunks, &Redactor::none()).unwrap();
        let last = read.calls.last().unwrap();
        assert_eq!((last.call, last.response.as_ref().unwrap()["data_text"].as_str()), (4, Some(told)));
        assert_eq!(read.observed.iter().filter(|line| line.starts_with("time")).count(), 1);
        rig.store.wake();
    }
    assert_eq!(rig.http.asked().len(), 5, "the first effect was made again");
}

/// A secret that an answer gave away is taken out, and the recording still plays.
#[test]
fn threat_048_values_of_secrets_are_taken_out() {
    let secret = "s3cret-value/1";
    let answer: HttpAnswer = Ok(HttpResponse {
        status: 200,
        headers: vec![("x-token".into(), secret.into())],
        body: json!({ "echo": secret }).to_string().into(),
    });
    let asked = HttpAsked {
        method: "POST".into(),
        place: "api".into(),
        path: "/x".into(),
        query: Some("k=s3cret-value%2F1".into()),
        headers: vec![],
        body_bytes: 14,
        body: Some(ByteBuf::from(secret.as_bytes().to_vec())),
    };
    let what = What { capability: Capability::Http, text: asked.text() };
    let made = (what, asked.hash().unwrap(), Some(encode_answer(&asked)), encode_answer(&answer));
    let set = KvCall::Set(Assignment { key: "k".into(), value: ByteBuf::from(secret), ttl_seconds: None });
    let what = What { capability: Capability::Kv, text: set.label() };
    let entry: KvAnswer = Ok(KvValue::Entry(Some(KvEntry { value: ByteBuf::from(secret), version: "1".into() })));
    let other = (what, ArgumentHash([1; 32]), Some(encode_answer(&set)), encode_answer(&entry));
    let mut records = records_of(1, made, Class::Unkeyed, Verdict::Done, true, 0);
    records.extend(records_of(2, other, Class::Local, Verdict::Done, true, 0));
    let chunk = Chunk { number: 0, bytes: encode(&records) };
    let read = make::read(&[chunk], &Redactor::new([secret])).unwrap();
    let text = serde_json::to_string(&read.calls).unwrap();
    assert!(!text.contains("s3cret") && !text.contains("base64"), "{text}");
    for call in &read.calls {
        assert!(!call.records().unwrap().is_empty());
        assert!(call.request_hash.is_none());
    }
}

/// A credential that a guest has of its own is not kept; the call can still be told from another one.
#[tokio::test]
async fn threat_048_a_guests_own_credential_is_not_kept() {
    let rig = Rig::new(options()).await;
    rig.accept("").await;
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    let call = |token: &str| {
        let mut call = request("POST", "/login", "body");
        call.headers.push(("Authorization".into(), token.into()));
        call
    };
    let number = hatch.number().unwrap();
    hatch.http(number, call("Bearer its-own-token")).await.unwrap().unwrap();
    hatch.finish().await;
    // Behind everything that was handed to the writer.
    rig.store.set_meta_once("behind", vec![]).await.unwrap();
    let chunks = rig.store.load(claim.fence.run).await.unwrap();
    let stored = chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect::<Vec<u8>>();
    assert!(!stored.windows(9).any(|part| part == b"its-own-t"), "it is in the journal");
    let read = make::read(&chunks, &Redactor::none()).unwrap();
    let text = serde_json::to_string(&read.calls).unwrap();
    assert!(text.contains("Authorization: [left out]") && text.contains("request_hash"), "{text}");
    let again: Vec<RecordedCall> = serde_json::from_str(&text).unwrap();
    let hash = again[0].records().unwrap().into_iter().find_map(|record| match record {
        Record::Intent { hash, .. } | Record::Result { hash, .. } => Some(hash),
        _ => None,
    });
    let own = read.calls[0].request_hash.as_deref().unwrap();
    assert_eq!(data_encoding::HEXLOWER.encode(&hash.unwrap().0), own);
}

#[test]
fn a_file_of_another_format_says_so() {
    let error = Recording::read(br#"{"format": 2}"#).unwrap_err();
    assert_eq!(error.to_string(), "it has format 2, and this version reads format 1; use the version that wrote it");
    assert!(Recording::read(b"[]").unwrap_err().to_string().starts_with("it is not a recording of a run"));
}
