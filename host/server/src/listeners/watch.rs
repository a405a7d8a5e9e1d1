//! The watch over one connection: it tells a head that does not come, a connection without a
//! request, and a peer that does not read, and says when to give up.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Version;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long a peer may leave what is written to it unread.
const UNREAD: Duration = Duration::from_secs(30);
/// The watch looks at least this often.
const LOOK: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Watch {
    header_timeout: Duration,
    idle_timeout: Duration,
    state: Mutex<State>,
}

struct State {
    /// Requests that began and whose answer is not written yet.
    active: usize,
    /// Since when there is none.
    quiet_since: Instant,
    /// The first byte of a head came.
    head_since: Option<Instant>,
    /// Heads are hyper's own affair on HTTP/2; only silence is watched.
    multiplexed: bool,
    blocked_since: Option<Instant>,
}

impl Watch {
    pub(super) fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        let now = Instant::now();
        let state = State {
            active: 0,
            quiet_since: now,
            // A new connection owes a head at once.
            head_since: Some(now),
            multiplexed: false,
            blocked_since: None,
        };
        Self { header_timeout, idle_timeout, state: Mutex::new(state) }
    }

    /// A request's head is whole.
    pub(super) fn begin(this: &Arc<Self>, version: Version) -> Begun {
        let mut state = this.lock();
        state.active += 1;
        state.head_since = None;
        state.multiplexed = version == Version::HTTP_2;
        drop(state);
        Begun(this.clone())
    }

    /// Returns when the connection should be cut.
    pub(super) async fn overdue(&self) {
        loop {
            let now = Instant::now();
            let due = self.due();
            if due <= now {
                return;
            }
            tokio::time::sleep_until(due.min(now + LOOK)).await;
        }
    }

    fn due(&self) -> Instant {
        let state = self.lock();
        let unread = state.blocked_since.map(|since| since + UNREAD);
        let quiet = (state.active == 0).then(|| match state.head_since {
            Some(since) => since + self.header_timeout,
            None => state.quiet_since + self.idle_timeout,
        });
        let far = || Instant::now() + Duration::from_secs(3600);
        unread.into_iter().chain(quiet).min().unwrap_or_else(far)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
pub(super) struct Begun(Arc<Watch>);

impl Begun {
    /// Keeps it under way until its answer's body is written.
    pub(super) fn guard(self, body: Body) -> Answer {
        Answer { body, _begun: self }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.active -= 1;
        if state.active == 0 {
            state.quiet_since = Instant::now();
        }
    }
}

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    _begun: Begun,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose traffic the watch sees.
pub(super) struct Watched<S> {
    inner: S,
    watch: Arc<Watch>,
    blocked: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, watch: Arc<Watch>) -> Self {
        Self { inner, watch, blocked: false }
    }

    fn wrote<T>(&mut self, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() != self.blocked {
            self.blocked = polled.is_pending();
            self.watch.lock().blocked_since = self.blocked.then(Instant::now);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if polled.is_ready() && buf.filled().len() > before {
            let mut state = self.watch.lock();
            if state.active == 0 && state.head_since.is_none() && !state.multiplexed {
                state.head_since = Some(Instant::now());
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.wrote(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
