//! The tests' own servers: each starts, answers, keeps its data when it is killed, and is gone when nobody holds it.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use jackfield_tests::servers::server::{Kind, PASSWORD, USER, WRONG_PASSWORD};
use jackfield_tests::servers::{Fhir, Kafka, Nats, Postgres, S3, Server, Smtp, Soap, nats, s3, smtp, tls};
use jackfield_tests::{env, wait};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Nobody listens there any more, and the folder is gone.
async fn is_gone<K: Kind>(server: Server<K>, address: SocketAddr) {
    let folder = server.process().folder().to_owned();
    assert!(folder.is_dir() && TcpStream::connect(address).await.is_ok());
    drop(server);
    assert!(!folder.exists(), "{} is left", folder.display());
    assert!(TcpStream::connect(address).await.is_err(), "{address} still listens");
}

/// A handshake by OpenSSL, which trusts the tests' authority alone; gives whether it trusted the server.
async fn trusts(address: SocketAddr, how: &[&str]) -> bool {
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-connect",
        &address.to_string(),
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
    ]);
    command.arg("-CAfile").arg(&tls::files().ca_file).args(how).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() == said.contains("Verify return code: 0 (ok)"), "{said}");
    output.status.success()
}

/// `psql` as a user would call it, over TLS that checks whom it talks to.
async fn psql(postgres: &Postgres, database: &str, user: &str, password: &str) -> Output {
    let files = tls::files();
    let (ca, pair) = (files.ca_file.display(), &files.client);
    let mut to = format!("host=localhost hostaddr=127.0.0.1 port={} dbname={database}", postgres.address().port());
    to += &format!(" user={user} sslmode=verify-full sslrootcert={ca} connect_timeout=5");
    if user == tls::CLIENT {
        to += &format!(" sslcert={} sslkey={}", pair.certificate_file.display(), pair.key_file.display());
    }
    let sql = "select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()";
    Command::new("psql").args(["-XAtw", &to, "-c", sql]).env("PGPASSWORD", password).output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_its_rows_and_knows_its_users() {
    let mut postgres = Postgres::start(Default::default()).await;
    let database = postgres.database().await;
    postgres.sql(&database, "create table t (n int); insert into t values (1), (2)").await;
    let slot = "select pg_create_logical_replication_slot('s', 'pgoutput')";
    postgres.sql(&database, slot).await;

    postgres.kill().await;
    assert!(TcpStream::connect(postgres.address()).await.is_err());
    postgres.restart().await;
    assert_eq!(postgres.sql(&database, "select n from t order by n").await, "1\n2");
    assert_eq!(postgres.sql(&database, "select slot_name, active from pg_replication_slots").await, "s|f");

    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(said(&psql(&postgres, &database, USER, PASSWORD).await), "app|t");
    assert_eq!(said(&psql(&postgres, &database, tls::CLIENT, "").await), "certified|t");
    let refused = psql(&postgres, &database, USER, WRONG_PASSWORD).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("password authentication failed"), "{refused:?}");

    // One that hangs, its sessions too, answers nobody until it goes on.
    let ask = || tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(postgres.address()));
    let mut session = ask().await.unwrap().unwrap();
    postgres.pause();
    session.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap(); // does it speak TLS?
    let mut answer = [0];
    let waited = tokio::time::timeout(Duration::from_millis(200), session.read_exact(&mut answer)).await;
    assert!(waited.is_err(), "it answers {answer:?}");
    postgres.resume();
    session.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"S");
    drop(session);

    assert!(postgres.stop().await.success());
    postgres.restart().await;
    let address = postgres.address();
    is_gone(postgres, address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_its_records_and_shows_them() {
    let mut kafka = Kafka::start(Default::default()).await;
    let topic = kafka.topic(3).await;
    assert_eq!(kafka.ends(&topic).await, [0, 0, 0]);
    assert_eq!(kafka.records(&topic).await, []);
    let (_, right, wrong) = tokio::join!(
        kafka.produce(&topic, &[("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")]),
        kafka.login("SCRAM-SHA-256", PASSWORD),
        kafka.login("PLAIN", WRONG_PASSWORD),
    );
    assert_eq!(right, Ok(()));
    assert!(wrong.as_ref().is_err_and(|said| said.contains("SaslAuthenticationException")), "{wrong:?}");
    assert!(trusts(kafka.tls_address(), &[]).await);

    kafka.kill().await;
    kafka.restart().await;
    assert_eq!(kafka.ends(&topic).await.iter().sum::<i64>(), 4);
    let records = kafka.records(&topic).await;
    let of = |key: &str| -> Vec<_> {
        let of = records.iter().filter(|record| record.key.as_deref() == Some(key));
        of.map(|record| record.value.clone().unwrap()).collect()
    };
    assert_eq!((of("a"), of("b"), of("c")), (vec!["1".into(), "4".into()], vec!["2".into()], vec!["3".into()]));
    assert!(records.iter().all(|record| record.headers.is_empty() && record.timestamp_ms > 0), "{records:#?}");
    assert_eq!(kafka.committed("nobody", &topic).await, [None, None, None]);
    let address = kafka.address();
    is_gone(kafka, address).await;
}

/// The first thing that a NATS server says.
async fn greeting(nats: &Nats) -> String {
    let mut line = String::new();
    BufReader::new(TcpStream::connect(nats.address()).await.unwrap()).read_line(&mut line).await.unwrap();
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_keeps_its_messages() {
    let mut nats = Nats::start(Default::default()).await;
    let stream = nats.stream().await;
    let subject = format!("{stream}.orders");
    assert_eq!(nats.publish(&subject, b"one").await, 1);
    assert_eq!(nats.publish(&subject, b"two").await, 2);

    nats.kill().await;
    nats.restart().await;
    assert_eq!(nats.publish(&subject, b"three").await, 3);
    let messages = nats.messages(&stream).await;
    let data: Vec<_> = messages.iter().map(|m| (m.sequence, m.subject.as_str(), m.data.as_slice())).collect();
    assert_eq!(data, [(1, &*subject, &b"one"[..]), (2, &subject, b"two"), (3, &subject, b"three")]);
    assert_eq!(nats.monitor("/jsz").await["messages"], 3);

    // Whoever guesses is refused.
    let mut session = BufReader::new(TcpStream::connect(nats.address()).await.unwrap());
    let who = json!({ "user": USER, "pass": WRONG_PASSWORD, "verbose": false });
    session.write_all(format!("CONNECT {who}\r\nPING\r\n").as_bytes()).await.unwrap();
    let mut said = String::new();
    session.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("Authorization Violation"), "{said}");
    let address = nats.address();
    is_gone(nats, address).await;

    let options = nats::Options { security: nats::Security::Certificate, ..Default::default() };
    let demands = greeting(&Nats::start(options).await).await;
    assert!(demands.contains(r#""tls_required":true"#) && demands.contains(r#""tls_verify":true"#), "{demands}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_its_objects_and_serves_https() {
    let mut server = S3::start(Default::default()).await;
    let bucket = server.bucket().await;
    server.put(&bucket, "a/b.txt", b"kept").await;

    server.kill().await;
    server.restart().await;
    assert_eq!(server.keys(&bucket), ["a/b.txt"]);
    assert_eq!(server.object(&bucket, "a/b.txt").as_deref(), Some(&b"kept"[..]));
    let read = server.request(Method::GET, &format!("/{bucket}/a/b.txt"), b"").await;
    assert_eq!(read, (200, b"kept".to_vec()));
    let (status, listed) = server.request(Method::GET, &format!("/{bucket}?list-type=2&prefix=a"), b"").await;
    assert!(status == 200 && String::from_utf8_lossy(&listed).contains("<Key>a/b.txt</Key>"));
    let unsigned = reqwest::get(format!("{}/{bucket}/a/b.txt", server.endpoint())).await.unwrap();
    assert_eq!(unsigned.status(), 403);
    let address = server.address();
    is_gone(server, address).await;

    let server = S3::start(s3::Options { tls: true }).await;
    let bucket = server.bucket().await;
    server.put(&bucket, "x", b"1").await;
    assert!(server.endpoint().starts_with("https://") && trusts(server.address(), &[]).await);
}

/// Says lines to an SMTP server over TLS, one after each answer, and gives the code of the last answer.
async fn say(smtp: &Smtp, how: &[&str], lines: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-quiet",
        "-verify_quiet",
        "-verify_return_error",
        "-connect",
        &smtp.address().to_string(),
    ]);
    command.arg("-CAfile").arg(&tls::files().ca_file).args(how).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut last = String::new();
    for line in ["EHLO tests"].iter().chain(lines) {
        to.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        // An answer's last line has a space after its code.
        loop {
            last.clear();
            let read = tokio::time::timeout(wait::LONG, from.read_line(&mut last)).await.unwrap().unwrap();
            assert!(read > 0, "no answer to {line}");
            if last.as_bytes().get(3) == Some(&b' ') && !last.starts_with("220") {
                break;
            }
        }
    }
    last.chars().take(3).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn smtp_keeps_its_mails_and_demands_tls_and_a_login() {
    let mut smtp = Smtp::start(Default::default()).await;
    let starttls = ["-starttls", "smtp"];
    let login = |password: &str| {
        use base64::Engine as _;
        let both = format!("\0{USER}\0{password}");
        format!("AUTH PLAIN {}", base64::engine::general_purpose::STANDARD.encode(both))
    };
    let (right, wrong) = (login(PASSWORD), login(WRONG_PASSWORD));
    let mail = "Subject: hello\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: application/octet-stream\r\n\
        Content-Disposition: attachment; filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n.";
    let send = [&right, "MAIL FROM:<me@tests>", "RCPT TO:<kept@tests>", "DATA", mail];
    assert_eq!(say(&smtp, &starttls, &send).await, "250");

    smtp.kill().await;
    smtp.restart().await;
    let mails = smtp.messages("kept@tests").await;
    assert_eq!((mails.len(), &mails[0]["Subject"]), (1, &json!("hello")), "{mails:#?}");
    let id = mails[0]["ID"].as_str().unwrap();
    assert!(smtp.raw(id).await.contains("multipart/mixed"));
    let message = smtp.message(id).await;
    let part = message["Attachments"][0]["PartID"].as_str().unwrap();
    assert_eq!(smtp.attachment(id, part).await, [0, 1, 2]);
    assert!(smtp.messages("nobody@tests").await.is_empty());

    assert_eq!(say(&smtp, &starttls, &[&wrong]).await, "535");
    assert_eq!(say(&smtp, &starttls, &["MAIL FROM:<me@tests>"]).await, "530");
    smtp.refuse("Recipient", 451).await;
    assert_eq!(say(&smtp, &starttls, &send[..3]).await, "451");
    smtp.refuse("Recipient", 0).await;
    assert_eq!(say(&smtp, &starttls, &send[..3]).await, "250");
    let address = smtp.address();
    is_gone(smtp, address).await;

    let smtp = Smtp::start(smtp::Options { security: smtp::Security::Tls }).await;
    assert_eq!(say(&smtp, &[], &[&right]).await, "235");
}

#[tokio::test(flavor = "multi_thread")]
async fn fhir_knows_versions_and_conditions() {
    let fhir = Fhir::shared().await;
    let clinic = |name: &str| {
        let identifier = json!([{ "system": "urn:clinics", "value": "17" }]);
        json!({ "resourceType": "Organization", "id": "clinic-17", "identifier": identifier, "name": name }).to_string()
    };
    let unless = [("if-none-exist", "identifier=urn:clinics|17")];
    let (status, made) = fhir.ask(Method::POST, "Organization", &unless, &clinic("Šv. Agnė")).await;
    assert_eq!((status, &made["meta"]["versionId"]), (201, &json!("1")), "{made:#}");
    let (status, found) = fhir.ask(Method::POST, "Organization", &unless, &clinic("another")).await;
    assert_eq!((status, &found["id"], &found["name"]), (200, &made["id"], &json!("Šv. Agnė")), "{found:#}");

    let path = format!("Organization/{}", made["id"].as_str().unwrap());
    let body = clinic("St Agnes").replace("clinic-17", made["id"].as_str().unwrap());
    let known = [("if-match", "W/\"1\"")];
    let (status, changed) = fhir.ask(Method::PUT, &path, &known, &body).await;
    assert_eq!((status, &changed["meta"]["versionId"]), (200, &json!("2")), "{changed:#}");
    let (status, stale) = fhir.ask(Method::PUT, &path, &known, &body.replace("St Agnes", "lost")).await;
    assert_eq!((status, &stale["resourceType"]), (409, &json!("OperationOutcome")), "{stale:#}");
    let (_, listed) = fhir.ask(Method::GET, "Organization?identifier=urn:clinics|17", &[], "").await;
    assert_eq!((&listed["total"], &listed["entry"][0]["resource"]["name"]), (&json!(1), &json!("St Agnes")));
    let (status, refused) =
        fhir.ask(Method::POST, "Patient", &[], r#"{"resourceType":"Patient","birthDate":"2025-02-30"}"#).await;
    assert!(status == 400 && refused.to_string().contains("2025-02-30"), "{refused:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn soap_answers_in_both_versions_as_its_wsdl_says() {
    let mut soap = Soap::start(Default::default()).await;
    let wsdl = soap.page("central/ExchangeRates?wsdl").await;
    assert!(wsdl.contains("http://schemas.xmlsoap.org/wsdl/soap/") && wsdl.contains("urn:example:exchange-rates:1"));
    assert!(soap.page("commercial/ExchangeRates?wsdl").await.contains("http://schemas.xmlsoap.org/wsdl/soap12/"));
    let types = soap.page("central/ExchangeRates?xsd=1").await;
    assert!(types.contains(r#"name="rate" type="xs:decimal" nillable="true""#), "{types}");

    let ask = async |soap: &Soap, bank: &str, currency: &str| {
        let (namespace, media) = match bank {
            "central" => ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml"),
            _ => ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml"),
        };
        let body =
            format!("<GetQuotes xmlns='urn:example:exchange-rates:1'><currency>{currency}</currency></GetQuotes>");
        let envelope = format!("<s:Envelope xmlns:s='{namespace}'><s:Body>{body}</s:Body></s:Envelope>");
        let url = format!("http://{}/{bank}/ExchangeRates", soap.address());
        let request = reqwest::Client::new().post(url).header("content-type", format!("{media}; charset=utf-8"));
        let answer = request.body(envelope).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, quotes) = ask(&soap, "central", "JPY").await;
    assert!(
        status == 200 && quotes.contains("<rate>0.56870</rate>") && quotes.contains("xsi:nil=\"true\""),
        "{quotes}"
    );
    assert!(quotes.contains("<day>2026-11-02+01:00</day>"), "{quotes}");
    let (status, quotes) = ask(&soap, "commercial", "JPY").await;
    assert!(status == 200 && quotes.contains("<rate>0.0056870000000001</rate>"), "{quotes}");
    let (status, fault) = ask(&soap, "central", "HRK").await;
    assert!(status == 500 && fault.contains("<code>WITHDRAWN</code>") && fault.contains("<successor>EUR<"), "{fault}");
    let (status, fault) = ask(&soap, "commercial", "HRK").await;
    assert!(status == 500 && fault.contains("<code>UNKNOWN_CURRENCY</code>"), "{fault}");
    assert_eq!(soap.asked().await[2..], ["central HRK null", "commercial HRK null"]);

    soap.kill().await;
    soap.restart().await;
    assert_eq!(soap.asked().await.len(), 0);
    assert_eq!(ask(&soap, "central", "JPY").await.0, 200);
    let address = soap.address();
    is_gone(soap, address).await;
}

/// Says to this test itself, in a process of its own, that it is to be left alone with a server.
const LEFT: &str = "JACKFIELD_LEFT_WITH_A_SERVER";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_outlive_a_test_process_that_is_killed() {
    if env::variable(LEFT).is_some() {
        let mut nats = Nats::start(Default::default()).await;
        // Also one that hangs.
        nats.pause();
        eprintln!("left {} {}", nats.address(), nats.process().folder().display());
        std::future::pending::<()>().await;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "servers::a_server_does_not_outlive_a_test_process_that_is_killed", "--nocapture"]);
    let mut child =
        command.env(LEFT, "1").kill_on_drop(true).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let (address, folder) = loop {
        let line = said.next_line().await.unwrap().expect("it says what it is left with");
        if let Some((address, folder)) = line.strip_prefix("left ").and_then(|rest| rest.split_once(' ')) {
            break (address.parse::<SocketAddr>().unwrap(), std::path::PathBuf::from(folder));
        }
    };
    assert!(folder.is_dir() && TcpStream::connect(address).await.is_ok());
    child.kill().await.unwrap(); // SIGKILL
    wait::until("the server is gone", wait::LONG, || async {
        let gone = !folder.exists() && !folder.parent()?.exists() && TcpStream::connect(address).await.is_err();
        gone.then_some(())
    })
    .await;
}
