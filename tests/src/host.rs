//! A host: the built binary, with a data folder of its own, that a test starts, kills and starts again.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::api::Api;
use crate::{env, wait, warm};

/// Held by every host that runs: for reading, or by one that must have the machine to itself, for writing.
static MACHINE: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// A place on the machine. Never read, only held.
enum Place {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// How a host is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Settings, such as `("executor.slots", "4")`.
    pub settings: Vec<(String, String)>,
    /// Variables besides those that every host gets.
    pub variables: Vec<(String, String)>,
    /// The data folder, if it is not to be in the host's own temporary folder.
    pub data: Option<PathBuf>,
    /// Whether no other test of this program may have a host at the same time: for tests that measure time.
    pub alone: bool,
    /// Whether its first start is a first start, of a host that nobody compiled for; else see [`warm`].
    pub first_start: bool,
}

impl Options {
    /// With nothing that other hosts left: for tests that look at first starts, or at what compiling costs.
    #[must_use]
    pub fn first_start(mut self) -> Self {
        self.first_start = true;
        self
    }

    /// Waits until no other test has a host, and keeps them waiting.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Adds a setting.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Puts the data folder somewhere else.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Whether it shares with others what is in its own data folder.
    fn is_warm(&self) -> bool {
        !self.first_start && self.data.is_none()
    }

    /// A host that is not started yet; see [`Host::try_restart`].
    pub async fn prepare(self) -> Host {
        let born = if self.is_warm() { Some(warm::born().await) } else { None };
        let machine = Arc::clone(&MACHINE);
        let place = if self.alone {
            Place::Alone { _guard: machine.write_owned().await }
        } else {
            Place::Shared { _guard: machine.read_owned().await }
        };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let host = Host { folder, options: self, running: None, token: None, _place: place };
        if let Some(born) = born {
            warm::start_from(&born, host.folder(), &host.data());
        }
        host
    }

    /// Starts the host and logs in. A test has one host at a time: a second one could wait for ever for somebody who
    /// waits to be alone.
    pub async fn start(self) -> Host {
        let mut host = self.prepare().await;
        host.begin().await;
        host
    }
}

/// Where a host listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Addresses {
    /// Hooks.
    pub ingress: SocketAddr,
    /// The admin API.
    pub admin: SocketAddr,
    /// Metrics and health.
    pub metrics: SocketAddr,
}

struct Running {
    child: Child,
    addresses: Addresses,
}

/// A host. Killed when it is dropped.
pub struct Host {
    folder: TempDir,
    options: Options,
    running: Option<Running>,
    token: Option<String>,
    _place: Place,
}

impl Host {
    /// A host with default settings.
    pub async fn start() -> Self {
        Options::default().start().await
    }

