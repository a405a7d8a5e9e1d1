//! The listeners: sockets, TLS and HTTP, with limits on what a peer may do to them.
//!
//! Ingress, admin and metrics each have one of their own, so a crowd at one does not keep others from
//! another. Not here: what a request means.

mod body;
mod peers;
mod tls;
mod watch;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::{ListenerLimits, Tls};

pub use body::{BodyTooSlow, PacedBody};
use peers::Peers;
use watch::{Watch, Watched};

/// Streams of one HTTP/2 connection at the same time.
const STREAMS: u32 = 128;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, or not this machine's.
    #[error("{name}.listen: cannot listen on {address}: {error}")]
    Bind {
        /// The listener's table in the configuration.
        name: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The certificate or its key will not do.
    #[error("{name}.tls: {file}: {text}")]
    Tls {
        /// The listener's table in the configuration.
        name: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        text: String,
    },
}

/// A bound listener that serves nobody yet.
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    limits: Arc<ListenerLimits>,
    trusted: Arc<[IpNet]>,
}

impl Listener {
    /// Binds it. `trusted` are the proxies whose `X-Forwarded-For` is believed.
    ///
    /// # Errors
    ///
    /// [`ListenError`]
    pub fn bind(
        name: &'static str,
        address: SocketAddr,
        tls: Option<&Tls>,
        limits: &ListenerLimits,
        trusted: &[IpNet],
    ) -> Result<Self, ListenError> {
        let tls = tls.map(|tls| tls::acceptor(name, tls)).transpose()?;
        let (socket, address) = bind(address).map_err(|error| ListenError::Bind { name, address, error })?;
        Ok(Self { name, socket, address, tls, limits: Arc::new(limits.clone()), trusted: trusted.into() })
    }

    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then lets requests under way end within `grace` and closes what is left.
    ///
    /// Each request carries a `ConnectInfo<SocketAddr>` with the client's address, taken from
    /// `X-Forwarded-For` if a trusted proxy sent it; its body is paced.
    pub async fn serve<S>(self, service: S, stop: CancellationToken, grace: Duration)
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let Self { name, socket, tls, limits, trusted, .. } = self;
        let peers = Peers::new(limits.connections, limits.connections_per_ip, trusted.clone());
        let http = Arc::new(http(&limits));
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors or memory: others must end before this can go on.
                    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                        tracing::warn!(listener = name, %error, "no connection could be accepted; trying again");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    continue;
                }
            };
            let Some(place) = peers.enter(peer.ip()) else { continue };
            let _ = stream.set_nodelay(true);
            let connection = Connection {
                peer,
                http: http.clone(),
                limits: limits.clone(),
                trusted: trusted.clone(),
                stop: stop.clone(),
                cut: cut.clone(),
            };
            let (service, tls) = (service.clone(), tls.clone());
            connections.spawn(async move {
                connection.run(stream, tls, service).await;
                drop(place);
            });
        }
        drop(socket);
        connections.close();
        if tokio::time::timeout(grace, connections.wait()).await.is_err() {
            cut.cancel();
            connections.wait().await;
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn http(limits: &ListenerLimits) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        // The watch knows a head that does not come from a connection that has nothing to ask.
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes)
        .half_close(false);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    http
}

struct Connection {
    peer: SocketAddr,
    http: Arc<Builder<TokioExecutor>>,
    limits: Arc<ListenerLimits>,
    trusted: Arc<[IpNet]>,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Connection {
    async fn run<S>(self, stream: TcpStream, tls: Option<TlsAcceptor>, service: S)
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        match tls {
            None => self.speak(stream, service).await,
            Some(tls) => {
                let shaken = tokio::time::timeout(self.limits.header_timeout, tls.accept(stream));
                let shaken = tokio::select! {
                    shaken = shaken => shaken,
                    () = self.stop.cancelled() => return,
                };
                match shaken {
                    Ok(Ok(stream)) => self.speak(stream, service).await,
                    Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(peer = %self.peer, "TLS handshake took too long"),
                }
            }
        }
    }

    async fn speak<S, IO>(self, stream: IO, service: S)
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let watch = Arc::new(Watch::new(self.limits.header_timeout, self.limits.idle_timeout));
        let io = TokioIo::new(Watched::new(stream, watch.clone()));
        let (peer, limits, trusted) = (self.peer, self.limits.clone(), self.trusted.clone());
        let answering = watch.clone();
        let serve = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let begun = Watch::begin(&answering, request.version());
            let mut request = request.map(|body| Body::new(PacedBody::new(body, &limits)));
            let client = peers::client(peer, request.headers(), &trusted);
            request.extensions_mut().insert(ConnectInfo(client));
            let answer = service.clone().oneshot(request);
            async move { answer.await.map(|response| response.map(|body| begun.guard(body))) }
        });
        let connection = self.http.serve_connection(io, serve);
        tokio::pin!(connection);
        let mut stopping = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    break;
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.cut.cancelled() => break,
                () = watch.overdue() => break,
            }
        }
    }
}
