use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::engine::EngineOptions;
use crate::fixtures;

struct Fixture {
    engine: Engine,
    folder: tempfile::TempDir,
    audits: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    fn new() -> Self {
        let engine = Engine::new(EngineOptions { pool_instances: 4, ..EngineOptions::default() }).unwrap();
        Self { engine, folder: tempfile::tempdir().unwrap(), audits: Arc::default() }
    }

    fn options(&self) -> CodeOptions {
        let audits = Arc::clone(&self.audits);
        CodeOptions {
            artifacts: self.folder.path().join("artifacts"),
            cache: self.folder.path().join("code"),
            mac_key: [3; 32],
            worker: std::env::current_exe().unwrap(),
            gate: GateLimits::default(),
            compile: CompileLimits::default(),
            loaded_max: 2,
            on_audit: Arc::new(move |text| lock(&audits).push(text)),
        }
    }

    fn store(&self) -> CodeStore {
        CodeStore::open(self.options(), &self.engine).unwrap()
    }

    /// A store that cannot compile: what it loads was compiled before.
    fn store_without_compiler(&self) -> CodeStore {
        let options = CodeOptions { worker: "/nonexistent/jackfield".into(), ..self.options() };
        CodeStore::open(options, &self.engine).unwrap()
    }

    fn upload(&self, bytes: &[u8]) -> PathBuf {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let path = self.folder.path().join(format!("upload-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        fs::write(&path, bytes).unwrap();
        path
    }

    fn audits(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.audits))
    }
}

/// Handlers that differ by a number only.
fn numbered(number: u32) -> Vec<u8> {
    let wat =
        fixtures::SILENT.replace("(global $top", &format!("(global $number i32 (i32.const {number})) (global $top"));
    fixtures::component_from_core(&wat)
}

#[tokio::test]
async fn an_upload_is_kept_and_a_restart_does_not_compile_again() {
    let f = Fixture::new();
    let bytes = fixtures::silent();
    let upload = f.upload(&bytes);
    let inspection = f.store().add_artifact(&upload, "ada").await.unwrap().inspection;
    let digest = Digest::of(&bytes);
    assert_eq!(inspection.digest, digest);
    assert!(inspection.handles_events);
    assert!(!upload.exists(), "the upload is moved");
    assert_eq!(fs::read(f.folder.path().join(format!("artifacts/{}.wasm", digest.hex()))).unwrap(), bytes);

    let restarted = f.store_without_compiler();
    assert!(restarted.has(&digest));
    restarted.prepare(digest).await.unwrap();
    assert_eq!(restarted.inspect(digest).await.unwrap(), inspection);
    assert_eq!(f.audits(), Vec::<String>::new());
}

#[tokio::test]
async fn the_same_upload_again_is_no_error_and_costs_nothing() {
    let f = Fixture::new();
    let bytes = fixtures::silent();
    let first = f.store().add_artifact(&f.upload(&bytes), "ada").await.unwrap();
    let second = f.store_without_compiler().add_artifact(&f.upload(&bytes), "ada").await.unwrap();
    assert_eq!(first.inspection, second.inspection);
    assert!(first.compiled.is_some() && second.compiled.is_none());
}

#[tokio::test]
async fn threat_024_a_refused_upload_leaves_nothing() {
    let f = Fixture::new();
    let store = f.store();
    let module = wat::parse_str("(module)").unwrap();
    let Err(CodeError::Refused(refusal)) = store.add_artifact(&f.upload(&module), "ada").await else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, "core-module");
    // Valid in shape, refused by the compile process.
    let mut component = wasm_encoder::Component::new();
    component.section(&wasm_encoder::RawSection { id: 1, data: &wat::parse_str("(module (tag))").unwrap() });
    let bytes = component.finish();
    let Err(CodeError::Refused(refusal)) = store.add_artifact(&f.upload(&bytes), "ada").await else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, "invalid-component");
    for folder in ["artifacts", "code"] {
        assert_eq!(fs::read_dir(f.folder.path().join(folder)).unwrap().count(), 0, "{folder}");
    }
    assert_eq!(store.load(Digest::of(&bytes)).await.unwrap_err(), CodeError::Missing(Digest::of(&bytes)));
}

