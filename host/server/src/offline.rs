//! The cell without a host: a component's bytes become code on somebody's own machine, and an attempt is
//! made of it.
//!
//! What was compiled is kept in the user's cache folder, sealed as a host seals its own, so that a
//! second time is quick. Not here: what answers the guest's calls.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use jackfield_core::artifact::Digest;
use jackfield_core::ports::sandbox::{HostFault, Report, Sandbox as _, Work};
use jackfield_sandbox::code::{CodeError, CodeOptions, CodeStore};
use jackfield_sandbox::compile::CompileLimits;
use jackfield_sandbox::engine::{Engine, EngineOptions};
use jackfield_sandbox::gate::GateLimits;
use jackfield_sandbox::invoke::WasmSandbox;
use tempfile::NamedTempFile;

use crate::app::build::own_binary;

/// Components whose code is kept; the one not used for longest goes.
const KEPT: usize = 8;

/// See the module.
pub struct Offline {
    folder: PathBuf,
    code: Arc<CodeStore>,
    sandbox: WasmSandbox,
}

impl Offline {
    /// Opens the cell over `folder`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, or the engine does not start here.
    pub fn open(folder: PathBuf) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        let engine = Engine::new(EngineOptions { pool_instances: 2, ..EngineOptions::default() })?;
        let options = CodeOptions {
            artifacts: folder.join("artifacts"),
            cache: folder.join("code"),
            mac_key: key(&folder.join("key")).with_context(|| format!("{}", folder.join("key").display()))?,
            worker: own_binary(),
            gate: GateLimits::default(),
            compile: CompileLimits::default(),
            loaded_max: 1,
            on_audit: Arc::new(|detail| tracing::warn!("{detail}")),
        };
        let code = Arc::new(CodeStore::open(options, &engine)?);
        let sandbox = WasmSandbox::new(&engine, Arc::clone(&code));
        Ok(Self { folder, code, sandbox })
    }

    /// Whether a component is here from an earlier time.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.code.has(digest)
    }

    /// Takes a component in, through the gate that a host has.
    ///
    /// # Errors
    ///
    /// As [`CodeStore::add_artifact`].
    pub async fn add(&self, bytes: &[u8]) -> Result<Digest, CodeError> {
        let digest = Digest::of(bytes);
        if self.has(&digest) {
            return Ok(digest);
        }
        let fault = |e: io::Error| CodeError::Fault(format!("{}: {e}", self.folder.display()));
        let mut file = NamedTempFile::new_in(&self.folder).map_err(fault)?;
        file.write_all(bytes).map_err(fault)?;
        // It is moved if it is taken, and removed here if it is not.
        let file = file.into_temp_path();
        Ok(self.code.add_artifact(&file, "").await?.inspection.digest)
    }

    /// Sees to it that the code of a component is ready, and that not too much is kept.
    ///
    /// # Errors
    ///
    /// As [`CodeStore::prepare`].
    pub async fn ready(&self, digest: Digest) -> Result<(), CodeError> {
        self.code.prepare(digest).await?;
        let mut kept = kept(&self.folder.join("artifacts"));
        kept.retain(|(_, of)| *of != digest);
        kept.sort();
        for (_, old) in kept.iter().rev().skip(KEPT - 1) {
            self.code.remove(*old).await?;
        }
        Ok(())
    }

    /// Makes one attempt.
    ///
    /// # Errors
    ///
    /// As the sandbox.
    pub async fn invoke(&self, work: Work) -> Result<Report, HostFault> {
        self.sandbox.invoke(work).await
    }
}

/// The artifacts in a folder, and since when they are there.
fn kept(folder: &Path) -> Vec<(SystemTime, Digest)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let one = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let digest = format!("sha256:{}", name.to_str()?.strip_suffix(".wasm")?).parse().ok()?;
        Some((entry.metadata().ok()?.modified().ok()?, digest))
    };
    entries.filter_map(one).collect()
}

/// What the code here is sealed with: made once.
fn key(file: &Path) -> io::Result<[u8; 32]> {
    let known = || {
        let known = fs::read(file)?;
        known.try_into().map_err(|_| io::Error::other("it is no key of 32 bytes; remove it"))
    };
    if file.exists() {
        return known();
    }
    let mut key = [0; 32];
    rand::fill(&mut key);
    // Whole before it has its name: another command may look at the same moment.
    let mut made = NamedTempFile::new_in(file.parent().unwrap_or(Path::new(".")))?;
    made.write_all(&key)?;
    match made.persist_noclobber(file) {
        Ok(_) => Ok(key),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => known(),
        Err(e) => Err(e.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let made = key(&file).unwrap();
        assert_eq!(key(&file).unwrap(), made);
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&file, "short").unwrap();
        assert!(key(&file).is_err());
    }

    #[test]
    fn commands_that_begin_together_have_one_key() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let file = folder.path().join(round.to_string());
            let keys: Vec<_> = std::thread::scope(|scope| {
                let commands: Vec<_> = (0..4).map(|_| scope.spawn(|| key(&file).unwrap())).collect();
                commands.into_iter().map(|command| command.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]), "round {round}");
        }
    }
}
