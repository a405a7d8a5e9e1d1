//! The difference between two versions of an integration, as somebody who decides about a release
//! needs it: code, powers gained and lost, settings, triggers, connections.
//!
//! It is computed from the two alone. Not here: what an environment lacks, and how it is shown.

mod power;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::artifact::{Digest, Inspection};
use crate::grant::{Capability, Grants};
use crate::ids::{ComponentName, TriggerName, VersionNumber};
use crate::manifest;
use crate::release::{Component, Trigger, Version};

pub use power::Power;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The version before; none for a first one.
    pub from: Option<VersionNumber>,
    /// The version after.
    pub to: VersionNumber,
    /// The parts that differ.
    pub components: Vec<ComponentDifference>,
    /// The triggers that differ.
    pub triggers: Vec<TriggerDifference>,
    /// The connections that differ: the name and its kinds.
    pub connections: Vec<Setting>,
    /// What it says of itself, if that differs.
    pub description: Option<Setting>,
}

/// Whether a part came, went or differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is in the version after alone.
    Added,
    /// It is in the version before alone.
    Removed,
    /// It is in both, and differs.
    Changed,
}

impl Change {
    const fn of<T>(before: Option<&T>, after: Option<&T>) -> Self {
        match (before, after) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            _ => Self::Changed,
        }
    }
}

/// A value that differs, as it is written in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key within what it belongs to, dotted: `limits.timeout`.
    pub key: String,
    /// The value before; none if it was not set.
    pub from: Option<String>,
    /// The value after; none if it is not set.
    pub to: Option<String>,
}

/// What differs in a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentDifference {
    /// Its name.
    pub name: ComponentName,
    /// Whether it came, went or differs.
    pub change: Change,
    /// The code before and after, if it is not the same.
    pub code: Option<(Option<Code>, Option<Code>)>,
    /// Capabilities that the code imports now and did not before.
    pub imports_also: Vec<Capability>,
    /// What no grant of the version before allowed.
    pub may_also: Vec<Power>,
    /// Grants that are written anew and allow nothing that was not allowed before.
    pub may_still: Vec<Power>,
    /// What a grant of the version before allowed, and none does now.
    pub no_longer: Vec<Power>,
    /// Capabilities that are denied by name now and were not before.
    pub denied: Vec<Capability>,
    /// Capabilities that were denied by name and are not now.
    pub denied_no_longer: Vec<Capability>,
    /// Limits, retry policy, source and build.
    pub settings: Vec<Setting>,
}

/// What a component is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The artifact.
    pub digest: Digest,
    /// Its size in bytes, if the host knows the artifact.
    pub size: Option<u64>,
    /// The language and the tools it names.
    pub producers: Vec<String>,
}

/// What differs in a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerDifference {
    /// Its name.
    pub name: TriggerName,
    /// Whether it came, went or differs.
    pub change: Change,
    /// Its kind, the one after if there are two.
    pub kind: String,
    /// What is set differently; for one that came, all of it.
    pub settings: Vec<Setting>,
}

impl Difference {
    /// What leads from `before` (none if there is none) to `after`. `known` are the artifacts of both.
    #[must_use]
    pub fn between(before: Option<&Version>, after: &Version, known: &BTreeMap<Digest, Inspection>) -> Self {
        let old = before.map(|version| &version.manifest);
        let new = &after.manifest;
        let components = names(old.map(|m| &m.components), &new.components).filter_map(|name| {
            let side = |version: &'_ Version| {
                version.manifest.components.get(name).cloned().map(|c| (c, version.artifacts.get(name).copied()))
            };
            component(name, before.and_then(side), side(after), known)
        });
        let components = components.collect();
        Self {
            from: before.map(|version| version.number),
            to: after.number,
            components,
            triggers: triggers(old.map_or(&[], |m| &m.triggers), &new.triggers),
            connections: names(old.map(|m| &m.connections), &new.connections)
                .filter_map(|name| {
                    let from = old.and_then(|m| m.connections.get(name)).cloned();
                    setting(name.as_str(), from, new.connections.get(name).cloned())
                })
                .collect(),
            description: old.and_then(|old| {
                let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                setting("description", text(&old.description), text(&new.description))
            }),
        }
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { from: _, to: _, components, triggers, connections, description } = self;
        components.is_empty() && triggers.is_empty() && connections.is_empty() && description.is_none()
    }

    /// Whether some component may do what it might not before.
    #[must_use]
    pub fn asks_for_more(&self) -> bool {
        self.components.iter().any(|component| !component.may_also.is_empty())
    }
}

