//! `wasi:http/outgoing-handler`: what `fetch` and every language's own HTTP client call.
//!
//! The same calls as `http`, by absolute URL. A body is gathered whole before the hatch sees the
//! request, and a response is handed over whole: this is what a repeated attempt can be given again.
//! No trailers, no upgrade, no event streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use jackfield_core::event::Attributes;
use jackfield_core::hatch::{Hatch, Stop};
use jackfield_core::limits::Limit;
use jackfield_core::ports::http::{HttpCall, HttpError, HttpResponse};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks, WasiHttpView};

use crate::state::State;

/// Chunks a guest may write before our task has taken one. With few, what `check-write` answers would
/// depend on how fast that task runs, and a repeated attempt would see something else.
const BUFFERED_CHUNKS: usize = 1 << 16;
/// The most one write may hand over.
const CHUNK_BYTES: usize = 64 << 10;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    outgoing_handler::add_to_linker::<State, WasiHttp>(linker, State::http)
}

/// The types need no grant: without the handler nothing can be sent.
pub(super) fn link_types(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, WasiHttp>(linker, &(&LinkOptions::default()).into(), State::http)?;
    linker.allow_shadowing(true);
    linker
        .instance("wasi:http/types@0.2.12")?
        .func_wrap("[method]outgoing-body.write", |mut store, (body,): (Resource<HostOutgoingBody>,)| {
            Ok((store.data_mut().write_body(body)?,))
        })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Bytes of outgoing bodies that the host holds for an attempt: written and not yet sent or dropped.
#[derive(Clone)]
struct Held {
    bytes: Arc<AtomicU64>,
    allowed: u64,
}

impl Held {
    /// Adds what was written. False: it is too much.
    fn add(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        before.saturating_add(bytes as u64) <= self.allowed
    }

    fn remove(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl State {
    /// `outgoing-body.write`, with a stream that counts.
    fn write_body(
        &mut self,
        body: Resource<HostOutgoingBody>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let hatch = Arc::clone(&self.hatch);
        let stream = types::HostOutgoingBody::write(&mut self.http(), body)?;
        if let Ok(stream) = &stream {
            let (hooks, table) = self.hooks_and_table();
            let place = table.get_mut(stream)?;
            let plain = std::mem::replace(place, Box::new(Gone));
            *place = Box::new(Counted { plain, held: hooks.held.clone(), hatch });
        }
        Ok(stream)
    }
}

/// The stream of an outgoing body.
struct Counted {
    plain: DynOutputStream,
    held: Held,
    hatch: Arc<Hatch>,
}

#[async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.plain.ready().await;
    }
}

#[async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if !self.held.add(bytes.len()) {
            let stop = Stop::OverBudget { limit: Limit::OutgoingBody, allowed: self.held.allowed };
            return Err(StreamError::Trap(self.hatch.end(stop).into()));
        }
        self.plain.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.plain.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.plain.check_write()
    }

    async fn cancel(&mut self) {
        self.plain.cancel().await;
    }
}

/// Holds a stream's place for the moment in which it is wrapped.
struct Gone;

#[async_trait]
impl Pollable for Gone {
    async fn ready(&mut self) {}
}

impl OutputStream for Gone {
    fn write(&mut self, _bytes: Bytes) -> StreamResult<()> {
        Err(StreamError::Closed)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Err(StreamError::Closed)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Err(StreamError::Closed)
    }
}

/// What the engine's `wasi:http` asks us.
pub(crate) struct Hooks {
    hatch: Arc<Hatch>,
    held: Held,
    /// Calls whose body is being gathered, or that are on their way.
    calls: TaskTracker,
}

impl Hooks {
    pub(crate) fn new(hatch: Arc<Hatch>, calls: TaskTracker) -> Self {
        let limits = hatch.limits();
        let allowed = limits.http_body_bytes.saturating_mul(limits.in_flight.into());
        Self { hatch, held: Held { bytes: Arc::default(), allowed }, calls }
    }
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    /// Runs inside the guest's `handle`: so the number is given in the guest's own order.
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        // If the attempt must end, the poll that would deliver this answer traps.
        let Ok(number) = self.hatch.number() else { return Box::new(async { Err(ended()) }) };
        let gathering = Gathering { hatch: Arc::clone(&self.hatch), held: self.held.clone(), number };
        // A task of its own: the future returned here is aborted when the guest lets go of the response.
        let (answer, answered) = oneshot::channel();
        self.calls.spawn(async move {
            let _nobody_waits = answer.send(gathering.call(request, options).await);
        });
        Box::new(async move {
            let response = answered.await.map_err(|_| ended())??;
            let done: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }

    /// The host sets it, from the URL it connects to.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        BUFFERED_CHUNKS
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }
}

