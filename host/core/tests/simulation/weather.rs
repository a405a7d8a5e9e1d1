//! The weather: how rough an hour is, thrown from its seed. And what is released in it.

use std::time::Duration;

use jackfield_core::artifact::{Digest, Inspection};
use jackfield_core::hatch::testing::name;
use jackfield_core::manifest;
use jackfield_core::release::{Manifest, Version};

use crate::simulation::dice::Dice;

/// See the module. Rates are of a thousand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// How long trouble lasts.
    pub(crate) lasts: Duration,
    /// Events that clients send meanwhile.
    pub(crate) events: u64,
    pub(crate) deaths: u64,
    /// Of a thousand deaths, so many leave the old process working on for a while.
    pub(crate) zombies: u64,
    /// Requests that meet trouble.
    pub(crate) net: u64,
    /// Commits that fail.
    pub(crate) refused: u64,
    /// Commits whose answers are lost.
    pub(crate) unanswered: u64,
    /// Times that the disk is full.
    pub(crate) full: u64,
    /// Times that the wall clock is set.
    pub(crate) jumps: u64,
    pub(crate) releases: u64,
    /// Times that a person cancels, decides, resumes or discards.
    pub(crate) people: u64,
    pub(crate) slots: u32,
}

impl Weather {
    /// An hour of it.
    pub(crate) fn thrown(dice: &mut Dice) -> Self {
        let of = |dice: &mut Dice, these: &[u64]| dice.pick(these).copied().unwrap_or_default();
        Self {
            lasts: Duration::from_secs(3600),
            events: dice.between(30, 90),
            deaths: of(dice, &[0, 3, 8, 14]),
            zombies: of(dice, &[0, 300, 600]),
            net: of(dice, &[0, 60, 200, 400]),
            refused: of(dice, &[0, 0, 5, 20]),
            unanswered: of(dice, &[0, 0, 5, 20]),
            full: of(dice, &[0, 0, 1, 2]),
            jumps: of(dice, &[0, 0, 1, 3]),
            releases: of(dice, &[0, 1, 4]),
            people: of(dice, &[0, 10, 40]),
            slots: of(dice, &[1, 3, 8]) as u32,
        }
    }
}

/// Version `number` of the integration, with schedules or without.
pub(crate) fn version(number: u64, schedules: bool) -> Version {
    let digest = artifact(number);
    let artifacts = ["worker", "other", "patient"].map(|component| (name(component), digest)).into();
    Version { number: 0, manifest: manifest(number, schedules), artifacts }
}

fn artifact(number: u64) -> Digest {
    Digest::of(format!("artifact {number}").as_bytes())
}

/// What an upload of it would have said.
pub(crate) fn inspection(number: u64) -> Inspection {
    Inspection {
        digest: artifact(number),
        size: 10,
        needs: vec![],
        imports: vec![],
        exports: vec![],
        unknown_imports: vec![],
        handles_events: true,
        handles_requests: false,
        producers: vec![],
    }
}

fn manifest(number: u64, schedules: bool) -> Manifest {
    let mut text = format!(
        r#"manifest_version = 1
[integration]
name = "demo"
description = "the {number}th"
[connections]
keyed = {{ kind = "http" }}
plain = {{ kind = "http" }}
[[trigger]]
name = "hook"
kind = "webhook"
component = "worker"
verify = {{ scheme = "token" }}
[[trigger]]
name = "post"
kind = "webhook"
component = "patient"
verify = {{ scheme = "token" }}
[[trigger]]
name = "bell"
kind = "webhook"
component = "other"
verify = {{ scheme = "token" }}
"#
    );
    let impatient = "retry = { first = \"1s\", longest = \"30s\", for = \"8m\" }";
    for (component, limits, retry) in [
        ("worker", "timeout = \"30s\", concurrency = 3", impatient),
        ("other", "timeout = \"20s\"", impatient),
        ("patient", "concurrency = 20", ""),
    ] {
        text.push_str(&format!(
            r#"[component.{component}]
source = "{component}.wasm"
limits = {{ {limits} }}
{retry}
[component.{component}.grants]
http = [
  {{ connection = "keyed", methods = ["GET", "POST", "PUT"], paths = ["/**"] }},
  {{ connection = "plain", methods = ["GET", "POST", "PUT"], paths = ["/**"] }},
]
kv = [{{ prefix = "" }}]
"#
        ));
    }
    if schedules {
        text.push_str(
            r#"[[trigger]]
name = "beat"
kind = "interval"
component = "other"
every = "4m"
overlap = "allow"
[[trigger]]
name = "tick"
kind = "cron"
component = "worker"
schedule = "*/7 * * * *"
timezone = "Europe/Berlin"
misfire = { all = 3 }
overlap = "queue"
"#,
        );
    }
    manifest::parse_toml(&text, "jackfield.toml").unwrap_or_else(|problems| panic!("{problems:?}"))
}
