//! Which project and which fixtures are meant.

use std::path::{Path, PathBuf};

use super::super::error::CliError;
use super::super::project::Project;

/// Where a project keeps its fixtures.
pub(super) const FOLDER: &str = "tests";

/// The project and the fixtures that `paths` mean: a folder or a manifest is the project, a `.json` file a fixture.
/// Without a project it is the one around the first fixture, else the one here. Without fixtures it is all of them;
/// `none`: there need not be any.
pub(super) fn files(paths: &[PathBuf], none: bool) -> Result<(Project, Vec<PathBuf>), CliError> {
    let is_fixture = |path: &Path| path.extension().is_some_and(|ending| ending == "json");
    let (named, places): (Vec<_>, Vec<_>) = paths.iter().partition(|path| is_fixture(path));
    let here = match (places.as_slice(), named.first()) {
        ([], None) => PathBuf::from("."),
        ([], Some(file)) => around(file),
        ([one], _) => (*one).clone(),
        ([_, other, ..], _) => {
            let problem = format!("{}: name one project, and fixtures (.json) of it", other.display());
            return Err(CliError::input(problem));
        }
    };
    let project = Project::open(&here)?;
    if !named.is_empty() {
        return Ok((project, named.into_iter().cloned().collect()));
    }
    let folder = project.folder().join(FOLDER);
    let mut found: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_fixture(path)).collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() && !none {
        return Err(CliError::input(how_to(&folder)));
    }
    found.sort();
    // As a person would write it.
    let plain = |path: PathBuf| path.strip_prefix("./").map(Path::to_owned).unwrap_or(path);
    Ok((project, found.into_iter().map(plain).collect()))
}

/// The nearest folder above a file that holds a manifest.
fn around(file: &Path) -> PathBuf {
    let found = file.ancestors().skip(1).find(|folder| folder.join("jackfield.toml").is_file());
    match found {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        Some(folder) => folder.to_owned(),
        None => PathBuf::from("."),
    }
}

fn how_to(folder: &Path) -> String {
    format!(
        "there are no fixtures in {folder}\n  \
         A fixture says what comes in and what must come of it, such as {folder}/first.json:\n    \
         {{ \"event\": {{ \"data\": {{ \"name\": \"Ada\" }} }},\n      \
         \"outcome\": {{ \"output\": {{ \"data\": {{ \"hello\": \"Ada\" }} }} }} }}\n  \
         jackfield test --record RUN      makes one of a run of your host",
        folder = folder.display()
    )
}
