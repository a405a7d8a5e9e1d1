//! Reads `jackfield.toml`.
