//! The admin API: everything the command line and the dashboard do, they do through here.
//!
//! One file per resource. Which right a route needs is said once, in its description; see [`auth`].

mod artifacts;
mod audit;
pub mod auth;
mod backup;
mod config;
pub mod connections;
mod dead_letters;
mod decide;
pub mod difference;
mod environments;
pub mod error;
mod export;
mod jobs;
mod json;
pub mod logs;
mod manual;
mod master_key;
mod notify;
pub mod releases;
mod router;
pub mod run_data;
mod runs;
mod secrets;
mod state;
mod status;
mod throttle;
mod tokens;
mod triggers;
pub mod types;
mod verdict;
pub mod versions;

pub use self::router::router;

#[cfg(test)]
mod tests;
