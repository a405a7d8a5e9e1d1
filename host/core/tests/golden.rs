//! Golden files: what earlier builds stored is read for ever, and reads as what it was.
//!
//! `cargo test -p jackfield-core --test golden write_golden_files -- --ignored` writes the files that are
//! missing. A file that is there is never written again: it is what is on somebody's disk.

mod golden {
    pub(crate) mod database;
    pub(crate) mod samples;
}

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use golden::samples::{self, Sample};
use jackfield_core::grant::Capability;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn all() -> Vec<Sample> {
    [samples::records(), samples::answers(), samples::values()].into_iter().flatten().collect()
}

/// Binary files are kept as hex digits, so that a person sees what changes.
fn written(file: &str, bytes: &[u8]) -> Vec<u8> {
    if !file.ends_with(".hex") {
        return [bytes, b"\n"].concat();
    }
    let digits = data_encoding::HEXLOWER.encode(bytes);
    let lines: Vec<&str> =
        digits.as_bytes().chunks(100).map(|line| std::str::from_utf8(line).expect("digits")).collect();
    format!("{}\n", lines.join("\n")).into_bytes()
}

fn read(file: &str) -> Result<Vec<u8>, String> {
    let missing = |error| format!("{file}: {error}; see the head of tests/golden.rs");
    let bytes = fs::read(folder().join(file)).map_err(missing)?;
    if !file.ends_with(".hex") {
        return Ok(bytes);
    }
    let digits: Vec<u8> = bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    data_encoding::HEXLOWER.decode(&digits).map_err(|error| format!("{file}: {error}"))
}

#[test]
fn threat_073_whatever_was_stored_reads_as_what_it_was() {
    let wrong: Vec<String> = all()
        .iter()
        .filter_map(|sample| {
            let found = read(&sample.file).and_then(|bytes| (sample.reads)(&bytes));
            found.err().map(|problem| format!("{}: {problem}", sample.file))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn threat_073_every_kind_of_record_has_a_golden_file() {
    let files: Vec<String> = all().into_iter().map(|sample| sample.file).collect();
    let unique: HashSet<&String> = files.iter().collect();
    assert_eq!(unique.len(), files.len(), "two samples share a file");
    let has = |part: &str| files.iter().any(|file| file.starts_with("journal/") && file.contains(part));
    let kinds = samples::RECORDS.iter().chain(&samples::CLASSES).chain(&samples::VERDICTS).copied();
    let missing: Vec<&str> = kinds.chain(Capability::ALL.map(Capability::name)).filter(|part| !has(part)).collect();
    assert!(missing.is_empty(), "no journal sample of {missing:?}");
    // And none on disk that nobody reads any more.
    for folder_name in ["journal", "answers", "values"] {
        for entry in fs::read_dir(folder().join(folder_name)).unwrap() {
            let name = format!("{folder_name}/{}", entry.unwrap().file_name().into_string().unwrap());
            assert!(files.contains(&name), "{name} is read by no test");
        }
    }
}

#[tokio::test]
async fn threat_073_a_database_of_every_schema_opens_and_reads_as_it_was() {
    let schemas: Vec<u32> =
        (1..=100).filter(|schema| folder().join(format!("database-{schema}.sql")).exists()).collect();
    assert!(!schemas.is_empty());
    for schema in schemas {
        let dump = fs::read_to_string(folder().join(format!("database-{schema}.sql"))).unwrap();
        let expected = fs::read_to_string(folder().join(format!("database-{schema}.json"))).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        let found = golden::database::read_dump(&dump).await;
        if let Some(difference) = golden::database::lacks(&found, &expected, "") {
            panic!("a database of schema {schema} reads otherwise: {difference}");
        }
    }
}

#[tokio::test]
#[ignore = "writes the golden files that are missing"]
async fn write_golden_files() {
    for sample in all() {
        let path = folder().join(&sample.file);
        if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, written(&sample.file, &sample.bytes)).unwrap();
        }
    }
    let (schema, dump) = golden::database::dump().await;
    let path = folder().join(format!("database-{schema}.sql"));
    if !path.exists() {
        let found = golden::database::read_dump(&dump).await;
        fs::write(&path, dump).unwrap();
        fs::write(path.with_extension("json"), serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
}
