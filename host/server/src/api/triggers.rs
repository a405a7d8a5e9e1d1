//! Triggers that are active in an environment: where webhooks are to be sent, when schedules are due.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use jackfield_core::ids::{EnvironmentName, IntegrationName, Scope, TriggerName};
use jackfield_core::listen::Listen;
use jackfield_core::release::{self, Misfire, Overlap, TriggerKind};
use jackfield_core::schedule::Schedule as Instants;
use jackfield_core::sources::SourceView;
use jackfield_core::store::admin::Right;
use jackfield_core::store::registry::{Hook, Release};
use jackfield_core::store::schedules::{Cursor, Skip};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::ApiError;
use super::json::{Answer, At, Params};
use super::manual::{Started, Wait, answered};
use super::state::{Api, Shared};
use super::types::Time;

/// Instants that are shown.
const NEXT: usize = 5;

/// A trigger of an active release.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Trigger {
    /// The integration.
    pub integration: String,
    /// The trigger's name.
    pub trigger: String,
    /// What it listens to: `webhook`, `cron`, `interval`, `event`, `manual`, or the word of a connector, such as `kafka`.
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
    /// When a `cron` or `interval` trigger fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What an `event` trigger listens for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listens: Option<Listens>,
    /// How a trigger that hears from another system is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Where the key of a run's order is read, if its runs are ordered: `subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<String>,
    /// Whether a dead letter holds up those of its key: `go-on`, `block`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_dead_letter: Option<String>,
}

/// What an event must be to be heard.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Listens {
    /// Patterns of its type: one must match.
    pub types: Vec<String>,
    /// Patterns of its source: one must match, if there are any.
    pub sources: Vec<String>,
    /// Patterns of attributes: all must match.
    pub attributes: BTreeMap<String, String>,
}

/// How a trigger that hears from another system is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// The manifest's name for its connection.
    pub connection: String,
    /// Whether it listens.
    pub listening: bool,
    /// Since when it listens, or tries to; absent while the host holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Why events are left on the other side for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Messages that wait on the other side, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Events heard since the host started.
    pub heard: u64,
    /// When the last one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<Time>,
    /// What was heard and could not be taken, or is known to be missed, since the host started.
    pub lost: u64,
    /// The last failure, also if it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<SourceFailure>,
}

/// Why a trigger did not listen.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceFailure {
    /// When.
    pub at: Time,
    /// Why.
    pub text: String,
}

/// When a trigger fires, and did.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    /// Its timing, in words: `*/5 * * * * in Europe/Berlin`, `every 90s`.
    pub timing: String,
    /// The time zone of a `cron` trigger; `UTC` for an `interval`.
    pub zone: String,
    /// What happens to instants that the host gets to late: `skip`, `once` or `{"all": n}`.
    #[schema(value_type = serde_json::Value)]
    pub misfire: Misfire,
    /// What happens while an earlier run is not final: `allow`, `skip`, `queue`.
    #[schema(value_type = String)]
    pub overlap: Overlap,
    /// The next instants, at most five.
    pub next: Vec<Time>,
    /// The last instant that became a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fired: Option<LastFired>,
    /// The last instant that became none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_skipped: Option<LastSkipped>,
    /// How many became none since the last that did.
    pub missed: u64,
    /// Why it does not fire at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An instant that became a run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LastFired {
    /// The instant.
    pub at: Time,
    /// The run.
    pub run: String,
}

/// An instant that became no run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LastSkipped {
    /// The instant.
    pub at: Time,
    /// Why: `late` (see `misfire`), `overlap` (an earlier run was not final), `queue-full`.
    #[schema(value_type = String)]
    pub why: Skip,
    /// The same as a sentence.
    pub reason: String,
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
    let known = Known::load(&api, &caller).await?;
    let mut releases = api.host.releases.all();
    releases.retain(|release| release.environment == environment);
    releases.sort_by(|a, b| a.version.manifest.name.cmp(&b.version.manifest.name));
    let of = |release: &Release| -> Vec<Trigger> {
        release.version.manifest.triggers.iter().map(|trigger| known.describe(&api, release, trigger)).collect()
    };
    Ok(Answer(releases.iter().flat_map(|release| of(release)).collect()))
}

