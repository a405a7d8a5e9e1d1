//! The shape of an upload: one pass over its sections, which stops at the first figure that is too high.

use jackfield_core::ids::shown;
use wasmparser::{
    BinaryReaderError, CustomSectionReader, Encoding, ExportSectionReader, FunctionBody, ImportSectionReader,
    MemoryType, Operator, Parser, Payload, TypeRef, TypeSectionReader,
};

use super::{GateLimits, Refusal, what};

/// What has been counted in the module or component being read.
#[derive(Default)]
struct Counts {
    imports_and_exports: u64,
    memories: u64,
    tables: u64,
    types: u64,
    globals: u64,
    data: u64,
    elements: u64,
}

struct Scan<'l> {
    limits: &'l GateLimits,
    /// The module or component being read is the last; those around it come before.
    open: Vec<Counts>,
    functions: u64,
    modules: u64,
    components: u64,
    entries: u64,
    br_table_targets: u64,
    debug_bytes: u64,
    names_bytes: u64,
    custom_bytes: u64,
}

/// Reads all of `bytes`; section counts are compared before their contents are looked at.
pub(super) fn scan(bytes: &[u8], limits: &GateLimits) -> Result<(), Refusal> {
    let mut scan = Scan {
        limits,
        open: Vec::new(),
        functions: 0,
        modules: 0,
        components: 0,
        entries: 0,
        br_table_targets: 0,
        debug_bytes: 0,
        names_bytes: 0,
        custom_bytes: 0,
    };
    for payload in Parser::new(0).parse_all(bytes) {
        scan.payload(payload.map_err(|e| what::invalid(&e))?)?;
    }
    Ok(())
}

/// Compares a figure with its limit.
fn most(found: u64, limit: u32, what: &str, setting: &str) -> Result<(), Refusal> {
    most_bytes(found, u64::from(limit), what, setting)
}

fn most_bytes(found: u64, limit: u64, what: &str, setting: &str) -> Result<(), Refusal> {
    if found <= limit {
        return Ok(());
    }
    Err(Refusal::new("too-complex", format!("{what}: {found}; the gate allows {limit} (setting gate.{setting})")))
}

fn add(sum: &mut u64, count: u32) -> u64 {
    *sum += u64::from(count);
    *sum
}

fn invalid(e: BinaryReaderError) -> Refusal {
    what::invalid(&e)
}

