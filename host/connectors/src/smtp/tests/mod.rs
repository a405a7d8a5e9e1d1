//! The smtp plug against Mailpit, and against servers of a few lines where Mailpit is too well behaved.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ports::connector::{Connector, Opened, Secrets};
use jackfield_core::ports::email::{Attachment, Email, Mail};
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_tests::servers::server::{PASSWORD, USER, WRONG_PASSWORD};
use jackfield_tests::servers::smtp::{Options, Security};
use jackfield_tests::servers::{Smtp, tls};
use secrecy::SecretString;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::SmtpConnector;
use crate::Network;
use crate::tests::{Names, network};

mod hostile;
mod settings;

/// Far longer than anything here takes, for what must not hang.
const SOON: Duration = Duration::from_secs(30);
const SECRET: &str = "mail-password";

fn secrets(password: &str) -> Secrets {
    vec![(SECRET.to_owned(), SecretString::from(password))]
}

fn settings(server: &Smtp) -> Value {
    json!({
        "host": "127.0.0.1",
        "port": server.address().port(),
        "ca": tls::files().ca,
        "credential": { "user": USER, "secret": SECRET },
        "sender": "Jackfield <noreply@jackfield.test>",
        "timeout": "20s",
    })
}

fn open_at(network: &Network, settings: &Value, password: &str) -> Arc<dyn Email> {
    let opened: Opened = SmtpConnector::new(network).open(settings.as_object().unwrap(), &secrets(password)).unwrap();
    opened.email.unwrap()
}

fn open(settings: &Value) -> Arc<dyn Email> {
    open_at(&Network::default(), settings, PASSWORD)
}

fn with(key: &str) -> Sending {
    Sending { key: key.to_owned(), timeout: SOON, answer_bytes: 0, answer_rows: 0 }
}

fn mail(to: &str) -> Mail {
    Mail {
        sender: None,
        to: vec![to.to_owned()],
        cc: Vec::new(),
        bcc: Vec::new(),
        reply_to: Vec::new(),
        subject: "An invoice".into(),
        text: Some("It is attached.".into()),
        html: None,
        headers: Vec::new(),
        attachments: Vec::new(),
    }
}

async fn send(email: &Arc<dyn Email>, mail: &Mail, key: &str) -> Result<String, Failure> {
    tokio::time::timeout(SOON * 2, email.send(mail, &with(key))).await.expect("every call ends")
}