#[tokio::test]
async fn what_the_pool_cannot_hold_is_refused_at_upload() {
    let f = Fixture::new();
    // Five modules of one memory each: each passes the gate, together they are one memory too many.
    let module = r#"(core module $m (memory 1))"#;
    let instances: String = (0..5).map(|n| format!("(core instance $i{n} (instantiate $m))")).collect();
    let bytes = wat::parse_str(format!("(component {module} {instances})")).unwrap();
    let Err(CodeError::Refused(refusal)) = f.store().add_artifact(&f.upload(&bytes), "ada").await else {
        panic!("not refused");
    };
    assert_eq!(refusal.code, "cannot-be-instantiated");
    assert!(refusal.text.contains('4'), "{refusal}");
}

#[tokio::test]
async fn threat_027_edited_code_is_compiled_again_and_reported() {
    let f = Fixture::new();
    let bytes = fixtures::silent();
    let digest = f.store().add_artifact(&f.upload(&bytes), "ada").await.unwrap().inspection.digest;

    let store = f.store();
    let path = store.0.cache.path(&digest);
    let mut code = fs::read(&path).unwrap();
    let middle = code.len() / 2;
    code[middle] ^= 0xff;
    fs::remove_file(&path).unwrap();
    fs::write(&path, &code).unwrap();

    store.load(digest).await.unwrap();
    let audits = f.audits();
    assert_eq!(audits.len(), 1, "{audits:?}");
    assert!(audits[0].contains("does not carry this host's seal"), "{audits:?}");
    f.store_without_compiler().prepare(digest).await.unwrap();
}

#[tokio::test]
async fn lost_code_is_compiled_from_the_artifact_once_for_all_who_ask() {
    let f = Fixture::new();
    let digest = f.store().add_artifact(&f.upload(&fixtures::silent()), "ada").await.unwrap().inspection.digest;
    let store = f.store();
    store.0.cache.remove(&digest).unwrap();
    let all = futures_util::future::join_all((0..8).map(|_| store.load(digest))).await;
    let first = all[0].clone().unwrap();
    assert!(all.iter().all(|c| Arc::ptr_eq(c.as_ref().unwrap(), &first)), "each made its own");
}

#[tokio::test]
async fn a_damaged_artifact_is_not_compiled() {
    let f = Fixture::new();
    let store = f.store();
    let digest = store.add_artifact(&f.upload(&fixtures::silent()), "ada").await.unwrap().inspection.digest;
    fs::write(store.0.artifact(&digest), numbered(9)).unwrap();
    let store = f.store();
    store.0.cache.remove(&digest).unwrap();
    let error = store.load(digest).await.unwrap_err();
    assert!(matches!(&error, CodeError::Fault(text) if text.contains("is damaged")), "{error}");
}

#[tokio::test]
async fn the_least_recently_used_is_unmapped() {
    let f = Fixture::new();
    let store = f.store();
    let mut digests = Vec::new();
    for number in 0..2 {
        digests.push(store.add_artifact(&f.upload(&numbered(number)), "ada").await.unwrap().inspection.digest);
    }
    store.load(digests[0]).await.unwrap();
    digests.push(store.add_artifact(&f.upload(&numbered(2)), "ada").await.unwrap().inspection.digest);
    let loaded: Vec<bool> = digests.iter().map(|d| lock(&store.0.loaded).components.contains_key(d)).collect();
    assert_eq!(loaded, [true, false, true]);
    store.load(digests[1]).await.unwrap();
}

#[tokio::test]
async fn a_removed_artifact_is_gone() {
    let f = Fixture::new();
    let store = f.store();
    let digest = store.add_artifact(&f.upload(&fixtures::silent()), "ada").await.unwrap().inspection.digest;
    store.remove(digest).await.unwrap();
    assert!(!store.has(&digest));
    assert_eq!(store.load(digest).await.unwrap_err(), CodeError::Missing(digest));
}

/// A large component of many functions, all the same but for `data`.
fn large(data: u8) -> Vec<u8> {
    let functions: String = (0..300)
        .map(|n| {
            format!("(func (param i32) (result i32) (i32.mul (i32.add (local.get 0) (i32.const {n})) (i32.const 3)))")
        })
        .collect();
    let wat = fixtures::SILENT
        .replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 80) (data (i32.const 65536) \"%\")")
        .replace('%', &format!("\\{data:02x}").repeat(4 << 20))
        .replacen("(global $top", &format!("{functions} (global $top"), 1);
    fixtures::component_from_core(&wat)
}

