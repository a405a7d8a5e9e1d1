//! The triggers that need no outside system: what they hear becomes events, and the intake's runs.
//!
//! A trigger knows nothing of components, retries or wasm. Not here: runs that somebody starts by hand,
//! which are a route of the admin API, nor schedules, which need nothing of a server (the core's `scheduler`).

pub mod webhook;
