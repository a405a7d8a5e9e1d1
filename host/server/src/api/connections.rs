//! Connections of an environment, their tests, and the bindings that lead to them.

use std::time::Duration;

use axum::extract::State;
use jackfield_core::breaker::{View, Word};
use jackfield_core::clock::Timestamp;
use jackfield_core::ids::{ConnectionName, EnvironmentName, IntegrationName, Scope, SecretName};
use jackfield_core::ports::connector;
use jackfield_core::store::registry;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::{ApiError, ProblemItem};
use super::json::{Answer, At, Body, Wanted};
use super::secrets::SecretInfo;
use super::state::{Api, Shared};
use super::types::{Removed, Time};

/// How long a test of a connection may take.
const TEST: Duration = Duration::from_secs(20);

/// A connection of an environment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Its connector, such as `http`.
    pub kind: String,
    /// Its settings. Secrets stand here by name.
    pub settings: Map<String, Value>,
    /// The integrations that may use it; empty for all.
    pub integrations: Vec<String>,
    /// When it was last set.
    pub set: Time,
    /// Its breaker. Not in the answer to `PUT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// What is still missing for it to work, with the command that mends it. In the answer to `PUT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl From<registry::Connection> for Connection {
    fn from(c: registry::Connection) -> Self {
        Self {
            name: c.name.into(),
            kind: c.kind,
            settings: c.settings,
            integrations: c.integrations.into_iter().map(String::from).collect(),
            set: Time(c.set),
            breaker: None,
            warnings: Vec::new(),
        }
    }
}

/// The breaker of a connection: whether calls leave now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Breaker {
    /// `closed` (calls leave), `open` (none does), `half-open` (the next one looks whether the other side is back)
    /// or `paused` (the other side asked not to be called).
    #[schema(value_type = String)]
    pub state: Word,
    /// When a call may leave again, if none may now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// Calls in a row that found the other side not well.
    pub failures: u32,
    /// Calls that were sent back to the queue since the host started.
    pub held: u64,
    /// How often it opened since the host started.
    pub opened: u64,
}

/// A breaker that nothing is known of.
const UNUSED: View = View { word: Word::Closed, next_in: None, failures: 0, held: 0, opened: 0 };

impl Breaker {
    fn of(view: &View, now: Timestamp) -> Self {
        let View { word, next_in, failures, held, opened } = *view;
        Self { state: word, next: next_in.map(|wait| Time(now.plus(wait))), failures, held, opened }
    }
}

/// A connection as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionWish {
    /// Its connector, such as `http`.
    kind: String,
    /// Its settings, as its connector's page lists them. A secret is named, never written here.
    #[serde(default)]
    settings: Map<String, Value>,
    /// The integrations that may use it; without, all.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    integrations: Vec<IntegrationName>,
}

impl Wanted for ConnectionWish {}

