//! Playing a scenario in a language: the systems are started, the example is deployed, and its steps follow.

use std::collections::BTreeMap;

use super::expect::ExpectedMail;
use super::file::{Scenario, Step};
use super::outside::Outside;
use super::run::Played;
use crate::env;
use crate::host::Host;
use crate::manifest::Manifest;

/// A scenario that is played.
pub(super) struct Play<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) outside: Outside,
    pub(super) host: Host,
    /// The runs of steps, by the steps' names.
    pub(super) runs: BTreeMap<String, String>,
    /// All messages that were sent to brokers: the lines of what was sent.
    pub(super) sent: Vec<Vec<u8>>,
    /// All mails that must have come.
    pub(super) mails: Vec<ExpectedMail>,
}

impl Scenario {
    /// Plays it in a language of its example, whose component is built, and checks what follows each step. Gives what the
    /// steps with a run of their own came to, for a comparison with another language.
    ///
    /// # Panics
    ///
    /// Something else followed.
    pub async fn play(&self, language: &str) -> Vec<Played> {
        let outside = Outside::start(self).await;
        // Only what is below it is the host's to read and write.
        let folders = outside.folder().display().to_string();
        let host = Host::options().set("connections.folders", &folders).start().await;
        let folder = self.folder.join(language);
        let text = std::fs::read_to_string(folder.join("jackfield.toml"));
        let text = text.unwrap_or_else(|e| panic!("{}: {e}", folder.join("jackfield.toml").display()));
        let built = sources(&text).map(|(name, file)| (name, env::guest(&folder.join(file).display().to_string())));
        let built: Vec<_> = built.collect();
        let components: Vec<_> = built.iter().map(|(name, wasm)| (name.as_str(), wasm.as_slice())).collect();
        self.deploy(&host, &outside, &text, &components).await;

        let mut play =
            Play { scenario: self, outside, host, runs: BTreeMap::new(), sent: Vec::new(), mails: Vec::new() };
        let mut all = Vec::new();
        for step in &self.steps {
            all.extend(play.step(step).await);
        }
        all
    }

    /// Starts the outside systems, sets up secrets, connections and settings, and deploys. Gives the outside systems.
    ///
    /// # Panics
    ///
    /// Something was refused.
    pub async fn set_up(&self, host: &Host, manifest: &str, components: &[(&str, &[u8])]) -> Outside {
        let outside = Outside::start(self).await;
        self.deploy(host, &outside, manifest, components).await;
        outside
    }

    async fn deploy(&self, host: &Host, outside: &Outside, manifest: &str, components: &[(&str, &[u8])]) {
        let (api, environment) = (host.api(), self.environment.as_str());
        for (name, value) in &self.secrets {
            api.set_secret(environment, name, &outside.text(value, &self.at(&format!("secrets.{name}")))).await;
        }
        for (name, connection) in &self.connections {
            let settings = outside.fill(&connection.settings, &self.at(&format!("connections.{name}.settings")));
            api.set_connection(environment, name, &connection.kind, settings).await;
        }
        let mut changed = Manifest::of(manifest);
        for (path, value) in &self.manifest {
            let at = self.at(&format!("manifest.\"{path}\""));
            let value = toml::Value::try_from(outside.fill(value, &at)).unwrap_or_else(|e| panic!("{at}: {e}"));
            changed = changed.set(path, value);
        }
        let manifest = if self.manifest.is_empty() { manifest.to_owned() } else { changed.text() };
        api.deploy(environment, &manifest, components).await;
        for (name, value) in &self.config {
            let value = outside.fill(value, &self.at(&format!("config.{name}")));
            api.set_config(environment, &self.integration, name, value).await;
        }
    }

    /// A key of the file, with the file.
    pub(super) fn at(&self, key: &str) -> String {
        format!("{}: {key}", self.folder.join("scenario.toml").display())
    }
}

/// The components of a manifest, and the files they are.
fn sources(manifest: &str) -> impl Iterator<Item = (String, String)> {
    let table: toml::Table = manifest.parse().expect("the manifest is TOML");
    let components = table.get("component").and_then(|found| found.as_table()).cloned().unwrap_or_default();
    components.into_iter().map(|(name, about)| {
        let file = about.get("source").and_then(|source| source.as_str()).expect("an example's component is a file");
        (name, file.to_owned())
    })
}

impl Play<'_> {
    async fn step(&mut self, step: &Step) -> Option<Played> {
        let started = self.act(&step.action).await.map(|answered| self.started(step, &answered));
        if let Some(runs) = step.kill_after {
            self.kill_after(step, runs).await;
        }
        let run = match &started {
            Some(id) => Some(self.ended(step, id).await),
            None => None,
        };
        if let Some(succeeded) = step.expect.succeeded {
            self.all_over(step, succeeded).await;
        }
        let arrived = self.arrived();
        let played = match &run {
            Some(run) => Some(self.played(step, run, &arrived).await),
            None => None,
        };
        self.same_calls(step, arrived);
        self.look(step).await;
        played
    }

    /// The run of a step, by what the host answered when it was started.
    fn started(&mut self, step: &Step, answered: &serde_json::Value) -> String {
        let name = &step.name;
        let id = answered["run"].as_str().unwrap_or_else(|| panic!("{name}: no run in {answered:#}")).to_owned();
        if let Some(other) = &step.expect.same_run_as {
            assert_eq!(Some(&id), self.runs.get(other), "{name}: another run than that of `{other}`");
        }
        self.runs.insert(name.clone(), id.clone());
        id
    }

    /// For a message: the step, and where it is.
    pub(super) fn of(&self, step: &Step, key: &str) -> String {
        format!("step `{}`: {}", step.name, self.scenario.at(key))
    }
}
