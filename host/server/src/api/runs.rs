//! Runs: started by hand, listed, shown, cancelled and decided over.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jackfield_core::event::{Event, Output};
use jackfield_core::ids::{ComponentName, EnvironmentName, IntegrationName, RunId, Scope};
use jackfield_core::journal::CallSummary;
use jackfield_core::outcome::Usage;
use jackfield_core::run::{self, RunState};
use jackfield_core::store::queue::{self, RunFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::error::ApiError;
use super::json::{Answer, At, Body, Params, Wanted};
use super::state::Api;
use super::types::{Attribute, Payload, Time, attributes, duration};

/// The longest that a request may wait for a run's end.
const WAIT: Duration = Duration::from_secs(50);
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

/// An event to be handled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Which component handles it; may be left out if the integration has one alone.
    #[schema(value_type = Option<String>)]
    component: Option<ComponentName>,
    /// CloudEvents `type` (default `jackfield.manual`).
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// What it is about.
    subject: Option<String>,
    /// The media type of the data; by default the one that goes with its form.
    content_type: Option<String>,
    /// An id of this request, made by the caller: repeated, it is answered with the first run.
    request: Option<String>,
    /// The data as JSON.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<serde_json::Value>,
    /// The data as text.
    data_text: Option<String>,
    /// The data in base64.
    data_base64: Option<String>,
}

fn given<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(d).map(Some)
}

impl Wanted for Wish {
    // The largest event, and what base64 makes of it.
    const LIMIT: usize = 16 << 20;
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// How long to wait for the end, such as `10s`, up to 50 s.
    wait: Option<String>,
}

/// A run that was started.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Started {
    /// The run.
    pub run: String,
    /// Where it is.
    #[schema(value_type = String)]
    pub state: RunState,
    /// What the handler answered, if it was waited for and ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputData>,
    /// Why it is where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a handler answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputData {
    /// HTTP status for a webhook that responds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The media type of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Response or message headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Attribute>,
    /// The data.
    #[serde(flatten)]
    pub payload: Payload,
}

impl From<Output> for OutputData {
    fn from(o: Output) -> Self {
        Self {
            status: o.status,
            content_type: o.content_type,
            headers: attributes(o.headers),
            payload: Payload::of(&o.data),
        }
    }
}

/// Start a run by hand
///
/// 202 once the event is durable. With `wait`, 200 if the run ended (or was parked) in time.
#[utoipa::path(
    post, path = "/v1/environments/{environment}/integrations/{integration}/runs", tag = "runs",
    security(("token" = ["deploy"])), params(("environment" = String, Path), ("integration" = String, Path), Wait),
    request_body = Wish, responses((status = 200, body = Started), (status = 202, body = Started)),
)]
pub(super) async fn start(
    State(api): State<Api>,
    At((environment, integration)): At<(EnvironmentName, IntegrationName)>,
    Params(Wait { wait }): Params<Wait>,
    Body(wish): Body<Wish>,
) -> Result<Response, ApiError> {
    let wait = wait.as_deref().map(duration).transpose().map_err(|e| ApiError::BadRequest(format!("wait: {e}")))?;
    if api.host.hold.is_held() {
        return Err(ApiError::Held);
    }
    let scope = Scope { environment, integration };
    let component = component_of(&api, &scope, wish.component.as_ref()).await?;
    let (event, dedupe) = event_of(&api, &scope, wish)?;

    let shared = api.clone();
    let accepting = api.clone();
    let accepted = shared.finish(async move {
        Ok(accepting.host.intake.manual(&scope, Some(&component), event, dedupe).await?)
    });
    let run = accepted.await?.run();
    let Some(wait) = wait.filter(|wait| !wait.is_zero()) else { return Ok(accepted_answer(run)) };
    // Nobody is turned away who has been told that the event is durable: without a place to wait,
    // the answer is that it goes on.
    let Ok(_permit) = api.waiters.try_acquire() else { return Ok(accepted_answer(run)) };
    match api.host.intake.outcome(run, wait.min(WAIT)).await {
        None => Ok(accepted_answer(run)),
        Some(ended) => {
            let output = ended.output.map(OutputData::from);
            Ok(Answer(Started { run: run.into(), state: ended.state, output, reason: ended.reason }).into_response())
        }
    }
}

fn accepted_answer(run: RunId) -> Response {
    let started = Started { run: run.into(), state: RunState::Queued, output: None, reason: None };
    (StatusCode::ACCEPTED, Answer(started)).into_response()
}

