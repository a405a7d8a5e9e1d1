//! Limits: bytes and time are counted as they arrive.

use super::*;
use std::io::Write as _;

const MIB: u64 = 1024 * 1024;

/// What the system's socket buffers may hold beyond what we took.
const BUFFERS: u64 = 16 * MIB;

fn is_too_large(result: &Result<HttpResponse, HttpFailure>, limit: u64) -> bool {
    matches!(result, Err(HttpFailure::TooLarge { status: 200, limit: said }) if *said == limit)
}

#[tokio::test]
async fn threat_016_a_body_of_five_gigabytes_is_not_read() {
    let announced = Server::start(|_, _| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5000000000\r\n\r\n".to_vec();
        Answer::Drip(head, vec![b'x'; 65_536], Duration::ZERO)
    })
    .await;
    let mut call = get(&format!("{}/", announced.base()));
    call.response_limit = MIB;
    let result = send(&plain(&announced.base()), call).await;
    assert!(is_too_large(&result, MIB), "{result:?}");
    assert!(announced.written() < BUFFERS, "{} bytes were taken", announced.written());
}

#[tokio::test]
async fn contract_limit_hit_threat_016_an_endless_body_is_cut() {
    let chunk = {
        let mut chunk = b"8000\r\n".to_vec();
        chunk.extend(vec![b'x'; 0x8000]);
        chunk.extend(b"\r\n");
        chunk
    };
    let server = Server::start(move |_, request| {
        if request.contains("/chunked") {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            Answer::Drip(head, chunk.clone(), Duration::ZERO)
        } else {
            // Neither length nor chunks: until it closes, which it never does.
            Answer::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 65_536], Duration::ZERO)
        }
    })
    .await;
    for path in ["/chunked", "/plain"] {
        let before = server.written();
        let mut call = get(&format!("{}{path}", server.base()));
        call.response_limit = 2 * MIB;
        let result = send(&plain(&server.base()), call).await;
        assert!(is_too_large(&result, 2 * MIB), "{path} {result:?}");
        assert!(server.written() - before < 2 * MIB + BUFFERS, "{path}: {} bytes were taken", server.written());
    }
}

#[tokio::test]
async fn threat_016_a_body_of_exactly_the_limit_is_whole() {
    let server = Server::start(|_, _| ok(vec![b'x'; 1000])).await;
    let mut call = get(&format!("{}/", server.base()));
    call.response_limit = 1000;
    assert_eq!(send(&plain(&server.base()), call.clone()).await.unwrap().body.len(), 1000);
    call.response_limit = 999;
    let result = send(&plain(&server.base()), call).await;
    assert!(is_too_large(&result, 999), "{result:?}");
}

#[tokio::test]
async fn threat_016_a_gzip_bomb_is_counted_as_it_unfolds() {
    let zeroes = vec![0; 1 << 20];
    let bomb = |coding: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..64 {
            if coding == "gzip" { gzip.write_all(&zeroes).unwrap() } else { zlib.write_all(&zeroes).unwrap() }
        }
        if coding == "gzip" { gzip.finish().unwrap() } else { zlib.finish().unwrap() }
    };
    let (gzip, deflate) = (bomb("gzip"), bomb("deflate"));
    assert!(gzip.len() < 100_000);
    let server = Server::start(move |_, request| {
        let (name, body) = if request.contains("/gzip") { ("gzip", &gzip) } else { ("deflate", &deflate) };
        Answer::Keep(response("200 OK", &format!("content-encoding: {name}\r\n"), body))
    })
    .await;
    for path in ["/gzip", "/deflate"] {
        let mut call = get(&format!("{}{path}", server.base()));
        call.response_limit = MIB;
        let result = send(&plain(&server.base()), call).await;
        assert!(is_too_large(&result, MIB), "{path} {result:?}");
    }
}

