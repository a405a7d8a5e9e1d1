//! The engine: how guest code is compiled and where its instances live.
//!
//! Not here: what a guest may use of it (`limits`), nor what an upload must satisfy (`gate`).
//!
//! Two engines are made from one description. The one that runs guests keeps its instances in a pool; the
//! one of the compile process has no pool. Everything that decides what compiled code looks like is said
//! once, in [`shared_config`], so that code made by the second loads into the first.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use jackfield_core::limits::Limits;
use wasmparser::WasmFeatures;
use wasmtime::{
    CacheStore, Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
    WasmBacktraceDetails,
};

/// How often guests can be interrupted.
pub const TICK: Duration = Duration::from_millis(10);

/// The engine that runs guests, as `--version` names it.
pub const NAME: &str = "wasmtime";

/// Its version, as `--version` and `build_info` show it. A test compares it with the lock file.
pub const VERSION: &str = "48.0.8";

/// The stack of a guest, in bytes. Recursion beyond it is a trap.
const WASM_STACK_BYTES: usize = 512 << 10;
/// The stack a guest and the host functions it calls run on, in bytes.
const FIBER_STACK_BYTES: usize = 2 << 20;

/// How large the pool of instances is and which optional parts are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Component instances at the same time. Admission must stay below it: beyond, instantiation fails.
    pub pool_instances: u32,
    /// The most one linear memory may grow to, in bytes. What an attempt may use in sum is its limit's to say.
    pub memory_bytes_max: u64,
    /// Linear memories of one component.
    pub memories_per_component: u32,
    /// Tables of one component. Components that link dynamically (Python) have one or two per module.
    pub tables_per_component: u32,
    /// Core instances of one component. Python links about 200.
    pub core_instances_per_component: u32,
    /// Whether components may use the async part of the component model.
    pub component_async: bool,
    /// Whether frames of a trap name source lines, for components that carry debug information.
    pub source_lines: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            pool_instances: 256,
            memory_bytes_max: Limits::HARD.memory_bytes,
            memories_per_component: 4,
            tables_per_component: 16,
            core_instances_per_component: 256,
            component_async: true,
            source_lines: true,
        }
    }
}

impl EngineOptions {
    /// The part the compile process needs to know, as one word of its command line.
    #[must_use]
    pub(crate) fn compile_word(&self) -> String {
        format!("async={},lines={}", u8::from(self.component_async), u8::from(self.source_lines))
    }

    /// Reads what [`compile_word`](Self::compile_word) wrote.
    pub(crate) fn from_compile_word(word: &str) -> Option<Self> {
        let (component_async, source_lines) = match word {
            "async=0,lines=0" => (false, false),
            "async=0,lines=1" => (false, true),
            "async=1,lines=0" => (true, false),
            "async=1,lines=1" => (true, true),
            _ => return None,
        };
        Some(Self { component_async, source_lines, ..Self::default() })
    }
}

/// The engine could not be made: the machine or the settings are to blame, never a guest.
#[derive(Debug, thiserror::Error)]
#[error("the {NAME} {VERSION} engine cannot start: {0}")]
pub struct EngineFault(String);

impl From<wasmtime::Error> for EngineFault {
    fn from(e: wasmtime::Error) -> Self {
        Self(format!("{e:#}"))
    }
}

/// The running engine and its clock. Cheap to clone; the last one dropped stops the clock.
#[derive(Clone)]
pub struct Engine(Arc<Running>);

struct Running {
    raw: wasmtime::Engine,
    options: EngineOptions,
    _ticker: Ticker,
}

impl Engine {
    /// Reserves the pool and starts the ticker.
    ///
    /// # Errors
    ///
    /// [`EngineFault`]: address space for the pool is missing, or the processor is not supported.
    pub fn new(options: EngineOptions) -> Result<Self, EngineFault> {
        let raw = wasmtime::Engine::new(&running_config(&options))?;
        let ticker = Ticker::start(&raw).map_err(|e| EngineFault(format!("the ticker thread: {e}")))?;
        Ok(Self(Arc::new(Running { raw, options, _ticker: ticker })))
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.0.options
    }

    /// What compiled code depends on besides the component: settings, target and processor features.
    #[must_use]
    pub(crate) fn compatibility(&self) -> Compatibility {
        Compatibility::of(self.raw())
    }

    pub(crate) fn raw(&self) -> &wasmtime::Engine {
        &self.0.raw
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("options", &self.0.options).finish_non_exhaustive()
    }
}

/// A number that is equal for two engines only if code compiled for one runs in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compatibility(pub(crate) u64);

