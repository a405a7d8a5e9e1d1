//! The sandbox as the executor sees it: it turns work into an outcome.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::artifact::Digest;
use crate::event::Event;
use crate::grant::Grants;
use crate::hatch::Hatch;
use crate::limits::Limits;
use crate::outcome::{Outcome, Usage};

/// One attempt to be made.
pub struct Work {
    /// The component.
    pub artifact: Digest,
    /// What it is to handle.
    pub event: Arc<Event>,
    /// What it may use.
    pub limits: Limits,
    /// What it may import; each call is checked again in the hatch.
    pub grants: Arc<Grants>,
    /// Its only way out.
    pub hatch: Arc<Hatch>,
    /// Fires when a person cancels the run or the host must end it: the outcome is `cancelled`.
    pub stop: CancellationToken,
}

/// How the attempt ended and what it used. `usage.calls` and the bytes are the hatch's to fill.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
}

/// It did not run, or nobody knows how it ended, and the guest is not to blame.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HostFault(pub String);

/// Runs guests.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// Makes one attempt in a fresh instance.
    ///
    /// `Ok` is an answer about the guest, good or bad. `Err` says nothing about the guest: the run
    /// is released with back-off, and no attempt is used up.
    ///
    /// The guest's code is not running any more when this returns, however it returns.
    ///
    /// # Errors
    ///
    /// [`HostFault`]: the code could not be loaded, or no instance could be made.
    async fn invoke(&self, work: Work) -> Result<Report, HostFault>;
}
