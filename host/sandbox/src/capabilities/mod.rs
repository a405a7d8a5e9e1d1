//! Capabilities: the WIT interfaces guests import, one thin file each.
//!
//! A file lifts the arguments, calls the hatch and lowers the answer, nothing else: grants, budgets and
//! the journal are the hatch's.

mod blob;
mod config;
mod email;
mod events;
mod http;
mod kv;
mod log;
mod messaging;
mod program;
mod run;
mod sql;
pub(crate) mod wasi_http;

use std::sync::{Arc, OnceLock};

use jackfield_core::grant::{Capability, Grants};
use wasmtime::component::Linker;

use crate::state::State;
use crate::wasi;

#[cfg(test)]
pub(crate) use self::log::FAILPOINT;

/// An interface: its name in `wit/`, the capability it needs (none: always there), how it is linked.
struct Interface {
    name: &'static str,
    needs: Option<Capability>,
    link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
}

/// Every interface guests can import besides the WASI baseline. This is the whole list.
const ALL: &[Interface] = &[
    Interface { name: "jackfield:plugin/types", needs: None, link: log::link_types },
    Interface { name: "jackfield:plugin/log", needs: None, link: log::link },
    Interface { name: "jackfield:plugin/run", needs: None, link: run::link },
    Interface { name: "jackfield:plugin/program", needs: None, link: program::link },
    Interface { name: "jackfield:plugin/config", needs: Some(Capability::Config), link: config::link },
    Interface { name: "jackfield:plugin/kv", needs: Some(Capability::Kv), link: kv::link },
    Interface { name: "jackfield:plugin/http", needs: Some(Capability::Http), link: http::link },
    Interface { name: "jackfield:plugin/events", needs: Some(Capability::Events), link: events::link },
    Interface { name: "jackfield:plugin/sql", needs: Some(Capability::Sql), link: sql::link },
    Interface { name: "jackfield:plugin/messaging", needs: Some(Capability::Messaging), link: messaging::link },
    Interface { name: "jackfield:plugin/blob", needs: Some(Capability::Blob), link: blob::link },
    Interface { name: "jackfield:plugin/email", needs: Some(Capability::Email), link: email::link },
    Interface { name: "wasi:http/types", needs: None, link: wasi_http::link_types },
    Interface { name: "wasi:http/outgoing-handler", needs: Some(Capability::Http), link: wasi_http::link },
];

/// The capabilities a component may import: those its grants mention, granted or denied. A denied one
/// is linked too, and the hatch answers `access-denied`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Set(u8);

impl Set {
    /// How many there are.
    const COUNT: usize = 1 << Capability::ALL.len();

    pub(crate) fn of(grants: &Grants) -> Self {
        let mentioned = Capability::ALL.iter().enumerate().filter(|(_, capability)| grants.mentions(**capability));
        Self(mentioned.fold(0, |set, (bit, _)| set | 1 << bit))
    }

    fn has(self, wanted: Capability) -> bool {
        Capability::ALL.iter().enumerate().any(|(bit, capability)| *capability == wanted && self.0 & 1 << bit != 0)
    }
}

/// One linker per set, each built once and never cloned.
pub(crate) struct Linkers {
    engine: wasmtime::Engine,
    built: [OnceLock<Arc<Linker<State>>>; Set::COUNT],
}

impl Linkers {
    pub(crate) fn new(engine: wasmtime::Engine) -> Self {
        Self { engine, built: [const { OnceLock::new() }; Set::COUNT] }
    }

    /// The linker of a set.
    pub(crate) fn get(&self, set: Set) -> wasmtime::Result<Arc<Linker<State>>> {
        let place = &self.built[usize::from(set.0)];
        if let Some(linker) = place.get() {
            return Ok(Arc::clone(linker));
        }
        let linker = Arc::new(build(&self.engine, set)?);
        Ok(Arc::clone(place.get_or_init(|| linker)))
    }
}

fn build(engine: &wasmtime::Engine, set: Set) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    for interface in ALL.iter().filter(|interface| interface.needs.is_none_or(|needed| set.has(needed))) {
        (interface.link)(&mut linker).map_err(|e| e.context(format!("linking {}", interface.name)))?;
    }
    Ok(linker)
}

#[cfg(test)]
mod tests;
