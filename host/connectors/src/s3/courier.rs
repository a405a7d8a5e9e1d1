//! How the requests that the S3 library makes and signs travel: over our network, within a call's time, and with a note
//! of what became of the last one.
//!
//! Redirects are handed back, not followed; nothing but the connection's own server is ever asked. Not here: what a
//! refusal means for a call (`answer.rs`).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{DATE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use jackfield_core::ports::http::HttpFailure;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use tokio::time::{Instant, timeout_at};

use crate::http::client::Client;

/// The most bytes of a refusal.
const MOST_REFUSAL: usize = 64 * 1024;
/// The most bytes of a list: a thousand of the longest names, each character of them escaped.
const MOST_LIST: usize = 8 * 1024 * 1024;
/// What the library reads in the place of a list that is kept for us.
const EMPTY_LIST: &str = "<ListBucketResult></ListBucketResult>";
const VERSION: &str = concat!("jackfield/", env!("CARGO_PKG_VERSION"));

/// What became of a request.
#[derive(Clone, Debug)]
pub(super) enum Came {
    /// There is no whole answer.
    Lost(HttpFailure),
    /// It was refused, in these words.
    Refused { status: u16, body: Bytes },
    /// It was answered.
    Ok,
}

/// What is known of a call's requests.
#[derive(Debug, Default)]
struct Noted {
    came: Option<Came>,
    list: Option<Bytes>,
    date: Option<String>,
}

/// One call's way out. Clones share the notes.
#[derive(Clone, Debug)]
pub(super) struct Courier {
    client: Client,
    deadline: Instant,
    /// A list is kept as it came: the library's own reading fails over one odd name among a thousand.
    lists: bool,
    noted: Arc<Mutex<Noted>>,
}

impl Courier {
    /// For a call that ends by `deadline`.
    pub(super) fn new(client: &Client, deadline: Instant, lists: bool) -> Self {
        Self { client: client.clone(), deadline, lists, noted: Arc::default() }
    }

    /// What became of the last request; none if none was made.
    pub(super) fn came(&self) -> Option<Came> {
        self.noted().came.clone()
    }

    /// The list that came.
    pub(super) fn list(&self) -> Option<Bytes> {
        self.noted().list.clone()
    }

    /// When the server answered last, in its own words.
    pub(super) fn date(&self) -> Option<String> {
        self.noted().date.clone()
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self, failure: HttpFailure) -> HttpError {
        let told = std::io::Error::other(failure.to_string());
        self.noted().came = Some(Came::Lost(failure));
        // Of this kind the library makes no second attempt.
        HttpError::new(HttpErrorKind::Unknown, told)
    }

    /// Reads a body of at most `most` bytes.
    async fn whole(&self, mut body: Incoming, most: usize) -> Result<Bytes, HttpError> {
        let mut read = BytesMut::new();
        let broken = |message: String, timed_out| HttpFailure::Broken { message, timed_out };
        loop {
            match timeout_at(self.deadline, body.frame()).await {
                Ok(None) => return Ok(read.freeze()),
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        if read.len() + data.len() > most {
                            let text = format!("the server's answer is longer than {most} bytes");
                            return Err(self.lost(broken(text, false)));
                        }
                        read.extend_from_slice(data);
                    }
                }
                Ok(Some(Err(e))) => return Err(self.lost(broken(format!("the answer broke off: {e}"), false))),
                Err(_) => return Err(self.lost(broken("the answer did not come in time".into(), true))),
            }
        }
    }
}

#[async_trait]
impl HttpService for Courier {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        head.headers.insert(USER_AGENT, HeaderValue::from_static(VERSION));
        let answer = self.client.exchange(Request::from_parts(head, Full::new(body)), self.deadline).await;
        let (head, body) = answer.map_err(|failure| self.lost(failure))?.into_parts();
        self.noted().date = head.headers.get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        if !head.status.is_success() {
            let read = self.whole(body, MOST_REFUSAL).await?;
            self.noted().came = Some(Came::Refused { status: head.status.as_u16(), body: read });
            return Ok(answered(head.status, head.headers, Bytes::new().into()));
        }
        if self.lists {
            let read = self.whole(body, MOST_LIST).await?;
            let mut noted = self.noted();
            (noted.list, noted.came) = (Some(read), Some(Came::Ok));
            return Ok(answered(StatusCode::OK, HeaderMap::new(), Bytes::from_static(EMPTY_LIST.as_bytes()).into()));
        }
        self.noted().came = Some(Came::Ok);
        let body = body.map_err(|e| HttpError::new(HttpErrorKind::Unknown, e));
        Ok(answered(head.status, head.headers, HttpResponseBody::new(body)))
    }
}

fn answered(status: StatusCode, headers: HeaderMap, body: HttpResponseBody) -> HttpResponse {
    let mut response = Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

impl HttpConnector for Courier {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}
