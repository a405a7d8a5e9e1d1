//! A stub server: receives requests over HTTP, records them, asks an [`Api`] for the answer, and fails when told.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::fault::{Fault, Kind};
use super::record::Record;

/// What a stub server stands for.
pub trait Api: Send + Sync + 'static {
    /// Carries a request out. `base` is the server's own address, such as `http://127.0.0.1:9101`.
    fn answer(&self, request: &Record, base: &str) -> Answer;

    /// What a request meets by itself, whatever else was asked for.
    fn meets(&self, _request: &Record) -> Option<Kind> {
        None
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers besides the content type.
    pub headers: Vec<(String, String)>,
    /// The media type of the body.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A value as JSON.
    #[must_use]
    pub fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8".into(),
            body: value.to_string().into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

struct Shared {
    api: Box<dyn Api>,
    base: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    records: Vec<Record>,
    faults: Vec<Fault>,
    received: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A running stub server. Stops when it is dropped.
pub struct Stub {
    shared: Arc<Shared>,
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Stub {
    /// Starts one on a port of 127.0.0.1; 0 for any.
    ///
    /// # Errors
    ///
    /// The port is taken.
    pub async fn start(port: u16, api: impl Api) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let base = format!("http://{address}");
        let shared = Arc::new(Shared { api: Box::new(api), base, state: Mutex::default() });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, _serving: serving })
    }

    /// Its address, such as `http://127.0.0.1:9101`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.shared.base
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Record> {
        self.shared.state().records.clone()
    }

    /// The requests so far, and forgets them.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Record> {
        std::mem::take(&mut self.shared.state().records)
    }

    /// Fails what `fault` concerns. Faults are met in the order they were asked for.
    pub fn fail(&self, fault: Fault) {
        self.shared.state().faults.push(fault);
    }

    /// Forgets the faults that were not met yet.
    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Those that ended are let go of.
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = hyper::service::service_fn(move |request| respond(request, Arc::clone(&shared)));
    // An error here is a peer that went away, or a fault that was asked for.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection was ended on purpose")
    }
}

impl std::error::Error for Gone {}

async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Content>, Gone> {
    let record = read(request).await.map_err(|_| Gone)?;
    if record.path.starts_with("/__") {
        return Ok(built(control(&record, &shared), None));
    }
    let (number, fault) = receive(&shared, &record);
    let record = Record { number, ..record };
    let fault = shared.api.meets(&record).or(fault);
    let carry_out = || shared.api.answer(&record, &shared.base);
    let done = fault.as_ref().is_none_or(Kind::carries_out);
    // Carried out at once and answered later, or a request could change its mind about having happened.
    let answer = done.then(carry_out);
    let ended = |status: Option<u16>| {
        let mut state = shared.state();
        if let Some(kept) = state.records.iter_mut().find(|kept| kept.number == number) {
            (kept.status, kept.done) = (status, done);
        }
    };
    match (fault, answer) {
        (None, Some(answer)) => {
            ended(Some(answer.status));
            Ok(built(answer, None))
        }
        (Some(Kind::Slow { ms }), Some(answer)) => {
            ended(Some(answer.status));
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(built(answer, None))
        }
        (Some(Kind::Cut), Some(answer)) => {
            ended(None);
            let half = answer.body.len() / 2;
            Ok(built(answer, Some(half)))
        }
        (Some(Kind::Silence), _) => {
            ended(None);
            std::future::pending::<Infallible>().await;
            Err(Gone)
        }
        (Some(Kind::Status { status, retry_after, .. }), _) => {
            ended(Some(status));
            let mut answer = Answer::json(status, &json!({ "message": "told to fail" }));
            if let Some(seconds) = retry_after {
                answer = answer.header("retry-after", seconds.to_string());
            }
            Ok(built(answer, None))
        }
        (Some(Kind::Reset { .. }) | None, _) | (Some(_), None) => {
            ended(None);
            Err(Gone)
        }
    }
}

/// Notes a request and picks its fault.
fn receive(shared: &Shared, record: &Record) -> (u64, Option<Kind>) {
    let mut state = shared.state();
    state.received += 1;
    let number = state.received;
    let fault = state.faults.iter_mut().find(|fault| fault.concerns(record)).map(|fault| {
        fault.times -= 1;
        fault.kind.clone()
    });
    state.faults.retain(|fault| fault.times > 0);
    state.records.push(Record { number, ..record.clone() });
    (number, fault)
}

/// `GET /__requests`, `DELETE /__requests`, `POST /__faults` (one or a list), `DELETE /__faults`.
fn control(request: &Record, shared: &Shared) -> Answer {
    let mut state = shared.state();
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/__requests") => Answer::json(200, &json!(state.records)),
        ("DELETE", "/__requests") => {
            state.records.clear();
            Answer::json(200, &json!({}))
        }
        ("POST", "/__faults") => {
            let given = request.json();
            let list = if given.is_array() { given } else { json!([given]) };
            match serde_json::from_value::<Vec<Fault>>(list) {
                Ok(faults) => {
                    state.faults.extend(faults);
                    Answer::json(200, &json!(state.faults))
                }
                Err(problem) => Answer::json(400, &json!({ "message": problem.to_string() })),
            }
        }
        ("DELETE", "/__faults") => {
            state.faults.clear();
            Answer::json(200, &json!({}))
        }
        _ => Answer::json(404, &json!({ "message": "there are /__requests and /__faults" })),
    }
}

