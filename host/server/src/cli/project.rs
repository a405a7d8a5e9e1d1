//! A project on disk: the manifest a person edits and the components it names.

use std::fs;
use std::path::{Path, PathBuf};

use jackfield_core::ids::ComponentName;
use jackfield_core::manifest;
use jackfield_core::release::Manifest;

use super::error::CliError;

/// A manifest that checks.
pub(super) struct Project {
    /// The manifest's file.
    pub(super) file: PathBuf,
    /// Its text, as written.
    pub(super) text: String,
    /// What it says.
    pub(super) manifest: Manifest,
}

impl Project {
    /// Reads `path`: a manifest, or a folder that holds `jackfield.toml`.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let file = if path.is_dir() { path.join("jackfield.toml") } else { path.to_owned() };
        let text = fs::read_to_string(&file).map_err(|e| {
            CliError::input(format!("{}: {e}\n  Run this in a project's folder, or name its manifest.", file.display()))
        })?;
        let name = file.file_name().map_or_else(|| "jackfield.toml".into(), |name| name.to_string_lossy().into_owned());
        let manifest = manifest::parse_toml(&text, &name)
            .map_err(|problems| CliError::input(format!("{} cannot be used\n\n{problems}", file.display())))?;
        Ok(Self { file, text, manifest })
    }

    /// The folder that holds the manifest.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// From now on its components are those that `jackfield dev` builds, where their language says how.
    pub(super) fn use_dev_components(&mut self) {
        for (name, component) in &mut self.manifest.components {
            if component.build.as_ref().is_some_and(|build| build.language.is_some()) {
                component.source = format!("{}/{name}.wasm", super::build::DEV_FOLDER);
            }
        }
    }

    /// The components and their bytes; all that are missing are named at once.
    pub(super) fn components(&self) -> Result<Vec<(ComponentName, Vec<u8>)>, CliError> {
        let folder = self.folder();
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for (name, component) in &self.manifest.components {
            match fs::read(folder.join(&component.source)) {
                Ok(bytes) => found.push((name.clone(), bytes)),
                Err(problem) => {
                    let way_out = match component.build {
                        Some(_) => "build it: jackfield build",
                        None => "build it, then try again",
                    };
                    missing.push(format!("component `{name}`: {}: {problem}\n    {way_out}", component.source));
                }
            }
        }
        if missing.is_empty() { Ok(found) } else { Err(CliError::input(missing.join("\n  "))) }
    }
}
