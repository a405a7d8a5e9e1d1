//! What every plug is held to, on a real server.

use futures_util::StreamExt;
use jackfield_tests::servers::nats::{Options, Security};
use jackfield_tests::servers::server::{WRONG_PASSWORD, fresh_name};
use jackfield_tests::servers::tls;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::tests::{Names, network};

#[tokio::test(flavor = "multi_thread")]
async fn contract_works() {
    let nats = Nats::shared().await;
    let stream = nats.stream().await;
    let link = open(nats, json!({}));
    let subject = format!("{stream}.new");
    let first = Message {
        key: Some("customer-7".into()),
        content_type: Some("application/json".into()),
        headers: vec![("X-Kind".into(), "a".into()), ("X-Kind".into(), "b".into())],
        ..message(&subject, b"{\"n\":1}")
    };
    let messages = vec![first, message(&subject, [0, 255]), message(&subject, b"")];
    publish(&link, "key", messages.clone()).await.unwrap();

    let stored = nats.messages(&stream).await;
    assert_eq!(stored.iter().map(|m| m.data.clone()).collect::<Vec<_>>(), [&b"{\"n\":1}"[..], &[0, 255], b""]);
    for (i, message) in stored.iter().enumerate() {
        assert!(message.headers.contains(&format!("Nats-Msg-Id: key-{i}\r\n")), "{}", message.headers);
    }
    for line in ["Content-Type: application/json", "Message-Key: customer-7", "X-Kind: a", "X-Kind: b"] {
        assert!(stored[0].headers.contains(&format!("{line}\r\n")), "{}", stored[0].headers);
    }

    // The same call again is no more messages: the stream knows their ids.
    publish(&link, "key", messages).await.unwrap();
    assert_eq!(nats.messages(&stream).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_works_without_streams_and_with_replies() {
    let nats = Nats::shared().await;
    let subject = fresh_name("service");
    let client = client(nats).await;
    let mut asked = client.subscribe(subject.clone()).await.unwrap();
    client.flush().await.unwrap();

    let link = open(nats, json!({ "jetstream": false }));
    publish(&link, "key", vec![message(&subject, b"1"), message(&subject, b"2")]).await.unwrap();
    for expected in [b"1", b"2"] {
        assert_eq!(&asked.next().await.unwrap().payload[..], expected);
    }

    let call = MessagingCall::Request { message: message(&subject, b"question"), timeout_ms: 20_000 };
    let replying = async {
        let question = asked.next().await.unwrap();
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Content-Type", "text/plain");
        headers.insert("X-Way", "back");
        client.publish_with_headers(question.reply.unwrap(), headers, "answer".into()).await.unwrap();
        client.flush().await.unwrap();
    };
    let with = sending("ask");
    let (reply, ()) = tokio::join!(link.run(&call, &with), replying);
    let reply = reply.unwrap().unwrap();
    assert_eq!(&reply.data[..], b"answer");
    assert_eq!(reply.content_type.as_deref(), Some("text/plain"));
    assert_eq!(reply.headers, [("X-Way".to_owned(), "back".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_refused_by_the_other_side() {
    let nats = Nats::shared().await;
    let link = open(nats, json!({}));
    let nowhere = publish(&link, "key", vec![message(&fresh_name("nowhere"), b"1")]).await.unwrap_err();
    let Failure::Refused { message: text, .. } = &nowhere else { panic!("{nowhere:?}") };
    assert!(text.contains("no stream holds") && text.contains("jetstream = false"), "{text}");

    let full = fresh_name("full");
    nats.api(
        &format!("STREAM.CREATE.{full}"),
        &json!({ "name": full, "subjects": [full], "max_msgs": 1, "discard": "new", "max_msg_size": 100 }),
    )
    .await;
    publish(&link, "one", vec![message(&full, b"1")]).await.unwrap();
    let refused = publish(&link, "two", vec![message(&full, b"2")]).await.unwrap_err();
    assert!(
        matches!(&refused, Failure::NotExecuted(text) if text.contains("maximum messages exceeded")),
        "{refused:?}"
    );
    let large = publish(&link, "three", vec![message(&full, [0; 200])]).await.unwrap_err();
    assert!(matches!(large, Failure::TooLarge { sent: false, .. }), "{large:?}");
    // One that is in and one that is not: nobody may take it for not carried out.
    let stream = nats.stream().await;
    let both = vec![message(&format!("{stream}.a"), b"1"), message(&full, b"2")];
    let both = publish(&link, "four", both).await.unwrap_err();
    assert!(matches!(&both, Failure::Broken { timed_out: false, message } if message.contains("1 of 2")), "{both:?}");

    let call = MessagingCall::Request { message: message(&fresh_name("nobody"), b""), timeout_ms: 20_000 };
    let nobody = link.run(&call, &sending("ask")).await.unwrap_err();
    assert!(matches!(&nobody, Failure::NotExecuted(text) if text.contains("nobody listens")), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_refused_for_want_of_a_permission() {
    let permissions = format!(
        "authorization {{ users: [ {{ user: \"{USER}\", password: \"{PASSWORD}\", \
         permissions: {{ publish: {{ deny: [\"secret.>\"] }}, subscribe: {{ deny: [\"secret.>\"] }} }} }} ] }}"
    );
    let nats = Nats::start(Options { settings: permissions, ..Options::default() }).await;
    for jetstream in [true, false] {
        let link = open(&nats, json!({ "jetstream": jetstream }));
        let refused = publish(&link, "key", vec![message("secret.plan", b"1")]).await.unwrap_err();
        assert!(
            matches!(&refused, Failure::Refused { code, message } if code == "permission" && message.contains("secret.plan")),
            "jetstream = {jetstream}: {refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_wrong_credential() {
    let nats = Nats::shared().await;
    let link = open_with(&connector(), &settings(nats, json!({})), WRONG_PASSWORD);
    let refused = publish(&link, "key", vec![message("a", b"1")]).await.unwrap_err();
    let Failure::NotExecuted(text) = &refused else { panic!("{refused:?}") };
    assert!(text.contains("`app-password`") && !text.contains(WRONG_PASSWORD), "{text}");

    let without = map(json!({ "servers": format!("nats://{}", nats.address()) }));
    let link = connector().open(&without, &Vec::new()).unwrap().messaging.unwrap();
    let refused = publish(&link, "key", vec![message("a", b"1")]).await.unwrap_err();
    assert!(matches!(&refused, Failure::NotExecuted(text) if text.contains("set `credential`")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_limit_hit() {
    let nats = Nats::start(Options { settings: "max_payload: 2048".into(), ..Options::default() }).await;
    let stream = nats.stream().await;
    let subject = format!("{stream}.a");
    let link = open(&nats, json!({}));
    let both = vec![message(&subject, b"small"), message(&subject, [b'x'; 2049])];
    let large = publish(&link, "key", both).await.unwrap_err();
    let Failure::TooLarge { message: text, sent: false } = &large else { panic!("{large:?}") };
    assert!(text.contains("2048") && text.contains("max_payload"), "{text}");
    assert_eq!(nats.messages(&stream).await, [], "nothing of a call that cannot be made whole");

    let client = client(&nats).await;
    let mut asked = client.subscribe("service").await.unwrap();
    client.flush().await.unwrap();
    let call = MessagingCall::Request { message: message("service", b"?"), timeout_ms: 20_000 };
    let with = Sending { answer_bytes: 10, ..sending("ask") };
    let replying = async {
        let question = asked.next().await.unwrap();
        client.publish(question.reply.unwrap(), vec![0; 11].into()).await.unwrap();
        client.flush().await.unwrap();
    };
    let (reply, ()) = tokio::join!(link.run(&call, &with), replying);
    assert!(matches!(&reply, Err(Failure::TooLarge { sent: true, message }) if message.contains("11")), "{reply:?}");

    // Somebody listens and says nothing.
    let call = MessagingCall::Request { message: message("service", b"?"), timeout_ms: 300 };
    let begun = Instant::now();
    let late = link.run(&call, &sending("ask")).await.unwrap_err();
    assert!(matches!(late, Failure::Broken { timed_out: true, .. }), "{late:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_killed_mid_call_and_restarted() {
    let mut nats = Nats::start(Options::default()).await;
    let stream = nats.stream().await;
    let subject = format!("{stream}.a");
    let link = open(&nats, json!({}));
    publish(&link, "before", vec![message(&subject, b"before")]).await.unwrap();

    nats.pause();
    let mut calls = JoinSet::new();
    let (other, topic) = (Arc::clone(&link), subject.clone());
    calls.spawn(async move { publish(&other, "during", vec![message(&topic, b"during")]).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    nats.kill().await;
    let cut = calls.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(matches!(cut, Failure::Broken { timed_out: false, .. }), "{cut:?}");

    let nobody = publish(&link, "down", vec![message(&subject, b"down")]).await.unwrap_err();
    assert!(matches!(&nobody, Failure::NotExecuted(text) if text.contains("cannot connect")), "{nobody:?}");

    nats.restart().await;
    // The failure of a moment ago is not asked for again for a moment.
    tokio::time::sleep(Duration::from_millis(300)).await;
    publish(&link, "after", vec![message(&subject, b"after")]).await.unwrap();
    let stored: Vec<Vec<u8>> = nats.messages(&stream).await.into_iter().map(|m| m.data).collect();
    assert_eq!(stored, [&b"before"[..], b"after"], "what hung was never read; what was not sent is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_killed_under_load_and_nothing_confirmed_is_lost() {
    let mut nats = Nats::start(Options::default()).await;
    let stream = nats.stream().await;
    let subject = format!("{stream}.a");
    let link = open(&nats, json!({}));
    let mut calls = JoinSet::new();
    for caller in 0..8 {
        let (link, subject) = (Arc::clone(&link), subject.clone());
        calls.spawn(async move {
            let mut fates = Vec::new();
            for n in 0..400 {
                let name = format!("{caller}-{n}");
                let fate = publish(&link, &name, vec![message(&subject, &name)]).await;
                if fate.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                fates.push((name, fate));
            }
            fates
        });
    }
    tokio::time::sleep(Duration::from_millis(60)).await;
    nats.kill().await;
    nats.restart().await;
    let fates: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    let stored: std::collections::BTreeSet<String> =
        nats.messages(&stream).await.into_iter().map(|m| String::from_utf8(m.data).unwrap()).collect();
    let mut failed = 0;
    for (name, fate) in &fates {
        match fate {
            Ok(()) => assert!(stored.contains(name), "{name} was confirmed"),
            Err(Failure::NotExecuted(text)) => assert!(!stored.contains(name), "{name} was not sent: {text}"),
            Err(Failure::Broken { .. }) => {}
            Err(other) => panic!("{name}: {other:?}"),
        }
        failed += usize::from(fate.is_err());
    }
    assert!(failed > 0, "it was killed while it worked");
    assert!(fates.iter().rev().take(5).all(|(_, fate)| fate.is_ok()), "it works again");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_tls() {
    let nats = Nats::start(Options { security: Security::Tls, ..Options::default() }).await;
    let port = nats.address().port();
    let names = Names::default().with("localhost", &["127.0.0.1"]).with("other.example", &["127.0.0.1"]);
    let (net, _) = network(names);
    let named = NatsConnector::new(&net);
    let at = |url: String, ca: Option<&str>| {
        let mut at = settings(&nats, json!({ "servers": [url], "jetstream": false }));
        if let Some(ca) = ca {
            at.insert("ca".into(), ca.into());
        }
        at
    };
    let ca = Some(tls::files().ca.as_str());
    for url in
        [format!("tls://127.0.0.1:{port}"), format!("tls://localhost:{port}"), format!("nats://localhost:{port}")]
    {
        let link = open_with(&named, &at(url.clone(), ca), PASSWORD);
        publish(&link, "key", vec![message("a", b"1")]).await.unwrap_or_else(|e| panic!("{url}: {e}"));
    }
    let refused = async |url: String, ca: Option<&str>, hint: &str| {
        let link = open_with(&named, &at(url.clone(), ca), PASSWORD);
        let refused = publish(&link, "key", vec![message("a", b"1")]).await.unwrap_err();
        assert!(matches!(&refused, Failure::NotExecuted(text) if text.contains(hint)), "{url}: {refused:?}");
    };
    refused(format!("tls://localhost:{port}"), None, "set `ca`").await;
    // The server insists on TLS; whoever wrote `nats://` verifies it all the same.
    refused(format!("nats://localhost:{port}"), None, "set `ca`").await;
    refused(format!("tls://localhost:{port}"), Some(&tls::files().stranger), "set `ca`").await;
    refused(format!("tls://other.example:{port}"), ca, "write the server's name").await;

    // Whoever demands TLS says nothing to a server without.
    let plain = Nats::shared().await;
    let link = open(plain, json!({ "tls": "require", "jetstream": false }));
    let refused = publish(&link, "key", vec![message("a", b"1")]).await.unwrap_err();
    assert!(matches!(refused, Failure::NotExecuted(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_what_is_wrong() {
    let nats = Nats::start(Options { security: Security::Tls, ..Options::default() }).await;
    let ca = tls::files().ca.clone();
    let good = settings(&nats, json!({ "ca": ca }));
    let findings = connector().test(&good, &secrets(PASSWORD), LONG).await;
    assert!(findings.iter().all(|f| f.ok), "{findings:#?}");
    let whats: Vec<&str> = findings.iter().map(|f| f.what.as_str()).collect();
    assert_eq!(whats, ["address", "reachable", "tls", "credential", "jetstream"]);

    let last = async |settings: &Map<String, Value>, password: &str| {
        let findings = connector().test(settings, &secrets(password), LONG).await;
        let last = findings.last().unwrap().clone();
        assert!(!last.ok, "{findings:#?}");
        (last.what, last.detail)
    };
    let (what, detail) = last(&good, WRONG_PASSWORD).await;
    assert!(what == "credential" && detail.contains("`app-password`"), "{what}: {detail}");
    let (what, detail) = last(&settings(&nats, json!({})), PASSWORD).await;
    assert!(what == "tls" && detail.contains("set `ca`"), "{what}: {detail}");
    let (what, detail) = last(&settings(&nats, json!({ "servers": ["nats://127.0.0.1:9"] })), PASSWORD).await;
    assert!(what == "reachable" && detail.contains("nothing listens"), "{what}: {detail}");
}
