//! Releases: an integration's version becomes the active one of an environment.
//!
//! A release is a plan that is carried out. Everything that speaks against it is said at once, and
//! then nothing is changed. Not here: what speaks against it; see [`super::verdict`].

use std::collections::BTreeMap;

use axum::extract::State;
use jackfield_core::ids::{EnvironmentName, IntegrationName, Scope, TriggerName};
use jackfield_core::manifest;
use jackfield_core::release::{Manifest, TriggerKind, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Caller;
use super::difference::Difference;
use super::error::{ApiError, ProblemItem};
use super::json::{Answer, At, Body, Wanted};
use super::state::{Api, Shared};
use super::types::Time;
use super::verdict::{Lines, Verdict};
use super::versions::{artifacts, between};

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
    /// The version that was active before, if there was one.
    pub before: Option<u32>,
    /// What leads from that one to this.
    pub difference: Difference,
    /// Where webhooks are to be sent.
    pub hooks: Vec<HookAddress>,
    /// What the environment still lacks, with the commands that mend it.
    pub warnings: Vec<String>,
}

/// What a release would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// The integration.
    pub integration: String,
    /// The environment.
    pub environment: String,
    /// The number that the version would have.
    pub version: u32,
    /// Whether it would be a new one; else the same manifest and artifacts are there already.
    pub new: bool,
    /// The version that is active now, if there is one.
    pub before: Option<u32>,
    /// What leads from that one to this.
    pub difference: Difference,
    /// The addresses of its webhooks.
    pub hooks: Vec<PlannedHook>,
    /// Where its names for connections lead in this environment.
    pub connections: Vec<PlannedConnection>,
    /// What else the environment lacks, with the commands that mend it.
    pub warnings: Vec<String>,
}

/// A webhook's address, before it is released.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlannedHook {
    /// The trigger.
    pub trigger: String,
    /// Its URL, if it has one already; else one is made with the release.
    pub url: Option<String>,
}

/// Whether a connection is there.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlannedConnection {
    /// The name in the manifest.
    pub name: String,
    /// Why it leads nowhere, with the command that mends it; none if all is well.
    pub problem: Option<String>,
}

/// A webhook's address.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HookAddress {
    /// The trigger.
    pub trigger: String,
    /// Its URL. Whoever knows it may send events.
    pub url: String,
}

/// A way back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackWish {
    /// The version to go back to; without, the one that was active before.
    to: Option<u32>,
}

impl Wanted for RollbackWish {}

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
            artifacts: artifacts(&release.version),
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
        Proposal::read(&api, environment, &wish).await?.carry_out(&api, &caller, "deploy").await
    });
    deployed.await.map(Answer)
}

/// Plan a release
///
/// Says what a release would do, or every problem that speaks against it (422). Changes nothing.
#[utoipa::path(
    post, path = "/v1/environments/{environment}/releases/plan", tag = "releases", security(("token" = ["deploy"])),
    params(("environment" = String, Path)), request_body = DeployWish, responses((status = 200, body = Plan)),
)]
pub(super) async fn plan(
    State(api): State<Api>,
    At(environment): At<EnvironmentName>,
    Body(wish): Body<DeployWish>,
) -> Result<Answer<Plan>, ApiError> {
    api.environment(&environment).await?;
    let proposal = Proposal::read(&api, environment, &wish).await?;
    let known = api.host.store.hooks().await?;
    let hooks = proposal.webhooks().map(|trigger| {
        let hook = known.iter().find(|hook| hook.scope == proposal.scope && hook.trigger == *trigger);
        PlannedHook { trigger: trigger.to_string(), url: hook.map(|hook| api.host.hook_url(&hook.token)) }
    });
    let hooks = hooks.collect();
    let Proposal { scope, version, new, before, difference, connections, warnings } = proposal;
    Ok(Answer(Plan {
        integration: scope.integration.into(),
        environment: scope.environment.into(),
        version: version.number,
        new,
        before,
        difference,
        hooks,
        connections,
        warnings,
    }))
}

/// Go back to an older version
///
/// Makes a version that there is the active one of the environment, after the same checks as a release.
/// Hooks keep their addresses; runs go on with the version they were accepted for.
#[utoipa::path(
    post, path = "/v1/environments/{environment}/releases/{integration}/rollback", tag = "releases",
    security(("token" = ["deploy"])), params(("environment" = String, Path), ("integration" = String, Path)),
    request_body = RollbackWish, responses((status = 200, body = Deployed)),
)]
pub(super) async fn rollback(
    State(api): State<Api>,
    caller: Caller,
    At((environment, integration)): At<(EnvironmentName, IntegrationName)>,
    Body(RollbackWish { to }): Body<RollbackWish>,
) -> Result<Answer<Deployed>, ApiError> {
    api.environment(&environment).await?;
    let scope = Scope { environment, integration };
    let shared = api.clone();
    let back = shared.finish(async move {
        let _one = api.deploying.lock().await;
        let to = target(&api, &scope, to).await?;
        let version = api.host.store.version(&scope.integration, to).await?;
        let named = artifacts(&version);
        let what = format!("{} {to}", scope.integration);
        let verdict = Verdict::on(&api, &scope, &version.manifest, &named, &Lines::default()).await?;
        Proposal::of(&api, scope, &what, version, verdict).await?.carry_out(&api, &caller, "rollback").await
    });
    back.await.map(Answer)
}

