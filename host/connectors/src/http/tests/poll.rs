//! The trigger: each item of an answer is heard once in each of its states, whatever happens in between.

use jackfield_core::clock::Timestamp;
use jackfield_core::grant::{Grants, HttpGrant, HttpTarget};
use jackfield_core::ports::source::{Source, SourceError};

use super::*;
use crate::testing::{Running, TestSink};

fn source(base: &str, trigger: Value) -> Arc<dyn Source> {
    let connector = HttpConnector::new(&Network::default());
    let settings = json!({ "base_url": base });
    connector.source(settings.as_object().unwrap(), &Vec::new(), trigger.as_object().unwrap()).unwrap()
}

fn listen(base: &str, sink: &Arc<TestSink>, trigger: Value) -> Running {
    Running::begin(source(base, trigger), sink, "prod/crm/changed")
}

/// A list by watermark, looked at often.
fn changed() -> Value {
    json!({
        "path": "/contacts?since={watermark}", "every": "20ms", "items": "/data/items", "id": "/id", "watermark": "/changed",
        "start": "2026-01-01T00:00:00Z",
    })
}

fn with(mut trigger: Value, more: Value) -> Value {
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    trigger
}

/// The value of a query's parameter in a request.
fn asked<'a>(request: &'a str, name: &str) -> &'a str {
    let target = request.split(' ').nth(1).unwrap();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
}

fn json(body: impl AsRef<[u8]>) -> Answer {
    Answer::Keep(response("200 OK", "content-type: application/json\r\n", body))
}

fn ids(sink: &TestSink) -> Vec<String> {
    sink.accepted().iter().map(|heard| heard.event.id.clone()).collect()
}

async fn some_looks(server: &Server) {
    let before = server.heard().len();
    until("it looks twice more", || server.heard().len() >= before + 3).await;
}

