//! Python: an environment in the component's folder, with the SDK and what it builds with.

use std::path::Path;
use std::process::Command;

use super::{Workshop, version_of};
use crate::cli::error::CliError;

const OLDEST: (u32, u32) = (3, 11);
const PYTHON: &str = ".venv/bin/python";
/// Says which SDK the environment holds.
const STAMP: &str = ".venv/.jackfield";

pub(super) fn check() -> Result<String, String> {
    match version_of("python3", &["--version"]) {
        Some((version, pair)) if pair >= OLDEST => Ok(format!("python {version}")),
        Some((version, _)) => Err(format!("python3 is {version}: 3.11 or later is needed")),
        None => Err("python3 is not here: 3.11 or later (Debian: apt-get install python3 python3-venv)".into()),
    }
}

pub(super) fn prepare(workshop: &Workshop<'_>) -> Result<(), CliError> {
    let stamp = Path::new(STAMP);
    if workshop.is_done(stamp, &workshop.sdk.digest) {
        return Ok(());
    }
    if !workshop.folder.join(PYTHON).exists() {
        let made = workshop.step("making .venv", Command::new("python3").args(["-m", "venv", ".venv"]));
        made.map_err(|mut error| {
            error.text.push_str("\n\nDebian keeps it in a package of its own: apt-get install python3-venv");
            error
        })?;
    }
    let python = workshop.there(PYTHON)?;
    let sdk = std::path::absolute(&workshop.sdk.path).map_err(|e| CliError::host(e.to_string()))?;
    let pip = || {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]);
        pip
    };
    let mut tools = pip();
    tools.args(["--require-hashes", "--only-binary=:all:", "--requirement"]).arg(sdk.join("requirements.txt"));
    workshop.step("installing what Python components are built with (once)", &mut tools)?;
    // Its build tool is among what was just installed. By force, since two states may carry one version number.
    let mut itself = pip();
    itself.args(["--no-deps", "--no-build-isolation", "--force-reinstall"]).arg(&sdk);
    workshop.step("installing the SDK", &mut itself)?;
    workshop.done(stamp, &workshop.sdk.digest)
}
