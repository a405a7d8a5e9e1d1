//! What is wrong with a manifest: every problem at once, each with its place and the way out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its line, counted from 1, if the text had lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The key, dotted: `component.sync.limits.memory`, `trigger.sweep.kind`.
    pub key: String,
    /// What is wrong with its value, and the way out. Further lines belong indented below.
    pub text: String,
}

/// All that is wrong with a manifest; never empty in an `Err`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The file's name, to show.
    pub file: String,
    /// In the order of the file.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.file)?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            write!(f, "  {}", problem.text.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
