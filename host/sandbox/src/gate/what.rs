//! What an upload is, told from its first bytes, so that a wrong file is called by its name.

use jackfield_core::ids::shown;
use wasmparser::BinaryReaderError;

use super::Refusal;

const WAY_OUT: &str = "upload a WebAssembly component (for Rust: `cargo build --target wasm32-wasip2`)";

/// Whether `bytes` start like a component; if not, what they are instead.
pub(super) fn expect_component(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::new("not-wasm", format!("the file is empty; {WAY_OUT}")));
    }
    if let Some(rest) = bytes.strip_prefix(b"\0asm") {
        return match rest {
            [0x0d, 0, 1, 0, ..] => Ok(()),
            [1, 0, 0, 0, ..] => Err(Refusal::new(
                "core-module",
                "this is a core module, not a component: build with `jackfield build`, which makes a component of it, or \
                 with `--target wasm32-wasip2` (Rust), componentize-js, componentize-py",
            )),
            [version @ .., _, _] if rest.len() >= 4 => Err(Refusal::new(
                "invalid-component",
                format!(
                    "this is WebAssembly of an unknown version (bytes {:02x?}); rebuild it with current tools",
                    &version[..version.len().min(2)]
                ),
            )),
            _ => Err(truncated("its header")),
        };
    }
    Err(other(bytes))
}

fn other(bytes: &[u8]) -> Refusal {
    let native = |what: &str| {
        Refusal::new(
            "native-code",
            format!(
                "this is {what}. Native code is never accepted, precompiled `.cwasm` files included: upload the \
                 component it was made from"
            ),
        )
    };
    let packed = |what: &str| {
        Refusal::new("compressed", format!("this is {what}; unpack it and upload the `.wasm` component inside"))
    };
    if b"\0asm".starts_with(&bytes[..bytes.len().min(4)]) {
        return truncated("its header");
    }
    match bytes {
        [0x7f, b'E', b'L', b'F', ..] => native("an ELF file of native code"),
        [b'M', b'Z', ..] => native("a Windows program"),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => native("a macOS program"),
        [0x1f, 0x8b, ..] => packed("a gzip file"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => packed("a zstd file"),
        [b'P', b'K', 3, 4, ..] => packed("a zip archive"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => packed("an xz file"),
        _ if bytes.get(257..262) == Some(b"ustar".as_slice()) => packed("a tar archive"),
        _ => text_or_nothing(bytes),
    }
}

fn text_or_nothing(bytes: &[u8]) -> Refusal {
    let start = &bytes[..bytes.len().min(4096)];
    // A character may be cut at the end of the sample.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&start[..e.valid_up_to()]).unwrap_or(""),
        Err(_) => "",
    };
    let code = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with(";;"));
    match code {
        Some(line) if line.starts_with("(module") || line.starts_with("(component") => Refusal::new(
            "text-format",
            "this is WebAssembly in text form (WAT); turn it into a binary first (`wasm-tools parse`)",
        ),
        Some(line) if !text.contains('\0') => {
            Refusal::new("not-wasm", format!("this is text, not WebAssembly: `{}`; {WAY_OUT}", shown(line)))
        }
        _ => Refusal::new("not-wasm", format!("this is not WebAssembly; {WAY_OUT}")),
    }
}

fn truncated(at: &str) -> Refusal {
    Refusal::new("truncated", format!("the file ends within {at}: it was cut short; upload it again"))
}

/// The refusal for what the parser or the validator found.
pub(crate) fn invalid(e: &BinaryReaderError) -> Refusal {
    // The parser says so itself, but only in words.
    if e.message().starts_with("unexpected end") {
        return truncated(&format!("what starts before byte {}", e.offset()));
    }
    let message = longer(e.message());
    // One word for each way the parser puts it.
    let off = ["not enabled", "must be enabled", "to be enabled", "not supported"];
    let hint = if off.iter().any(|words| message.contains(words)) {
        ". The host leaves this part of WebAssembly off: build without it"
    } else {
        ""
    };
    Refusal::new("invalid-component", format!("not a valid component: {message} (at byte {}){hint}", e.offset()))
}

/// Like [`shown`], for whole sentences: messages of the parser may quote names of the upload.
pub(crate) fn longer(text: &str) -> String {
    let mut out: String = text.chars().take(400).flat_map(char::escape_debug).collect();
    if text.chars().count() > 400 {
        out.push('…');
    }
    out.replace("\\\"", "\"").replace("\\'", "'")
}
