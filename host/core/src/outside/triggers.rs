//! Triggers on connections: what is wrong with them, and what listens for them.
//!
//! Not here: when they listen ([`crate::sources`]).

use std::sync::Arc;

use super::{Outside, joined};
use crate::grant::Grants;
use crate::ids::{Scope, TriggerName, shown};
use crate::ports::connector::{Connector, SettingProblem};
use crate::ports::source::Source;
use crate::release::{Manifest, SourceTrigger, TriggerKind};
use crate::store::StoreError;

/// What is wrong with the triggers of a manifest that hear from other systems.
#[must_use]
pub fn check_triggers(manifest: &Manifest, connectors: &[Arc<dyn Connector>]) -> Vec<(TriggerName, SettingProblem)> {
    let mut problems = Vec::new();
    for trigger in &manifest.triggers {
        let TriggerKind::Source(source) = &trigger.kind else { continue };
        let kind = manifest.connections.get(&source.connection).map_or("", String::as_str);
        // Without a connector: that is complained of where the connection stands.
        let Some(connector) = connectors.iter().find(|connector| connector.kind() == kind) else { continue };
        let grants = manifest.components.get(&trigger.component).map(|component| &component.grants);
        let found = check_source(connector.as_ref(), source, grants).err().unwrap_or_default();
        problems.extend(found.into_iter().map(|problem| (trigger.name.clone(), problem)));
    }
    problems
}

/// What a connector says of a trigger on one of its connections.
fn check_source(
    connector: &dyn Connector,
    trigger: &SourceTrigger,
    grants: Option<&Grants>,
) -> Result<(), Vec<SettingProblem>> {
    let kind = connector.kind();
    let wrong = |problem: String| Err(vec![SettingProblem { key: "kind".into(), problem }]);
    match connector.trigger() {
        Some(word) if word.kind == trigger.on => {
            connector.check_trigger(&trigger.settings).map_err(|mut problems| {
                if let Some(last) = problems.last_mut() {
                    last.problem.push_str("\nFor example:\n");
                    last.problem.push_str(word.example);
                }
                problems
            })?;
            grants.map_or(Ok(()), |grants| connector.check_reach(&trigger.connection, &trigger.settings, grants))
        }
        Some(word) => wrong(format!(
            "`{}` is not what a connection of kind `{kind}` has; write `kind = \"{}\"`",
            shown(&trigger.on),
            word.kind
        )),
        None => wrong(format!("a connection of kind `{kind}` starts no runs")),
    }
}

impl Outside {
    /// What listens for a trigger on a connection, or why nothing does.
    ///
    /// # Errors
    ///
    /// As the store.
    pub(crate) async fn source(
        &self,
        scope: &Scope,
        manifest: &Manifest,
        trigger: &SourceTrigger,
        grants: &Grants,
    ) -> Result<Result<Arc<dyn Source>, String>, StoreError> {
        let environment = self.environment(&scope.environment).await?;
        let environment = environment.get().expect("it was filled by the line before");
        let connection = match environment.find(scope, manifest, &trigger.connection) {
            Ok((connection, _)) => connection,
            Err(why) => return Ok(Err(why)),
        };
        let Some(connector) = self.connector_in(&scope.environment, &connection.kind) else {
            return Ok(Err(format!("there is no connector of kind `{}`", connection.kind)));
        };
        if let Err(problems) = check_source(connector.as_ref(), trigger, Some(grants)) {
            return Ok(Err(joined(&problems)));
        }
        let (secrets, missing) = self.secrets_of(&scope.environment, connection, connector).await?;
        if let Some(missing) = missing {
            return Ok(Err(missing));
        }
        let source = connector.source(&connection.settings, &secrets, &trigger.settings);
        Ok(source.map_err(|problems| format!("connection `{}`: {}", connection.name, joined(&problems))))
    }
}
