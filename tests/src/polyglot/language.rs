//! A language: its guest, as it is built and as it is written.

use std::path::{Path, PathBuf};

use crate::env;

/// The languages, in the order of the table.
pub const KNOWN: [(&str, &str); 4] = [("rust", "Rust"), ("js", "TypeScript"), ("python", "Python"), ("go", "Go")];

/// A language that cases are played in.
#[derive(Clone, Debug)]
pub struct Language {
    /// Its name in folders and case files.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
}

impl Language {
    /// Those that have a guest.
    ///
    /// # Panics
    ///
    /// There is a guest of a language that is not known.
    #[must_use]
    pub fn found() -> Vec<Self> {
        let folder = env::repository("tests/guests");
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let name = entry.expect("a folder can be read").file_name().into_string().unwrap_or_default();
            if let Some(language) = name.strip_prefix("cases-") {
                assert!(KNOWN.iter().any(|(known, _)| *known == language), "{name}: add `{language}` to `KNOWN`");
            }
        }
        let all = KNOWN.map(|(name, title)| Self { name, title });
        all.into_iter().filter(|language| language.folder().join("jackfield.toml").is_file()).collect()
    }

    /// The language of a name.
    ///
    /// # Panics
    ///
    /// It has no guest.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::found().into_iter().find(|l| l.name == name).unwrap_or_else(|| panic!("there is no guest cases-{name}"))
    }

    /// The project of its guest.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        env::repository(&format!("tests/guests/cases-{}", self.name))
    }

    /// The guest's sources: path in the project, and text.
    ///
    /// # Panics
    ///
    /// They cannot be read.
    #[must_use]
    pub fn sources(&self) -> Vec<(String, String)> {
        let root = self.folder();
        let mut found = Vec::new();
        // A Go package has its files where its module is.
        let top = if root.join("src").is_dir() { root.join("src") } else { root.clone() };
        collect(&root, &top, &mut found);
        found.sort();
        found
    }

    /// Where the line is that ends in `place: <name>`, as `src/failures.rs:12`.
    ///
    /// # Panics
    ///
    /// There is none.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        let mark = format!("place: {name}");
        for (path, text) in self.sources() {
            if let Some(line) = text.lines().position(|line| line.trim_end().ends_with(&mark)) {
                return format!("{path}:{}", line + 1);
            }
        }
        panic!("no line of {} ends in `{mark}`", self.folder().display())
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a folder can be read").path();
        let source = path.extension().is_some_and(|e| ["rs", "ts", "py", "go"].iter().any(|known| e == *known));
        let ours = !path.ends_with("node_modules") && !path.ends_with("target") && !path.ends_with(".jackfield");
        if path.is_dir() && ours {
            collect(root, &path, found);
        } else if source {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            found.push((name, text));
        }
    }
}
