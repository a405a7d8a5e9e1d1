//! The environment of a test: variables, built files, the wall clock.

use std::path::{Path, PathBuf};

/// A variable of the test's own environment, if it is set and not empty.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test is told by variables where the built host is")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The whole seconds since 1970, as a sender of webhooks states them.
#[must_use]
pub fn unix_seconds() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a test is outside the host and has a clock of its own")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// A file or folder of the repository.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The built host: `JACKFIELD_BIN`, else `jackfield` beside this test's own folder.
///
/// # Panics
///
/// There is none: a test that cannot run fails and says what is missing.
#[must_use]
pub fn host_binary() -> PathBuf {
    if let Some(path) = variable("JACKFIELD_BIN") {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "JACKFIELD_BIN is {}, and there is no such file", path.display());
        return path;
    }
    beside("jackfield").unwrap_or_else(|| {
        panic!("the host is not built: `cargo build -p jackfield-server` (or `make test`), or name it in JACKFIELD_BIN")
    })
}

/// The folder of the tools that `scripts/` installs, and shares between clones.
#[must_use]
pub fn tools() -> PathBuf {
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&variable("HOME").unwrap_or_default()).join(".cache"));
    cache.join("jackfield/tools")
}

/// What `scripts/tools-servers` installs, such as `bin/nats-server`.
///
/// # Panics
///
/// It is not installed.
#[must_use]
pub fn server_tool(path: &str) -> PathBuf {
    let file = tools().join(path);
    assert!(file.exists(), "{} is missing: scripts/tools-servers installs it", file.display());
    file
}

/// A program that was built beside this one, if it is there.
///
/// # Panics
///
/// A process does not know its own file.
#[must_use]
pub fn beside(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().expect("a process knows its own file");
    // target/debug/deps/it-… → target/debug/…
    let folders = own.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A built guest, by its path in the repository such as `tests/guests/probe/dist/probe.wasm`.
///
/// # Panics
///
/// It is not built.
#[must_use]
pub fn guest(path: &str) -> Vec<u8> {
    let file = repository(path);
    std::fs::read(&file).unwrap_or_else(|e| panic!("{} is not built ({e}): `make guests`", file.display()))
}

/// The folder of the programs that guests in Python are built with.
///
/// # Panics
///
/// They are not there.
#[must_use]
pub fn python_tools() -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its own file");
    // target/debug/deps/it-… → target/guests/venv/bin
    let found = own.ancestors().skip(1).take(3).map(|folder| folder.join("guests/venv/bin"));
    let mut found = found.filter(|folder| folder.join("jackfield-build").is_file());
    found.next().expect("there are no tools for Python: `make guest-tools`")
}
