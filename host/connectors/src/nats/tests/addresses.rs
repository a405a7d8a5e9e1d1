//! Whose address: what is dialed, and what is not.

use std::net::SocketAddr;

use jackfield_core::ports::outward::Failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::tests::{Names, network};

fn at(url: &str) -> Map<String, Value> {
    map(json!({ "servers": [url], "jetstream": false, "connect_timeout": "2s" }))
}

async fn once(network: &Network, settings: &Map<String, Value>) -> Result<(), Failure> {
    let link = NatsConnector::new(network).open(settings, &Vec::new()).unwrap().messaging.unwrap();
    publish(&link, "key", vec![message("a", b"1")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_037_where_nobody_may_go() {
    let names = Names::default().with("meta.example", &["169.254.169.254"]).with("inside.example", &["127.0.0.1"]);
    let (net, audited) = network(names);
    for url in ["nats://169.254.169.254:4222", "nats://meta.example"] {
        let denied = once(&net, &at(url)).await.unwrap_err();
        assert!(matches!(denied, Failure::Denied(_)), "{url}: {denied:?}");
    }
    let nats = Nats::shared().await;
    let inside = format!("nats://inside.example:{}", nats.address().port());
    // An operator may name what is inside; in a strict environment nobody may; and ourselves never.
    let in_reach = once(&net, &at(&inside)).await.unwrap_err();
    assert!(matches!(&in_reach, Failure::NotExecuted(text) if text.contains("set `credential`")), "{in_reach:?}");
    let denied = once(&net.strict(), &at(&inside)).await.unwrap_err();
    assert!(matches!(denied, Failure::Denied(_)), "{denied:?}");
    net.set_own_listeners(vec![nats.address()]);
    let denied = once(&net, &at(&inside)).await.unwrap_err();
    assert!(matches!(denied, Failure::Denied(_)), "{denied:?}");
    assert_eq!(audited.lock().unwrap().len(), 4);
}

/// A server of a few lines: greets, takes one message, and ends.
async fn scripted(info: Value) -> (SocketAddr, JoinSet<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(format!("INFO {info}\r\n").as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&heard).contains("PUB ") {
            let n = stream.read(&mut buffer).await.unwrap_or(0);
            if n == 0 {
                break;
            }
            heard.extend_from_slice(&buffer[..n]);
            if heard.ends_with(b"PING\r\n") {
                stream.write_all(b"PONG\r\n").await.unwrap();
            }
        }
        heard
    });
    (address, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_037_what_a_server_advertises_is_not_dialed() {
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let info = json!({
        "server_id": "S", "server_name": "s", "version": "2.10.0", "go": "", "host": "h", "port": 1, "headers": true,
        "max_payload": 1024, "proto": 1, "client_id": 1, "connect_urls": [trap.local_addr().unwrap().to_string()],
    });
    let (address, mut served) = scripted(info).await;
    let cut = once(&Network::default(), &at(&format!("nats://{address}"))).await.unwrap_err();
    assert!(matches!(cut, Failure::Broken { timed_out: false, .. }), "{cut:?}");
    let heard = served.join_next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&heard).contains("CONNECT "));
    let dialed = tokio::time::timeout(Duration::from_millis(500), trap.accept()).await;
    assert!(dialed.is_err(), "the advertised address was dialed");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_038_a_server_that_says_nothing_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let settings = map(json!({ "servers": [url], "connect_timeout": "300ms" }));
    let begun = std::time::Instant::now();
    let late = once(&Network::default(), &settings).await.unwrap_err();
    assert!(matches!(late, Failure::NotExecuted(_)), "{late:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_032_every_connection_is_looked_up_and_checked_anew() {
    let mut nats = Nats::start(Default::default()).await;
    let names = Names::default().with("moves.example", &["127.0.0.1", "169.254.169.254"]);
    let (net, _) = network(names);
    let url = format!("nats://moves.example:{}", nats.address().port());
    let settings = settings(&nats, json!({ "servers": [url], "jetstream": false }));
    let link = open_with(&NatsConnector::new(&net), &settings, PASSWORD);
    publish(&link, "key", vec![message("a", b"1")]).await.unwrap();
    nats.kill().await;
    nats.restart().await;
    let denied = publish(&link, "key", vec![message("a", b"1")]).await.unwrap_err();
    assert!(matches!(denied, Failure::Denied(_) | Failure::Broken { .. }), "{denied:?}");
    let denied = publish(&link, "key", vec![message("a", b"1")]).await.unwrap_err();
    assert!(matches!(denied, Failure::Denied(_)), "{denied:?}");
}
