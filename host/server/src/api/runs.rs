//! Runs: listed, shown and cancelled.
//!
//! Not here: how one is started by hand ([`super::manual`]) or decided over ([`super::decide`]), and what one looks like ([`super::run_data`]).

use axum::extract::State;
use jackfield_core::ids::{EnvironmentName, IntegrationName, RunId};
use jackfield_core::run::RunState;
use jackfield_core::store::queue::RunFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::decide::{InDoubt, in_doubt};
use super::error::ApiError;
use super::json::{Answer, At, Params};
use super::logs::last_words;
use super::run_data::{RunDetail, RunSummary};
use super::state::Api;

/// The outcome of an attempt that leaves no question.
const SUCCEEDED: &str = "succeeded";
/// The fewest letters that may stand for a run id.
const PREFIX: usize = 6;

/// The run that `text` means: its id, or the beginning of it if no other run has that.
pub(super) async fn find(api: &Api, text: &str) -> Result<RunId, ApiError> {
    if let Ok(run) = text.parse() {
        return Ok(run);
    }
    if text.len() < PREFIX || text.len() > 26 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(ApiError::no("run", text));
    }
    let prefix = text.to_ascii_uppercase();
    match api.host.store.runs_starting_with(&prefix, 2).await?.as_slice() {
        [] => Err(ApiError::no("run", text)),
        [run] => Ok(*run),
        _ => Err(ApiError::Conflict(format!("several runs start with `{prefix}`; give more of the id"))),
    }
}

/// A page of runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunPage {
    /// The runs, newest first.
    pub runs: Vec<RunSummary>,
    /// `before` of the next page, if there may be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// In this environment.
    #[param(value_type = Option<String>)]
    environment: Option<EnvironmentName>,
    /// Of this integration.
    #[param(value_type = Option<String>)]
    integration: Option<IntegrationName>,
    /// In this state.
    state: Option<String>,
    /// Older than this run: `next` of the page before.
    #[param(value_type = Option<String>)]
    before: Option<RunId>,
    /// At most so many, up to 1,000 (default 50).
    limit: Option<u32>,
}

/// List runs
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs", security(("token" = ["read"])), params(Filter),
    responses((status = 200, body = RunPage)),
)]
pub(super) async fn list(State(api): State<Api>, Params(filter): Params<Filter>) -> Result<Answer<RunPage>, ApiError> {
    let limit = filter.limit.unwrap_or(50).clamp(1, 1_000);
    let state = filter.state.as_deref().map(str::parse).transpose().map_err(ApiError::BadRequest)?;
    if let Some(environment) = &filter.environment {
        api.environment(environment).await?;
    }
    let filter = RunFilter {
        environment: filter.environment,
        integration: filter.integration,
        state,
        before: filter.before,
        limit,
    };
    let runs = api.host.store.runs(filter).await?;
    let full = runs.len() >= limit as usize;
    let next = runs.last().filter(|_| full).map(|run| run.id.to_string());
    Ok(Answer(RunPage { runs: runs.into_iter().map(RunSummary::from).collect(), next }))
}

/// Show a run
///
/// By its id, or by the first letters of it (six or more) if they mean one run.
#[utoipa::path(
    get, path = "/v1/runs/{run}", tag = "runs", security(("token" = ["read"])), params(("run" = String, Path)),
    responses((status = 200, body = RunDetail)),
)]
pub(super) async fn show(State(api): State<Api>, At(run): At<String>) -> Result<Answer<RunDetail>, ApiError> {
    let run = find(&api, &run).await?;
    let mut shown = RunDetail::from(api.host.store.run(run).await?);
    if shown.summary.state == RunState::NeedsDecision {
        shown.in_doubt = in_doubt(&api, run).await?.iter().map(InDoubt::from).collect();
    }
    // While another one runs, its lines are the newest.
    if shown.summary.state != RunState::Running
        && let Some(last) = shown.attempts_made.last_mut().filter(|last| last.outcome != SUCCEEDED)
    {
        last.log = last_words(&api, run, last.number).await?;
    }
    Ok(Answer(shown))
}

/// Where a run is now.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct StateNow {
    /// Where it is.
    #[schema(value_type = String)]
    pub state: RunState,
}

/// Cancel a run
///
/// A run in an attempt is answered with `running`: the attempt is being stopped.
#[utoipa::path(
    post, path = "/v1/runs/{run}/cancel", tag = "runs", security(("token" = ["deploy"])),
    params(("run" = String, Path)), responses((status = 200, body = StateNow)),
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    At(run): At<String>,
) -> Result<Answer<StateNow>, ApiError> {
    let run = find(&api, &run).await?;
    let shared = api.clone();
    let cancelled = shared.finish(async move {
        let state = api.host.executor.cancel(run).await?;
        api.audit(caller.name.as_str(), "cancel", format!("run {run}")).await;
        Ok(StateNow { state })
    });
    cancelled.await.map(Answer)
}
