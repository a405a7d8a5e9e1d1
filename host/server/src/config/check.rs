//! Checks the configuration whole: every complaint at once, each with its key, value and way out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;
use jackfield_core::ids::shown;
use jackfield_core::logs::LogRetention;
use jackfield_core::seal::MasterKey;
use jackfield_core::store::queue::Retention;
use tracing_subscriber::EnvFilter;
use url::Url;
use zeroize::Zeroizing;

use super::raw::{self, Raw};
use super::{
    Admin, Config, Connections, ExecutorConfig, Ingress, ListenerLimits, Log, LogFormat, MasterKeySource, Metrics,
    Network, Problem, Problems, QueueCaps, Tls, units,
};

/// What defaults depend on besides the defaults file.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Processors this process may use.
    pub cores: u32,
    /// Memory this process may use, in bytes.
    pub memory_bytes: u64,
    /// The user's configuration folder.
    pub config_home: Option<PathBuf>,
    /// The folder that relative paths start from.
    pub here: PathBuf,
}

fn folder(name: &str) -> Option<PathBuf> {
    std::env::vars_os().find(|(n, v)| n == name && !v.is_empty()).map(|(_, value)| PathBuf::from(value))
}

/// The user's folder for what can be made again.
#[must_use]
pub fn cache_home() -> Option<PathBuf> {
    folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            memory_bytes: memory_bytes(),
            config_home: folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config"))),
            here: std::env::current_dir().unwrap_or_default(),
        }
    }
}

/// The machine's memory, or what its control group may use if that is less.
fn memory_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    let all = (system.totalram as u64).saturating_mul(u64::from(system.mem_unit));
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok())
        .min();
    group.map_or(all, |group| group.min(all))
}

const DAY: Duration = Duration::from_secs(86_400);
const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);
const MIB: u64 = 1 << 20;

struct Check<'a> {
    origins: &'a BTreeMap<String, String>,
    problems: Problems,
}

pub(super) fn check(
    table: toml::Table,
    origins: &BTreeMap<String, String>,
    problems: Problems,
    master_key: Option<String>,
    machine: &Machine,
) -> Result<Config, Problems> {
    let mut check = Check { origins, problems };
    // The layers hold only names and types of the defaults, so this cannot fail on what was written.
    let raw: Raw = match table.try_into() {
        Ok(raw) => raw,
        Err(e) => {
            check.complain("", e.message().to_owned());
            return Err(check.problems);
        }
    };

    let data = check.path("data", &raw.data, machine);
    if raw.data.is_empty() {
        check.complain("data", "must name a folder".into());
    }
    let master_key = check.master_key(&raw, master_key, data.as_deref(), machine);

    let ingress = Ingress {
        listen: check.address("ingress.listen", &raw.ingress.listen),
        url: check.url("ingress.url", &raw.ingress.url),
        tls: check.tls("ingress.tls", &raw.ingress.tls, machine),
        trusted_proxies: check.networks("ingress.trusted_proxies", &raw.ingress.trusted_proxies),
    };
    let admin = Admin {
        listen: check.address("admin.listen", &raw.admin.listen),
        tls: check.tls("admin.tls", &raw.admin.tls, machine),
    };
    if !admin.listen.ip().is_loopback() && admin.tls.is_none() && !raw.admin.public {
        check.complain(
            "admin.listen",
            format!(
                "{} can be reached from other machines, and tokens would cross the network in clear: set \
                 admin.tls = {{ cert, key }}, or listen on 127.0.0.1, or say admin.public = true if a proxy in front speaks TLS",
                admin.listen
            ),
        );
    }
    let metrics = Metrics {
        listen: check.address("metrics.listen", &raw.metrics.listen),
        max_series: check.count("metrics.max_series", raw.metrics.max_series, 1, 1_000_000),
    };
    let listens =
        [("ingress.listen", ingress.listen), ("admin.listen", admin.listen), ("metrics.listen", metrics.listen)];
    for (index, (key, address)) in listens.iter().enumerate() {
        if let Some((other, _)) = listens[..index].iter().find(|(_, a)| a == address && a.port() != 0) {
            check.complain(key, format!("{address} is taken by {other}: give it another port, or 0 for a free one"));
        }
    }

    let listeners = check.listeners(&raw.listeners);
    let executor = check.executor(&raw.executor, machine);
    let queue = QueueCaps {
        runs: check.count("queue.runs", raw.queue.runs, 1, 1_000_000_000) as u64,
        bytes: check.size("queue.bytes", &raw.queue.bytes, MIB, 1 << 50),
    };
    let retention = Retention {
        age: check.duration("retention.age", &raw.retention.age, Duration::from_secs(60), YEARS),
        runs: check.count("retention.runs", raw.retention.runs, 0, i64::MAX) as u64,
        bytes: check.size("retention.bytes", &raw.retention.bytes, 0, 1 << 50),
    };
    let log_retention = LogRetention {
        age: check.duration("retention.logs.age", &raw.retention.logs.age, DAY, YEARS),
        bytes: check.size("retention.logs.bytes", &raw.retention.logs.bytes, MIB, 1 << 50),
    };
    let network = check.network(&raw.network);
    let connections = check.connections(&raw.connections);
    let log = check.log(&raw.log);

    match (data, master_key) {
        (Some(data), Some(master_key)) if check.problems.0.is_empty() => Ok(Config {
            data,
            master_key,
            ingress,
            admin,
            metrics,
            listeners,
            executor,
            queue,
            retention,
            log_retention,
            network,
            connections,
            log,
            file: None,
            strange_variables: Vec::new(),
        }),
        _ => Err(check.problems),
    }
}

