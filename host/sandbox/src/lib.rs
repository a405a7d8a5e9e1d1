//! The cell: it turns the bytes of a component into instances, and an attempt into an outcome.
//!
//! The only crate that names wasmtime. What it takes and gives are the ledger's types, so nothing outside
//! it waits for the engine to compile. The way of an upload: [`gate`], [`inspect`], [`compile`], [`code`].

mod bindings;
mod capabilities;
pub mod code;
pub mod compile;
pub mod engine;
pub mod gate;
pub mod inspect;
pub mod invoke;
mod limits;
mod program;
mod state;
mod wasi;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
pub(crate) mod testing;
