//! Versions of an integration: what there is, what it says, what differs between two.

use std::collections::BTreeMap;

use axum::extract::State;
use jackfield_core::artifact::{Digest, Inspection};
use jackfield_core::diff;
use jackfield_core::ids::IntegrationName;
use jackfield_core::manifest;
use jackfield_core::release;
use jackfield_core::store::registry;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::difference::Difference;
use super::error::ApiError;
use super::json::{Answer, At, Params};
use super::state::{Api, Shared};
use super::types::Time;

/// The most activations of an environment that are looked at.
const ACTIVATIONS: u32 = 1_000;

/// The versions of an integration.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Versions {
    /// The integration.
    pub integration: String,
    /// Its versions, newest first.
    pub versions: Vec<Version>,
    /// What was active where, newest first.
    pub activations: Vec<Activation>,
}

/// A version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Its number.
    pub version: u32,
    /// When it was made.
    pub made: Time,
    /// The token that released it first, if that is known.
    pub by: Option<String>,
    /// What it says of itself.
    pub description: String,
    /// The artifact of each component.
    pub artifacts: BTreeMap<String, String>,
    /// The environments it is active in.
    pub active_in: Vec<String>,
}

/// A version became the active one of an environment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Activation {
    /// The environment.
    pub environment: String,
    /// The version.
    pub version: u32,
    /// When.
    pub at: Time,
    /// The token that did it, if that is known.
    pub by: Option<String>,
}

impl From<registry::Activation> for Activation {
    fn from(a: registry::Activation) -> Self {
        let by = (!a.who.is_empty()).then_some(a.who);
        Self { environment: a.environment.into(), version: a.number, at: Time(a.at), by }
    }
}

/// A version, whole.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionDetail {
    /// The integration.
    pub integration: String,
    /// Its number.
    pub version: u32,
    /// The artifact of each component.
    pub artifacts: BTreeMap<String, String>,
    /// The manifest, as it is written: what is at its default is left out.
    pub manifest: Value,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// At most so many versions, up to 1,000 (default 20).
    limit: Option<u32>,
}

/// List versions
///
/// The newest first, and what was active where.
#[utoipa::path(
    get, path = "/v1/integrations/{integration}/versions", tag = "versions", security(("token" = ["read"])),
    params(("integration" = String, Path), ListQuery), responses((status = 200, body = Versions)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    At(integration): At<IntegrationName>,
    Params(query): Params<ListQuery>,
) -> Result<Answer<Versions>, ApiError> {
    let store = &api.host.store;
    let versions = store.versions(&integration, query.limit.unwrap_or(20).clamp(1, 1_000)).await?;
    if versions.is_empty() {
        return Err(ApiError::no("integration", &integration));
    }
    let activations = store.activations(&integration, ACTIVATIONS).await?;
    let releases = api.host.releases.all();
    let versions = versions.into_iter().map(|registry::Kept { version, added }| {
        let active = releases
            .iter()
            .filter(|release| release.version.manifest.name == integration && release.version.number == version.number);
        let mut active_in: Vec<String> = active.map(|release| release.environment.to_string()).collect();
        active_in.sort();
        let first = activations.iter().rev().find(|activation| activation.number == version.number);
        Version {
            version: version.number,
            made: Time(added),
            by: first.map(|first| first.who.clone()).filter(|who| !who.is_empty()),
            description: version.manifest.description.clone(),
            artifacts: artifacts(&version),
            active_in,
        }
    });
    let versions = versions.collect();
    let activations = activations.into_iter().map(Activation::from).collect();
    Ok(Answer(Versions { integration: integration.into(), versions, activations }))
}

/// Show a version
///
/// Its manifest and its artifacts.
#[utoipa::path(
    get, path = "/v1/integrations/{integration}/versions/{version}", tag = "versions",
    security(("token" = ["read"])), params(("integration" = String, Path), ("version" = u32, Path)),
    responses((status = 200, body = VersionDetail)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    At((integration, number)): At<(IntegrationName, u32)>,
) -> Result<Answer<VersionDetail>, ApiError> {
    let version = api.host.store.version(&integration, number).await?;
    Ok(Answer(VersionDetail {
        integration: integration.into(),
        version: number,
        artifacts: artifacts(&version),
        manifest: manifest::to_json(&version.manifest),
    }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The version before; without, everything of the other one is new.
    from: Option<u32>,
    /// The version after; without, the newest.
    to: Option<u32>,
}

/// Compare two versions
///
/// What leads from one to the other: code, powers gained and lost, settings, triggers, connections.
#[utoipa::path(
    get, path = "/v1/integrations/{integration}/diff", tag = "versions", security(("token" = ["read"])),
    params(("integration" = String, Path), DiffQuery), responses((status = 200, body = Difference)),
)]
pub(super) async fn diff(
    State(api): State<Api>,
    At(integration): At<IntegrationName>,
    Params(query): Params<DiffQuery>,
) -> Result<Answer<Difference>, ApiError> {
    let store = &api.host.store;
    let after = match query.to {
        Some(number) => store.version(&integration, number).await?,
        None => {
            let newest = store.versions(&integration, 1).await?.pop();
            newest.ok_or_else(|| ApiError::no("integration", &integration))?.version
        }
    };
    let before = match query.from {
        Some(number) => Some(store.version(&integration, number).await?),
        None => None,
    };
    Ok(Answer(between(&api, before.as_ref(), &after).await?))
}

/// What leads from one version to another.
pub(super) async fn between(
    api: &Shared,
    before: Option<&release::Version>,
    after: &release::Version,
) -> Result<Difference, ApiError> {
    let mut known: BTreeMap<Digest, Inspection> = BTreeMap::new();
    for digest in before.into_iter().chain([after]).flat_map(|version| version.artifacts.values()) {
        if let Some(inspection) = api.host.store.artifact(*digest).await? {
            known.insert(*digest, inspection);
        }
    }
    Ok(diff::Difference::between(before, after, &known).into())
}

pub(super) fn artifacts(version: &release::Version) -> BTreeMap<String, String> {
    version.artifacts.iter().map(|(component, digest)| (component.to_string(), digest.to_string())).collect()
}
