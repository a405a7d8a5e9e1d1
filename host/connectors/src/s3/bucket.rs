//! The calls on a bucket: one request each, or two where the first answer leaves something open.
//!
//! Not here: the way of the requests (`courier.rs`), and what refusals mean (`answer.rs`).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use jackfield_core::clock::Timestamp;
use jackfield_core::event::Attributes;
use jackfield_core::ports::blob::{BlobCall, BlobDone, Object, ObjectInfo};
use jackfield_core::ports::outward::{Failure, Sending};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredentialProvider};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, GetOptions, GetRange, GetResult, ObjectStore as _, PutOptions, PutPayload, RetryConfig,
};
use serde_bytes::ByteBuf;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::answer::{Page, Refusal, failure, unquoted};
use super::courier::{Came, Courier};
use super::settings::Settings;
use crate::http::client::Client;

/// The most bytes of a key. Source: Amazon's "Creating object key names".
const MOST_KEY_BYTES: usize = 1_024;

/// A bucket, and below what everything in it is.
pub(super) struct Bucket {
    pub(super) settings: Settings,
    client: Client,
    credentials: AwsCredentialProvider,
    places: Semaphore,
}

/// An object with its content.
pub(super) struct Fetched {
    pub(super) data: Bytes,
    pub(super) content_type: Option<String>,
}

/// One call under way.
struct Trip {
    store: AmazonS3,
    courier: Courier,
    deadline: Instant,
}

impl Bucket {
    pub(super) fn new(settings: Settings, client: Client, credentials: AwsCredentialProvider) -> Self {
        let places = Semaphore::new(usize::from(settings.concurrency));
        Self { settings, client, credentials, places }
    }

