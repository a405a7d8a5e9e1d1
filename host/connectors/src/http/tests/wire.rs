//! What is on the wire, and what of the answer a guest sees.

use super::*;
use std::io::Write as _;

const SECRET: &str = "s3cret/with+odd=chars";

#[track_caller]
fn has(request: &str, name: &str, value: &str) {
    assert_eq!(header(request, name), Some(value), "{request}");
}

#[tokio::test]
async fn contract_works_a_request_arrives_as_it_was_made() {
    let server =
        Server::start(|_, _| Answer::Keep(response("201 Created", "X-Made: yes\r\nX-Made: twice\r\n", "{}"))).await;
    let link = plain(&server.base());
    let mut call = post(&format!("{}/things?x=a%20b&y=%2F", server.base()), "hello");
    call.headers = vec![("x-one".into(), "1".into()), ("X-Two".into(), "2".into()), ("x-one".into(), "3".into())];
    let answer = send(&link, call).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (201, &b"{}"[..]));
    let made: Vec<&str> = answer.headers.iter().filter(|(n, _)| n == "x-made").map(|(_, v)| v.as_str()).collect();
    assert_eq!(made, ["yes", "twice"]);

    let heard = server.only();
    assert!(heard.starts_with("POST /things?x=a%20b&y=%2F HTTP/1.1\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\nhello"), "{heard}");
    has(&heard, "content-length", "5");
    has(&heard, "user-agent", concat!("jackfield/", env!("CARGO_PKG_VERSION")));
    has(&heard, "accept-encoding", "gzip, deflate");
    has(&heard, "x-two", "2");
    assert_eq!(heard.matches("x-one: ").count(), 2, "{heard}");
    assert_eq!(header(&heard, "authorization"), None);
}

#[tokio::test]
async fn each_type_of_credential_reaches_the_server() {
    let server = Server::start(|_, _| ok("")).await;
    let base = server.base();
    let with = |credential: Value| {
        let settings = json!({ "base_url": base, "credential": credential });
        opened(&Network::default(), &settings, &[("token", SECRET), ("other", "not this one")])
    };
    let cases = [
        json!({ "type": "none" }),
        json!({ "type": "bearer", "secret": "token" }),
        json!({ "type": "basic", "user": "robot", "secret": "token" }),
        json!({ "type": "header", "name": "X-Api-Key", "secret": "token", "prefix": "Key " }),
        json!({ "type": "query", "name": "api key", "secret": "token" }),
    ];
    for case in cases {
        send(&with(case), get(&format!("{base}/x?a=1"))).await.unwrap();
    }
    let heard = server.heard();
    assert_eq!(header(&heard[0], "authorization"), None);
    has(&heard[1], "authorization", &format!("Bearer {SECRET}"));
    has(&heard[2], "authorization", "Basic cm9ib3Q6czNjcmV0L3dpdGgrb2RkPWNoYXJz");
    has(&heard[3], "x-api-key", &format!("Key {SECRET}"));
    assert!(heard[4].starts_with("GET /x?a=1&api+key=s3cret%2Fwith%2Bodd%3Dchars HTTP/1.1\r\n"), "{}", heard[4]);
}

