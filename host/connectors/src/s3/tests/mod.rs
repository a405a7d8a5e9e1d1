//! The s3 plug against VersityGW, and against servers of a few lines where that one is too well behaved.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ports::blob::{Blob, BlobCall, BlobDone, Object, ObjectInfo};
use jackfield_core::ports::connector::{Connector, Secrets};
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_tests::servers::s3::{ACCESS_KEY, Options, REGION, SECRET_KEY, WRONG_SECRET_KEY};
use jackfield_tests::servers::{S3, tls};
use secrecy::SecretString;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::S3Connector;
use crate::Network;
use crate::tests::{Names, network};

mod hostile;
mod settings;
mod trigger;

const SOON: Duration = Duration::from_secs(30);
const SECRET: &str = "s3-secret-key";

fn secrets(key: &str) -> Secrets {
    vec![(SECRET.to_owned(), SecretString::from(key))]
}

fn settings(endpoint: &str, bucket: &str) -> Value {
    json!({
        "endpoint": endpoint,
        "region": REGION,
        "bucket": bucket,
        "credential": { "access_key": ACCESS_KEY, "secret": SECRET },
    })
}

fn open_at(network: &Network, settings: &Value, key: &str) -> Arc<dyn Blob> {
    S3Connector::new(network).open(settings.as_object().unwrap(), &secrets(key)).unwrap().blob.unwrap()
}

fn open(settings: &Value) -> Arc<dyn Blob> {
    open_at(&Network::default(), settings, SECRET_KEY)
}

/// A connection to a bucket of its own on the shared server.
async fn fresh() -> (&'static S3, String, Arc<dyn Blob>) {
    let server = S3::shared().await;
    let bucket = server.bucket().await;
    let blob = open(&settings(&server.endpoint(), &bucket));
    (server, bucket, blob)
}

fn with() -> Sending {
    Sending { key: "key0of0a0call".into(), timeout: SOON, answer_bytes: 100_000, answer_rows: 1_000 }
}

async fn call(blob: &Arc<dyn Blob>, call: BlobCall) -> Result<BlobDone, Failure> {
    let done = tokio::time::timeout(SOON * 2, blob.run(&call, &with())).await.expect("every call ends");
    if let Err(failure) = &done {
        let told = failure.to_string();
        assert!(!told.contains(SECRET_KEY) && !told.contains(WRONG_SECRET_KEY), "{told}");
    }
    done
}

fn object(name: &str, data: &[u8]) -> Object {
    Object { name: name.into(), content_type: None, metadata: Vec::new(), data: ByteBuf::from(data.to_vec()) }
}

async fn put(blob: &Arc<dyn Blob>, object: Object) -> Result<String, Failure> {
    match call(blob, BlobCall::Put(object)).await? {
        BlobDone::Written(etag) => Ok(etag),
        other => panic!("{other:?}"),
    }
}

async fn get(blob: &Arc<dyn Blob>, name: &str, range: Option<(u64, u32)>) -> Result<Option<Vec<u8>>, Failure> {
    match call(blob, BlobCall::Get { name: name.into(), range }).await? {
        BlobDone::Data(data) => Ok(data.map(ByteBuf::into_vec)),
        other => panic!("{other:?}"),
    }
}

async fn stat(blob: &Arc<dyn Blob>, name: &str) -> Result<Option<ObjectInfo>, Failure> {
    match call(blob, BlobCall::Stat(name.into())).await? {
        BlobDone::Info(info) => Ok(info),
        other => panic!("{other:?}"),
    }
}

