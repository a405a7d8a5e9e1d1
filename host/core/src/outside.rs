//! What all hatches share: the store, the keys, opened connections, the pace per integration.
//!
//! Not here: what a call means (the hatch) and how it travels (the connectors); secrets, what triggers listen with and what a
//! recording says of connections have a file each in `outside/`.

mod recorded;
mod secrets;
mod triggers;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::sync::{OnceCell, RwLock, Semaphore, watch};

use crate::breaker;
use crate::clock::{Clock, Rng, Timestamp};
use crate::grant::Capability;
use crate::hatch::{Hatch, Parts, RunInfo};
use crate::ids::{ConnectionName, EnvironmentName, IntegrationName, RunId, Scope};
use crate::journal::Journal;
use crate::limits::IN_FLIGHT_PER_INTEGRATION;
use crate::lock::locked;
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::pace::Gate;
use crate::ports::connector::{Connector, Finding, Opened, SettingProblem};
use crate::ports::http::{Http, HttpError};
use crate::ports::sandbox::HostFault;
use crate::redact::Redactor;
use crate::release::{Component, Durability, Manifest};
use crate::run::Target;
use crate::seal::MasterKey;
use crate::store::queue::Claim;
use crate::store::registry::{Binding, Connection};
use crate::store::{Store, StoreError};

pub(crate) use recorded::bare;
pub use triggers::check_triggers;

/// The same refusal is written to the audit trail once in this time.
const REFUSAL_AGAIN: Duration = Duration::from_secs(3600);

/// The host's keys. Neither shows in `Debug`.
pub struct Keys {
    /// Wraps secrets at rest.
    pub master: MasterKey,
    /// Makes idempotency keys and seeds: the same for ever, part of every backup with keys.
    pub installation: [u8; 32],
}

/// The key that others are derived from.
struct Installation([u8; 32]);

