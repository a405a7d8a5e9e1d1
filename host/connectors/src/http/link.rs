//! An opened connection: requests, their redirects, and whole answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, USER_AGENT};
use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use jackfield_core::grant::below;
use jackfield_core::ports::http::{HopCheck, Http, HttpFailure, HttpRequest, HttpResponse};
use jackfield_core::redact::Redactor;
use tokio::time::Instant;
use url::Url;

use super::body::{self, BodyError, Coding, Deadlines};
use super::client::Client;
use super::credential::Credential;
use super::token::Token;
use super::{headers, redirect};
use crate::address::{self, Origin};
use crate::network::{Denied, Network};

pub(super) const VERSION: &str = concat!("jackfield/", env!("CARGO_PKG_VERSION"));

/// An opened connection, or the bare port.
pub(super) struct Link {
    pub(super) network: Network,
    pub(super) base: Option<Url>,
    pub(super) credential: Credential,
    pub(super) fixed: HeaderMap,
    pub(super) reserved: Vec<String>,
    pub(super) keyed: bool,
    pub(super) timeout: Duration,
    pub(super) idle: Duration,
    pub(super) redactor: Redactor,
    /// For the connection's own address; the bare port has none.
    pub(super) own: Option<Client>,
    /// For everything a guest or an answer names.
    pub(super) foreign: Client,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("base", &self.base.as_ref().map(Url::as_str)).finish_non_exhaustive()
    }
}

#[async_trait]
impl Http for Link {
    fn base(&self) -> Option<&Url> {
        self.base.as_ref()
    }

    fn keyed(&self) -> bool {
        self.keyed
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn reserved_headers(&self) -> &[String] {
        &self.reserved
    }

    async fn send(&self, request: HttpRequest, hop: HopCheck<'_>) -> Result<HttpResponse, HttpFailure> {
        if request.timeout.is_zero() {
            return Err(HttpFailure::Invalid("the time limit is 0".into()));
        }
        let deadline = Instant::now() + request.timeout;
        let method = headers::method(&request.method)?;
        let given = headers::checked(&request.headers, &self.reserved)?;
        self.may_begin_at(&request.url)?;

        let mut at = Hop { url: request.url, first: true };
        let mut left = request.redirects;
        let mut redactor = self.redactor.clone();
        loop {
            let asked = Asked { method: &method, at: &at, given: &given, body: &request.body, deadline };
            let (response, token) = self.authorized(asked).await?;
            if let Some(token) = token {
                redactor = token.redactor.clone();
            }
            let next = match left {
                0 => None,
                _ => redirect::next(&method, &at.url, response.status(), response.headers())?,
            };
            let Some(mut url) = next else {
                return self.whole(response, &method, request.response_limit, deadline, &redactor).await;
            };
            left -= 1;
            // The credential of a query is the host's to add again, and nobody else's to receive.
            self.credential.take_out(&mut url);
            if !hop(&url) {
                let to = url.origin().ascii_serialization();
                return Err(HttpFailure::Denied(format!("a redirect leads to {to}, which is not granted")));
            }
            // Once left, never again trusted: another server chose how it came back.
            let first = at.first && redirect::same_server(&at.url, &url);
            at = Hop { url, first };
        }
    }
}

/// Where a request goes, and whether that is still the server it was made to at first.
pub(super) struct Hop {
    pub(super) url: Url,
    pub(super) first: bool,
}

/// One request as it is to be made.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a Method,
    at: &'a Hop,
    given: &'a HeaderMap,
    body: &'a Bytes,
    deadline: Instant,
}

impl Link {
    /// Whether a request may be made to `url` at all. The hatch has asked the grant; this is about
    /// what no grant can allow.
    fn may_begin_at(&self, url: &Url) -> Result<(), HttpFailure> {
        let Some(base) = &self.base else {
            return address::check_form(url, Origin::Guest).map_err(|reason| {
                let (host, port) = (url.host_str().unwrap_or_default().to_owned(), port(url));
                self.network.denied(Denied {
                    origin: Origin::Guest,
                    host,
                    port,
                    address: None,
                    reason: reason.clone(),
                });
                HttpFailure::Denied(reason)
            });
        };
        if below(base, url).is_none() {
            return Err(HttpFailure::Denied(format!("the URL is not below the connection's base URL {base}")));
        }
        if self.credential.is_in(url) {
            return Err(HttpFailure::Invalid("the query holds the connection's own credential parameter".into()));
        }
        Ok(())
    }