#[tokio::test]
async fn a_guest_cannot_set_what_the_credential_sets() {
    let server = Server::start(|_, _| ok("")).await;
    let base = server.base();
    let with = |credential: Value| {
        opened(&Network::default(), &json!({ "base_url": base, "credential": credential }), &[("token", SECRET)])
    };
    let refused = async |link: &Link, name: &str| {
        let mut call = get(&format!("{base}/"));
        call.headers = vec![(name.into(), "mine".into())];
        let result = send(link, call).await;
        assert!(matches!(&result, Err(HttpFailure::Invalid(text)) if text.contains("set by the host")), "{result:?}");
        assert!(link.reserved_headers().contains(&name.to_ascii_lowercase()));
    };
    let header_key = with(json!({ "type": "header", "name": "X-Api-Key", "secret": "token" }));
    refused(&header_key, "x-api-key").await;
    refused(&header_key, "Authorization").await;
    refused(&with(json!({ "type": "bearer", "secret": "token" })), "AUTHORIZATION").await;
    let query = with(json!({ "type": "query", "name": "key", "secret": "token" }));
    refused(&query, "authorization").await;
    let result = send(&query, get(&format!("{base}/?k%65y=mine"))).await;
    assert!(matches!(result, Err(HttpFailure::Invalid(_))), "{result:?}");
    assert_eq!(server.accepted(), 0, "nothing was sent");

    // Without a credential the guest may bring its own.
    let mut call = get(&format!("{base}/"));
    call.headers = vec![("authorization".into(), "Bearer own".into())];
    send(&plain(&base), call).await.unwrap();
    has(&server.only(), "authorization", "Bearer own");
}

