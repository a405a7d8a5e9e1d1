//! Floods on the ingress listener: requests without end, and connections that only take up room.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::{probe, wait};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);

/// What one client of the flood was answered.
#[derive(Default)]
struct Heard {
    accepted: Vec<String>,
    limited: usize,
    /// Whether an answer was still due when the host died.
    unanswered: bool,
}

async fn flood(url: String, killed: Arc<AtomicBool>) -> Heard {
    let client = reqwest::Client::builder().timeout(SOON).build().unwrap();
    let mut heard = Heard::default();
    loop {
        let answer = client.post(&url).body(r#"{"do":"echo"}"#).send().await;
        let Ok(answer) = answer else { break };
        match answer.status().as_u16() {
            202 => {
                let Ok(body) = answer.json::<Value>().await else { break };
                heard.accepted.push(body["run"].as_str().unwrap().to_owned());
            }
            429 => {
                let again = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
                assert!(again.is_some_and(|seconds| seconds >= 1), "{answer:?}");
                heard.limited += 1;
            }
            other => panic!("the flood was answered {other}"),
        }
    }
    assert!(killed.load(Ordering::SeqCst), "the host closed a connection of its own accord");
    heard.unanswered = true;
    heard
}

/// Every run there is.
async fn all_runs(host: &Host) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut page = String::new();
    loop {
        let runs = host.api().get(&format!("/v1/runs?limit=100{page}")).await;
        all.extend(runs["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()));
        let Some(next) = runs["next"].as_str() else { return all };
        page = format!("&before={next}");
    }
}

/// Threat row 44. Sixteen clients send as fast as two cores let them (some thousand requests a second, with the host
/// on the same two); the hook takes 100 at once and 50 a second. The host dies in the midst of it.
#[tokio::test(flavor = "multi_thread")]
async fn threat_044_a_flood_is_held_to_the_hooks_rate_and_what_was_accepted_is_kept() {
    const CLIENTS: usize = 16;
    const BURST: f64 = 100.0;
    const RATE: f64 = 50.0;
    let mut host = Host::options().alone().start().await;
    probe::deploy(&host, &Manifest::probe().set_toml("trigger.0.rate", "{ per_second = 50, burst = 100 }")).await;
    probe::deploy(&host, &Manifest::probe().named("calm")).await;
    let (url, calm) = (host.hook("dev", "probe", "hook").await, host.hook("dev", "calm", "hook").await);

    let killed = Arc::<AtomicBool>::default();
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(flood(url.clone(), Arc::clone(&killed)));
    }
    // Another hook has its own rate, and the admin listener its own connections.
    let mut others = BTreeSet::new();
    while begun.elapsed() < Duration::from_secs(3) {
        let (status, _, body) = post_hook(&calm, &[], r#"{"do":"echo"}"#).await.unwrap();
        assert_eq!(status, 202, "{body:#}");
        others.insert(body["run"].as_str().unwrap().to_owned());
        host.api().get("/v1/status").await;
    }
    killed.store(true, Ordering::SeqCst);
    let lasted = begun.elapsed().as_secs_f64();
    host.kill9().await;
    let heard = clients.join_all().await;

    let accepted: BTreeSet<String> = heard.iter().flat_map(|heard| heard.accepted.clone()).collect();
    let limited: usize = heard.iter().map(|heard| heard.limited).sum();
    let most = BURST + RATE * (lasted + 1.0);
    assert!(accepted.len() >= 100 && (accepted.len() as f64) <= most, "{} in {lasted}s", accepted.len());
    assert!(limited > accepted.len(), "that was no flood: {limited} refused, {} accepted", accepted.len());

    host.restart().await;
    let mut kept = all_runs(&host).await;
    for run in others.iter().chain(&accepted) {
        assert!(kept.remove(run), "{run} was answered 202 and is gone");
    }
    // What is left was on disk when the host died with the answer in its hand.
    assert!(kept.len() <= CLIENTS, "{} runs that nobody was told of", kept.len());
}

/// A connection to `to` from an address of this machine's own; none if it is not let in.
async fn enters(from: u8, to: std::net::SocketAddr, sends: &[u8]) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, from], 0).into()).unwrap();
    let mut stream = socket.connect(to).await.ok()?;
    stream.write_all(sends).await.ok()?;
    // One that is refused is closed at once; one that is let in is told nothing yet.
    match timeout(Duration::from_millis(300), stream.read(&mut [0; 1])).await {
        Err(_) => Some(stream),
        Ok(_) => None,
    }
}

async fn many(from: u8, count: usize, to: std::net::SocketAddr, sends: &'static [u8]) -> Vec<TcpStream> {
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        tasks.spawn(enters(from, to, sends));
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// Threat row 45. Caps of 40 and 150 stand for the 256 and 1024 of a host as it comes: what is tested is that they hold.
#[tokio::test(flavor = "multi_thread")]
async fn threat_045_idle_and_slow_connections_have_a_cap_and_an_end() {
    let host = Host::options()
        .alone()
        .set("listeners.connections", "150")
        .set("listeners.connections_per_ip", "40")
        .set("listeners.header_timeout", "15s")
        .start()
        .await;
    probe::deploy(&host, &Manifest::probe()).await;
    let url = host.hook("dev", "probe", "hook").await;
    let ingress = host.addresses().ingress;

    // One address: some say nothing, some begin a head and never end it.
    let mut held = many(2, 30, ingress, b"").await;
    held.extend(many(2, 30, ingress, b"POST /hooks/x HTTP/1.1\r\nhost: x\r\nx-a: ").await);
    assert_eq!(held.len(), 40, "as many as one address may have");
    let (status, _, body) = post_hook(&url, &[], r#"{"do":"echo"}"#).await.unwrap();
    assert_eq!(status, 202, "another address is served: {body:#}");

    // Four addresses: all that there is. Nobody gets in any more, while the others of the host are as they were.
    for from in 3..=6 {
        held.extend(many(from, 60, ingress, b"POST /hooks/x HTTP/1.1\r\nhost: x\r\n").await);
    }
    assert_eq!(held.len(), 150, "as many as there may be");
    assert!(post_hook(&url, &[], r#"{"do":"echo"}"#).await.is_err(), "a connection too many");
    for _ in 0..20 {
        let begun = Instant::now();
        host.api().get("/v1/status").await;
        host.metrics_text().await;
        assert!(begun.elapsed() < Duration::from_secs(2), "the admin listener waits for ingress");
    }

    // Those that are too slow are cut off, without anybody's doing, and there is room again.
    let served = || async { (post_hook(&url, &[], r#"{"do":"echo"}"#).await.ok()?.0 == 202).then_some(()) };
    wait::until("there is room again", SOON, served).await;
    for mut stream in held {
        let mut rest = Vec::new();
        let ended = timeout(SOON, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a connection without a request was kept");
    }
}
