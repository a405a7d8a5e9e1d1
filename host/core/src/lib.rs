//! The ledger: what happened and what is due.
//!
//! This crate knows no wasm, no HTTP server and no outside system. It decides; others act:
//! the sandbox behind [`ports::sandbox`], the connectors behind [`ports`], the disk behind
//! [`store`]. Read it in the order of the one path: [`event`], [`store::queue`], [`executor`],
//! [`hatch`], [`outcome`], [`retry`], [`metrics`].

pub mod artifact;
pub mod breaker;
pub mod bulk;
pub mod clock;
pub mod diff;
pub mod event;
pub mod executor;
pub mod gauntlet;
pub mod grant;
pub mod hatch;
pub mod ids;
pub mod intake;
pub mod journal;
pub mod limits;
pub mod listen;
pub mod lock;
pub mod logs;
pub mod manifest;
pub mod metrics;
pub mod notify;
pub mod order;
pub mod outcome;
pub mod outside;
pub mod pace;
pub mod ports;
pub mod recording;
pub mod redact;
pub mod release;
pub mod retry;
pub mod run;
pub mod schedule;
pub mod scheduler;
pub mod seal;
pub mod sources;
pub mod store;
pub mod words;