/// List connections
#[utoipa::path(
    get, path = "/v1/environments/{environment}/connections", tag = "connections", security(("token" = ["read"])),
    params(("environment" = String, Path)), responses((status = 200, body = Vec<Connection>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    At(environment): At<EnvironmentName>,
) -> Result<Answer<Vec<Connection>>, ApiError> {
    Ok(Answer(all(&api, &environment).await?))
}

/// Show a connection
#[utoipa::path(
    get, path = "/v1/environments/{environment}/connections/{name}", tag = "connections",
    security(("token" = ["read"])), params(("environment" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Connection)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    At((environment, name)): At<(EnvironmentName, ConnectionName)>,
) -> Result<Answer<Connection>, ApiError> {
    let found = all(&api, &environment).await?.into_iter().find(|connection| connection.name == name.as_str());
    found.map(Answer).ok_or_else(|| ApiError::no("connection", &name))
}

/// The connections of an environment, with their breakers.
async fn all(api: &Shared, environment: &EnvironmentName) -> Result<Vec<Connection>, ApiError> {
    let connections = api.host.store.connections(environment).await?;
    let breakers = api.host.outside.breakers(environment);
    let now = api.host.clock.now();
    let shown = connections.into_iter().map(|connection| {
        // One that was not used yet is closed.
        let view = breakers.get(&connection.name).copied().unwrap_or(UNUSED);
        Connection { breaker: Some(Breaker::of(&view, now)), ..Connection::from(connection) }
    });
    Ok(shown.collect())
}

/// Set a connection
///
/// Checked whole; takes effect with the next call.
#[utoipa::path(
    put, path = "/v1/environments/{environment}/connections/{name}", tag = "connections",
    security(("token" = ["secrets"])), params(("environment" = String, Path), ("name" = String, Path)),
    request_body = ConnectionWish, responses((status = 200, body = Connection)),
)]
pub(super) async fn set(
    State(api): State<Api>,
    caller: Caller,
    At((environment, name)): At<(EnvironmentName, ConnectionName)>,
    Body(wish): Body<ConnectionWish>,
) -> Result<Answer<Connection>, ApiError> {
    let ConnectionWish { kind, settings, mut integrations } = wish;
    integrations.sort();
    integrations.dedup();
    let refused = |problems| ApiError::Refused { detail: format!("connection `{name}` was not set"), problems };
    let Some(connector) = api.host.outside.connector(&kind) else {
        let kinds = api.host.outside.kinds().join(", ");
        let text = format!("`{}` is not a kind of connection; there are {kinds}", jackfield_core::ids::shown(&kind));
        return Err(refused(vec![ProblemItem { line: None, key: "kind".into(), text }]));
    };
    connector.check(&settings).map_err(|p| refused(p.into_iter().map(ProblemItem::from).collect()))?;
    let named = connector.secrets(&settings);

    let shared = api.clone();
    let set = shared.finish(async move {
        let before = api.host.store.connections(&environment).await?.into_iter().find(|c| c.name == name);
        let connection =
            registry::Connection { name: name.clone(), kind, settings, integrations, set: api.host.clock.now() };
        api.host.store.set_connection(environment.clone(), connection.clone()).await?;
        api.host.outside.connection_changed(&environment);
        let changed = changed_keys(before.as_ref(), &connection);
        let detail = format!("connection `{name}` in {environment}, kind {}: {changed}", connection.kind);
        api.audit(caller.name.as_str(), "connection-set", detail).await;
        let warnings = missing_secrets(&api, &environment, &named).await?;
        Ok(Connection { warnings, ..Connection::from(connection) })
    });
    set.await.map(Answer)
}

/// The keys whose values differ, for the audit trail: the values stay out of it.
fn changed_keys(before: Option<&registry::Connection>, now: &registry::Connection) -> String {
    let Some(before) = before else { return "new".into() };
    let mut keys: Vec<&str> = now.settings.keys().chain(before.settings.keys()).map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| before.settings.get(*key) != now.settings.get(*key));
    if before.kind != now.kind {
        keys.push("kind");
    }
    if before.integrations != now.integrations {
        keys.push("integrations");
    }
    if keys.is_empty() { "nothing changed".into() } else { format!("changed {}", keys.join(", ")) }
}

/// Which of the `named` secrets an environment lacks, with the commands that set them.
pub(super) async fn missing_secrets(
    api: &Shared,
    environment: &EnvironmentName,
    named: &[String],
) -> Result<Vec<String>, ApiError> {
    let known = api.host.store.secrets(environment).await?;
    let missing = named.iter().filter(|name| !known.iter().any(|secret| secret.name.as_str() == **name));
    Ok(missing.map(|name| no_secret(name, environment)).collect())
}

/// That a secret is missing, and the command that sets it.
pub(super) fn no_secret(name: &str, environment: &EnvironmentName) -> String {
    let name = name.parse::<SecretName>().map_or_else(|_| jackfield_core::ids::shown(name), String::from);
    format!("secret `{name}` is missing in {environment}: jackfield secrets set {name} --env {environment}")
}

