//! Many events through a component of each language: each comes to its own outcome, and nothing stays behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use jackfield_tests::env;
use jackfield_tests::host::{Host, Options};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const AT_A_TIME: usize = 8;
/// Events before memory is looked at for the first time: until then the pool fills.
const WARM: u32 = 200;
const EVENTS: u32 = 1_000;
/// What the host's own memory may have grown by, in bytes: a leak of an instance, even of one in a hundred, is more.
const GROWTH: u64 = 24 << 20;

/// Sends the events numbered so, eight at a time, and checks each answer against its event.
async fn send(client: &reqwest::Client, url: &str, numbers: std::ops::Range<u32>) {
    let (next, end) = (Arc::new(AtomicU32::new(numbers.start)), numbers.end);
    let mut senders = JoinSet::new();
    for _ in 0..AT_A_TIME {
        let (client, url, next) = (client.clone(), format!("{url}?wait=60s"), Arc::clone(&next));
        senders.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return;
                }
                let name = format!("visitor {number} \u{1f44b}");
                let answer = client.post(&url).json(&json!({ "name": name })).send().await.unwrap();
                let status = answer.status().as_u16();
                let body: Value = answer.json().await.unwrap();
                assert_eq!((status, &body["hello"]), (200, &json!(name)), "{body:#}");
            }
        });
    }
    senders.join_all().await;
}

/// Deploys the first example in a language, under a name of its own, and gives its hook.
async fn deploy(host: &Host, language: &str) -> String {
    let folder = format!("guest-examples/hello/{language}");
    let manifest = std::fs::read_to_string(env::repository(&folder).join("jackfield.toml")).unwrap();
    let name = format!("hello-{language}");
    let manifest = manifest
        .replace("name = \"hello\"", &format!("name = \"{name}\""))
        // One sender sends them all: the hook's own rate must not be in the way.
        .replace("respond = true", "rate = { per_second = 10000, burst = 10000 }\nrespond = true")
        .replace("timeout = \"5s\"", &format!("timeout = \"30s\", concurrency = {AT_A_TIME}"));
    host.api().deploy("dev", &manifest, &[("greet", &env::guest(&format!("{folder}/dist/greet.wasm")))]).await;
    host.hook("dev", &name, "visit").await
}

async fn succeeded(host: &Host) -> f64 {
    let samples = host.samples().await;
    let of = |name: &str| name.starts_with("jackfield_runs_total") && name.contains("succeeded");
    samples.iter().filter(|(name, _)| of(name)).map(|(_, value)| value).sum()
}

#[expect(clippy::print_stdout, reason = "the figures are what a reader wants")]
async fn a_thousand(language: &str) {
    let host = Options::default().alone().start().await;
    let url = deploy(&host, language).await;
    let client = reqwest::Client::new();
    send(&client, &url, 0..WARM).await;
    let (before, begun) = (host.memory("RssAnon"), Instant::now());
    send(&client, &url, WARM..WARM + EVENTS).await;
    let (after, took) = (host.memory("RssAnon"), begun.elapsed());
    println!(
        "{language}: {EVENTS} events, {AT_A_TIME} at a time: {:.0}/s; own memory {} MiB before, {} MiB after",
        f64::from(EVENTS) / took.as_secs_f64(),
        before >> 20,
        after >> 20
    );
    assert!(after <= before + GROWTH, "{language}: {} MiB before, {} MiB after", before >> 20, after >> 20);
    assert_eq!(succeeded(&host).await, f64::from(WARM + EVENTS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_in_rust_leave_nothing_behind() {
    a_thousand("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_in_go_leave_nothing_behind() {
    a_thousand("go").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_in_js_leave_nothing_behind() {
    a_thousand("js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_in_python_leave_nothing_behind() {
    a_thousand("python").await;
}

/// The host with a compile process beside it is not counted: they are not there at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn all_languages_run_side_by_side_in_one_gib() {
    let host = Options::default().alone().set("executor.memory", "1GiB").start().await;
    let mut urls = vec![];
    for language in ["rust", "js", "python", "go"] {
        urls.push(deploy(&host, language).await);
    }
    let client = reqwest::Client::new();
    tokio::join!(
        send(&client, &urls[0], 0..WARM),
        send(&client, &urls[1], 0..WARM),
        send(&client, &urls[2], 0..WARM),
        send(&client, &urls[3], 0..WARM)
    );
    assert_eq!(succeeded(&host).await, f64::from(WARM * 4));
    let (own, most) = (host.memory("RssAnon") >> 20, host.memory("VmHWM") >> 20);
    println!(
        "{AT_A_TIME} at a time of each language: {most} MiB at the most, files mapped included; {own} MiB of its own"
    );
    assert!(most < 1 << 10, "{most} MiB");
}
