//! How fast the trigger is, beside the client library alone. Not run with the others: it is about figures.

use std::time::Instant;

use async_nats::jetstream::{self, consumer};
use futures_util::StreamExt;
use jackfield_tests::servers::nats::Options;

use super::*;
use crate::testing::{Running, TestSink};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures: cargo test --release -- --ignored figures"]
async fn figures_of_the_trigger_on_a_stream() {
    const COUNT: usize = 50_000;
    let nats = Nats::start(Options::default()).await;
    let context = jetstream::new(client(&nats).await);
    let config = jetstream::stream::Config {
        name: "S".into(),
        subjects: vec!["a".into()],
        storage: jetstream::stream::StorageType::Memory,
        ..Default::default()
    };
    let stream = context.create_stream(config).await.unwrap();
    for begin in (0..COUNT).step_by(1000) {
        let mut acks = Vec::new();
        for n in begin..begin + 1000 {
            acks.push(context.publish("a", format!("{n:0100}").into()).await.unwrap());
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }
    let config = consumer::pull::Config { durable_name: Some("alone".into()), ..Default::default() };
    let alone = stream.create_consumer(config).await.unwrap();
    let begun = Instant::now();
    let mut messages = alone.stream().max_messages_per_batch(500).messages().await.unwrap();
    for _ in 0..COUNT {
        messages.next().await.unwrap().unwrap().ack().await.unwrap();
    }
    let library = COUNT as f64 / begun.elapsed().as_secs_f64();

    let sink = TestSink::new();
    let begun = Instant::now();
    let running = Running::begin(source(&nats, json!({ "stream": "S", "deliver": "all" })), &sink, "dev/a/b");
    sink.until(COUNT).await;
    let trigger = COUNT as f64 / begun.elapsed().as_secs_f64();
    running.stop().await.unwrap();
    println!("messages/s of 100 bytes: library alone {library:.0}, trigger {trigger:.0}");
}
