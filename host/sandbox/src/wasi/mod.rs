//! WASI: the baseline every component gets, because language runtimes import it unasked.
//!
//! Empty and denying: no environment, no arguments, no files, no sockets. What a guest can observe of
//! time, randomness and the order of events is ours, so that a repeated attempt observes it again.

pub(crate) mod clocks;
pub(crate) mod poll;
pub(crate) mod random;
pub(crate) mod stdio;

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p2::bindings::{cli, clocks as wasi_clocks, random as wasi_random};
use wasmtime_wasi_io::bindings::wasi::io::poll as wasi_poll;

use crate::state::State;

/// A context that allows nothing. Its clocks and its randomness are never reached: ours shadow them.
pub(crate) fn empty() -> WasiCtx {
    WasiCtx::builder().allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).build()
}

/// Links the baseline. One definition of 0.2.12 serves every 0.2 version a component may import.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    wasi_poll::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    wasi_clocks::monotonic_clock::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    wasi_clocks::wall_clock::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    wasi_random::random::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    wasi_random::insecure::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    wasi_random::insecure_seed::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    cli::stdout::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    cli::stderr::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod tests;
