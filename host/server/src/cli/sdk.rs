//! The SDKs that this binary carries: host and SDK are of one version, and a project needs no registry for them.
//!
//! They are the very packages that a registry would serve. Not here: what a language's own tools make of them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jackfield_core::release::Language;
use sha2::{Digest as _, Sha256};

/// Where they lie in a project. Not to be committed: `jackfield build` puts them there again.
pub(super) const FOLDER: &str = ".jackfield/sdk";
/// Names the state that the files beside it are in.
const STAMP: &str = ".version";
/// What a language's tools put among the files of its SDK.
const OTHERS: [&str; 4] = ["node_modules", "target", "__pycache__", STAMP];

#[derive(rust_embed::Embed)]
#[folder = "../../sdk"]
#[include = "go/**"]
#[include = "js/README.md"]
#[include = "js/package.json"]
#[include = "js/tsconfig.guest.json"]
#[include = "js/build/*"]
#[include = "js/src/*"]
#[include = "js/types/**"]
#[include = "python/README.md"]
#[include = "python/pyproject.toml"]
#[include = "python/requirements.txt"]
#[include = "python/jackfield/**"]
#[include = "rust/Cargo.toml"]
#[include = "rust/README.md"]
#[include = "rust/src/**"]
#[include = "rust/wit/*"]
#[include = "rust/macros/Cargo.toml"]
#[include = "rust/macros/src/*"]
#[exclude = "**/__pycache__/**"]
#[exclude = "go/**/*_test.go"]
struct Carried;

/// The folder of a language's SDK, below [`FOLDER`].
pub(super) const fn folder(language: Language) -> &'static str {
    match language {
        Language::TypeScript => "js",
        Language::Python => "python",
        Language::Rust => "rust",
        Language::Go => "go",
    }
}

/// An SDK that lies in a project.
pub(super) struct Unpacked {
    /// Where.
    pub(super) path: PathBuf,
    /// Names its content: equal for equal files.
    pub(super) digest: String,
}

/// Puts the SDK of a language into a project, unless it is there as this binary carries it.
///
/// # Errors
///
/// A file cannot be written.
pub(super) fn unpack(project: &Path, language: Language) -> io::Result<Unpacked> {
    let path = project.join(FOLDER).join(folder(language));
    let files = files(language);
    let digest = digest(&files);
    let stamp = path.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|there| there == digest) {
        return Ok(Unpacked { path, digest });
    }
    for (name, content) in &files {
        let file = path.join(name);
        fs::create_dir_all(file.parent().unwrap_or(&path))?;
        // What is as it should be keeps its time, or build tools would take it for new.
        if !fs::read(&file).is_ok_and(|there| there == *content) {
            fs::write(&file, content)?;
        }
    }
    let wanted: BTreeSet<PathBuf> = files.iter().map(|(name, _)| path.join(name)).collect();
    remove_others(&path, &wanted)?;
    fs::write(&stamp, &digest)?;
    Ok(Unpacked { path, digest })
}

/// The files of an SDK, by their paths in it.
fn files(language: Language) -> Vec<(String, Vec<u8>)> {
    let begin = format!("{}/", folder(language));
    let mut files: Vec<_> = Carried::iter()
        .filter_map(|path| {
            let name = path.strip_prefix(&begin)?.to_owned();
            Some((name, Carried::get(&path)?.data.into_owned()))
        })
        .collect();
    files.sort();
    files
}

fn digest(files: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    for (name, content) in files {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    format!("{} {}", crate::VERSION, data_encoding::HEXLOWER.encode(&hash.finalize()))
}

/// Files of an older SDK must not be found by this one's tools.
fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if OTHERS.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            remove_others(&path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_its_sdk_with_a_readme() {
        for language in Language::ALL {
            let files = files(language);
            assert!(files.iter().any(|(name, _)| name == "README.md"), "{language:?}: {}", files.len());
            assert!(files.iter().all(|(name, _)| !name.contains("node_modules")), "{language:?}");
        }
    }

    /// What is carried is what lies there: a new file is not noticed by the compiler.
    #[test]
    fn what_is_carried_is_what_lies_in_the_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk");
        for folder in
            ["js/src", "js/build", "js/types/interfaces", "python/jackfield", "python/jackfield/build", "rust/src"]
        {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                if entry.file_type().unwrap().is_file() {
                    let carried =
                        Carried::get(&name).unwrap_or_else(|| panic!("{name}: touch host/server/src/cli/sdk.rs"));
                    assert_eq!(carried.data, fs::read(entry.path()).unwrap(), "{name}");
                }
            }
        }
    }

    #[test]
    fn an_sdk_replaces_an_older_one_and_leaves_what_is_installed() {
        let project = tempfile::tempdir().unwrap();
        let there = unpack(project.path(), Language::TypeScript).unwrap();
        let (old, kept) = (there.path.join("src/old.ts"), there.path.join("node_modules/x/index.js"));
        for file in [&old, &kept] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        unpack(project.path(), Language::TypeScript).unwrap();
        assert!(old.exists(), "an SDK that is there is not looked through");
        fs::write(there.path.join(STAMP), "0.0.9").unwrap();
        let again = unpack(project.path(), Language::TypeScript).unwrap();
        assert_eq!((again.digest, old.exists(), kept.exists()), (there.digest, false, true));
    }
}
