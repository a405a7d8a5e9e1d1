//! Which files of a project count, and when one of them was saved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use globset::{GlobSet, GlobSetBuilder};
use jackfield_core::ids::ComponentName;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::cli::error::CliError;
use crate::cli::project::Project;
use crate::cli::sources;

/// Editors write in several steps, and people save several files at once.
const QUIET: Duration = Duration::from_millis(60);

/// See the module.
pub(super) struct Watch {
    files: Files,
    changes: mpsc::UnboundedReceiver<PathBuf>,
    /// Ends with this.
    _watcher: RecommendedWatcher,
}

/// What was saved.
pub(super) struct Change {
    /// The files, relative to the project.
    pub(super) files: Vec<String>,
    /// The component that they belong to, if it is one.
    pub(super) component: Option<ComponentName>,
    /// Whether the manifest is among them.
    pub(super) manifest: bool,
}

/// Which files belong to which component.
struct Files {
    root: PathBuf,
    manifest: PathBuf,
    components: BTreeMap<ComponentName, GlobSet>,
    patterns: Vec<String>,
}

impl Watch {
    /// Watches what the manifest says.
    pub(super) fn new(project: &Project) -> Result<Self, CliError> {
        let files = Files::of(project)?;
        let (sender, changes) = mpsc::unbounded_channel();
        let heard = move |event: notify::Result<notify::Event>| {
            if let Ok(event) = event
                && matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_))
            {
                for path in event.paths {
                    // Nobody hears once the command ends.
                    let _ = sender.send(path);
                }
            }
        };
        let problem = |e: notify::Error| CliError::host(format!("files cannot be watched: {e}"));
        let mut watcher = notify::recommended_watcher(heard).map_err(problem)?;
        for (folder, mode) in files.folders() {
            watcher.watch(&folder, mode).map_err(problem)?;
        }
        Ok(Self { files, changes, _watcher: watcher })
    }

    /// Waits until a file that counts is saved, and then until nothing more is.
    pub(super) async fn next(&mut self) -> Change {
        let mut paths = BTreeSet::new();
        loop {
            let path = if paths.is_empty() {
                self.changes.recv().await
            } else {
                match tokio::time::timeout(QUIET, self.changes.recv()).await {
                    Ok(path) => path,
                    Err(_) => return self.files.change(&paths),
                }
            };
            match path {
                Some(path) if self.files.counts(&path) => {
                    paths.insert(path);
                }
                Some(_) => {}
                // The watcher lives as long as this.
                None => std::future::pending().await,
            }
        }
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        self.files.patterns.join(", ")
    }
}

impl Files {
    fn of(project: &Project) -> Result<Self, CliError> {
        // The system names files by their real paths.
        let root = project.folder().canonicalize();
        let root = root.map_err(|e| CliError::input(format!("{}: {e}", project.folder().display())))?;
        let mut components = BTreeMap::new();
        let mut patterns = vec![];
        for (name, component) in &project.manifest.components {
            let mut set = GlobSetBuilder::new();
            for pattern in component.build.as_ref().map(sources::patterns).unwrap_or_default() {
                let glob = sources::glob(&pattern);
                set.add(glob.map_err(|e| CliError::input(format!("component `{name}`: watch: {e}")))?);
                patterns.push(pattern);
            }
            let set = set.build().map_err(|e| CliError::input(format!("component `{name}`: watch: {e}")))?;
            components.insert(name.clone(), set);
        }
        let manifest = project.file.file_name().map_or_else(|| root.join("jackfield.toml"), |name| root.join(name));
        Ok(Self { root, manifest, components, patterns })
    }

    /// What has to be watched: the folders that patterns begin in. Not the whole project, where a language's tools keep
    /// tens of thousands of files.
    fn folders(&self) -> BTreeMap<PathBuf, RecursiveMode> {
        let mut folders = BTreeMap::from([(self.root.clone(), RecursiveMode::NonRecursive)]);
        for pattern in &self.patterns {
            let (folder, rest) = literal(pattern);
            let folder = self.root.join(folder);
            if !rest.contains('/') && !rest.contains("**") {
                if folder.is_dir() {
                    folders.entry(folder).or_insert(RecursiveMode::NonRecursive);
                }
            } else if folder != self.root {
                if folder.is_dir() {
                    folders.insert(folder, RecursiveMode::Recursive);
                }
            } else {
                folders.extend(sources::below(&folder).into_iter().map(|below| (below, RecursiveMode::Recursive)));
            }
        }
        folders
    }

