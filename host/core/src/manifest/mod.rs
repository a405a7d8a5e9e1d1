//! Reads `jackfield.toml`: text into a checked [`Manifest`], or every problem at once.
//!
//! Not here: whether a component's imports are granted (see [`crate::release::ungranted`]), nor
//! what an environment must have for it.

mod fields;
mod grants;
mod listen;
mod node;
mod problems;
mod read;
mod retry;
mod units;
mod verify;
mod write;

pub use problems::{Problem, Problems};
pub(crate) use units::{duration as read_duration, show_duration};
pub use write::to_json;
pub(crate) use write::{component_settings, trigger_settings};

use crate::release::Manifest;

/// The largest manifest, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Reads a manifest as it is written beside an integration's source. `file` is the name that
/// problems are shown with.
///
/// # Errors
///
/// Every problem found, with its line.
pub fn parse_toml(text: &str, file: &str) -> Result<Manifest, Problems> {
    let named = |list| Problems { file: file.into(), list };
    if text.len() > LARGEST {
        return Err(named(vec![Problem {
            line: None,
            key: String::new(),
            text: format!("{} bytes are too many for a manifest; the most are {LARGEST}", text.len()),
        }]));
    }
    let root = node::Node::from_toml(text).map_err(named)?;
    read::manifest(&root).map_err(named)
}

/// Reads a manifest of the same shape as JSON.
///
/// # Errors
///
/// Every problem found.
pub fn parse_json(value: &serde_json::Value) -> Result<Manifest, Problems> {
    read::manifest(&node::Node::from_json(value)).map_err(|list| Problems { file: "manifest".into(), list })
}

#[cfg(test)]
mod tests;