/// What a server has, in its own words.
#[derive(Clone, Default)]
struct Contacts(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Contacts {
    fn put(&self, changed: &'static str, item: &str) {
        self.0.lock().unwrap().push((changed, item.to_owned()));
    }

    async fn served(&self) -> Server {
        let contacts = self.0.clone();
        Server::start(move |_, request| {
            let since = asked(request, "since").replace("%3A", ":");
            let contacts = contacts.lock().unwrap();
            let found: Vec<&str> =
                contacts.iter().filter(|(at, _)| *at >= since.as_str()).map(|(_, item)| item.as_str()).collect();
            json(format!("{{\"data\": {{\"items\": [{}]}}}}", found.join(", ")))
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_become_events() {
    let contacts = Contacts::default();
    contacts.put(
        "2026-02-01T00:00:00Z",
        r#"{"id": 7, "name": "Zoë \u0027", "owed": 1.10, "changed": "2026-02-01T00:00:00Z"}"#,
    );
    contacts.put("2026-02-02T00:00:00Z", r#"{"id":"8","changed":"2026-02-02T00:00:00Z"}"#);
    let server = contacts.served().await;
    let sink = TestSink::new();
    let running = listen(&server.base(), &sink, changed());
    sink.until_listening(1).await;
    sink.until(2).await;
    let heard = sink.accepted();
    assert!(heard[0].dedupe);
    let event = &heard[0].event;
    // Byte for byte: a number that is written otherwise may be another.
    assert_eq!(
        std::str::from_utf8(&event.data).unwrap(),
        r#"{"id": 7, "name": "Zoë \u0027", "owed": 1.10, "changed": "2026-02-01T00:00:00Z"}"#
    );
    assert_eq!((event.id.as_str(), event.subject.as_deref()), ("7@2026-02-01T00:00:00Z", Some("7")));
    assert_eq!((event.event_type.as_str(), event.time.as_deref()), ("jackfield.poll", Some("2026-02-01T00:00:00Z")));
    assert_eq!(event.source, format!("http:{}/contacts", server.address));
    assert_eq!(event.meta[0].1, format!("{}/contacts?since=2026-01-01T00%3A00%3A00Z", server.base()));

    // The answers overlap; nothing is heard again.
    some_looks(&server).await;
    assert_eq!(asked(server.heard().last().unwrap(), "since"), "2026-02-02T00%3A00%3A00Z");
    // Changed, it is another event; what comes with the watermark of another one is heard, too.
    contacts.put("2026-02-02T00:00:00Z", r#"{"id":"9","changed":"2026-02-02T00:00:00Z"}"#);
    contacts.put("2026-02-03T00:00:00Z", r#"{"id":"8","changed":"2026-02-03T00:00:00Z"}"#);
    sink.until(4).await;
    some_looks(&server).await;
    running.stop().await.unwrap();

    // A restart goes on where it was.
    let running = listen(&server.base(), &sink, changed());
    some_looks(&server).await;
    running.stop().await.unwrap();
    let expected =
        ["7@2026-02-01T00:00:00Z", "8@2026-02-02T00:00:00Z", "9@2026-02-02T00:00:00Z", "8@2026-02-03T00:00:00Z"];
    assert_eq!(ids(&sink), expected);
    assert!(server.heard().iter().all(|request| header(request, "accept") == Some("application/json")));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_now_on_is_from_the_first_look_on() {
    let contacts = Contacts::default();
    contacts.put("2020-01-01T00:00:00Z", r#"{"id":1,"changed":"2020-01-01T00:00:00Z"}"#);
    let server = contacts.served().await;
    let sink = TestSink::new();
    let trigger = with(changed(), json!({ "start": "now" }));
    let running = listen(&server.base(), &sink, trigger.clone());
    some_looks(&server).await;
    running.stop().await.unwrap();
    let first = asked(&server.heard()[0], "since").replace("%3A", ":");
    let ago = Timestamp::parse(&first).unwrap().since(Timestamp::parse("2026-11-01T00:00:00Z").unwrap());
    assert!(ago > Duration::ZERO, "{first}");
    let running = listen(&server.base(), &sink, trigger);
    some_looks(&server).await;
    running.stop().await.unwrap();
    assert_eq!(asked(server.heard().last().unwrap(), "since").replace("%3A", ":"), first);
    assert_eq!(sink.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_watermark_what_is_new_in_the_list_is_heard() {
    let list = Arc::new(Mutex::new(String::from(r#"["a", {"n": 1}, "a"]"#)));
    let shown = Arc::clone(&list);
    let server = Server::start(move |_, _| json(shown.lock().unwrap().as_bytes())).await;
    let sink = TestSink::new();
    let running = listen(&server.base(), &sink, json!({ "path": "/list", "every": "20ms" }));
    sink.until_listening(1).await;
    *list.lock().unwrap() = r#"["b", "a"]"#.into();
    sink.until_distinct(3).await;
    some_looks(&server).await;
    running.stop().await.unwrap();
    let data: Vec<_> = sink.accepted().iter().map(|h| String::from_utf8(h.event.data.to_vec()).unwrap()).collect();
    assert_eq!(data, [r#""a""#, r#"{"n": 1}"#, r#""a""#, r#""b""#]);
    // The same twice in one list is one and the same.
    assert_eq!(sink.distinct().len(), 3);
}

/// Three pages, told by `link` with the URL of the next one.
async fn paged(link: fn(&str) -> (String, String)) -> (Server, Arc<TestSink>) {
    let server = Server::start(move |_, request| {
        let host = header(request, "host").unwrap();
        let page: usize = asked(request, "page").parse().unwrap_or(1);
        let next = if page < 3 { format!("http://{host}/others/list?page={}", page + 1) } else { String::new() };
        let (head, body) = if next.is_empty() { Default::default() } else { link(&next) };
        let body = format!("{{\"rows\": [{{\"id\": {page}}}]{body}}}");
        Answer::Keep(response("200 OK", &head, body))
    })
    .await;
    let sink = TestSink::new();
    let trigger = json!({ "path": "/list", "every": "20ms", "items": "/rows", "id": "/id", "next": "/links" });
    let running = listen(&server.base(), &sink, trigger);
    sink.until(3).await;
    some_looks(&server).await;
    running.stop().await.unwrap();
    (server, sink)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_followed() {
    let in_header = |url: &str| {
        (format!("link: </x>; rel=\"prev\", <{url}>; title=\"a, b\"; rel=\"last next\"\r\n"), String::new())
    };
    let as_text = |url: &str| (String::new(), format!(",\"links\": \"{url}\""));
    let in_list = |url: &str| {
        (
            String::new(),
            format!(r#","links": [{{"relation": "self", "url": "/x"}}, {{"relation": "next", "url": "{url}"}}]"#),
        )
    };
    for link in [in_header as fn(&str) -> _, as_text, in_list] {
        let (_server, sink) = paged(link).await;
        let subjects: Vec<_> = sink.accepted().iter().map(|heard| heard.event.subject.clone().unwrap()).collect();
        assert_eq!(subjects, ["1", "2", "3"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_do_not_end_are_given_up() {
    let server = Server::start(|_, _| json(r#"{"rows": [1], "next": "?page=2"}"#)).await;
    let trigger = json!({ "path": "/list", "items": "/rows", "next": "/next" });
    let sink = TestSink::new();
    let ended = listen(&server.base(), &sink, trigger).ended().await;
    let Err(SourceError::Refused(why)) = ended else { panic!("{ended:?}") };
    assert!(why.contains("the pages do not end: after 2 there is http://"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_033_a_next_page_or_a_redirect_leads_nowhere_that_is_not_granted() {
    let inside = Server::start(|_, _| json("[]")).await;
    let elsewhere = format!("{}/meta-data", inside.base());
    let (next, moved) = (elsewhere.clone(), elsewhere.clone());
    let pages = Server::start(move |_, _| json(format!(r#"{{"rows": [1], "next": "{next}"}}"#))).await;
    let redirects =
        Server::start(move |_, _| Answer::Keep(response("302 Found", &format!("location: {moved}\r\n"), ""))).await;
    for server in [&pages, &redirects] {
        let trigger = json!({ "path": "/list", "items": "/rows", "next": "/next" });
        let ended = listen(&server.base(), &TestSink::new(), trigger).ended().await;
        let Err(SourceError::Refused(why)) = ended else { panic!("{ended:?}") };
        assert!(why.contains("not granted"), "{why}");
    }
    assert_eq!(inside.accepted(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_side_says_is_told() {
    let said = |status: &'static str, head: &'static str, body: &'static str| async move {
        let server = Server::start(move |_, _| Answer::Keep(response(status, head, body))).await;
        let sink = TestSink::new();
        let trigger = json!({ "path": "/list?a=1", "items": "/rows" });
        let ended = listen(&server.base(), &sink, trigger).ended().await.unwrap_err();
        assert_eq!(sink.count(), 0);
        (ended.clone(), ended.to_string().replace(&server.base(), ""))
    };
    let (error, text) = said("429 Too Many Requests", "retry-after: 120\r\n", "").await;
    assert!(matches!(error, SourceError::Later { after, .. } if after == Duration::from_secs(120)), "{error:?}");
    assert_eq!(text, "GET /list?a=1 answered 429");
    assert!(matches!(said("503 Away", "", "").await.0, SourceError::Lost(_)));
    assert!(matches!(said("500 Oh", "", "").await.0, SourceError::Lost(_)));
    assert!(matches!(said("401 No", "", "").await.0, SourceError::Refused(_)));
    assert!(matches!(said("404 None", "", "").await.0, SourceError::Refused(_)));
    for (body, expected) in [
        ("<html>", "the answer is no JSON"),
        ("{\"rows\": 7}", "`/rows` of the answer is no list but 7; `items` says where the list is"),
        ("{\"rows\": {\"a\": 1}}", "`/rows` of the answer is no list but {"),
    ] {
        let (error, text) = said("200 OK", "", body).await;
        assert!(matches!(error, SourceError::Refused(_)) && text.contains(expected), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_016_an_answer_without_end_is_cut() {
    let server = Server::start(|_, _| {
        let (head, piece) = (b"HTTP/1.1 200 OK\r\n\r\n[".to_vec(), vec![b'7'; 1024 * 1024]);
        Answer::Drip(head, piece, Duration::ZERO)
    })
    .await;
    let ended = listen(&server.base(), &TestSink::new(), json!({ "path": "/list" })).ended().await;
    let Err(SourceError::Refused(why)) = ended else { panic!("{ended:?}") };
    assert!(why.contains("ask for fewer items at once"), "{why}");
    assert!(server.written() < 64 * 1024 * 1024, "{}", server.written());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_broke_off_is_asked_again_and_nothing_is_missing() {
    // The third request, for the second page, is cut twice.
    let asked_for = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked_for);
    let server = Server::start(move |_, request| {
        let page: usize = asked(request, "page").parse().unwrap_or(1);
        if page == 2 && count.fetch_add(1, Ordering::SeqCst) < 2 {
            return Answer::Reset(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"rows\": [".to_vec());
        }
        let next = if page < 4 { format!("?page={}", page + 1) } else { String::new() };
        json(format!(r#"{{"rows": [{{"id": {page}, "at": {page}}}], "next": "{next}"}}"#))
    })
    .await;
    let sink = TestSink::new();
    let trigger = json!({
        "path": "/list?from={watermark}", "every": "20ms", "items": "/rows", "id": "/id", "watermark": "/at", "start": "0",
        "next": "/next",
    });
    let running = Running::kept(source(&server.base(), trigger), &sink, "prod/crm/changed");
    sink.until_distinct(4).await;
    running.stop().await.unwrap();
    let ids: std::collections::BTreeSet<_> = sink.distinct().into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["1@1", "2@2", "3@3", "4@4"]);
}

#[test]
fn triggers_are_checked() {
    let told = |trigger: Value, expected: &[(&str, &str)]| {
        let connector = HttpConnector::new(&Network::default());
        let found = connector.check_trigger(trigger.as_object().unwrap()).err().unwrap_or_default();
        let found: Vec<_> = found.iter().map(|p| (p.key.as_str(), p.problem.as_str())).collect();
        assert_eq!(found.len(), expected.len(), "{trigger}: {found:?}");
        for ((key, problem), (at, part)) in found.iter().zip(expected) {
            assert!(key == at && problem.contains(part), "{trigger}: {key}: {problem}");
        }
    };
    told(changed(), &[]);
    told(json!({ "path": "/list" }), &[]);
    told(json!({}), &[("path", "is missing")]);
    told(json!({ "path": "list" }), &[("path", "does not begin with `/`")]);
    told(json!({ "path": "/a/../../list#x" }), &[("path", "must be percent-encoded")]);
    told(json!({ "path": "/list/{mark}" }), &[("path", "has a brace")]);
    told(json!({ "path": "/list?{watermark}" }), &[("watermark", "where in an item"), ("start", "is missing")]);
    told(json!({ "path": "/list", "start": "now" }), &[("start", "is for a `path` with `{watermark}`")]);
    told(json!({ "path": "/list", "items": "rows" }), &[("items", "is no place in JSON such as `/data/items`")]);
    told(json!({ "path": "/list", "every": "2d" }), &[("every", "`2d` is no length of time")]);
    told(json!({ "path": "/list", "item": "/rows" }), &[("item", "items")]);
}

#[test]
fn a_poll_reads_only_what_its_component_may_read() {
    let grant = |path: &str, method: &str| Grants {
        http: vec![HttpGrant {
            target: HttpTarget::Connection("crm".parse().unwrap()),
            methods: vec![method.into()],
            paths: vec![path.parse().unwrap()],
            redirects: 0,
            retry_in_doubt: false,
        }],
        ..Grants::default()
    };
    let connector = HttpConnector::new(&Network::default());
    let reach = |grants: &Grants| {
        connector.check_reach(&"crm".parse().unwrap(), changed().as_object().unwrap(), grants).err().unwrap_or_default()
    };
    assert!(reach(&grant("/contacts", "GET")).is_empty());
    for grants in [grant("/contacts", "POST"), grant("/contacts/*", "GET"), Grants::default()] {
        let found = reach(&grants);
        assert_eq!(found[0].key, "path");
        let line = "http = [{ connection = \"crm\", methods = [\"GET\"], paths = [\"/contacts\"] }]";
        assert!(found[0].problem.contains(line), "{found:?}");
    }
}
