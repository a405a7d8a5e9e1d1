//! Redirects: followed only as far as was granted, each hop looked at afresh.

use super::*;
use crate::http::redirect;
use crate::tests::{Names, network};
use ::http::{HeaderMap, Method, StatusCode};

fn to(location: &str) -> Answer {
    Answer::Keep(response("302 Found", &format!("location: {location}\r\n"), "moved"))
}

async fn follow(link: &Link, method: &str, url: &str, redirects: u32) -> Result<HttpResponse, HttpFailure> {
    let call = HttpRequest { redirects, ..request(method, url) };
    tokio::time::timeout(SOON, link.send(call, &|_| true)).await.expect("every exchange ends")
}

#[tokio::test]
async fn threat_033_a_redirect_is_not_followed_unless_asked() {
    let server = Server::start(|_, request| if request.contains(" /a ") { to("/b") } else { ok("b") }).await;
    let link = plain(&server.base());
    let a = format!("{}/a", server.base());
    let answer = follow(&link, "GET", &a, 0).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (302, &b"moved"[..]));
    assert!(answer.headers.contains(&("location".into(), "/b".into())));
    assert_eq!(&follow(&link, "GET", &a, 1).await.unwrap().body[..], b"b");
    assert_eq!(follow(&link, "HEAD", &a, 1).await.unwrap().status, 200);
    let before = server.heard().len();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(follow(&link, method, &a, 5).await.unwrap().status, 302, "{method}");
    }
    assert_eq!(server.heard().len(), before + 4);
}

#[tokio::test]
async fn threat_033_ten_thousand_redirects_end_at_the_count() {
    let server = Server::start(|_, request| {
        let n: u32 = request.split(' ').nth(1).unwrap()[1..].parse().unwrap();
        to(&format!("/{}", n + 1))
    })
    .await;
    let answer = follow(&plain(&server.base()), "GET", &format!("{}/0", server.base()), 7).await.unwrap();
    assert_eq!(answer.status, 302);
    assert!(answer.headers.contains(&("location".into(), "/8".into())), "{answer:?}");
    assert_eq!(server.heard().len(), 8);
}

#[tokio::test]
async fn threat_033_each_hop_asks_the_grant_and_the_addresses() {
    let inside = Server::start(|_, _| ok("inside")).await;
    let places = [
        format!("http://{}/", inside.address),
        format!("//{}/", inside.address),
        format!("http://inside.test:{}/", inside.address.port()),
        "http://169.254.169.254/latest/".to_owned(),
        format!("http://127.1:{}/", inside.address.port()),
        format!("http://2130706433:{}/", inside.address.port()),
        format!("http://user@{}/", inside.address),
        format!("http://inside.test.:{}/", inside.address.port()),
        format!("http:\\\\{}/", inside.address),
        "ftp://example.com/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "javascript:alert(1)".to_owned(),
    ];
    let locations = places.clone();
    let server = Server::start(move |_, request| {
        let n: usize = request.split(' ').nth(1).unwrap()[1..].parse().unwrap();
        to(&locations[n])
    })
    .await;
    let (network, _) = network(Names::default().with("inside.test", &["127.0.0.1"]));
    let link = opened(&network, &json!({ "base_url": server.base() }), &[]);
    for (n, place) in places.iter().enumerate() {
        let result = follow(&link, "GET", &format!("{}/{n}", server.base()), 3).await;
        assert!(matches!(result, Err(HttpFailure::Denied(_))), "{place} {result:?}");
    }
    assert_eq!(inside.accepted(), 0);

    let call = HttpRequest { redirects: 3, ..get(&format!("{}/0", server.base())) };
    let asked = Mutex::new(Vec::new());
    let result = link
        .send(call, &|url| {
            asked.lock().unwrap().push(url.to_string());
            false
        })
        .await;
    assert!(matches!(&result, Err(HttpFailure::Denied(text)) if text.contains("not granted")), "{result:?}");
    assert_eq!(*asked.lock().unwrap(), [places[0].clone()]);
}

#[test]
fn threat_033_https_never_becomes_http() {
    #[track_caller]
    fn check(from: &str, location: &str, expected: Result<Option<&str>, ()>) {
        let mut headers = HeaderMap::new();
        headers.insert("location", location.try_into().unwrap());
        let next = redirect::next(&Method::GET, &from.parse().unwrap(), StatusCode::FOUND, &headers);
        assert_eq!(
            next.map(|url| url.map(String::from)).map_err(|_| ()),
            expected.map(|u| u.map(String::from)),
            "{location}"
        );
    }
    let from = "https://api.test/v1/things?x=1";
    check(from, "http://api.test/", Err(()));
    check(from, "http://other.test/", Err(()));
    check(from, "//other.test/x", Ok(Some("https://other.test/x")));
    check(from, "https://other.test/x#part", Ok(Some("https://other.test/x")));
    check(from, "../v2?next=http://evil.test/", Ok(Some("https://api.test/v2?next=http://evil.test/")));
    check(from, "more", Ok(Some("https://api.test/v1/more")));
    check(from, "https://u:p@api.test/", Err(()));
    check(from, "https:///evil.test/", Err(()));
    check(from, "//evil.test\\@api.test/", Err(()));
    check("http://api.test/", "https://api.test/", Ok(Some("https://api.test/")));
}

#[tokio::test]
async fn threat_033_credentials_stay_with_their_server() {
    const SECRET: &str = "the-secret-of-this-test";
    let server =
        Server::start(|_, request| if request.contains(" /a") { to(&format!("/b?key={SECRET}&x=1")) } else { ok("") })
            .await;
    let with = |credential: Value| {
        let settings = json!({ "base_url": server.base(), "credential": credential, "headers": { "x-ours": "1" } });
        opened(&Network::default(), &settings, &[("token", SECRET)])
    };
    // On the same server each hop has it, and the one that was sent back is not sent beside it.
    let query = with(json!({ "type": "query", "name": "key", "secret": "token" }));
    follow(&query, "GET", &format!("{}/a", server.base()), 1).await.unwrap();
    assert!(server.heard()[1].starts_with(&format!("GET /b?x=1&key={SECRET} HTTP/1.1")), "{}", server.heard()[1]);
    let bearer = with(json!({ "type": "bearer", "secret": "token" }));
    follow(&bearer, "GET", &format!("{}/a", server.base()), 1).await.unwrap();
    assert_eq!(header(&server.heard()[3], "authorization"), Some(&*format!("Bearer {SECRET}")));

    // Elsewhere nothing of it goes: what would be sent, as no other server can be reached here.
    for link in [&query, &bearer] {
        let mut given = HeaderMap::new();
        for name in ["authorization", "cookie", "x-guests"] {
            given.insert(name, "of the guest".parse().unwrap());
        }
        let url = "https://other.test/b?x=1".parse().unwrap();
        let (url, headers) = link.outgoing(&crate::http::link::Hop { url, first: false }, &given);
        assert_eq!(url.as_str(), "https://other.test/b?x=1");
        for gone in ["authorization", "cookie", "x-ours"] {
            assert!(!headers.contains_key(gone), "{gone}: {headers:?}");
        }
        assert!(headers.contains_key("x-guests"));
    }
}