/// Show a trigger
#[utoipa::path(
    get, path = "/v1/environments/{environment}/integrations/{integration}/triggers/{trigger}", tag = "triggers",
    security(("token" = ["read"])), responses((status = 200, body = Trigger)),
    params(("environment" = String, Path), ("integration" = String, Path), ("trigger" = String, Path)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    At((environment, integration, trigger)): At<(EnvironmentName, IntegrationName, TriggerName)>,
) -> Result<Answer<Trigger>, ApiError> {
    let scope = Scope { environment, integration };
    let release = api.host.releases.active(&scope).ok_or_else(|| none(&scope, &trigger))?;
    let found = release.version.manifest.triggers.iter().find(|found| found.name == trigger);
    let found = found.ok_or_else(|| none(&scope, &trigger))?;
    let known = Known::load(&api, &caller).await?;
    Ok(Answer(known.describe(&api, &release, found)))
}

/// Start the run of a schedule now
///
/// Its event is like that of an instant, but for its id: no instant loses its own run by it, and neither
/// `overlap` nor `misfire` is asked. 202 once the event is durable. With `wait`, 200 if the run ended (or was
/// parked) in time.
#[utoipa::path(
    post, path = "/v1/environments/{environment}/integrations/{integration}/triggers/{trigger}/fire",
    tag = "triggers", security(("token" = ["deploy"])),
    params(("environment" = String, Path), ("integration" = String, Path), ("trigger" = String, Path), Wait),
    responses((status = 200, body = Started), (status = 202, body = Started)),
)]
pub(super) async fn fire(
    State(api): State<Api>,
    caller: Caller,
    At((environment, integration, trigger)): At<(EnvironmentName, IntegrationName, TriggerName)>,
    Params(wait): Params<Wait>,
) -> Result<Response, ApiError> {
    let wait = wait.long()?;
    if api.host.hold.is_held() {
        return Err(ApiError::Held);
    }
    let scope = Scope { environment, integration };
    let release = api.host.releases.active(&scope).ok_or_else(|| none(&scope, &trigger))?;
    let found = release.version.manifest.triggers.iter().find(|found| found.name == trigger);
    let kind = &found.ok_or_else(|| none(&scope, &trigger))?.kind;
    if kind.timing().is_none() {
        let kind = kind.label();
        return Err(ApiError::BadRequest(format!(
            "trigger `{trigger}` is of kind {kind}; only a schedule (cron, interval) can be fired. To start a run of another \
             kind by hand, POST …/integrations/{}/runs",
            scope.integration
        )));
    }
    let shared = api.clone();
    let fired = shared.finish(async move {
        let run = api.host.intake.fire(&scope, &trigger).await?.run();
        let detail = format!("trigger {trigger} of {scope}: run {run}");
        api.audit(caller.name.as_str(), "fire", detail).await;
        Ok(run)
    });
    Ok(answered(&shared, fired.await?, wait).await)
}

fn none(scope: &Scope, trigger: &TriggerName) -> ApiError {
    ApiError::NotFound(format!("trigger `{trigger}` of `{}` in {}", scope.integration, scope.environment))
}

/// What the store knows of triggers.
struct Known {
    hooks: Vec<Hook>,
    cursors: Vec<Cursor>,
}

impl Known {
    async fn load(api: &Shared, caller: &Caller) -> Result<Self, ApiError> {
        let hooks = if caller.may(Right::Deploy) { api.host.store.hooks().await? } else { Vec::new() };
        Ok(Self { hooks, cursors: api.host.store.cursors().await? })
    }

