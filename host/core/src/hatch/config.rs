//! The hatch's config reads: recorded like any read, so that a retried run sees the same value.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Begun, Hatch, Stop};
use crate::grant::Capability;
use crate::ids::shown as printable;
use crate::journal::{ArgumentHash, Class, LookUp, Verdict, What};
use crate::metrics::CallResult;

/// Why a setting could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "error", content = "text")]
pub enum ConfigError {
    /// No grant; the text is the line to add.
    AccessDenied(String),
}

/// A setting's value, or none if the environment does not set it.
pub type ConfigAnswer = Result<Option<String>, ConfigError>;

type Settings = Vec<(String, String)>;

impl Hatch {
    /// Reads a setting.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn config_get(&self, call: u32, name: &str) -> Result<ConfigAnswer, Stop> {
        if !self.grants.config(name) {
            let line = format!("config = [\"{}\"]", printable(name));
            self.refuse(call, Capability::Config, &printable(name), &line);
            return Ok(Err(ConfigError::AccessDenied(line)));
        }
        let all = self.settings(call, &format!("get {name}"), |known| known == name).await?;
        Ok(Ok(all.into_iter().next().map(|(_, value)| value)))
    }

    /// Reads every granted setting that has a value, by name.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn config_get_all(&self, call: u32) -> Result<Settings, Stop> {
        self.settings(call, "get-all", |name| self.grants.config(name)).await
    }

    async fn settings(&self, call: u32, text: &str, wanted: impl Fn(&str) -> bool) -> Result<Settings, Stop> {
        let what = What { capability: Capability::Config, text: text.to_owned() };
        let hash = ArgumentHash::of([text.as_bytes()]);
        let shown = |settings: &Settings| if settings.is_empty() { "none" } else { "ok" }.to_owned();
        if let LookUp::Answered { verdict, answer, took_ms } = self.look_up(call, &what, &hash)? {
            return self.replay::<Settings>(call, &what, verdict, &answer, took_ms, shown);
        }
        let settings = match self.outside.store.config(&self.info.target.scope()).await {
            Ok(settings) => settings,
            Err(fault) => return Err(self.end(Stop::HostFault(fault.to_string()))),
        };
        let settings: Settings = settings
            .into_iter()
            .filter(|(name, _)| wanted(name.as_str()))
            .map(|(name, value)| {
                let text = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                (name.to_string(), text)
            })
            .collect();
        let begun = Begun { call, what, hash, class: Class::Read, generation: 0, interrupted: false };
        self.record(&begun, Verdict::Done, Duration::ZERO, &settings, shown(&settings));
        self.outside.metrics.call(&self.info.target, Capability::Config, CallResult::Ok);
        Ok(settings)
    }
}
