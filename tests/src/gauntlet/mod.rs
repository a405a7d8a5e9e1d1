//! The gauntlet: a host under load is killed, cut off and starved, and an offline checker says what it lost.
//!
//! Read [`field`] (what is set up), [`load`] (what is sent), [`checker`] (what must hold), then [`modes`]. It drives
//! the built host from outside and reads its database; it knows none of its crates.

pub mod bugs;
pub mod checker;
pub mod database;
pub mod dice;
pub mod field;
pub mod load;
pub mod log;
pub mod modes;
pub mod msgpack;
pub mod points;
pub mod shim;
pub mod verdict;
