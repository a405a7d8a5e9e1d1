//! The streams below a session: watched, so that no message of the server is larger than this host will hold.
//!
//! Not here: what the messages say, which is the client library's.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// The largest message of a server that is read: a row, for the most part. The library below keeps a message whole,
/// and PostgreSQL makes rows of up to a gigabyte. Well over `limits.sql_bytes`, which is counted over whole answers.
pub(super) const MOST_MESSAGE_BYTES: u32 = 24 * 1024 * 1024;

/// A message is larger than [`MOST_MESSAGE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oversized {
    bytes: u32,
}

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {} bytes is more than is ever read ({MOST_MESSAGE_BYTES} bytes)", self.bytes)
    }
}

impl Error for Oversized {}

/// A stream whose messages are measured as they arrive. Source: PostgreSQL's documentation, on its message formats: each
/// begins with a byte that names it and four bytes of length, which counts itself.
pub(super) struct Watched<S> {
    inner: S,
    /// The beginning of a message, so far.
    head: [u8; 5],
    filled: usize,
    /// Bytes of the message that are still to come.
    left: u32,
    /// Where a message that was too large is told.
    seen: Arc<OnceLock<Oversized>>,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, seen: &Arc<OnceLock<Oversized>>) -> Self {
        Self { inner, head: [0; 5], filled: 0, left: 0, seen: Arc::clone(seen) }
    }

    fn see(&mut self, mut bytes: &[u8]) -> Result<(), Oversized> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skip = bytes.len().min(self.left as usize);
                self.left -= u32::try_from(skip).unwrap_or(self.left);
                bytes = &bytes[skip..];
                continue;
            }
            let take = bytes.len().min(5 - self.filled);
            self.head[self.filled..self.filled + take].copy_from_slice(&bytes[..take]);
            self.filled += take;
            bytes = &bytes[take..];
            if self.filled == 5 {
                self.filled = 0;
                let length = u32::from_be_bytes([self.head[1], self.head[2], self.head[3], self.head[4]]);
                if length > MOST_MESSAGE_BYTES {
                    let oversized = Oversized { bytes: length };
                    let _ = self.seen.set(oversized);
                    return Err(oversized);
                }
                self.left = length.saturating_sub(4);
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        Poll::Ready(self.see(&buf.filled()[before..]).map_err(io::Error::other))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// TLS as `T` makes it, watched above it.
pub(super) struct WatchedTls<T> {
    inner: T,
    seen: Arc<OnceLock<Oversized>>,
}

impl<T> WatchedTls<T> {
    pub(super) fn new(inner: T, seen: &Arc<OnceLock<Oversized>>) -> Self {
        Self { inner, seen: Arc::clone(seen) }
    }
}

impl<S, T> TlsConnect<S> for WatchedTls<T>
where
    T: TlsConnect<S, Future: Send + 'static>,
{
    type Stream = Watched<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, T::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let shaking = self.inner.connect(stream);
        Box::pin(async move { shaking.await.map(|stream| Watched::new(stream, &self.seen)) })
    }
}
