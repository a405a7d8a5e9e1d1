//! What guests logged: of one run, of late, and as it is written.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use jackfield_core::ids::{ComponentName, EnvironmentName, IntegrationName, RunId};
use jackfield_core::logs::{Follow, Followed, Level, LogFilter};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use super::json::{Answer, At, Params, to_vec};
use super::runs::find;
use super::state::Api;
use super::types::{Attribute, Time, attributes};

/// Lines of one answer, if the caller names no other number, and at most.
const LINES: usize = 1_000;
const MOST_LINES: usize = 10_000;

/// Lines that are shown beside an attempt that did not succeed.
const LAST_LINES: usize = 5;

/// After so much silence a follower is sent an empty line: one that is gone is noticed, and a proxy
/// does not take the connection for dead.
const SILENCE: Duration = Duration::from_secs(20);

/// One line of a guest's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When the host received it.
    pub at: Time,
    /// The run.
    pub run: String,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The integration.
    pub integration: String,
    /// The component.
    pub component: String,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    #[schema(value_type = String)]
    pub level: Level,
    /// What the guest said.
    pub message: String,
    /// And about what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

impl From<jackfield_core::logs::LogLine> for LogLine {
    fn from(l: jackfield_core::logs::LogLine) -> Self {
        Self {
            at: Time(l.at),
            run: l.run.into(),
            attempt: l.attempt,
            integration: l.integration.into(),
            component: l.component.into(),
            level: l.level,
            message: l.message,
            attributes: attributes(l.attributes),
        }
    }
}

/// Stands in the stream of followed lines for lines that its reader was too slow for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missed {
    /// How many lines, of all and not only of the filter.
    pub missed: u64,
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
    /// Of this component.
    #[param(value_type = Option<String>)]
    component: Option<ComponentName>,
    /// Of this run; a prefix will do.
    run: Option<String>,
    /// At least this level: `trace`, `debug`, `info`, `warn`, `error`.
    #[param(value_type = Option<String>)]
    level: Option<Level>,
    /// At most so many lines, the newest ones, up to 10,000 (default 1,000).
    limit: Option<usize>,
}

impl Filter {
    async fn found(self, api: &Api) -> Result<(LogFilter, usize), ApiError> {
        let run = match &self.run {
            Some(text) => Some(find(api, text).await?),
            None => None,
        };
        let filter = LogFilter {
            environment: self.environment,
            integration: self.integration,
            component: self.component,
            run,
            min_level: self.level.unwrap_or_default(),
        };
        Ok((filter, self.limit.unwrap_or(LINES).clamp(1, MOST_LINES)))
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Lines {
    /// At most so many lines, the newest ones, up to 10,000 (the default).
    limit: Option<usize>,
}

/// Reads log files without holding up others.
async fn read<T, F>(reading: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(reading).await.map_err(ApiError::internal)
}

/// The last lines that an attempt logged: what its guest said before it ended.
pub(super) async fn last_words(api: &Api, run: RunId, attempt: u32) -> Result<Vec<LogLine>, ApiError> {
    let logs = Arc::clone(&api.host.logs);
    let mut lines = read(move || logs.of_run(run, LAST_LINES)).await?;
    lines.retain(|line| line.attempt == attempt);
    Ok(lines.into_iter().map(LogLine::from).collect())
}

/// The log of a run
///
/// Oldest first.
#[utoipa::path(
    get, path = "/v1/runs/{run}/logs", tag = "logs", security(("token" = ["read"])),
    params(("run" = String, Path), Lines), responses((status = 200, body = Vec<LogLine>)),
)]
pub(super) async fn of_run(
    State(api): State<Api>,
    At(run): At<String>,
    Params(lines): Params<Lines>,
) -> Result<Answer<Vec<LogLine>>, ApiError> {
    let run = find(&api, &run).await?;
    let limit = lines.limit.unwrap_or(MOST_LINES).clamp(1, MOST_LINES);
    let logs = Arc::clone(&api.host.logs);
    let lines = read(move || logs.of_run(run, limit)).await?;
    if lines.is_empty() {
        // Lines may outlive their run; without any there must at least be the run.
        api.host.store.run(run).await?;
    }
    Ok(Answer(lines.into_iter().map(LogLine::from).collect()))
}

/// Recent log lines
///
/// Oldest first, the newest there are.
#[utoipa::path(
    get, path = "/v1/logs", tag = "logs", security(("token" = ["read"])), params(Filter),
    responses((status = 200, body = Vec<LogLine>)),
)]
pub(super) async fn recent(
    State(api): State<Api>,
    Params(filter): Params<Filter>,
) -> Result<Answer<Vec<LogLine>>, ApiError> {
    let (filter, limit) = filter.found(&api).await?;
    let logs = Arc::clone(&api.host.logs);
    let lines = read(move || logs.recent(&filter, limit)).await?;
    Ok(Answer(lines.into_iter().map(LogLine::from).collect()))
}

/// Log lines as they are written
///
/// One JSON object a line, until the caller hangs up: a log line, or `{"missed": n}` where the reader was too slow. An
/// empty line means nothing.
#[utoipa::path(
    get, path = "/v1/logs/follow", tag = "logs", security(("token" = ["read"])), params(Filter),
    responses((status = 200, body = LogLine, content_type = "application/x-ndjson")),
)]
pub(super) async fn follow(State(api): State<Api>, Params(filter): Params<Filter>) -> Result<Response, ApiError> {
    let (filter, _) = filter.found(&api).await?;
    let permit = Arc::clone(&api.followers).try_acquire_owned().map_err(|_| ApiError::TooMany {
        what: "too many readers follow the logs already".into(),
        retry_after: Duration::from_secs(10),
    })?;
    let draining = api.host.health.draining().clone();
    let lines = stream::unfold((api.host.logs.follow(filter), permit), move |reader| {
        // The stream ends when the host stops, or it would hold up the end.
        draining.clone().run_until_cancelled_owned(next_line(reader)).map(Option::flatten)
    });
    let kind = HeaderValue::from_static("application/x-ndjson");
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(lines)).into_response())
}

type Reader = (Follow, OwnedSemaphorePermit);

async fn next_line((mut follow, permit): Reader) -> Option<(Result<Bytes, serde_json::Error>, Reader)> {
    let Ok(next) = tokio::time::timeout(SILENCE, follow.next()).await else {
        return Some((Ok(Bytes::from_static(b"\n")), (follow, permit)));
    };
    let line = match next? {
        Followed::Line(line) => to_vec(&LogLine::from((*line).clone())),
        Followed::Missed(missed) => to_vec(&Missed { missed }),
    };
    let line = line.map(|mut bytes| {
        bytes.push(b'\n');
        Bytes::from(bytes)
    });
    Some((line, (follow, permit)))
}
