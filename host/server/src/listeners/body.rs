//! A request's body that has to keep coming: a peer that trickles bytes is cut off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::config::ListenerLimits;

/// How long a body may come at any speed.
const AT_FIRST: Duration = Duration::from_secs(10);

/// The body came too slowly, or took too long in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body came too slowly")]
pub struct BodyTooSlow;

/// See the module. Only time spent waiting for the peer counts, not the reader's own.
pub struct PacedBody<B> {
    inner: B,
    timeout: Duration,
    rate: u64,
    received: u64,
    waited: Duration,
    /// Since when the peer is waited for, and until when.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<B> PacedBody<B> {
    /// Paces `inner`.
    pub fn new(inner: B, limits: &ListenerLimits) -> Self {
        let ListenerLimits { body_timeout: timeout, body_rate: rate, .. } = *limits;
        Self { inner, timeout, rate, received: 0, waited: Duration::ZERO, waiting: None }
    }

    /// How long may be waited for what was received so far, and the next piece.
    fn allowed(&self) -> Duration {
        let earned = self.received.checked_div(self.rate).map_or(self.timeout, Duration::from_secs);
        (AT_FIRST + earned).min(self.timeout)
    }
}

impl<B> Body for PacedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = this.waiting.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let left = this.allowed().saturating_sub(this.waited);
                let (_, until) =
                    this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
                ready!(until.as_mut().poll(cx));
                Poll::Ready(Some(Err(Box::new(BodyTooSlow))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
