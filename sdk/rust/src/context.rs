//! The context: what a handler reaches the world by.

use std::time::Duration;

use crate::bindings::jackfield::plugin::run;
use crate::{Blob, Config, Email, Events, Http, Kv, Messaging, Sql};

/// What a handler reaches the world by. What it may use of it is granted in the manifest.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Context {
    /// Calls to other systems.
    pub http: Http,
    /// Keys and values that outlive the run.
    pub kv: Kv,
    /// Settings of the integration in its environment.
    pub config: Config,
    /// New events, for whoever listens.
    pub events: Events,
    /// Statements on databases.
    pub sql: Sql,
    /// Messages to brokers.
    pub messaging: Messaging,
    /// Named objects in storage.
    pub blob: Blob,
    /// Mail.
    pub email: Email,
}

impl Context {
    /// The run this call belongs to.
    #[must_use]
    pub fn run(&self) -> RunInfo {
        let run::RunInfo {
            id,
            attempt,
            idempotency_key,
            trigger,
            integration,
            environment,
            component,
            version,
            deadline,
            traceparent,
        } = run::current();
        RunInfo {
            id,
            attempt,
            idempotency_key,
            trigger,
            integration,
            environment,
            component,
            version,
            deadline,
            traceparent,
        }
    }

    /// How long the host lets this attempt go on; zero once its time is over or the run was
    /// cancelled, so that a long loop can stop early and in order.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        Duration::from_millis(run::remaining_ms().into())
    }
}

/// One run: one event, handled until it succeeds or is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunInfo {
    /// The run's id, the same for all its attempts.
    pub id: String,
    /// 1 for the first attempt. For logs: a handler whose calls depend on it asks for something else
    /// when it is tried again, and is stopped for it.
    pub attempt: u32,
    /// The same for every attempt of a run, different for every run. Pass it on to services that
    /// accept an idempotency key. (The host gives every POST and PATCH one of its own.)
    pub idempotency_key: String,
    /// The trigger's name in the manifest.
    pub trigger: String,
    /// The integration's name in the manifest.
    pub integration: String,
    /// The environment, such as `prod`.
    pub environment: String,
    /// The component's name in the manifest.
    pub component: String,
    /// The integration's version.
    pub version: u32,
    /// When the host stops this attempt, RFC 3339 in UTC. For logs, like `attempt`; to decide, use
    /// [`Context::remaining`].
    pub deadline: String,
    /// W3C trace context of this attempt. The host sends it by itself with http calls.
    pub traceparent: Option<String>,
}