/// Remove a connection
#[utoipa::path(
    delete, path = "/v1/environments/{environment}/connections/{name}", tag = "connections",
    security(("token" = ["secrets"])), params(("environment" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Removed)),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At((environment, name)): At<(EnvironmentName, ConnectionName)>,
) -> Result<Answer<Removed>, ApiError> {
    let shared = api.clone();
    let removed = shared.finish(async move {
        api.host.store.remove_connection(environment.clone(), name.clone()).await?;
        api.host.outside.connection_changed(&environment);
        api.audit(caller.name.as_str(), "connection-removed", format!("connection `{name}` in {environment}")).await;
        Ok(Removed { removed: true })
    });
    removed.await.map(Answer)
}

/// What a test found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConnectionTest {
    /// Whether all is as it should be.
    pub ok: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was looked at.
    pub findings: Vec<Finding>,
    /// The secrets it names, those that are there.
    pub secrets: Vec<SecretInfo>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was looked at: `address`, `credential` …
    pub what: String,
    /// What was found.
    pub detail: String,
    /// The command that mends it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_out: Option<String>,
}

/// Test a connection
///
/// Looks whether the other side is there and takes the credential.
#[utoipa::path(
    post, path = "/v1/environments/{environment}/connections/{name}/test", tag = "connections",
    security(("token" = ["secrets"])), params(("environment" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ConnectionTest)),
)]
pub(super) async fn test(
    State(api): State<Api>,
    At((environment, name)): At<(EnvironmentName, ConnectionName)>,
) -> Result<Answer<ConnectionTest>, ApiError> {
    let host = &api.host;
    let begun = host.clock.monotonic();
    let findings = host.outside.test_connection(&environment, &name, TEST).await?;
    let took = host.clock.monotonic().saturating_sub(begun);
    let all = host.store.connections(&environment).await?;
    let connection = all.into_iter().find(|connection| connection.name == name);
    let connection = connection.ok_or_else(|| ApiError::no("connection", &name))?;
    let connector = host.outside.connector(&connection.kind);
    let named = connector.map(|connector| connector.secrets(&connection.settings)).unwrap_or_default();
    let secrets = host.store.secrets(&environment).await?.into_iter().map(SecretInfo::from);
    let ok = findings.iter().all(|finding| finding.ok);
    let findings = findings.into_iter().map(|finding| {
        let way_out = way_out(&finding, &connection, &named, &environment);
        Finding { ok: finding.ok, what: finding.what, detail: finding.detail, way_out }
    });
    Ok(Answer(ConnectionTest {
        ok,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        findings: findings.collect(),
        secrets: secrets.filter(|secret| named.contains(&secret.name)).collect(),
    }))
}

/// The command that mends what a test found, unless the finding says it already.
fn way_out(
    finding: &connector::Finding,
    connection: &registry::Connection,
    secrets: &[String],
    environment: &EnvironmentName,
) -> Option<String> {
    if finding.ok || finding.detail.contains("jackfield ") {
        return None;
    }
    match (finding.what.as_str(), secrets) {
        ("credential" | "permission" | "token", [secret, ..]) if !finding.detail.contains("`test`") => {
            Some(format!("jackfield secrets set {} --env {environment}", quoted(secret)))
        }
        _ => {
            let settings = as_arguments("", &connection.settings);
            let kind = if connection.kind == "http" { String::new() } else { format!(" --kind {}", connection.kind) };
            let only = connection.integrations.iter().map(|name| format!(" --integration {name}"));
            Some(format!(
                "jackfield connections set {}{kind}{} --env {environment}{settings}",
                connection.name,
                only.collect::<String>()
            ))
        }
    }
}

/// Settings as `connections set` takes them, to be edited.
fn as_arguments(path: &str, settings: &Map<String, Value>) -> String {
    let argument = |(key, value): (&String, &Value)| {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(inner) => as_arguments(&key, inner),
            Value::String(text) => format!(" {}", quoted(&format!("{key}={text}"))),
            other => format!(" {}", quoted(&format!("{key}={other}"))),
        }
    };
    settings.iter().map(argument).collect()
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// An integration's own name for a connection of the environment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Binding {
    /// The integration.
    pub integration: String,
    /// The name in its manifest.
    pub name: String,
    /// The connection of the environment.
    pub connection: String,
}

impl From<registry::Binding> for Binding {
    fn from(b: registry::Binding) -> Self {
        Self { integration: b.scope.integration.into(), name: b.name.into(), connection: b.connection.into() }
    }
}

