//! The tools of each language: whether they are here, and what a project needs of them before its build command runs.
//!
//! Nothing is installed on the machine but what a language's own tools keep for themselves; a project's packages go into
//! the project. Not here: the build command itself, which is the manifest's.

mod go;
mod node;
mod python;
mod rust;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jackfield_core::release::Language;

use super::error::CliError;
use super::screen::Screen;
use super::sdk::{self, Unpacked};

/// What is made ready.
pub(super) struct Workshop<'a> {
    /// The component's folder, in which its tools run.
    folder: &'a Path,
    sdk: Unpacked,
    screen: &'a Screen,
}

/// Says which version of a language's tools is here, or what is missing and how to get it.
pub(super) fn check(language: Language) -> Result<String, String> {
    match language {
        Language::TypeScript => node::check(),
        Language::Python => python::check(),
        Language::Rust => rust::check(),
        Language::Go => go::check(),
    }
}

/// Makes a component's folder ready for its build command: the SDK of this binary's version, and the packages that the
/// folder's lockfile names. Does nothing when all is there.
pub(super) fn prepare(language: Language, project: &Path, folder: &Path, screen: &Screen) -> Result<(), CliError> {
    check(language).map_err(CliError::input)?;
    let sdk = sdk::unpack(project, language).map_err(|e| {
        CliError::host(format!("{}: {e}", project.join(sdk::FOLDER).join(sdk::folder(language)).display()))
    })?;
    let workshop = Workshop { folder, sdk, screen };
    match language {
        Language::TypeScript => node::prepare(&workshop),
        Language::Python => python::prepare(&workshop),
        // Cargo and Go fetch what they need when they build.
        Language::Rust => rust::prepare(&workshop),
        Language::Go => Ok(()),
    }
}

impl Workshop<'_> {
    /// Runs a step that may take a while; what it said is shown if it fails.
    fn step(&self, what: &str, command: &mut Command) -> Result<(), CliError> {
        self.screen.line(Screen::dim(&format!("{what} …")));
        let _progress = self.screen.progress(what);
        let output = command.current_dir(self.folder).stdin(Stdio::null()).output();
        let output = output.map_err(|e| CliError::host(format!("{}: {e}", command.get_program().to_string_lossy())))?;
        if output.status.success() {
            return Ok(());
        }
        Err(CliError::input(format!("{what} failed: {}\n\n{}", shown(command), last_words(&output))))
    }

    /// Whether `stamp` says that `made_of` was dealt with.
    fn is_done(&self, stamp: &Path, made_of: &str) -> bool {
        fs::read_to_string(self.folder.join(stamp)).is_ok_and(|there| there == made_of)
    }

    /// Notes that it was.
    fn done(&self, stamp: &Path, made_of: &str) -> Result<(), CliError> {
        let file = self.folder.join(stamp);
        fs::write(&file, made_of).map_err(|e| CliError::host(format!("{}: {e}", file.display())))
    }

    /// A path in the folder, for a tool that may run elsewhere.
    fn there(&self, path: &str) -> Result<PathBuf, CliError> {
        std::path::absolute(self.folder.join(path)).map_err(|e| CliError::host(e.to_string()))
    }
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The end of what a command said, where its reason is.
fn last_words(output: &Output) -> String {
    const LINES: usize = 30;
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("");
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The first numbers of what a command prints as its version, such as 20 and 11 of `v20.11.1`; `None` if there is no
/// such command.
fn version_of(program: &str, arguments: &[&str]) -> Option<(String, (u32, u32))> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = said.split_whitespace().find_map(|word| {
        let word = word.trim_start_matches("go").trim_start_matches('v');
        word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
    })?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    let pair = (numbers.next()?, numbers.next().unwrap_or(0));
    Some((version, pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_tools_print_them() {
        let of = |text: &str| version_of("echo", &[text]).map(|(_, pair)| pair);
        assert_eq!(of("v20.11.1"), Some((20, 11)));
        assert_eq!(of("Python 3.11.7"), Some((3, 11)));
        assert_eq!(of("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(of("rustc 1.95.0 (abc 2026-04-14)"), Some((1, 95)));
        assert_eq!(of("no number"), None);
        assert_eq!(version_of("no-such-command-at-all", &[]), None);
    }

    #[test]
    fn a_failed_step_shows_the_end_of_what_was_said() {
        let output = Command::new("sh").args(["-c", "seq 100; echo why >&2"]).output().unwrap();
        let words = last_words(&output);
        assert!(words.ends_with("100\nwhy") && words.lines().count() == 30, "{words}");
    }
}