async fn read(request: Request<Incoming>) -> Result<Record, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut headers = std::collections::BTreeMap::<String, String>::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    let query = parts.uri.query().unwrap_or_default();
    Ok(Record {
        number: 0,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        sha256: Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect(),
        status: None,
        done: false,
    })
}

/// A body that may break off.
struct Content {
    left: Option<Bytes>,
    whole: u64,
    breaks: bool,
}

impl Body for Content {
    type Data = Bytes;
    type Error = Gone;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Gone>>> {
        Poll::Ready(match self.left.take() {
            Some(bytes) if !bytes.is_empty() => Some(Ok(Frame::data(bytes))),
            _ if self.breaks => Some(Err(Gone)),
            _ => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left.as_ref().is_none_or(Bytes::is_empty) && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole)
    }
}

/// The response; with `cut`, only so many bytes of its body.
fn built(answer: Answer, cut: Option<usize>) -> Response<Content> {
    let whole = answer.body.len() as u64;
    let left = Some(match cut {
        Some(bytes) => answer.body.slice(..bytes),
        None => answer.body,
    });
    let mut response = Response::new(Content { left, whole, breaks: cut.is_some() });
    *response.status_mut() = hyper::StatusCode::from_u16(answer.status).expect("a stub answers with a status");
    let pairs = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in pairs.chain([("content-type", answer.content_type.as_str())]) {
        if value.is_empty() {
            continue;
        }
        let name = hyper::header::HeaderName::try_from(name).expect("a stub's header has a name");
        response.headers_mut().append(name, value.try_into().expect("a stub's header has a value"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::super::echo::Echo;
    use super::*;

    async fn meets(kind: Kind) -> (Result<u16, reqwest::Error>, Record) {
        let stub = Stub::start(0, Echo).await.unwrap();
        stub.fail(Fault::next(kind));
        let client = reqwest::Client::builder().timeout(Duration::from_millis(300)).build().unwrap();
        let sent = client.post(format!("{}/a?b=c%20d", stub.base())).body("x").send().await;
        let status = match sent {
            Ok(response) => {
                let status = response.status().as_u16();
                response.bytes().await.map(|_| status)
            }
            Err(problem) => Err(problem),
        };
        (status, stub.requests().remove(0))
    }

    #[tokio::test]
    async fn a_request_is_recorded_as_it_was() {
        let stub = Stub::start(0, Echo).await.unwrap();
        let client = reqwest::Client::new();
        let url = format!("{}/a?b=c%20d&b=", stub.base());
        let response = client.post(url).header("X-Two", "1").header("x-two", "2").body("body").send().await.unwrap();
        assert_eq!(response.status(), 201);
        let record = stub.requests().remove(0);
        assert_eq!((record.number, record.method.as_str(), record.path.as_str()), (1, "POST", "/a"));
        assert_eq!(record.query, [("b".into(), "c d".into()), ("b".into(), String::new())] as [(String, String); 2]);
        assert_eq!((record.header("x-two"), record.body.as_str()), (Some("1, 2"), "body"));
        assert_eq!((record.status, record.done), (Some(201), true));
    }

    #[tokio::test]
    async fn faults_happen_as_asked_for() {
        let (answered, record) = meets(Kind::too_many(Duration::from_secs(7))).await;
        assert_eq!((answered.unwrap(), record.done), (429, false));
        let (answered, record) = meets(Kind::Status { status: 500, retry_after: None, done: true }).await;
        assert_eq!((answered.unwrap(), record.done), (500, true));
        let (answered, record) = meets(Kind::Slow { ms: 20 }).await;
        assert_eq!((answered.unwrap(), record.done), (201, true));
        let (answered, record) = meets(Kind::Cut).await;
        assert!(answered.is_err() && record.done && record.status.is_none());
        let (answered, record) = meets(Kind::Reset { done: false }).await;
        assert!(answered.is_err() && !record.done && record.status.is_none());
        let (answered, record) = meets(Kind::Silence).await;
        assert!(answered.unwrap_err().is_timeout() && record.done);
    }

    #[tokio::test]
    async fn faults_concern_what_they_name_and_end() {
        let stub = Stub::start(0, Echo).await.unwrap();
        let client = reqwest::Client::new();
        let fault = json!({ "fault": "status", "status": 503, "method": "GET", "path": "/a", "times": 2 });
        let told = client.post(format!("{}/__faults", stub.base())).json(&fault).send().await.unwrap();
        assert_eq!(told.status(), 200);
        let mut statuses = Vec::new();
        for (method, path) in [("POST", "/a"), ("GET", "/b"), ("GET", "/a/1"), ("GET", "/a"), ("GET", "/a")] {
            let request = client.request(method.parse().unwrap(), format!("{}{path}", stub.base()));
            statuses.push(request.send().await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, [201, 200, 503, 503, 200]);
        let kept = client.get(format!("{}/__requests", stub.base())).send().await.unwrap();
        assert_eq!(kept.json::<Vec<Record>>().await.unwrap(), stub.requests());
    }
}
