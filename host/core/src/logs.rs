//! Guest logs: segment files, not rows.