#[track_caller]
fn not_executed(result: Result<String, Failure>) -> String {
    match result {
        Err(Failure::NotExecuted(text)) => {
            assert!(!text.contains(PASSWORD) && !text.contains(WRONG_PASSWORD), "{text}");
            text
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_works() {
    let server = Smtp::shared().await;
    let email = open(&settings(server));
    let data: Vec<u8> = (0..=255).cycle().take(100_000).chain(*b"\r\n.\r\nfrom a\nto b\r").collect();
    let text = "one\ntwo\r\n.\r\n..three\nÄ long line: ".to_owned() + &"wörter ".repeat(300);
    let mail = Mail {
        to: vec!["Jörg Müller <works-to@example.com>".into(), "works-to@EXAMPLE.com".into()],
        cc: vec!["works-cc@example.com".into()],
        bcc: vec!["works-bcc@example.com".into()],
        reply_to: vec!["answers@example.com".into()],
        subject: "Rechnung für Übergrößen 📎 and a long rest ".to_owned() + &"x".repeat(200),
        text: Some(text.clone()),
        html: Some("<p>Grüße <img src=\"cid:logo\"></p>".into()),
        headers: vec![("X-Order".into(), "7 für dich".into()), ("List-Id".into(), "<orders.example.com>".into())],
        attachments: vec![
            Attachment {
                name: "Rechnung Nº 7.bin".into(),
                content_type: "application/octet-stream".into(),
                content_id: None,
                data: ByteBuf::from(data.clone()),
            },
            Attachment {
                name: "logo.png".into(),
                content_type: "image/png".into(),
                content_id: Some("logo".into()),
                data: ByteBuf::from(vec![1, 2, 3]),
            },
        ],
        ..mail("")
    };
    let id = send(&email, &mail, "key0works").await.unwrap();
    assert_eq!(id, "<key0works@jackfield.test>");

    let found = server.messages("works-to@example.com").await;
    assert_eq!(found.len(), 1, "one address is told once: {found:?}");
    let message = server.message(found[0]["ID"].as_str().unwrap()).await;
    assert_eq!(message["MessageID"], "key0works@jackfield.test");
    assert_eq!(message["Subject"], mail.subject.trim_end());
    assert_eq!(message["From"], json!({ "Name": "Jackfield", "Address": "noreply@jackfield.test" }));
    assert_eq!(message["To"][0], json!({ "Name": "Jörg Müller", "Address": "works-to@example.com" }));
    assert_eq!(message["Cc"][0]["Address"], "works-cc@example.com");
    assert_eq!(message["ReplyTo"][0]["Address"], "answers@example.com");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(message["Text"].as_str().unwrap()), lines(&text));
    assert!(message["HTML"].as_str().unwrap().contains("Grüße"));
    let part = |list: &str| message[list][0].clone();
    assert_eq!(part("Attachments")["FileName"], "Rechnung Nº 7.bin");
    let read =
        server.attachment(message["ID"].as_str().unwrap(), part("Attachments")["PartID"].as_str().unwrap()).await;
    assert!(read == data, "{} bytes of {}", read.len(), data.len());
    assert_eq!(part("Inline")["ContentID"], "logo");

    // The others do not see who else got it; who else got it, got it.
    let raw = server.raw(message["ID"].as_str().unwrap()).await;
    let head = raw.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
    // What is above, Mailpit puts there itself.
    let head = &head[head.find("\nfrom:").unwrap()..];
    assert!(!head.lines().any(|line| line.starts_with("bcc:")), "{head}");
    assert!(head.contains("list-id: <orders.example.com>") && head.contains("x-order: "), "{head}");
    assert_eq!(server.messages("works-bcc@example.com").await.len(), 1);

    let second =
        Mail { sender: Some("Other <other@bücher.example>".into()), ..super::tests::mail("works-2@example.com") };
    assert_eq!(send(&email, &second, "key2").await.unwrap(), "<key2@xn--bcher-kva.example>");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_refused_by_the_other_side() {
    let mut server = Smtp::start(Options::default()).await;
    let email = open(&settings(&server));
    server.refuse("Recipient", 550).await;
    let refused = send(&email, &mail("nobody@example.com"), "a").await;
    let Err(Failure::Refused { code, message }) = refused else { panic!("{refused:?}") };
    assert!(code == "550" && message.contains("nobody@example.com"), "{code} {message}");
    server.refuse("Recipient", 451).await;
    let text = not_executed(send(&email, &mail("later@example.com"), "b").await);
    assert!(text.contains("451") && text.contains("later@example.com"), "{text}");
    server.refuse("Recipient", 0).await;
    server.refuse("Sender", 451).await;
    not_executed(send(&email, &mail("later@example.com"), "c").await);
    server.refuse("Sender", 0).await;
    send(&email, &mail("later@example.com"), "d").await.unwrap();
    assert_eq!(server.messages("later@example.com").await.len(), 1);
    assert_eq!(server.messages("nobody@example.com").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_wrong_credential() {
    let server = Smtp::shared().await;
    let email = open_at(&Network::default(), &settings(server), WRONG_PASSWORD);
    let text = not_executed(send(&email, &mail("wrong@example.com"), "a").await);
    assert!(text.contains(SECRET) && text.contains(USER) && text.contains("535"), "{text}");
    assert_eq!(server.messages("wrong@example.com").await.len(), 0);

    let settings = settings(server);
    let found = SmtpConnector::new(&Network::default())
        .test(settings.as_object().unwrap(), &secrets(WRONG_PASSWORD), SOON)
        .await;
    let last = found.last().unwrap();
    assert!(!last.ok && last.what == "credential" && last.detail.contains(SECRET), "{found:?}");
    let missing = SmtpConnector::new(&Network::default()).open(settings.as_object().unwrap(), &Vec::new());
    assert!(missing.err().unwrap()[0].problem.contains("secrets set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_killed_mid_call_and_restarted() {
    let mut server = Smtp::start(Options::default()).await;
    let email = open(&settings(&server));
    send(&email, &mail("before@example.com"), "a").await.unwrap();
    // It hangs while a mail is on its way, and then dies.
    server.pause();
    let mut hanging = JoinSet::new();
    hanging.spawn({
        let email = Arc::clone(&email);
        async move { send(&email, &mail("during@example.com"), "b").await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.kill().await;
    not_executed(hanging.join_next().await.unwrap().unwrap());
    not_executed(send(&email, &mail("during@example.com"), "c").await);
    server.restart().await;
    send(&email, &mail("after@example.com"), "d").await.unwrap();
    assert_eq!(server.messages("during@example.com").await.len(), 0, "not executed is true");
    assert_eq!(server.messages("before@example.com").await.len(), 1);
    assert_eq!(server.messages("after@example.com").await.len(), 1);

    // One that hangs is waited for no longer than the call may take.
    server.pause();
    let short = Sending { timeout: Duration::from_millis(300), ..with("e") };
    let began = std::time::Instant::now();
    let late = email.send(&mail("late@example.com"), &short).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    not_executed(late);
    server.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_tls() {
    for security in [Security::StartTls, Security::Tls] {
        let server = Smtp::start(Options { security }).await;
        let mut good = settings(&server);
        good["tls"] = if security == Security::Tls { "tls".into() } else { "starttls".into() };
        send(&open(&good), &mail("tls@example.com"), "a").await.unwrap();

        let (network, _) = network(Names::default().with("mail.test", &["127.0.0.1"]));
        for (key, value, expected) in [
            ("ca", Value::Null, "authority that is not trusted here"),
            ("ca", Value::from(tls::files().stranger.as_str()), "TLS with"),
            ("host", Value::from("mail.test"), "for another name"),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            let text = not_executed(send(&open_at(&network, &bad, PASSWORD), &mail("tls@example.com"), "b").await);
            assert!(text.contains(expected), "{key}: {text}");
        }
        assert_eq!(server.messages("tls@example.com").await.len(), 1);
        let found =
            SmtpConnector::new(&Network::default()).test(good.as_object().unwrap(), &secrets(PASSWORD), SOON).await;
        let what: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(what, ["address", "reachable", "tls", "credential", "session"]);
        assert!(found.iter().all(|finding| finding.ok), "{found:?}");
    }
    let server = Smtp::start(Options { security: Security::Plain }).await;
    let mut plain = settings(&server);
    plain["ca"] = Value::Null;
    plain["tls"] = "off".into();
    send(&open(&plain), &mail("plain@example.com"), "a").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_shared_and_no_more_than_allowed() {
    let server = Smtp::start(Options::default()).await;
    let mut settings = settings(&server);
    settings["pool"] = 2.into();
    let email = open(&settings);
    let mut sending = JoinSet::new();
    for n in 0..40 {
        let email = Arc::clone(&email);
        sending.spawn(async move { send(&email, &mail("many@example.com"), &format!("many{n}")).await.unwrap() });
    }
    let ids: std::collections::BTreeSet<String> = sending.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 40);
    assert_eq!(server.messages("many@example.com").await.len(), 40);
    // As the server printed it.
    let opened = server.process().printed().matches("[smtpd] starting server").count();
    assert!(opened <= 2, "{opened}");
}

#[tokio::test]
async fn an_address_that_must_not_be_called_is_denied() {
    let (network, audited) = network(Names::default().with("inside.test", &["169.254.169.254"]));
    let settings = json!({ "host": "inside.test", "sender": "a@example.com" });
    let denied = send(&open_at(&network, &settings, PASSWORD), &mail("b@example.com"), "a").await;
    assert!(matches!(denied, Err(Failure::Denied(_))), "{denied:?}");
    assert_eq!(audited.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_recording_sends_nothing_and_knows_addresses() {
    let opened = SmtpConnector::new(&Network::default()).offline(None, Some("A <a@Example.com>"));
    let email = opened.email.unwrap();
    assert_eq!(email.sender(), Some("a@example.com"));
    assert_eq!(email.address("Jane <jane@EXAMPLE.com>").unwrap(), "jane@example.com");
    not_executed(send(&email, &mail("b@example.com"), "a").await);
}
