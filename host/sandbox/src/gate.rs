//! The gate: what an upload must satisfy before it meets the compiler.
//!
//! Not here: what the component imports (`inspect`), and the limits of the compiler itself (`compile`).
//!
//! Compiling is not covered by the engine's promise of safety: 24 kB of nested loops cost twenty seconds of
//! CPU. So the shape of an upload is checked first, from section headers where possible, against figures
//! that the components of our own SDKs pass with room to spare. Then it is validated with exactly the
//! features the engine allows.

mod scan;
mod what;

use wasmparser::Validator;

use crate::engine;

pub(crate) use self::what::{invalid, longer};

/// Why an upload is not accepted. The uploader's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// A stable word for programs: `not-wasm`, `truncated`, `core-module`, `text-format`, `native-code`,
    /// `compressed`, `too-large`, `too-complex`, `invalid-component`, `too-dear-to-compile`,
    /// `does-not-compile`, `cannot-be-instantiated`.
    pub code: &'static str,
    /// What was wrong and the way out, for a person. Names taken from the upload are escaped and shortened.
    pub text: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// The figures of the gate. Every one can be set; the error of each names its setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateLimits {
    /// The file, in bytes.
    pub file_bytes: u64,
    /// Function bodies, over all modules.
    pub functions: u32,
    /// One function body, in bytes.
    pub body_bytes: u32,
    /// Blocks, loops and ifs inside each other.
    pub nesting: u32,
    /// Local variables of a function.
    pub locals: u32,
    /// Parameters of a function or block; results too.
    pub parameters: u32,
    /// Memories of a module, imported ones too.
    pub memories: u32,
    /// Tables of a module, imported ones too.
    pub tables: u32,
    /// Core modules in the component; nested components are counted apart, against the same figure.
    pub modules: u32,
    /// Imports and exports of one module or one component.
    pub imports_and_exports: u32,
    /// Types of a module.
    pub types: u32,
    /// Globals and element segments of a module, each.
    pub segments: u32,
    /// Data segments of a module. Go's linker leaves out runs of zeros, and so makes as many as an engine takes.
    pub data_segments: u32,
    /// Targets of one `br_table`.
    pub br_table_targets: u32,
    /// Targets of all `br_table`s together.
    pub br_table_targets_total: u32,
    /// Types, aliases, instances and canonical functions of all components together.
    pub component_entries: u32,
    /// A name of an import or export of a module, in bytes. Of a component: an eighth of it.
    pub name_bytes: u32,
    /// The `.debug_*` sections together, in bytes.
    pub debug_bytes: u64,
    /// The name sections together, in bytes.
    pub names_bytes: u64,
    /// All other custom sections together, in bytes.
    pub custom_bytes: u64,
    /// The smallest size a memory may ask for, in bytes: what the engine can give.
    pub memory_bytes: u64,
    /// Whether the async part of the component model is allowed; as the engine's.
    pub component_async: bool,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            file_bytes: 48 << 20,
            functions: 40_000,
            body_bytes: 1 << 20,
            nesting: 1_024,
            locals: 20_000,
            parameters: 64,
            memories: 4,
            tables: 16,
            modules: 128,
            imports_and_exports: 8_192,
            types: 10_000,
            segments: 20_000,
            data_segments: 100_000,
            br_table_targets: 16_384,
            br_table_targets_total: 1_000_000,
            component_entries: 100_000,
            name_bytes: 8 << 10,
            debug_bytes: 24 << 20,
            names_bytes: 16 << 20,
            custom_bytes: 1 << 20,
            memory_bytes: 1 << 30,
            component_async: true,
        }
    }
}

/// Checks an upload in full: what it is, its shape, and that it is valid.
///
/// Takes up to a second for the largest file allowed: keep it off threads that serve others.
///
/// # Errors
///
/// The first [`Refusal`] met.
pub fn check(bytes: &[u8], limits: &GateLimits) -> Result<(), Refusal> {
    check_shape(bytes, limits)?;
    validate(bytes, limits.component_async)
}

/// Checks what an upload is and its shape, but not that its code is valid. Time is linear in the size.
///
/// The host does this part itself and leaves [`validate`] to the limited compile process.
pub(crate) fn check_shape(bytes: &[u8], limits: &GateLimits) -> Result<(), Refusal> {
    let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if found > limits.file_bytes {
        return Err(Refusal::new(
            "too-large",
            format!(
                "the file has {found} bytes; the gate allows {} (setting gate.file_bytes). Build with optimisation \
                 and without debug information",
                limits.file_bytes
            ),
        ));
    }
    what::expect_component(bytes)?;
    scan::scan(bytes, limits)
}

/// Validates with exactly the features the engine allows.
pub(crate) fn validate(bytes: &[u8], component_async: bool) -> Result<(), Refusal> {
    let mut validator = Validator::new_with_features(engine::features(component_async));
    validator.validate_all(bytes).map(drop).map_err(|e| invalid(&e))
}

#[cfg(test)]
pub(crate) mod tests;
