//! `check`: the manifest's and the upload's checks, offline.

use std::path::PathBuf;

use clap::Args;
use jackfield_connectors::Surroundings;
use jackfield_core::artifact::{Digest, Inspection};
use jackfield_core::ids::ComponentName;
use jackfield_core::outside::check_triggers;
use jackfield_core::release::ungranted;
use jackfield_sandbox::gate::{self, GateLimits};
use jackfield_sandbox::inspect::inspect;
use serde_json::json;

use super::error::CliError;
use super::project::Project;
use super::screen::{Screen, safe_lines, size};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A project's folder, its manifest, or a component (.wasm)
    #[arg(default_value = ".")]
    path: PathBuf,
}

pub(super) fn run(args: &CheckArgs, screen: &Screen) -> Result<(), CliError> {
    if args.path.extension().is_some_and(|ending| ending == "wasm") {
        return super::inspect::show(&args.path, screen);
    }
    let project = Project::open(&args.path)?;
    let checked = examine(&project)?;
    let inspections: Vec<_> = checked.iter().map(|(_, inspection)| inspection).collect();
    if !screen.answer(&json!({ "integration": project.manifest.name, "components": inspections })) {
        screen.done(format!("{} checks", project.manifest.name));
        for (name, inspection) in checked {
            screen.line(format!("  {name}  {}  {}", size(inspection.size), inspection.producers.join(", ")));
        }
    }
    Ok(())
}

/// Checks a project's components as a deploy would, and gives what was found of each.
pub(super) fn examine(project: &Project) -> Result<Vec<(ComponentName, Inspection)>, CliError> {
    let connectors = jackfield_connectors::all(&Surroundings::default());
    let wrong = check_triggers(&project.manifest, &connectors);
    let mut problems: Vec<_> =
        wrong.iter().map(|(trigger, problem)| format!("trigger `{trigger}`, {problem}")).collect();
    let mut checked = Vec::new();
    for (name, bytes) in project.components()? {
        let component = &project.manifest.components[&name];
        let found = gate::check(&bytes, &GateLimits::default()).and_then(|()| inspect(&bytes, Digest::of(&bytes)));
        match found {
            Err(refusal) => problems.push(format!("component `{name}` ({}): {refusal}", component.source)),
            Ok(inspection) => {
                problems.extend(
                    inspection
                        .unknown_imports
                        .iter()
                        .map(|import| format!("component `{name}` imports `{import}`, which this host does not have")),
                );
                problems.extend(ungranted(&name, &component.grants, &inspection).iter().map(|u| u.explain()));
                let handles = project.manifest.triggers.iter().any(|trigger| trigger.component == name);
                if handles && !inspection.handles_events {
                    problems.push(format!(
                        "component `{name}` does not export `jackfield:plugin/handler@0.1.0`, and a trigger sends it events"
                    ));
                }
                checked.push((name, inspection));
            }
        }
    }
    if problems.is_empty() {
        return Ok(checked);
    }
    let text = problems.iter().map(|p| format!("  {}", safe_lines(p).replace('\n', "\n  "))).collect::<Vec<_>>();
    Err(CliError::input(format!(
        "{} would be refused: {} problem{}\n\n{}",
        project.manifest.name,
        problems.len(),
        if problems.len() == 1 { "" } else { "s" },
        text.join("\n\n")
    )))
}