    /// Makes a call.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub(super) async fn call(&self, call: &BlobCall, with: &Sending) -> Result<BlobDone, Failure> {
        let deadline = Instant::now() + with.timeout;
        let Ok(place) = timeout_at(deadline, self.places.acquire()).await else {
            let most = self.settings.concurrency;
            return Err(Failure::NotExecuted(format!("{most} requests were under way all the time (concurrency)")));
        };
        let _place = place.expect("it is never closed");
        match call {
            BlobCall::Stat(name) => self.stat(name, deadline).await.map(BlobDone::Info),
            BlobCall::Get { name, range } => {
                self.get(name, *range, with.answer_bytes, deadline).await.map(BlobDone::Data)
            }
            BlobCall::Put(object) => self.put(object, deadline).await.map(BlobDone::Written),
            BlobCall::Remove(name) => self.remove(name, deadline).await.map(|()| BlobDone::Removed),
            BlobCall::List { prefix, cursor, limit } => {
                let limit = (*limit).min(with.answer_rows);
                self.list(prefix, cursor.as_deref(), limit, with.answer_bytes, deadline).await
            }
        }
    }

    fn trip(&self, deadline: Instant, lists: bool) -> Result<Trip, Failure> {
        let courier = Courier::new(&self.client, deadline, lists);
        let settings = &self.settings;
        // `new`, never `from_env`: nothing of this machine's surroundings is asked.
        let store = AmazonS3Builder::new()
            .with_region(&settings.region)
            .with_bucket_name(&settings.bucket)
            .with_endpoint(settings.bucket_url())
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_credentials(Arc::clone(&self.credentials))
            .with_allow_http(true)
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, ..RetryConfig::default() })
            .with_http_connector(courier.clone())
            .build()
            .map_err(|e| Failure::Invalid(format!("the connection's settings make no bucket: {e}")))?;
        Ok(Trip { store, courier, deadline })
    }

    fn path(&self, name: &str) -> Result<Path, Failure> {
        let key = format!("{}{name}", self.settings.prefix);
        if key.len() > MOST_KEY_BYTES {
            let bytes = key.len();
            let text = format!(
                "name `{name}` makes a key of {bytes} bytes with the connection's prefix; the most are {MOST_KEY_BYTES}"
            );
            return Err(Failure::Invalid(text));
        }
        Path::parse(&key).map_err(|e| Failure::Invalid(format!("name `{name}`: {e}")))
    }

    fn failed(&self, trip: &Trip, about: &str, library: &object_store::Error) -> Failure {
        failure(trip.courier.came(), about, &self.settings.keys.secret, library)
    }

    /// The request that a range of one byte is: unlike HEAD, whose refusals are without a word, it says what is wrong.
    async fn stat(&self, name: &str, deadline: Instant) -> Result<Option<ObjectInfo>, Failure> {
        let (path, about) = (self.path(name)?, format!("stat `{name}`"));
        let trip = self.trip(deadline, false)?;
        let first = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
        let library = match trip.store.get_opts(&path, first).await {
            Ok(found) => return Ok(Some(info(name, &found))),
            Err(library) => library,
        };
        match trip.courier.came() {
            // Of an object without a byte there is no first one.
            Some(Came::Refused { status: 416, .. }) | Some(Came::Ok) => {}
            came if is_missing(came.as_ref()) => return Ok(None),
            _ => return Err(self.failed(&trip, &about, &library)),
        }
        match trip.store.get_opts(&path, GetOptions { head: true, ..GetOptions::default() }).await {
            Ok(found) => Ok(Some(info(name, &found))),
            Err(_) if is_missing(trip.courier.came().as_ref()) => Ok(None),
            Err(library) => Err(self.failed(&trip, &about, &library)),
        }
    }

    async fn get(
        &self,
        name: &str,
        range: Option<(u64, u32)>,
        most: u64,
        deadline: Instant,
    ) -> Result<Option<ByteBuf>, Failure> {
        let (path, about) = (self.path(name)?, format!("get `{name}`"));
        let range = range.map(|(offset, length)| offset..offset.saturating_add(u64::from(length)));
        let options = GetOptions { range: range.clone().map(GetRange::Bounded), ..GetOptions::default() };
        let trip = self.trip(deadline, false)?;
        let found = match trip.store.get_opts(&path, options).await {
            Ok(found) => found,
            Err(library) => {
                return match (trip.courier.came(), range) {
                    (Some(Came::Refused { status: 416, .. }), Some(range)) => {
                        self.behind(&trip, &path, name, range.start).await
                    }
                    (came, _) if is_missing(came.as_ref()) => Ok(None),
                    _ => Err(self.failed(&trip, &about, &library)),
                };
            }
        };
        let bytes = found.range.end.saturating_sub(found.range.start);
        if bytes > most {
            return Err(Failure::TooLarge {
                message: format!(
                    "`{name}` has {bytes} bytes; a call carries at most {most} (limits.blob): read it in parts"
                ),
                sent: true,
            });
        }
        let data = body(found, most, &about, trip.deadline).await?;
        Ok(Some(ByteBuf::from(Vec::from(data))))
    }

    /// What there is from `offset` on, if the server says that there is nothing.
    async fn behind(&self, trip: &Trip, path: &Path, name: &str, offset: u64) -> Result<Option<ByteBuf>, Failure> {
        match trip.store.get_opts(path, GetOptions { head: true, ..GetOptions::default() }).await {
            Ok(found) if offset <= found.meta.size => Ok(Some(ByteBuf::new())),
            Ok(found) => Err(Failure::Invalid(format!(
                "`{name}` has {} bytes, and the part begins at {offset}",
                found.meta.size
            ))),
            Err(_) if is_missing(trip.courier.came().as_ref()) => Ok(None),
            Err(library) => Err(self.failed(trip, &format!("stat `{name}`"), &library)),
        }
    }

    async fn put(&self, object: &Object, deadline: Instant) -> Result<String, Failure> {
        let name = object.name.as_str();
        let (path, about) = (self.path(name)?, format!("put `{name}`"));
        let attributes = attributes(object)?;
        let trip = self.trip(deadline, false)?;
        let payload = PutPayload::from_bytes(Bytes::copy_from_slice(&object.data));
        let options = PutOptions { attributes, ..PutOptions::default() };
        match trip.store.put_opts(&path, payload, options).await {
            Ok(written) => Ok(unquoted(&written.e_tag.unwrap_or_default()).to_owned()),
            Err(library) => Err(self.failed(&trip, &about, &library)),
        }
    }

    async fn remove(&self, name: &str, deadline: Instant) -> Result<(), Failure> {
        let (path, about) = (self.path(name)?, format!("remove `{name}`"));
        let trip = self.trip(deadline, false)?;
        let one = futures_util::stream::once(async { Ok(path) }).boxed();
        match trip.store.delete_stream(one).next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(_)) if is_missing(trip.courier.came().as_ref()) => Ok(()),
            Some(Err(library)) => Err(self.failed(&trip, &about, &library)),
        }
    }

    async fn list(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
        most: u64,
        deadline: Instant,
    ) -> Result<BlobDone, Failure> {
        if cursor.is_some_and(|cursor| cursor.len() > MOST_KEY_BYTES || cursor.chars().any(char::is_control)) {
            return Err(Failure::Invalid("the cursor is none that a list gave".into()));
        }
        let (page, _) = self.page(prefix, cursor, limit, deadline).await?;
        let last = page.objects.len();
        let (mut objects, mut bytes, mut next) = (Vec::new(), 0, None);
        for (index, listed) in page.objects.into_iter().enumerate() {
            let Some(name) = listed.key.strip_prefix(&self.settings.prefix).map(str::to_owned) else { continue };
            if page.more && index + 1 == last {
                next = Some(name.clone());
            }
            if !is_name(&name) {
                continue;
            }
            let modified = Timestamp::parse(&listed.modified).map_or(listed.modified, |moment| moment.to_string());
            bytes += (name.len() + listed.etag.len() + modified.len() + 64) as u64;
            let (size, etag) = (listed.size, listed.etag);
            let object = ObjectInfo { name, size, content_type: None, modified, etag, metadata: Attributes::new() };
            objects.push(object);
            if bytes > most && index + 1 < last {
                next = objects.last().map(|object| object.name.clone());
                break;
            }
        }
        Ok(BlobDone::Page { objects, next })
    }

    /// Objects whose names begin with `prefix`, after the one of name `after`, and when the server answered, in its words.
    pub(super) async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        deadline: Instant,
    ) -> Result<(Page, Option<String>), Failure> {
        let about = format!("list `{prefix}`");
        let trip = self.trip(deadline, true)?;
        let whole = format!("{}{prefix}", self.settings.prefix);
        let options = PaginatedListOptions {
            offset: after.map(|after| format!("{}{after}", self.settings.prefix)),
            max_keys: usize::try_from(limit).ok(),
            ..PaginatedListOptions::default()
        };
        let listed = trip.store.list_paginated(Some(whole.as_str()).filter(|p| !p.is_empty()), options).await;
        if let Err(library) = listed {
            return Err(self.failed(&trip, &about, &library));
        }
        let list = trip.courier.list().unwrap_or_default();
        let page = std::str::from_utf8(&list).ok().and_then(Page::read).ok_or_else(|| Failure::Broken {
            message: format!("{about}: what came is no list of objects"),
            timed_out: false,
        })?;
        Ok((page, trip.courier.date()))
    }

    /// An object as it was listed; none if it is gone or another by now.
    pub(super) async fn fetch(
        &self,
        name: &str,
        etag: &str,
        most: u64,
        deadline: Instant,
    ) -> Result<Option<Fetched>, Failure> {
        let (path, about) = (self.path(name)?, format!("get `{name}`"));
        let trip = self.trip(deadline, false)?;
        let options = GetOptions { if_match: Some(format!("\"{etag}\"")), ..GetOptions::default() };
        match trip.store.get_opts(&path, options).await {
            Ok(found) => {
                let content_type = content_type(&found);
                let data = body(found, most, &about, trip.deadline).await?;
                Ok(Some(Fetched { data, content_type }))
            }
            Err(library) => match trip.courier.came() {
                Some(Came::Refused { status: 412, .. }) => Ok(None),
                came if is_missing(came.as_ref()) => Ok(None),
                _ => Err(self.failed(&trip, &about, &library)),
            },
        }
    }
}

