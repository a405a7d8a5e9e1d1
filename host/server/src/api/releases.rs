//! Releases: an integration's version becomes the active one of an environment.
//!
//! Everything that speaks against it is said at once, and then nothing is changed. Not here: what
//! speaks against it; see [`super::verdict`].

use std::collections::BTreeMap;

use axum::extract::State;
use jackfield_core::artifact::Digest;
use jackfield_core::ids::{ComponentName, EnvironmentName, IntegrationName, Scope};
use jackfield_core::manifest;
use jackfield_core::release::{Manifest, TriggerKind, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::{ApiError, ProblemItem};
use super::json::{Answer, At, Body, Wanted};
use super::state::{Api, Shared};
use super::types::Time;
use super::verdict::{Lines, Verdict};

/// A version to be released.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployWish {
    /// The manifest: the text of `jackfield.toml`, or the same as JSON.
    manifest: ManifestText,
    /// What the manifest's file is called in problems (default `jackfield.toml`).
    file: Option<String>,
    /// The digest of each component's artifact, uploaded before: `{"sync": "sha256:…"}`.
    artifacts: BTreeMap<String, String>,
}

impl Wanted for DeployWish {}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum ManifestText {
    Toml(String),
    Json(Map<String, Value>),
}

/// A version that was released.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Deployed {
    /// The integration.
    pub integration: String,
    /// The version that is active now.
    pub version: u32,
    /// Whether this made the version; else the same manifest and artifacts were there before.
    pub new: bool,
    /// Where webhooks are to be sent.
    pub hooks: Vec<HookAddress>,
    /// What the environment still lacks, with the commands that mend it.
    pub warnings: Vec<String>,
}

/// A webhook's address.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HookAddress {
    /// The trigger.
    pub trigger: String,
    /// Its URL. Whoever knows it may send events.
    pub url: String,
}

/// An active release.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Release {
    /// The integration.
    pub integration: String,
    /// The version.
    pub version: u32,
    /// Since when it is active.
    pub since: Time,
    /// Its components.
    pub components: Vec<String>,
    /// The artifact of each component.
    pub artifacts: BTreeMap<String, String>,
    /// What it says of itself.
    pub description: String,
}

/// List active releases
#[utoipa::path(
    get, path = "/v1/environments/{environment}/releases", tag = "releases", security(("token" = ["read"])),
    params(("environment" = String, Path)), responses((status = 200, body = Vec<Release>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    At(environment): At<EnvironmentName>,
) -> Result<Answer<Vec<Release>>, ApiError> {
    api.environment(&environment).await?;
    let mut releases: Vec<Release> = api
        .host
        .releases
        .all()
        .iter()
        .filter(|release| release.environment == environment)
        .map(|release| Release {
            integration: release.version.manifest.name.to_string(),
            version: release.version.number,
            since: Time(release.since),
            components: release.version.manifest.components.keys().map(ToString::to_string).collect(),
            artifacts: release
                .version
                .artifacts
                .iter()
                .map(|(c, digest)| (c.to_string(), digest.to_string()))
                .collect(),
            description: release.version.manifest.description.clone(),
        })
        .collect();
    releases.sort_by(|a, b| a.integration.cmp(&b.integration));
    Ok(Answer(releases))
}

/// Release a version
///
/// Checks everything first; a refusal (422) lists every problem and changes nothing.
#[utoipa::path(
    post, path = "/v1/environments/{environment}/releases", tag = "releases", security(("token" = ["deploy"])),
    params(("environment" = String, Path)), request_body = DeployWish, responses((status = 200, body = Deployed)),
)]
pub(super) async fn deploy(
    State(api): State<Api>,
    caller: Caller,
    At(environment): At<EnvironmentName>,
    Body(wish): Body<DeployWish>,
) -> Result<Answer<Deployed>, ApiError> {
    api.environment(&environment).await?;
    let shared = api.clone();
    let deployed = shared.finish(async move {
        let _one = api.deploying.lock().await;
        let (manifest, lines) = read(&wish, &environment)?;
        let scope = Scope { environment, integration: manifest.name.clone() };
        let verdict = Verdict::on(&api, &scope, &manifest, &wish.artifacts, &lines).await?;
        if !verdict.problems.is_empty() {
            return Err(refused(manifest.name.as_str(), &scope.environment, verdict.problems));
        }
        release(&api, &caller, scope, manifest, verdict.artifacts, verdict.warnings).await
    });
    deployed.await.map(Answer)
}

