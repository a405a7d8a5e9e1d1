//! Dead letters: listed, resumed, started fresh or put away, once per request id.
//!
//! Not here: what the host does with many of them by itself; see [`super::jobs`].

use axum::extract::State;
use jackfield_core::ids::{ComponentName, EnvironmentName, IntegrationName, RunId};
use jackfield_core::store::dead_letters::{Act, Acted, DeadFilter, Verb, VersionWish};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::error::ApiError;
use super::json::{Answer, Body, Params, Wanted};
use super::run_data::RunSummary;
use super::runs::{RunPage, find};
use super::state::Api;
use super::types::Time;

/// Runs of one request.
const RUNS: usize = 10_000;
/// The longest request id, in bytes.
const REQUEST_BYTES: usize = 128;

/// Dead letters, chosen by name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeadLetters {
    /// An id of this request, made by the caller: repeated, it is answered as before and does nothing.
    request: String,
    /// Run ids, or prefixes that mean one run.
    runs: Vec<String>,
    /// To resume or start fresh on another version than each run's own (fresh: than the active one): its number,
    /// or `active`.
    #[serde(default)]
    version: Option<String>,
}

impl Wanted for DeadLetters {}

/// That an id of a request can be one.
pub(super) fn checked_request(request: &str) -> Result<(), ApiError> {
    if request.is_empty() || request.len() > REQUEST_BYTES {
        return Err(ApiError::BadRequest(format!(
            "`request` needs 1 to {REQUEST_BYTES} bytes, different for each request"
        )));
    }
    Ok(())
}

/// A version as it is wished for.
pub(super) fn wished(version: Option<&str>, verb: Verb) -> Result<Option<VersionWish>, ApiError> {
    if version.is_some() && verb == Verb::Discard {
        return Err(ApiError::BadRequest("`version` goes with resuming and starting fresh".into()));
    }
    version.map(str::parse).transpose().map_err(ApiError::BadRequest)
}

impl DeadLetters {
    /// What is asked for, run by run.
    async fn acts(self, api: &Api, verb: Verb) -> Result<(String, Vec<(RunId, Act)>), ApiError> {
        checked_request(&self.request)?;
        if self.runs.is_empty() || self.runs.len() > RUNS {
            return Err(ApiError::BadRequest(format!("`runs` needs 1 to {RUNS} runs")));
        }
        let wish = wished(self.version.as_deref(), verb)?;
        let mut acts: Vec<(RunId, Act)> = Vec::with_capacity(self.runs.len());
        for text in &self.runs {
            let run = find(api, text).await?;
            if acts.iter().any(|(known, _)| *known == run) {
                continue;
            }
            // Without a version nothing of a run needs to be known to resume it.
            let act = match (verb, wish) {
                (Verb::Resume, None) => Act::Resume { onto: None },
                (Verb::Discard, _) => Act::Discard,
                _ => {
                    let summary = api.host.store.run(run).await?.summary;
                    let planned = api.host.bulk.plan(&summary, verb, wish).await?;
                    planned.map_err(|why| ApiError::Conflict(format!("run {run}: {why}")))?
                }
            };
            acts.push((run, act));
        }
        Ok((self.request, acts))
    }
}

async fn act(api: Api, caller: Caller, which: DeadLetters, verb: Verb) -> Result<Vec<Acted>, ApiError> {
    let wish = which.version.clone();
    let (request, acts) = which.acts(&api, verb).await?;
    let shared = api.clone();
    let done = shared.finish(async move {
        let onto = wish.map(|version| format!(" on version {version}")).unwrap_or_default();
        let runs: Vec<RunId> = acts.iter().map(|(run, _)| *run).collect();
        let detail = format!("{}{onto}", described(&runs));
        let acted = api.host.store.act(request, caller.name.to_string(), acts).await?;
        api.audit(caller.name.as_str(), verb.label(), detail).await;
        Ok(acted)
    });
    done.await
}

/// How many were resumed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Resumed {
    /// How many.
    pub resumed: u64,
}

/// How many were put away.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Discarded {
    /// How many.
    pub discarded: u64,
}

/// What took the place of each.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Started {
    /// How many.
    pub started: u64,
    /// The new runs, in the order in which the dead letters were named.
    pub runs: Vec<StartedFresh>,
}

/// A dead letter and the run that took its place.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StartedFresh {
    /// The dead letter; it is `discarded` now.
    pub dead: String,
    /// The new run of the same event.
    pub run: String,
}

