//! Secrets of an environment: set and removed here, never shown.

use axum::extract::State;
use jackfield_core::ids::{EnvironmentName, SecretName};
use jackfield_core::store::secrets;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::ApiError;
use super::json::{Answer, At, Body, Wanted};
use super::state::Api;
use super::types::{Removed, Time};

/// The longest value, in bytes.
const VALUE_BYTES: usize = 64 * 1024;

/// What may be known of a secret.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// Counted from 1.
    pub version: u32,
    /// When it was last set.
    pub set: Time,
}

impl From<secrets::SecretInfo> for SecretInfo {
    fn from(s: secrets::SecretInfo) -> Self {
        Self { name: s.name.into(), version: s.version, set: Time(s.set) }
    }
}

/// The value of a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretValue {
    /// The value, up to 64 KiB. Nobody can read it back.
    #[schema(value_type = String, format = Password, write_only)]
    value: SecretString,
}

impl Wanted for SecretValue {
    const SECRET: bool = true;
}

/// List secrets
///
/// Names and versions; values are never shown.
#[utoipa::path(
    get, path = "/v1/environments/{environment}/secrets", tag = "secrets", security(("token" = ["read"])),
    params(("environment" = String, Path)), responses((status = 200, body = Vec<SecretInfo>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    At(environment): At<EnvironmentName>,
) -> Result<Answer<Vec<SecretInfo>>, ApiError> {
    let secrets = api.host.store.secrets(&environment).await?;
    Ok(Answer(secrets.into_iter().map(SecretInfo::from).collect()))
}

/// Set a secret
///
/// Takes effect with the next connection that is opened; open ones that use it are opened again.
#[utoipa::path(
    put, path = "/v1/environments/{environment}/secrets/{name}", tag = "secrets", security(("token" = ["secrets"])),
    params(("environment" = String, Path), ("name" = String, Path)),
    request_body = SecretValue, responses((status = 200, body = SecretInfo)),
)]
pub(super) async fn set(
    State(api): State<Api>,
    caller: Caller,
    At((environment, name)): At<(EnvironmentName, SecretName)>,
    Body(SecretValue { value }): Body<SecretValue>,
) -> Result<Answer<SecretInfo>, ApiError> {
    match value.expose_secret().len() {
        0 => return Err(ApiError::BadRequest("an empty value is no secret; to remove one, DELETE it".into())),
        length if length > VALUE_BYTES => return Err(ApiError::TooLarge { limit_bytes: VALUE_BYTES as u64 }),
        _ => {}
    }
    let shared = api.clone();
    let set = shared.finish(async move {
        let info = api.host.outside.set_secret(&environment, &name, &value).await?;
        api.audit(
            caller.name.as_str(),
            "secret-set",
            format!("secret `{name}` in {environment}, version {}", info.version),
        )
        .await;
        Ok(SecretInfo::from(info))
    });
    set.await.map(Answer)
}

/// Remove a secret
#[utoipa::path(
    delete, path = "/v1/environments/{environment}/secrets/{name}", tag = "secrets", security(("token" = ["secrets"])),
    params(("environment" = String, Path), ("name" = String, Path)), responses((status = 200, body = Removed)),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At((environment, name)): At<(EnvironmentName, SecretName)>,
) -> Result<Answer<Removed>, ApiError> {
    let shared = api.clone();
    let removed = shared.finish(async move {
        api.host.store.remove_secret(environment.clone(), name.clone()).await?;
        api.host.outside.connection_changed(&environment);
        api.audit(caller.name.as_str(), "secret-removed", format!("secret `{name}` in {environment}")).await;
        Ok(Removed { removed: true })
    });
    removed.await.map(Answer)
}
