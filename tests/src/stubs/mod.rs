//! Stub servers: two outside systems over real HTTP, that check what they are sent and fail on demand.
//!
//! A test talks to them in its own process; `make run` and people use the binaries, with the same data.

pub mod echo;
pub mod fault;
pub mod github;
pub mod record;
pub mod serve;
pub mod server;
pub mod servicenow;

pub use fault::{Fault, Kind};
pub use record::Record;
pub use server::{Answer, Api, Stub};
