//! What guests and servers do that a good one would not.

use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

/// What a server of a few lines says, and when it goes.
#[derive(Clone, Copy)]
enum Manner {
    /// Says this to EHLO, and is a server like others.
    Offers(&'static [&'static str]),
    /// Closes when this was said.
    LeavesAfter(&'static str),
    /// Answers nothing more after this.
    SilentAfter(&'static str),
    /// Answers this to that.
    Answers(&'static str, &'static str),
}

/// What a server heard, line by line.
type Heard = Arc<Mutex<Vec<String>>>;

async fn server(manner: Manner) -> (u16, Heard, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut sessions = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let log = Arc::clone(&log);
            sessions.spawn(async move {
                let mut stream = BufReader::new(stream);
                stream.write_all(b"220 a few lines\r\n").await.unwrap();
                let (mut line, mut data) = (String::new(), false);
                while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) {
                    let said = std::mem::take(&mut line).trim_end().to_owned();
                    log.lock().unwrap().push(said.clone());
                    match manner {
                        Manner::LeavesAfter(word) if said.starts_with(word) => return,
                        Manner::SilentAfter(word) if said.starts_with(word) => {
                            std::future::pending::<()>().await;
                        }
                        Manner::Answers(word, answer) if said.starts_with(word) => {
                            stream.write_all(answer.as_bytes()).await.unwrap();
                            continue;
                        }
                        _ => {}
                    }
                    let answer = match said.split([' ', ':']).next().unwrap() {
                        "." if data => {
                            data = false;
                            "250 taken\r\n".to_owned()
                        }
                        _ if data => continue,
                        "EHLO" => {
                            let more: &[&str] = if let Manner::Offers(more) = manner { more } else { &[] };
                            let more: String = more.iter().map(|line| format!("250-{line}\r\n")).collect();
                            format!("250-a few lines\r\n{more}250 8BITMIME\r\n")
                        }
                        "DATA" => {
                            data = true;
                            "354 go on\r\n".to_owned()
                        }
                        _ => "250 yes\r\n".to_owned(),
                    };
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, heard, tasks)
}

fn plain(port: u16) -> Value {
    json!({ "host": "127.0.0.1", "port": port, "tls": "off", "sender": "me@example.com" })
}

#[tokio::test]
async fn whether_it_was_sent_is_told_truly() {
    // Before the end of the mail, nothing was taken.
    for word in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let (port, _, _tasks) = server(Manner::LeavesAfter(word)).await;
        not_executed(send(&open(&plain(port)), &mail("a@example.com"), "a").await);
    }
    // After it, nobody knows.
    let (port, heard, _tasks) = server(Manner::LeavesAfter(".")).await;
    let cut = send(&open(&plain(port)), &mail("a@example.com"), "a").await;
    assert!(matches!(cut, Err(Failure::Broken { timed_out: false, .. })), "{cut:?}");
    assert_eq!(heard.lock().unwrap().iter().filter(|line| line.starts_with("MAIL")).count(), 1, "sent once");

    let (port, _, _tasks) = server(Manner::SilentAfter(".")).await;
    let short = Sending { timeout: Duration::from_millis(300), ..with("a") };
    let late = open(&plain(port)).send(&mail("a@example.com"), &short).await;
    assert!(matches!(late, Err(Failure::Broken { timed_out: true, .. })), "{late:?}");
    let (port, _, _tasks) = server(Manner::SilentAfter("RCPT")).await;
    not_executed(open(&plain(port)).send(&mail("a@example.com"), &short).await);

    // What it says at the end counts.
    for (answer, refused) in [("552 too much\r\n", true), ("452 disk full\r\n", false)] {
        let (port, _, _tasks) = server(Manner::Answers(".", answer)).await;
        match send(&open(&plain(port)), &mail("a@example.com"), "a").await {
            Err(Failure::Refused { code, .. }) if refused => assert_eq!(code, "552"),
            Err(Failure::NotExecuted(_)) if !refused => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn all_recipients_get_it_or_none() {
    let (port, heard, _tasks) = server(Manner::Answers("RCPT TO:<b@", "550 no such user\r\n")).await;
    let mail = Mail { cc: vec!["b@example.com".into(), "c@example.com".into()], ..mail("a@example.com") };
    let refused = send(&open(&plain(port)), &mail, "a").await;
    let Err(Failure::Refused { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("b@example.com"), "{message}");
    let heard = heard.lock().unwrap();
    assert!(!heard.iter().any(|line| line == "DATA") && heard.last().unwrap() == "RSET", "{heard:?}");
}

#[tokio::test]
async fn contract_limit_hit() {
    let (port, heard, _tasks) = server(Manner::Offers(&["SIZE 1000"])).await;
    let email = open(&plain(port));
    let large = Mail { text: Some("x".repeat(2_000)), ..mail("a@example.com") };
    let refused = send(&email, &large, "a").await;
    let Err(Failure::TooLarge { message, sent: false }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("at most 1000"), "{message}");
    assert!(!heard.lock().unwrap().iter().any(|line| line.starts_with("MAIL")));
    send(&email, &mail("a@example.com"), "b").await.unwrap();
    assert!(heard.lock().unwrap().iter().any(|line| line.contains("SIZE=")));
}

#[tokio::test]
async fn nothing_is_told_in_the_clear_that_was_to_be_secret() {
    let settings = |port| {
        json!({ "host": "127.0.0.1", "port": port, "sender": "me@example.com",
                "credential": { "user": USER, "secret": SECRET } })
    };
    // STARTTLS is not offered, or taken out on the way.
    let (port, heard, _tasks) = server(Manner::Offers(&["AUTH PLAIN LOGIN"])).await;
    let text = not_executed(send(&open(&settings(port)), &mail("a@example.com"), "a").await);
    assert!(text.contains("STARTTLS"), "{text}");
    assert_eq!(heard.lock().unwrap().len(), 1, "EHLO, and nothing more");
    // It is offered and then refused; or answered, with more behind it that was not asked for.
    for answer in ["454 not now\r\n", "220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n"] {
        let (port, heard, _tasks) = offering(answer).await;
        not_executed(send(&open(&settings(port)), &mail("a@example.com"), "a").await);
        let heard = heard.lock().unwrap();
        assert!(!heard.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{heard:?}");
    }
}

/// Offers STARTTLS, and answers so to it.
async fn offering(answer: &'static str) -> (u16, Heard, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        stream.write_all(b"220 hello\r\n").await.unwrap();
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) {
            let said = std::mem::take(&mut line).trim_end().to_owned();
            log.lock().unwrap().push(said.clone());
            let answer = if said == "STARTTLS" { answer } else { "250-hello\r\n250 STARTTLS\r\n" };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    (port, heard, tasks)
}

#[tokio::test]
async fn what_is_no_smtp_is_told_so() {
    for answer in ["SSH-2.0-x\r\n", "25\r\n", "999 x\r\n", "250x\r\n"] {
        let (port, _, _tasks) = server(Manner::Answers("EHLO", answer)).await;
        not_executed(send(&open(&plain(port)), &mail("a@example.com"), "a").await);
    }
    let endless: &'static str = Box::leak("250-more\r\n".repeat(20_000).into_boxed_str());
    let (port, _, _tasks) = server(Manner::Answers("EHLO", endless)).await;
    let text = not_executed(send(&open(&plain(port)), &mail("a@example.com"), "a").await);
    assert!(text.contains("longer than"), "{text}");
}

#[tokio::test]
async fn a_password_that_the_server_sends_back_is_covered() {
    let (port, _, _tasks) = server(Manner::Offers(&["AUTH LOGIN"])).await;
    let mut settings = plain(port);
    settings["credential"] = json!({ "user": USER, "secret": SECRET });
    // It says yes to everything, and a login wants 334.
    let text = not_executed(send(&open(&settings), &mail("a@example.com"), "a").await);
    assert!(text.contains("credential"), "{text}");
    let echo: &'static str = Box::leak(format!("535 not {PASSWORD}\r\n").into_boxed_str());
    let (port, _, _tasks) = server(Manner::Answers("EHLO", echo)).await;
    settings["port"] = port.into();
    let text = not_executed(send(&open(&settings), &mail("a@example.com"), "a").await);
    assert!(text.contains("[redacted]"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_039_nothing_a_guest_says_begins_a_header_or_a_command() {
    let (port, heard, _tasks) = server(Manner::Offers(&[])).await;
    let email = open(&plain(port));
    let base = || mail("victim@example.com");
    let headers = |name: &str, value: &str| Mail { headers: vec![(name.into(), value.into())], ..base() };
    let attached = |name: &str, kind: &str, id: Option<&str>| Mail {
        html: Some("<p>".into()),
        attachments: vec![Attachment {
            name: name.into(),
            content_type: kind.into(),
            content_id: id.map(str::to_owned),
            data: ByteBuf::from(b"x".to_vec()),
        }],
        ..base()
    };
    let mut bad = Vec::new();
    for end in ["\r\n", "\n", "\r", "\0", "\u{85}", "\u{1b}"] {
        let bcc = format!("x{end}Bcc: all@example.com");
        bad.push(("subject", Mail { subject: bcc.clone(), ..base() }));
        bad.push(("to", mail(&format!("a@example.com{end}Bcc: all@example.com"))));
        bad.push(("to's name", mail(&format!("A{end}Bcc: all@example.com <a@example.com>"))));
        bad.push(("cc", Mail { cc: vec![format!("a@example.com>{end}RCPT TO:<all@example.com")], ..base() }));
        bad.push(("bcc", Mail { bcc: vec![format!("{end}a@example.com")], ..base() }));
        bad.push(("reply-to", Mail { reply_to: vec![format!("a@example.com{end}")], ..base() }));
        bad.push(("sender", Mail { sender: Some(format!("A <a@example.com>{end}X: y")), ..base() }));
        bad.push(("a header's value", headers("X-Note", &bcc)));
        bad.push(("a header's name", headers(&format!("X-Note: a{end}Bcc"), "all@example.com")));
        bad.push(("an attachment's name", attached(&bcc, "text/plain", None)));
        bad.push(("an attachment's type", attached("a", &format!("text/plain{end}Bcc: x"), None)));
        bad.push(("a content id", attached("a", "image/png", Some(&bcc))));
    }
    for address in [
        "a@example.com, all@example.com",
        "a@example.com> SIZE=1",
        "<a@example.com> <b@example.com>",
        "\"a b\"@example.com",
        "a@b@example.com",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@",
        "@example.com",
        "jörg@example.com",
        "",
        "a@exa mple.com",
        "a@example.com.",
    ] {
        bad.push(("an address", mail(address)));
    }
    for name in [
        "Bcc",
        "bcc",
        "To",
        "From",
        "Sender",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "content-transfer-encoding",
        "Resent-To",
        "Received",
        "Return-Path",
        "DKIM-Signature",
        "X Y",
        "X:",
        "",
        "Ä",
    ] {
        bad.push(("a header of the host's", headers(name, "x")));
    }
    bad.push(("a content id", attached("a", "image/png", Some("a> b"))));
    bad.push(("a type", attached("a", "multipart/mixed; boundary=x", None)));
    bad.push(("a type", attached("a", "nonsense", None)));
    bad.push(("many headers", Mail { headers: vec![("X-A".into(), "b".into()); 101], ..base() }));
    bad.push(("a long header", headers("X-A", &"b".repeat(2_001))));
    bad.push(("nothing to read", Mail { text: None, ..base() }));
    let count = bad.len();
    for (what, mail) in bad {
        let refused = send(&email, &mail, "key").await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{what}: {mail:?}: {refused:?}");
    }
    assert!(count > 100 && heard.lock().unwrap().is_empty(), "nothing was said to the server");

    // A body may hold anything; it stays one mail.
    let text = "x\r\n.\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<all@example.com>\r\nDATA\r\n\n.\n\r.\r".to_owned();
    send(&email, &Mail { text: Some(text), ..base() }, "key").await.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.iter().filter(|line| *line == ".").count(), 1, "{heard:?}");
}
