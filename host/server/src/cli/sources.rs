//! Sources: whether a component is older than what it is built of.
//!
//! Not here: how it is built, and who waits for a change.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use jackfield_core::release::Component;

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
    let patterns: Vec<Vec<&str>> = build.watch.iter().map(|pattern| pattern.split('/').collect()).collect();
    newer(folder, &mut Vec::new(), &patterns, built).map(|file| format!("{file} is newer than it"))
}

/// The first file that matches a pattern and changed after `built`.
fn newer(folder: &Path, path: &mut Vec<String>, patterns: &[Vec<&str>], built: SystemTime) -> Option<String> {
    let mut entries: Vec<_> = fs::read_dir(folder).ok()?.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
        if kind.is_dir() && OTHERS.contains(&name.as_str()) {
            continue;
        }
        path.push(name);
        let found = if kind.is_dir() {
            newer(&entry.path(), path, patterns, built)
        } else {
            let parts: Vec<&str> = path.iter().map(String::as_str).collect();
            let changed = || fs::metadata(entry.path()).and_then(|there| there.modified()).is_ok_and(|at| at > built);
            (patterns.iter().any(|pattern| matches(pattern, &parts)) && changed()).then(|| path.join("/"))
        };
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Whether a path matches a pattern: `*` for a part of a name, `**` for any number of folders.
fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", [])), _) => true,
        (Some((&"**", rest)), Some((_, below))) => matches(rest, path) || matches(pattern, below),
        (Some((&"**", rest)), None) => matches(rest, path),
        (Some((part, rest)), Some((name, below))) => named(part, name) && matches(rest, below),
        _ => false,
    }
}

fn named(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, rest)) => name.strip_prefix(begin).is_some_and(|left| {
            left.char_indices().map(|(at, _)| at).chain([left.len()]).any(|at| named(rest, &left[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jackfield_core::release::Build;
    use std::time::Duration;

    #[test]
    fn patterns_match_as_a_shell_would() {
        let check = |pattern: &str, path: &str| {
            matches(&pattern.split('/').collect::<Vec<_>>(), &path.split('/').collect::<Vec<_>>())
        };
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
        let build = Build { command: "true".into(), watch: vec!["src/**".into()] };
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
