//! What the gauntlet asks of this process: a bug to be seeded, a point to die at.
//!
//! Two variables, heard by development builds only; a release build takes them for variables that look like
//! settings and are none. Not here: what a bug does (see [`jackfield_core::gauntlet`]).

/// How variables of the gauntlet begin.
pub(super) const PREFIX: &str = "JACKFIELD_GAUNTLET_";

/// Arms what `JACKFIELD_GAUNTLET_BUG=name` and `JACKFIELD_GAUNTLET_POINT=name:passage` say.
///
/// # Errors
///
/// There is no such bug, or the passage is no number.
#[cfg(debug_assertions)]
pub fn arm() -> Result<(), String> {
    use jackfield_core::gauntlet::{arm_bug, arm_crash_point};

    let variable = |name: &str| {
        let name = format!("{PREFIX}{name}");
        std::env::vars().find(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value)
    };
    if let Some(bug) = variable("BUG") {
        arm_bug(Some(&bug))?;
        tracing::warn!(bug, "a bug is seeded: this host breaks its promises");
    }
    if let Some(point) = variable("POINT") {
        let (name, passage) = point.split_once(':').unwrap_or((&point, "1"));
        let passage = passage.parse().map_err(|_| format!("{PREFIX}POINT={point}: write name:passage, such as x:1"))?;
        arm_crash_point(name, passage);
        tracing::warn!(name, passage, "this host dies at a point");
    }
    Ok(())
}

/// Nothing: a release build cannot be armed.
///
/// # Errors
///
/// Never.
#[cfg(not(debug_assertions))]
pub const fn arm() -> Result<(), String> {
    Ok(())
}
