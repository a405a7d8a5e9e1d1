//! Rust: rustup, and the target that components are compiled for.

use std::process::Command;

use super::{Workshop, version_of};
use crate::cli::error::CliError;

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";

pub(super) fn check() -> Result<String, String> {
    if version_of("rustup", &["--version"]).is_none() {
        return Err("Rust needs rustup, which is not here: https://rustup.rs".into());
    }
    match version_of("rustc", &["--version"]) {
        Some((version, _)) => Ok(format!("rustc {version}")),
        None => Err("rustup has no toolchain: rustup default stable".into()),
    }
}

pub(super) fn prepare(workshop: &Workshop<'_>) -> Result<(), CliError> {
    // In the component's folder: a `rust-toolchain.toml` there chooses another toolchain.
    let installed =
        Command::new("rustup").args(["target", "list", "--installed"]).current_dir(workshop.folder).output();
    let installed = installed.map_err(|e| CliError::host(format!("rustup: {e}")))?;
    if String::from_utf8_lossy(&installed.stdout).lines().any(|line| line == TARGET) {
        return Ok(());
    }
    workshop.step("adding the target wasm32-wasip2", Command::new("rustup").args(["target", "add", TARGET]))
}
