//! Environments: the named places integrations are released to.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use super::json::Answer;
use super::state::Api;

/// An environment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    /// Its name.
    pub name: String,
}

/// List environments
#[utoipa::path(
    get, path = "/v1/environments", tag = "environments", security(("token" = ["read"])),
    responses((status = 200, body = Vec<Environment>)),
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Answer<Vec<Environment>>, ApiError> {
    let names = api.host.store.environments().await?;
    Ok(Answer(names.into_iter().map(|name| Environment { name: name.into() }).collect()))
}
