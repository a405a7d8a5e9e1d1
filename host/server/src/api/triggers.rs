//! Triggers that are active in an environment, and where webhooks are to be sent.

use axum::extract::State;
use jackfield_core::ids::EnvironmentName;
use jackfield_core::release::TriggerKind;
use jackfield_core::store::admin::Right;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::ApiError;
use super::json::{Answer, At};
use super::state::Api;

/// A trigger of an active release.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Trigger {
    /// The integration.
    pub integration: String,
    /// The trigger's name.
    pub trigger: String,
    /// What it listens to: `webhook`, `manual`.
    pub kind: String,
    /// The component that handles its events.
    pub component: String,
    /// A webhook's address. Whoever knows it may send events, so it is shown to the right `deploy` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How a webhook request is known to be genuine: `token`, `standard-webhooks`, `github`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// Whether `wait=` may ask for the output.
    pub respond: bool,
}

/// List triggers
#[utoipa::path(
    get, path = "/v1/environments/{environment}/triggers", tag = "triggers", security(("token" = ["read"])),
    params(("environment" = String, Path)), responses((status = 200, body = Vec<Trigger>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    At(environment): At<EnvironmentName>,
) -> Result<Answer<Vec<Trigger>>, ApiError> {
    api.environment(&environment).await?;
    let hooks = if caller.may(Right::Deploy) { api.host.store.hooks().await? } else { Vec::new() };
    let mut releases = api.host.releases.all();
    releases.retain(|release| release.environment == environment);
    releases.sort_by(|a, b| a.version.manifest.name.cmp(&b.version.manifest.name));
    let mut triggers = Vec::new();
    for release in releases {
        let manifest = &release.version.manifest;
        for trigger in &manifest.triggers {
            let hook = hooks.iter().find(|hook| {
                hook.scope.environment == environment
                    && hook.scope.integration == manifest.name
                    && hook.trigger == trigger.name
            });
            let webhook = match &trigger.kind {
                TriggerKind::Webhook(webhook) => Some(webhook),
                TriggerKind::Manual => None,
            };
            triggers.push(Trigger {
                integration: manifest.name.to_string(),
                trigger: trigger.name.to_string(),
                kind: trigger.kind.label().into(),
                component: trigger.component.to_string(),
                url: webhook.and(hook).map(|hook| api.host.hook_url(&hook.token)),
                verify: webhook.map(|webhook| webhook.verify.scheme().into()),
                respond: webhook.is_some_and(|webhook| webhook.respond),
            });
        }
    }
    Ok(Answer(triggers))
}
