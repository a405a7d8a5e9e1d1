use std::time::{Duration, Instant};

use wasm_encoder::{
    BlockType, CodeSection, Component, CustomSection, ExportKind, ExportSection, Function, FunctionSection,
    Instruction, MemorySection, MemoryType, Module, ModuleSection, TypeSection, ValType,
};

use super::*;
use crate::fixtures;

/// The gate promises 200 ms on a quiet machine with an optimised build; tests run on neither.
const SOON: Duration = Duration::from_secs(1);

fn component_of(modules: &[Module]) -> Vec<u8> {
    let mut component = Component::new();
    for module in modules {
        component.section(&ModuleSection(module));
    }
    component.finish()
}

/// A module of functions without parameters and results.
fn functions(bodies: impl IntoIterator<Item = Function>) -> Module {
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    for body in bodies {
        functions.function(0);
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

fn body(instructions: impl IntoIterator<Item = Instruction<'static>>) -> Function {
    let mut function = Function::new([]);
    for instruction in instructions {
        function.instruction(&instruction);
    }
    function.instruction(&Instruction::End);
    function
}

/// `count` blocks inside each other.
pub(crate) fn nested(count: usize, open: &Instruction<'static>) -> Function {
    let opens = std::iter::repeat_n(open.clone(), count);
    body(opens.chain(std::iter::repeat_n(Instruction::End, count)))
}

#[track_caller]
fn refused(bytes: &[u8], code: &str, says: &str) -> Refusal {
    let started = Instant::now();
    let refusal = check(bytes, &GateLimits::default()).expect_err("the gate let it through");
    let took = started.elapsed();
    assert_eq!(refusal.code, code, "{refusal}");
    assert!(refusal.text.contains(says), "`{refusal}` does not say `{says}`");
    assert!(refusal.text.len() < 1_000, "{} bytes of text", refusal.text.len());
    assert!(!refusal.text.contains(|c: char| c.is_control()), "{:?}", refusal.text);
    assert!(took < SOON, "took {took:?}");
    refusal
}

#[test]
fn a_component_passes() {
    check(&fixtures::silent(), &GateLimits::default()).unwrap();
}

#[test]
fn threat_022_a_million_functions() {
    let bytes = component_of(&[functions((0..1_000_000).map(|_| body([])))]);
    refused(
        &bytes,
        "too-complex",
        "functions of the component: 1000000; the gate allows 40000 (setting gate.functions)",
    );
}

#[test]
fn threat_022_functions_are_summed_over_modules() {
    let module = || functions((0..30_000).map(|_| body([])));
    refused(&component_of(&[module(), module()]), "too-complex", "functions of the component: 60000");
}

#[test]
fn threat_022_one_large_function() {
    let nops = std::iter::repeat_n(Instruction::Nop, 1_400_000);
    refused(&component_of(&[functions([body(nops)])]), "too-complex", "gate.body_bytes");
}

#[test]
fn threat_022_nested_loops() {
    let bytes = component_of(&[functions([nested(2_000, &Instruction::Loop(BlockType::Empty))])]);
    assert!(bytes.len() < 24_000, "{}", bytes.len());
    refused(&bytes, "too-complex", "blocks inside each other");
}

#[test]
fn threat_022_block_chain() {
    let bytes = component_of(&[functions([nested(50_000, &Instruction::Block(BlockType::Empty))])]);
    assert!(bytes.len() > 150_000, "{}", bytes.len());
    refused(&bytes, "too-complex", "gate.nesting");
}

#[test]
fn threat_022_giant_br_table() {
    let table = Instruction::BrTable(vec![0; 900_000].into(), 0);
    let bytes = component_of(&[functions([body([Instruction::I32Const(0), table])])]);
    refused(&bytes, "too-complex", "targets of a br_table");
    let table = || Instruction::BrTable(vec![0; 16_000].into(), 0);
    let many = (0..64).map(|_| body([Instruction::I32Const(0), table()]));
    refused(&component_of(&[functions(many)]), "too-complex", "targets of all br_tables together");
}

#[test]
fn threat_022_a_thousand_modules() {
    let modules: Vec<Module> = (0..1_000).map(|_| Module::new()).collect();
    refused(&component_of(&modules), "too-complex", "core modules of the component: 129");
}

#[test]
fn threat_022_components_like_dolls() {
    let mut doll = Component::new();
    for _ in 0..200 {
        let mut outer = Component::new();
        outer.section(&wasm_encoder::NestedComponentSection(&doll));
        doll = outer;
    }
    refused(&doll.finish(), "too-complex", "components inside each other: 129");
}

#[test]
fn threat_022_a_million_types() {
    let mut types = TypeSection::new();
    for _ in 0..1_000_000 {
        types.ty().function([], []);
    }
    let mut module = Module::new();
    module.section(&types);
    refused(&component_of(&[module]), "too-complex", "types of a module: 1000000");
}

#[test]
fn threat_022_wide_functions_and_many_locals() {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 65], []);
    let mut module = Module::new();
    module.section(&types);
    refused(&component_of(&[module]), "too-complex", "gate.parameters");
    let mut function = Function::new([(50_000, ValType::I64)]);
    function.instruction(&Instruction::End);
    refused(&component_of(&[functions([function])]), "too-complex", "gate.locals");
}

