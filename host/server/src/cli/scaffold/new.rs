//! `new`: a project of one component, ready to be built, tested and run.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use jackfield_core::ids::{ComponentName, IntegrationName};
use serde_json::json;

use super::{File, Lang, Scaffold, Template, read, write};
use crate::cli::error::CliError;
use crate::cli::screen::Screen;

#[derive(Debug, Args)]
pub(in crate::cli) struct NewArgs {
    /// The folder to make; its name is the integration's
    name: PathBuf,
    /// The handler's language
    #[arg(long, value_enum)]
    lang: Lang,
    /// What to begin with
    #[arg(long, value_enum, default_value_t = Template::Webhook)]
    template: Template,
}

pub(in crate::cli) fn run(args: &NewArgs, screen: &Screen) -> Result<(), CliError> {
    let folder = &args.name;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wrong = |e: &dyn std::fmt::Display| CliError::input(format!("`{name}` cannot be an integration's name: {e}"));
    let integration: IntegrationName = name.parse().map_err(|e| wrong(&e))?;
    let component: ComponentName = name.parse().map_err(|e| wrong(&e))?;
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let problem = format!("{} is there and not empty", folder.display());
        return Err(CliError::input(format!(
            "{problem}\n  Within a project, `jackfield add` makes another component."
        )));
    }
    let scaffold = Scaffold {
        integration: integration.as_str(),
        name: component.as_str(),
        trigger: if args.template == Template::Cron { "tick" } else { "incoming" },
        language: args.lang.into(),
        template: args.template,
        folder: None,
    };
    let mut files = vec![File { path: "jackfield.toml".into(), text: manifest(&scaffold)? }];
    for (from, to) in [("README.md", "README.md"), ("AGENTS.md", "AGENTS.md"), ("gitignore", ".gitignore")] {
        files.push(File { path: to.into(), text: scaffold.fill(&read(&format!("project/{from}"))?) });
    }
    files.extend(scaffold.files()?);
    fs::create_dir_all(folder).map_err(|e| CliError::input(format!("{}: {e}", folder.display())))?;
    write(folder, &files)?;
    told(folder, &scaffold, &files, screen);
    Ok(())
}

fn manifest(scaffold: &Scaffold<'_>) -> Result<String, CliError> {
    let head = format!("manifest_version = 1\n\n[integration]\nname = \"{}\"\n\n", scaffold.integration);
    Ok(head + &scaffold.manifest(false)?)
}

fn told(folder: &Path, scaffold: &Scaffold<'_>, files: &[File], screen: &Screen) {
    let paths: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
    if screen.answer(&json!({ "integration": scaffold.integration, "folder": folder, "files": paths })) {
        return;
    }
    screen.done(format!("{}  {} · {}", folder.display(), scaffold.language.label(), scaffold.template));
    for path in &paths {
        screen.line(format!("  {path}"));
    }
    screen.line("");
    screen.line(format!("  cd {}", folder.display()));
    screen.line("  jackfield dev       a host for this project; every save is built and released to it");
    screen.line("  jackfield test      its tests, without a host");
}
