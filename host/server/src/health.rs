//! The metrics listener: `/metrics`, `/livez` and `/readyz`.
//!
//! No token is asked for, so health answers name nothing of what runs here. Metrics name integrations:
//! the listener stays on this machine unless an operator says otherwise.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use jackfield_core::store::admin::AdminStore as _;
use jackfield_core::store::queue::RunQueue as _;
use jackfield_core::store::sqlite::{SqliteStore, StoreCounters};
use prometheus::{Encoder as _, TextEncoder};
use tokio_util::sync::CancellationToken;

use crate::app::Host;

/// A write this young still proves that writes are durable.
const PROOF: Duration = Duration::from_secs(1);
/// How long a write may take before the host is not ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// Queue depths are counted at most this often: counting reads every queue.
const DEPTHS: Duration = Duration::from_secs(5);

/// Whether the host is ready. Moved on by the application, asked by the listener.
pub struct Health {
    draining: CancellationToken,
    store: SqliteStore,
    written: tokio::sync::Mutex<Option<Duration>>,
    scraped: Mutex<Scraped>,
}

#[derive(Default)]
struct Scraped {
    depths: Option<Duration>,
    counters: StoreCounters,
}

impl Health {
    /// Asks this store.
    #[must_use]
    pub fn new(store: SqliteStore) -> Self {
        Self {
            draining: CancellationToken::new(),
            store,
            written: tokio::sync::Mutex::default(),
            scraped: Mutex::default(),
        }
    }

    /// The host is about to stop: not ready from now on.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Fires once the host is about to stop.
    #[must_use]
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Why the host is not ready; none if it is.
    async fn problem(&self, host: &Host) -> Option<&'static str> {
        if self.draining.is_cancelled() {
            return Some("draining");
        }
        if host.hold.is_held() {
            return Some("held after a restore");
        }
        // Migrations are done before the host listens. One write at a time answers all who ask.
        let mut written = self.written.lock().await;
        let fresh = |at: &Duration| host.clock.monotonic().saturating_sub(*at) < PROOF;
        if written.as_ref().is_some_and(fresh) {
            return None;
        }
        match tokio::time::timeout(PATIENCE, self.store.writable()).await {
            Ok(Ok(())) => {
                *written = Some(host.clock.monotonic());
                None
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready: the store takes no writes");
                Some("the store takes no writes")
            }
            Err(_) => Some("the store does not answer"),
        }
    }

    /// Brings the metrics up to date that are not counted as things happen.
    async fn scrape(&self, host: &Host) {
        let now = host.clock.monotonic();
        let counters = self.store.counters();
        let due = {
            let mut scraped = self.scraped.lock().unwrap_or_else(PoisonError::into_inner);
            host.metrics.store_commits(counters.commits.saturating_sub(scraped.counters.commits));
            host.metrics.store_wal_bytes(counters.wal_bytes);
            scraped.counters = counters;
            let due = scraped.depths.is_none_or(|at| now.saturating_sub(at) >= DEPTHS);
            if due {
                scraped.depths = Some(now);
            }
            due
        };
        if due {
            match self.store.depths().await {
                Ok(depths) => host.metrics.depths(&depths, host.clock.now()),
                Err(error) => tracing::warn!(%error, "queue depths could not be counted"),
            }
        }
    }
}

/// Answers a request to the metrics listener.
pub async fn answer(host: &Host, request: Request<Body>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "alive\n".into()),
        "/readyz" => match host.health.problem(host).await {
            None => text(StatusCode::OK, "ready\n".into()),
            Some(problem) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {problem}\n")),
        },
        "/metrics" => metrics(host).await,
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz\n".into()),
    }
}

async fn metrics(host: &Host) -> Response<Body> {
    host.health.scrape(host).await;
    let encoder = TextEncoder::new();
    let mut page = Vec::new();
    if let Err(error) = encoder.encode(&host.registry.gather(), &mut page) {
        tracing::error!(%error, "metrics could not be written");
        return text(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be written\n".into());
    }
    let mut response = Response::new(Body::from(page));
    if let Ok(format) = HeaderValue::from_str(encoder.format_type()) {
        response.headers_mut().insert(CONTENT_TYPE, format);
    }
    response
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
