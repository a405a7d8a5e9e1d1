//! Settings that guests may read, per integration and environment.

use std::collections::BTreeMap;

use axum::extract::State;
use jackfield_core::ids::{ConfigName, EnvironmentName, IntegrationName, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::ApiError;
use super::json::{Answer, At, Body, Wanted};
use super::state::Api;
use super::types::Removed;

/// The largest value, in bytes of JSON.
const VALUE_BYTES: usize = 64 * 1024;

/// A setting's value.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Text reaches the guest as text; a number, a boolean, a list or an object as JSON.
    pub value: Value,
}

impl Wanted for Setting {}

/// List settings
///
/// Names and values of an integration's settings in an environment.
#[utoipa::path(
    get, path = "/v1/environments/{environment}/integrations/{integration}/config", tag = "config",
    security(("token" = ["read"])), params(("environment" = String, Path), ("integration" = String, Path)),
    responses((status = 200, body = BTreeMap<String, Value>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    At((environment, integration)): At<(EnvironmentName, IntegrationName)>,
) -> Result<Answer<BTreeMap<String, Value>>, ApiError> {
    api.environment(&environment).await?;
    let settings = api.host.store.config(&Scope { environment, integration }).await?;
    Ok(Answer(settings.into_iter().map(|(name, value)| (name.into(), value)).collect()))
}

/// Set a setting
#[utoipa::path(
    put, path = "/v1/environments/{environment}/integrations/{integration}/config/{name}", tag = "config",
    security(("token" = ["secrets"])),
    params(("environment" = String, Path), ("integration" = String, Path), ("name" = String, Path)),
    request_body = Setting, responses((status = 200, body = Setting)),
)]
pub(super) async fn set(
    State(api): State<Api>,
    caller: Caller,
    At((environment, integration, name)): At<(EnvironmentName, IntegrationName, ConfigName)>,
    Body(setting): Body<Setting>,
) -> Result<Answer<Setting>, ApiError> {
    if setting.value.is_null() {
        return Err(ApiError::BadRequest("null is no value; to remove a setting, DELETE it".into()));
    }
    if setting.value.to_string().len() > VALUE_BYTES {
        return Err(ApiError::TooLarge { limit_bytes: VALUE_BYTES as u64 });
    }
    let scope = Scope { environment, integration };
    let shared = api.clone();
    let set = shared.finish(async move {
        api.host.store.set_config(scope.clone(), name.clone(), Some(setting.value.clone())).await?;
        api.audit(caller.name.as_str(), "config-set", format!("setting `{name}` of {scope}")).await;
        Ok(setting)
    });
    set.await.map(Answer)
}

/// Remove a setting
#[utoipa::path(
    delete, path = "/v1/environments/{environment}/integrations/{integration}/config/{name}", tag = "config",
    security(("token" = ["secrets"])),
    params(("environment" = String, Path), ("integration" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Removed)),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At((environment, integration, name)): At<(EnvironmentName, IntegrationName, ConfigName)>,
) -> Result<Answer<Removed>, ApiError> {
    api.environment(&environment).await?;
    let scope = Scope { environment, integration };
    let shared = api.clone();
    let removed = shared.finish(async move {
        if !api.host.store.config(&scope).await?.iter().any(|(known, _)| *known == name) {
            return Err(ApiError::no("setting", &name));
        }
        api.host.store.set_config(scope.clone(), name.clone(), None).await?;
        api.audit(caller.name.as_str(), "config-removed", format!("setting `{name}` of {scope}")).await;
        Ok(Removed { removed: true })
    });
    removed.await.map(Answer)
}
