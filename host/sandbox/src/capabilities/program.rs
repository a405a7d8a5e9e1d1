//! `program`: what a ready-made runtime is to run. Part of the component, so no call.

use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::program;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    program::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl program::Host for State {
    fn read(&mut self) -> Result<Vec<u8>> {
        Ok(self.program.to_vec())
    }
}
