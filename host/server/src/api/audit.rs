//! The audit trail: what was done, by whom. Read here, written where it is done.

use axum::extract::State;
use jackfield_core::store::admin;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use super::json::{Answer, Params};
use super::state::Api;
use super::types::Time;

/// Something that was done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Counted from 1.
    pub number: u64,
    /// When.
    pub at: Time,
    /// The token's name, or `host`.
    pub who: String,
    /// What was done.
    pub action: String,
    /// To what, and what changed.
    pub detail: String,
    /// SHA-256 over the entry before and this one, in hex.
    pub hash: String,
}

impl From<admin::AuditEntry> for AuditEntry {
    fn from(e: admin::AuditEntry) -> Self {
        Self { number: e.number, at: Time(e.at), who: e.who, action: e.action, detail: e.detail, hash: e.hash }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// At most so many, up to 1,000 (default 100).
    limit: Option<u32>,
}

/// Read the audit trail
///
/// The newest entries, newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", security(("token" = ["read"])), params(Query),
    responses((status = 200, body = Vec<AuditEntry>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Params(query): Params<Query>,
) -> Result<Answer<Vec<AuditEntry>>, ApiError> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1_000);
    let entries = api.host.store.audit_trail(limit).await?;
    Ok(Answer(entries.into_iter().map(AuditEntry::from).collect()))
}