/// All names of a list, page by page.
async fn listed(blob: &Arc<dyn Blob>, prefix: &str, limit: u32) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let asked = BlobCall::List { prefix: prefix.into(), cursor: cursor.take(), limit };
        let BlobDone::Page { objects, next } = call(blob, asked).await.unwrap() else { panic!() };
        assert!(objects.len() <= limit as usize);
        names.extend(objects.into_iter().map(|object| object.name));
        match next {
            None => return names,
            next => cursor = next,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_works() {
    let (server, bucket, blob) = fresh().await;
    assert_eq!(stat(&blob, "a/b.csv").await.unwrap(), None);
    assert_eq!(get(&blob, "a/b.csv", None).await.unwrap(), None);
    let data: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let written = Object {
        content_type: Some("text/csv; charset=utf-8".into()),
        metadata: vec![("Order".into(), "7 of 9".into()), ("x-y_z".into(), "a=b;c".into())],
        ..object("a/b.csv", &data)
    };
    let etag = put(&blob, written).await.unwrap();
    assert!(server.object(&bucket, "a/b.csv").unwrap() == data);
    let info = stat(&blob, "a/b.csv").await.unwrap().unwrap();
    assert_eq!((info.size, info.content_type.as_deref()), (70_000, Some("text/csv; charset=utf-8")));
    assert_eq!(info.metadata, [("order".to_owned(), "7 of 9".to_owned()), ("x-y_z".to_owned(), "a=b;c".to_owned())]);
    assert_eq!(info.etag, etag);
    assert!(!etag.contains('"') && info.modified.ends_with('Z'), "{etag} {}", info.modified);

    assert!(get(&blob, "a/b.csv", None).await.unwrap().unwrap() == data);
    for ((offset, length), end) in [((0, 4), 4), ((69_990, 100), 70_000), ((256, 1), 257)] {
        let expected = &data[usize::try_from(offset).unwrap()..end];
        assert!(get(&blob, "a/b.csv", Some((offset, length))).await.unwrap().unwrap() == expected, "{offset}");
    }
    assert_eq!(get(&blob, "a/b.csv", Some((70_000, 4))).await.unwrap().unwrap(), b"");
    let behind = get(&blob, "a/b.csv", Some((70_001, 4))).await;
    assert!(matches!(&behind, Err(Failure::Invalid(text)) if text.contains("70000 bytes")), "{behind:?}");
    put(&blob, object("empty", b"")).await.unwrap();
    assert_eq!(get(&blob, "empty", None).await.unwrap().unwrap(), b"");
    assert_eq!(stat(&blob, "empty").await.unwrap().unwrap().size, 0);

    // Names that have to be escaped somewhere on the way.
    let odd = ["a b+c&d=e%20f?g#h", "ü/ß/\u{1f600}", "quote\"'<>.txt", "a~b*c!d(e)", "semi;colon,comma:@$", "x\\y"];
    for name in odd {
        put(&blob, object(name, name.as_bytes())).await.unwrap();
        assert_eq!(get(&blob, name, None).await.unwrap().unwrap(), name.as_bytes(), "{name}");
        assert_eq!(server.object(&bucket, name).unwrap(), name.as_bytes(), "{name}");
        assert_eq!(stat(&blob, name).await.unwrap().unwrap().size, name.len() as u64);
    }
    let mut expected: Vec<String> = odd.iter().map(|name| (*name).to_owned()).collect();
    expected.extend(["a/b.csv".to_owned(), "empty".to_owned()]);
    expected.sort();
    assert_eq!(listed(&blob, "", 1_000).await, expected);
    for _ in 0..2 {
        assert_eq!(call(&blob, BlobCall::Remove("a/b.csv".into())).await.unwrap(), BlobDone::Removed);
    }
    assert_eq!(server.object(&bucket, "a/b.csv"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_in_order_below_the_prefix_and_go_on_where_they_ended() {
    let (server, bucket, _) = fresh().await;
    let mut settings = settings(&server.endpoint(), &bucket);
    settings["prefix"] = "base/of/it".into();
    let blob = open(&settings);
    let mut expected = Vec::new();
    for n in 0..25 {
        put(&blob, object(&format!("d{}/n{n:02}", n % 3), b"x")).await.unwrap();
        expected.push(format!("d{}/n{n:02}", n % 3));
    }
    server.put(&bucket, "base/of/other", b"x").await;
    server.put(&bucket, "outside", b"x").await;
    // Stands for a folder on such servers: an object that no call can say.
    server.put(&bucket, "base/of/it/folder/", b"").await;
    expected.sort();
    for limit in [1, 4, 1_000] {
        assert_eq!(listed(&blob, "", limit).await, expected, "{limit}");
    }
    let below: Vec<String> = expected.iter().filter(|name| name.starts_with("d1/n1")).cloned().collect();
    assert_eq!(listed(&blob, "d1/n1", 2).await, below);
    assert!(server.keys(&bucket).contains(&"base/of/it/d0/n00".to_owned()));
    let BlobDone::Page { objects, .. } =
        call(&blob, BlobCall::List { prefix: "d1/".into(), cursor: None, limit: 1 }).await.unwrap()
    else {
        panic!()
    };
    let known = stat(&blob, &objects[0].name).await.unwrap().unwrap();
    assert_eq!((&objects[0].etag, objects[0].size), (&known.etag, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_refused_by_the_other_side() {
    let server = S3::shared().await;
    let blob = open(&settings(&server.endpoint(), "no-such-bucket"));
    for asked in [
        BlobCall::Stat("a".into()),
        BlobCall::Get { name: "a".into(), range: None },
        BlobCall::Get { name: "a".into(), range: Some((0, 1)) },
        BlobCall::Put(object("a", b"x")),
        BlobCall::Remove("a".into()),
        BlobCall::List { prefix: String::new(), cursor: None, limit: 1 },
    ] {
        let refused = call(&blob, asked.clone()).await;
        let Err(Failure::Refused { code, message }) = refused else { panic!("{asked:?}: {refused:?}") };
        assert_eq!(code, "NoSuchBucket", "{message}");
    }
    let (_, _, blob) = fresh().await;
    let metadata = |key: &str, value: &str| Object { metadata: vec![(key.into(), value.into())], ..object("a", b"") };
    for bad in [
        metadata("a b", "c"),
        metadata("", "c"),
        metadata("a\r\nx", "c"),
        metadata("a", "line\r\nx-amz-acl: public-read"),
        metadata("a", "ü"),
        metadata("a", " spaces "),
        Object { metadata: vec![("A".into(), "1".into()), ("a".into(), "2".into())], ..object("a", b"") },
        Object { content_type: Some("text/plain\r\nx: y".into()), ..object("a", b"") },
        Object { content_type: Some(String::new()), ..object("a", b"") },
        object(&"x".repeat(1_025), b""),
    ] {
        let refused = put(&blob, bad.clone()).await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{bad:?}: {refused:?}");
    }
    assert_eq!(listed(&blob, "", 10).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_wrong_credential() {
    let (server, bucket, blob) = fresh().await;
    put(&blob, object("a", b"x")).await.unwrap();
    let wrong = settings(&server.endpoint(), &bucket);
    let mut unknown = wrong.clone();
    unknown["credential"]["access_key"] = "nobody".into();
    for (settings, key) in [(&wrong, WRONG_SECRET_KEY), (&unknown, SECRET_KEY)] {
        let blob = open_at(&Network::default(), settings, key);
        for asked in [
            BlobCall::Stat("a".into()),
            BlobCall::Get { name: "a".into(), range: None },
            BlobCall::Put(object("b", b"x")),
        ] {
            let refused = call(&blob, asked.clone()).await;
            let Err(Failure::NotExecuted(text)) = refused else { panic!("{asked:?}: {refused:?}") };
            assert!(text.contains(SECRET) && text.contains("credential"), "{text}");
        }
        let found =
            S3Connector::new(&Network::default()).test(settings.as_object().unwrap(), &secrets(key), SOON).await;
        let last = found.last().unwrap();
        assert!(!last.ok && last.what == "credential" && last.detail.contains(SECRET), "{found:?}");
    }
    assert_eq!(server.object(&bucket, "b"), None);
    let missing = S3Connector::new(&Network::default()).open(wrong.as_object().unwrap(), &Vec::new());
    assert!(missing.err().unwrap()[0].problem.contains("secrets set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_limit_hit() {
    let (_, _, blob) = fresh().await;
    put(&blob, object("large", &vec![7; 100_001])).await.unwrap();
    let refused = get(&blob, "large", None).await;
    let Err(Failure::TooLarge { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("100001") && message.contains("limits.blob"), "{message}");
    assert_eq!(get(&blob, "large", Some((1, 100_000))).await.unwrap().unwrap().len(), 100_000);
    // A list is counted too: what does not fit is on the next page.
    for n in 0..20 {
        put(&blob, object(&format!("n{n:02}"), b"")).await.unwrap();
    }
    let few = Sending { answer_bytes: 1_000, ..with() };
    let all = BlobCall::List { prefix: "n".into(), cursor: None, limit: 1_000 };
    let BlobDone::Page { objects, next } = blob.run(&all, &few).await.unwrap() else { panic!() };
    assert!(objects.len() < 12 && next == Some(objects.last().unwrap().name.clone()), "{}", objects.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_killed_mid_call_and_restarted() {
    let mut server = S3::start(Options::default()).await;
    let bucket = server.bucket().await;
    let blob = open(&settings(&server.endpoint(), &bucket));
    put(&blob, object("before", b"x")).await.unwrap();
    server.pause();
    let mut hanging = JoinSet::new();
    hanging.spawn({
        let blob = Arc::clone(&blob);
        async move { put(&blob, object("during", b"x")).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.kill().await;
    let cut = hanging.join_next().await.unwrap().unwrap();
    assert!(matches!(cut, Err(Failure::Broken { .. } | Failure::NotExecuted(_))), "{cut:?}");
    if matches!(cut, Err(Failure::NotExecuted(_))) {
        assert_eq!(server.object(&bucket, "during"), None);
    }
    let away = put(&blob, object("away", b"x")).await;
    assert!(matches!(&away, Err(Failure::NotExecuted(text)) if text.contains("nothing listens")), "{away:?}");
    server.restart().await;
    put(&blob, object("after", b"x")).await.unwrap();
    assert_eq!(get(&blob, "before", None).await.unwrap().unwrap(), b"x");
    assert_eq!(server.object(&bucket, "away"), None);

    // One that hangs is waited for no longer than the call may take.
    server.pause();
    let short = Sending { timeout: Duration::from_millis(400), ..with() };
    let began = std::time::Instant::now();
    let late = blob.run(&BlobCall::Put(object("late", b"x")), &short).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(matches!(late, Err(Failure::Broken { timed_out: true, .. } | Failure::NotExecuted(_))), "{late:?}");
    server.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_tls() {
    let server = S3::start(Options { tls: true }).await;
    let bucket = server.bucket().await;
    let mut good = settings(&server.endpoint(), &bucket);
    good["ca"] = tls::files().ca.as_str().into();
    put(&open(&good), object("a", b"x")).await.unwrap();
    let elsewhere = server.endpoint().replace("127.0.0.1", "storage.test");
    let (network, _) = network(Names::default().with("storage.test", &["127.0.0.1"]));
    for (key, value, expected) in [
        ("ca", Value::Null, "authority that is not trusted here"),
        ("ca", Value::from(tls::files().stranger.as_str()), "TLS with"),
        ("endpoint", Value::from(elsewhere), "for another name"),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let refused = call(&open_at(&network, &bad, SECRET_KEY), BlobCall::Put(object("b", b"x"))).await;
        assert!(matches!(&refused, Err(Failure::NotExecuted(text)) if text.contains(expected)), "{key}: {refused:?}");
    }
    assert_eq!(server.keys(&bucket), ["a"]);
    let found = S3Connector::new(&Network::default()).test(good.as_object().unwrap(), &secrets(SECRET_KEY), SOON).await;
    let what: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(what, ["address", "reachable", "tls", "credential", "bucket"]);
    assert!(found.iter().all(|finding| finding.ok) && found[4].detail.contains("`a`"), "{found:?}");
}
