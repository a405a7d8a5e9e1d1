//! Componentize: makes a component of the core module that a compiler left, for languages whose compilers make no more.
//!
//! Go's is one of them, C's another. What the module calls stands in it; what the calls look like, the contract says,
//! unless the module's bindings said so themselves.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use jackfield_core::ids::ComponentName;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{Resolve, SourceMap, WorldId};

use super::error::CliError;
use super::world::{CONTRACT, INTEGRATION};

/// Makes a component of the file that a component's command left, if it is a core module; and gives its size in bytes.
/// Any other file is left as it is: the checks that follow know what is wrong with it.
///
/// # Errors
///
/// The module is not one of which a component can be made.
pub(super) fn finish(name: &ComponentName, file: &Path, bytes: u64) -> Result<u64, CliError> {
    const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    let told = |e: std::io::Error| CliError::input(format!("{}: {e}", file.display()));
    let mut head = Vec::new();
    std::fs::File::open(file).and_then(|f| f.take(8).read_to_end(&mut head)).map_err(told)?;
    if head != CORE_MODULE {
        return Ok(bytes);
    }
    let component = component(std::fs::read(file).map_err(told)?).map_err(|e| {
        CliError::input(format!("component `{name}`: its command built a core module that makes no component: {e:#}"))
    })?;
    std::fs::write(file, &component).map_err(told)?;
    Ok(component.len() as u64)
}

/// What the module does not import of the contract, its component does not either. WASI's first preview becomes its
/// second.
fn component(mut module: Vec<u8>) -> Result<Vec<u8>> {
    let (described, _) = wit_component::metadata::decode(&module)?;
    if described.is_none() {
        let (resolve, world) = contract()?;
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    }
    // Never with `realloc_via_memory_grow`: Go takes the end of the memory for its own, and would write over what others
    // put there.
    ComponentEncoder::default()
        .module(&module)?
        .adapter(ADAPTER_NAME, ADAPTER)?
        .validate(true)
        .encode()
        .context("it does not fit the world `jackfield:plugin/integration`")
}

fn contract() -> Result<(Resolve, WorldId)> {
    let mut sources = SourceMap::default();
    for (name, text) in CONTRACT.into_iter().chain([INTEGRATION]) {
        sources.push_str(name, text);
    }
    let group = sources.parse().map_err(|(_, e)| anyhow!("the contract: {e}"))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group)?;
    let world = resolve.select_world(&[package], Some("integration"))?;
    Ok((resolve, world))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handler that writes to its log and asks WASI's first preview for random bytes.
    const MODULE: &str = r#"(module
        (import "jackfield:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32 i32 i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
        (func (export "jackfield:plugin/handler@0.1.0#handle") (param i32) (result i32)
            (call $write (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
            (drop (call $random (i32.const 0) (i32.const 8)))
            (i32.const 1024)))"#;

    fn imports(component: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        let mut depth = 0;
        for payload in wasmparser::Parser::new(0).parse_all(component) {
            match payload.unwrap() {
                wasmparser::Payload::ComponentSection { .. } | wasmparser::Payload::ModuleSection { .. } => depth += 1,
                wasmparser::Payload::End(_) if depth > 0 => depth -= 1,
                wasmparser::Payload::ComponentImportSection(section) if depth == 0 => {
                    names.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
                }
                _ => {}
            }
        }
        names
    }

    #[test]
    fn a_component_imports_what_its_module_calls_and_no_more() {
        let component = component(wat::parse_str(MODULE).unwrap()).unwrap();
        wasmparser::validate(&component).unwrap();
        let names = imports(&component);
        assert!(names.iter().any(|name| name == "jackfield:plugin/log@0.1.0"), "{names:?}");
        assert!(names.iter().any(|name| name.starts_with("wasi:random/random@0.2")), "{names:?}");
        let unasked = ["run", "config", "kv", "http", "events"];
        let found = |name: &&str| names.iter().any(|n| *n == format!("jackfield:plugin/{name}@0.1.0"));
        assert_eq!(unasked.iter().copied().find(found), None, "{names:?}");
    }

    #[test]
    fn a_module_may_bring_its_own_description() {
        let mut module = wat::parse_str(MODULE).unwrap();
        let (resolve, world) = contract().unwrap();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let described = component(module).unwrap();
        assert_eq!(imports(&described), imports(&component(wat::parse_str(MODULE).unwrap()).unwrap()));
    }

    #[track_caller]
    fn refused(wat: &str, part: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sync.wasm");
        std::fs::write(&file, wat::parse_str(wat).unwrap()).unwrap();
        let error = finish(&"sync".parse().unwrap(), &file, 0).unwrap_err();
        assert!(error.code == 2 && error.text.contains("component `sync`"), "{}", error.text);
        assert!(error.text.contains(part), "{}", error.text);
    }

    #[test]
    fn a_module_that_does_not_fit_is_told_by_what_it_lacks() {
        refused("(module)", "jackfield:plugin/handler@0.1.0");
        refused(&MODULE.replace("log@0.1.0", "mail@0.1.0"), "jackfield:plugin/mail@0.1.0");
    }

    #[test]
    fn what_is_no_core_module_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sync.wasm");
        for bytes in [&b"\0asm\x0d\0\x01\0"[..], b"no wasm", b""] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(finish(&"sync".parse().unwrap(), &file, 7).unwrap(), 7);
            assert_eq!(std::fs::read(&file).unwrap(), bytes);
        }
    }
}
