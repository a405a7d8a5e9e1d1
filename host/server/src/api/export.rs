//! A run as a file: everything a laptop needs to play it again, and nothing secret.
//!
//! Not here: what the file looks like; see the core's `recording`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use jackfield_core::limits::LOG_LINES;
use jackfield_core::recording::Made;
use jackfield_core::run::RunDetail;

use super::auth::Caller;
use super::error::ApiError;
use super::json::At;
use super::runs::find;
use super::state::Api;

/// Export a run
///
/// One JSON file, format 1: the event, every recorded call with its answer, what else the guest observed, how the last
/// attempt ended, its log. `jackfield replay` plays it without a host. It may hold personal data; values of secrets are
/// taken out.
#[utoipa::path(
    get, path = "/v1/runs/{run}/export", tag = "runs", security(("token" = ["read"])),
    params(("run" = String, Path)), responses((status = 200, body = serde_json::Value)),
)]
pub(super) async fn export(State(api): State<Api>, caller: Caller, At(run): At<String>) -> Result<Response, ApiError> {
    let run = find(&api, &run).await?;
    let host = &api.host;
    let detail: RunDetail = host.store.run(run).await?;
    if detail.event.is_none() {
        return Err(ApiError::Conflict(format!("the event of run {run} is not kept any more, so nothing can play it")));
    }
    let target = detail.summary.target.clone();
    let version = host.store.version(&target.integration, target.version).await?;
    let name = &target.component;
    let (Some(component), Some(artifact)) =
        (version.manifest.components.get(name).cloned(), version.artifacts.get(name).copied())
    else {
        return Err(ApiError::internal(format!("version {} has no component `{name}`", version.number)));
    };
    let surroundings = host.outside.surroundings(run, &target, &version.manifest, &component).await?;
    let chunks = host.store.load(run).await?;
    let logs = Arc::clone(&host.logs);
    let made = tokio::task::spawn_blocking(move || {
        // One more than an attempt may have, for each: the last one's are the newest.
        let log = logs.of_run(run, LOG_LINES as usize);
        let made = Made { run: detail, chunks: &chunks, component: &component, artifact, surroundings, log };
        made.recording().map(|recording| recording.write())
    });
    let text =
        made.await.map_err(ApiError::internal)?.map_err(|bad| ApiError::Conflict(format!("run {run}: {bad}")))?;
    api.audit(caller.name.as_str(), "export", format!("run {run}")).await;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response())
}