/// Where a name is to lead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BindingWish {
    /// A connection of the environment.
    #[schema(value_type = String)]
    connection: ConnectionName,
}

impl Wanted for BindingWish {}

/// List bindings
///
/// A name that is not listed leads to the connection of the same name.
#[utoipa::path(
    get, path = "/v1/environments/{environment}/bindings", tag = "connections", security(("token" = ["read"])),
    params(("environment" = String, Path)), responses((status = 200, body = Vec<Binding>)),
)]
pub(super) async fn bindings(
    State(api): State<Api>,
    At(environment): At<EnvironmentName>,
) -> Result<Answer<Vec<Binding>>, ApiError> {
    api.environment(&environment).await?;
    let bindings = api.host.store.bindings(&environment).await?;
    Ok(Answer(bindings.into_iter().map(Binding::from).collect()))
}

/// Bind a name
///
/// Makes an integration's own name for a connection lead to another one than that of the same name.
#[utoipa::path(
    put, path = "/v1/environments/{environment}/bindings/{integration}/{name}", tag = "connections",
    security(("token" = ["secrets"])),
    params(("environment" = String, Path), ("integration" = String, Path), ("name" = String, Path)),
    request_body = BindingWish, responses((status = 200, body = Binding)),
)]
pub(super) async fn bind(
    State(api): State<Api>,
    caller: Caller,
    At((environment, integration, name)): At<(EnvironmentName, IntegrationName, ConnectionName)>,
    Body(BindingWish { connection }): Body<BindingWish>,
) -> Result<Answer<Binding>, ApiError> {
    if !api.host.store.connections(&environment).await?.iter().any(|known| known.name == connection) {
        let text = format!(
            "there is no connection `{connection}` in {environment}: jackfield connections set {connection} --env {environment}"
        );
        let problems = vec![ProblemItem { line: None, key: "connection".into(), text }];
        return Err(ApiError::Refused { detail: format!("`{name}` of {integration} was not bound"), problems });
    }
    let binding = registry::Binding { scope: Scope { environment, integration }, name, connection };
    let shared = api.clone();
    let bound = shared.finish(async move {
        api.host.store.bind(binding.clone()).await?;
        api.host.outside.connection_changed(&binding.scope.environment);
        let detail = format!("`{}` of {} leads to connection `{}`", binding.name, binding.scope, binding.connection);
        api.audit(caller.name.as_str(), "connection-bound", detail).await;
        Ok(Binding::from(binding))
    });
    bound.await.map(Answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(what: &str, detail: &str, expected: Option<&str>) {
        let settings = json!({
            "base_url": "https://api.example.com", "headers": { "accept": "it's; a b" },
            "credential": { "type": "bearer", "secret": "token" },
        });
        let connection = registry::Connection {
            name: "github".parse().unwrap(),
            kind: "http".into(),
            settings: settings.as_object().unwrap().clone(),
            integrations: vec!["demo".parse().unwrap()],
            set: jackfield_core::clock::Timestamp(0),
        };
        let finding = connector::Finding { ok: false, what: what.into(), detail: detail.into() };
        let found = way_out(&finding, &connection, &["token".into()], &"prod".parse().unwrap());
        assert_eq!(found.as_deref(), expected);
        let good = connector::Finding { ok: true, ..finding };
        assert_eq!(way_out(&good, &connection, &[], &"prod".parse().unwrap()), None);
    }

    #[test]
    fn what_is_wrong_names_the_command_that_mends_it() {
        let again = "jackfield connections set github --integration demo --env prod base_url=https://api.example.com \
                     'headers.accept=it'\\''s; a b' credential.type=bearer credential.secret=token";
        check("credential", "not accepted: GET /user answered 401", Some("jackfield secrets set token --env prod"));
        check("permission", "GET /user answered 403", Some("jackfield secrets set token --env prod"));
        check("credential", "not proved: is the path of `test` right?", Some(again));
        check("reachable", "refused the connection", Some(again));
        check("credential", "needs secret `x`: jackfield secrets set x --env prod", None);
    }
}
