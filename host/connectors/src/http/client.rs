//! The HTTP client: keeps connections, and says of each exchange whether a byte of it was sent.
//!
//! Not here: whose address may be dialed (`address.rs`, `dial.rs`), the body (`body.rs`).

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{Connected, Connection, capture_connection};
use hyper_util::client::legacy::{self, Client as Pool};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use jackfield_core::ports::http::HttpFailure;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::body::causes;
use crate::address::Origin;
use crate::dial::DialError;
use crate::network::Network;

/// The most header fields of a response.
const MOST_HEADERS: usize = 256;
/// The most bytes of a response's header section.
const MOST_HEADER_BYTES: usize = 64 * 1024;
const IDLE: Duration = Duration::from_secs(60);
const IDLE_PER_HOST: usize = 16;

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client(Pool<Dialer, Full<Bytes>>);

impl Client {
    /// A client that dials through `dialer`; nothing is connected yet.
    pub(crate) fn new(dialer: Dialer) -> Self {
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_headers(MOST_HEADERS)
            .http1_max_buf_size(MOST_HEADER_BYTES)
            .http2_max_header_list_size(u32::try_from(MOST_HEADER_BYTES).unwrap_or(u32::MAX))
            // What may arrive unread is memory: small windows bound it.
            .http2_initial_stream_window_size(256 * 1024)
            .http2_initial_connection_window_size(1024 * 1024)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            // Only a request that the library hands back unsent, because a kept connection was
            // closed meanwhile, is put on another connection.
            .retry_canceled_requests(true)
            .build(dialer);
        Self(pool)
    }

    /// Makes an exchange up to the response's headers, by `deadline`.
    ///
    /// # Errors
    ///
    /// `Denied` and `NotSent`: no byte of the request was written. `Broken`: one may have been.
    pub(crate) async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, HttpFailure> {
        let connection = capture_connection(&mut request);
        match timeout_at(deadline, self.0.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) if connection.connection_metadata().is_some() => {
                Err(HttpFailure::Broken { message: "no response came in time".into(), timed_out: true })
            }
            Err(_) => Err(HttpFailure::NotSent("not connected in time".into())),
        }
    }
}

fn failure(error: &legacy::Error) -> HttpFailure {
    if let Some(dial) = find::<DialError>(error) {
        return match dial {
            DialError::Denied(text) => HttpFailure::Denied(text.clone()),
            DialError::Failed(text) => HttpFailure::NotSent(text.clone()),
        };
    }
    if error.is_connect() {
        return HttpFailure::NotSent(format!("cannot connect: {}", causes(error)));
    }
    let hyper = find::<hyper::Error>(error);
    // The library hands a request back only if it never began to write it.
    if hyper.is_some_and(hyper::Error::is_canceled) {
        return HttpFailure::NotSent("the connection was closed before the request was sent".into());
    }
    let message = match hyper {
        Some(e) if e.is_parse_too_large() => {
            format!("the response's headers are over {MOST_HEADERS} fields or {MOST_HEADER_BYTES} bytes")
        }
        Some(e) if e.is_parse() => format!("the response is no HTTP: {}", causes(e)),
        Some(e) => format!("no response came: {}", causes(e)),
        None => format!("no response came: {}", causes(error)),
    };
    HttpFailure::Broken { message, timed_out: false }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Makes connections for the pool.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) network: Network,
    pub(crate) origin: Origin,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// For resolving, connecting and shaking hands together.
    pub(crate) timeout: Duration,
}

impl Dialer {
    /// Connects to a host, with TLS if `secure`.
    pub(crate) async fn dial(&self, host: &str, port: u16, secure: bool) -> Result<Stream, DialError> {
        let dialing = async {
            let addresses = self.network.addresses(host, port, self.origin).await?;
            let tcp = self.network.connect(host, &addresses).await?;
            if secure { self.shake_hands(host, port, tcp).await } else { Ok(Stream::Plain(tcp)) }
        };
        timeout(self.timeout, dialing).await.unwrap_or_else(|_| {
            let within = self.timeout.as_secs_f32();
            Err(DialError::Failed(format!("`{host}:{port}` was not connected within {within}s (connect_timeout)")))
        })
    }

    /// Agrees on TLS with `host` on a connection that is made: the certificate has to be for that name.
    pub(crate) async fn shake_hands(&self, host: &str, port: u16, tcp: TcpStream) -> Result<Stream, DialError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| DialError::Failed(format!("`{host}` cannot be the name on a certificate")))?;
        let connected = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await;
        match connected {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(e) => Err(DialError::Failed(format!("TLS with `{host}:{port}` failed: {}", explained(&e)))),
        }
    }
}

/// A TLS failure with the way out, where there is a usual one.
fn explained(error: &io::Error) -> String {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer};
    use rustls::Error as Tls;
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<Tls>());
    match inner {
        Some(Tls::InvalidCertificate(UnknownIssuer)) => {
            "its certificate is from an authority that is not trusted here; if it is yours, set `ca`".into()
        }
        Some(Tls::InvalidCertificate(Expired | ExpiredContext { .. })) => "its certificate has expired".into(),
        Some(Tls::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
            "its certificate is for another name".into()
        }
        Some(Tls::InvalidMessage(_)) => "what it speaks there is not TLS; is it to be called without?".into(),
        _ => error.to_string(),
    }
}

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<Stream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let secure = to.scheme_str() == Some("https");
            let host = to.host().unwrap_or_default();
            let port = to.port_u16().unwrap_or(if secure { 443 } else { 80 });
            dialer.dial(host, port, secure).await.map(TokioIo::new)
        })
    }
}

/// A connection, with or without TLS.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Which of our addresses it is connected from.
    pub(crate) fn local_address(&self) -> Option<std::net::SocketAddr> {
        match self {
            Self::Plain(stream) => stream.local_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.local_addr().ok(),
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self {
            Self::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => Connected::new().negotiated_h2(),
            _ => Connected::new(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
