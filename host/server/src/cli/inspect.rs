//! `inspect`: what a component imports, exports and needs, offline.

use std::path::{Path, PathBuf};

use clap::Args;
use jackfield_core::artifact::Digest;
use jackfield_sandbox::gate::{self, GateLimits};
use jackfield_sandbox::inspect::inspect;

use super::error::CliError;
use super::screen::{Screen, safe, size};

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The component (.wasm)
    file: PathBuf,
}

pub(super) fn run(args: &InspectArgs, screen: &Screen) -> Result<(), CliError> {
    show(&args.file, screen)
}

/// Checks a component as an upload would be, and shows what it is.
pub(super) fn show(file: &Path, screen: &Screen) -> Result<(), CliError> {
    let bytes = std::fs::read(file).map_err(|e| CliError::input(format!("{}: {e}", file.display())))?;
    let digest = Digest::of(&bytes);
    let inspection = gate::check(&bytes, &GateLimits::default())
        .and_then(|()| inspect(&bytes, digest))
        .map_err(|refusal| CliError::input(format!("{}: {refusal}", file.display())))?;
    let answer = serde_json::to_value(&inspection).map_err(|e| CliError::host(e.to_string()))?;
    if screen.answer(&answer) {
        return Ok(());
    }
    screen.line(format!("{}  {}", size(inspection.size), inspection.digest));
    screen.line(format!("made with   {}", safe(&inspection.producers.join(", "))));
    let doors = match (inspection.handles_events, inspection.handles_requests) {
        (true, true) => "events and requests",
        (true, false) => "events",
        (false, true) => "requests",
        (false, false) => "nothing: it exports no handler",
    };
    screen.line(format!("handles     {doors}"));
    if inspection.needs.is_empty() {
        screen.line("needs       no grant");
    } else {
        screen.line("needs       these grants, or a `deny`:");
        for capability in &inspection.needs {
            screen.line(format!("              {}", capability.example()));
        }
    }
    for import in &inspection.unknown_imports {
        screen.wrong(format!("imports `{}`, which this host does not have", safe(import)));
    }
    screen.line(Screen::dim(&format!("imports     {}", safe(&inspection.imports.join(" ")))));
    screen.line(Screen::dim(&format!("exports     {}", safe(&inspection.exports.join(" ")))));
    Ok(())
}
