//! Programs: a component may be a ready-made runtime with the program it runs in a custom section at its end.
//!
//! The section is no code. Components that differ in it alone share what was compiled of the rest, so that a changed
//! program is live without a compilation.

use std::fs::File;
use std::io::{self, Read as _, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use wasmparser::BinaryReader;

/// The section's name.
const SECTION: &str = "jackfield:program";
/// Magic number, version and layer.
const HEAD: u64 = 8;
/// Id and size of a section.
const SECTION_HEAD: u64 = 6;

/// Where the program of a component lies in its file, and where the section begins that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The bytes before it are the runtime.
    pub(crate) code_end: usize,
    begin: usize,
}

impl Place {
    /// The program.
    pub(crate) fn program(self, bytes: &Bytes) -> Bytes {
        bytes.slice(self.begin..)
    }
}

/// Looks for a program in a component's bytes.
pub(crate) fn find(bytes: &[u8]) -> Option<Place> {
    let mut source = io::Cursor::new(bytes);
    walk(&mut source, bytes.len() as u64).ok().flatten()
}

/// Looks for a program in a component's file. Reads the sections' heads alone.
pub(crate) fn is_in(file: &Path) -> io::Result<bool> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    Ok(walk(&mut file, length)?.is_some())
}

/// Goes from section to section: the last one counts. Bytes that are no component have no program.
fn walk(source: &mut (impl io::Read + io::Seek), length: u64) -> io::Result<Option<Place>> {
    let mut at = HEAD;
    while at < length {
        source.seek(SeekFrom::Start(at))?;
        let mut head = Vec::new();
        source.by_ref().take(SECTION_HEAD + 1 + SECTION.len() as u64).read_to_end(&mut head)?;
        let mut reader = BinaryReader::new(&head, 0);
        let Some((id, size)) = reader.read_u8().ok().zip(reader.read_var_u32().ok()) else { return Ok(None) };
        let content = at + reader.current_position() as u64;
        let end = content + u64::from(size);
        if end == length {
            let named = id == 0 && reader.read_string().is_ok_and(|name| name == SECTION);
            let begin = at + reader.current_position() as u64;
            // A name may claim to be longer than its section.
            let place =
                (named && begin <= length).then(|| Some((usize::try_from(at).ok()?, usize::try_from(begin).ok()?)));
            return Ok(place.flatten().map(|(code_end, begin)| Place { code_end, begin }));
        }
        at = end;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn with(name: &str, program: &[u8]) -> Bytes {
        fixtures::with_section(fixtures::silent(), name, program).into()
    }

    #[test]
    fn the_last_section_is_the_program_if_it_says_so() {
        let code = fixtures::silent();
        for program in [&b""[..], b"x", &[7; 100_000]] {
            let bytes = with(SECTION, program);
            let place = find(&bytes).unwrap();
            assert_eq!((place.code_end, place.program(&bytes)), (code.len(), Bytes::copy_from_slice(program)));
        }
        assert_eq!(find(&code), None);
        assert_eq!(find(&with("name", b"x")), None);
        let followed = fixtures::with_section(with(SECTION, b"x").to_vec(), "name", b"y");
        assert_eq!(find(&followed), None, "only the last one counts");
    }

    #[test]
    fn a_file_is_read_as_its_bytes_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.wasm");
        for (bytes, there) in
            [(with(SECTION, b"x"), true), (with("name", b"x"), false), (fixtures::silent().into(), false)]
        {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(is_in(&file).unwrap(), there);
        }
    }

    /// Threat rows 21 and 22: what is no component, or only says it is, is looked through without harm.
    #[test]
    fn damaged_bytes_have_no_program() {
        let whole = with(SECTION, b"program");
        for end in 0..whole.len() {
            let found = find(&whole[..end]);
            assert!(found.is_none(), "cut at {end}: {found:?}");
        }
        for bytes in [&b""[..], b"\0asm", &[0xff; 64]] {
            assert_eq!(find(bytes), None);
        }
        // Sizes that lead out of the file, and a name longer than its section.
        assert_eq!(find(&[&whole[..8], &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat()), None);
        assert_eq!(find(&[&whole[..8], &[0, 2, 0x7f, b'j']].concat()), None);
    }
}
