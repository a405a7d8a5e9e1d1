//! The configuration: read raw from its layers, then checked whole; whoever holds a [`Config`] need
//! not check again.
//!
//! The only place that reads files, variables and flags as configuration. Defaults are in
//! `defaults.toml` and nowhere else.

mod check;
mod gauntlet;
mod layers;
mod raw;
mod units;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use jackfield_core::ids::EnvironmentName;
use jackfield_core::logs::LogRetention;
use jackfield_core::seal::MasterKey;
use jackfield_core::store::queue::Retention;
use url::Url;

pub use check::Machine;
pub use gauntlet::arm as arm_gauntlet;
pub use layers::DEFAULTS;

/// Files that are read if `--config` names none; the first one found is the one.
const FILES: [&str; 2] = ["./jackfield-host.toml", "/etc/jackfield/host.toml"];

/// The configuration after checking.
#[derive(Debug)]
pub struct Config {
    /// `data`, absolute.
    pub data: PathBuf,
    /// `master_key_file` or `JACKFIELD_MASTER_KEY`.
    pub master_key: MasterKeySource,
    /// `[ingress]`
    pub ingress: Ingress,
    /// `[admin]`
    pub admin: Admin,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[listeners]`
    pub listeners: ListenerLimits,
    /// `[executor]`
    pub executor: ExecutorConfig,
    /// `[queue]`
    pub queue: QueueCaps,
    /// `[retention]`
    pub retention: Retention,
    /// `[retention.logs]`
    pub log_retention: LogRetention,
    /// `[network]`
    pub network: Network,
    /// `[connections]`
    pub connections: Connections,
    /// `[log]`
    pub log: Log,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Variables that look like settings and are none.
    pub strange_variables: Vec<String>,
}

/// Where the master key comes from.
#[derive(Debug)]
pub enum MasterKeySource {
    /// A file, made at first start.
    File(PathBuf),
    /// The variable held it.
    Given(MasterKey),
}

/// `[ingress]`
#[derive(Debug)]
pub struct Ingress {
    /// Where hooks arrive.
    pub listen: SocketAddr,
    /// As the outside world sees it.
    pub url: Option<Url>,
    /// Its certificate.
    pub tls: Option<Tls>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// `[admin]`
#[derive(Debug)]
pub struct Admin {
    /// Where the admin API listens. Beyond this machine only with TLS here or, as declared, in front.
    pub listen: SocketAddr,
    /// Its certificate.
    pub tls: Option<Tls>,
}

/// `[metrics]`
#[derive(Debug)]
pub struct Metrics {
    /// Where metrics and health are served.
    pub listen: SocketAddr,
    /// Label combinations of one metric.
    pub max_series: usize,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[listeners]`: what a peer may do to one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Connections at the same time.
    pub connections: usize,
    /// Connections from one address at the same time.
    pub connections_per_ip: usize,
    /// From the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// The head of a request, in bytes.
    pub header_bytes: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// A whole body.
    pub body_timeout: Duration,
    /// What a body must bring after its first ten seconds, in bytes a second.
    pub body_rate: u64,
    /// Without a request.
    pub idle_timeout: Duration,
}

/// `[executor]`
#[derive(Debug)]
pub struct ExecutorConfig {
    /// Attempts at the same time.
    pub slots: NonZeroU32,
    /// Memory for guests, in bytes.
    pub memory_bytes: u64,
    /// How long running attempts get when the host stops.
    pub drain: Duration,
}

/// `[queue]`: what may wait, per integration and environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueCaps {
    /// Runs.
    pub runs: u64,
    /// Bytes of their events.
    pub bytes: u64,
}

/// `[network]`
#[derive(Debug)]
pub struct Network {
    private: bool,
    environments: BTreeMap<EnvironmentName, bool>,
}

impl Network {
    /// The same for environments that nothing is said of.
    #[must_use]
    pub fn private_by_default(&self) -> bool {
        self.private
    }

    /// The environments for which something is said.
    #[must_use]
    pub fn environments(&self) -> &BTreeMap<EnvironmentName, bool> {
        &self.environments
    }
}

