//! What every plug is held to, on a real broker.

use std::collections::BTreeSet;

use jackfield_tests::servers::kafka::Options;
use jackfield_tests::servers::server::{WRONG_PASSWORD, fresh_name};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::tests::{Names, network};

#[tokio::test(flavor = "multi_thread")]
async fn contract_works() {
    let kafka = Kafka::shared().await;
    let topic = kafka.topic(2).await;
    let link = open(&secure(kafka, json!({})));
    let first = Message {
        key: Some("customer-7".into()),
        content_type: Some("application/json".into()),
        headers: vec![("x-kind".into(), "a".into())],
        ..message(&topic, "{\"n\":1}")
    };
    let second = Message { key: Some("customer-7".into()), ..message(&topic, "2") };
    publish(&link, "key", vec![first, second]).await.unwrap();
    let records = records(kafka, &topic).await;
    assert_eq!(records.iter().map(|r| r.value.as_deref().unwrap()).collect::<Vec<_>>(), ["{\"n\":1}", "2"]);
    assert!(records.iter().all(|r| r.key.as_deref() == Some("customer-7") && r.partition == records[0].partition));
    assert_eq!(records[0].headers, "x-kind:a,content-type:application/json,jackfield-key:key-0");
    assert_eq!(records[1].headers, "jackfield-key:key-1");

    let without = publish(&open(&plain(kafka, json!({}))), "key", vec![message(&topic, "3")]).await;
    without.unwrap();
    for mechanism in ["plain", "scram-sha-256"] {
        let credential = json!({ "user": USER, "secret": "app-password", "mechanism": mechanism });
        let link = open(&secure(kafka, json!({ "credential": credential })));
        publish(&link, "key", vec![message(&topic, mechanism)]).await.unwrap_or_else(|e| panic!("{mechanism}: {e}"));
    }
    assert_eq!(kafka.ends(&topic).await.iter().sum::<i64>(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_refused_by_the_other_side() {
    // A cluster that would make a topic of whatever it is asked for.
    let settings = vec![("auto.create.topics.enable".into(), "true".into())];
    let kafka = Kafka::start(Options { settings }).await;
    let topic = kafka.topic(1).await;
    let link = open(&plain(&kafka, json!({})));
    publish(&link, "key", vec![message(&topic, "1")]).await.unwrap();
    let nowhere = fresh_name("nowhere");
    for messages in [vec![message(&nowhere, "1")], vec![message(&topic, "2"), message(&nowhere, "2")]] {
        let refused = publish(&link, "key", messages).await.unwrap_err();
        let Failure::Refused { code, message } = &refused else { panic!("{refused:?}") };
        assert!(code == "UnknownTopicOrPartition" && message.contains(&nowhere) && message.contains("create it"));
    }
    assert_eq!(kafka.ends(&topic).await, [1], "nothing of a call that cannot be made whole");
    let topics = kafka.tool("org.apache.kafka.tools.TopicCommand", &["--list"], "").await;
    assert!(!topics.contains(&nowhere), "{topics}");

    let call = MessagingCall::Request { message: message(&topic, ""), timeout_ms: 1000 };
    let asked = link.run(&call, &sending("ask")).await.unwrap_err();
    assert!(matches!(&asked, Failure::Refused { message, .. } if message.contains("no replies")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_wrong_credential() {
    let kafka = Kafka::shared().await;
    for mechanism in ["plain", "scram-sha-256"] {
        let credential = json!({ "user": USER, "secret": "app-password", "mechanism": mechanism });
        let link = open_with(&connector(), &secure(kafka, json!({ "credential": credential })), WRONG_PASSWORD);
        let begun = Instant::now();
        let refused = publish(&link, "key", vec![message("a", "1")]).await.unwrap_err();
        let Failure::NotExecuted(text) = &refused else { panic!("{mechanism}: {refused:?}") };
        assert!(text.contains("`app-password`") && !text.contains(WRONG_PASSWORD), "{mechanism}: {text}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{mechanism}: told in {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_limit_hit() {
    let kafka = Kafka::start(Options { settings: vec![("message.max.bytes".into(), "20000".into())] }).await;
    let topic = kafka.topic(1).await;
    let link = open(&plain(&kafka, json!({})));
    // Nothing that compresses.
    let mut dice = 1_u64;
    let data: Vec<u8> = std::iter::repeat_with(|| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 56) as u8
    })
    .take(30_000)
    .collect();
    let large = publish(&link, "key", vec![message(&topic, data)]).await.unwrap_err();
    assert!(
        matches!(&large, Failure::TooLarge { sent: false, message } if message.contains("max.message.bytes")),
        "{large:?}"
    );
    publish(&link, "key", vec![message(&topic, "small")]).await.unwrap();
    assert_eq!(kafka.ends(&topic).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_killed_mid_call_and_restarted() {
    let mut kafka = Kafka::start(Options::default()).await;
    let topic = kafka.topic(1).await;
    let link = open(&plain(&kafka, json!({ "timeout": "4s", "connect_timeout": "2s" })));
    let with = |key: &str| Sending { timeout: Duration::from_secs(4), ..sending(key) };
    let call = |data: &str| MessagingCall::Publish(vec![message(&topic, data)]);
    link.run(&call("before"), &with("before")).await.unwrap();

    kafka.pause();
    let mut calls = JoinSet::new();
    let (other, during, as_it_was) = (Arc::clone(&link), call("during"), with("during"));
    calls.spawn(async move { other.run(&during, &as_it_was).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    kafka.kill().await;
    let begun = Instant::now();
    let cut = calls.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(matches!(cut, Failure::Broken { .. }), "{cut:?}");
    assert!(begun.elapsed() < Duration::from_secs(6));

    let nobody = link.run(&call("down"), &with("down")).await.unwrap_err();
    assert!(matches!(&nobody, Failure::NotExecuted(_)), "{nobody:?}");

    kafka.restart().await;
    let begun = Instant::now();
    while let Err(failure) = link.run(&call("after"), &with("after")).await {
        assert!(matches!(failure, Failure::NotExecuted(_)), "{failure:?}");
        assert!(begun.elapsed() < LONG, "{failure:?}");
    }
    let values: Vec<String> = records(&kafka, &topic).await.into_iter().filter_map(|r| r.value).collect();
    assert_eq!(values.iter().filter(|value| *value == "after").count(), 1, "{values:?}");
    assert!(values.contains(&"before".into()) && !values.contains(&"down".into()), "{values:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_killed_under_load_and_nothing_confirmed_is_lost() {
    let mut kafka = Kafka::start(Options::default()).await;
    let topic = kafka.topic(3).await;
    let link = open(&plain(&kafka, json!({ "timeout": "3s", "connect_timeout": "2s" })));
    let mut calls = JoinSet::new();
    for caller in 0..8 {
        let (link, topic) = (Arc::clone(&link), topic.clone());
        calls.spawn(async move {
            let mut fates = Vec::new();
            for n in 0..40 {
                let name = format!("{caller}-{n}");
                let call = MessagingCall::Publish(vec![message(&topic, &name)]);
                let with = Sending { timeout: Duration::from_secs(3), ..sending(&name) };
                fates.push((name, link.run(&call, &with).await));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            fates
        });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    kafka.kill().await;
    // Longer than a call has: some of them end without the broker.
    tokio::time::sleep(Duration::from_secs(4)).await;
    kafka.restart().await;
    let fates: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    let stored: Vec<String> = records(&kafka, &topic).await.into_iter().filter_map(|r| r.value).collect();
    let distinct: BTreeSet<&String> = stored.iter().collect();
    assert_eq!(distinct.len(), stored.len(), "an idempotent producer writes nothing twice");
    let mut failed = 0;
    for (name, fate) in &fates {
        match fate {
            Ok(_) => assert!(distinct.contains(name), "{name} was confirmed"),
            Err(Failure::NotExecuted(text)) => assert!(!distinct.contains(name), "{name} was not sent: {text}"),
            Err(Failure::Broken { .. }) => {}
            Err(other) => panic!("{name}: {other:?}"),
        }
        failed += usize::from(fate.is_err());
    }
    assert!(failed > 0, "it was killed while it worked");
    assert!(fates.last().unwrap().1.is_ok(), "it works again");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_tls() {
    let kafka = Kafka::shared().await;
    let topic = kafka.topic(1).await;
    let port = kafka.tls_address().port();
    let works = open(&secure(kafka, json!({ "brokers": [format!("localhost:{port}"), format!("127.0.0.1:{port}")] })));
    publish(&works, "key", vec![message(&topic, "1")]).await.unwrap();

    let refused = async |more: Value, hint: &str| {
        let mut settings = secure(kafka, more);
        settings.retain(|_, value| !value.is_null());
        let begun = Instant::now();
        let refused = publish(&open(&settings), "key", vec![message(&topic, "1")]).await.unwrap_err();
        assert!(matches!(&refused, Failure::NotExecuted(text) if text.contains(hint)), "{refused:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "told in {:?}", begun.elapsed());
    };
    refused(json!({ "ca": null }), "set `ca`").await;
    refused(json!({ "ca": tls::files().stranger }), "set `ca`").await;
    assert_eq!(kafka.ends(&topic).await, [1]);
}

/// A certificate for `other.example` alone, as the broker reads it, and its authority.
fn of_another() -> (std::path::PathBuf, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    let file = std::env::temp_dir().join(format!("jackfield-kafka-{}.pem", std::process::id()));
    std::fs::write(&file, format!("{}{certificate}", key.serialize_pem())).unwrap();
    (file, ca)
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_tls_by_the_brokers_name() {
    let (file, ca) = of_another();
    let settings = vec![("ssl.keystore.location".to_owned(), file.display().to_string())];
    let kafka = Kafka::start(Options { settings }).await;
    let topic = kafka.topic(1).await;
    let refused = publish(&open(&secure(&kafka, json!({ "ca": ca }))), "key", vec![message(&topic, "1")]).await;
    std::fs::remove_file(file).unwrap();
    let refused = refused.unwrap_err();
    assert!(matches!(&refused, Failure::NotExecuted(text) if text.contains("no TLS")), "{refused:?}");
    assert_eq!(kafka.ends(&topic).await, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_what_is_wrong() {
    let kafka = Kafka::shared().await;
    let good = secure(kafka, json!({ "connect_timeout": "5s" }));
    let findings = connector().test(&good, &secrets(PASSWORD), LONG).await;
    assert!(findings.iter().all(|f| f.ok), "{findings:#?}");
    let whats: Vec<&str> = findings.iter().map(|f| f.what.as_str()).collect();
    assert_eq!(whats, ["address", "reachable", "tls", "credential", "cluster"]);
    assert!(findings[4].detail.contains(&kafka.tls_address().to_string()), "{findings:#?}");

    let last = async |settings: &Map<String, Value>, password: &str| {
        let findings = connector().test(settings, &secrets(password), LONG).await;
        let last = findings.last().unwrap().clone();
        assert!(!last.ok, "{findings:#?}");
        (last.what, last.detail)
    };
    let (what, detail) = last(&good, WRONG_PASSWORD).await;
    assert!(what == "credential" && detail.contains("`app-password`"), "{what}: {detail}");
    let (what, detail) = last(&secure(kafka, json!({ "ca": tls::files().stranger })), PASSWORD).await;
    assert!(what == "tls" && detail.contains("set `ca`"), "{what}: {detail}");
    let (what, detail) = last(&plain(kafka, json!({ "brokers": ["127.0.0.1:9"] })), PASSWORD).await;
    assert!(what == "reachable" && detail.contains("nothing listens"), "{what}: {detail}");
    let names = Names::default().with("meta.example", &["169.254.169.254"]);
    let (net, _) = network(names);
    let nowhere = plain(kafka, json!({ "brokers": "meta.example:1" }));
    let denied = KafkaConnector::new(&net).test(&nowhere, &secrets(""), LONG).await;
    assert!(denied.len() == 1 && denied[0].what == "address" && !denied[0].ok, "{denied:#?}");
}
