//! The doors: the one binary, `jackfield`, which is the host and its command line.
#![expect(unreachable_pub, reason = "nobody links a binary; `pub` says what a module offers the others")]

mod api;
mod app;
mod cli;
mod config;
mod crash_mark;
mod health;
mod hold;
mod keys;
mod listeners;
mod offline;
mod serve;
mod setup;
mod telemetry;
mod triggers;

use std::process::ExitCode;

/// The version of the host and its command line.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A compile process does this and nothing else: it is not trusted.
    if std::env::args_os().nth(1).is_some_and(|first| first == jackfield_sandbox::compile::WORKER_ARGUMENT) {
        return jackfield_sandbox::compile::worker_main();
    }
    cli::main(std::env::args_os())
}
