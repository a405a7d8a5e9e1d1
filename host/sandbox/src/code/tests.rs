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
    let inspection = f.store().add_artifact(&upload).await.unwrap();
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
    let first = f.store().add_artifact(&f.upload(&bytes)).await.unwrap();
    let second = f.store_without_compiler().add_artifact(&f.upload(&bytes)).await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn threat_024_a_refused_upload_leaves_nothing() {
    let f = Fixture::new();
    let store = f.store();
    let module = wat::parse_str("(module)").unwrap();
    let Err(CodeError::Refused(refusal)) = store.add_artifact(&f.upload(&module)).await else { panic!("not refused") };
    assert_eq!(refusal.code, "core-module");
    // Valid in shape, refused by the compile process.
    let mut component = wasm_encoder::Component::new();
    component.section(&wasm_encoder::RawSection { id: 1, data: &wat::parse_str("(module (tag))").unwrap() });
    let bytes = component.finish();
    let Err(CodeError::Refused(refusal)) = store.add_artifact(&f.upload(&bytes)).await else { panic!("not refused") };
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
    let Err(CodeError::Refused(refusal)) = f.store().add_artifact(&f.upload(&bytes)).await else {
        panic!("not refused");
    };
    assert_eq!(refusal.code, "cannot-be-instantiated");
    assert!(refusal.text.contains('4'), "{refusal}");
}

#[tokio::test]
async fn threat_027_edited_code_is_compiled_again_and_reported() {
    let f = Fixture::new();
    let bytes = fixtures::silent();
    let digest = f.store().add_artifact(&f.upload(&bytes)).await.unwrap().digest;

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
    let digest = f.store().add_artifact(&f.upload(&fixtures::silent())).await.unwrap().digest;
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
    let digest = store.add_artifact(&f.upload(&fixtures::silent())).await.unwrap().digest;
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
        digests.push(store.add_artifact(&f.upload(&numbered(number))).await.unwrap().digest);
    }
    store.load(digests[0]).await.unwrap();
    digests.push(store.add_artifact(&f.upload(&numbered(2))).await.unwrap().digest);
    let loaded: Vec<bool> = digests.iter().map(|d| lock(&store.0.loaded).components.contains_key(d)).collect();
    assert_eq!(loaded, [true, false, true]);
    store.load(digests[1]).await.unwrap();
}

#[tokio::test]
async fn a_removed_artifact_is_gone() {
    let f = Fixture::new();
    let store = f.store();
    let digest = store.add_artifact(&f.upload(&fixtures::silent())).await.unwrap().digest;
    store.remove(digest).await.unwrap();
    assert!(!store.has(&digest));
    assert_eq!(store.load(digest).await.unwrap_err(), CodeError::Missing(digest));
}
