//! The trigger `poll`: asks a path again and again from a watermark on, and hears each item that is new or changed.
//!
//! A round is all pages of one answer. What the last whole round showed is known by its prints; an item that was not in it
//! is new. The watermark, the highest that an item had, only makes answers short: an answer may overlap with what was
//! heard, and should. What is heard twice all the same, after a crash, has the same id, and becomes no second run.
//!
//! Not here: how an answer is read (`page.rs`), what was heard (`heard.rs`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::event::Event;
use jackfield_core::grant::{Grants, below};
use jackfield_core::ids::{ConnectionName, shown};
use jackfield_core::ports::http::{Http as _, HttpFailure, HttpRequest, HttpResponse};
use jackfield_core::ports::source::{Heard as Hear, Source, SourceContext, SourceError};
use url::Url;

mod heard;
mod page;
mod settings;

pub(super) use self::settings::{EXAMPLE, Wanted};

use self::heard::Heard;
use self::page::{Item, Page};
use super::link::Link;

/// The most bytes of one answer.
const PAGE_BYTES: u64 = 16 * 1024 * 1024;
/// The most pages of a round.
const PAGES: usize = 10_000;
/// The most events, and bytes of them, that are handed over at once.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 1024 * 1024;
/// Redirects that are followed, each to where the component may go.
const REDIRECTS: u32 = 5;

/// See the module.
pub(super) struct Poll {
    link: Link,
    wanted: Wanted,
}

/// Where the component may read.
struct Reach<'a> {
    base: &'a Url,
    connection: &'a ConnectionName,
    grants: &'a Grants,
}

impl Reach<'_> {
    fn allows(&self, url: &Url) -> bool {
        let path = below(self.base, url);
        path.is_some_and(|path| self.grants.http_by_connection(self.connection, "GET", &path).is_some())
    }
}

impl Poll {
    pub(super) fn new(link: Link, wanted: Wanted) -> Self {
        Self { link, wanted }
    }

    /// All pages of one answer. Whether there may be more at once: the watermark moved on, and makes the next answer another.
    async fn round(&self, cx: &SourceContext, heard: &mut Heard) -> Result<bool, SourceError> {
        let base = self.link.base().ok_or_else(|| SourceError::Refused("the connection has no base URL".into()))?;
        let reach = Reach { base, connection: &cx.connection, grants: &cx.grants };
        let mut url = self.wanted.url(base, heard.mark()).map_err(SourceError::Refused)?;
        let mut visited = HashSet::new();
        let mut found = 0;
        heard.begin();
        while !cx.stop.is_cancelled() {
            if !reach.allows(&url) {
                let why = format!(
                    "{} is not granted: http = [{{ connection = \"{}\", methods = [\"GET\"], paths = [\"{}\"] }}]",
                    shown(url.as_str()),
                    cx.connection,
                    shown(below(base, &url).as_deref().unwrap_or("/**"))
                );
                return Err(SourceError::Refused(why));
            }
            let Some(answer) = self.ask(&url, &reach).await? else { break };
            let page = Page::read(&answer.body, &self.wanted)
                .map_err(|why| SourceError::Refused(format!("GET {}: {why}", shown(url.as_str()))))?;
            found += self.hear(cx, heard, &page.items, &url).await?;
            let next = page.next.or_else(|| page::next_of(&answer.headers));
            let Some(next) = next else { break };
            visited.insert(url.clone());
            url = self.next(&url, &next)?;
            if visited.contains(&url) || visited.len() == PAGES {
                let why = format!("the pages do not end: after {} there is {}", visited.len(), shown(url.as_str()));
                return Err(SourceError::Refused(why));
            }
        }
        if cx.stop.is_cancelled() {
            // What is known of half a round is not enough; it is read again from the same watermark on.
            return Ok(false);
        }
        let moved = heard.end();
        if moved || found > 0 {
            cx.sink.accept(Vec::new(), Some(heard.stored())).await?;
        }
        Ok(moved && found > 0 && self.wanted.asks_from_a_watermark())
    }

