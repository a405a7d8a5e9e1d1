//! Runs started by hand: an event is made of what somebody sends, and accepted like any other.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jackfield_core::event::Event;
use jackfield_core::ids::{ComponentName, EnvironmentName, IntegrationName, RunId, Scope};
use jackfield_core::run::RunState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use super::json::{Answer, At, Body, Params, Wanted};
use super::run_data::OutputData;
use super::state::{Api, Shared};
use super::types::{Payload, duration};

/// The longest that a request may wait for a run's end.
const WAIT: Duration = Duration::from_secs(50);

/// An event to be handled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunWish {
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

impl Wanted for RunWish {
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

impl Wait {
    /// How long, if at all.
    pub(super) fn long(&self) -> Result<Option<Duration>, ApiError> {
        self.wait.as_deref().map(duration).transpose().map_err(|e| ApiError::BadRequest(format!("wait: {e}")))
    }
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

/// Start a run by hand
///
/// 202 once the event is durable. With `wait`, 200 if the run ended (or was parked) in time.
#[utoipa::path(
    post, path = "/v1/environments/{environment}/integrations/{integration}/runs", tag = "runs",
    security(("token" = ["deploy"])), params(("environment" = String, Path), ("integration" = String, Path), Wait),
    request_body = RunWish, responses((status = 200, body = Started), (status = 202, body = Started)),
)]
pub(super) async fn start(
    State(api): State<Api>,
    At((environment, integration)): At<(EnvironmentName, IntegrationName)>,
    Params(wait): Params<Wait>,
    Body(wish): Body<RunWish>,
) -> Result<Response, ApiError> {
    let wait = wait.long()?;
    if api.host.hold.is_held() {
        return Err(ApiError::Held);
    }
    let scope = Scope { environment, integration };
    let component = component_of(&api, &scope, wish.component.as_ref()).await?;
    let (event, dedupe) = event_of(&api, wish)?;

    let shared = api.clone();
    let accepting = api.clone();
    let accepted =
        shared.finish(async move { Ok(accepting.host.intake.manual(&scope, Some(&component), event, dedupe).await?) });
    let run = accepted.await?.run();
    Ok(answered(&api, run, wait).await)
}

/// The answer about a run that is durable; with `wait`, once it has ended.
pub(super) async fn answered(api: &Shared, run: RunId, wait: Option<Duration>) -> Response {
    let Some(wait) = wait.filter(|wait| !wait.is_zero()) else { return accepted_answer(run) };
    // Nobody is turned away who has been told that the event is durable: without a place to wait,
    // the answer is that it goes on.
    let Ok(_permit) = api.waiters.try_acquire() else { return accepted_answer(run) };
    match api.host.intake.outcome(run, wait.min(WAIT)).await {
        None => accepted_answer(run),
        Some(ended) => {
            let output = ended.output.map(OutputData::from);
            Answer(Started { run: run.into(), state: ended.state, output, reason: ended.reason }).into_response()
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

fn event_of(api: &Api, wish: RunWish) -> Result<(Event, bool), ApiError> {
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
        source: "/manual".into(),
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
