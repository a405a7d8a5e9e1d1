//! Whose address, and what servers do that a good one would not.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that answers everything with these bytes and then closes, and what it heard.
async fn server(answer: impl Into<Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let (log, answer) = (Arc::clone(&heard), Arc::new(answer.into()));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            connections.spawn(async move {
                let mut read = vec![0; 64 * 1024];
                let n = stream.read(&mut read).await.unwrap_or(0);
                log.lock().unwrap().push(String::from_utf8_lossy(&read[..n]).into_owned());
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                while stream.read(&mut read).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    (endpoint, heard, tasks)
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len()).into()
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (target, reached, _tasks) = server(response("200 OK", "", "secret")).await;
    let location = format!("location: {target}/stolen\r\n");
    let (endpoint, heard, _tasks2) = server(response("307 Temporary Redirect", &location, "")).await;
    let blob = open(&settings(&endpoint, "bucket"));
    for asked in [BlobCall::Get { name: "a".into(), range: None }, BlobCall::Put(object("a", b"x"))] {
        let refused = call(&blob, asked).await;
        assert!(
            matches!(&refused, Err(Failure::Refused { message, .. }) if message.contains("not followed")),
            "{refused:?}"
        );
    }
    assert_eq!(heard.lock().unwrap().len(), 2, "each call is one request");
    assert!(reached.lock().unwrap().is_empty(), "the credential's signature went nowhere else");
}

#[tokio::test]
async fn only_the_servers_address_is_dialed_and_only_if_it_may_be() {
    let (network, audited) = network(Names::default().with("storage.test", &["169.254.169.254"]));
    let denied =
        call(&open_at(&network, &settings("http://storage.test", "bucket"), SECRET_KEY), BlobCall::Stat("a".into()))
            .await;
    assert!(matches!(denied, Err(Failure::Denied(_))), "{denied:?}");
    let strict = Network::default().strict();
    let (endpoint, heard, _tasks) = server(response("200 OK", "", "")).await;
    let denied = call(&open_at(&strict, &settings(&endpoint, "bucket"), SECRET_KEY), BlobCall::Stat("a".into())).await;
    assert!(matches!(denied, Err(Failure::Denied(_))), "{denied:?}");
    assert!(heard.lock().unwrap().is_empty() && audited.lock().unwrap().len() == 1);
    // With the bucket in the host's name it is that name that is looked up.
    let (network, audited) = crate::tests::network(Names::default().with("bucket.storage.test", &["169.254.169.254"]));
    let mut settings = settings("http://storage.test", "bucket");
    settings["path_style"] = false.into();
    let denied = call(&open_at(&network, &settings, SECRET_KEY), BlobCall::Stat("a".into())).await;
    assert!(matches!(denied, Err(Failure::Denied(_))), "{denied:?}");
    assert_eq!(audited.lock().unwrap()[0].host, "bucket.storage.test");
}

#[tokio::test]
async fn answers_that_are_too_long_or_cut_are_told_so() {
    let get_a = || BlobCall::Get { name: "a".into(), range: None };
    let put_a = || BlobCall::Put(object("a", b"x"));
    let list = || BlobCall::List { prefix: String::new(), cursor: None, limit: 10 };
    let meta = "etag: \"e\"\r\nlast-modified: Sun, 29 Nov 2026 19:44:45 GMT\r\n";
    // Too large, told by its length before anything is read.
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n{meta}\r\n");
    let (endpoint, _, _tasks) = server(long).await;
    let large = call(&open(&settings(&endpoint, "bucket")), get_a()).await;
    assert!(matches!(large, Err(Failure::TooLarge { .. })), "{large:?}");
    // Cut.
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n{meta}\r\nhalf");
    let (endpoint, _, _tasks) = server(cut).await;
    let broken = call(&open(&settings(&endpoint, "bucket")), get_a()).await;
    assert!(matches!(broken, Err(Failure::Broken { timed_out: false, .. })), "{broken:?}");
    // Nothing at all.
    let (endpoint, _, _tasks) = server("").await;
    let broken = call(&open(&settings(&endpoint, "bucket")), put_a()).await;
    assert!(matches!(broken, Err(Failure::Broken { timed_out: false, .. })), "{broken:?}");
    // Lists without an end, and what is none.
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>{}", "<Contents>".repeat(1_000_000));
    for answer in [endless.into_bytes(), response("200 OK", "", "<html>hello</html>")] {
        let (endpoint, _, _tasks) = server(answer).await;
        let broken = call(&open(&settings(&endpoint, "bucket")), list()).await;
        assert!(matches!(broken, Err(Failure::Broken { .. })), "{broken:?}");
    }
    // Busy: not executed. Fallen over: nobody knows.
    let (endpoint, heard, _tasks) = server(response("503 Slow Down", "", "<Error><Code>SlowDown</Code></Error>")).await;
    let busy = call(&open(&settings(&endpoint, "bucket")), put_a()).await;
    assert!(matches!(&busy, Err(Failure::NotExecuted(text)) if text.contains("SlowDown")), "{busy:?}");
    assert_eq!(heard.lock().unwrap().len(), 1, "the library makes no second attempt");
    let (endpoint, _, _tasks) = server(response("500 Oops", "", "")).await;
    let broken = call(&open(&settings(&endpoint, "bucket")), put_a()).await;
    assert!(matches!(broken, Err(Failure::Broken { .. })), "{broken:?}");
    // Not allowed, and known: a refusal.
    let (endpoint, _, _tasks) = server(response("403 No", "", "<Error><Code>AccessDenied</Code></Error>")).await;
    let refused = call(&open(&settings(&endpoint, "bucket")), put_a()).await;
    assert!(matches!(&refused, Err(Failure::Refused { code, .. }) if code == "AccessDenied"), "{refused:?}");
}

#[tokio::test]
async fn no_more_requests_at_once_than_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(&format!("http://{}", listener.local_addr().unwrap()), "bucket");
    settings["concurrency"] = 1.into();
    let blob = open(&settings);
    let short = Sending { timeout: Duration::from_millis(400), ..with() };
    let (asked, stat) = (BlobCall::Put(object("a", b"x")), BlobCall::Stat("a".into()));
    let one = blob.run(&asked, &short);
    let two = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        blob.run(&stat, &Sending { timeout: Duration::from_millis(100), ..with() }).await
    };
    let (one, two) = tokio::join!(one, two);
    assert!(matches!(one, Err(Failure::Broken { timed_out: true, .. })), "{one:?}");
    assert!(matches!(&two, Err(Failure::NotExecuted(text)) if text.contains("concurrency")), "{two:?}");
}