impl Scan<'_> {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        let limits = self.limits;
        match payload {
            Payload::Version { encoding, .. } => self.begin(encoding)?,
            Payload::End(_) => drop(self.open.pop()),

            Payload::TypeSection(section) => self.types(section)?,
            Payload::ImportSection(section) => self.imports(section)?,
            Payload::ExportSection(section) => self.exports(section)?,
            Payload::FunctionSection(section) => {
                let found = add(&mut self.functions, section.count());
                most(found, limits.functions, "functions of the component", "functions")?;
            }
            Payload::TableSection(section) => {
                let found = add(&mut self.here().tables, section.count());
                most(found, limits.tables, "tables of a module", "tables")?;
            }
            Payload::MemorySection(section) => {
                let found = add(&mut self.here().memories, section.count());
                most(found, limits.memories, "memories of a module", "memories")?;
                for memory in section {
                    self.memory(&memory.map_err(invalid)?)?;
                }
            }
            Payload::GlobalSection(section) => {
                let found = add(&mut self.here().globals, section.count());
                most(found, limits.segments, "globals of a module", "segments")?;
            }
            Payload::DataCountSection { count, .. } => {
                most(u64::from(count), limits.data_segments, "data segments of a module", "data_segments")?;
            }
            Payload::DataSection(section) => {
                let found = add(&mut self.here().data, section.count());
                most(found, limits.data_segments, "data segments of a module", "data_segments")?;
            }
            Payload::ElementSection(section) => {
                let found = add(&mut self.here().elements, section.count());
                most(found, limits.segments, "element segments of a module", "segments")?;
            }
            Payload::CodeSectionStart { count, .. } => {
                most(u64::from(count), limits.functions, "functions of the component", "functions")?;
            }
            Payload::CodeSectionEntry(body) => self.body(&body)?,

            Payload::ComponentImportSection(section) => {
                self.component_names(section.count())?;
                for import in section {
                    self.component_name(import.map_err(invalid)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                self.component_names(section.count())?;
                for export in section {
                    self.component_name(export.map_err(invalid)?.name.name)?;
                }
            }
            Payload::InstanceSection(section) => self.entries(section.count())?,
            Payload::CoreTypeSection(section) => self.entries(section.count())?,
            Payload::ComponentInstanceSection(section) => self.entries(section.count())?,
            Payload::ComponentAliasSection(section) => self.entries(section.count())?,
            Payload::ComponentTypeSection(section) => self.entries(section.count())?,
            Payload::ComponentCanonicalSection(section) => self.entries(section.count())?,

            Payload::CustomSection(section) => self.custom(&section)?,
            _ => {}
        }
        Ok(())
    }

    fn here(&mut self) -> &mut Counts {
        if self.open.is_empty() {
            self.open.push(Counts::default());
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    fn begin(&mut self, encoding: Encoding) -> Result<(), Refusal> {
        self.open.push(Counts::default());
        match encoding {
            Encoding::Module => {
                self.modules += 1;
                most(self.modules, self.limits.modules, "core modules of the component", "modules")
            }
            Encoding::Component => {
                self.components += 1;
                most(self.components, self.limits.modules, "components inside each other", "modules")
            }
        }
    }

    fn types(&mut self, section: TypeSectionReader<'_>) -> Result<(), Refusal> {
        let limits = self.limits;
        let found = add(&mut self.here().types, section.count());
        most(found, limits.types, "types of a module", "types")?;
        for ty in section.into_iter_err_on_gc_types() {
            let ty = ty.map_err(invalid)?;
            let longest = ty.params().len().max(ty.results().len());
            most(longest as u64, limits.parameters, "parameters or results of a function", "parameters")?;
        }
        Ok(())
    }

    fn imports(&mut self, section: ImportSectionReader<'_>) -> Result<(), Refusal> {
        let limits = self.limits;
        let found = add(&mut self.here().imports_and_exports, section.count());
        most(found, limits.imports_and_exports, "imports and exports of a module", "imports_and_exports")?;
        for import in section.into_imports() {
            let import = import.map_err(invalid)?;
            self.name(import.module)?;
            self.name(import.name)?;
            match import.ty {
                TypeRef::Memory(memory) => {
                    let found = add(&mut self.here().memories, 1);
                    most(found, limits.memories, "memories of a module", "memories")?;
                    self.memory(&memory)?;
                }
                TypeRef::Table(_) => {
                    let found = add(&mut self.here().tables, 1);
                    most(found, limits.tables, "tables of a module", "tables")?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn exports(&mut self, section: ExportSectionReader<'_>) -> Result<(), Refusal> {
        let limits = self.limits;
        let found = add(&mut self.here().imports_and_exports, section.count());
        most(found, limits.imports_and_exports, "imports and exports of a module", "imports_and_exports")?;
        for export in section {
            self.name(export.map_err(invalid)?.name)?;
        }
        Ok(())
    }

    fn name(&self, name: &str) -> Result<(), Refusal> {
        name_within(name, self.limits.name_bytes)
    }

    fn component_name(&self, name: &str) -> Result<(), Refusal> {
        name_within(name, self.limits.name_bytes / 8)
    }

    fn component_names(&mut self, count: u32) -> Result<(), Refusal> {
        let limits = self.limits;
        let found = add(&mut self.here().imports_and_exports, count);
        most(found, limits.imports_and_exports, "imports and exports of a component", "imports_and_exports")
    }

    fn entries(&mut self, count: u32) -> Result<(), Refusal> {
        let found = add(&mut self.entries, count);
        let what = "types, aliases, instances and functions of the component model";
        most(found, self.limits.component_entries, what, "component_entries")
    }

    fn memory(&self, memory: &MemoryType) -> Result<(), Refusal> {
        let page = memory.page_size_log2.map_or(65_536, |log2| 1u64.checked_shl(log2).unwrap_or(u64::MAX));
        let bytes = memory.initial.saturating_mul(page);
        most_bytes(bytes, self.limits.memory_bytes, "bytes a memory asks for at the start", "memory_bytes")
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let limits = self.limits;
        let range = body.range();
        let at = range.start;
        let size = range.end.saturating_sub(at) as u64;
        most(size, limits.body_bytes, &format!("bytes of the function at byte {at}"), "body_bytes")?;

        let mut locals = 0u64;
        for local in body.get_locals_reader().map_err(invalid)? {
            locals += u64::from(local.map_err(invalid)?.0);
            most(locals, limits.locals, &format!("local variables of the function at byte {at}"), "locals")?;
        }

        let mut depth = 0u32;
        let mut operators = body.get_operators_reader().map_err(invalid)?;
        while !operators.eof() {
            match operators.read().map_err(invalid)? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                    depth += 1;
                    if depth > limits.nesting {
                        let what = format!("blocks inside each other in the function at byte {at}");
                        return most(u64::from(depth), limits.nesting, &what, "nesting");
                    }
                }
                Operator::End => depth = depth.saturating_sub(1),
                Operator::BrTable { targets } => {
                    let what = format!("targets of a br_table in the function at byte {at}");
                    most(u64::from(targets.len()), limits.br_table_targets, &what, "br_table_targets")?;
                    let found = add(&mut self.br_table_targets, targets.len());
                    let what = "targets of all br_tables together";
                    most(found, limits.br_table_targets_total, what, "br_table_targets_total")?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn custom(&mut self, section: &CustomSectionReader<'_>) -> Result<(), Refusal> {
        let limits = self.limits;
        let name = section.name();
        // The name counts too, or a hundred thousand empty sections would be free.
        let size = (section.data().len() + name.len()) as u64 + 8;
        if name.starts_with(".debug_") {
            self.debug_bytes += size;
            let what = "bytes of debug information (build with `strip = \"debuginfo\"`)";
            most_bytes(self.debug_bytes, limits.debug_bytes, what, "debug_bytes")
        } else if name == "name" || name == "component-name" {
            self.names_bytes += size;
            most_bytes(self.names_bytes, limits.names_bytes, "bytes of name sections", "names_bytes")
        } else {
            self.custom_bytes += size;
            let what = format!("bytes of custom sections, up to and with `{}`", shown(name));
            most_bytes(self.custom_bytes, limits.custom_bytes, &what, "custom_bytes")
        }
    }
}

fn name_within(name: &str, limit: u32) -> Result<(), Refusal> {
    if name.len() <= limit as usize {
        return Ok(());
    }
    let what = format!("bytes of the name `{}`", shown(name));
    most(name.len() as u64, limit, &what, "name_bytes")
}
