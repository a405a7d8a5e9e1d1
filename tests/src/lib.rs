//! What the tests drive the built host with: the host itself, the outside systems it talks to, and a guest.
//!
//! Nothing here depends on the host's crates: it is driven as its users drive it, by its binary, its files
//! and its HTTP.

pub mod api;
pub mod env;
pub mod gauntlet;
pub mod host;
pub mod ledger;
pub mod manifest;
pub mod polyglot;
pub mod probe;
pub mod reference;
pub mod scenario;
pub mod servers;
pub mod signing;
pub mod stubs;
pub mod wait;
pub mod warm;
