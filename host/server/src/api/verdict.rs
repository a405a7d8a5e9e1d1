//! The verdict on a deploy: what speaks against it, and what the environment still lacks.
//!
//! It looks at everything and changes nothing. Not here: whether the manifest reads; the manifest's
//! own reader says so.

use std::collections::BTreeMap;

use jackfield_core::artifact::{Digest, Inspection};
use jackfield_core::grant::below;
use jackfield_core::ids::{ComponentName, ConnectionName, EnvironmentName, Scope, TriggerName, shown};
use jackfield_core::outside::check_triggers;
use jackfield_core::release::{Component, Manifest, TriggerKind, ungranted};
use url::Url;

use super::connections::no_secret;
use super::error::{ApiError, ProblemItem};
use super::releases::PlannedConnection;
use super::state::Shared;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// What speaks against it.
    pub(super) problems: Vec<ProblemItem>,
    /// Where each of its names for connections leads.
    pub(super) connections: Vec<PlannedConnection>,
    /// What else must be mended in the environment before it works.
    pub(super) warnings: Vec<String>,
    /// The artifacts that were found.
    pub(super) artifacts: BTreeMap<ComponentName, Digest>,
}

impl Verdict {
    /// Looks at everything.
    ///
    /// # Errors
    ///
    /// The store does not answer: there is no verdict.
    pub(super) async fn on(
        api: &Shared,
        scope: &Scope,
        manifest: &Manifest,
        artifacts: &BTreeMap<String, String>,
        lines: &Lines,
    ) -> Result<Self, ApiError> {
        let mut verdict = Self::default();
        for name in artifacts.keys().filter(|name| !manifest.components.keys().any(|known| known.as_str() == **name)) {
            let text =
                format!("there is an artifact for `{}`, and the manifest has no component of that name", shown(name));
            verdict.problem(None, "artifacts", text);
        }
        for (name, component) in &manifest.components {
            if let Some(inspection) = verdict.artifact(api, name, artifacts, lines).await? {
                verdict.component(api, manifest, name, component, &inspection, lines);
            }
            verdict.ambiguous_connections(api, scope, manifest, name, component, lines).await?;
        }
        verdict.connections(api, scope, manifest, lines).await?;
        verdict.sources(api, manifest, lines);
        verdict.secrets(api, &scope.environment, manifest).await?;
        verdict.settings(api, scope, manifest).await?;
        Ok(verdict)
    }

    fn problem(&mut self, line: Option<u32>, key: impl Into<String>, text: impl Into<String>) {
        self.problems.push(ProblemItem { line, key: key.into(), text: text.into() });
    }

    /// What is known of the artifact of a component.
    async fn artifact(
        &mut self,
        api: &Shared,
        name: &ComponentName,
        artifacts: &BTreeMap<String, String>,
        lines: &Lines,
    ) -> Result<Option<Inspection>, ApiError> {
        let key = format!("component.{name}.source");
        let Some(text) = artifacts.get(name.as_str()) else {
            let text = format!(
                "component `{name}` has no artifact: upload its file, and give its digest under `artifacts.{name}`"
            );
            self.problem(lines.component(name), key, text);
            return Ok(None);
        };
        let digest: Digest = match text.parse() {
            Ok(digest) => digest,
            Err(bad) => {
                self.problem(lines.component(name), key, format!("component `{name}`: {bad}"));
                return Ok(None);
            }
        };
        let known = api.host.store.artifact(digest).await?;
        if known.is_none() {
            let text = format!("component `{name}`: this host has no artifact {digest}; upload its file first");
            self.problem(lines.component(name), key, text);
        }
        self.artifacts.insert(name.clone(), digest);
        Ok(known)
    }

    /// Whether a component can do what its manifest says, and no more.
    fn component(
        &mut self,
        api: &Shared,
        manifest: &Manifest,
        name: &ComponentName,
        component: &Component,
        inspection: &Inspection,
        lines: &Lines,
    ) {
        let line = lines.component(name);
        if !inspection.unknown_imports.is_empty() {
            let imports: Vec<_> =
                inspection.unknown_imports.iter().map(|import| format!("`{}`", shown(import))).collect();
            let text = format!(
                "component `{name}` imports {}, which this host does not have; build it against this host's WIT",
                imports.join(", ")
            );
            self.problem(line, format!("component.{name}.source"), text);
        }
        for missing in ungranted(name, &component.grants, inspection) {
            self.problem(
                lines.grants(name),
                format!("component.{name}.grants.{}", missing.capability),
                missing.explain(),
            );
        }
        let starts: Vec<_> = manifest.triggers.iter().filter(|t| t.component == *name).map(|t| &t.name).collect();
        if !inspection.handles_events && (!starts.is_empty() || !inspection.handles_requests) {
            let why = match starts.first() {
                Some(trigger) => format!("trigger `{trigger}` starts component `{name}`, which"),
                None => format!("component `{name}`"),
            };
            let text = format!("{why} exports no handler: export `jackfield:plugin/handler` from it (the SDKs do)");
            self.problem(
                starts.first().map_or(line, |trigger| lines.trigger(trigger)),
                format!("component.{name}.source"),
                text,
            );
        }
        let most = api.host.config.executor.memory_bytes;
        if component.limits.memory_bytes > most {
            let text = format!(
                "component `{name}` asks for {} MiB of memory, and this host has {} MiB for all guests: no attempt could start; \
                 lower limits.memory, or raise executor.memory of the host",
                component.limits.memory_bytes >> 20,
                most >> 20
            );
            self.problem(line, format!("component.{name}.limits.memory"), text);
        }
    }