#[tokio::test]
async fn functions_are_kept_for_the_uploaders_next_component_and_make_the_same_code() {
    let f = Fixture::new();
    let store = f.store();
    let compiler = crate::compile::tests::compiler(CompileLimits::default());
    let mut uploads = vec![];
    for (who, data) in [("ada", 1), ("ada", 2), ("bob", 3)] {
        let bytes = large(data);
        let digest = store.add_artifact(&f.upload(&bytes), who).await.unwrap().inspection.digest;
        let made = fs::read(store.0.cache.path(&digest)).unwrap();
        let alone = compiler.compile(compiler.slot().await, bytes.into(), None).await.unwrap();
        assert!(made[..made.len() - 32] == alone.code, "{who}, {data}: another code than without functions kept");
        assert!(alone.functions.is_empty());
        uploads.push((who, store.0.cache.functions(&Digest::of(who.as_bytes())).unwrap().unwrap()));
    }
    let [(_, first), (_, second), (_, of_another)] = &uploads[..] else { unreachable!() };
    assert!(first.len() > 300 * 36, "{} bytes are not 300 functions", first.len());
    assert_eq!(first, second, "the second component made nothing anew");
    assert_eq!(first.len(), of_another.len(), "another uploader's began with nothing");
    store.add_artifact(&f.upload(&fixtures::silent()), "eve").await.unwrap();
    assert!(store.0.cache.functions(&Digest::of(b"eve")).unwrap().unwrap().is_empty(), "a small one is not worth it");
}

#[tokio::test]
async fn threat_027_functions_that_somebody_edited_are_not_used() {
    let f = Fixture::new();
    let store = f.store();
    store.add_artifact(&f.upload(&large(1)), "ada").await.unwrap();
    let folder = f.folder.path().join("code");
    let kept = || {
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|kind| kind == "functions")).collect::<Vec<_>>()
    };
    let [file] = &kept()[..] else { panic!("{:?}", kept()) };
    let mut bytes = fs::read(file).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(file).unwrap();
    fs::write(file, &bytes).unwrap();
    let added = store.add_artifact(&f.upload(&large(2)), "ada").await.unwrap();
    store.prepare(added.inspection.digest).await.unwrap();
    let audits = f.audits();
    assert!(audits.len() == 1 && audits[0].contains("do not carry this host's seal"), "{audits:?}");
    assert_ne!(fs::read(file).unwrap(), bytes, "they were made again");
    // Another uploader's file is nobody else's.
    let other = file.with_file_name(
        file.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace(&Digest::of(b"ada").hex().to_string(), &Digest::of(b"bob").hex().to_string()),
    );
    fs::rename(file, &other).unwrap();
    assert!(store.0.cache.functions(&Digest::of(b"bob")).unwrap().is_err());
}

/// Uploads a language's two examples one after the other through the gate and the compile process, with the limits that
/// every host has, and says what they took.
async fn production_takes(language: &str) -> [crate::compile::CompileCost; 2] {
    let f = Fixture::new();
    let store = f.store();
    let mut costs = [Default::default(); 2];
    for (cost, (example, file)) in costs.iter_mut().zip([("hello", "greet"), ("servicenow-to-github", "sync")]) {
        let path = format!("../../guest-examples/{example}/{language}/dist/{file}.wasm");
        let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path))
            .unwrap_or_else(|e| panic!("{path}: {e}: run `make guests`"));
        let added = store.add_artifact(&f.upload(&bytes), "ada").await.unwrap_or_else(|e| panic!("{path}: {e}"));
        *cost = added.compiled.expect("it was not compiled before");
        println!(
            "{path}: {} bytes; {:.1} s of CPU, {} MiB",
            bytes.len(),
            cost.cpu.as_secs_f64(),
            cost.memory_bytes >> 20
        );
        assert!(!cost.cpu.is_zero() && cost.memory_bytes > 0, "{cost:?}");
        // Half of the limits: the machine that compiles may be a slower one.
        assert!(cost.cpu < CompileLimits::default().cpu / 2, "{path}: {cost:?}");
        assert!(cost.memory_bytes < CompileLimits::default().memory_bytes * 3 / 4, "{path}: {cost:?}");
    }
    costs
}

#[tokio::test]
async fn what_the_rust_sdk_makes_is_taken() {
    production_takes("rust").await;
}

#[tokio::test]
async fn what_the_js_sdk_makes_is_taken() {
    production_takes("js").await;
}

#[tokio::test]
async fn what_the_go_sdk_makes_is_taken() {
    production_takes("go").await;
}

#[tokio::test]
async fn what_the_python_sdk_makes_is_taken_and_the_second_time_for_much_less() {
    let [first, second] = production_takes("python").await;
    assert!(second.cpu < first.cpu.mul_f64(0.7), "{first:?}, then {second:?}");
}
