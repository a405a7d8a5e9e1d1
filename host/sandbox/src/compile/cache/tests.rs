use super::*;
use crate::engine::{self, EngineOptions};
use crate::fixtures;

const KEY: [u8; 32] = [7; 32];

struct Fixture {
    engine: Engine,
    folder: tempfile::TempDir,
    digest: Digest,
    code: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let options = EngineOptions { pool_instances: 2, ..EngineOptions::default() };
        let wasm = fixtures::silent();
        Self {
            engine: Engine::new(options).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            digest: Digest::of(&wasm),
            code: engine::compiling(&options, None).unwrap().precompile_component(&wasm).unwrap(),
        }
    }

    /// As after a restart of the host: nothing is verified yet.
    fn cache(&self) -> Cache {
        Cache::open(self.folder.path().join("code"), KEY, &self.engine).unwrap()
    }

    fn load(&self, cache: &Cache) -> Found {
        cache.load(&self.engine, &self.digest).unwrap()
    }

    #[track_caller]
    fn damaged(&self, cache: &Cache, says: &str) {
        match self.load(cache) {
            Found::Damaged(text) => {
                assert!(text.contains(says) && text.contains(&self.digest.to_string()), "{text}");
            }
            Found::Code(_) => panic!("it was mapped"),
            Found::Nothing => panic!("it was not there"),
        }
        assert!(matches!(self.load(cache), Found::Nothing), "the file must be gone");
    }
}

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn code_survives_a_restart_and_is_private() {
    let f = Fixture::new();
    let cache = f.cache();
    assert!(matches!(f.load(&cache), Found::Nothing));
    cache.keep(&f.digest, &f.code).unwrap();
    assert!(matches!(f.load(&cache), Found::Code(_)));
    drop(cache);
    let cache = f.cache();
    assert!(matches!(f.load(&cache), Found::Code(_)));
    assert_eq!(fs::metadata(&cache.folder).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(cache.path(&f.digest)).unwrap().mode() & 0o777, 0o400);
    cache.remove(&f.digest).unwrap();
    assert!(matches!(f.load(&cache), Found::Nothing));
}

#[test]
fn threat_027_a_flipped_bit_anywhere_is_found() {
    let f = Fixture::new();
    let cache = f.cache();
    cache.keep(&f.digest, &f.code).unwrap();
    let whole = fs::read(cache.path(&f.digest)).unwrap();
    assert_eq!(whole.len(), f.code.len() + 32);
    // The header, the code, its last byte, and both ends of the MAC.
    for at in [0, 40, whole.len() / 2, f.code.len() - 1, f.code.len(), whole.len() - 1] {
        cache.keep(&f.digest, &f.code).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        overwrite(&cache.path(&f.digest), &bytes);
        f.damaged(&cache, "does not carry this host's seal");
    }
}

#[test]
fn threat_027_lengths_count() {
    let f = Fixture::new();
    let cache = f.cache();
    cache.keep(&f.digest, &f.code).unwrap();
    let whole = fs::read(cache.path(&f.digest)).unwrap();
    for (bytes, says) in [
        (&whole[..whole.len() - 1], "seal"),
        (&whole[..f.code.len()], "seal"),
        (&whole[..20], "too short"),
        (&[][..], "too short"),
        (&[&whole[..], b"more"].concat(), "seal"),
    ] {
        cache.keep(&f.digest, &f.code).unwrap();
        overwrite(&cache.path(&f.digest), bytes);
        f.damaged(&cache, says);
    }
}

#[test]
fn threat_027_code_of_another_artifact_is_not_taken() {
    let f = Fixture::new();
    let cache = f.cache();
    let other = Digest::of(b"another artifact");
    cache.keep(&other, &f.code).unwrap();
    fs::rename(cache.path(&other), cache.path(&f.digest)).unwrap();
    f.damaged(&cache, "seal");
}

#[test]
fn threat_027_code_of_another_host_or_engine_is_not_taken() {
    let f = Fixture::new();
    Cache::open(f.folder.path().join("code"), [8; 32], &f.engine).unwrap().keep(&f.digest, &f.code).unwrap();
    f.damaged(&f.cache(), "seal");

    let other = EngineOptions { pool_instances: 2, component_async: false, ..EngineOptions::default() };
    let other = Cache::open(f.folder.path().join("code"), KEY, &Engine::new(other).unwrap()).unwrap();
    other.keep(&f.digest, &f.code).unwrap();
    let cache = {
        // Opened before the move, or it would have swept the file away.
        let cache = f.cache();
        other.keep(&f.digest, &f.code).unwrap();
        cache
    };
    fs::rename(other.path(&f.digest), cache.path(&f.digest)).unwrap();
    f.damaged(&cache, "seal");
}

#[test]
fn threat_027_a_change_after_verification_is_found() {
    let f = Fixture::new();
    let cache = f.cache();
    cache.keep(&f.digest, &f.code).unwrap();
    assert!(matches!(f.load(&cache), Found::Code(_)));
    let mut bytes = fs::read(cache.path(&f.digest)).unwrap();
    bytes[100] ^= 1;
    overwrite(&cache.path(&f.digest), &bytes);
    f.damaged(&cache, "seal");
}

#[test]
fn threat_027_links_and_open_permissions_are_not_followed() {
    let f = Fixture::new();
    let cache = f.cache();
    cache.keep(&f.digest, &f.code).unwrap();
    let elsewhere = f.folder.path().join("elsewhere");
    fs::rename(cache.path(&f.digest), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, cache.path(&f.digest)).unwrap();
    f.damaged(&cache, "is a link");
    assert!(elsewhere.exists(), "the link is removed, not what it points to");

    cache.keep(&f.digest, &f.code).unwrap();
    fs::set_permissions(cache.path(&f.digest), Permissions::from_mode(0o666)).unwrap();
    f.damaged(&cache, "can be written by others");
}

#[test]
fn what_others_left_is_swept() {
    let f = Fixture::new();
    let cache = f.cache();
    cache.keep(&f.digest, &f.code).unwrap();
    let left = ["ab.0.tmp", "ab-0000000000000000.cwasm"].map(|name| cache.folder.join(name));
    let note = cache.folder.join("README");
    for path in left.iter().chain([&note]) {
        fs::write(path, "x").unwrap();
    }
    let cache = f.cache();
    assert!(left.iter().all(|path| !path.exists()) && note.exists());
    assert!(matches!(f.load(&cache), Found::Code(_)));
}