    fn describe(&self, api: &Shared, release: &Release, trigger: &release::Trigger) -> Trigger {
        let integration = &release.version.manifest.name;
        let here = |scope: &Scope, name: &TriggerName| {
            scope.environment == release.environment && scope.integration == *integration && *name == trigger.name
        };
        let hook = self.hooks.iter().find(|hook| here(&hook.scope, &hook.trigger));
        let cursor = self.cursors.iter().find(|cursor| here(&cursor.scope, &cursor.trigger));
        let webhook = match &trigger.kind {
            TriggerKind::Webhook(webhook) => Some(webhook),
            _ => None,
        };
        Trigger {
            integration: integration.to_string(),
            trigger: trigger.name.to_string(),
            kind: trigger.kind.label().into(),
            component: trigger.component.to_string(),
            url: webhook.and(hook).map(|hook| api.host.hook_url(&hook.token)),
            verify: webhook.map(|webhook| webhook.verify.scheme().into()),
            respond: webhook.is_some_and(|webhook| webhook.respond),
            schedule: schedule(api, &trigger.kind, cursor),
            listens: match &trigger.kind {
                TriggerKind::Event(listen) => Some(listens(listen)),
                _ => None,
            },
            source: match &trigger.kind {
                TriggerKind::Source(source) => {
                    let scope = Scope { environment: release.environment.clone(), integration: integration.clone() };
                    Some(listening(source, api.host.sources.view(&scope, &trigger.name).unwrap_or_default()))
                }
                _ => None,
            },
            order_by: trigger.order.as_ref().map(|order| order.by.as_str().into()),
            on_dead_letter: trigger.order.as_ref().map(|order| if order.block { "block" } else { "go-on" }.into()),
        }
    }
}

fn listening(source: &release::SourceTrigger, view: SourceView) -> Source {
    Source {
        connection: source.connection.to_string(),
        listening: view.listening,
        since: view.since.map(Time),
        held: view.held,
        lag: view.lag,
        heard: view.heard,
        last_heard: view.last_heard.map(Time),
        lost: view.lost,
        last_error: view.last_error.map(|(at, text)| SourceFailure { at: Time(at), text }),
    }
}

fn listens(listen: &Listen) -> Listens {
    Listens {
        types: listen.types.iter().map(|pattern| pattern.as_str().into()).collect(),
        sources: listen.sources.iter().map(|pattern| pattern.as_str().into()).collect(),
        attributes: listen.attributes.iter().map(|(name, pattern)| (name.clone(), pattern.as_str().into())).collect(),
    }
}

fn schedule(api: &Shared, kind: &TriggerKind, cursor: Option<&Cursor>) -> Option<Schedule> {
    let (misfire, overlap) = kind.policy()?;
    let instants = Instants::of(kind)?;
    // With the clock set back, nothing fires until it has passed the cursor.
    let now = api.host.clock.now();
    let from = cursor.map_or(now, |cursor| cursor.at.max(now));
    let next = instants.as_ref().map_or_else(|_| Vec::new(), |instants| instants.upcoming(from, NEXT));
    let zone = match (&instants, kind) {
        (Ok(instants), _) => instants.zone().to_owned(),
        (Err(_), TriggerKind::Cron(cron)) => cron.timezone.clone(),
        (Err(_), _) => String::new(),
    };
    let reason = |why| match why {
        Skip::Late => "the host got to it late, and the misfire policy passes over it",
        Skip::Overlap => "an earlier run was not final",
        Skip::QueueFull => "the integration's queue was full",
    };
    Some(Schedule {
        timing: kind.timing()?,
        zone,
        misfire,
        overlap,
        next: next.into_iter().map(Time).collect(),
        last_fired: cursor.and_then(|cursor| cursor.fired).map(|(at, run)| LastFired { at: Time(at), run: run.into() }),
        last_skipped: cursor.and_then(|cursor| cursor.skipped).map(|(at, why)| LastSkipped {
            at: Time(at),
            why,
            reason: reason(why).into(),
        }),
        missed: cursor.map_or(0, |cursor| cursor.passed),
        problem: instants.err(),
    })
}