    /// Whether an absolute URL could mean two connections of a component.
    async fn ambiguous_connections(
        &mut self,
        api: &Shared,
        scope: &Scope,
        manifest: &Manifest,
        name: &ComponentName,
        component: &Component,
        lines: &Lines,
    ) -> Result<(), ApiError> {
        let mut bases: Vec<(&ConnectionName, Url)> = Vec::new();
        for connection in component.grants.connections() {
            if let Some(base) = api.host.outside.base_url(scope, manifest, connection).await? {
                bases.push((connection, base));
            }
        }
        for (index, (one, base)) in bases.iter().enumerate() {
            for (other, _) in bases[index + 1..].iter().filter(|(_, other)| overlap(base, other)) {
                let text = format!(
                    "component `{name}` may use the connections `{one}` and `{other}`, and in {} their base URLs overlap: an \
                     absolute URL could mean either, and its credential would be a guess. Grant one of them, or give them \
                     base URLs of which neither lies below the other",
                    scope.environment
                );
                self.problem(lines.grants(name), format!("component.{name}.grants.http"), text);
            }
        }
        Ok(())
    }

    /// Whether each connection is of a kind that there is, and leads somewhere.
    async fn connections(
        &mut self,
        api: &Shared,
        scope: &Scope,
        manifest: &Manifest,
        lines: &Lines,
    ) -> Result<(), ApiError> {
        for (name, kind) in &manifest.connections {
            if api.host.outside.connector(kind).is_none() {
                let kinds = api.host.outside.kinds().join(", ");
                let text =
                    format!("connection `{name}`: `{}` is not a kind of connection; there are {kinds}", shown(kind));
                self.problem(lines.connection(name), format!("connections.{name}.kind"), text);
            } else {
                let problem = api.host.outside.missing_connection(scope, manifest, name).await?;
                self.connections.push(PlannedConnection { name: name.to_string(), problem });
            }
        }
        Ok(())
    }

    /// Whether triggers that hear from other systems are as their connectors want them, and grants fit their connections.
    fn sources(&mut self, api: &Shared, manifest: &Manifest, lines: &Lines) {
        for (trigger, problem) in check_triggers(manifest, api.host.outside.connectors()) {
            let text = format!("trigger `{trigger}`, {problem}");
            self.problem(lines.trigger(&trigger), format!("trigger.{trigger}.{}", problem.key), text);
        }
        for (name, component) in &manifest.components {
            for (connection, capability) in component.grants.served() {
                let Some(kind) = manifest.connections.get(connection) else { continue };
                let serves = api.host.outside.connector(kind).map(|connector| connector.serves());
                if serves.is_some_and(|serves| !serves.contains(&capability)) {
                    let text = format!(
                        "component `{name}` is granted {capability} on `{connection}`, and a connection of kind `{kind}` does not \
                         serve that"
                    );
                    self.problem(lines.grants(name), format!("component.{name}.grants.{capability}"), text);
                }
            }
        }
    }

    /// Whether the secrets are there that webhooks are verified with.
    async fn secrets(
        &mut self,
        api: &Shared,
        environment: &EnvironmentName,
        manifest: &Manifest,
    ) -> Result<(), ApiError> {
        let known = api.host.store.secrets(environment).await?;
        for trigger in &manifest.triggers {
            let TriggerKind::Webhook(webhook) = &trigger.kind else { continue };
            let Some(secret) = webhook.verify.secret() else { continue };
            if !known.iter().any(|info| info.name == *secret) {
                let missing = no_secret(secret.as_str(), environment);
                self.warnings.push(format!("trigger `{}` answers 503 to everything: {missing}", trigger.name));
            }
        }
        Ok(())
    }