impl Compatibility {
    pub(crate) fn of(engine: &wasmtime::Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        VERSION.hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What of WebAssembly a component may use. The gate checks against the same set.
///
/// Off: threads and shared memory (a guest has no second thread, and a shared memory is a fine clock),
/// memory64 and garbage collection (each attempt's memory must be countable), exceptions (they need
/// garbage collection), and every proposal that is not finished.
pub(crate) fn features(component_async: bool) -> WasmFeatures {
    let on = WasmFeatures::WASM2
        .union(WasmFeatures::TAIL_CALL)
        .union(WasmFeatures::RELAXED_SIMD)
        .union(WasmFeatures::EXTENDED_CONST)
        .union(WasmFeatures::MULTI_MEMORY)
        .union(WasmFeatures::COMPONENT_MODEL)
        .difference(WasmFeatures::GC_TYPES);
    if component_async { on.union(WasmFeatures::CM_ASYNC) } else { on }
}

/// Everything compiled code depends on.
fn shared_config(options: &EngineOptions) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift) // never Winch for code of strangers
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(options.component_async)
        .epoch_interruption(true)
        .consume_fuel(false)
        // A replayed run must compute what it computed before, on whatever node.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .memory_init_cow(true)
        .guard_before_linear_memory(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .generate_address_map(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32))
        .wasm_backtrace_details(if options.source_lines {
            WasmBacktraceDetails::Enable
        } else {
            WasmBacktraceDetails::Disable
        })
        .shared_memory(false);
    let on = features(options.component_async);
    config.wasm_features(WasmFeatures::all().difference(on), false);
    config.wasm_features(on, true);
    config
}

/// The engine that runs guests: instances from a pool, memory images mapped copy-on-write.
fn running_config(options: &EngineOptions) -> Config {
    let mut config = shared_config(options);
    config.parallel_compilation(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    config
}

/// The compile process's engine: one thread, no pool, and it never runs what it compiles. It asks `functions` for
/// what was compiled before.
pub(crate) fn compiling(
    options: &EngineOptions,
    functions: Option<Arc<dyn CacheStore>>,
) -> Result<wasmtime::Engine, EngineFault> {
    let mut config = shared_config(options);
    if let Some(functions) = functions {
        config.enable_incremental_compilation(functions)?;
    }
    config.parallel_compilation(false);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Ok(wasmtime::Engine::new(&config)?)
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let instances = options.pool_instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(options.core_instances_per_component))
        // Most components have one memory and a few tables: the pool is sized for a mix, and the address
        // space it reserves (6 GiB a memory) is the reason not to size it for the worst of them all.
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(options.tables_per_component))
        .total_stacks(instances.saturating_mul(2))
        .max_component_instance_size(4 << 20)
        .max_core_instances_per_component(options.core_instances_per_component)
        .max_memories_per_component(options.memories_per_component)
        .max_tables_per_component(options.tables_per_component)
        .max_core_instance_size(4 << 20)
        .max_memories_per_module(options.memories_per_component)
        .max_tables_per_module(options.tables_per_component)
        .table_elements(100_000)
        .max_memory_size(usize::try_from(options.memory_bytes_max).unwrap_or(usize::MAX))
        .pagemap_scan(Enabled::Auto);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        // The kernel says which pages a guest dirtied: only those are put back, and no page is given up.
        pool.linear_memory_keep_resident(1 << 20).table_keep_resident(64 << 10).async_stack_keep_resident(64 << 10);
    } else {
        // Without it, keeping pages means writing all of them each time: dearer than giving them back.
        pool.decommit_batch_size(32);
    }
    pool
}

/// The thread that makes time pass for guests: it moves the engine's epoch every [`TICK`].
pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let engine = engine.weak();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("epoch-ticker".into()).spawn(move || {
            raise_priority();
            let mut next = Instant::now() + TICK;
            while !stopped.load(Ordering::Acquire) {
                let now = Instant::now();
                if let Some(wait) = next.checked_duration_since(now).filter(|w| !w.is_zero()) {
                    std::thread::park_timeout(wait);
                    continue; // woken early, by `drop` or for no reason: look again
                }
                // One step even when late: a guest is not charged for a pause of the machine.
                next = now + TICK;
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    fn wake(thread: &Thread) {
        thread.unpark();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            Self::wake(thread.thread());
            // The ticker's last upgrade may have made it the engine's last owner: it must not wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                let _panicked = thread.join();
            }
        }
    }
}

/// Asks for a better place in the run queue, so that busy guests do not delay the tick that stops them.
/// Needs a privilege that most installations lack; without it the scheduler's fairness has to do.
fn raise_priority() {
    let _not_allowed = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -10);
}

#[cfg(test)]
mod tests;