/// The component that is meant, of what is active.
async fn component_of(api: &Api, scope: &Scope, named: Option<&ComponentName>) -> Result<ComponentName, ApiError> {
    api.environment(&scope.environment).await?;
    let Some(release) = api.host.releases.active(scope) else {
        return Err(ApiError::NotFound(format!("release of `{}` in {}", scope.integration, scope.environment)));
    };
    let components = &release.version.manifest.components;
    match named {
        Some(name) if components.contains_key(name) => Ok(name.clone()),
        Some(name) => Err(ApiError::no("component", name)),
        None => {
            let mut names = components.keys();
            match (names.next(), names.next()) {
                (Some(only), None) => Ok(only.clone()),
                _ => {
                    let names: Vec<_> = components.keys().map(ComponentName::as_str).collect();
                    Err(ApiError::BadRequest(format!("say which `component`: {}", names.join(", "))))
                }
            }
        }
    }
}

fn event_of(api: &Api, scope: &Scope, wish: Wish) -> Result<(Event, bool), ApiError> {
    let attribute = |name: &str, value: &Option<String>, most: usize| match value {
        Some(text) if text.is_empty() || text.len() > most || text.chars().any(char::is_control) => {
            Err(ApiError::BadRequest(format!("`{name}` needs 1 to {most} bytes without control characters")))
        }
        _ => Ok(()),
    };
    attribute("type", &wish.event_type, 256)?;
    attribute("subject", &wish.subject, 1024)?;
    attribute("content_type", &wish.content_type, 256)?;
    attribute("request", &wish.request, 128)?;
    let payload = Payload { data: wish.data, data_text: wish.data_text, data_base64: wish.data_base64 };
    let data = payload.bytes().map_err(|e| ApiError::BadRequest(e.to_string()))?;
    let (data, fitting) = data.map_or_else(Default::default, |(bytes, kind)| (bytes, Some(kind.to_owned())));
    let dedupe = wish.request.is_some();
    let event = Event {
        id: wish.request.unwrap_or_else(|| RunId::new(&*api.host.clock, &*api.host.rng).to_string()),
        source: format!("/manual/{}", scope.integration),
        event_type: wish.event_type.unwrap_or_else(|| "jackfield.manual".into()),
        subject: wish.subject,
        time: Some(api.host.clock.now().to_string()),
        content_type: wish.content_type.or(fitting),
        schema: None,
        extensions: Vec::new(),
        meta: Vec::new(),
        data,
    };
    Ok((event, dedupe))
}

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunSummary {
    /// The run.
    pub id: String,
    /// The environment.
    pub environment: String,
    /// The integration.
    pub integration: String,
    /// The version that accepted the event; the run is pinned to it.
    pub version: u32,
    /// The component.
    pub component: String,
    /// The trigger; `manual` for a run started by hand.
    pub trigger: String,
    /// Where it is.
    #[schema(value_type = String)]
    pub state: RunState,
    /// When the event was on disk.
    pub accepted: Time,
    /// When it is due next, while it is `queued` or `waiting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// When it became final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// Attempts begun.
    pub attempts: u32,
    /// How the last attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<String>,
    /// Why it is where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event's id.
    pub event_id: String,
}