fn read(wish: &DeployWish, environment: &EnvironmentName) -> Result<(Manifest, Lines), ApiError> {
    let file = wish.file.as_deref().map_or_else(|| "jackfield.toml".into(), jackfield_core::ids::shown);
    let (read, lines) = match &wish.manifest {
        ManifestText::Toml(text) => (manifest::parse_toml(text, &file), Lines::of(text)),
        ManifestText::Json(members) => (manifest::parse_json(&Value::Object(members.clone())), Lines::default()),
    };
    match read {
        Ok(manifest) => Ok((manifest, lines)),
        Err(problems) => Err(refused(&file, environment, problems.list.into_iter().map(ProblemItem::from).collect())),
    }
}

fn refused(what: &str, environment: &EnvironmentName, mut problems: Vec<ProblemItem>) -> ApiError {
    // In the order of the file; what has no line comes last.
    problems.sort_by_key(|problem| problem.line.unwrap_or(u32::MAX));
    let count = problems.len();
    let s = if count == 1 { "" } else { "s" };
    let detail = format!("{what} was not deployed to {environment}: {count} problem{s}; nothing was changed");
    ApiError::Refused { detail, problems }
}

/// Makes what was found good the active version.
async fn release(
    api: &Shared,
    caller: &Caller,
    scope: Scope,
    manifest: Manifest,
    artifacts: BTreeMap<ComponentName, Digest>,
    warnings: Vec<String>,
) -> Result<Deployed, ApiError> {
    let host = &api.host;
    // The code is at hand before anything is switched: the first event need not wait for a compiler.
    for digest in artifacts.values() {
        host.code.prepare(*digest).await?;
    }
    let newest_before = newest_released(api, &scope.integration);
    let before = host.releases.active(&scope).map(|release| release.version.number);
    let hooks = manifest
        .triggers
        .iter()
        .filter(|trigger| matches!(trigger.kind, TriggerKind::Webhook(_)))
        .map(|trigger| (trigger.name.clone(), api.random_text::<16>("")))
        .collect();
    let now = host.clock.now();
    let triggers = manifest.triggers.clone();
    let number = host.store.add_version(Version { number: 0, manifest, artifacts }, now).await?;
    host.store.release(scope.environment.clone(), scope.integration.clone(), number, hooks, now).await?;
    host.released().await?;

    let from = before.map_or_else(|| "first release".into(), |before| format!("before: {before}"));
    let detail = format!("{} version {number} to {} ({from})", scope.integration, scope.environment);
    api.audit(caller.name.as_str(), "deploy", detail).await;

    let known = host.store.hooks().await?;
    let hooks = triggers
        .iter()
        .filter_map(|trigger| known.iter().find(|hook| hook.scope == scope && hook.trigger == trigger.name))
        .map(|hook| HookAddress { trigger: hook.trigger.to_string(), url: host.hook_url(&hook.token) })
        .collect();
    let new = newest_before.is_none_or(|newest| newest < number);
    Ok(Deployed { integration: scope.integration.into(), version: number, new, hooks, warnings })
}

/// The highest version of an integration that is active anywhere.
fn newest_released(api: &Shared, integration: &IntegrationName) -> Option<u32> {
    let all = api.host.releases.all();
    all.iter().filter(|release| release.version.manifest.name == *integration).map(|r| r.version.number).max()
}
