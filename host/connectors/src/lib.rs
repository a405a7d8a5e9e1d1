//! The plugs: one folder per kind of outside system, and the list of them.
//!
//! A connector knows its connection and its call's arguments; it knows no guest, no queue and no
//! wasm. Every plug that dials goes through [`Network`], which decides whose address may be reached.

use std::path::PathBuf;
use std::sync::Arc;

use jackfield_core::ports::connector::Connector;

pub mod address;
mod broker;
mod dial;
mod findings;
pub mod folder;
pub mod http;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod nats;
mod network;
pub mod postgres;
pub mod s3;
mod seen;
mod settings;
pub mod smtp;
mod tls;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use self::http::bare;
pub use self::network::{Audit, Denied, Network, Resolve, SystemResolver};

/// What connectors find around them on this host.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The way to everything that is dialed.
    pub network: Network,
    /// The folders of this machine that connections may be about, with what is below them: none unless the host's
    /// configuration names some.
    pub folders: Vec<PathBuf>,
    /// The host's own data folder: no connection is about it, or anything in it.
    pub own_folder: Option<PathBuf>,
}

/// How one kind of connector is made.
type Make = fn(&Surroundings) -> Arc<dyn Connector>;

/// One line per kind of outside system. This is the whole list.
const ALL: &[Make] = &[
    |around| Arc::new(folder::FolderConnector::new(around)),
    |around| Arc::new(http::HttpConnector::new(&around.network)),
    #[cfg(feature = "kafka")]
    |around| Arc::new(kafka::KafkaConnector::new(&around.network)),
    |around| Arc::new(nats::NatsConnector::new(&around.network)),
    |around| Arc::new(postgres::PostgresConnector::new(&around.network)),
    |around| Arc::new(s3::S3Connector::new(&around.network)),
    |around| Arc::new(smtp::SmtpConnector::new(&around.network)),
];

/// One connector of every kind.
#[must_use]
pub fn all(around: &Surroundings) -> Vec<Arc<dyn Connector>> {
    ALL.iter().map(|make| make(around)).collect()
}