/// `[connections]`
#[derive(Debug)]
pub struct Connections {
    /// Folders that connections may be about.
    pub folders: Vec<PathBuf>,
}

/// `[log]`
#[derive(Debug)]
pub struct Log {
    /// A level, or filters.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How the host's own log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings that `serve` takes as flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// The configuration file [default: ./jackfield-host.toml, /etc/jackfield/host.toml]
    #[arg(long, value_name = "FILE", env = "JACKFIELD_CONFIG")]
    pub config: Option<PathBuf>,
    /// The folder that everything is kept in
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<String>,
    /// Where webhooks arrive
    #[arg(long, value_name = "ADDRESS")]
    pub ingress: Option<String>,
    /// Where the admin API listens
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
    /// Where metrics and health are served
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<String>,
    /// Any other setting; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was said: `host.toml:12`, `JACKFIELD_EXECUTOR_DRAIN`, `--set`, `default`.
    pub origin: String,
    /// The setting.
    pub key: String,
    /// What is wrong with its value, and the way out.
    pub text: String,
}

/// All that is wrong with the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Those of the file first, in its order.
    fn sort(&mut self) {
        let line = |origin: &str| origin.rsplit_once(':').and_then(|(_, line)| line.parse::<u64>().ok());
        self.0.sort_by_key(|problem| line(&problem.origin).unwrap_or(u64::MAX));
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { origin, key, text }) in self.0.iter().enumerate() {
            let line_end = if index + 1 == self.0.len() { "" } else { "\n" };
            let colon = if key.is_empty() { "" } else { ": " };
            write!(f, "  {origin}  {key}{colon}{text}{line_end}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Config {
    /// Reads the configuration of this process: file, variables, `flags`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at once.
    pub fn load(flags: &Flags) -> Result<Self, Problems> {
        let variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("JACKFIELD_"))
            .collect();
        let file = match &flags.config {
            Some(named) => Some(named.clone()),
            None => FILES.iter().map(PathBuf::from).find(|file| file.exists()),
        };
        let text = match &file {
            None => None,
            Some(path) => Some(std::fs::read_to_string(path).map_err(|e| {
                let origin = path.display().to_string();
                Problems(vec![Problem { origin, key: String::new(), text: format!("cannot be read: {e}") }])
            })?),
        };
        let read = file.as_deref().zip(text.as_deref());
        Self::from_layers(read, variables, flags, &Machine::this())
    }

    /// The configuration that these layers make on `machine`. Reads nothing else.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at once.
    pub fn from_layers(
        file: Option<(&Path, &str)>,
        variables: Vec<(String, String)>,
        flags: &Flags,
        machine: &Machine,
    ) -> Result<Self, Problems> {
        let mut layers = layers::Layers::new();
        if let Some((path, text)) = file {
            let name =
                path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
            layers.file(&name, text);
        }
        let master_key = variables.iter().find(|(name, _)| name == "JACKFIELD_MASTER_KEY").map(|(_, key)| key.clone());
        let strange_variables = layers.variables(variables);
        for (key, flag, value) in [
            ("data", "--data", &flags.data),
            ("ingress.listen", "--ingress", &flags.ingress),
            ("admin.listen", "--admin", &flags.admin),
            ("metrics.listen", "--metrics", &flags.metrics),
        ] {
            if let Some(value) = value {
                layers.set(key, value, flag);
            }
        }
        for pair in &flags.set {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            layers.set(key.trim(), value.trim(), "--set");
        }
        let (table, origins, problems) = layers.end();
        let mut config = check::check(table, &origins, problems, master_key, machine).map_err(|mut problems| {
            problems.sort();
            problems
        })?;
        config.file = file.map(|(path, _)| path.to_owned());
        config.strange_variables = strange_variables;
        Ok(config)
    }
}

/// The folder of what this user's command line keeps and could make again.
#[must_use]
pub fn user_cache() -> Option<PathBuf> {
    check::cache_home().map(|home| home.join("jackfield"))
}

/// The folder of this user's own configuration: the master key by default, and the command line's token.
#[must_use]
pub fn user_folder() -> Option<PathBuf> {
    Machine::this().config_home.map(|home| home.join("jackfield"))
}
