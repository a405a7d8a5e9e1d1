//! One server's process and its children: begun, signalled, ended, waited for. It does not know what they serve.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::watcher;
use crate::{env, wait};

/// The process begins only when the watcher knows it, so that there is no moment in which nobody would end it.
const GATE: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// A server's process, in a folder of its own. Ended and removed when it is dropped.
pub struct Process {
    name: &'static str,
    folder: TempDir,
    child: Option<Child>,
    /// How long the log was when the process began.
    log_begins: u64,
}

impl Process {
    /// One that does not run yet, with an empty folder.
    pub(super) fn new(name: &'static str) -> Self {
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(watcher::folder());
        let folder = folder.expect("a folder can be made in one's own");
        Self { name, folder, child: None, log_begins: 0 }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What it printed since it was started for the last time.
    #[must_use]
    pub fn printed(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(self.log())
            && file.seek(SeekFrom::Start(self.log_begins)).is_ok()
        {
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its last words, for whoever reads of a failure.
    #[must_use]
    pub fn last_words(&self) -> String {
        let printed = self.printed();
        let lines: Vec<&str> = printed.lines().collect();
        format!("── {} ──\n{}\n──", self.name, lines[lines.len().saturating_sub(40)..].join("\n"))
    }

    /// Begins it: in a group of its own, with nothing of the test's environment but `PATH`.
    pub(super) fn begin(&mut self, command: &Command) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(self.log()).expect("the log can be opened");
        self.log_begins = log.metadata().map_or(0, |data| data.len());
        let mut gate = Command::new("sh");
        gate.args(["-c", GATE, self.name]).arg(command.get_program()).args(command.get_args());
        surround(&mut gate, self.folder());
        gate.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        gate.stdin(Stdio::piped()).stdout(log.try_clone().expect("a file can be opened twice")).stderr(log);
        let mut child = gate.process_group(0).spawn().expect("sh can be started");
        watcher::started(pid(&child));
        let mut pipe = child.stdin.take().expect("the pipe was asked for");
        pipe.write_all(b"\n").expect("sh waits for a line");
        self.child = Some(child);
    }

    /// Its process id, while it runs.
    ///
    /// # Panics
    ///
    /// It does not run.
    #[must_use]
    pub fn pid(&self) -> Pid {
        pid(self.child.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name)))
    }

    /// How it ended, if it did by itself.
    pub(super) fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.forget();
        Some(status)
    }

    fn forget(&mut self) {
        if let Some(child) = self.child.take() {
            watcher::ended(pid(&child));
        }
    }

    /// Sends a signal to the process alone.
    pub(super) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("a child that was not waited for can be signalled");
    }

    /// Sends a signal to the process and all that it started. Stopped first, so that none starts another meanwhile.
    pub(super) fn signal_all(&self, signal: Signal) {
        for pid in stopped_family(self.pid()) {
            // A child may have ended by itself.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until the process has ended.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.has_ended() {
                return status;
            }
            assert!(begun.elapsed() < wait::LONG, "{} does not end:\n{}", self.name, self.last_words());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            if matches!(child.try_wait(), Ok(None)) {
                self.signal_all(Signal::KILL);
            }
            if let Some(child) = &mut self.child {
                let _ = child.wait();
            }
            self.forget();
        }
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the reader of a failed test wants to know what the server said")]
            {
                eprintln!("{}", self.last_words());
            }
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// A process and all below it, every one of them stopped.
fn stopped_family(first: Pid) -> Vec<Pid> {
    let mut found = vec![first];
    let mut seen = BTreeSet::from([first.as_raw_nonzero()]);
    let mut next = 0;
    while next < found.len() {
        let pid = found[next];
        let _ = rustix::process::kill_process(pid, Signal::STOP);
        // One that is forking just now ends that first, and its child would not be seen.
        let begun = Instant::now();
        while !has_stopped(pid) && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_micros(200));
        }
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
            found.extend(children.filter(|child| seen.insert(child.as_raw_nonzero())));
        }
        next += 1;
    }
    found
}

/// Whether a process is stopped or gone.
fn has_stopped(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Its state follows its name, which is in parentheses and may hold some.
    let state = status.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_none_or(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
}

/// Gives a command what a server or its tools may see of the test's surroundings: next to nothing.
pub(super) fn surround(command: &mut Command, folder: &Path) {
    command.env_clear().env("PATH", env::variable("PATH").unwrap_or_default());
    command.env("HOME", folder).env("LANG", "C.UTF-8").current_dir(folder);
}

/// A class of `tests/servers/{server}`, run by Java so that it is soon there.
pub(super) fn java(server: &str, class: &str) -> Command {
    let folder = env::server_tool(server);
    let mut classes = folder.join("target/classes").into_os_string();
    classes.push(":");
    classes.push(folder.join("lib/*"));
    let mut command = Command::new("java");
    command.args(["-Xms64m", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]).arg(classes).arg(class);
    command
}

/// Runs one of a server's own tools to its end, gives it `input`, and gives what it printed.
///
/// # Panics
///
/// It failed; the message has what it said.
pub(super) async fn tool(folder: &Path, command: Command, input: &[u8]) -> String {
    try_tool(folder, command, input).await.unwrap_or_else(|said| panic!("{said}"))
}

/// The same of a tool that may fail; then what it said.
pub(super) async fn try_tool(folder: &Path, mut command: Command, input: &[u8]) -> Result<String, String> {
    let line = format!("{command:?}");
    surround(&mut command, folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|e| panic!("{line}: {e}; scripts/tools-servers installs what is missing"));
    let mut pipe = child.stdin.take().expect("the pipe was asked for");
    let write = async move {
        // A tool that ends early does not read all; how it ended tells more.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut pipe, input).await;
    };
    let both = async { tokio::join!(write, child.wait_with_output()).1 };
    let output = tokio::time::timeout(wait::LONG, both).await;
    let output = output.unwrap_or_else(|_| panic!("{line} does not end")).expect("a child can be waited for");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(out.into_owned()) } else { Err(format!("{line}: {}\n{out}\n{err}", output.status)) }
}
