//! Jobs over dead letters: asked for once, worked through by the host at a rate, watched and stopped.
//!
//! Not here: dead letters one by one; see [`super::dead_letters`].

use axum::extract::State;
use jackfield_core::bulk::{MOST_PER_MINUTE, USUAL_PER_MINUTE};
use jackfield_core::store::dead_letters::{self, JobState, Verb};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::dead_letters::{DeadFilterData, checked_request, wished};
use super::error::ApiError;
use super::json::{Answer, At, Body, Wanted};
use super::state::Api;
use super::types::Time;

/// The most that are listed.
const LISTED: u32 = 100;
/// The longest text of a reason that is looked for, in bytes.
const REASON_BYTES: usize = 1_000;

/// Something that the host does with many dead letters.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The id of the request that asked for it.
    pub request: String,
    /// `resume`, `discard` or `fresh`.
    #[schema(value_type = String)]
    pub verb: Verb,
    /// With which dead letters: those that were dead when it was asked for.
    pub filter: DeadFilterData,
    /// On which version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// So many runs a minute.
    pub per_minute: u32,
    /// The name of the token that asked.
    pub who: String,
    /// When.
    pub asked: Time,
    /// `running`, `done` or `stopped`.
    #[schema(value_type = String)]
    pub state: JobState,
    /// How many runs it concerned when it was asked for.
    pub total: u64,
    /// How many were taken.
    pub done: u64,
    /// How many could not be.
    pub skipped: u64,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    /// Why the last run that was skipped was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl From<dead_letters::Job> for Job {
    fn from(j: dead_letters::Job) -> Self {
        Self {
            request: j.request,
            verb: j.verb,
            filter: j.filter.into(),
            version: j.version.map(|version| version.to_string()),
            per_minute: j.per_minute,
            who: j.who,
            asked: Time(j.asked),
            state: j.state,
            total: j.total,
            done: j.done,
            skipped: j.skipped,
            ended: j.ended.map(Time),
            problem: j.problem,
        }
    }
}

/// A job as it is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobWish {
    /// An id of this request, made by the caller: repeated, it is answered with the job as it is now.
    request: String,
    /// `resume`, `discard` or `fresh` (**effects that were made are made again**).
    #[schema(value_type = String)]
    verb: Verb,
    /// Which dead letters; without, all.
    #[serde(default)]
    filter: DeadFilterData,
    /// On another version than each run's own (fresh: than the active one): its number, or `active`.
    #[serde(default)]
    version: Option<String>,
    /// So many runs a minute; without, 3,000.
    #[serde(default)]
    per_minute: Option<u32>,
}

impl Wanted for JobWish {}

/// List jobs
///
/// Those that run, then those that are over, newest first.
#[utoipa::path(
    get, path = "/v1/dead-letters/jobs", tag = "jobs", security(("token" = ["read"])),
    responses((status = 200, body = Vec<Job>)),
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Answer<Vec<Job>>, ApiError> {
    Ok(Answer(api.host.store.jobs(false, LISTED).await?.into_iter().map(Job::from).collect()))
}

/// Start a job
///
/// The host works through it by itself: it goes on when the caller is gone, and when the host was started again.
/// What becomes a dead letter later is not concerned.
#[utoipa::path(
    post, path = "/v1/dead-letters/jobs", tag = "jobs", security(("token" = ["deploy"])), request_body = JobWish,
    responses((status = 200, body = Job)),
)]
pub(super) async fn start(
    State(api): State<Api>,
    caller: Caller,
    Body(wish): Body<JobWish>,
) -> Result<Answer<Job>, ApiError> {
    checked_request(&wish.request)?;
    let version = wished(wish.version.as_deref(), wish.verb)?;
    if wish.filter.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES) {
        return Err(ApiError::BadRequest(format!("`filter.reason` has at most {REASON_BYTES} bytes")));
    }
    if let Some(environment) = &wish.filter.environment {
        api.environment(environment).await?;
    }
    let per_minute = wish.per_minute.unwrap_or(USUAL_PER_MINUTE);
    if !(1..=MOST_PER_MINUTE).contains(&per_minute) {
        return Err(ApiError::BadRequest(format!("`per_minute` is from 1 to {MOST_PER_MINUTE}")));
    }
    let job = dead_letters::Job {
        request: wish.request,
        verb: wish.verb,
        filter: wish.filter.into(),
        version,
        per_minute,
        who: caller.name.to_string(),
        asked: api.host.clock.now(),
        state: JobState::Running,
        total: 0,
        done: 0,
        skipped: 0,
        cursor: None,
        ended: None,
        problem: None,
    };
    let shared = api.clone();
    let started = shared.finish(async move {
        let job = api.host.bulk.ask(job).await?;
        let detail = format!("job `{}`: {} of {} dead letter(s)", job.request, job.verb.label(), job.total);
        api.audit(caller.name.as_str(), "job-started", detail).await;
        Ok(Job::from(job))
    });
    started.await.map(Answer)
}

/// Show a job
#[utoipa::path(
    get, path = "/v1/dead-letters/jobs/{job}", tag = "jobs", security(("token" = ["read"])),
    params(("job" = String, Path)), responses((status = 200, body = Job)),
)]
pub(super) async fn show(State(api): State<Api>, At(job): At<String>) -> Result<Answer<Job>, ApiError> {
    Ok(Answer(api.host.store.job(&job).await?.into()))
}

/// Stop a job
///
/// What it has done stays done.
#[utoipa::path(
    post, path = "/v1/dead-letters/jobs/{job}/stop", tag = "jobs", security(("token" = ["deploy"])),
    params(("job" = String, Path)), responses((status = 200, body = Job)),
)]
pub(super) async fn stop(State(api): State<Api>, caller: Caller, At(job): At<String>) -> Result<Answer<Job>, ApiError> {
    let shared = api.clone();
    let stopped = shared.finish(async move {
        let job = api.host.store.stop_job(job).await?;
        api.audit(caller.name.as_str(), "job-stopped", format!("job `{}`", job.request)).await;
        Ok(Job::from(job))
    });
    stopped.await.map(Answer)
}
