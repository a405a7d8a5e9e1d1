//! The store: runs, journals, releases, secrets and kv on disk. Traits, and their promises in prose.
//!
//! Each rule has a number, S1 …, and one function in `promises.rs` that every backend must pass.
//! Common to all: a command takes its place in line when its method is called, not when its future
//! is first polled; commands of one caller are carried out in that order; an `Ok` is durable.

pub mod admin;
pub mod dead_letters;
pub mod events;
pub mod journal;
pub mod kv;
pub mod notices;
pub mod queue;
pub mod registry;
pub mod schedules;
pub mod secrets;
pub mod sqlite;

#[cfg(any(test, feature = "test-support"))]
pub mod promises;

use std::future::Future;
use std::pin::Pin;

use crate::ids::RunId;

/// An answer on its way. The command behind it is in line already; dropping this does not undo it.
pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Why a command was not carried out. A variant per decision of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Drop the work: the run has another owner by now, or is final.
    #[error("run {run} is not owned by this attempt any more")]
    Superseded {
        /// The run.
        run: RunId,
    },
    /// There is no such thing (in the environment asked for).
    #[error("there is no {0}")]
    Missing(String),
    /// It is there, and its state does not allow this. The text says what would.
    #[error("{0}")]
    Conflict(String),
    /// The integration's queue is full; nothing was stored. Offer it again later.
    #[error("{0}")]
    QueueFull(String),
    /// The disk is full; nothing was stored. Resumes by itself when there is space.
    #[error("the disk is full")]
    DiskFull,
    /// Wait and try again.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
    /// A sync failed or the store is closing: nothing is accepted any more, and the host must end.
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

/// All of a store.
pub trait Store:
    queue::RunQueue
    + schedules::ScheduleStore
    + journal::JournalStore
    + registry::Registry
    + secrets::SecretStore
    + kv::KvStore
    + events::EventStore
    + admin::AdminStore
    + dead_letters::DeadLetterStore
    + notices::NoticeStore
{
}

impl<T> Store for T where
    T: queue::RunQueue
        + schedules::ScheduleStore
        + journal::JournalStore
        + registry::Registry
        + secrets::SecretStore
        + kv::KvStore
        + events::EventStore
        + admin::AdminStore
        + dead_letters::DeadLetterStore
        + notices::NoticeStore
{
}
