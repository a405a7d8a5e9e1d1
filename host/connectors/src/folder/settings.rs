//! The settings of a folder connection and of its trigger, as checked.
//!
//! Not here: whether the folder is there, which is looked at when it is used.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use globset::{GlobMatcher, GlobSet, GlobSetBuilder};
use jackfield_core::ports::connector::SettingProblem;
use serde_json::{Map, Value};

use super::HIDDEN;
use crate::Surroundings;
use crate::settings::{Reader, glob};

const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// See the module; whoever holds one need not check again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// As it was written.
    pub(super) path: PathBuf,
    /// The folder of the host's configuration that it is in.
    pub(super) allowed: PathBuf,
    /// The way from `allowed` to it; empty if it is the same.
    pub(super) below: PathBuf,
    pub(super) timeout: Duration,
}

impl Settings {
    /// Reads settings as an operator wrote them.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(super) fn read(map: &Map<String, Value>, around: &Surroundings) -> Result<Self, Vec<SettingProblem>> {
        let mut reader = Reader::new(map);
        let place = match reader.required("path", "`/srv/inbox`").map(|path| place(Path::new(path), around)) {
            None => None,
            Some(Ok(place)) => Some(place),
            Some(Err(problem)) => {
                reader.problem("path", problem);
                None
            }
        };
        let timeout = reader.duration("timeout", TIMEOUT, LONGEST_TIMEOUT);
        let problems = reader.finish();
        match place {
            Some((path, allowed, below)) if problems.is_empty() => Ok(Self { path, allowed, below, timeout }),
            _ => Err(problems),
        }
    }
}

/// The folder, the one of the configuration that it is in, and the way from there.
fn place(path: &Path, around: &Surroundings) -> Result<(PathBuf, PathBuf, PathBuf), String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("`{shown}` is not absolute; write it from the root, such as `/srv/inbox`"));
    }
    if path.components().any(|part| !matches!(part, Component::RootDir | Component::Normal(_))) {
        return Err(format!("`{shown}` has a part `..`; write it without"));
    }
    if let Some(own) = &around.own_folder
        && (path.starts_with(own) || own.starts_with(path))
    {
        return Err(format!("`{shown}` is, or holds, the data folder of this host, which no connection is about"));
    }
    for allowed in &around.folders {
        if let Ok(below) = path.strip_prefix(allowed) {
            return Ok((path.to_owned(), allowed.clone(), below.to_owned()));
        }
    }
    let named: Vec<String> = around.folders.iter().map(|folder| folder.display().to_string()).collect();
    let now = if named.is_empty() { "names none".into() } else { format!("names {}", named.join(", ")) };
    Err(format!(
        "`{shown}` is in no folder that this host's configuration allows (it {now}); whoever runs the host can allow it \
         with `folders = [\"{shown}\"]` under `[connections]`, and start it again"
    ))
}

/// When a file is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// Size and time did not change for so long.
    Stable(Duration),
    /// At first sight: whoever writes it does so under another name, and renames it.
    Rename,
}

/// What becomes of a file once its event is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    Delete,
    /// Into this folder, below the connection's; without a slash at its end.
    Move(String),
}

/// What a manifest says of a trigger.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) pattern: GlobMatcher,
    pub(super) ignore: GlobSet,
    pub(super) every: Duration,
    pub(super) ready: Ready,
    pub(super) then: Then,
}

/// What is ignored unless the manifest says otherwise: how programs name what they have not finished.
const UNFINISHED: [&str; 4] = ["**/*.part", "**/*.tmp", "**/*.filepart", "**/.*"];

impl Wanted {
    /// Reads the keys of a trigger beside name, kind, component and connection.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(super) fn read(map: &Map<String, Value>) -> Result<Self, Vec<SettingProblem>> {
        let mut reader = Reader::new(map);
        let pattern = reader.text("pattern").unwrap_or("**");
        let pattern = match glob(pattern) {
            Ok(pattern) => Some(pattern),
            Err(problem) => {
                reader.problem("pattern", problem);
                None
            }
        };
        let ignore = ignore(&mut reader);
        let every = reader.duration("every", Duration::from_secs(2), Duration::from_secs(86_400));
        let stable_for = reader.duration("stable_for", Duration::from_secs(5), Duration::from_secs(3_600));
        let ready = match reader.text("ready") {
            None | Some("stable") => Ready::Stable(stable_for),
            Some("rename") => {
                if map.contains_key("stable_for") {
                    reader.problem("stable_for", "is of no use with `ready = \"rename\"`: leave one of them out");
                }
                Ready::Rename
            }
            Some(other) => {
                let problem = format!(
                    "`{other}` is not known; `stable` (size and time unchanged for `stable_for`), or `rename` (files \
                     appear under their name only when they are whole)"
                );
                reader.problem("ready", problem);
                Ready::Rename
            }
        };
        let then = then(&mut reader);
        let problems = reader.finish_alone();
        match pattern {
            Some(pattern) if problems.is_empty() => Ok(Self { pattern, ignore, every, ready, then }),
            _ => Err(problems),
        }
    }

    /// Whether a file of this name is to be heard.
    pub(super) fn takes(&self, name: &str) -> bool {
        let moved = matches!(&self.then, Then::Move(to) if name.strip_prefix(to).is_some_and(|r| r.starts_with('/')));
        !moved && self.pattern.is_match(name) && !self.ignore.is_match(name)
    }
}

fn ignore(reader: &mut Reader<'_>) -> GlobSet {
    let texts: Vec<&str> = match reader.value("ignore") {
        None => UNFINISHED.to_vec(),
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).collect()
        }
        Some(_) => {
            reader.problem("ignore", "is no pattern and no list of patterns, such as [\"*.part\"]");
            Vec::new()
        }
    };
    let mut set = GlobSetBuilder::new();
    for text in texts {
        match glob(text) {
            Ok(pattern) => {
                set.add(pattern.glob().clone());
            }
            Err(problem) => reader.problem("ignore", problem),
        }
    }
    set.build().unwrap_or_else(|_| GlobSet::empty())
}

fn then(reader: &mut Reader<'_>) -> Then {
    const WAYS: &str = "`keep`, `delete`, or { move = \"done/\" }";
    match reader.value("then") {
        None => Then::Keep,
        Some(Value::String(word)) if word == "keep" => Then::Keep,
        Some(Value::String(word)) if word == "delete" => Then::Delete,
        Some(Value::Object(_)) => {
            let to = reader.table("then", |reader| {
                let to = reader.required("move", "`done/`")?.trim_end_matches('/');
                let bad = |part: &str| matches!(part, "" | "." | "..") || part.starts_with(HIDDEN);
                if to.split('/').any(bad) || to.chars().any(char::is_control) {
                    reader.problem("move", format!("`{to}` is no folder below the connection's, such as `done/`"));
                    return None;
                }
                Some(to.to_owned())
            });
            to.map_or(Then::Keep, Then::Move)
        }
        Some(other) => {
            reader.problem("then", format!("{other} is not known; {WAYS}"));
            Then::Keep
        }
    }
}
