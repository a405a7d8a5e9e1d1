//! The ports: traits that the other crates fill, so that the ledger names none of them.

pub mod blob;
pub mod connector;
pub mod email;
pub mod events;
pub mod http;
pub mod kv;
pub mod messaging;
pub mod outward;
pub mod sandbox;
pub mod source;
pub mod sql;