    fn next(&self, page: &Url, next: &str) -> Result<Url, SourceError> {
        let mut url = page.join(next).map_err(|e| {
            SourceError::Refused(format!("the next page is said to be at `{}`, which is no URL: {e}", shown(next)))
        })?;
        url.set_fragment(None);
        // What the other side repeats of the credential is the host's to add again.
        self.link.credential.take_out(&mut url);
        Ok(url)
    }

    /// One answer; none if there is nothing to say.
    async fn ask(&self, url: &Url, reach: &Reach<'_>) -> Result<Option<HttpResponse>, SourceError> {
        let request = HttpRequest {
            method: "GET".into(),
            url: url.clone(),
            headers: vec![("accept".into(), self.wanted.accept.clone())],
            body: Bytes::new(),
            timeout: self.link.timeout(),
            response_limit: PAGE_BYTES,
            redirects: REDIRECTS,
        };
        let asked = || format!("GET {}", shown(url.as_str()));
        let answer = self.link.send(request, &|to| reach.allows(to)).await.map_err(|failure| match failure {
            HttpFailure::Denied(why) | HttpFailure::Invalid(why) => SourceError::Refused(why),
            HttpFailure::TooLarge { .. } => SourceError::Refused(format!(
                "{}: an answer may have at most {PAGE_BYTES} bytes: ask for fewer items at once",
                asked()
            )),
            failure => SourceError::Lost(format!("{}: {failure}", asked())),
        })?;
        let why = || format!("{} answered {}", asked(), answer.status);
        match answer.status {
            200 => Ok(Some(answer)),
            204 => Ok(None),
            429 | 503 => Err(match page::retry_after(&answer.headers) {
                Some(after) => SourceError::Later { why: why(), after },
                None => SourceError::Lost(why()),
            }),
            408 | 425 | 500.. => Err(SourceError::Lost(why())),
            _ => Err(SourceError::Refused(why())),
        }
    }

    /// Hands over what is new of a page, and gives how many that were.
    async fn hear(
        &self,
        cx: &SourceContext,
        heard: &mut Heard,
        items: &[Item<'_>],
        url: &Url,
    ) -> Result<usize, SourceError> {
        let (mut batch, mut bytes, mut found) = (Vec::new(), 0, 0);
        for item in items {
            if !heard.is_new(item) {
                continue;
            }
            let event = self.event(item, url);
            bytes += event.size();
            batch.push(Hear { event: Arc::new(event), dedupe: true });
            found += 1;
            if batch.len() == BATCH || bytes >= BATCH_BYTES {
                cx.sink.accept(std::mem::take(&mut batch), None).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            cx.sink.accept(batch, None).await?;
        }
        Ok(found)
    }

    fn event(&self, item: &Item<'_>, url: &Url) -> Event {
        Event {
            id: item.event_id(),
            source: self.source(),
            event_type: "jackfield.poll".into(),
            subject: item.id.clone(),
            time: item.time(),
            content_type: Some("application/json".into()),
            schema: None,
            extensions: Vec::new(),
            meta: vec![("url".to_owned(), url.as_str().to_owned())],
            data: Bytes::copy_from_slice(item.raw.as_bytes()),
        }
    }

    /// `http:<host><path>`, without the query, which a change of the manifest may change.
    fn source(&self) -> String {
        let base = self.link.base().map(|base| {
            let port = base.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}{port}{}", base.host_str().unwrap_or_default(), base.path().trim_end_matches('/'))
        });
        format!("http:{}{}", base.unwrap_or_default(), self.wanted.bare_path())
    }
}

#[async_trait]
impl Source for Poll {
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError> {
        let mut heard = match cx.sink.cursor().await?.and_then(|text| Heard::read(&text)) {
            Some(heard) => heard,
            None => {
                let heard = Heard::since(self.wanted.start(cx.now()));
                // From now on, whatever happens to this host.
                cx.sink.accept(Vec::new(), Some(heard.stored())).await?;
                heard
            }
        };
        let mut listening = false;
        while !cx.stop.is_cancelled() {
            let more = self.round(&cx, &mut heard).await?;
            if !listening {
                cx.sink.listening();
                listening = true;
            }
            let pause = if more { Duration::ZERO } else { self.wanted.every };
            cx.stop.run_until_cancelled(cx.clock.sleep(pause)).await;
        }
        Ok(())
    }
}