impl From<run::RunSummary> for RunSummary {
    fn from(s: run::RunSummary) -> Self {
        Self {
            id: s.id.into(),
            environment: s.target.environment.into(),
            integration: s.target.integration.into(),
            version: s.target.version,
            component: s.target.component.into(),
            trigger: s.target.trigger.into(),
            state: s.state,
            accepted: Time(s.accepted),
            due: s.due.map(Time),
            finished: s.finished.map(Time),
            attempts: s.attempts,
            last_outcome: s.last_outcome,
            reason: s.reason,
            event_id: s.event_id,
        }
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

/// A run with all that is kept of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    /// As lists show it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The event; absent once it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventData>,
    /// What the handler answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputData>,
    /// Its attempts, oldest first.
    pub attempts_made: Vec<Attempt>,
    /// Its recorded calls, in the guest's order.
    pub calls: Vec<Call>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventData {
    /// Unique together with `source`.
    pub id: String,
    /// Where it comes from.
    pub source: String,
    /// CloudEvents `type`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, as the source said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The media type of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// CloudEvents `dataschema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Extension attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Attribute>,
    /// What else the trigger heard: a webhook's method, path, query, headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta: Vec<Attribute>,
    /// The size of the data, in bytes.
    pub size: u64,
    /// The data.
    #[serde(flatten)]
    pub payload: Payload,
}

impl From<Event> for EventData {
    fn from(e: Event) -> Self {
        Self {
            id: e.id,
            source: e.source,
            event_type: e.event_type,
            subject: e.subject,
            time: e.time,
            content_type: e.content_type,
            schema: e.schema,
            extensions: attributes(e.extensions),
            meta: attributes(e.meta),
            size: e.data.len() as u64,
            payload: Payload::of(&e.data),
        }
    }
}

/// An ended attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// When it began.
    pub started: Time,
    /// When its outcome was known.
    pub ended: Time,
    /// How it ended.
    pub outcome: String,
    /// Why, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Frames or a stack, one per line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// What it used.
    pub usage: UsageData,
    /// The last call that was refused for want of a grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl From<run::AttemptRecord> for Attempt {
    fn from(a: run::AttemptRecord) -> Self {
        Self {
            number: a.number,
            started: Time(a.started),
            ended: Time(a.ended),
            outcome: a.outcome,
            reason: a.reason,
            stack: a.stack,
            usage: a.usage.into(),
            refused: a.refused,
        }
    }
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageData {
    /// From the first instruction to the outcome, in milliseconds.
    pub wall_ms: f64,
    /// CPU, in milliseconds.
    pub cpu_ms: f64,
    /// Making the instance, in milliseconds.
    pub start_ms: f64,
    /// The most memory it had, in bytes.
    pub memory_peak_bytes: u64,
    /// Calls it made, those answered from the journal included.
    pub calls: u32,
    /// Of these, those answered from the journal.
    pub replayed: u32,
    /// Bytes of request bodies sent out.
    pub sent_bytes: u64,
    /// Bytes of response bodies received.
    pub received_bytes: u64,
}

impl From<Usage> for UsageData {
    fn from(u: Usage) -> Self {
        // To the microsecond: more digits would be noise.
        let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            wall_ms: ms(u.wall),
            cpu_ms: ms(u.cpu),
            start_ms: ms(u.start),
            memory_peak_bytes: u.memory_peak_bytes,
            calls: u.calls,
            replayed: u.replayed,
            sent_bytes: u.sent_bytes,
            received_bytes: u.received_bytes,
        }
    }
}

/// A recorded call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Call {
    /// Its number.
    pub call: u32,
    /// The capability, such as `http`.
    pub capability: String,
    /// What it was.
    pub what: String,
    /// What came back.
    pub result: String,
    /// How long it took, in milliseconds; when it was replayed, how long it took then.
    pub took_ms: u32,
    /// Answered from the journal.
    pub replayed: bool,
    /// Nobody can know whether it happened.
    pub in_doubt: bool,
}

impl From<CallSummary> for Call {
    fn from(c: CallSummary) -> Self {
        Self {
            call: c.call,
            capability: c.capability.name().into(),
            what: c.what,
            result: c.result,
            took_ms: c.took_ms,
            replayed: c.replayed,
            in_doubt: c.in_doubt,
        }
    }
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
    let detail = api.host.store.run(run).await?;
    Ok(Answer(RunDetail {
        summary: detail.summary.into(),
        event: detail.event.map(EventData::from),
        output: detail.output.map(OutputData::from),
        attempts_made: detail.attempts_made.into_iter().map(Attempt::from).collect(),
        calls: detail.calls.into_iter().map(Call::from).collect(),
    }))
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

/// A decision over a parked run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    /// `retry`: the call in doubt is made again, with the same key; `fail`: give up.
    #[schema(value_type = String)]
    decision: queue::Decision,
}

impl Wanted for Decision {}

/// Decide over a parked run
#[utoipa::path(
    post, path = "/v1/runs/{run}/decide", tag = "runs", security(("token" = ["deploy"])),
    params(("run" = String, Path)), request_body = Decision, responses((status = 200, body = StateNow)),
)]
pub(super) async fn decide(
    State(api): State<Api>,
    caller: Caller,
    At(run): At<String>,
    Body(Decision { decision }): Body<Decision>,
) -> Result<Answer<StateNow>, ApiError> {
    let run = find(&api, &run).await?;
    let shared = api.clone();
    let decided = shared.finish(async move {
        let state = api.host.store.decide(run, decision).await?;
        let word = match decision {
            queue::Decision::Retry => "retry",
            queue::Decision::Fail => "fail",
        };
        api.audit(caller.name.as_str(), "decide", format!("run {run}: {word}")).await;
        Ok(StateNow { state })
    });
    decided.await.map(Answer)
}
