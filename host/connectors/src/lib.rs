//! The plugs: one folder per kind of outside system, and the list of them.
//!
//! A connector knows its connection and its call's arguments; it knows no guest, no queue and no
//! wasm. Every plug that dials goes through [`Network`], which decides whose address may be reached.

use std::sync::Arc;

use jackfield_core::ports::connector::Connector;

pub mod address;
mod dial;
pub mod http;
mod network;
mod settings;
mod tls;

#[cfg(test)]
mod tests;

pub use self::http::bare;
pub use self::network::{Audit, Denied, Network, Resolve, SystemResolver};

/// How one kind of connector is made.
type Make = fn(&Network) -> Arc<dyn Connector>;

/// One line per kind of outside system. This is the whole list.
const ALL: &[Make] = &[|network| Arc::new(http::HttpConnector::new(network))];

/// One connector of every kind, all dialing through `network`.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "a handle: each connector keeps a clone of it")]
pub fn all(network: Network) -> Vec<Arc<dyn Connector>> {
    ALL.iter().map(|make| make(&network)).collect()
}
