//! `wasi:io/poll`, recorded: which pollables were ready, in which order, is what a guest observes of
//! concurrency, so a repeated attempt is given it again.
//!
//! On replay each pollable recorded as ready is really waited for (that is what moves a pending
//! response to its ready state), one by one, and no other is touched; timers fire at once.

use std::time::Duration;

use jackfield_core::hatch::Stop;
use jackfield_core::journal::NonDeterminism;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_io::bindings::wasi::io::poll::{Host, HostPollable};

use crate::state::State;

/// How long a pollable that was ready before may take to be ready again. Its answer is at hand.
const READY_AGAIN: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// Set while a recorded pollable is waited for: timers are over then, whatever the clock says.
    static RECORDED_AS_READY: ();
}

/// Whether the pollable being asked is recorded as ready.
pub(crate) fn recorded_as_ready() -> bool {
    RECORDED_AS_READY.try_with(|()| ()).is_ok()
}

impl State {
    async fn wait_for_recorded(&mut self, pollable: u32) -> Result<()> {
        let one = vec![Resource::new_borrow(pollable)];
        let wait = RECORDED_AS_READY.scope((), Host::poll(&mut self.table, one));
        match tokio::time::timeout(READY_AGAIN, wait).await {
            Ok(ready) => ready.map(drop),
            Err(_) => Err(self.other_than_recorded("a pollable that was ready", "it does not become ready")),
        }
    }

    fn other_than_recorded(&self, recorded: &str, actual: &str) -> wasmtime::Error {
        let difference = NonDeterminism { call: 0, recorded: recorded.into(), actual: actual.into(), sides: None };
        self.hatch.end(Stop::NonDeterminism(difference)).into()
    }
}

impl Host for State {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        let of = u32::try_from(pollables.len())?;
        if of == 0 {
            // A trap by the rules of the interface, and nothing to record.
            return Host::poll(&mut self.table, pollables).await;
        }
        if let Some(ready) = self.hatch.recorded_poll(of)? {
            for &index in &ready {
                let Some(pollable) = pollables.get(index as usize) else {
                    return Err(self.other_than_recorded(&format!("pollable {index} ready"), &format!("only {of}")));
                };
                self.wait_for_recorded(pollable.rep()).await?;
            }
            return Ok(ready);
        }
        let ready = Host::poll(&mut self.table, pollables).await?;
        self.hatch.polled(of, ready.clone())?;
        Ok(ready)
    }
}

impl HostPollable for State {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        if self.hatch.recorded_block()? {
            return self.wait_for_recorded(pollable.rep()).await;
        }
        HostPollable::block(&mut self.table, pollable).await?;
        Ok(self.hatch.blocked()?)
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        if let Some(ready) = self.hatch.recorded_ready()? {
            if ready {
                self.wait_for_recorded(pollable.rep()).await?;
            }
            return Ok(ready);
        }
        let ready = HostPollable::ready(&mut self.table, pollable).await?;
        self.hatch.asked_ready(ready)?;
        Ok(ready)
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        HostPollable::drop(&mut self.table, pollable)
    }
}
