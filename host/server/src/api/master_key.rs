//! The master key: a new one in place of the old, while the host runs.
//!
//! Not here: how that survives a crash; see [`crate::keys::rotation`].

use axum::extract::State;
use jackfield_core::store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::ApiError;
use super::json::Answer;
use super::state::Api;
use crate::config::MasterKeySource;
use crate::keys::KeyError;
use crate::keys::rotation::Rotation;

/// A master key that was replaced.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rotated {
    /// The id of the new key: a short hash, no secret.
    pub key: String,
    /// The id of the key before.
    pub before: String,
    /// How many values were sealed anew.
    pub values: u32,
    /// The file of the new key, on the host.
    pub file: String,
    /// The file that the key before is kept in: backups made under it need it.
    pub kept: String,
}

/// Rotate the master key
///
/// Makes a new key and seals everything under it, while the host runs. Takes no body.
#[utoipa::path(
    post, path = "/v1/master-key/rotate", tag = "secrets", security(("token" = ["admin"])),
    responses((status = 200, body = Rotated)),
)]
pub(super) async fn rotate(State(api): State<Api>, caller: Caller) -> Result<Answer<Rotated>, ApiError> {
    let shared = api.clone();
    let rotated = shared.finish(async move {
        let host = &api.host;
        let MasterKeySource::File(file) = &host.config.master_key else {
            return Err(ApiError::Conflict(
                "the master key comes from JACKFIELD_MASTER_KEY, which a host cannot change for itself: write it to a \
                 file, start the host with master_key_file and without the variable, then rotate"
                    .into(),
            ));
        };
        let _one = api.rotating.lock().await;
        let before = host.outside.master_key_id().await;
        let rotation = Rotation::begin(file, &before, &*host.rng)?;
        let key = rotation.new.id();
        let new = jackfield_core::seal::MasterKey::from_bytes(*rotation.new.to_bytes());
        let values = match host.outside.reseal(new).await {
            Ok(values) => values,
            Err(error) => {
                if matches!(error, StoreError::Conflict(_) | StoreError::DiskFull) {
                    rotation.abandon();
                }
                return Err(error.into());
            }
        };
        let settled = rotation.settle();
        let detail = format!("master key {before} replaced by {key}: {values} values sealed anew");
        api.audit(caller.name.as_str(), "master-key-rotated", detail).await;
        settled?;
        let (file, kept) = (file.display().to_string(), rotation.kept.display().to_string());
        Ok(Rotated { key, before, values, file, kept })
    });
    rotated.await.map(Answer)
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::File { .. } => Self::internal(error),
            other => Self::Conflict(other.to_string()),
        }
    }
}
