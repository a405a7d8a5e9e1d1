//! `add`: another component in a project, in a folder of its own.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use jackfield_core::ids::ComponentName;
use jackfield_core::manifest;
use serde_json::json;

use super::{Lang, Scaffold, Template, write};
use crate::cli::error::CliError;
use crate::cli::project::Project;
use crate::cli::screen::Screen;

#[derive(Debug, Args)]
pub(in crate::cli) struct AddArgs {
    /// The component's name, and that of its folder and its trigger
    name: ComponentName,
    /// Its language
    #[arg(long, value_enum)]
    lang: Lang,
    /// What to begin with
    #[arg(long, value_enum, default_value_t = Template::Webhook)]
    template: Template,
    /// The project's folder
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    project: PathBuf,
}

pub(in crate::cli) fn run(args: &AddArgs, screen: &Screen) -> Result<(), CliError> {
    let project = Project::open(&args.project)?;
    let name = args.name.as_str();
    if project.manifest.components.contains_key(&args.name) {
        return Err(CliError::input(format!("there is a component `{name}` already: {}", project.file.display())));
    }
    if project.manifest.triggers.iter().any(|trigger| trigger.name.as_str() == name) {
        return Err(CliError::input(format!("there is a trigger `{name}` already: choose another name")));
    }
    let scaffold = Scaffold {
        integration: project.manifest.name.as_str(),
        name,
        trigger: name,
        language: args.lang.into(),
        template: args.template,
        folder: Some(name),
    };
    // Appended, so that what a person wrote stays as it was written.
    let has_api = project.manifest.connections.keys().any(|name| name.as_str() == "api");
    let text = format!("{}\n\n{}", project.text.trim_end(), scaffold.manifest(has_api)?);
    manifest::parse_toml(&text, "jackfield.toml").map_err(|problems| {
        CliError::input(format!("{} cannot take the component as it is\n\n{problems}", project.file.display()))
    })?;
    let files = scaffold.files()?;
    write(project.folder(), &files)?;
    fs::write(&project.file, text).map_err(|e| CliError::input(format!("{}: {e}", project.file.display())))?;
    let paths: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
    if !screen.answer(&json!({ "component": name, "files": paths })) {
        screen.done(format!("{name}  {} · {}", scaffold.language.label(), args.template));
        for path in &paths {
            screen.line(format!("  {path}"));
        }
        screen.line(format!("  {}: its trigger, limits and grants", project.file.display()));
    }
    Ok(())
}
