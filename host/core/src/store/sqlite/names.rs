//! Names as numbers: environments, scopes and targets are written once and then known by id.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::fault::{Fault, bad_row};
use super::ready::{ComponentId, ScopeId};
use crate::ids::{ComponentName, EnvironmentName, IntegrationName, Scope, TriggerName};
use crate::run::Target;
use crate::store::StoreError;

/// A target and the numbers of its parts.
#[derive(Clone, Debug)]
pub(super) struct KnownTarget {
    pub(super) target: Target,
    pub(super) scope: ScopeId,
    pub(super) environment: i64,
    pub(super) component: ComponentId,
}

/// What the writer knows by heart.
#[derive(Default)]
pub(super) struct Names {
    environments: HashMap<EnvironmentName, i64>,
    scopes: HashMap<Scope, ScopeId>,
    scope_names: HashMap<ScopeId, Scope>,
    targets: HashMap<Target, i64>,
    known: HashMap<i64, KnownTarget>,
    // Not on disk: numbers for the time of this process.
    components: HashMap<(ScopeId, ComponentName), ComponentId>,
    // Something was added since the last commit.
    grew: bool,
}

impl Names {
    /// Reads all of them.
    pub(super) fn load(&mut self, conn: &Connection) -> Result<(), Fault> {
        self.environments.clear();
        self.scopes.clear();
        self.scope_names.clear();
        self.targets.clear();
        self.known.clear();
        let mut environments = conn.prepare_cached("SELECT id, name FROM environments")?;
        let mut rows = environments.query([])?;
        while let Some(row) = rows.next()? {
            self.environments.insert(parse(row.get(1)?)?, row.get(0)?);
        }
        let mut scopes = conn.prepare_cached(
            "SELECT s.id, e.name, i.name FROM scopes s
             JOIN environments e ON e.id = s.environment JOIN integrations i ON i.id = s.integration",
        )?;
        let mut rows = scopes.query([])?;
        while let Some(row) = rows.next()? {
            let scope = Scope { environment: parse(row.get(1)?)?, integration: parse(row.get(2)?)? };
            self.scopes.insert(scope.clone(), row.get(0)?);
            self.scope_names.insert(row.get(0)?, scope);
        }
        let mut targets = conn.prepare_cached("SELECT id, scope, version, component, \"trigger\" FROM targets")?;
        let mut rows = targets.query([])?;
        while let Some(row) = rows.next()? {
            let scope = row.get(1)?;
            let Some(names) = self.scope_names.get(&scope) else { continue };
            let target = Target {
                environment: names.environment.clone(),
                integration: names.integration.clone(),
                version: row.get(2)?,
                component: parse(row.get(3)?)?,
                trigger: parse(row.get(4)?)?,
            };
            self.know(row.get(0)?, scope, target)?;
        }
        Ok(())
    }

    /// After a rollback, of a savepoint or of all: forgets what is not there any more.
    pub(super) fn rolled_back(&mut self, conn: &Connection) -> Result<(), Fault> {
        if self.grew { self.load(conn) } else { Ok(()) }
    }

    /// After a commit.
    pub(super) fn committed(&mut self) {
        self.grew = false;
    }

    fn know(&mut self, id: i64, scope: ScopeId, target: Target) -> Result<(), Fault> {
        let environment = self.environment(&target.environment)?;
        let next = self.components.len() as ComponentId;
        let component = *self.components.entry((scope, target.component.clone())).or_insert(next);
        self.targets.insert(target.clone(), id);
        self.known.insert(id, KnownTarget { target, scope, environment, component });
        Ok(())
    }

    /// The number of an environment.
    pub(super) fn environment(&self, name: &EnvironmentName) -> Result<i64, Fault> {
        let id = self.environments.get(name).copied();
        id.ok_or_else(|| StoreError::Missing(format!("environment `{name}`")).into())
    }