/// Resume dead letters
///
/// Run ids, journals and keys stay: calls that succeeded are not made again. On another version, a run that then
/// asks for something else than it did is stopped before any effect. All are resumed, or none.
#[utoipa::path(
    post, path = "/v1/dead-letters/resume", tag = "dead letters", security(("token" = ["deploy"])),
    request_body = DeadLetters, responses((status = 200, body = Resumed)),
)]
pub(super) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    Body(which): Body<DeadLetters>,
) -> Result<Answer<Resumed>, ApiError> {
    let acted = act(api, caller, which, Verb::Resume).await?;
    Ok(Answer(Resumed { resumed: acted.len() as u64 }))
}

/// Discard dead letters
///
/// They are put away for good. All are discarded, or none.
#[utoipa::path(
    post, path = "/v1/dead-letters/discard", tag = "dead letters", security(("token" = ["deploy"])),
    request_body = DeadLetters, responses((status = 200, body = Discarded)),
)]
pub(super) async fn discard(
    State(api): State<Api>,
    caller: Caller,
    Body(which): Body<DeadLetters>,
) -> Result<Answer<Discarded>, ApiError> {
    let acted = act(api, caller, which, Verb::Discard).await?;
    Ok(Answer(Discarded { discarded: acted.len() as u64 }))
}

/// Start dead letters fresh
///
/// Each is put away, and its event becomes a new run, of the active version: **effects that were made are made
/// again**, with other keys. All are started, or none.
#[utoipa::path(
    post, path = "/v1/dead-letters/fresh", tag = "dead letters", security(("token" = ["deploy"])),
    request_body = DeadLetters, responses((status = 200, body = Started)),
)]
pub(super) async fn fresh(
    State(api): State<Api>,
    caller: Caller,
    Body(which): Body<DeadLetters>,
) -> Result<Answer<Started>, ApiError> {
    let acted = act(api, caller, which, Verb::Fresh).await?;
    let runs: Vec<StartedFresh> = acted
        .into_iter()
        .filter_map(|Acted { run, fresh }| Some(StartedFresh { dead: run.into(), run: fresh?.into() }))
        .collect();
    Ok(Answer(Started { started: runs.len() as u64, runs }))
}

/// Which dead letters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadFilterData {
    /// In this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub environment: Option<EnvironmentName>,
    /// Of this integration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub integration: Option<IntegrationName>,
    /// Of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub component: Option<ComponentName>,
    /// Whose reason holds this text, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Dead at this moment or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Dead at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

impl From<DeadFilterData> for DeadFilter {
    fn from(f: DeadFilterData) -> Self {
        let DeadFilterData { environment, integration, component, reason, until, since } = f;
        Self { environment, integration, component, reason, until: until.map(|t| t.0), since: since.map(|t| t.0) }
    }
}

impl From<DeadFilter> for DeadFilterData {
    fn from(f: DeadFilter) -> Self {
        let DeadFilter { environment, integration, component, reason, until, since } = f;
        Self { environment, integration, component, reason, until: until.map(Time), since: since.map(Time) }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wish {
    /// In this environment.
    #[param(value_type = Option<String>)]
    environment: Option<EnvironmentName>,
    /// Of this integration.
    #[param(value_type = Option<String>)]
    integration: Option<IntegrationName>,
    /// Of this component.
    #[param(value_type = Option<String>)]
    component: Option<ComponentName>,
    /// Whose reason holds this text, whatever its case.
    reason: Option<String>,
    /// Dead at this moment or before.
    until: Option<Time>,
    /// Dead at this moment or later.
    since: Option<Time>,
    /// Newer than this run: `next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<RunId>,
    /// At most so many, up to 1,000 (default 50).
    limit: Option<u32>,
}

/// List dead letters
///
/// Oldest first: in the order in which a job works through them.
#[utoipa::path(
    get, path = "/v1/dead-letters", tag = "dead letters", security(("token" = ["read"])), params(Wish),
    responses((status = 200, body = RunPage)),
)]
pub(super) async fn list(State(api): State<Api>, Params(wish): Params<Wish>) -> Result<Answer<RunPage>, ApiError> {
    let Wish { environment, integration, component, reason, until, since, after, limit } = wish;
    let limit = limit.unwrap_or(50).clamp(1, 1_000);
    let filter = DeadFilterData { environment, integration, component, reason, until, since }.into();
    let runs = api.host.store.dead_letters(&filter, after, limit).await?;
    let next = runs.last().filter(|_| runs.len() >= limit as usize).map(|run| run.id.to_string());
    Ok(Answer(RunPage { runs: runs.into_iter().map(RunSummary::from).collect(), next }))
}

/// Some of them by id, and how many there are.
fn described(runs: &[RunId]) -> String {
    let shown: Vec<_> = runs.iter().take(20).map(RunId::to_string).collect();
    let more = runs.len().saturating_sub(shown.len());
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} run(s): {}{rest}", runs.len(), shown.join(", "))
}
