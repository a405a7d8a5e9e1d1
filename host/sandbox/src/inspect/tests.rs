use super::*;
use crate::fixtures;

#[track_caller]
fn inspected(wat: &str) -> Inspection {
    let bytes = wat::parse_str(wat).unwrap();
    inspect(&bytes, Digest::of(&bytes)).unwrap()
}

#[test]
fn a_handler_is_seen() {
    let bytes = fixtures::silent();
    let seen = inspect(&bytes, Digest::of(&bytes)).unwrap();
    assert!(seen.handles_events && !seen.handles_requests);
    assert_eq!(seen.exports, ["jackfield:plugin/handler@0.1.0"]);
    assert_eq!(seen.unknown_imports, Vec::<String>::new());
    assert_eq!(seen.needs, []);
    assert_eq!(seen.size, bytes.len() as u64);
    assert!(seen.producers.iter().any(|p| p.starts_with("wit-component 0.")), "{:?}", seen.producers);
}

#[test]
fn what_needs_a_grant_is_listed_once() {
    let seen = inspected(
        r#"(component
            (import "wasi:http/outgoing-handler@0.2.10" (instance))
            (import "jackfield:plugin/http@0.1.0" (instance))
            (import "jackfield:plugin/kv@0.1.3" (instance))
            (import "jackfield:plugin/log@0.1.0" (instance))
            (import "jackfield:plugin/run@0.1.0" (instance))
            (import "jackfield:plugin/types@0.1.0" (instance))
            (import "jackfield:plugin/events@0.1.0" (instance))
            (import "jackfield:plugin/config@0.1.0" (instance)))"#,
    );
    assert_eq!(seen.needs, [Capability::Config, Capability::Kv, Capability::Http, Capability::Events]);
    assert_eq!(seen.unknown_imports, Vec::<String>::new());
    assert_eq!(seen.imports.len(), 8);
}

#[test]
fn the_baseline_of_wasi_needs_nothing() {
    for (package, interfaces) in WASI {
        for interface in interfaces {
            for version in ["0.2.0", "0.2.6", "0.2.12"] {
                let name = format!("wasi:{package}/{interface}@{version}");
                assert_eq!(known_import(&name), Some(None), "{name}");
            }
        }
    }
}

#[test]
fn what_the_host_does_not_have_is_unknown() {
    for name in [
        "jackfield:plugin/ftp@0.1.0",
        "jackfield:plugin/kv@0.2.0",
        "jackfield:plugin/kv@1.0.0",
        "jackfield:plugin/kv@0.1.x",
        "jackfield:plugin/kv@0.1.",
        "jackfield:plugin/kv",
        "jackfield:plugin/handler@0.1.0",
        "evil:plugin/kv@0.1.0",
        "wasi:http/types@0.3.0",
        "wasi:clocks/monotonic-clock@0.3.0",
        "wasi:cli/environment@0.2.0-rc-2023-11-10",
        "wasi:keyvalue/store@0.2.0",
        "wasi:nn/tensor@0.2.0",
        "wasi:http/incoming-handler@0.2.0",
        "kv",
        "",
    ] {
        assert_eq!(known_import(name), None, "{name}");
    }
    let seen = inspected(r#"(component (import "jackfield:plugin/ftp@0.1.0" (instance)) (import "f" (func)))"#);
    assert_eq!(seen.unknown_imports, ["jackfield:plugin/ftp@0.1.0", "f"]);
}

#[test]
fn inner_components_and_equal_types_ask_the_host_for_nothing() {
    let seen = inspected(
        r#"(component
            (type $t u32)
            (import "alias" (type (eq $t)))
            (component (import "jackfield:plugin/kv@0.1.0" (instance))))"#,
    );
    assert_eq!((seen.needs, seen.imports), (vec![], vec![]));
}

#[test]
fn the_door_of_requests_is_seen() {
    let seen = inspected(
        r#"(component
            (component $c)
            (instance $i (instantiate $c))
            (export "wasi:http/incoming-handler@0.2.3" (instance $i)))"#,
    );
    assert!(seen.handles_requests && !seen.handles_events);
}

#[test]
fn producers_come_from_the_modules_inside_too_and_are_fit_to_show() {
    let mut producers = wasm_metadata::Producers::empty();
    producers.add("language", "Rust", "");
    producers.add("processed-by", "rustc\u{1b}[31m", "1.95.0");
    let module = producers.add_to_wasm(&wat::parse_str("(module)").unwrap()).unwrap();
    let mut component = wasm_encoder::Component::new();
    component.section(&wasm_encoder::RawSection { id: 1, data: &module });
    let bytes = component.finish();
    let seen = inspect(&bytes, Digest::of(&bytes)).unwrap();
    assert_eq!(seen.producers, ["Rust", "rustc\\u{1b}[31m 1.95.0"]);
}
