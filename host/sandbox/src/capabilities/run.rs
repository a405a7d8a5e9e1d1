//! `run`: what a guest may know of the run it belongs to.

use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::run;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    run::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl run::Host for State {
    fn current(&mut self) -> Result<run::RunInfo> {
        let info = self.hatch.info();
        Ok(run::RunInfo {
            id: info.fence.run.to_string(),
            attempt: info.attempt,
            idempotency_key: info.idempotency_key.clone(),
            trigger: info.target.trigger.to_string(),
            integration: info.target.integration.to_string(),
            environment: info.target.environment.to_string(),
            component: info.target.component.to_string(),
            version: info.target.version,
            deadline: info.deadline.to_string(),
            traceparent: Some(info.traceparent.clone()),
        })
    }

    fn remaining_ms(&mut self) -> Result<u32> {
        Ok(self.hatch.remaining_ms()?)
    }
}
