//! Sent or not: what each way to fail is called.

use super::*;
use crate::tests::{Names, network};

async fn broken(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> String {
    let server = Server::start(answer).await;
    match send(&plain(&server.base()), post(&format!("{}/", server.base()), "x")).await {
        Err(HttpFailure::Broken { message, timed_out: false }) => {
            assert_eq!(server.heard().len(), 1, "made once");
            message
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn refused_and_unknown_are_not_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base = format!("http://{free}");
    let failure = send(&plain(&base), post(&base, "x")).await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NotSent(text) if text.contains("refused the connection")), "{failure:?}");

    let (network, _) = network(Names::default());
    let link = opened(&network, &json!({ "base_url": "http://nobody.test" }), &[]);
    let failure = send(&link, post("http://nobody.test/", "x")).await.unwrap_err();
    assert!(
        matches!(&failure, HttpFailure::NotSent(text) if text.contains("`nobody.test` cannot be resolved")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn contract_killed_what_breaks_after_the_request_is_broken() {
    broken(|_, _| Answer::Close(Vec::new())).await;
    broken(|_, _| Answer::Reset(Vec::new())).await;
    broken(|_, _| Answer::Close(b"HTTP/1.1 200 OK\r\nx: ".to_vec())).await;
    let cut = broken(|_, _| Answer::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!".to_vec())).await;
    assert!(cut.contains("cut short"), "{cut}");
    broken(|_, _| Answer::Reset(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!".to_vec())).await;
    broken(|_, _| Answer::Close(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfive!".to_vec())).await;
    let garbled = broken(|_, _| Answer::Close(b"220 mail.test ESMTP\r\n".to_vec())).await;
    assert!(garbled.contains("no HTTP"), "{garbled}");
}

#[tokio::test]
async fn a_connection_closed_while_idle_does_not_fail_the_next_request() {
    let server = Server::start(|_, _| Answer::Close(response("200 OK", "", "x"))).await;
    let link = plain(&server.base());
    for n in 1..=5 {
        send(&link, post(&format!("{}/", server.base()), "once")).await.unwrap();
        // The server closes without having said so; we have seen it when we have closed as well.
        until("the idle connection is closed", || server.closed() == n).await;
        assert_eq!((server.accepted(), server.heard().len()), (n, n));
    }
}

#[tokio::test]
async fn a_close_that_crosses_a_request_never_makes_it_go_twice() {
    let server = Server::start(|_, _| Answer::Close(response("200 OK", "", "x"))).await;
    let link = plain(&server.base());
    let mut sent = 0;
    for _ in 0..100 {
        // Sometimes the close is seen in time, sometimes not until the request is on its way. In
        // the second case nobody knows whether it was carried out, so it is not made again.
        let result = send(&link, post(&format!("{}/", server.base()), "once")).await;
        sent += 1;
        assert!(matches!(result, Ok(_) | Err(HttpFailure::Broken { timed_out: false, .. })), "{result:?}");
        assert!(server.heard().len() <= sent, "a POST was sent twice");
    }
}

#[tokio::test]
async fn a_request_on_a_kept_connection_that_dies_is_never_sent_twice() {
    let server =
        Server::start(|_, request| if request.starts_with("POST") { Answer::Close(Vec::new()) } else { ok("x") }).await;
    let link = plain(&server.base());
    send(&link, get(&format!("{}/", server.base()))).await.unwrap();
    let result = send(&link, post(&format!("{}/", server.base()), "once")).await;
    assert!(matches!(result, Err(HttpFailure::Broken { timed_out: false, .. })), "{result:?}");
    assert_eq!(server.accepted(), 1, "it went over the kept connection");
    assert_eq!(server.heard().iter().filter(|r| r.starts_with("POST")).count(), 1);
    // And the peer that returned is reached again.
    send(&link, get(&format!("{}/", server.base()))).await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn threat_032_a_name_that_changes_is_refused_with_the_next_connection() {
    let server = Server::start(|_, _| Answer::Close(response("200 OK", "connection: close\r\n", "x"))).await;
    let (network, audited) =
        network(Names::default().with("api.test", &["127.0.0.1", "169.254.169.254", "127.0.0.1 169.254.169.254"]));
    let base = format!("http://api.test:{}", server.address.port());
    let link = opened(&network, &json!({ "base_url": base }), &[]);
    send(&link, get(&format!("{base}/"))).await.unwrap();
    for _ in 0..2 {
        let failure = send(&link, get(&format!("{base}/"))).await.unwrap_err();
        assert!(matches!(failure, HttpFailure::Denied(_)), "{failure:?}");
    }
    assert_eq!((server.heard().len(), audited.lock().unwrap().len()), (1, 2));
}

#[tokio::test]
async fn threat_030_the_bare_port_reaches_nothing_inside() {
    let server = Server::start(|_, _| ok("inside")).await;
    let port = server.address.port();
    let names = Names::default().with("inside.test", &["127.0.0.1"]).with("inside6.test", &["::1"]);
    let (network, audited) = network(names);
    let bare = crate::bare(&network);
    assert!(bare.base().is_none() && !bare.keyed());
    let refused = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://inside.test:{port}/"),
        format!("http://inside6.test:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://metadata.google.internal/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://user:secret@example.com/".to_owned(),
        "http://inside.test./".to_owned(),
        "ftp://example.com/".to_owned(),
    ];
    for (n, url) in refused.iter().enumerate() {
        let result = send(&*bare, get(url)).await;
        assert!(matches!(result, Err(HttpFailure::Denied(_))), "{url} {result:?}");
        assert_eq!(audited.lock().unwrap().len(), n + 1, "{url} is audited");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn threat_036_a_connection_to_ourselves_is_refused() {
    let server = Server::start(|_, _| ok("the admin port")).await;
    let port = server.address.port();
    let (network, audited) = network(Names::default().with("public.test", &["127.0.0.1"]));
    network.set_own_listeners(vec![SocketAddr::new([0, 0, 0, 0].into(), port)]);
    for base in [
        format!("http://public.test:{port}"),
        format!("http://127.0.0.1:{port}"),
        format!("http://127.0.0.77:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
    ] {
        let link = opened(&network, &json!({ "base_url": base }), &[]);
        let failure = send(&link, get(&format!("{base}/"))).await.unwrap_err();
        assert!(matches!(&failure, HttpFailure::Denied(text) if text.contains("listener of this host")), "{failure:?}");
    }
    assert_eq!(audited.lock().unwrap().len(), 5);
    assert_eq!(server.accepted(), 0);
}
