//! The crash points: the named places at which a development build of the host can be told to die.
//!
//! Read from the host's source, so that none is forgotten; a test compares them with the docs.

use std::collections::BTreeSet;
use std::path::Path;

use crate::env;

/// Every point in the host's source.
#[must_use]
pub fn all() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(&env::repository("host"), &mut found);
    found
}

fn walk(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs")
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let calls = text.split("crash_point(\"").skip(1);
            found.extend(calls.filter_map(|rest| rest.split_once("\")").map(|(name, _)| name.to_owned())));
        }
    }
}

/// Those that the docs list: the first column of the table in `docs/reliability.md`.
#[must_use]
pub fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(env::repository("docs/reliability.md")).unwrap_or_default();
    let table = text.split("### Crash points").nth(1).unwrap_or_default();
    let table = table.split("\n#").next().unwrap_or_default();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`').map(|(name, _)| name.to_owned())).collect()
}

/// The names of the bugs that can be seeded.
#[must_use]
pub fn bugs() -> Vec<String> {
    let text = std::fs::read_to_string(env::repository("host/core/src/gauntlet.rs")).unwrap_or_default();
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix("(Self::"));
    rows.filter_map(|row| row.split('"').nth(1).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_list_every_crash_point() {
        let (code, docs) = (all(), documented());
        assert!(code.len() > 30, "{code:?}");
        let unlisted: Vec<_> = code.difference(&docs).collect();
        let gone: Vec<_> = docs.difference(&code).collect();
        assert!(
            unlisted.is_empty() && gone.is_empty(),
            "not in docs/reliability.md: {unlisted:?}; not in the code: {gone:?}"
        );
    }

    #[test]
    fn the_bugs_are_known_by_name() {
        assert!(bugs().iter().any(|bug| bug == "ack-before-commit"), "{:?}", bugs());
    }
}
