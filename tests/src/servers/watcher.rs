//! The watcher: a shell that ends what a test process left running. It does not decide what runs; it is told.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use rustix::process::Pid;

/// Reads `started <pid>` and `ended <pid>` until the test process is gone: then its end of the pipe closes, whether it
/// returned, panicked or was killed. Servers are stopped before they are killed, so that none forks in between, and
/// their children first: those of PostgreSQL are in sessions of their own, and one that hangs would stay for ever.
const SCRIPT: &str = r#"
running=
while read -r word pid; do
    left=
    for other in $running; do [ "$other" = "$pid" ] || left="$left $other"; done
    running=$left
    [ "$word" = ended ] || running="$running $pid"
done
end() {
    kill -STOP "$1" 2>/dev/null
    for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do end "$child"; done
    kill -KILL "$1" 2>/dev/null
}
for pid in $running; do end "$pid"; done
# What has just been killed may be writing still.
rm -rf -- "$1" 2>/dev/null || { sleep 0.2; rm -rf -- "$1" 2>/dev/null; }
"#;

/// The folder of all servers of this process, and the shell: it ends after this process, which cannot wait for it.
struct Watcher {
    folder: PathBuf,
    shell: Mutex<Child>,
}

static WATCHER: LazyLock<Watcher> = LazyLock::new(|| {
    let folder = tempfile::Builder::new().prefix("jackfield-servers-").tempdir();
    let folder = folder.expect("a temporary folder can be made").keep();
    // A server that runs as another user has to reach its own folder in there.
    std::fs::set_permissions(&folder, Permissions::from_mode(0o711)).expect("one's own folder can be opened");
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "watcher"]).arg(&folder).stdin(Stdio::piped());
    // Nobody who reads the output of a test waits for the watcher, and Ctrl-C does not reach it.
    command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Watcher { folder, shell: Mutex::new(command.spawn().expect("sh can be started")) }
});

/// The folder in which every server of this process has its own. The watcher removes it.
pub(super) fn folder() -> &'static Path {
    &WATCHER.folder
}

/// From now on the watcher ends this process and its children when the test process is gone.
pub(super) fn started(pid: Pid) {
    tell("started", pid);
}

/// The process is gone, and its id may become another's.
pub(super) fn ended(pid: Pid) {
    tell("ended", pid);
}

fn tell(word: &str, pid: Pid) {
    let mut shell = WATCHER.shell.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = shell.stdin.as_mut().expect("the pipe was asked for");
    writeln!(pipe, "{word} {pid}").expect("the watcher reads as long as this process lives");
}
