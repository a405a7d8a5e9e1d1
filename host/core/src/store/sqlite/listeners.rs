//! Listeners: the event triggers of what is active, in memory.
//!
//! A release changes them in its own transaction, and a rollback puts them back (see `ledger.rs`). Not here: what
//! becomes of an event that they hear.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::admin::from_json;
use super::fault::Fault;
use super::names::parse;
use super::ready::ScopeId;
use crate::ids::EnvironmentName;
use crate::listen::Listen;
use crate::order::Order;
use crate::release::{TriggerKind, Version};
use crate::run::Target;
use crate::store::queue::Needs;

/// A trigger that listens.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) target: Target,
    pub(super) listen: Listen,
    pub(super) order: Option<Order>,
    pub(super) needs: Needs,
    /// Of the component.
    pub(super) event_bytes: u64,
    /// It may hear of the ends of runs.
    pub(super) host: bool,
}

/// The listeners of one scope.
pub(super) type Own = Arc<[Arc<Listener>]>;

/// See the module.
#[derive(Default)]
pub(super) struct Listeners {
    /// By environment.
    scopes: BTreeMap<(i64, ScopeId), Own>,
}

impl Listeners {
    /// Reads those of every active release.
    pub(super) fn load(conn: &Connection) -> Result<Self, Fault> {
        let mut listeners = Self::default();
        let mut select = conn.prepare(
            "SELECT s.environment, s.id, e.name, v.version FROM releases r JOIN scopes s ON s.id = r.scope
             JOIN environments e ON e.id = s.environment
             JOIN versions v ON v.integration = s.integration AND v.number = r.version",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let version: Version = from_json(&row.get::<_, String>(3)?)?;
            listeners.set((row.get(0)?, row.get(1)?), of(&parse(row.get(2)?)?, &version));
        }
        Ok(listeners)
    }

    /// Sets those of a scope; gives what was there.
    pub(super) fn set(&mut self, scope: (i64, ScopeId), own: Own) -> Own {
        let old = if own.is_empty() { self.scopes.remove(&scope) } else { self.scopes.insert(scope, own) };
        old.unwrap_or_else(|| Arc::new([]))
    }

    /// Those of an environment that `wanted` picks.
    pub(super) fn of(&self, environment: i64, wanted: impl Fn(&Listener) -> bool) -> Vec<Arc<Listener>> {
        let all = self.scopes.range((environment, ScopeId::MIN)..=(environment, ScopeId::MAX));
        all.flat_map(|(_, own)| own.iter()).filter(|listener| wanted(listener)).cloned().collect()
    }
}

/// The listeners of a version, where it is active.
pub(super) fn of(environment: &EnvironmentName, version: &Version) -> Own {
    let manifest = &version.manifest;
    let listening = manifest.triggers.iter().filter_map(|trigger| {
        let TriggerKind::Event(listen) = &trigger.kind else { return None };
        let limits = manifest.components.get(&trigger.component)?.limits;
        Some(Arc::new(Listener {
            target: Target {
                environment: environment.clone(),
                integration: manifest.name.clone(),
                version: version.number,
                component: trigger.component.clone(),
                trigger: trigger.name.clone(),
            },
            listen: listen.clone(),
            order: trigger.order.clone(),
            needs: Needs { memory_bytes: limits.memory_bytes, concurrency: limits.concurrency },
            event_bytes: limits.event_bytes,
            host: listen.hears_the_host(),
        }))
    });
    listening.collect()
}
