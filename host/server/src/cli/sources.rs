//! Sources: whether a component is older than what it is built of.
//!
//! Not here: how it is built, and who waits for a change.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use jackfield_core::release::{Build, Component};

/// Folders that hold no sources, however a pattern reads: what tools put there is theirs.
const OTHERS: [&str; 8] = [".git", ".jackfield", ".venv", "__pycache__", "dist", "node_modules", "target", "tests"];

/// Why a component should be built, in a few words; none if it is up to date, or nothing says how to build it.
pub(super) fn stale(folder: &Path, manifest: &Path, component: &Component) -> Option<String> {
    let build = component.build.as_ref()?;
    let modified = |file: &Path| fs::metadata(file).and_then(|there| there.modified()).ok();
    let Some(built) = modified(&folder.join(&component.source)) else { return Some("it is not built".into()) };
    if modified(manifest).is_some_and(|changed| changed > built) {
        return Some("the manifest is newer than it".into());
    }
    // A pattern that does not read is told by `dev`; here it matches nothing.
    let mut set = GlobSetBuilder::new();
    for glob in patterns(build).iter().filter_map(|pattern| glob(pattern).ok()) {
        set.add(glob);
    }
    let set = set.build().ok()?;
    newer(folder, Path::new(""), &set, built).map(|file| format!("{} is newer than it", file.display()))
}

/// The files that a component is built of, as patterns relative to the project.
pub(super) fn patterns(build: &Build) -> Vec<String> {
    let own =
        |pattern: &String| build.folder.as_ref().map_or_else(|| pattern.clone(), |own| format!("{own}/{pattern}"));
    build.watch.iter().map(own).collect()
}

/// A pattern: `*` for a part of a name, `**` for any number of folders.
pub(super) fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).build()
}

/// The folders in a folder that may hold sources.
pub(super) fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.filter(|entry| !OTHERS.iter().any(|other| entry.file_name() == *other)).map(|entry| entry.path()).collect()
}

/// The first file that matches a pattern and changed after `built`.
fn newer(folder: &Path, below: &Path, patterns: &GlobSet, built: SystemTime) -> Option<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder.join(below)).ok()?.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    entries.into_iter().find_map(|entry| {
        let (name, kind) = (entry.file_name(), entry.file_type().ok()?);
        let path = below.join(&name);
        if kind.is_dir() {
            let looked = !OTHERS.iter().any(|other| name == *other);
            return looked.then(|| newer(folder, &path, patterns, built)).flatten();
        }
        let changed = || fs::metadata(entry.path()).and_then(|there| there.modified()).is_ok_and(|at| at > built);
        (patterns.is_match(&path) && changed()).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn patterns_match_as_a_shell_would() {
        let check = |pattern: &str, path: &str| glob(pattern).unwrap().compile_matcher().is_match(path);
        for (pattern, path) in
            [("src/**", "src/a/b.rs"), ("src/**/*.ts", "src/b.ts"), ("Cargo.toml", "Cargo.toml"), ("*.py", "a.py")]
        {
            assert!(check(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("src/**", "other/a"), ("src/*.ts", "src/a/b.ts"), ("*.py", "a.pyc"), ("Cargo.toml", "a/Cargo.toml")]
        {
            assert!(!check(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_changed_source_asks_for_a_build() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("jackfield.toml");
        let build = Build { command: "true".into(), folder: None, language: None, watch: vec!["src/**".into()] };
        let mut component = Component { source: "dist/a.wasm".into(), build: Some(build), ..Component::default() };
        let stale = |component: &Component| stale(folder.path(), &manifest, component);
        let write = |name: &str, seconds: u64| {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::create(file).unwrap().set_modified(at).unwrap();
        };
        write("jackfield.toml", 10);
        assert!(stale(&component).unwrap().contains("not built"));
        write("dist/a.wasm", 20);
        write("src/a.rs", 15);
        write("README.md", 30);
        assert_eq!(stale(&component), None);
        write("src/deep/b.rs", 30);
        assert_eq!(stale(&component).unwrap(), "src/deep/b.rs is newer than it");
        component.build = None;
        assert_eq!(stale(&component), None);
    }
}
