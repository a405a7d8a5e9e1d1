//! How fast the trigger is, beside the client library alone. Not run with the others: it is about figures.

use std::time::Instant;

use jackfield_tests::servers::kafka::Options;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::*;
use crate::testing::{Running, TestSink};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures: cargo test --release -- --ignored figures"]
async fn figures_of_the_trigger_on_a_topic() {
    const COUNT: usize = 100_000;
    let kafka = Kafka::start(Options::default()).await;
    let topic = kafka.topic(4).await;
    let link = open(&plain(&kafka, json!({})));
    for some in (0..COUNT).collect::<Vec<_>>().chunks(100) {
        let messages = some.iter().map(|n| message(&topic, format!("{n:0100}"))).collect();
        publish(&link, &format!("fill-{}", some[0]), messages).await.unwrap();
    }
    let (address, alone) = (kafka.address().to_string(), topic.clone());
    let library = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", address)
            .set("group.id", "alone")
            .set("auto.offset.reset", "earliest")
            .create()
            .unwrap();
        consumer.subscribe(&[&alone]).unwrap();
        let mut begun = None;
        for _ in 0..COUNT {
            consumer.poll(None).unwrap().unwrap();
            begun.get_or_insert_with(Instant::now);
        }
        COUNT as f64 / begun.unwrap().elapsed().as_secs_f64()
    });
    let library = library.await.unwrap();
    let sink = TestSink::new();
    let trigger = json!({ "topics": [topic], "from": "earliest" });
    let running = Running::begin(source(&kafka, trigger), &sink, "dev/a/b");
    sink.until(1).await;
    let begun = Instant::now();
    sink.until(COUNT).await;
    let speed = COUNT as f64 / begun.elapsed().as_secs_f64();
    running.stop().await.unwrap();
    println!("records/s of 100 bytes: library alone {library:.0}, trigger {speed:.0}");
}
