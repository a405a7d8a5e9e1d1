//! The http plug against servers of a few lines: works, refused, limit hit, peer dies and returns.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jackfield_core::ports::connector::{Connector, Secrets, SettingProblem};
use jackfield_core::ports::http::{Http, HttpFailure, HttpRequest, HttpResponse};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{HttpConnector, Link};
use crate::Network;

mod classification;
mod limits;
mod oauth2;
mod poll;
mod redirects;
mod settings;
mod tls;
mod wire;

/// Far longer than anything here takes, for what must not hang.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// What a server does about a request.
pub(super) enum Answer {
    /// Writes this and waits for the next request.
    Keep(Vec<u8>),
    /// Writes this and closes; counted in `closed` once the other side has closed too.
    Close(Vec<u8>),
    /// Writes this and cuts the connection hard.
    Reset(Vec<u8>),
    /// Writes the first, then the second for ever, with a pause before each.
    Drip(Vec<u8>, Vec<u8>, Duration),
    /// Says nothing until the other side closes.
    Silence,
    /// Waits, then writes this and waits for the next request.
    Later(Duration, Vec<u8>),
}

/// A whole response with a length.
pub(super) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut out = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

pub(super) fn ok(body: impl AsRef<[u8]>) -> Answer {
    Answer::Keep(response("200 OK", "", body))
}

/// A server that answers as told, and keeps what it heard.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    accepted: Arc<AtomicUsize>,
    written: Arc<AtomicU64>,
    closed: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `answer` is given the number of the connection, from 1, and the request as text.
    pub(super) async fn start(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, accepted, written) = (Arc::default(), Arc::<AtomicUsize>::default(), Arc::default());
        let closed = Arc::default();
        let mut tasks = JoinSet::new();
        let answer = Arc::new(answer);
        let (h, a, w, c) = (Arc::clone(&heard), Arc::clone(&accepted), Arc::clone(&written), Arc::clone(&closed));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = a.fetch_add(1, Ordering::SeqCst) + 1;
                let (answer, heard, written, closed) =
                    (Arc::clone(&answer), Arc::clone(&h), Arc::clone(&w), Arc::clone(&c));
                connections.spawn(async move { serve(stream, number, &*answer, &heard, &written, &closed).await });
            }
        });
        Self { address, heard, accepted, written, closed, _tasks: tasks }
    }

    /// The requests so far, each as it was on the wire.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The only request.
    pub(super) fn only(&self) -> String {
        let mut heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The bytes that were taken from it.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// The connections that it closed and the other side closed after it.
    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(
    mut stream: TcpStream,
    number: usize,
    answer: &(dyn Fn(usize, &str) -> Answer + Send + Sync),
    heard: &Mutex<Vec<String>>,
    written: &AtomicU64,
    closed: &AtomicUsize,
) {
    let mut buffer = Vec::new();
    while let Some(request) = one_request(&mut stream, &mut buffer).await {
        heard.lock().unwrap().push(request.clone());
        match answer(number, &request) {
            Answer::Keep(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Answer::Later(pause, bytes) => {
                tokio::time::sleep(pause).await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Answer::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
                closed.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Answer::Reset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.set_zero_linger();
                return;
            }
            Answer::Drip(first, piece, pause) => {
                let _ = stream.write_all(&first).await;
                loop {
                    tokio::time::sleep(pause).await;
                    match stream.write(&piece).await {
                        Ok(n) => written.fetch_add(n as u64, Ordering::SeqCst),
                        Err(_) => return,
                    };
                }
            }
            Answer::Silence => {
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        }
    }
}

/// Reads one request with a `content-length`; none when the other side closed.
pub(super) async fn one_request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end + 4]).into_owned();
            let length: usize = header(&head, "content-length").map_or(0, |l| l.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let whole: Vec<u8> = buffer.drain(..end + 4 + length).collect();
                return Some(String::from_utf8_lossy(&whole).into_owned());
            }
        }
        let mut piece = vec![0; 16 * 1024];
        match stream.read(&mut piece).await {
            Ok(n) if n > 0 => buffer.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    }
}

/// The value of a header in a request or response as text.
pub(super) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

pub(super) fn secrets(given: &[(&str, &str)]) -> Secrets {
    given.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect()
}

pub(super) fn opened(network: &Network, settings: &Value, given: &[(&str, &str)]) -> Link {
    let connector = HttpConnector::new(network);
    let settings = super::Settings::read(settings.as_object().unwrap()).unwrap();
    connector.link(settings, &secrets(given)).unwrap()
}

/// A connection to `base` without a credential.
pub(super) fn plain(base: &str) -> Link {
    opened(&Network::default(), &json!({ "base_url": base }), &[])
}

pub(super) fn problems(settings: &Value) -> Vec<SettingProblem> {
    HttpConnector::new(&Network::default()).check(settings.as_object().unwrap()).err().unwrap_or_default()
}

pub(super) fn request(method: &str, url: &str) -> HttpRequest {
    HttpRequest {
        method: method.into(),
        url: url.parse().unwrap(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeout: SOON,
        response_limit: 4 * 1024 * 1024,
        redirects: 0,
    }
}

pub(super) fn get(url: &str) -> HttpRequest {
    request("GET", url)
}

pub(super) fn post(url: &str, body: &'static str) -> HttpRequest {
    HttpRequest { body: Bytes::from_static(body.as_bytes()), ..request("POST", url) }
}

/// Sends; no hop is granted.
pub(super) async fn send(http: &dyn Http, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
    tokio::time::timeout(SOON * 2, http.send(request, &|_| false)).await.expect("every exchange ends")
}

/// Waits until `condition` holds.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = tokio::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < SOON, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