#[test]
fn threat_022_memories() {
    let memories = |count: usize, pages: u64| {
        let mut memories = MemorySection::new();
        for _ in 0..count {
            let memory =
                MemoryType { minimum: pages, maximum: None, memory64: false, shared: false, page_size_log2: None };
            memories.memory(memory);
        }
        let mut module = Module::new();
        module.section(&memories);
        component_of(&[module])
    };
    check(&memories(4, 1), &GateLimits::default()).unwrap();
    refused(&memories(5, 1), "too-complex", "memories of a module: 5; the gate allows 4");
    refused(&memories(1, 20_000), "too-complex", "gate.memory_bytes");
}

#[test]
fn threat_024_each_wrong_file_is_called_by_its_name() {
    let component = fixtures::silent();
    let core = wat::parse_str("(module)").unwrap();
    let table: [(&[u8], &str, &str); 18] = [
        (b"", "not-wasm", "empty"),
        (b"\0as", "truncated", "header"),
        (b"\0asm\x0d", "truncated", "header"),
        (b"\0asm\x0e\0\x01\0", "invalid-component", "unknown version"),
        (&core, "core-module", "wasm32-wasip2"),
        (b"(module (func))", "text-format", "wasm-tools parse"),
        (b";; made by hand\n\n  (component\n", "text-format", "wasm-tools parse"),
        (b"\x7fELF\x02\x01\x01\0\xc8", "native-code", ".cwasm"),
        (b"MZ\x90\0", "native-code", "Windows"),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "native-code", "macOS"),
        (b"\x1f\x8b\x08\0\0\0", "compressed", "gzip"),
        (b"\x28\xb5\x2f\xfd\0", "compressed", "zstd"),
        (b"PK\x03\x04\x14\0", "compressed", "zip"),
        (b"export function handle(event) {}\n", "not-wasm", "text, not WebAssembly: `export function"),
        (b"\x1b[31mred\n", "not-wasm", "\\u{1b}[31mred"),
        ("\u{fc}ber".as_bytes(), "not-wasm", "\u{fc}ber"),
        (b"\xff\xfe\0\x01", "not-wasm", "not WebAssembly"),
        (&component[..component.len() / 2], "truncated", "cut short"),
    ];
    for (bytes, code, says) in table {
        refused(bytes, code, says);
    }
}

#[test]
fn threat_024_cut_anywhere_is_refused_and_never_panics() {
    let component = fixtures::silent();
    for end in 0..component.len() {
        // Between two sections a shorter file is a component too, only another one.
        if let Err(refusal) = check(&component[..end], &GateLimits::default()) {
            let codes = ["truncated", "invalid-component", "not-wasm"];
            assert!(codes.contains(&refusal.code), "at {end}: {refusal}");
        }
    }
}

#[test]
fn threat_024_flipped_bits_never_panic() {
    let component = fixtures::silent();
    let mut bytes = component.clone();
    for at in 8..component.len() {
        for bit in [0, 3, 7] {
            bytes[at] ^= 1 << bit;
            let _either = check(&bytes, &GateLimits::default());
            bytes[at] = component[at];
        }
    }
}

#[test]
fn threat_024_precompiled_code_is_native_code() {
    let engine = engine::compiling(&engine::EngineOptions::default(), None).unwrap();
    let code = engine.precompile_component(&fixtures::silent()).unwrap();
    refused(&code, "native-code", "Native code is never accepted");
}

#[test]
fn threat_025_custom_sections() {
    let with = |name: &str, size: usize| {
        let mut component = Component::new();
        component.section(&CustomSection { name: name.into(), data: vec![0; size].into() });
        component.finish()
    };
    refused(&with("junk", 50 << 20), "too-large", "gate.file_bytes");
    refused(&with("junk", 40 << 20), "too-complex", "custom sections, up to and with `junk`");
    refused(&with("\u{1b}[2Jjunk", 2 << 20), "too-complex", "`\\u{1b}[2Jjunk`");
    refused(&with(".debug_info", 40 << 20), "too-complex", "strip = \"debuginfo\"");
    refused(&with("name", 40 << 20), "too-complex", "gate.names_bytes");
    let mut component = Component::new();
    for _ in 0..300_000 {
        component.section(&CustomSection { name: "".into(), data: (&[][..]).into() });
    }
    refused(&component.finish(), "too-complex", "gate.custom_bytes");
    check(&with("note", 1 << 10), &GateLimits::default()).unwrap();
}

#[test]
fn threat_025_exports_and_names() {
    let exporting = |names: &[String]| {
        let mut exports = ExportSection::new();
        for name in names {
            exports.export(name, ExportKind::Func, 0);
        }
        let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
        types.ty().function([], []);
        functions.function(0);
        code.function(&body([]));
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&exports).section(&code);
        component_of(&[module])
    };
    let many: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    refused(&exporting(&many), "too-complex", "imports and exports of a module: 100000");
    let long = format!("\u{1b}]0;owned\u{7}{}", "x".repeat(99_000));
    let refusal = refused(&exporting(&[long]), "too-complex", "gate.name_bytes");
    assert!(refusal.text.contains("\\u{1b}]0;owned\\u{7}"), "{refusal}");
}

#[test]
fn what_the_engine_leaves_off_is_refused() {
    for (module, says) in [
        ("(module (memory i64 1))", "memory64"),
        ("(module (memory 1 1 shared))", "threads"),
        ("(module (tag))", "exceptions"),
        ("(module (type (struct)))", "gc"),
    ] {
        let core = wat::parse_str(module).unwrap();
        let mut component = Component::new();
        component.section(&wasm_encoder::RawSection { id: 1, data: &core });
        let refusal = check(&component.finish(), &GateLimits::default()).unwrap_err();
        assert_eq!(refusal.code, "invalid-component");
        assert!(refusal.text.contains(says) && refusal.text.contains("build without it"), "{refusal}");
    }
}
