//! `build`: makes the components of a project, each in the world that its grants allow.
//!
//! What is run is the manifest's: here are only the world it is built in, and the checks afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;
use jackfield_core::ids::ComponentName;
use jackfield_core::release::{Build, Component};
use serde_json::json;

use super::check;
use super::componentize;
use super::error::CliError;
use super::project::Project;
use super::screen::{Screen, size};
use super::world;

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// A project's folder or its manifest
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Build this component alone
    #[arg(long, value_name = "NAME")]
    component: Option<ComponentName>,
}

pub(super) fn run(args: &BuildArgs, screen: &Screen) -> Result<(), CliError> {
    let project = Project::open(&args.path)?;
    if let Some(name) = &args.component
        && !project.manifest.components.contains_key(name)
    {
        let names: Vec<_> = project.manifest.components.keys().map(ComponentName::as_str).collect();
        return Err(CliError::input(format!("there is no component `{name}`; there are: {}", names.join(", "))));
    }
    let wanted = |name: &ComponentName| args.component.as_ref().is_none_or(|one| one == name);
    let mut built = Vec::new();
    for (name, component) in project.manifest.components.iter().filter(|(name, _)| wanted(name)) {
        let Some(build) = &component.build else {
            let problem = format!(
                "component `{name}` does not say how it is built. Add\n  [component.{name}.build]\n  command = \"…\""
            );
            return Err(CliError::input(problem));
        };
        let begin = Instant::now();
        make(project.folder(), name, component, build, screen)?;
        let seconds = begin.elapsed().as_secs_f64();
        let file = project.folder().join(&component.source);
        let bytes = std::fs::metadata(&file).map_err(|e| {
            let after = format!("component `{name}` was built, and {} is not there: {e}", component.source);
            CliError::input(format!("{after}\n  The command has to put the component there: $JACKFIELD_OUT."))
        })?;
        let bytes = componentize::finish(name, &file, bytes.len())?;
        screen.done(format!("built {name}  {}  {seconds:.1} s", size(bytes)));
        built.push(json!({ "component": name, "bytes": bytes, "seconds": seconds }));
    }
    // What the host would refuse is told now.
    if args.component.is_none() {
        check::examine(&project)?;
    }
    screen.answer(&json!({ "integration": project.manifest.name, "built": built }));
    Ok(())
}

/// Runs the command, in the manifest's folder.
fn make(
    folder: &Path,
    name: &ComponentName,
    component: &Component,
    build: &Build,
    screen: &Screen,
) -> Result<(), CliError> {
    let there = |path: PathBuf| std::path::absolute(path).map_err(|e| CliError::input(e.to_string()));
    let world = there(folder.join(".jackfield/wit").join(name.as_str()))?;
    let out = there(folder.join(&component.source))?;
    world::write(&world, &component.grants)
        .and_then(|()| out.parent().map_or(Ok(()), std::fs::create_dir_all))
        .map_err(|e| CliError::input(format!("{}: {e}", world.display())))?;
    let grants: Vec<_> = world::mentioned(&component.grants).map(|capability| capability.name()).collect();
    let mut command = Command::new("sh");
    command
        .args(["-c", &build.command])
        .current_dir(folder)
        .env("JACKFIELD_COMPONENT", name.as_str())
        .env("JACKFIELD_WIT", &world)
        .env("JACKFIELD_WORLD", world::NAME)
        .env("JACKFIELD_GRANTS", grants.join(" "))
        .env("JACKFIELD_OUT", &out)
        .stdin(Stdio::null());
    if screen.is_json() {
        command.stdout(Stdio::null());
    }
    screen.line(Screen::dim(&format!("{name}: {}", build.command)));
    let ended = command.status().map_err(|e| CliError::host(format!("sh: {e}")))?;
    if ended.success() {
        return Ok(());
    }
    let how = ended.code().map_or_else(|| ended.to_string(), |code| format!("exit code {code}"));
    let way_out = if ended.code() == Some(127) { "\n  A tool is missing: its name is above." } else { "" };
    Err(CliError::input(format!("component `{name}` was not built: its command ended with {how}{way_out}")))
}