/// Reads what was found, of at most `most` bytes.
async fn body(found: GetResult, most: u64, about: &str, deadline: Instant) -> Result<Bytes, Failure> {
    let broken = |message: String, timed_out| Failure::Broken { message: format!("{about}: {message}"), timed_out };
    let expected = found.range.end.saturating_sub(found.range.start);
    let mut pieces = found.into_stream();
    let mut read = BytesMut::with_capacity(usize::try_from(expected.min(most)).unwrap_or(0));
    loop {
        match timeout_at(deadline, pieces.next()).await {
            Err(_) => return Err(broken("the content did not come in time".into(), true)),
            Ok(Some(Err(e))) => return Err(broken(format!("the content broke off: {e}"), false)),
            Ok(Some(Ok(piece))) if (read.len() + piece.len()) as u64 > most => {
                let message = format!("{about}: more than {most} bytes came (limits.blob)");
                return Err(Failure::TooLarge { message, sent: true });
            }
            Ok(Some(Ok(piece))) => read.extend_from_slice(&piece),
            Ok(None) if read.len() as u64 != expected => {
                return Err(broken(format!("{} of {expected} bytes came", read.len()), false));
            }
            Ok(None) => return Ok(read.freeze()),
        }
    }
}

/// Whether there is no such object; that there is no such bucket is another matter.
fn is_missing(came: Option<&Came>) -> bool {
    match came {
        Some(Came::Refused { status: 404, body }) => {
            matches!(Refusal::read(404, body).code.as_str(), "404" | "NoSuchKey" | "NotFound" | "NoSuchVersion")
        }
        _ => false,
    }
}