impl Installation {
    fn derive(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(label.as_bytes());
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// What [`Outside::new`] takes.
pub struct OutsideParts {
    /// Everything on disk.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for sealing.
    pub rng: Arc<dyn Rng>,
    /// Keys.
    pub keys: Keys,
    /// One per kind.
    pub connectors: Vec<Arc<dyn Connector>>,
    /// For URLs granted without a connection.
    pub bare_http: Arc<dyn Http>,
    /// Guest logs.
    pub logs: Arc<Logs>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// See the module.
pub struct Outside {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bare_http: Arc<dyn Http>,
    pub(crate) metrics: Arc<Metrics>,
    rng: Arc<dyn Rng>,
    /// Held for reading from a sealing to its storing, so that nothing is stored under a key that was
    /// replaced meanwhile.
    master: RwLock<MasterKey>,
    installation: Installation,
    connectors: Vec<Arc<dyn Connector>>,
    /// Those of environments that have their own, such as ones that reach no private address.
    own_connectors: OnceLock<HashMap<EnvironmentName, Vec<Arc<dyn Connector>>>>,
    logs: Arc<Logs>,
    environments: Mutex<HashMap<EnvironmentName, Arc<OnceCell<Environment>>>>,
    in_flight: Mutex<HashMap<Scope, Arc<Semaphore>>>,
    /// Kept when a connection is opened anew: what is known of the other side stays.
    gates: Mutex<HashMap<(EnvironmentName, ConnectionName), Arc<Gate>>>,
    refusals: Mutex<HashMap<(Scope, String), Timestamp>>,
    /// How often the connections of an environment changed.
    generations: Mutex<HashMap<EnvironmentName, u64>>,
    changed: watch::Sender<u64>,
}

/// The connections of an environment, opened as they are first used.
struct Environment {
    connections: Vec<(Connection, OnceCell<Linked>)>,
    bindings: Vec<Binding>,
}

impl Environment {
    /// The connection that an integration's name leads to, or why it leads nowhere.
    fn find(
        &self,
        scope: &Scope,
        manifest: &Manifest,
        name: &ConnectionName,
    ) -> Result<&(Connection, OnceCell<Linked>), String> {
        let bound = self
            .bindings
            .iter()
            .find(|binding| binding.scope == *scope && binding.name == *name)
            .map_or(name, |binding| &binding.connection);
        let Some(found) = self.connections.iter().find(|(c, _)| c.name == *bound) else {
            return Err(format!(
                "connection `{bound}` is not set in {env}: jackfield connections set {bound} --env {env}",
                env = scope.environment
            ));
        };
        let connection = &found.0;
        if !connection.integrations.is_empty() && !connection.integrations.contains(&scope.integration) {
            return Err(not_allowed(bound, &scope.integration));
        }
        if let Some(kind) = manifest.connections.get(name)
            && *kind != connection.kind
        {
            return Err(format!("connection `{bound}` is of kind `{}`; the manifest says `{kind}`", connection.kind));
        }
        Ok(found)
    }
}

fn joined(problems: &[SettingProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What an integration's name for a connection leads to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Linked {
    /// Opened, or why it is not.
    pub(crate) opened: Result<Opened, String>,
    /// Its kind, if there is one.
    pub(crate) kind: Option<String>,
    /// Its breaker and its pace, shared by all who use it.
    pub(crate) gate: Option<Arc<Gate>>,
    redactable: Arc<Vec<SecretString>>,
}

impl Linked {
    fn broken(why: String) -> Self {
        Self { opened: Err(why), kind: None, gate: None, redactable: Arc::default() }
    }

    /// Its http port.
    pub(crate) fn http(&self) -> Result<Arc<dyn Http>, HttpError> {
        let opened = self.opened.as_ref().map_err(|why| HttpError::Unavailable(why.clone()))?;
        opened.http.clone().ok_or_else(|| HttpError::Unavailable("this connection does not serve http".into()))
    }
}

impl Outside {
    /// Puts it together.
    #[must_use]
    pub fn new(parts: OutsideParts) -> Arc<Self> {
        Arc::new(Self {
            store: parts.store,
            clock: parts.clock,
            rng: parts.rng,
            master: RwLock::new(parts.keys.master),
            installation: Installation(parts.keys.installation),
            connectors: parts.connectors,
            own_connectors: OnceLock::new(),
            bare_http: parts.bare_http,
            logs: parts.logs,
            metrics: parts.metrics,
            environments: Mutex::default(),
            in_flight: Mutex::default(),
            gates: Mutex::default(),
            refusals: Mutex::default(),
            generations: Mutex::default(),
            changed: watch::channel(0).0,
        })
    }

    /// Opens the hatch of one attempt.
    ///
    /// # Errors
    ///
    /// The store did not answer, or the run's journal is damaged.
    pub async fn open(
        self: &Arc<Self>,
        claim: &Claim,
        manifest: &Manifest,
        component: &Component,
    ) -> Result<Arc<Hatch>, HostFault> {
        let fault = |e: StoreError| HostFault(e.to_string());
        let chunks = if claim.journaled { self.store.load(claim.fence.run).await.map_err(fault)? } else { vec![] };
        let journal = Journal::load(Arc::clone(&self.clock), &chunks).map_err(|e| HostFault(e.to_string()))?;
        let journal = if component.durability == Durability::Relaxed { journal.relaxed() } else { journal };
        let target = &claim.target;
        let scope = target.scope();
        let mut linked = Vec::new();
        let mut secrets = Vec::new();
        for name in component.grants.connections() {
            let link = self.link(&scope, manifest, name).await.map_err(fault)?;
            secrets.extend(link.redactable.iter().cloned());
            linked.push((name.clone(), link));
        }
        let redactor = if secrets.is_empty() {
            Redactor::none()
        } else {
            Redactor::new(secrets.iter().map(|secret| secret.expose_secret().as_bytes()))
        };
        let run = claim.fence.run;
        let limits = component.limits;
        let log = self.logs.attempt(run, claim.attempt, target, limits.log_bytes, redactor.clone());
        let fence = claim.fence.number.to_le_bytes();
        let span = self.installation.derive("span", &[&run.to_bytes(), &fence]);
        let info = RunInfo {
            target: target.clone(),
            fence: claim.fence,
            attempt: claim.attempt,
            idempotency_key: self.run_key(run),
            deadline: self.clock.now().plus(limits.timeout),
            traceparent: format!(
                "00-{}-{}-01",
                data_encoding::HEXLOWER.encode(&run.to_bytes()),
                data_encoding::HEXLOWER.encode(&span[..8])
            ),
        };
        Ok(Hatch::new(Parts {
            outside: Arc::clone(self),
            info,
            grants: Arc::new(component.grants.clone()),
            limits,
            linked,
            seed: self.installation.derive("random", &[&run.to_bytes()]),
            ends: self.clock.monotonic() + limits.timeout,
            journal,
            log,
            redactor,
            shared_in_flight: self.shared_in_flight(scope),
            script: None,
        }))
    }

    /// Forgets the opened connections of an environment: a connection, a secret or a binding changed.
    pub fn connection_changed(&self, environment: &EnvironmentName) {
        locked(&self.environments).remove(environment);
        *locked(&self.generations).entry(environment.clone()).or_default() += 1;
        self.changed.send_modify(|count| *count += 1);
    }

    /// For whoever keeps a connection open by itself: told of each change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Another number after each change to the connections of an environment.
    #[must_use]
    pub fn generation(&self, environment: &EnvironmentName) -> u64 {
        locked(&self.generations).get(environment).copied().unwrap_or_default()
    }

    /// The connector of a kind.
    #[must_use]
    pub fn connector(&self, kind: &str) -> Option<&Arc<dyn Connector>> {
        self.connectors.iter().find(|connector| connector.kind() == kind)
    }

    /// Gives environments connectors of their own, of the same kinds. Once, before anything is opened;
    /// a second call changes nothing.
    pub fn set_own_connectors(&self, connectors: HashMap<EnvironmentName, Vec<Arc<dyn Connector>>>) {
        let _ = self.own_connectors.set(connectors);
    }

    fn connector_in(&self, environment: &EnvironmentName, kind: &str) -> Option<&Arc<dyn Connector>> {
        let own = self.own_connectors.get().and_then(|own| own.get(environment));
        own.unwrap_or(&self.connectors).iter().find(|connector| connector.kind() == kind)
    }

    /// One of every kind.
    #[must_use]
    pub fn connectors(&self) -> &[Arc<dyn Connector>] {
        &self.connectors
    }

    /// The kinds of connections there are.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        self.connectors.iter().map(|connector| connector.kind()).collect()
    }

    /// Tests a connection of an environment.
    ///
    /// # Errors
    ///
    /// `Missing`, or as the store.
    pub async fn test_connection(
        &self,
        environment: &EnvironmentName,
        name: &ConnectionName,
        limit: Duration,
    ) -> Result<Vec<Finding>, StoreError> {
        let connections = self.store.connections(environment).await?;
        let connection = connections
            .iter()
            .find(|connection| connection.name == *name)
            .ok_or_else(|| StoreError::Missing(format!("connection `{name}` in {environment}")))?;
        let connector = self
            .connector_in(environment, &connection.kind)
            .ok_or_else(|| StoreError::Missing(format!("connector of kind `{}`", connection.kind)))?;
        let (secrets, missing) = self.secrets_of(environment, connection, connector).await?;
        if let Some(missing) = missing {
            return Ok(vec![Finding { ok: false, what: "credential".into(), detail: missing }]);
        }
        Ok(connector.test(&connection.settings, &secrets, limit).await)
    }

    /// The base URL of the http connection that an integration's name leads to, if it leads to one.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn base_url(
        &self,
        scope: &Scope,
        manifest: &Manifest,
        name: &ConnectionName,
    ) -> Result<Option<url::Url>, StoreError> {
        let linked = self.link(scope, manifest, name).await?;
        Ok(linked.opened.ok().and_then(|o| o.http).and_then(|http| http.base().cloned()))
    }

    /// Why an integration's name for a connection leads nowhere, with the way out; none if it works.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn missing_connection(
        &self,
        scope: &Scope,
        manifest: &Manifest,
        name: &ConnectionName,
    ) -> Result<Option<String>, StoreError> {
        Ok(self.link(scope, manifest, name).await?.opened.err())
    }

    /// The idempotency key of a run.
    fn run_key(&self, run: RunId) -> String {
        base32(&self.installation.derive("run", &[&run.to_bytes()]))
    }

    /// The idempotency key of a call.
    pub(crate) fn call_key(&self, run: RunId, call: u32, generation: u32) -> String {
        base32(&self.installation.derive("call", &[&run.to_bytes(), &call.to_le_bytes(), &generation.to_le_bytes()]))
    }

    /// A key for another use, derived from the installation key: the code cache, for instance.
    #[must_use]
    pub fn derived_key(&self, label: &str) -> [u8; 32] {
        self.installation.derive(label, &[])
    }

    /// Writes a refused call to the audit trail, the same one once an hour.
    pub(crate) fn audit_refusal(&self, target: &Target, capability: Capability, what: &str) {
        let now = self.clock.now();
        let key = (target.scope(), format!("{capability} {what}"));
        {
            let mut refusals = locked(&self.refusals);
            if refusals.get(&key).is_some_and(|at| now.since(*at) < REFUSAL_AGAIN) {
                return;
            }
            if refusals.len() > 10_000 {
                refusals.retain(|_, at| now.since(*at) < REFUSAL_AGAIN);
            }
            // A guest that varies what it asks for must not fill memory or the trail.
            if refusals.len() > 10_000 {
                return;
            }
            refusals.insert(key.clone(), now);
        }
        let detail = format!("{} {}: {}", target.environment, target.integration, key.1);
        // Not waited for: the call is refused whether or not the trail can be written.
        drop(self.store.audit(now, format!("component {}", target.component), "refused".into(), detail));
    }

    fn shared_in_flight(&self, scope: Scope) -> Arc<Semaphore> {
        let mut all = locked(&self.in_flight);
        Arc::clone(all.entry(scope).or_insert_with(|| Arc::new(Semaphore::new(IN_FLIGHT_PER_INTEGRATION))))
    }

    async fn link(&self, scope: &Scope, manifest: &Manifest, name: &ConnectionName) -> Result<Linked, StoreError> {
        let environment = self.environment(&scope.environment).await?;
        let environment = environment.get().expect("it was filled by the line before");
        match environment.find(scope, manifest, name) {
            Ok((connection, cell)) => {
                cell.get_or_try_init(|| self.open_connection(&scope.environment, connection)).await.cloned()
            }
            Err(why) => Ok(Linked::broken(why)),
        }
    }

    async fn environment(&self, name: &EnvironmentName) -> Result<Arc<OnceCell<Environment>>, StoreError> {
        let cell = Arc::clone(locked(&self.environments).entry(name.clone()).or_default());
        cell.get_or_try_init(|| async {
            let connections = self.store.connections(name).await?;
            let bindings = self.store.bindings(name).await?;
            let connections = connections.into_iter().map(|connection| (connection, OnceCell::new())).collect();
            Ok::<_, StoreError>(Environment { connections, bindings })
        })
        .await?;
        Ok(cell)
    }

    async fn open_connection(
        &self,
        environment: &EnvironmentName,
        connection: &Connection,
    ) -> Result<Linked, StoreError> {
        let Some(connector) = self.connector_in(environment, &connection.kind) else {
            return Ok(Linked::broken(format!("there is no connector of kind `{}`", connection.kind)));
        };
        let (secrets, missing) = self.secrets_of(environment, connection, connector).await?;
        if let Some(missing) = missing {
            return Ok(Linked::broken(missing));
        }
        let opened = connector.open(&connection.settings, &secrets);
        let opened = opened.map_err(|problems| format!("connection `{}`: {}", connection.name, joined(&problems)));
        let redactable = Arc::new(secrets.into_iter().map(|(_, value)| value).collect());
        let gate = Some(self.gate(environment, connection));
        Ok(Linked { opened, kind: Some(connection.kind.clone()), gate, redactable })
    }

    /// The gate of a connection, with the settings it has now.
    fn gate(&self, environment: &EnvironmentName, connection: &Connection) -> Arc<Gate> {
        let key = (environment.clone(), connection.name.clone());
        let gate = {
            let mut gates = locked(&self.gates);
            let new = || Gate::new(key.0.clone(), key.1.clone(), Arc::clone(&self.clock), Arc::clone(&self.metrics));
            Arc::clone(gates.entry(key.clone()).or_insert_with(new))
        };
        gate.opened(&connection.settings);
        gate
    }

    /// The breakers of an environment, of those connections that were used since the host started.
    #[must_use]
    pub fn breakers(&self, environment: &EnvironmentName) -> HashMap<ConnectionName, breaker::View> {
        let gates = locked(&self.gates);
        let here = gates.iter().filter(|((name, _), _)| name == environment);
        here.map(|((_, connection), gate)| (connection.clone(), gate.view())).collect()
    }

    /// The http port of a connection by the environment's own name for it, for the host's own messages.
    ///
    /// # Errors
    ///
    /// Why there is none, for a person.
    pub async fn port(&self, environment: &EnvironmentName, name: &ConnectionName) -> Result<Arc<dyn Http>, String> {
        let cell = self.environment(environment).await.map_err(|e| e.to_string())?;
        let known = cell.get().expect("it was filled by the line before");
        let Some((connection, cell)) = known.connections.iter().find(|(c, _)| c.name == *name) else {
            return Err(format!("connection `{name}` is not set in {environment}"));
        };
        let linked = cell.get_or_try_init(|| self.open_connection(environment, connection)).await;
        linked.map_err(|e| e.to_string())?.http().map_err(|e| match e {
            HttpError::Unavailable(text) => text,
            other => format!("{other:?}"),
        })
    }
}

fn not_allowed(connection: &ConnectionName, integration: &IntegrationName) -> String {
    format!("connection `{connection}` does not list integration `{integration}` among those that may use it")
}

fn base32(bytes: &[u8; 32]) -> String {
    data_encoding::BASE32_NOPAD.encode(&bytes[..20])
}
