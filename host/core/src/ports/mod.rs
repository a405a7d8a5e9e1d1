//! The ports: traits that the other crates fill, so that the ledger names none of them.

pub mod connector;
pub mod events;
pub mod http;
pub mod kv;
pub mod sandbox;
