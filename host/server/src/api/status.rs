//! The host at a glance: what runs where, how full the queues are, and the hold after a restore.

use axum::extract::State;
use jackfield_core::store::queue::Depth;
use jackfield_sandbox::engine;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::ApiError;
use super::json::Answer;
use super::state::Api;
use super::types::Time;

/// The host at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The host's version.
    pub version: String,
    /// The engine and its version.
    pub engine: String,
    /// When the host started.
    pub started: Time,
    /// Whether it waits, after a restore, for `release-hold`.
    pub held: bool,
    /// The environments.
    pub environments: Vec<String>,
    /// Where it listens.
    pub listeners: Option<Listeners>,
    /// How the store is.
    pub store: StoreStatus,
    /// Attempts at this moment.
    pub in_flight: u64,
    /// Guest log lines that were not kept since the start.
    pub log_lines_dropped: u64,
}

/// The listeners' real addresses.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Listeners {
    /// Hooks.
    pub ingress: String,
    /// This API.
    pub admin: String,
    /// Metrics and health.
    pub metrics: String,
}

/// How the store is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Whether a write would be durable now.
    pub writable: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The queues that hold anything.
    pub queues: Vec<Queue>,
}

/// The queue of an integration in an environment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// The environment.
    pub environment: String,
    /// The integration.
    pub integration: String,
    /// `queued` and `waiting`, due or not.
    pub queued: u64,
    /// In an attempt.
    pub running: u64,
    /// `needs-decision`.
    pub parked: u64,
    /// `dead-lettered`.
    pub dead: u64,
    /// Bytes of the events of queued and waiting runs.
    pub bytes: u64,
    /// When the oldest run that is due became due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_due: Option<Time>,
}

impl From<Depth> for Queue {
    fn from(d: Depth) -> Self {
        Self {
            environment: d.scope.environment.into(),
            integration: d.scope.integration.into(),
            queued: d.queued,
            running: d.running,
            parked: d.parked,
            dead: d.dead,
            bytes: d.bytes,
            oldest_due: d.oldest_due.map(Time),
        }
    }
}

/// The host at a glance
#[utoipa::path(
    get, path = "/v1/status", tag = "host", security(("token" = ["read"])), responses((status = 200, body = Status)),
)]
pub(super) async fn status(State(api): State<Api>) -> Result<Answer<Status>, ApiError> {
    let host = &api.host;
    let problem = host.store.writable().await.err().map(|e| match ApiError::from(e) {
        // The cause stays in; the sentence goes out.
        e @ (ApiError::DiskFull | ApiError::Unavailable(_) | ApiError::Stopped(_)) => e.to_string(),
        _ => "the store does not take writes".into(),
    });
    Ok(Answer(Status {
        version: crate::VERSION.into(),
        engine: format!("{} {}", engine::NAME, engine::VERSION),
        started: Time(host.started),
        held: host.hold.is_held(),
        environments: host.store.environments().await?.into_iter().map(String::from).collect(),
        listeners: host.addresses.get().map(|a| Listeners {
            ingress: a.ingress.to_string(),
            admin: a.admin.to_string(),
            metrics: a.metrics.to_string(),
        }),
        store: StoreStatus {
            writable: problem.is_none(),
            problem,
            queues: host.store.depths().await?.into_iter().map(Queue::from).collect(),
        },
        in_flight: host.executor.in_flight() as u64,
        log_lines_dropped: host.logs.dropped(),
    }))
}

/// Whether the host is held.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// Whether it is.
    pub held: bool,
}

/// Let a restored host go on
///
/// Triggers answer again, and open runs go on. Effects made after the backup may then repeat.
#[utoipa::path(
    post, path = "/v1/release-hold", tag = "host", security(("token" = ["admin"])), responses((status = 200, body = Held)),
)]
pub(super) async fn release_hold(State(api): State<Api>, caller: Caller) -> Result<Answer<Held>, ApiError> {
    let shared = api.clone();
    let released = shared.finish(async move {
        if api.host.hold.release().map_err(ApiError::internal)? {
            api.host.store.wake();
            api.audit(caller.name.as_str(), "release-hold", "triggers and open runs go on after a restore".into())
                .await;
        }
        Ok(Held { held: api.host.hold.is_held() })
    });
    released.await.map(Answer)
}
