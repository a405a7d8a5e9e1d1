//! Frames: where a guest was when it trapped, as its author reads it: `at deeper (sync/src/lib.rs:12:9)`.
//!
//! Names are in nearly every component; files and lines in those that were built with line tables.

use wasmtime::WasmBacktrace;

use crate::wasi::stdio::cut;

/// Frames of a trap.
const FRAMES: usize = 32;
/// A frame, in bytes.
const FRAME_BYTES: usize = 1_024;

/// A function that was being executed, or was inlined into one that was.
struct Frame {
    name: String,
    place: Option<String>,
}

/// The guest's frames, innermost first, without those that only serve to end it.
pub(super) fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let mut frames = Vec::new();
    for frame in backtrace.frames() {
        let function = match frame.func_name() {
            Some(name) => plain(name),
            None => format!("function {}", frame.func_index()),
        };
        if frame.symbols().is_empty() {
            frames.push(Frame { name: function, place: None });
            continue;
        }
        for symbol in frame.symbols() {
            let name = symbol.name().map_or_else(|| function.clone(), |name| without_types(&plain(name)).to_owned());
            let place = symbol.file().map(|file| match (symbol.line(), symbol.column()) {
                (Some(line), Some(column)) => format!("{}:{line}:{column}", short(file)),
                (Some(line), None) => format!("{}:{line}", short(file)),
                (None, _) => short(file).to_owned(),
            });
            frames.push(Frame { name, place });
        }
    }
    without_panic(&mut frames);
    frames.iter().take(FRAMES).map(|frame| cut(&frame.shown(), FRAME_BYTES).to_owned()).collect()
}

impl Frame {
    fn shown(&self) -> String {
        match &self.place {
            Some(place) => format!("at {} ({place})", self.name),
            None => format!("at {}", self.name),
        }
    }

    /// Whether it is of Rust's own libraries. Line tables give names without their modules, but places.
    fn is_library(&self) -> bool {
        if let Some(place) = &self.place {
            return ["core/src/", "std/src/", "alloc/src/"].iter().any(|library| place.starts_with(library));
        }
        // A method of theirs is written `<core::option::Option<T>>::expect`.
        let name = self.name.trim_start_matches('<');
        ["core::", "std::", "alloc::", "__rustc::"].iter().any(|library| name.starts_with(library))
    }
}

/// A Rust function's name without the hash that tells copies of it apart; of other languages as it is.
fn plain(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// A name of the line tables without the types it was made for, which are longer than all the rest.
fn without_types(name: &str) -> &str {
    match name.find('<') {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    }
}

/// Of a panic: what lies between the place that panicked and the trap is the same every time, and long.
fn without_panic(frames: &mut Vec<Frame>) {
    let Some(begin) = frames.iter().position(|frame| frame.name.ends_with("rust_begin_unwind")) else { return };
    let after = frames.iter().skip(begin + 1).take_while(|frame| frame.is_library()).count();
    // If nothing else is left, it is better than nothing.
    if begin + 1 + after < frames.len() {
        frames.drain(..=begin + after);
    }
}

/// A file, from the folder of its crate or package on: where that lay on somebody's machine says nothing.
fn short(file: &str) -> &str {
    let Some(src) = file.rfind("/src/") else {
        let begin = file.rmatch_indices('/').nth(2).map_or(0, |(at, _)| at + 1);
        return &file[begin..];
    };
    let begin = file[..src].rfind('/').map_or(0, |at| at + 1);
    &file[begin..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<Frame> {
        names.iter().map(|name| Frame { name: (*name).into(), place: None }).collect()
    }

    #[test]
    fn the_first_frame_of_a_panic_is_the_authors() {
        let mut frames = named(&[
            "abort",
            "std::process::abort",
            "__rustc::rust_panic",
            "__rustc::rust_begin_unwind",
            "core::panicking::panic_fmt",
            "core::option::expect_failed",
            "<core::option::Option<&str>>::expect",
            "thrice::number",
            "core::ops::function::FnOnce::call_once",
            "jackfield:plugin/handler@0.1.0#handle",
        ]);
        without_panic(&mut frames);
        assert_eq!(frames[0].shown(), "at thrice::number");
        assert_eq!(frames.len(), 3, "what called it stays");
        let at = |name: &str, place: &str| Frame { name: name.into(), place: Some(place.into()) };
        let mut with_lines = vec![
            at("rust_begin_unwind", "std/src/panicking.rs:689:5"),
            at("expect<&str>", "core/src/option.rs:971:21"),
            at("number", "thrice-rust/src/lib.rs:31:40"),
        ];
        without_panic(&mut with_lines);
        assert_eq!(with_lines[0].shown(), "at number (thrice-rust/src/lib.rs:31:40)");
        let mut other = named(&["abort", "deeper", "main"]);
        without_panic(&mut other);
        assert_eq!(other.len(), 3);
        let mut nothing_else = named(&["__rustc::rust_begin_unwind", "core::panicking::panic_fmt"]);
        without_panic(&mut nothing_else);
        assert_eq!(nothing_else.len(), 2);
    }

    #[test]
    fn a_name_is_told_without_its_types() {
        assert_eq!(without_types("handle<thrice::Order, jackfield::error::Error>"), "handle");
        assert_eq!(without_types("number"), "number");
        assert_eq!(without_types("<impl Trait for A>"), "<impl Trait for A>");
    }

    #[test]
    fn a_file_is_named_from_its_package_on() {
        for (file, told) in [
            ("/home/me/sync/src/lib.rs", "sync/src/lib.rs"),
            (
                "/home/me/.cargo/registry/src/index.crates.io-1949/serde_json-1.0.154/src/de.rs",
                "serde_json-1.0.154/src/de.rs",
            ),
            ("/rustc/5980/library/core/src/option.rs", "core/src/option.rs"),
            ("src/lib.rs", "src/lib.rs"),
            ("/build/a/b/c/main.c", "b/c/main.c"),
            ("main.c", "main.c"),
        ] {
            assert_eq!(short(file), told);
        }
    }
}
