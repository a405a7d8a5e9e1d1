//! TypeScript: Node, npm, and the packages of the project's lockfile.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Workshop, version_of};
use crate::cli::error::CliError;

const OLDEST: (u32, u32) = (20, 0);
/// What npm keeps of what it installed.
const INSTALLED: &str = "node_modules/.package-lock.json";
/// npm writes its two lockfiles one after the other.
const SLACK: Duration = Duration::from_secs(10);

pub(super) fn check() -> Result<String, String> {
    let node = match version_of("node", &["--version"]) {
        Some((version, pair)) if pair >= OLDEST => version,
        Some((version, _)) => return Err(format!("Node is {version}: 20 or later is needed: https://nodejs.org")),
        None => {
            return Err("Node is not here: 20 or later, https://nodejs.org (Debian: apt-get install nodejs npm)".into());
        }
    };
    match version_of("npm", &["--version"]) {
        Some((npm, _)) => Ok(format!("node {node} · npm {npm}")),
        None => Err("npm is not here: it comes with Node (Debian: apt-get install npm)".into()),
    }
}

pub(super) fn prepare(workshop: &Workshop<'_>) -> Result<(), CliError> {
    let lock = workshop.folder.join("package-lock.json");
    let installed = workshop.folder.join(INSTALLED);
    if is_newer(&installed, &lock) {
        return Ok(());
    }
    let what = "installing npm packages (once: half a minute, 370 MB)";
    // No package that a component is built with has to run a script of its own, so none may.
    let command = if lock.is_file() { "ci" } else { "install" };
    workshop.step(what, Command::new("npm").args([command, "--ignore-scripts", "--no-audit", "--no-fund"]))
}

/// Whether what is installed was installed by this lockfile, or by the command that wrote it.
fn is_newer(installed: &Path, lock: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    match (time(installed), time(lock)) {
        (Some(installed), Some(lock)) => installed + SLACK >= lock,
        (installed, None) => installed.is_some(),
        (None, Some(_)) => false,
    }
}