    fn counts(&self, path: &Path) -> bool {
        path == self.manifest
            || self.components.values().any(|set| self.relative(path).is_some_and(|p| set.is_match(p)))
    }

    /// The path in the project, unless it is a hidden file's or an editor's own copy.
    fn relative<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let relative = path.strip_prefix(&self.root).ok()?;
        let hidden = relative.components().any(|part| match part {
            Component::Normal(name) => name.to_string_lossy().starts_with('.'),
            _ => true,
        });
        let name = relative.file_name()?.to_string_lossy();
        (!hidden && !name.ends_with('~') && name != "__pycache__" && !name.ends_with(".pyc")).then_some(relative)
    }

    fn change(&self, paths: &BTreeSet<PathBuf>) -> Change {
        let touched = self
            .components
            .iter()
            .filter(|(_, set)| paths.iter().any(|path| self.relative(path).is_some_and(|path| set.is_match(path))));
        let touched: Vec<_> = touched.map(|(name, _)| name.clone()).collect();
        // What an editor made on the way is gone by now; what a person removed is named if there is nothing else.
        let there: Vec<_> = paths.iter().filter(|path| path.exists()).collect();
        let named = if there.is_empty() { paths.iter().collect() } else { there };
        let files = named.into_iter().map(|path| path.strip_prefix(&self.root).unwrap_or(path).display().to_string());
        Change {
            files: files.collect(),
            component: touched.first().filter(|_| touched.len() == 1).cloned(),
            manifest: paths.contains(&self.manifest),
        }
    }
}

/// The folder that a pattern begins in, and the rest.
fn literal(pattern: &str) -> (&str, &str) {
    let wild = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
    match pattern[..wild].rfind('/') {
        Some(end) => (&pattern[..end], &pattern[end + 1..]),
        None => ("", pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(folder: &Path) -> Project {
        let manifest = r#"
manifest_version = 1
[integration]
name = "demo"
[component.one]
source = "dist/one.wasm"
build = { command = "true", watch = ["src/**", "package.json"] }
[component.two]
source = "dist/two.wasm"
build = { command = "true", folder = "two", watch = ["**/*.go"] }
"#;
        std::fs::create_dir_all(folder.join("src/deep")).unwrap();
        std::fs::create_dir_all(folder.join("two")).unwrap();
        std::fs::write(folder.join("jackfield.toml"), manifest).unwrap();
        Project::open(folder).unwrap()
    }

    #[test]
    fn what_the_manifest_names_counts_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(&project(folder.path())).unwrap();
        let counts = |path: &str| files.counts(&files.root.join(path));
        for yes in ["src/a.ts", "src/deep/b.ts", "package.json", "two/main.go", "jackfield.toml"] {
            assert!(counts(yes), "{yes}");
        }
        for no in
            ["README.md", "src/.a.ts.swp", "src/a.ts~", "main.go", "src/__pycache__", ".jackfield/x", "dist/one.wasm"]
        {
            assert!(!counts(no), "{no}");
        }
    }

    #[tokio::test]
    async fn files_saved_together_are_one_change_of_their_component() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let mut watch = Watch::new(&project).unwrap();
        std::fs::write(folder.path().join("README.md"), "not watched").unwrap();
        std::fs::write(folder.path().join("src/a.ts"), "1").unwrap();
        std::fs::write(folder.path().join("src/deep/b.ts"), "1").unwrap();
        let change = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap();
        assert_eq!(change.files, ["src/a.ts", "src/deep/b.ts"]);
        assert_eq!((change.component.unwrap().as_str(), change.manifest), ("one", false));
        // As some editors save: a new file takes the old one's place.
        std::fs::write(folder.path().join("two/.main.go.new"), "1").unwrap();
        std::fs::rename(folder.path().join("two/.main.go.new"), folder.path().join("two/main.go")).unwrap();
        let change = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap();
        assert_eq!((change.files, change.component.unwrap().as_str()), (vec!["two/main.go".to_owned()], "two"));
    }
}