/// The version that a rollback leads to.
async fn target(api: &Shared, scope: &Scope, wanted: Option<u32>) -> Result<u32, ApiError> {
    let Some(active) = api.host.releases.active(scope).map(|release| release.version.number) else {
        return Err(ApiError::NotFound(format!("release of `{}` in {}", scope.integration, scope.environment)));
    };
    let to = match wanted {
        Some(wanted) => wanted,
        None => {
            let all = api.host.store.activations(&scope.integration, 2).await?;
            let mut here = all.into_iter().filter(|activation| activation.environment == scope.environment);
            here.nth(1).map(|before| before.number).ok_or_else(|| {
                ApiError::Conflict(format!(
                    "version {active} of {} is the only one that was active in {}; name a version: jackfield rollback {} --to N",
                    scope.integration, scope.environment, scope.integration
                ))
            })?
        }
    };
    if to == active {
        let text = format!("version {to} of {} is active in {} already", scope.integration, scope.environment);
        return Err(ApiError::Conflict(text));
    }
    Ok(to)
}

/// A release that nothing speaks against and that has not happened.
struct Proposal {
    scope: Scope,
    /// With the number it has or would get.
    version: Version,
    new: bool,
    before: Option<u32>,
    difference: Difference,
    connections: Vec<PlannedConnection>,
    warnings: Vec<String>,
}

impl Proposal {
    /// Reads a wish and looks at everything.
    async fn read(api: &Shared, environment: EnvironmentName, wish: &DeployWish) -> Result<Self, ApiError> {
        let (manifest, lines) = read(wish, &environment)?;
        let scope = Scope { environment, integration: manifest.name.clone() };
        let mut verdict = Verdict::on(api, &scope, &manifest, &wish.artifacts, &lines).await?;
        let mut version = Version { number: 0, manifest, artifacts: std::mem::take(&mut verdict.artifacts) };
        // The rule of the store: only the newest is compared.
        let newest = api.host.store.versions(&scope.integration, 1).await?.pop().map(|kept| kept.version);
        let last = newest.as_ref().map_or(0, |newest| newest.number);
        let new = newest.is_none_or(|n| n.manifest != version.manifest || n.artifacts != version.artifacts);
        version.number = last + u32::from(new);
        let what = scope.integration.to_string();
        Ok(Self { new, ..Self::of(api, scope, &what, version, verdict).await? })
    }

    /// That of a version that is there, unless the verdict speaks against it.
    async fn of(api: &Shared, scope: Scope, what: &str, version: Version, verdict: Verdict) -> Result<Self, ApiError> {
        if !verdict.problems.is_empty() {
            return Err(refused(what, &scope.environment, verdict.problems));
        }
        let active = api.host.releases.active(&scope);
        let before = active.as_ref().map(|release| &release.version);
        let difference = between(api, before, &version).await?;
        Ok(Self {
            before: before.map(|before| before.number),
            difference,
            scope,
            version,
            new: false,
            connections: verdict.connections,
            warnings: verdict.warnings,
        })
    }

    /// The triggers that have an address.
    fn webhooks(&self) -> impl Iterator<Item = &TriggerName> {
        let triggers = self.version.manifest.triggers.iter();
        triggers.filter(|trigger| matches!(trigger.kind, TriggerKind::Webhook(_))).map(|trigger| &trigger.name)
    }

    /// Makes it the active version. The caller holds the lock of deploys.
    async fn carry_out(self, api: &Shared, caller: &Caller, action: &'static str) -> Result<Deployed, ApiError> {
        let host = &api.host;
        // The code is at hand before anything is switched: the first event need not wait for a compiler.
        for digest in self.version.artifacts.values() {
            host.code.prepare(*digest).await?;
        }
        let fresh = self.webhooks().map(|trigger| (trigger.clone(), api.random_text::<16>(""))).collect();
        let triggers: Vec<TriggerName> = self.webhooks().cloned().collect();
        let Self { scope, version, new, before, difference, connections, mut warnings } = self;
        let now = host.clock.now();
        let number = if new { host.store.add_version(version, now).await? } else { version.number };
        let who = caller.name.to_string();
        host.store.release(scope.environment.clone(), scope.integration.clone(), number, fresh, who, now).await?;
        host.released().await?;

        let from = before.map_or_else(|| "first release".into(), |before| format!("before: {before}"));
        let detail = format!("{} version {number} to {} ({from})", scope.integration, scope.environment);
        api.audit(caller.name.as_str(), action, detail).await;

        let known = host.store.hooks().await?;
        let hooks = triggers
            .iter()
            .filter_map(|trigger| known.iter().find(|hook| hook.scope == scope && hook.trigger == *trigger))
            .map(|hook| HookAddress { trigger: hook.trigger.to_string(), url: host.hook_url(&hook.token) })
            .collect();
        warnings.splice(..0, connections.into_iter().filter_map(|connection| connection.problem));
        Ok(Deployed {
            integration: scope.integration.into(),
            version: number,
            new,
            before,
            difference,
            hooks,
            warnings,
        })
    }
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