#[tokio::test]
async fn an_echoed_credential_is_taken_out() {
    let server = Server::start(|_, request| {
        let said = header(request, "authorization").unwrap_or_default();
        let quoted = said.replace('/', "\\/");
        let body = format!("you said {said}, in JSON {quoted}");
        if request.contains("/zip") {
            let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            zip.write_all(body.as_bytes()).unwrap();
            return Answer::Keep(response("200 OK", "content-encoding: gzip\r\n", zip.finish().unwrap()));
        }
        Answer::Keep(response("200 OK", &format!("x-echo: {said}\r\nlocation: /?t={said}\r\n"), body))
    })
    .await;
    let base = server.base();
    for credential in
        [json!({ "type": "bearer", "secret": "token" }), json!({ "type": "basic", "user": "robot", "secret": "token" })]
    {
        let settings = json!({ "base_url": base, "credential": credential });
        let link = opened(&Network::default(), &settings, &[("token", SECRET)]);
        for path in ["/", "/zip"] {
            let answer = send(&link, get(&format!("{base}{path}"))).await.unwrap();
            let all = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
            assert!(all.contains("you said") && all.contains("[redacted]"), "{all}");
            for form in [SECRET, "s3cret\\/with", "OnMzY3JldC93aXRoK29kZD1jaGFyc"] {
                assert!(!all.contains(form), "{form} in {all}");
            }
            let length = answer.headers.iter().find(|(n, _)| n == "content-length").map(|(_, v)| v.as_str());
            assert_ne!(length, Some(""), "{all}");
            assert!(length.is_none(), "the old length is not the body's any more: {all}");
        }
    }
    let shown = format!(
        "{:?}",
        opened(
            &Network::default(),
            &json!({ "base_url": base, "credential":
        { "type": "bearer", "secret": "token" } }),
            &[("token", SECRET)]
        )
    );
    assert!(!shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn the_operators_headers_replace_the_guests() {
    let server = Server::start(|_, _| ok("")).await;
    let settings =
        json!({ "base_url": server.base(), "headers": { "Accept": "application/vnd.x+json", "User-Agent": "ours" } });
    let link = opened(&Network::default(), &settings, &[]);
    let mut call = get(&format!("{}/", server.base()));
    call.headers = vec![("accept".into(), "*/*".into()), ("accept-encoding".into(), "identity".into())];
    send(&link, call).await.unwrap();
    let heard = server.only();
    has(&heard, "accept", "application/vnd.x+json");
    has(&heard, "user-agent", "ours");
    has(&heard, "accept-encoding", "identity");
    assert_eq!(heard.to_lowercase().matches("accept: ").count(), 1);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call() {
    let server = Server::start(|_, _| ok("x")).await;
    let link = plain(&server.base());
    for _ in 0..10 {
        send(&link, get(&format!("{}/", server.base()))).await.unwrap();
    }
    assert_eq!((server.accepted(), server.heard().len()), (1, 10));
}

#[tokio::test]
async fn compressed_bodies_are_decoded() {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    let server = Server::start(|_, request| {
        let body = b"hello ".repeat(1000);
        let (name, bytes) = if request.contains("/gzip") {
            let mut e = GzEncoder::new(Vec::new(), Compression::default());
            e.write_all(&body).unwrap();
            ("gzip", e.finish().unwrap())
        } else if request.contains("/twice") {
            // Two members in a row are one file (RFC 1952).
            let mut both = Vec::new();
            for half in body.chunks(body.len() / 2) {
                let mut e = GzEncoder::new(Vec::new(), Compression::default());
                e.write_all(half).unwrap();
                both.extend(e.finish().unwrap());
            }
            ("x-gzip", both)
        } else if request.contains("/zlib") {
            let mut e = ZlibEncoder::new(Vec::new(), Compression::default());
            e.write_all(&body).unwrap();
            ("deflate", e.finish().unwrap())
        } else if request.contains("/raw") {
            let mut e = DeflateEncoder::new(Vec::new(), Compression::default());
            e.write_all(&body).unwrap();
            ("deflate", e.finish().unwrap())
        } else if request.contains("/cut") {
            let mut e = GzEncoder::new(Vec::new(), Compression::default());
            e.write_all(&body).unwrap();
            let mut bytes = e.finish().unwrap();
            bytes.truncate(bytes.len() - 12);
            ("gzip", bytes)
        } else if request.contains("/empty") {
            ("gzip", Vec::new())
        } else if request.contains("/lie") {
            ("gzip", body)
        } else {
            ("br", b"as it came".to_vec())
        };
        Answer::Keep(response("200 OK", &format!("Content-Encoding: {name}\r\n"), bytes))
    })
    .await;
    let link = plain(&server.base());
    let at = |path: &str| get(&format!("{}{path}", server.base()));
    for path in ["/gzip", "/twice", "/zlib", "/raw"] {
        let answer = send(&link, at(path)).await.unwrap();
        assert_eq!(answer.body.len(), 6000, "{path}");
        assert!(answer.headers.iter().all(|(n, _)| n != "content-encoding" && n != "content-length"), "{path}");
    }
    for path in ["/cut", "/lie"] {
        let result = send(&link, at(path)).await;
        assert!(matches!(result, Err(HttpFailure::Broken { timed_out: false, .. })), "{path} {result:?}");
    }
    assert_eq!(send(&link, at("/empty")).await.unwrap().body.len(), 0);
    let unknown = send(&link, at("/br")).await.unwrap();
    assert_eq!(&unknown.body[..], b"as it came");
    assert!(unknown.headers.contains(&("content-encoding".into(), "br".into())));
}

#[tokio::test]
async fn a_head_has_a_length_and_no_body() {
    let server = Server::start(|_, _| {
        Answer::Keep(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\ncontent-encoding: gzip\r\n\r\n".to_vec())
    })
    .await;
    let answer = send(&plain(&server.base()), request("HEAD", &format!("{}/", server.base()))).await.unwrap();
    assert_eq!(answer.body.len(), 0);
    assert!(answer.headers.contains(&("content-length".into(), "99999999999".into())), "{answer:?}");
    assert!(answer.headers.contains(&("content-encoding".into(), "gzip".into())), "{answer:?}");
}

#[tokio::test]
async fn threat_017_what_cannot_be_sent_is_refused_before_the_library() {
    let server = Server::start(|_, _| ok("")).await;
    let link = plain(&server.base());
    let base = server.base();
    let refused = async |what: &str, change: &dyn Fn(&mut HttpRequest)| {
        let mut call = get(&format!("{base}/"));
        change(&mut call);
        let result = send(&link, call).await;
        assert!(matches!(result, Err(HttpFailure::Invalid(_))), "{what}: {result:?}");
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    refused("100,000 fields", &|c| c.headers = vec![pair("x", "y"); 100_000]).await;
    refused("129 fields", &|c| c.headers = vec![pair("x", "y"); 129]).await;
    refused("64 KiB", &|c| c.headers = vec![pair("x", &"y".repeat(65_536))]).await;
    for name in ["x\r\ny", "x y", "x:", "", "x\0", "ü", "a\nHost"] {
        refused(name, &|c| c.headers = vec![pair(name, "v")]).await;
    }
    for value in ["a\r\nx-smuggled: 1", "a\nb", "a\rb", "a\0b", "a\u{7f}"] {
        refused(value, &|c| c.headers = vec![pair("x", value)]).await;
    }
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "proxy-anything",
        "http2-settings",
    ] {
        refused(name, &|c| c.headers = vec![pair(name, "1")]).await;
    }
    refused("two lengths", &|c| c.headers = vec![pair("content-length", "1"), pair("Content-Length", "2")]).await;
    for method in ["GET / HTTP/1.1\r\nx: y", "", "G T", "CONNECT", "TRACE"] {
        refused(method, &|c| c.method = method.into()).await;
    }
    refused("no time", &|c| c.timeout = Duration::ZERO).await;
    assert_eq!(server.accepted(), 0, "nothing was sent: {:?}", server.heard());

    let mut most = get(&format!("{base}/"));
    most.headers = vec![pair("x", "y"); 128];
    send(&link, most).await.unwrap();
}

#[tokio::test]
async fn threat_035_the_host_is_the_urls() {
    let server = Server::start(|_, _| ok("")).await;
    let names = crate::tests::Names::default().with("api.test", &["127.0.0.1"]);
    let (network, _) = crate::tests::network(names);
    let base = format!("http://API.test:{}/v1", server.address.port());
    let link = opened(&network, &json!({ "base_url": base }), &[]);
    assert_eq!(link.base().unwrap().as_str(), base.replace("API", "api"));
    send(&link, get(&format!("{base}/self"))).await.unwrap();
    let heard = server.only();
    assert!(heard.starts_with("GET /v1/self HTTP/1.1\r\n"), "{heard}");
    has(&heard, "host", &format!("api.test:{}", server.address.port()));
    for elsewhere in [
        format!("http://127.0.0.1:{}/v1/x", server.address.port()),
        format!("http://api.test:{}/v2", server.address.port()),
        format!("http://api.test:{}/v10", server.address.port()),
        format!("http://api.test:{}/v1/../v2", server.address.port()),
        format!("http://api.test.evil.test:{}/v1", server.address.port()),
        format!("https://api.test:{}/v1", server.address.port()),
        format!("http://u:p@api.test:{}/v1", server.address.port()),
    ] {
        let result = send(&link, get(&elsewhere)).await;
        assert!(matches!(result, Err(HttpFailure::Denied(_))), "{elsewhere} {result:?}");
    }
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn threat_017_an_answer_of_conflicting_lengths_is_no_answer() {
    let server = Server::start(|_, _| {
        Answer::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nhello".to_vec())
    })
    .await;
    let result = send(&plain(&server.base()), get(&format!("{}/", server.base()))).await;
    assert!(matches!(result, Err(HttpFailure::Broken { timed_out: false, .. })), "{result:?}");
}

#[tokio::test]
async fn headers_about_the_connection_are_not_handed_over() {
    let server = Server::start(|_, _| {
        let headers = "Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Authenticate: x\r\n\
                       Set-Cookie: a=b\r\nX-Bytes: \u{e9}\r\n";
        let mut bytes = response("200 OK", headers, "");
        // Latin-1, as old servers send it.
        let at = bytes.windows(2).position(|w| w == "\u{e9}".as_bytes()).unwrap();
        bytes.splice(at..at + 2, [0xe9]);
        Answer::Keep(bytes)
    })
    .await;
    let answer = send(&plain(&server.base()), get(&format!("{}/", server.base()))).await.unwrap();
    let expected = [("content-length", "0"), ("set-cookie", "a=b"), ("x-bytes", "\u{fffd}")];
    let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    assert_eq!(answer.headers, expected);
}