    /// Whether the settings are there that components may read.
    async fn settings(&mut self, api: &Shared, scope: &Scope, manifest: &Manifest) -> Result<(), ApiError> {
        let known = api.host.store.config(scope).await?;
        let mut missing: Vec<_> = manifest
            .components
            .values()
            .flat_map(|component| &component.grants.config)
            .filter(|name| !known.iter().any(|(set, _)| set == *name))
            .collect();
        missing.sort();
        missing.dedup();
        let relaxed = manifest.components.iter().filter(|(_, component)| !component.durability.is_durable());
        self.warnings.extend(relaxed.map(|(name, _)| {
            format!(
                "component `{name}` is relaxed: nothing is recorded of its runs, so one that is tried again makes all its \
                 calls again"
            )
        }));
        let Scope { environment, integration } = scope;
        self.warnings.extend(missing.into_iter().map(|name| {
            format!("setting `{name}` is not set in {environment}: jackfield config set {integration} {name} VALUE --env {environment}")
        }));
        Ok(())
    }
}

/// Whether some URL lies below both.
fn overlap(one: &Url, other: &Url) -> bool {
    below(one, other).is_some() || below(other, one).is_some()
}

/// Where in the text of a manifest things stand: a help for whoever reads a problem, so it is content
/// with the forms people write and answers nothing for the others.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// (section, key, value), with the number of the line; a section's head has no key.
    lines: Vec<(u32, String, String, String)>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let bare =
            |part: &str| part.chars().filter(|c| !c.is_whitespace() && *c != '"' && *c != '\'').collect::<String>();
        let mut section = String::new();
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.starts_with('[') && line.ends_with(']') {
                section = bare(line.trim_matches(['[', ']']));
                lines.push((number, section.clone(), String::new(), String::new()));
            } else if let Some((key, value)) = line.split_once('=') {
                lines.push((number, section.clone(), bare(key), bare(value)));
            }
        }
        Self { lines }
    }

    fn find(&self, wanted: impl Fn(&str, &str, &str) -> bool) -> Option<u32> {
        self.lines.iter().find(|(_, section, key, value)| wanted(section, key, value)).map(|(number, ..)| *number)
    }

    /// The head of a component, or the first line about it.
    fn component(&self, name: &ComponentName) -> Option<u32> {
        let head = format!("component.{name}");
        self.find(|section, key, _| section == head && key.is_empty())
            .or_else(|| self.find(|section, _, _| section.starts_with(&format!("{head}."))))
    }

    /// The head of a component's grants, or of the component.
    fn grants(&self, name: &ComponentName) -> Option<u32> {
        let head = format!("component.{name}.grants");
        let component = format!("component.{name}");
        self.find(|section, key, _| section == head && key.is_empty())
            .or_else(|| self.find(|section, key, _| section == component && key.split('.').next() == Some("grants")))
            .or_else(|| self.component(name))
    }

    /// The line that names a trigger.
    fn trigger(&self, name: &TriggerName) -> Option<u32> {
        self.find(|section, key, value| section == "trigger" && key == "name" && value == name.as_str())
    }

    /// The line that names a connection.
    fn connection(&self, name: &ConnectionName) -> Option<u32> {
        let head = format!("connections.{name}");
        self.find(|section, key, _| {
            (section == "connections" && key.split('.').next() == Some(name.as_str())) || section == head
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found() {
        let lines = Lines::of(
            "[integration]\nname = \"x\"\n\n[connections]\ngithub = { kind = \"http\" } # ours\n\n[[trigger]]\nname = 'hook'\n\n\
             [component.a]\nsource = \"a.wasm\"\n[ component . \"a\" . grants ]\nkv = []\n[component.b]\ngrants.kv = []\n\
             [component.c.grants]\n",
        );
        let name = |text: &str| text.parse::<ComponentName>().unwrap();
        assert_eq!(lines.component(&name("a")), Some(10));
        assert_eq!(lines.grants(&name("a")), Some(12));
        assert_eq!(lines.grants(&name("b")), Some(15));
        assert_eq!(lines.component(&name("c")), Some(16));
        assert_eq!(lines.component(&name("d")), None);
        assert_eq!(lines.trigger(&"hook".parse().unwrap()), Some(8));
        assert_eq!(lines.trigger(&"x".parse().unwrap()), None, "that is the integration's name");
        assert_eq!(lines.connection(&"github".parse().unwrap()), Some(5));
    }

    #[track_caller]
    fn check(one: &str, other: &str, expected: bool) {
        let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(overlap(&one, &other), expected);
        assert_eq!(overlap(&other, &one), expected);
    }

    #[test]
    fn base_urls_overlap_if_one_lies_below_the_other() {
        check("https://api.example.com", "https://api.example.com/v1", true);
        check("https://api.example.com", "https://api.example.com/", true);
        check("https://api.example.com/v1", "https://api.example.com/v10", false);
        check("https://api.example.com", "https://api.example.org", false);
        check("https://api.example.com", "http://api.example.com", false);
    }
}
