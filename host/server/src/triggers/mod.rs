//! The triggers that need no outside system: what they hear becomes events, and the intake's runs.
//!
//! A trigger knows nothing of components, retries or wasm.

pub mod manual;
pub mod webhook;
