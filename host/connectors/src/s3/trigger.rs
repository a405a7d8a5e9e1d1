//! The trigger `object`: lists the bucket again and again, and hears each object that came or changed.
//!
//! Not here: which objects were heard before (`seen.rs`).

use std::sync::Arc;

use async_trait::async_trait;
use jackfield_core::clock::Timestamp;
use jackfield_core::event::Event;
use jackfield_core::ports::outward::Failure;
use jackfield_core::ports::source::{Heard, Source, SourceContext, SourceError};
use serde_json::json;
use tokio::time::Instant;

use super::answer::Listed;
use super::bucket::{Bucket, Fetched, is_name};
use super::settings::Wanted;
use crate::seen::{Print, Seen, print};

/// The most objects of a list.
const PAGE: u32 = 1_000;
/// The most events, and bytes of them, that are handed over at once.
const BATCH: usize = 200;
const BATCH_BYTES: usize = 1024 * 1024;

/// See the module.
pub(super) struct Looks {
    bucket: Bucket,
    wanted: Wanted,
}

/// What waits to be handed over.
#[derive(Default)]
struct Batch {
    heard: Vec<Heard>,
    /// Of the same, and of those that are as good as heard: stamp and print.
    prints: Vec<(i64, Print)>,
    bytes: usize,
}

impl Looks {
    pub(super) fn new(bucket: Bucket, wanted: Wanted) -> Self {
        Self { bucket, wanted }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.bucket.settings.timeout
    }

    /// One round over all objects.
    async fn round(&self, cx: &SourceContext, seen: &mut Seen) -> Result<(), SourceError> {
        loop {
            let after = seen.after().map(str::to_owned);
            let page = self.bucket.page(&self.wanted.prefix, after.as_deref(), PAGE, self.deadline());
            let (page, date) = page.await.map_err(ended)?;
            seen.begin(now(cx, date.as_deref()));
            if page.more && page.objects.is_empty() {
                return Err(SourceError::Lost("the server says that a list goes on, and does not say where".into()));
            }
            let mut batch = Batch::default();
            for listed in &page.objects {
                if cx.stop.is_cancelled() {
                    // What was read and not handed over is read again by the next one.
                    return Ok(());
                }
                let Some(name) = listed.key.strip_prefix(&self.bucket.settings.prefix) else { continue };
                self.object(cx, seen, listed, name, &mut batch).await?;
                if batch.heard.len() == BATCH || batch.bytes >= BATCH_BYTES {
                    self.hand_over(cx, seen, &mut batch, name).await?;
                }
            }
            let last = page.objects.last().and_then(|last| last.key.strip_prefix(&self.bucket.settings.prefix));
            if let Some(last) = last {
                self.hand_over(cx, seen, &mut batch, last).await?;
            }
            if !page.more {
                break;
            }
        }
        if seen.end() {
            cx.sink.accept(Vec::new(), Some(seen.stored())).await?;
        }
        Ok(())
    }

    /// Puts an object into the batch if it is new.
    async fn object(
        &self,
        cx: &SourceContext,
        seen: &mut Seen,
        listed: &Listed,
        name: &str,
        batch: &mut Batch,
    ) -> Result<(), SourceError> {
        let below = name.strip_prefix(&self.wanted.prefix).unwrap_or(name);
        if !is_name(name) || !self.wanted.pattern.is_match(below) {
            return Ok(());
        }
        let Ok(modified) = Timestamp::parse(&listed.modified) else {
            return Err(SourceError::Lost(format!("`{name}` has no time that can be read: {}", listed.modified)));
        };
        let (stamp, print) = (modified.as_millis(), print(&[listed.key.as_bytes(), listed.etag.as_bytes()]));
        if !seen.is_new(stamp, print) {
            seen.heard(stamp, print, false);
            return Ok(());
        }
        let most = cx.sink.event_bytes();
        let content = if listed.size > most {
            None
        } else {
            match self.bucket.fetch(name, &listed.etag, most, self.deadline()).await {
                Ok(Some(content)) => Some(content),
                // Gone, or another by now, which a later list shows.
                Ok(None) => {
                    seen.waits(stamp);
                    return Ok(());
                }
                Err(Failure::Refused { message, .. } | Failure::Invalid(message)) => {
                    cx.sink.lost(name, &format!("it cannot be read: {message}"));
                    seen.heard(stamp, print, true);
                    return Ok(());
                }
                Err(failure) => return Err(ended(failure)),
            }
        };
        let heard = self.event(listed, name, modified, content);
        batch.bytes += heard.event.size();
        batch.heard.push(heard);
        batch.prints.push((stamp, print));
        Ok(())
    }

