//! Fixtures: components for the tests of this crate, made from a few lines of text.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// A component of the world `jackfield:plugin/integration`, made from a core module in text form.
///
/// The module imports what it uses under the component model's names
/// (`(import "jackfield:plugin/log@0.1.0" "write" (func …))`) and exports `memory`, `cabi_realloc` and
/// `jackfield:plugin/handler@0.1.0#handle`.
#[track_caller]
pub(crate) fn component_from_core(wat: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).expect("the fixture is WAT");
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(&folder).expect("wit/ parses");
    let world = resolve.select_world(&[package], Some("integration")).expect("wit/ has the world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world can be embedded");
    ComponentEncoder::default()
        .module(&module)
        .expect("the module fits the world")
        .validate(true)
        .encode()
        .expect("the module makes a component")
}

/// The smallest handler: `ok(none)` to every event.
///
/// The area it returns is 1,024 zero bytes at the start of the memory, which reads as `ok(none)`;
/// arguments are put behind it.
pub(crate) const SILENT: &str = r#"(module
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 2048))
    (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
                                (i32.sub (i32.const 0) (local.get $align))))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (local.get $at))
    (func (export "jackfield:plugin/handler@0.1.0#handle") (param i32) (result i32)
        (i32.const 1024)))"#;

/// The component of [`SILENT`].
pub(crate) fn silent() -> Vec<u8> {
    component_from_core(SILENT)
}

/// A component with one more section at its end.
pub(crate) fn with_section(mut component: Vec<u8>, name: &str, content: &[u8]) -> Vec<u8> {
    use wasm_encoder::{CustomSection, Encode as _};
    component.push(0);
    CustomSection { name: name.into(), data: content.into() }.encode(&mut component);
    component
}

#[test]
fn the_smallest_handler_is_a_component() {
    let bytes = silent();
    assert!(wasmparser::Parser::is_component(&bytes));
    wasmparser::validate(&bytes).unwrap();
}