/// Whether a call can say this name: a list leaves out what it cannot, such as the empty objects that stand for folders.
pub(super) fn is_name(name: &str) -> bool {
    !name.chars().any(char::is_control) && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

fn content_type(found: &GetResult) -> Option<String> {
    found.attributes.get(&Attribute::ContentType).map(|value| value.to_string())
}

fn info(name: &str, found: &GetResult) -> ObjectInfo {
    let metadata = found.attributes.iter().filter_map(|(key, value)| match key {
        Attribute::Metadata(key) => Some((key.to_string(), value.to_string())),
        _ => None,
    });
    let mut metadata: Attributes = metadata.collect();
    metadata.sort();
    ObjectInfo {
        name: name.to_owned(),
        size: found.meta.size,
        content_type: content_type(found),
        modified: Timestamp(found.meta.last_modified.timestamp_millis()).to_string(),
        etag: unquoted(found.meta.e_tag.as_deref().unwrap_or_default()).to_owned(),
        metadata,
    }
}

/// What goes into headers: checked, for a header holds less than a guest can say.
fn attributes(object: &Object) -> Result<object_store::Attributes, Failure> {
    let invalid = |text: String| Failure::Invalid(format!("put `{}`: {text}", object.name));
    let plain = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
    let mut attributes = object_store::Attributes::new();
    if let Some(kind) = &object.content_type {
        if kind.is_empty() || kind.len() > 255 || !plain(kind) {
            return Err(invalid("the content type is none such as `text/csv`".into()));
        }
        attributes.insert(Attribute::ContentType, AttributeValue::from(kind.clone()));
    }
    for (key, value) in &object.metadata {
        let name = key.to_ascii_lowercase();
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > 128 || !name.bytes().all(good) {
            return Err(invalid(format!(
                "metadata `{}` needs a key of letters, digits, `-` and `_`",
                key.escape_debug()
            )));
        }
        if !plain(value) || value.trim() != value {
            return Err(invalid(format!(
                "metadata `{name}` needs a value of plain ASCII characters without spaces around it: encode it"
            )));
        }
        if attributes.insert(Attribute::Metadata(name.clone().into()), AttributeValue::from(value.clone())).is_some() {
            return Err(invalid(format!("metadata `{name}` is there twice")));
        }
    }
    Ok(attributes)
}
