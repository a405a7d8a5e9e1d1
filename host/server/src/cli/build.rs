//! `build`: makes the components of a project, each in the world that its grants allow.
//!
//! What is run is the manifest's: here are only the world it is built in, and the checks afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;
use jackfield_core::ids::ComponentName;
use jackfield_core::release::{Build, Component, Language};
use serde_json::{Value, json};

use super::check;
use super::componentize;
use super::error::CliError;
use super::project::Project;
use super::screen::{Screen, size};
use super::{toolchain, world};

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// A project's folder or its manifest
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Build this component alone
    #[arg(long, value_name = "NAME")]
    component: Option<ComponentName>,
    /// For `jackfield dev`: quick to make again, and put where only that looks
    #[arg(long, hide = true)]
    dev: bool,
}

/// Where components for `jackfield dev` lie: they are not for release.
pub(super) const DEV_FOLDER: &str = ".jackfield/dev/dist";

pub(super) fn run(args: &BuildArgs, screen: &Screen) -> Result<(), CliError> {
    let mut project = Project::open(&args.path)?;
    if args.dev {
        project.use_dev_components();
    }
    if let Some(name) = &args.component {
        known(&project, name)?;
    }
    let wanted = |name: &ComponentName| args.component.as_ref().is_none_or(|one| one == name);
    let mut built = Vec::new();
    for (name, component) in project.manifest.components.iter().filter(|(name, _)| wanted(name)) {
        built.push(one(&project, name, component, args.dev, screen)?);
    }
    // What the host would refuse is told now.
    if args.component.is_none() {
        check::examine(&project)?;
    }
    screen.answer(&json!({ "integration": project.manifest.name, "built": built }));
    Ok(())
}

/// What a build is told that somebody waits for after every save: quick to make again, and telling of its lines.
fn for_dev(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::TypeScript | Language::Python => &[("JACKFIELD_DEV", "1")],
        Language::Rust => &[
            ("CARGO_INCREMENTAL", "1"),
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only"),
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
            ("CARGO_PROFILE_RELEASE_STRIP", "none"),
        ],
        Language::Go => &[],
    }
}

/// Whether the project has such a component; if not, which it has.
pub(super) fn known(project: &Project, name: &ComponentName) -> Result<(), CliError> {
    if project.manifest.components.contains_key(name) {
        return Ok(());
    }
    let names: Vec<_> = project.manifest.components.keys().map(ComponentName::as_str).collect();
    Err(CliError::input(format!("there is no component `{name}`; there are: {}", names.join(", "))))
}

/// Builds one component, and says so.
pub(super) fn one(
    project: &Project,
    name: &ComponentName,
    component: &Component,
    dev: bool,
    screen: &Screen,
) -> Result<Value, CliError> {
    let Some(build) = &component.build else {
        let problem = format!(
            "component `{name}` does not say how it is built. Add\n  [component.{name}.build]\n  command = \"…\""
        );
        return Err(CliError::input(problem));
    };
    let own = project.folder().join(build.folder.as_deref().unwrap_or("."));
    if let Some(language) = build.language {
        toolchain::prepare(language, project.folder(), &own, screen)?;
    }
    let begin = Instant::now();
    make(project.folder(), &own, name, component, build, dev, screen)?;
    let seconds = begin.elapsed().as_secs_f64();
    let file = project.folder().join(&component.source);
    let bytes = std::fs::metadata(&file).map_err(|e| {
        let after = format!("component `{name}` was built, and {} is not there: {e}", component.source);
        CliError::input(format!("{after}\n  The command has to put the component there: $JACKFIELD_OUT."))
    })?;
    let bytes = componentize::finish(name, &file, bytes.len())?;
    screen.done(format!("built {name}  {}  {seconds:.1} s", size(bytes)));
    Ok(json!({ "component": name, "bytes": bytes, "seconds": seconds }))
}

/// Runs the command, in the component's own folder.
fn make(
    folder: &Path,
    own: &Path,
    name: &ComponentName,
    component: &Component,
    build: &Build,
    dev: bool,
    screen: &Screen,
) -> Result<(), CliError> {
    let there = |path: PathBuf| std::path::absolute(path).map_err(|e| CliError::input(e.to_string()));
    let world = there(folder.join(if dev { ".jackfield/dev/wit" } else { ".jackfield/wit" }).join(name.as_str()))?;
    let out = there(folder.join(&component.source))?;
    world::write(&world, &component.grants, dev && build.language.is_some_and(world::has_runtime))
        .and_then(|()| out.parent().map_or(Ok(()), std::fs::create_dir_all))
        .map_err(|e| CliError::input(format!("{}: {e}", world.display())))?;
    let grants: Vec<_> = world::mentioned(&component.grants).map(|capability| capability.name()).collect();
    let mut command = Command::new("sh");
    command
        .args(["-c", &build.command])
        .current_dir(own)
        .env("JACKFIELD_COMPONENT", name.as_str())
        .env("JACKFIELD_WIT", &world)
        .env("JACKFIELD_WORLD", world::NAME)
        .env("JACKFIELD_GRANTS", grants.join(" "))
        .env("JACKFIELD_OUT", &out)
        .stdin(Stdio::null());
    for (name, value) in build.language.filter(|_| dev).into_iter().flat_map(for_dev) {
        command.env(name, value);
    }
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
