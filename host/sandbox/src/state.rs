//! State: what one attempt keeps beside its instance. Made fresh, dropped with the store.
//!
//! It never learns what capabilities do: they reach the world through the hatch it holds.

use std::sync::Arc;

use bytes::Bytes;
use jackfield_core::hatch::Hatch;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::capabilities::wasi_http::Hooks;
use crate::limits::{HANDLES, Memory};
use crate::wasi::random::Random;
use crate::wasi::stdio::Stdio;

/// The store's data.
pub(crate) struct State {
    /// The one way out.
    pub(crate) hatch: Arc<Hatch>,
    /// What the guest has handles to.
    pub(crate) table: ResourceTable,
    /// What it may use of memory.
    pub(crate) memory: Memory,
    /// What a ready-made runtime is to run; empty for most.
    pub(crate) program: Bytes,
    /// What it prints, and its last words.
    pub(crate) stdio: Stdio,
    /// Made at the first random byte it asks for.
    pub(crate) random: Option<Random>,
    /// Made at the first call of a WASI interface that needs it: most guests never make one.
    wasi: Option<WasiCtx>,
    http: WasiHttpCtx,
    hooks: Hooks,
}

impl State {
    pub(crate) fn new(hatch: Arc<Hatch>, memory_bytes: u64, program: Bytes, hooks: Hooks) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self {
            memory: Memory::new(memory_bytes),
            stdio: Stdio::new(Arc::clone(&hatch)),
            program,
            random: None,
            wasi: None,
            http: WasiHttpCtx::new(),
            hooks,
            table,
            hatch,
        }
    }

    /// The hooks and the table, which one call may need together.
    pub(crate) fn hooks_and_table(&mut self) -> (&mut Hooks, &mut ResourceTable) {
        (&mut self.hooks, &mut self.table)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: self.wasi.get_or_insert_with(crate::wasi::empty), table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}
