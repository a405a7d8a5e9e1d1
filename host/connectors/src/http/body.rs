//! A response's body: counted as it arrives, and again as it is decompressed; cut at the limit.
//!
//! Not here: the header section, which the client library caps.

use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

/// The most a body may take longer in its compressed form than in its own: headers, checksums, and
/// the few bytes a block of data that does not compress costs.
const OVERHEAD: u64 = 16 * 1024;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not, or in a way that we did not ask for: handed over as it is.
    Plain,
    Gzip,
    Deflate,
}

impl Coding {
    /// As the headers say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Self::Plain };
        match value.to_str().map(|v| v.trim().to_ascii_lowercase()).as_deref() {
            Ok("gzip" | "x-gzip") => Self::Gzip,
            Ok("deflate") => Self::Deflate,
            _ => Self::Plain,
        }
    }
}

/// Why there is no whole body.
#[derive(Debug)]
pub(super) enum BodyError {
    /// Over the limit.
    TooLarge,
    /// Cut, or garbled.
    Broken(String),
    /// The time was over, or nothing came for too long.
    TimedOut(String),
}

/// By when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// The whole body is there by then.
    pub(super) total: Instant,
    /// The longest pause between two pieces.
    pub(super) idle: Duration,
}

/// Reads and decodes a body of at most `limit` bytes.
///
/// # Errors
///
/// See [`BodyError`]. The connection is closed then: what else comes is not read.
pub(super) async fn read(
    mut body: Incoming,
    coding: Coding,
    limit: u64,
    deadlines: Deadlines,
) -> Result<Bytes, BodyError> {
    let most_read = match coding {
        Coding::Plain => limit,
        Coding::Gzip | Coding::Deflate => limit.saturating_add(limit / 1000).saturating_add(OVERHEAD),
    };
    // A length that is announced need not be read to be refused.
    if body.size_hint().lower() > most_read {
        return Err(BodyError::TooLarge);
    }
    let mut read = 0_u64;
    let mut sink = Sink::new(coding, limit);
    loop {
        let idle = Instant::now() + deadlines.idle;
        let Ok(frame) = timeout_at(deadlines.total.min(idle), body.frame()).await else {
            let what = if idle < deadlines.total {
                format!("no more of the response came for {}s", deadlines.idle.as_secs_f32())
            } else {
                "the response was not complete in time".to_owned()
            };
            return Err(BodyError::TimedOut(what));
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|e| BodyError::Broken(format!("the response was cut short: {}", causes(&e))))?;
        // Trailers are dropped: the WIT has no place for them.
        let Ok(data) = frame.into_data() else { continue };
        read = read.saturating_add(data.len() as u64);
        if read > most_read {
            return Err(BodyError::TooLarge);
        }
        sink.push(&data)?;
    }
    // Nothing at all is how some say "no content", whatever the coding.
    if read == 0 { Ok(Bytes::new()) } else { sink.finish() }
}

/// An error and what is behind it, in one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// Takes what arrives, keeps what it means.
enum Sink {
    Plain(Capped),
    Gzip(MultiGzDecoder<Capped>),
    /// Which of the two forms of deflate it is shows in the first two bytes.
    Undecided(Vec<u8>, Capped),
    Zlib(ZlibDecoder<Capped>),
    Raw(DeflateDecoder<Capped>),
}

impl Sink {
    fn new(coding: Coding, limit: u64) -> Self {
        let capped = Capped { kept: BytesMut::new(), limit, over: false };
        match coding {
            Coding::Plain => Self::Plain(capped),
            Coding::Gzip => Self::Gzip(MultiGzDecoder::new(capped)),
            Coding::Deflate => Self::Undecided(Vec::new(), capped),
        }
    }

    fn push(&mut self, data: &[u8]) -> Result<(), BodyError> {
        if let Self::Undecided(start, capped) = self {
            start.extend_from_slice(data);
            let [first, second, ..] = start[..] else { return Ok(()) };
            let start = std::mem::take(start);
            let capped = std::mem::take(capped);
            // RFC 1950: the method is 8, and the two bytes are a multiple of 31.
            let zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
            *self = if zlib { Self::Zlib(ZlibDecoder::new(capped)) } else { Self::Raw(DeflateDecoder::new(capped)) };
            return self.push(&start);
        }
        let written = match self {
            Self::Plain(capped) => capped.write_all(data),
            Self::Gzip(decoder) => decoder.write_all(data),
            Self::Zlib(decoder) => decoder.write_all(data),
            Self::Raw(decoder) => decoder.write_all(data),
            Self::Undecided(..) => Ok(()),
        };
        let over = match self {
            Self::Plain(capped) | Self::Undecided(_, capped) => capped.over,
            Self::Gzip(decoder) => decoder.get_ref().over,
            Self::Zlib(decoder) => decoder.get_ref().over,
            Self::Raw(decoder) => decoder.get_ref().over,
        };
        match written {
            _ if over => Err(BodyError::TooLarge),
            Ok(()) => Ok(()),
            Err(e) => Err(garbled(&e)),
        }
    }

    fn finish(self) -> Result<Bytes, BodyError> {
        let finished = match self {
            Self::Plain(capped) => return Ok(capped.kept.freeze()),
            Self::Undecided(..) => return Err(BodyError::Broken("the compressed response was cut short".into())),
            Self::Gzip(mut decoder) => match decoder.try_finish() {
                Ok(()) => decoder.finish(),
                Err(e) => Err(e),
            },
            Self::Zlib(decoder) => decoder.finish(),
            Self::Raw(decoder) => decoder.finish(),
        };
        match finished {
            Ok(capped) if capped.over => Err(BodyError::TooLarge),
            Ok(capped) => Ok(capped.kept.freeze()),
            Err(e) => Err(garbled(&e)),
        }
    }
}

fn garbled(error: &std::io::Error) -> BodyError {
    BodyError::Broken(format!("the compressed response cannot be read: {error}"))
}

/// Keeps bytes up to a limit.
#[derive(Default)]
struct Capped {
    kept: BytesMut,
    limit: u64,
    over: bool,
}

impl Write for Capped {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if self.kept.len() as u64 + data.len() as u64 > self.limit {
            self.over = true;
            return Err(std::io::Error::other("over the limit"));
        }
        self.kept.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
