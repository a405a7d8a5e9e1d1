//! Invoke: one attempt. A fresh store, a fresh instance, one call, one ending.
//!
//! The store is dropped whatever happened: nothing of one attempt is there for the next. What an ending
//! is called is decided in `ending`; what follows from it, in the ledger.

mod ending;
mod event;
mod frames;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::artifact::Digest;
use jackfield_core::hatch::Hatch;
use jackfield_core::outcome::{Outcome, Usage};
use jackfield_core::ports::sandbox::{HostFault, Report, Sandbox, Work};
use tokio_util::task::TaskTracker;
use wasmtime::Store;

use self::ending::Ending;
use crate::bindings::IntegrationPre;
use crate::capabilities::wasi_http::Hooks;
use crate::capabilities::{Linkers, Set};
use crate::code::{CodeStore, Executable};
use crate::engine::Engine;
use crate::limits::{Clocks, ENGINE_HANDLES, HANDLES};
use crate::state::State;

/// Where compiled code comes from.
#[async_trait]
pub(crate) trait Code: Send + Sync {
    /// The code of an artifact. Whoever gives it away decides how long it is kept.
    async fn component(&self, artifact: Digest) -> Result<Arc<Executable>, HostFault>;
}

#[async_trait]
impl Code for CodeStore {
    async fn component(&self, artifact: Digest) -> Result<Arc<Executable>, HostFault> {
        self.load(artifact).await.map_err(|e| HostFault(e.to_string()))
    }
}

type Linked = Arc<IntegrationPre<State>>;
/// Components linked with what their grants mention, for as long as their code is kept.
type Shelf = HashMap<(Digest, Set), (Weak<Executable>, Linked)>;

/// Runs guests in the engine.
pub struct WasmSandbox {
    engine: wasmtime::Engine,
    code: Arc<dyn Code>,
    linkers: Linkers,
    linked: Mutex<Shelf>,
    /// The clock of the engine stops with its last owner.
    _ticking: Option<Engine>,
}

impl WasmSandbox {
    /// A sandbox that runs what `code` holds, in the engine it was compiled for.
    #[must_use]
    pub fn new(engine: &Engine, code: Arc<CodeStore>) -> Self {
        Self { _ticking: Some(engine.clone()), ..Self::with_code(engine.raw().clone(), code) }
    }

    pub(crate) fn with_code(engine: wasmtime::Engine, code: Arc<dyn Code>) -> Self {
        let linkers = Linkers::new(engine.clone());
        Self { engine, code, linkers, linked: Mutex::default(), _ticking: None }
    }

    /// The component, linked with what its grants mention; or why it cannot be.
    async fn linked(&self, work: &Work) -> Result<Result<(Linked, Bytes), Outcome>, HostFault> {
        let key = (work.artifact, Set::of(&work.grants));
        let executable = self.code.component(work.artifact).await?;
        let (code, program) = (Arc::downgrade(&executable), executable.program.clone());
        if let Some((of, linked)) = self.shelf().get(&key)
            && of.ptr_eq(&code)
        {
            return Ok(Ok((Arc::clone(linked), program)));
        }
        let linker = self.linkers.get(key.1).map_err(|e| HostFault(format!("the linker: {e:#}")))?;
        // A deploy checks both. What fails here was deployed by an earlier host.
        let linked = match linker.instantiate_pre(&executable.component).and_then(IntegrationPre::new) {
            Ok(linked) => Arc::new(linked),
            Err(refused) => return Ok(Err(ending::not_linked(&refused))),
        };
        let mut shelf = self.shelf();
        // A new one came, so an old one may have gone: what is linked would keep its code mapped.
        shelf.retain(|_, (of, _)| of.strong_count() > 0);
        shelf.insert(key, (code, Arc::clone(&linked)));
        Ok(Ok((linked, program)))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty store with its limits set.
    fn store(&self, work: &Work, program: Bytes, clocks: &Arc<Clocks>, calls: &TaskTracker) -> Store<State> {
        let hooks = Hooks::new(Arc::clone(&work.hatch), calls.clone());
        let state = State::new(Arc::clone(&work.hatch), work.limits.memory_bytes, program, hooks);
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(
            usize::try_from(2 * work.limits.largest_argument_bytes(&work.grants)).unwrap_or(usize::MAX),
        );
        store.set_max_component_handles(ENGINE_HANDLES);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(HANDLES);
        }
        store.set_epoch_deadline(1);
        let clocks = Arc::clone(clocks);
        store.epoch_deadline_callback(move |_| clocks.tick());
        store
    }
}

#[async_trait]
impl Sandbox for WasmSandbox {
    async fn invoke(&self, work: Work) -> Result<Report, HostFault> {
        let (linked, program) = match self.linked(&work).await? {
            Ok(found) => found,
            Err(outcome) => return Ok(Report { outcome, usage: Usage::default() }),
        };
        let clocks = Clocks::start(work.limits.cpu, work.limits.timeout);
        let calls = TaskTracker::new();
        let mut store = self.store(&work, program, &clocks, &calls);
        let ended = Ended(Arc::clone(&work.hatch));
        let mut start = Duration::ZERO;
        let ending = {
            let lowered = event::Lowered::new(&work.event);
            let event = lowered.event();
            let guest = clocks.measure(async {
                let instance = match linked.instantiate_async(&mut store).await {
                    Ok(instance) => instance,
                    Err(e) => return Ending::NotStarted(e),
                };
                start = clocks.wall();
                match instance.jackfield_plugin_handler().call_handle(&mut store, event).await {
                    Ok(answer) => Ending::Returned(answer),
                    Err(e) => Ending::Trapped(e),
                }
            });
            // The guest first: an answer that is there counts, even at the last moment.
            tokio::select! {
                biased;
                ending = guest => ending,
                () = work.stop.cancelled() => Ending::Cancelled,
                () = tokio::time::sleep(work.limits.timeout) => {
                    clocks.timed_out();
                    Ending::TimedOut
                }
            }
        };
        let wall = clocks.wall();
        drop(ended);
        store.data().stdio.end();
        let memory_peak_bytes = store.data().memory.peak_bytes();
        let outcome = ending::outcome(ending, store.data(), &work.limits, &clocks);
        drop(store);
        // Their bodies have ended with the store; each call ends by its own deadline.
        calls.close();
        calls.wait().await;
        let usage = Usage { wall, cpu: clocks.cpu(), start, memory_peak_bytes, ..Usage::default() };
        Ok(Report { outcome: outcome?, usage })
    }
}

/// Tells the hatch that the guest's code runs no more, however that came: also when the host panics or
/// lets go of the attempt. It goes before the store does, because a body that ends with the store was
/// not finished by the guest.
struct Ended(Arc<Hatch>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.guest_returned();
    }
}

#[cfg(test)]
mod tests;