#[tokio::test]
async fn threat_016_a_compressed_stream_of_nothing_is_cut_too() {
    // Empty stored blocks: five bytes each that decode to none, for ever.
    let mut head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
    head.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    let blocks = [0, 0, 0, 0xff, 0xff].repeat(4096);
    let server = Server::start(move |_, _| Answer::Drip(head.clone(), blocks.clone(), Duration::ZERO)).await;
    let mut call = get(&format!("{}/", server.base()));
    call.response_limit = MIB;
    let result = send(&plain(&server.base()), call).await;
    assert!(is_too_large(&result, MIB), "{result:?}");
    assert!(server.written() < MIB + BUFFERS, "{} bytes were taken", server.written());
}

#[tokio::test]
async fn threat_016_headers_without_end_are_cut() {
    let server = Server::start(|_, request| {
        let line = if request.contains("/many") { b"x: y\r\n".repeat(100) } else { vec![b'x'; 65_536] };
        Answer::Drip(b"HTTP/1.1 200 OK\r\nx-long: ".to_vec(), line, Duration::ZERO)
    })
    .await;
    for path in ["/many", "/long"] {
        let before = server.written();
        let result = send(&plain(&server.base()), get(&format!("{}{path}", server.base()))).await;
        let Err(HttpFailure::Broken { message, timed_out: false }) = result else { panic!("{path} {result:?}") };
        assert!(message.contains("headers"), "{message}");
        assert!(server.written() - before < BUFFERS, "{} bytes were taken", server.written() - before);
    }
}

/// Sends with a limit of 600 ms and sees that it ends by then, give or take a busy machine.
async fn ends_in_time(link: &Link, url: &str) -> HttpFailure {
    let mut call = get(url);
    call.timeout = Duration::from_millis(600);
    let started = tokio::time::Instant::now();
    let failure = send(link, call).await.unwrap_err();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "took {took:?}");
    failure
}

#[tokio::test]
async fn threat_038_slow_servers_are_cut_in_time() {
    let pause = Duration::from_millis(20);
    let server = Server::start(move |_, request| match request.split(' ').nth(1).unwrap() {
        "/silent" => Answer::Silence,
        "/slow-head" => Answer::Drip(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), b"y".to_vec(), pause),
        "/never-closes" => Answer::Drip(b"HTTP/1.1 200 OK\r\n\r\nall".to_vec(), Vec::new(), pause),
        _ => Answer::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec(), b"z".to_vec(), pause),
    })
    .await;
    let link = plain(&server.base());
    for path in ["/silent", "/slow-head", "/slow-body", "/never-closes"] {
        let failure = ends_in_time(&link, &format!("{}{path}", server.base())).await;
        assert!(matches!(failure, HttpFailure::Broken { timed_out: true, .. }), "{path} {failure:?}");
    }
}

#[tokio::test]
async fn threat_038_a_body_that_stops_is_cut_before_the_time_is_over() {
    let server = Server::start(|_, _| {
        Answer::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!".to_vec(), Vec::new(), SOON)
    })
    .await;
    let mut link = plain(&server.base());
    link.idle = Duration::from_millis(100);
    let failure = send(&link, get(&format!("{}/", server.base()))).await.unwrap_err();
    let HttpFailure::Broken { message, timed_out: true } = failure else { panic!("{failure:?}") };
    assert!(message.contains("no more of the response"), "{message}");
}

#[tokio::test]
async fn threat_038_a_server_that_never_shakes_hands_was_sent_nothing() {
    let server = Server::start(|_, _| Answer::Silence).await;
    let base = format!("https://{}", server.address);
    let settings = json!({ "base_url": base, "connect_timeout": "150ms" });
    let failure = send(&opened(&Network::default(), &settings, &[]), get(&format!("{base}/"))).await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NotSent(text) if text.contains("connect_timeout")), "{failure:?}");
    // Also when the call's own time is over first.
    let settings = json!({ "base_url": base, "connect_timeout": "60s" });
    let failure = ends_in_time(&opened(&Network::default(), &settings, &[]), &format!("{base}/")).await;
    assert!(matches!(failure, HttpFailure::NotSent(_)), "{failure:?}");
}
