//! Where the notices of an environment go: told when runs are dead-lettered or parked.
//!
//! Not here: what a notice says, and how it is told.

use axum::extract::State;
use jackfield_core::ids::{ConnectionName, EnvironmentName};
use jackfield_core::store::notices::NotifyTarget;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::{ApiError, ProblemItem};
use super::json::{Answer, At, Body, Wanted};
use super::state::Api;
use super::types::Removed;

/// The longest path, in bytes.
const PATH_BYTES: usize = 2048;

/// Where notices go.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Notify {
    /// The connection; absent if nothing is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The path below its base URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Where notices are to go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyWish {
    /// An http connection of the environment.
    #[schema(value_type = String)]
    connection: ConnectionName,
    /// The path and query below its base URL; without, `/`.
    #[serde(default)]
    path: Option<String>,
}

impl Wanted for NotifyWish {}

/// Show where notices go
#[utoipa::path(
    get, path = "/v1/environments/{environment}/notify", tag = "notices", security(("token" = ["read"])),
    params(("environment" = String, Path)), responses((status = 200, body = Notify)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    At(environment): At<EnvironmentName>,
) -> Result<Answer<Notify>, ApiError> {
    let target = api.host.store.notify_target(&environment).await?;
    let (connection, path) = target.map(|target| (target.connection.into(), target.path)).unzip();
    Ok(Answer(Notify { connection, path }))
}

/// Set where notices go
///
/// From then on a run that is dead-lettered or parked is told there: a POST with JSON that names integration, run,
/// reason and the command to look with, and holds no event data and no text of a guest.
#[utoipa::path(
    put, path = "/v1/environments/{environment}/notify", tag = "notices", security(("token" = ["secrets"])),
    params(("environment" = String, Path)), request_body = NotifyWish, responses((status = 200, body = Notify)),
)]
pub(super) async fn set(
    State(api): State<Api>,
    caller: Caller,
    At(environment): At<EnvironmentName>,
    Body(NotifyWish { connection, path }): Body<NotifyWish>,
) -> Result<Answer<Notify>, ApiError> {
    let path = path.unwrap_or_else(|| "/".into());
    let mut problems = Vec::new();
    let mut wrong = |key: &str, text: String| problems.push(ProblemItem { line: None, key: key.into(), text });
    match api.host.store.connections(&environment).await?.iter().find(|known| known.name == connection) {
        Some(known) if known.kind == "http" => {}
        Some(known) => {
            wrong("connection", format!("`{connection}` is of kind `{}`; notices need one of kind http", known.kind))
        }
        None => wrong(
            "connection",
            format!(
                "there is no connection `{connection}` in {environment}: jackfield connections set {connection} --env {environment}"
            ),
        ),
    }
    let plain =
        path.starts_with('/') && path.len() <= PATH_BYTES && path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if !plain {
        wrong("path", "a path and query that start with `/`, percent-encoded".into());
    }
    if !problems.is_empty() {
        return Err(ApiError::Refused { detail: "where notices go was not changed".into(), problems });
    }
    let target = NotifyTarget { connection, path };
    let shared = api.clone();
    let set = shared.finish(async move {
        api.host.store.set_notify(environment.clone(), Some(target.clone())).await?;
        let detail = format!("notices of {environment} go to connection `{}`", target.connection);
        api.audit(caller.name.as_str(), "notify-set", detail).await;
        Ok(Notify { connection: Some(target.connection.into()), path: Some(target.path) })
    });
    set.await.map(Answer)
}

/// Tell nothing any more
#[utoipa::path(
    delete, path = "/v1/environments/{environment}/notify", tag = "notices", security(("token" = ["secrets"])),
    params(("environment" = String, Path)), responses((status = 200, body = Removed)),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(environment): At<EnvironmentName>,
) -> Result<Answer<Removed>, ApiError> {
    let shared = api.clone();
    let removed = shared.finish(async move {
        api.host.store.set_notify(environment.clone(), None).await?;
        api.audit(caller.name.as_str(), "notify-removed", format!("notices of {environment} go nowhere")).await;
        Ok(Removed { removed: true })
    });
    removed.await.map(Answer)
}
