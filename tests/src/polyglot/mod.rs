//! The polyglot cases: what every language must be able to do, one file a case in `tests/polyglot`.
//!
//! Each language has one guest, `tests/guests/cases-<language>`, that plays the case its event names. All must come to
//! what the case's file says; where a language cannot, the file says so, and why.

pub mod case;
pub mod check;
pub mod differ;
pub mod language;
pub mod outside;
pub mod parts;
pub mod play;
mod scripted;
pub mod table;

pub use case::Case;
pub use language::Language;