fn ended() -> Error {
    Error::InternalError(Some("the attempt has ended".into()))
}

struct Gathering {
    hatch: Arc<Hatch>,
    held: Held,
    number: u32,
}

impl Gathering {
    async fn call(
        self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<http::Response<WasiBody>, Error> {
        let limit = self.hatch.limits().http_body_bytes;
        let (parts, body) = request.into_parts();
        let body = self.body(&parts.headers, body, limit).await?;
        let call = HttpCall {
            connection: None,
            method: parts.method.as_str().to_owned(),
            url: parts.uri.to_string(),
            headers: headers(&parts.headers)?,
            body: body.clone(),
            timeout: options.and_then(timeout),
            max_redirects: 0,
        };
        let answer = self.hatch.http(self.number, call).await;
        self.held.remove(body.len() as u64);
        match answer {
            Ok(Ok(answer)) => response(answer),
            Ok(Err(refused)) => Err(error(refused, limit)),
            Err(_stop) => Err(ended()),
        }
    }

    /// The whole body, or why there is none.
    async fn body(&self, headers: &http::HeaderMap, mut body: WasiBody, limit: u64) -> Result<Bytes, Error> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let mut whole = BytesMut::new();
        let mut size = 0_u64;
        // Over the limit it is still read to its end: letting go of it would close the guest's stream at
        // a moment that no repetition meets again.
        while let Some(frame) = body.frame().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(aborted) => {
                    // The guest gave its body up: no call, nothing to record.
                    self.held.remove(whole.len() as u64);
                    return Err(aborted);
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            size += data.len() as u64;
            if size <= limit {
                whole.extend_from_slice(&data);
            } else {
                self.held.remove((whole.len() + data.len()) as u64);
                whole = BytesMut::new();
            }
        }
        // A body that the guest dropped looks like one it finished. It is not sent as if it were whole.
        let promised = headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let cut_short = promised.is_some_and(|promised: u64| promised != size) || self.hatch.has_returned();
        if size > limit || cut_short {
            self.held.remove(whole.len() as u64);
            return Err(Error::HttpRequestBodySize(Some(size)));
        }
        Ok(whole.freeze())
    }
}

/// The guest's headers, without those that describe the body: the host sets them.
fn headers(headers: &http::HeaderMap) -> Result<Attributes, Error> {
    let its_own = headers.iter().filter(|(name, _)| *name != http::header::CONTENT_LENGTH);
    let text = its_own.map(|(name, value)| {
        let value = str::from_utf8(value.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        Ok((name.as_str().to_owned(), value.to_owned()))
    });
    text.collect()
}

/// Bodies are whole, so what the guest allows until the first byte is what it allows.
fn timeout(options: RequestOptions) -> Option<std::time::Duration> {
    let first_byte = options.first_byte_timeout?;
    Some(options.connect_timeout.unwrap_or_default().saturating_add(first_byte))
}

fn response(answer: HttpResponse) -> Result<http::Response<WasiBody>, Error> {
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let body = Full::new(answer.body).map_err(|never| match never {}).boxed_unsync();
    response.body(body).map_err(|_| Error::HttpProtocolError)
}

fn error(error: HttpError, limit: u64) -> Error {
    match error {
        HttpError::AccessDenied(_) => Error::HttpRequestDenied,
        HttpError::Invalid(_) => Error::HttpRequestUriInvalid,
        HttpError::Unavailable(_) => Error::DestinationUnavailable,
        HttpError::Timeout(_) => Error::ConnectionReadTimeout,
        HttpError::InDoubt(_) => Error::ConnectionTerminated,
        HttpError::TooLarge(_) => Error::HttpResponseBodySize(Some(limit)),
    }
}
