//! A listener as raw clients meet it.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

/// Longer than anything here should take.
const LATE: Duration = Duration::from_secs(30);

fn limits() -> ListenerLimits {
    ListenerLimits {
        connections: 8,
        connections_per_ip: 8,
        header_timeout: Duration::from_millis(300),
        header_bytes: 8 << 10,
        headers: 16,
        body_timeout: Duration::from_millis(300),
        body_rate: 1 << 20,
        idle_timeout: Duration::from_secs(2),
    }
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

/// Answers `peer body-length`, or 408 for a body that came too slowly. `/slow` takes its time.
#[expect(clippy::disallowed_methods, reason = "the test owns the task and joins it")]
fn start(limits: &ListenerLimits) -> Running {
    let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.2/32".parse().unwrap()];
    let listener = Listener::bind("test", "127.0.0.1:0".parse().unwrap(), None, limits, &trusted).unwrap();
    let address = listener.address();
    let stop = CancellationToken::new();
    let service = tower::service_fn(|request: Request<Body>| async move {
        let client = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        let response = match request.into_body().collect().await {
            Ok(body) => Response::new(Body::from(format!("{client:?} {}", body.to_bytes().len()))),
            Err(_) => Response::builder().status(408).body(Body::empty()).unwrap(),
        };
        Ok::<_, Infallible>(response)
    });
    let served = tokio::spawn(listener.serve(service, stop.clone(), Duration::from_secs(5)));
    Running { address, stop, served }
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.address).await.unwrap()
}

/// Sends, and reads until the other side closes.
async fn exchange(running: &Running, sent: &[u8]) -> String {
    let mut stream = connect(running).await;
    stream.write_all(sent).await.unwrap();
    until_closed(&mut stream).await
}

async fn until_closed(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    // A reset is a way of closing, too.
    let _ = tokio::time::timeout(LATE, stream.read_to_end(&mut got)).await.expect("it stayed open");
    String::from_utf8_lossy(&got).into_owned()
}

/// Reads one answer's head and its body of a known length.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return text;
            }
        }
        let mut piece = [0; 1024];
        let count = tokio::time::timeout(LATE, stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed in the middle of an answer: {text}");
        got.extend_from_slice(&piece[..count]);
    }
}

#[tokio::test]
async fn it_answers_and_keeps_the_connection() {
    let running = start(&limits());
    let mut stream = connect(&running).await;
    for _ in 0..2 {
        stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc").await.unwrap();
        let answer = one_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("Some(127.0.0.1) 3"), "{answer}");
    }
}

/// A head or a body that trickles is cut off, while others are served.
#[tokio::test]
async fn threat_023_slow_peers_are_cut_off() {
    let running = start(&limits());
    let mut nothing = connect(&running).await;
    let mut head = connect(&running).await;
    head.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nx-a: ").await.unwrap();
    let mut preface = connect(&running).await;
    preface.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let mut body = connect(&running).await;
    body.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc").await.unwrap();

    let answer = exchange(&running, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    assert_eq!(until_closed(&mut nothing).await, "");
    assert_eq!(until_closed(&mut head).await, "");
    let _settings = until_closed(&mut preface).await;
    let answer = until_closed(&mut body).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_slow_second_head_is_cut_off_and_an_idle_connection_is_not() {
    let running = start(&ListenerLimits { idle_timeout: Duration::from_secs(3600), ..limits() });
    let mut slow = connect(&running).await;
    let mut idle = connect(&running).await;
    for stream in [&mut slow, &mut idle] {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        one_answer(stream).await;
    }
    slow.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    assert_eq!(until_closed(&mut slow).await, "");
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(one_answer(&mut idle).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_under_way_is_not_idle() {
    let quick = Duration::from_millis(100);
    let running = start(&ListenerLimits { idle_timeout: quick, header_timeout: quick, ..limits() });
    let answer = exchange(&running, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn heads_have_a_size() {
    let running = start(&limits());
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "a".repeat(20 << 10));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(40));
    for head in [long, many] {
        let answer = exchange(&running, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn threat_045_connections_have_a_cap_and_come_free_again() {
    let running = start(&ListenerLimits { connections: 2, connections_per_ip: 2, ..limits() });
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&running).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        one_answer(&mut stream).await;
        held.push(stream);
    }
    let mut third = connect(&running).await;
    assert_eq!(until_closed(&mut third).await, "");

    held.clear();
    let deadline = Instant::now() + LATE;
    loop {
        let answer = exchange(&running, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(Instant::now() < deadline, "the places stayed taken");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn stopping_lets_a_request_end_and_takes_no_new_one() {
    let running = start(&limits());
    let mut under_way = connect(&running).await;
    under_way.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut idle = connect(&running).await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    one_answer(&mut idle).await;

    running.stop.cancel();
    assert_eq!(until_closed(&mut idle).await, "");
    assert!(until_closed(&mut under_way).await.starts_with("HTTP/1.1 200"));
    tokio::time::timeout(LATE, running.served).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

/// The row's raw corpus, as far as the server's answer goes: never two requests out of one.
#[tokio::test]
async fn threat_043_ambiguous_requests_are_refused() {
    let running = start(&limits());
    for request in [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\nx-a: b\r\n c: d\r\n\r\n",
        "POST / HTTP/1.1\r\nhost : x\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\nx\0a: b\r\n\r\n",
    ] {
        let answer = exchange(&running, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request:?}: {answer}");
    }
    // Both framings: the chunked one counts, and the connection is closed behind it.
    let both = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let answer = exchange(&running, both.as_bytes()).await;
    assert!(answer.matches("HTTP/1.1 200").count() <= 2 && !answer.contains("500"), "{answer}");
}

#[test]
fn a_listener_that_cannot_be_opened_says_which() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let address = "127.0.0.1:0".parse().unwrap();
    let first = Listener::bind("ingress", address, None, &limits(), &[]).unwrap();
    let second = Listener::bind("admin", first.address(), None, &limits(), &[]).err().unwrap().to_string();
    assert!(second.starts_with(&format!("admin.listen: cannot listen on {}", first.address())), "{second}");

    let tls = Tls { cert: "/nonexistent/cert.pem".into(), key: "/nonexistent/key.pem".into() };
    let problem = Listener::bind("admin", address, Some(&tls), &limits(), &[]).err().unwrap().to_string();
    assert!(problem.starts_with("admin.tls: /nonexistent/cert.pem: "), "{problem}");
}