    fn event(&self, listed: &Listed, name: &str, modified: Timestamp, content: Option<Fetched>) -> Heard {
        let bucket = &self.bucket.settings.bucket;
        let mut meta = vec![
            ("key".to_owned(), listed.key.clone()),
            ("size".to_owned(), listed.size.to_string()),
            ("etag".to_owned(), listed.etag.clone()),
        ];
        let (content_type, data) = match content {
            Some(content) => (content.content_type, content.data),
            None => {
                meta.push(("reference".to_owned(), "true".to_owned()));
                let reference = json!({
                    "bucket": bucket, "key": listed.key, "name": name, "size": listed.size, "etag": listed.etag
                });
                (Some("application/json".to_owned()), reference.to_string().into())
            }
        };
        let event = Event {
            id: format!("{} {}", listed.key, listed.etag),
            source: format!("s3:{bucket}"),
            event_type: "jackfield.object".into(),
            // As a call on the same connection says it.
            subject: Some(name.to_owned()),
            time: Some(modified.to_string()),
            content_type,
            schema: None,
            extensions: Vec::new(),
            meta,
            data,
        };
        Heard { event: Arc::new(event), dedupe: true }
    }

    /// Hands over what was read up to the object of this name.
    async fn hand_over(
        &self,
        cx: &SourceContext,
        seen: &mut Seen,
        batch: &mut Batch,
        name: &str,
    ) -> Result<(), SourceError> {
        seen.came_to(name);
        let Batch { heard, prints, .. } = std::mem::take(batch);
        if heard.is_empty() {
            return Ok(());
        }
        cx.sink.accept(heard, Some(seen.stored())).await?;
        for (stamp, print) in prints {
            seen.heard(stamp, print, true);
        }
        Ok(())
    }
}

/// When it is, by the server's clock; by ours if it does not say. In whole seconds, as stamps are on many servers.
fn now(cx: &SourceContext, date: Option<&str>) -> i64 {
    date.and_then(http_date).unwrap_or_else(|| cx.now()).as_millis() / 1000 * 1000
}

/// What a failure is to a source.
fn ended(failure: Failure) -> SourceError {
    match failure {
        Failure::Refused { message, .. } | Failure::Invalid(message) | Failure::Denied(message) => {
            SourceError::Refused(message)
        }
        other => SourceError::Lost(other.to_string()),
    }
}

/// Reads `Sun, 29 Nov 2026 19:44:45 GMT`. Source: RFC 9110, section 5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.find(month).filter(|at| month.len() == 3 && at % 3 == 0)? / 3 + 1;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[async_trait]
impl Source for Looks {
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError> {
        let stored = cx.sink.cursor().await?.and_then(|text| Seen::read(&text));
        let mut seen = match stored {
            Some(seen) => seen,
            None if self.wanted.all => Seen::since(i64::MIN),
            None => {
                let first = self.bucket.page(&self.wanted.prefix, None, 1, self.deadline()).await.map_err(ended)?;
                let seen = Seen::since(now(&cx, first.1.as_deref()));
                // From now on, whatever happens to this host.
                cx.sink.accept(Vec::new(), Some(seen.stored())).await?;
                seen
            }
        };
        let mut listening = false;
        while !cx.stop.is_cancelled() {
            self.round(&cx, &mut seen).await?;
            if !listening {
                cx.sink.listening();
                listening = true;
            }
            cx.stop.run_until_cancelled(cx.clock.sleep(self.wanted.every)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_a_header_is_read() {
        let date = http_date("Sun, 29 Nov 2026 19:44:45 GMT").unwrap();
        assert_eq!(date, Timestamp::parse("2026-11-29T19:44:45Z").unwrap());
        for wrong in ["", "Sun, 29 anF 2026 19:44:45 GMT", "29 Nov 2026 19:44:45", "Sun, 29 Nov 2026"] {
            assert!(http_date(wrong).is_none(), "{wrong}");
        }
    }
}
