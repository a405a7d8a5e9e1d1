//! Real servers for the tests: PostgreSQL, Kafka, NATS, VersityGW (S3), Mailpit (SMTP), HAPI (FHIR) and Metro (SOAP), each
//! as processes of its own.
//!
//! `shared()` gives the one instance of the test process, which nobody can kill: a test makes its own database, topic,
//! stream or bucket on it. `start(options)` gives an instance of one's own, to kill, hang and start again. What a test
//! claims of a server it looks up by the server's own tools and files, not by the code under test.
//!
//! The programs are installed by `scripts/tools-servers`. Every server listens on 127.0.0.1 alone, and none outlives the
//! test process, however that ends.

pub mod fhir;
pub mod kafka;
mod kafka_produce;
mod kafka_wire;
pub mod nats;
mod nats_wire;
mod ports;
pub mod postgres;
pub mod process;
pub mod s3;
mod s3_signature;
pub mod server;
pub mod smtp;
pub mod soap;
pub mod tls;
mod watcher;

pub use fhir::Fhir;
pub use kafka::Kafka;
pub use nats::Nats;
pub use postgres::Postgres;
pub use s3::S3;
pub use server::Server;
pub use smtp::Smtp;
pub use soap::Soap;
