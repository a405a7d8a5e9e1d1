//! `log`: structured lines, kept with the run. Also `types`, which has no functions.

use jackfield_core::logs::Level;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::{log, types};
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    log::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

pub(super) fn link_types(linker: &mut Linker<State>) -> Result<()> {
    types::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl types::Host for State {}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String, attributes: Vec<(String, String)>) -> Result<()> {
        #[cfg(any(test, feature = "failpoints"))]
        if message == FAILPOINT {
            panic!("{FAILPOINT}");
        }
        let level = match level {
            log::Level::Trace => Level::Trace,
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        if level == Level::Error {
            self.stdio.logged_error(&message);
        }
        self.hatch.log(level, &message, &attributes);
        Ok(())
    }
}

/// A guest that logs exactly this makes the host panic in a host function. Only in test builds.
#[cfg(any(test, feature = "failpoints"))]
pub(crate) const FAILPOINT: &str = "failpoint: panic in a host function";