    /// Options to change before the start.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.options.data.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    /// The host's own folder: log, master key, configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that the host printed since its first start.
    #[must_use]
    pub fn printed(&self) -> String {
        fs::read(self.log()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("host.log")
    }

    /// A command of the binary in the host's surroundings, logged in to it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(env::host_binary());
        command.env_clear().env("PATH", env::variable("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        if let Some(running) = &self.running {
            command.env("JACKFIELD_HOST", format!("http://{}", running.addresses.admin));
        }
        if let Some(token) = &self.token {
            command.env("JACKFIELD_TOKEN", token);
        }
        command.kill_on_drop(true);
        command
    }

    /// The arguments and variables that the host is served with.
    fn serve(&self) -> Command {
        let mut command = Command::new(env::host_binary());
        command.env_clear().env("PATH", env::variable("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.current_dir(self.folder.path()).arg("serve");
        let data = self.data().display().to_string();
        let key = self.folder.path().join("master.key").display().to_string();
        let own = [
            ("data", data.as_str()),
            ("master_key_file", &key),
            ("ingress.listen", "127.0.0.1:0"),
            ("admin.listen", "127.0.0.1:0"),
            ("metrics.listen", "127.0.0.1:0"),
        ];
        let given = self.options.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in own.into_iter().chain(given) {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        for (name, value) in &self.options.variables {
            command.env(name, value);
        }
        command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the process, waits until it listens, and logs in if it never did.
    async fn begin(&mut self) {
        self.begin_with(|command| command).await;
    }

    async fn begin_with(&mut self, change: impl FnOnce(Command) -> Command) {
        if let Err(status) = self.try_begin(change).await {
            panic!("the host ended at its start ({status}):\n{}", self.printed());
        }
        self.login().await;
    }

    /// Starts it on the same data with changed options, and gives how long it took to listen.
    ///
    /// # Errors
    ///
    /// It ended before it listened.
    pub async fn try_restart(&mut self, options: impl FnOnce(&mut Options)) -> Result<Duration, ExitStatus> {
        options(&mut self.options);
        let begun = std::time::Instant::now();
        self.try_begin(|command| command).await?;
        Ok(begun.elapsed())
    }

    async fn try_begin(&mut self, change: impl FnOnce(Command) -> Command) -> Result<(), ExitStatus> {
        assert!(self.running.is_none(), "the host runs already");
        // Left by the process before, it would name ports that nobody listens on.
        let file = self.data().join("listeners.json");
        remove(&file).expect("the old addresses can be removed");
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("the log can be opened");
        let mut command = change(self.serve());
        let mut child = command.stderr(log).spawn().expect("the host can be started");

        let begun = std::time::Instant::now();
        let addresses: Addresses = loop {
            let read = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if let Some(addresses) = read {
                break addresses;
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(status);
            }
            assert!(
                begun.elapsed() < wait::LONG,
                "the host does not listen after {:?}:\n{}",
                wait::LONG,
                self.printed()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.running = Some(Running { child, addresses });
        Ok(())
    }

    /// Logs in, if it never did.
    pub async fn login(&mut self) {
        if self.token.is_some() {
            return;
        }
        let file = self.data().join("setup-token");
        let setup_token =
            fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}\n{}", file.display(), self.printed()));
        let body = serde_json::json!({ "setup_token": setup_token.trim(), "name": "test" });
        let answered = Api::new(self.admin(), "").post("/v1/login", &body).await;
        assert_eq!(answered.status, 200, "login: {:#}", answered.body);
        self.token = Some(answered.body["token"].as_str().expect("a login is answered with a token").to_owned());
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.running.as_ref().expect("the host runs").addresses
    }

    /// The base of the admin API.
    #[must_use]
    pub fn admin(&self) -> String {
        format!("http://{}", self.addresses().admin)
    }

    /// The base of metrics and health.
    #[must_use]
    pub fn metrics(&self) -> String {
        format!("http://{}", self.addresses().metrics)
    }

    /// A client of the admin API with all rights.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.admin(), self.token.clone().unwrap_or_default())
    }

    /// The address of a hook as it is now: a host that was started again may listen on another port.
    pub async fn hook(&self, environment: &str, integration: &str, trigger: &str) -> String {
        let triggers = self.api().get(&format!("/v1/environments/{environment}/triggers")).await;
        let found = triggers
            .as_array()
            .into_iter()
            .flatten()
            .find(|t| t["integration"] == integration && t["trigger"] == trigger);
        let url = found.and_then(|t| t["url"].as_str()).unwrap_or_else(|| panic!("no hook {trigger} in {triggers:#}"));
        let url = url::Url::parse(url).expect("a hook's address is a URL");
        format!("http://{}{}", self.addresses().ingress, url.path())
    }

    /// The process, while it runs.
    #[must_use]
    pub fn pid(&self) -> i32 {
        let child = &self.running.as_ref().expect("the host runs").child;
        child.id().and_then(|pid| pid.try_into().ok()).expect("a process that was not waited for has an id")
    }

    /// What the kernel says of the process's memory, in bytes: `RssAnon` is what it has of its own, without mapped
    /// files; `VmHWM` the most that was resident so far.
    #[must_use]
    pub fn memory(&self, which: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the host runs");
        let line =
            status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).expect("the kernel counts it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB") << 10
    }

    /// Whether the process is still there.
    pub fn is_alive(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| matches!(running.child.try_wait(), Ok(None)))
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).expect("a process has an id above 0");
        rustix::process::kill_process(pid, signal).expect("a child can be signalled");
    }

    /// `kill -9`, and waits until the process is gone.
    pub async fn kill9(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        let status = self.ended().await;
        assert_eq!(status.signal(), Some(9), "it had ended by itself ({status}):\n{}", self.printed());
    }

    /// `kill -9` to a process that may have ended by itself by now; gives how it ended.
    pub async fn end(&mut self) -> ExitStatus {
        if self.is_alive() {
            self.signal(rustix::process::Signal::KILL);
        }
        self.ended().await
    }

    /// SIGTERM, and waits for nothing.
    pub fn ask_to_stop(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// SIGTERM, and waits until the process is gone.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.ended().await
    }

    /// Waits until the process is gone by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("the host runs");
        match tokio::time::timeout(wait::LONG, running.child.wait()).await {
            Ok(status) => status.expect("a child can be waited for"),
            Err(_) => panic!("the host does not end:\n{}", self.printed()),
        }
    }

    /// Starts it again on the same data.
    pub async fn restart(&mut self) {
        self.begin().await;
    }

    /// Starts it again on the same data, with other settings.
    pub async fn restart_with(&mut self, options: impl FnOnce(Options) -> Options) {
        self.options = options(std::mem::take(&mut self.options));
        self.begin().await;
    }

    /// Starts it again under another program, such as `strace`, whose arguments come first.
    pub async fn restart_under(&mut self, program: &str, arguments: &[&str]) {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let program = program.to_owned();
        self.begin_with(move |inner| {
            let inner = inner.into_std();
            let mut outer = Command::new(program);
            outer.args(arguments).arg(inner.get_program()).args(inner.get_args());
            outer.env_clear().current_dir(inner.get_current_dir().unwrap_or(Path::new(".")));
            for (name, value) in inner.get_envs() {
                if let Some(value) = value {
                    outer.env(name, value);
                }
            }
            outer.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null());
            outer
        })
        .await;
    }

    /// Every sample of `/metrics`, as `name{labels}` and value.
    pub async fn samples(&self) -> Vec<(String, f64)> {
        let text = self.metrics_text().await;
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
    }

    /// What `/metrics` says.
    pub async fn metrics_text(&self) -> String {
        let response = reqwest::get(format!("{}/metrics", self.metrics())).await.expect("metrics are answered");
        assert_eq!(response.status(), 200);
        response.text().await.expect("metrics are text")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.options.is_warm() {
            warm::keep(&self.data());
        }
        if std::thread::panicking() {
            let printed = self.printed();
            let lines: Vec<&str> = printed.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            #[expect(clippy::print_stderr, reason = "the reader of a failed test wants to know what the host said")]
            {
                eprintln!("── the host's last words ──\n{tail}\n───────────────────────────");
            }
        }
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Sends a webhook, and gives the whole answer.
///
/// # Errors
///
/// There was no answer.
pub async fn post_hook(
    url: &str,
    headers: &[(String, String)],
    body: impl Into<Vec<u8>>,
) -> reqwest::Result<(u16, reqwest::header::HeaderMap, Value)> {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(90)).build()?;
    let mut request = client.post(url).body(body.into());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    Ok((status, headers, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}