    /// One request and the beginning of its answer, with an access token if that is the connection's
    /// credential. Answered 401, it was not carried out: then it is made once more, if there is
    /// another token.
    async fn authorized(&self, asked: Asked<'_>) -> Result<(Response<Incoming>, Option<Arc<Token>>), HttpFailure> {
        let Credential::Token(tokens) = &self.credential else {
            return Ok((self.exchange(asked, None).await?, None));
        };
        if !asked.at.first {
            return Ok((self.exchange(asked, None).await?, None));
        }
        let began = Instant::now();
        let token = tokens.current(asked.deadline).await?;
        let response = self.exchange(asked, Some(&token)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok((response, Some(token)));
        }
        match tokens.instead_of(&token, began, asked.deadline).await {
            None => Ok((response, Some(token))),
            Some(another) => {
                let another = another?;
                drop(response);
                Ok((self.exchange(asked, Some(&another)).await?, Some(another)))
            }
        }
    }

    /// One request and the beginning of its answer.
    async fn exchange(&self, asked: Asked<'_>, token: Option<&Token>) -> Result<Response<Incoming>, HttpFailure> {
        let client = match &self.own {
            Some(own) if asked.at.first => own,
            _ => &self.foreign,
        };
        let (url, mut headers) = self.outgoing(asked.at, asked.given);
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.header.clone());
        }
        let mut request = Request::new(Full::new(asked.body.clone()));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = as_uri(&url)?;
        *request.headers_mut() = headers;
        client.exchange(request, asked.deadline).await
    }

    /// The URL and headers as they go out: with what is the host's to add, if it goes to the
    /// connection's own server, and without what is private, if it goes to another than at first.
    pub(super) fn outgoing(&self, at: &Hop, given: &HeaderMap) -> (Url, HeaderMap) {
        let mut url = at.url.clone();
        let mut headers = given.clone();
        if at.first {
            headers.extend(self.fixed.clone());
            self.credential.apply(&mut url, &mut headers);
        } else {
            headers.remove(AUTHORIZATION);
            headers.remove(COOKIE);
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(VERSION));
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip, deflate"));
        (url, headers)
    }

    /// The rest of an answer, as the guest may see it.
    async fn whole(
        &self,
        response: Response<Incoming>,
        method: &Method,
        limit: u64,
        deadline: Instant,
        redactor: &Redactor,
    ) -> Result<HttpResponse, HttpFailure> {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let coding = Coding::of(&head.headers);
        let deadlines = Deadlines { total: deadline, idle: self.idle };
        let read = body::read(body, coding, limit, deadlines).await.map_err(|error| match error {
            BodyError::TooLarge => HttpFailure::TooLarge { status, limit },
            BodyError::Broken(message) => HttpFailure::Broken { message, timed_out: false },
            BodyError::TimedOut(message) => HttpFailure::Broken { message, timed_out: true },
        })?;
        let length = read.len();
        let body = redactor.bytes(read);

        let bodiless = *method == Method::HEAD || status == 304 || status == 204;
        let mut headers = headers::answered(&head.headers);
        if coding != Coding::Plain && !bodiless {
            headers.retain(|(name, _)| CONTENT_ENCODING != **name && CONTENT_LENGTH != **name);
        } else if body.len() != length {
            headers.retain(|(name, _)| CONTENT_LENGTH != **name);
        }
        for (_, value) in &mut headers {
            if let std::borrow::Cow::Owned(redacted) = redactor.text(value) {
                *value = redacted;
            }
        }
        Ok(HttpResponse { status, headers, body })
    }
}

/// The URL for the client library, which has a parser of its own: both must name the same server.
pub(super) fn as_uri(url: &Url) -> Result<Uri, HttpFailure> {
    let invalid = |why: &str| HttpFailure::Invalid(format!("the URL cannot be put on the wire: {why}"));
    let mut bare = url.clone();
    bare.set_fragment(None);
    let uri = Uri::try_from(bare.as_str()).map_err(|e| invalid(&e.to_string()))?;
    let same = uri.scheme_str() == Some(url.scheme()) && uri.host() == url.host_str() && uri.port_u16() == url.port();
    if same { Ok(uri) } else { Err(invalid("its host can be read in two ways")) }
}

pub(super) fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or_default()
}