/// The names on either side, each once.
fn names<'a, N: Ord, T>(before: Option<&'a BTreeMap<N, T>>, after: &'a BTreeMap<N, T>) -> impl Iterator<Item = &'a N> {
    let all: BTreeSet<&N> = before.into_iter().flatten().map(|(name, _)| name).chain(after.keys()).collect();
    all.into_iter()
}

fn setting(key: &str, from: Option<String>, to: Option<String>) -> Option<Setting> {
    (from != to).then(|| Setting { key: key.into(), from, to })
}

type Side = Option<(Component, Option<Digest>)>;

fn component(
    name: &ComponentName,
    before: Side,
    after: Side,
    known: &BTreeMap<Digest, Inspection>,
) -> Option<ComponentDifference> {
    if before == after {
        return None;
    }
    let change = Change::of(before.as_ref(), after.as_ref());
    let digest = |side: &Side| side.as_ref().and_then(|(_, digest)| *digest);
    let (old_code, new_code) = (digest(&before), digest(&after));
    let imports = |digest: Option<Digest>| digest.and_then(|d| known.get(&d)).map_or(&[][..], |i| &i.needs);
    let imported = imports(old_code);
    let imports_also = imports(new_code).iter().filter(|c| !imported.contains(c)).copied().collect();

    let grants = |side: &Side| side.as_ref().map(|(component, _)| component.grants.clone()).unwrap_or_default();
    let (old, new) = (grants(&before), grants(&after));
    let (old_powers, new_powers) = (Power::all_of(&old), Power::all_of(&new));
    let (may_still, may_also) = power::beyond(&new_powers, &old_powers);
    let (_, no_longer) = power::beyond(&old_powers, &new_powers);
    let denied_beyond = |these: &Grants, those: &Grants| -> Vec<Capability> {
        these.deny.iter().filter(|capability| !those.deny.contains(capability)).copied().collect()
    };
    let of = |side: Side| side.map(|(component, _)| component);
    let settings = match (of(before), of(after)) {
        (Some(old), Some(new)) => {
            differing(manifest::component_settings(&old, &new), manifest::component_settings(&new, &old))
        }
        (None, Some(new)) => differing(Value::Null, manifest::component_settings(&new, &Component::default())),
        _ => Vec::new(),
    };
    let code = |digest: Digest| Code {
        digest,
        size: known.get(&digest).map(|inspection| inspection.size),
        producers: known.get(&digest).map(|inspection| inspection.producers.clone()).unwrap_or_default(),
    };
    Some(ComponentDifference {
        name: name.clone(),
        change,
        code: (old_code != new_code).then(|| (old_code.map(code), new_code.map(code))),
        imports_also,
        may_also,
        may_still,
        no_longer,
        denied: denied_beyond(&new, &old),
        denied_no_longer: denied_beyond(&old, &new),
        settings,
    })
}

fn triggers(before: &[Trigger], after: &[Trigger]) -> Vec<TriggerDifference> {
    let names: BTreeSet<&TriggerName> = before.iter().chain(after).map(|trigger| &trigger.name).collect();
    let find = |list: &[Trigger], name: &TriggerName| list.iter().find(|trigger| trigger.name == *name).cloned();
    names
        .into_iter()
        .filter_map(|name| {
            let (old, new) = (find(before, name), find(after, name));
            let kind = new.as_ref().or(old.as_ref())?.kind.label().to_owned();
            if old == new {
                return None;
            }
            let written = |trigger: Option<&Trigger>| trigger.map_or(Value::Null, manifest::trigger_settings);
            let settings =
                if new.is_none() { Vec::new() } else { differing(written(old.as_ref()), written(new.as_ref())) };
            Some(TriggerDifference {
                name: name.clone(),
                change: Change::of(old.as_ref(), new.as_ref()),
                kind,
                settings,
            })
        })
        .collect()
}

/// The leaves of two tables that are not the same, in the order of the second.
fn differing(before: Value, after: Value) -> Vec<Setting> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    leaves("", before, &mut old);
    leaves("", after, &mut new);
    let find = |list: &[Leaf], key: &str| list.iter().find(|(known, _)| known == key).map(|(_, text)| text.clone());
    let gone = old.iter().filter(|(key, _)| !new.iter().any(|(other, _)| other == key));
    let keys = new.iter().chain(gone).map(|(key, _)| key);
    keys.filter_map(|key| setting(key, find(&old, key), find(&new, key))).collect()
}

type Leaf = (String, String);

fn leaves(path: &str, value: Value, out: &mut Vec<Leaf>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                leaves(&path, value, out);
            }
        }
        Value::Null => {}
        Value::String(text) => out.push((path.into(), text)),
        other => out.push((path.into(), other.to_string())),
    }
}