    /// The names of a scope.
    pub(super) fn scope_name(&self, id: ScopeId) -> Option<&Scope> {
        self.scope_names.get(&id)
    }

    /// A target by its number.
    pub(super) fn target(&self, id: i64) -> Option<&KnownTarget> {
        self.known.get(&id)
    }

    /// The targets that a trigger of a scope has had, in any version.
    pub(super) fn targets_of<'a>(&'a self, scope: ScopeId, trigger: &'a TriggerName) -> impl Iterator<Item = i64> + 'a {
        let of = move |known: &KnownTarget| known.scope == scope && known.target.trigger == *trigger;
        self.known.iter().filter(move |(_, known)| of(known)).map(|(id, _)| *id)
    }

    /// The number of a scope, made if need be.
    pub(super) fn scope(&mut self, conn: &Connection, scope: &Scope) -> Result<ScopeId, Fault> {
        if let Some(id) = self.scopes.get(scope) {
            return Ok(*id);
        }
        let environment = self.environment(&scope.environment)?;
        let integration = integration(conn, &scope.integration)?;
        self.grew = true;
        conn.prepare_cached("INSERT INTO scopes (environment, integration) VALUES (?1, ?2)")?
            .execute(params![environment, integration])?;
        let id = conn.last_insert_rowid();
        self.scopes.insert(scope.clone(), id);
        self.scope_names.insert(id, scope.clone());
        Ok(id)
    }

    /// The number of a target, made if need be.
    pub(super) fn target_id(&mut self, conn: &Connection, target: &Target) -> Result<i64, Fault> {
        if let Some(id) = self.targets.get(target) {
            return Ok(*id);
        }
        let scope = self.scope(conn, &target.scope())?;
        self.grew = true;
        conn.prepare_cached("INSERT INTO targets (scope, version, component, \"trigger\") VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![scope, target.version, target.component.as_str(), target.trigger.as_str()])?;
        let id = conn.last_insert_rowid();
        self.know(id, scope, target.clone())?;
        Ok(id)
    }
}

/// The number of an integration, made if need be.
pub(super) fn integration(conn: &Connection, name: &IntegrationName) -> Result<i64, Fault> {
    if let Some(id) = find_integration(conn, name)? {
        return Ok(id);
    }
    conn.prepare_cached("INSERT INTO integrations (name) VALUES (?1)")?.execute([name.as_str()])?;
    Ok(conn.last_insert_rowid())
}

/// The number of an integration, if it has one.
pub(super) fn find_integration(conn: &Connection, name: &IntegrationName) -> Result<Option<i64>, Fault> {
    let mut find = conn.prepare_cached("SELECT id FROM integrations WHERE name = ?1")?;
    Ok(find.query_row([name.as_str()], |row| row.get(0)).optional()?)
}

/// The number of an environment, read from disk.
pub(super) fn find_environment(conn: &Connection, name: &EnvironmentName) -> Result<i64, Fault> {
    let mut find = conn.prepare_cached("SELECT id FROM environments WHERE name = ?1")?;
    let id = find.query_row([name.as_str()], |row| row.get(0)).optional()?;
    id.ok_or_else(|| StoreError::Missing(format!("environment `{name}`")).into())
}

/// The number of a scope, read from disk, if it has one.
pub(super) fn find_scope(conn: &Connection, scope: &Scope) -> Result<Option<ScopeId>, Fault> {
    let mut find = conn.prepare_cached(
        "SELECT s.id FROM scopes s JOIN environments e ON e.id = s.environment
         JOIN integrations i ON i.id = s.integration WHERE e.name = ?1 AND i.name = ?2",
    )?;
    Ok(find.query_row([scope.environment.as_str(), scope.integration.as_str()], |row| row.get(0)).optional()?)
}

/// A name that was checked when it came in.
pub(super) fn parse<T: TryFrom<String>>(text: String) -> Result<T, Fault> {
    T::try_from(text).map_err(|_| bad_row("a stored name breaks the rule of names"))
}