impl Check<'_> {
    fn complain(&mut self, key: &str, text: String) {
        let origin = self.origins.get(key).cloned().unwrap_or_else(|| "default".into());
        self.problems.0.push(Problem { origin, key: key.into(), text });
    }

    /// The value, or a complaint and a stand-in that is never used.
    fn or_complain<T>(&mut self, key: &str, value: Result<T, String>, stand_in: T) -> T {
        value.unwrap_or_else(|text| {
            self.complain(key, text);
            stand_in
        })
    }

    fn path(&mut self, key: &str, text: &str, machine: &Machine) -> Option<PathBuf> {
        if text.contains('\0') {
            self.complain(key, "is not a path".into());
            return None;
        }
        Some(machine.here.join(text))
    }

    fn address(&mut self, key: &str, text: &str) -> SocketAddr {
        let address = text.parse().map_err(|_| {
            format!(
                "`{}` is not an address and port: write 127.0.0.1:8080, or [::]:8080 for all of this machine",
                shown(text)
            )
        });
        self.or_complain(key, address, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn url(&mut self, key: &str, text: &str) -> Option<Url> {
        if text.is_empty() {
            return None;
        }
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if url.is_none() {
            self.complain(key, format!("`{}` is not a base address: write https://hooks.example.com", shown(text)));
        }
        url
    }

    fn tls(&mut self, key: &str, tls: &raw::Tls, machine: &Machine) -> Option<Tls> {
        match (tls.cert.is_empty(), tls.key.is_empty()) {
            (true, true) => None,
            (false, false) => Some(Tls { cert: machine.here.join(&tls.cert), key: machine.here.join(&tls.key) }),
            (given, _) => {
                let missing = if given { "cert" } else { "key" };
                self.complain(
                    &format!("{key}.{missing}"),
                    "is missing: TLS needs both cert and key, two PEM files".into(),
                );
                None
            }
        }
    }

    fn networks(&mut self, key: &str, list: &[String]) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for text in list {
            match text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from)) {
                Ok(network) => networks.push(network),
                Err(_) => self.complain(
                    key,
                    format!("`{}` is not an address or a network: write 10.1.2.3 or 10.0.0.0/8", shown(text)),
                ),
            }
        }
        networks
    }

    fn count(&mut self, key: &str, number: i64, least: i64, most: i64) -> usize {
        if !(least..=most).contains(&number) {
            let most = if most == i64::MAX { "more".to_owned() } else { most.to_string() };
            self.complain(key, format!("{number} is not possible: {least} to {most}"));
        }
        usize::try_from(number).unwrap_or(0)
    }

    fn duration(&mut self, key: &str, text: &str, least: Duration, most: Duration) -> Duration {
        let value = units::duration(text).and_then(|value| {
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(format!("{text} is not possible: {least:?} to {most:?}"))
            }
        });
        self.or_complain(key, value, least)
    }

    fn size(&mut self, key: &str, text: &str, least: u64, most: u64) -> u64 {
        let value = units::size(text).and_then(|value| {
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(format!("{text} is not possible: {} to {}", shown_size(least), shown_size(most)))
            }
        });
        self.or_complain(key, value, least)
    }

    fn master_key(
        &mut self,
        raw: &Raw,
        variable: Option<String>,
        data: Option<&Path>,
        machine: &Machine,
    ) -> Option<MasterKeySource> {
        const KEY: &str = "master_key_file";
        if let Some(text) = variable.map(Zeroizing::new) {
            let bytes = BASE64_STANDARD.decode(text.trim()).map(Zeroizing::new).ok();
            let Some(key) = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()) else {
                self.problems.0.push(Problem {
                    origin: "JACKFIELD_MASTER_KEY".into(),
                    key: String::new(),
                    text: "is not 32 bytes as base64; `head -c 32 /dev/urandom | base64` makes a key".into(),
                });
                return None;
            };
            return Some(MasterKeySource::Given(MasterKey::from_bytes(key)));
        }
        let file = if raw.master_key_file.is_empty() {
            let Some(home) = &machine.config_home else {
                self.complain(
                    KEY,
                    "there is neither XDG_CONFIG_HOME nor HOME to keep a key in: name a file, or set JACKFIELD_MASTER_KEY".into(),
                );
                return None;
            };
            home.join("jackfield/master.key")
        } else {
            machine.here.join(&raw.master_key_file)
        };
        if data.is_some_and(|data| file.starts_with(data)) {
            self.complain(
                KEY,
                format!(
                    "{} lies in the data folder: whoever takes the data would have the key too; name another place",
                    file.display()
                ),
            );
            return None;
        }
        Some(MasterKeySource::File(file))
    }

    fn listeners(&mut self, raw: &raw::Listeners) -> ListenerLimits {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let limits = ListenerLimits {
            connections: self.count("listeners.connections", raw.connections, 1, 1_000_000),
            connections_per_ip: self.count("listeners.connections_per_ip", raw.connections_per_ip, 1, 1_000_000),
            header_timeout: self.duration("listeners.header_timeout", &raw.header_timeout, second, hour),
            header_bytes: self.size("listeners.header_bytes", &raw.header_bytes, 8 << 10, MIB) as usize,
            headers: self.count("listeners.headers", raw.headers, 16, 1_000),
            body_timeout: self.duration("listeners.body_timeout", &raw.body_timeout, second, hour),
            body_rate: self.size("listeners.body_rate", &raw.body_rate, 0, 1 << 30),
            idle_timeout: self.duration("listeners.idle_timeout", &raw.idle_timeout, second, hour),
        };
        if limits.connections < limits.connections_per_ip {
            self.complain(
                "listeners.connections_per_ip",
                format!(
                    "{} must not be more than listeners.connections ({})",
                    limits.connections_per_ip, limits.connections
                ),
            );
        }
        limits
    }

    fn executor(&mut self, raw: &raw::Executor, machine: &Machine) -> ExecutorConfig {
        let slots =
            match raw.slots.as_str() {
                "auto" => NonZeroU32::new(machine.cores.saturating_mul(4).min(10_000)).ok_or_else(String::new),
                text => text.parse::<u32>().ok().filter(|n| *n <= 10_000).and_then(NonZeroU32::new).ok_or_else(|| {
                    format!("`{}` is not possible: 1 to 10000, or \"auto\" for four a core", shown(text))
                }),
            };
        let slots = self.or_complain("executor.slots", slots, NonZeroU32::MIN);
        let memory = match raw.memory.strip_suffix('%') {
            Some(share) => share
                .parse::<u64>()
                .ok()
                .filter(|share| (1..=95).contains(share))
                .map(|share| machine.memory_bytes / 100 * share)
                .ok_or_else(|| format!("`{}` is not a share: 1% to 95%", shown(&raw.memory))),
            None => units::size(&raw.memory).map_err(|problem| format!("{problem}, or a share such as 60%")),
        };
        let memory = memory.and_then(|bytes| {
            if bytes < 64 * MIB {
                return Err(format!("{} is {} MiB: guests need 64MiB or more", shown(&raw.memory), bytes / MIB));
            }
            if bytes > machine.memory_bytes {
                return Err(format!(
                    "{} is more than this machine has ({} MiB)",
                    shown(&raw.memory),
                    machine.memory_bytes / MIB
                ));
            }
            Ok(bytes)
        });
        ExecutorConfig {
            slots,
            memory_bytes: self.or_complain("executor.memory", memory, 0),
            drain: self.duration("executor.drain", &raw.drain, Duration::ZERO, Duration::from_secs(3600)),
        }
    }

    fn network(&mut self, raw: &raw::Network) -> Network {
        let allowed = |text: &str| match text {
            "allow" => Ok(true),
            "deny" => Ok(false),
            other => Err(format!("`{}` is neither \"allow\" nor \"deny\"", shown(other))),
        };
        let private = self.or_complain("network.private_addresses", allowed(&raw.private_addresses), false);
        let mut environments = BTreeMap::new();
        for (name, text) in &raw.environments {
            let key = format!("network.environments.{}", shown(name));
            match name.parse() {
                Ok(name) => {
                    let allowed = self.or_complain(&key, allowed(text), false);
                    environments.insert(name, allowed);
                }
                Err(bad) => self.complain(&key, jackfield_core::ids::BadName::to_string(&bad)),
            }
        }
        Network { private, environments }
    }

    fn connections(&mut self, raw: &raw::Connections) -> Connections {
        let mut folders = Vec::new();
        for text in &raw.folders {
            let path = PathBuf::from(text);
            if path.is_absolute() && path.parent().is_some() {
                folders.push(path);
            } else {
                let text =
                    format!("`{}` is not a folder to give away: write a whole path, such as /srv/inbox", shown(text));
                self.complain("connections.folders", text);
            }
        }
        Connections { folders }
    }

    fn log(&mut self, raw: &raw::Log) -> Log {
        if raw.level.is_empty() || EnvFilter::builder().parse(&raw.level).is_err() {
            self.complain(
                "log.level",
                format!(
                    "`{}` is not a level: error, warn, info, debug, trace, or filters such as info,hyper=debug",
                    shown(&raw.level)
                ),
            );
        }
        let format = match raw.format.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                self.complain("log.format", format!("`{}` is neither \"text\" nor \"json\"", shown(other)));
                LogFormat::Text
            }
        };
        Log { level: raw.level.clone(), format }
    }
}

fn shown_size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 => format!("{}GiB", b >> 30),
        b if b >= 1 << 20 => format!("{}MiB", b >> 20),
        b if b >= 1 << 10 => format!("{}KiB", b >> 10),
        b => format!("{b}B"),
    }
}
