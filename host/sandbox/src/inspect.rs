//! Inspection: what a component imports and exports, in our words.
//!
//! Not here: whether it is valid (`gate`), and whether its imports were granted (the ledger's).

use jackfield_core::artifact::{Digest, Inspection};
use jackfield_core::grant::Capability;
use jackfield_core::ids::shown;
use wasm_metadata::Producers;
use wasmparser::{ComponentTypeRef, KnownCustom, Parser, Payload, TypeBounds};

use crate::gate::{Refusal, invalid, longer};

/// The interfaces of `jackfield:plugin` a guest may import, and what each needs.
const OURS: [(&str, Option<Capability>); 12] = [
    ("types", None),
    ("run", None),
    ("log", None),
    ("program", None),
    ("config", Some(Capability::Config)),
    ("kv", Some(Capability::Kv)),
    ("http", Some(Capability::Http)),
    ("events", Some(Capability::Events)),
    ("sql", Some(Capability::Sql)),
    ("messaging", Some(Capability::Messaging)),
    ("blob", Some(Capability::Blob)),
    ("email", Some(Capability::Email)),
];

/// The interfaces of WASI 0.2 that are always linked: language runtimes import them whether their user
/// asked or not. The file system is empty, the sockets deny.
const WASI: [(&str, &[&str]); 7] = [
    ("io", &["error", "poll", "streams"]),
    ("clocks", &["monotonic-clock", "wall-clock"]),
    ("random", &["random", "insecure", "insecure-seed"]),
    (
        "cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("filesystem", &["types", "preopens"]),
    (
        "sockets",
        &["network", "instance-network", "tcp", "tcp-create-socket", "udp", "udp-create-socket", "ip-name-lookup"],
    ),
    ("http", &["types"]),
];

/// The most tools listed; the rest is left out.
const PRODUCERS: usize = 16;

/// Reads the imports, exports and metadata of a component.
///
/// `bytes` should have passed the gate's shape check: then this takes time linear in their number.
///
/// # Errors
///
/// [`Refusal`]: the bytes cannot be read as a component.
pub fn inspect(bytes: &[u8], digest: Digest) -> Result<Inspection, Refusal> {
    let mut inspection = Inspection {
        digest,
        size: bytes.len() as u64,
        needs: Vec::new(),
        imports: Vec::new(),
        exports: Vec::new(),
        unknown_imports: Vec::new(),
        handles_events: false,
        handles_requests: false,
        producers: Vec::new(),
    };
    let mut depth = 0u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| invalid(&e))? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(|e| invalid(&e))?;
                    // A type that equals another asks the host for nothing.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        add_import(&mut inspection, import.name.name);
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    add_export(&mut inspection, export.map_err(|e| invalid(&e))?.name.name);
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Producers(_) = section.as_known() {
                    // Metadata is a courtesy: if it cannot be read, it is not shown.
                    if let Ok(producers) = Producers::from_bytes(section.data(), section.data_offset()) {
                        add_producers(&mut inspection.producers, &producers);
                    }
                }
            }
            _ => {}
        }
    }
    inspection.needs.sort_by_key(|need| Capability::ALL.iter().position(|c| c == need));
    Ok(inspection)
}

fn add_import(inspection: &mut Inspection, name: &str) {
    match known_import(name) {
        Some(Some(need)) if !inspection.needs.contains(&need) => inspection.needs.push(need),
        Some(_) => {}
        None => inspection.unknown_imports.push(longer(name)),
    }
    inspection.imports.push(longer(name));
}

fn add_export(inspection: &mut Inspection, name: &str) {
    if let Some(interface) = Interface::parse(name) {
        inspection.handles_events |= interface.is_ours() && interface.name == "handler";
        inspection.handles_requests |=
            interface.is_wasi() && interface.package == "http" && interface.name == "incoming-handler";
    }
    inspection.exports.push(longer(name));
}

/// None: the host does not have it. Some: it has, and this is what it needs.
fn known_import(name: &str) -> Option<Option<Capability>> {
    let interface = Interface::parse(name)?;
    if interface.is_ours() {
        return OURS.iter().find(|(name, _)| *name == interface.name).map(|(_, need)| *need);
    }
    if !interface.is_wasi() {
        return None;
    }
    if interface.package == "http" && interface.name == "outgoing-handler" {
        return Some(Some(Capability::Http));
    }
    let (_, names) = WASI.iter().find(|(package, _)| *package == interface.package)?;
    names.contains(&interface.name).then_some(None)
}

/// `namespace:package/name@version`, taken apart.
struct Interface<'a> {
    namespace: &'a str,
    package: &'a str,
    name: &'a str,
    version: &'a str,
}

impl<'a> Interface<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (path, version) = text.split_once('@')?;
        let (package, name) = path.split_once('/')?;
        let (namespace, package) = package.split_once(':')?;
        Some(Self { namespace, package, name, version })
    }

    fn is_ours(&self) -> bool {
        self.namespace == "jackfield" && self.package == "plugin" && self.release_of("0.1.")
    }

    fn is_wasi(&self) -> bool {
        self.namespace == "wasi" && self.release_of("0.2.")
    }

    /// Below 1.0, versions are compatible if they differ in the last number only; a pre-release
    /// (`0.2.0-rc-2023-11-10`) is compatible with nothing.
    fn release_of(&self, line: &str) -> bool {
        self.version
            .strip_prefix(line)
            .is_some_and(|patch| !patch.is_empty() && patch.len() <= 9 && patch.bytes().all(|b| b.is_ascii_digit()))
    }
}

fn add_producers(list: &mut Vec<String>, producers: &Producers) {
    for field in ["language", "processed-by", "sdk"] {
        let Some(values) = producers.get(field) else { continue };
        for (name, version) in values.iter() {
            let text = shown(format!("{name} {version}").trim_end());
            if list.len() < PRODUCERS && !list.contains(&text) {
                list.push(text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
