//! The code store: artifacts on disk, their compiled code, and what of it is in memory.
//!
//! Not here: who may upload, and which artifacts are in use. An artifact is a file named by its digest and
//! is never changed; its compiled code can be made again from it at any time.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Shared, WeakShared};
use jackfield_core::artifact::{Digest, Inspection};
use jackfield_core::gauntlet::crash_point;
use wasmtime::component::Component;

use crate::compile::cache::{Cache, Found};
use crate::compile::{CompileCost, CompileError, CompileLimits, Compiler};
use crate::engine::Engine;
use crate::gate::{self, GateLimits, Refusal};
use crate::inspect::inspect;
use crate::program;

/// Where things are and who is told.
pub struct CodeOptions {
    /// Folder of the artifacts, `<hex>.wasm`.
    pub artifacts: PathBuf,
    /// Folder of the compiled code.
    pub cache: PathBuf,
    /// Authenticates compiled code; secret, and the same at every start.
    pub mac_key: [u8; 32],
    /// The binary started to compile: the host's own.
    pub worker: PathBuf,
    /// What an upload must satisfy.
    pub gate: GateLimits,
    /// What compiling may cost.
    pub compile: CompileLimits,
    /// Components kept mapped at the same time.
    pub loaded_max: usize,
    /// Told in a sentence when compiled code on disk was not ours.
    pub on_audit: Arc<dyn Fn(String) + Send + Sync>,
}

impl fmt::Debug for CodeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeOptions")
            .field("artifacts", &self.artifacts)
            .field("cache", &self.cache)
            .field("worker", &self.worker)
            .field("gate", &self.gate)
            .field("compile", &self.compile)
            .field("loaded_max", &self.loaded_max)
            .finish_non_exhaustive()
    }
}

/// An artifact that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// What it is.
    pub inspection: Inspection,
    /// What compiling it took; `None`: it was compiled already.
    pub compiled: Option<CompileCost>,
}

/// Why there is no code for an artifact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The component is to blame: do not try again with the same bytes.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such artifact.
    #[error("there is no artifact {0}: it was never uploaded, or it was deleted")]
    Missing(Digest),
    /// The host or the machine is to blame: trying again may help.
    #[error("{0}")]
    Fault(String),
}

impl From<CompileError> for CodeError {
    fn from(e: CompileError) -> Self {
        match e {
            CompileError::Refused(refusal) => Self::Refused(refusal),
            CompileError::Fault(_) => Self::Fault(e.to_string()),
        }
    }
}

fn fault(doing: &str, path: &Path, e: &io::Error) -> CodeError {
    CodeError::Fault(format!("cannot {doing} {}: {e}", path.display()))
}

/// What runs: compiled code, and the program it is to run if it is a runtime.
#[derive(Debug)]
pub(crate) struct Executable {
    pub(crate) component: Component,
    /// Empty for most.
    pub(crate) program: Bytes,
}

type Answer = Result<Arc<Executable>, CodeError>;
type Flight = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Artifacts and their code. Cheap to clone.
#[derive(Clone)]
pub struct CodeStore(Arc<Inner>);

struct Inner {
    engine: Engine,
    options: CodeOptions,
    compiler: Compiler,
    cache: Cache,
    loaded: Mutex<Loaded>,
    /// Loads under way: whoever asks for the same one waits for it. Nobody left waiting ends it.
    flights: Mutex<HashMap<Digest, WeakShared<Flight>>>,
}

/// What is mapped, and when it was last asked for.
#[derive(Default)]
struct Loaded {
    components: HashMap<Digest, (Arc<Executable>, u64)>,
    moment: u64,
}

impl Loaded {
    fn get(&mut self, digest: &Digest) -> Option<Arc<Executable>> {
        self.moment += 1;
        let (component, used) = self.components.get_mut(digest)?;
        *used = self.moment;
        Some(Arc::clone(component))
    }

    fn put(&mut self, digest: Digest, component: Arc<Executable>, most: usize) {
        self.moment += 1;
        self.components.insert(digest, (component, self.moment));
        while self.components.len() > most.max(1) {
            // Runs of the one that goes keep it until they end; it is mapped again when asked for.
            let Some(oldest) = self.components.iter().min_by_key(|(_, (_, used))| *used).map(|(d, _)| *d) else {
                return;
            };
            self.components.remove(&oldest);
        }
    }
}

/// The data behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CodeStore {
    /// Opens both folders, making them if needed.
    ///
    /// # Errors
    ///
    /// [`CodeError::Fault`]: a folder cannot be made or read.
    pub fn open(options: CodeOptions, engine: &Engine) -> Result<Self, CodeError> {
        fs::create_dir_all(&options.artifacts).map_err(|e| fault("make", &options.artifacts, &e))?;
        let cache = Cache::open(options.cache.clone(), options.mac_key, engine)
            .map_err(|e| fault("open", &options.cache, &e))?;
        let compiler = Compiler::new(options.worker.clone(), engine.options(), options.compile);
        Ok(Self(Arc::new(Inner {
            engine: engine.clone(),
            options,
            compiler,
            cache,
            loaded: Mutex::default(),
            flights: Mutex::default(),
        })))
    }

    /// Takes an uploaded file in: gate, inspection, compilation, then its place on disk.
    ///
    /// The file is moved; when this fails it stays where it is. Returns once the artifact would survive a
    /// power cut. Uploading what is there already is not an error. Functions compiled for a large component are kept
    /// for the next one of the same `uploader`, and for nobody else's.
    ///
    /// # Errors
    ///
    /// [`CodeError::Refused`] says what is wrong with the upload; [`CodeError::Fault`] what with the host.
    pub async fn add_artifact(&self, file: &Path, uploader: &str) -> Result<Added, CodeError> {
        let inner = Arc::clone(&self.0);
        let from = file.to_owned();
        let (inspection, bytes) = blocking(move || inner.examine(&from)).await?;
        let digest = inspection.digest;
        // Loaded once here, because only the engine knows whether its pool can hold the component.
        let (component, compiled) =
            Arc::clone(&self.0).ready(digest, Some((bytes, Digest::of(uploader.as_bytes())))).await?;
        let inner = Arc::clone(&self.0);
        let from = file.to_owned();
        blocking(move || inner.place(&from, &digest)).await?;
        lock(&self.0.loaded).put(digest, component, self.0.options.loaded_max);
        Ok(Added { inspection, compiled })
    }

    /// Inspects an artifact that is there.
    ///
    /// # Errors
    ///
    /// [`CodeError::Missing`], or a fault of the disk.
    pub async fn inspect(&self, digest: Digest) -> Result<Inspection, CodeError> {
        let inner = Arc::clone(&self.0);
        blocking(move || Ok(inspect(&inner.read(&digest)?, digest)?)).await
    }

    /// The bytes of an artifact, checked against its name.
    ///
    /// # Errors
    ///
    /// [`CodeError::Missing`], or a fault of the disk.
    pub async fn bytes(&self, digest: Digest) -> Result<Bytes, CodeError> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.read(&digest)).await
    }

    /// Whether the artifact is there.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.0.artifact(digest).exists()
    }

    /// Sees to it that [`load`](Self::load) will be quick: compiles and verifies if needed. For deploys and
    /// for the start of the host.
    ///
    /// # Errors
    ///
    /// See [`CodeError`].
    pub async fn prepare(&self, digest: Digest) -> Result<(), CodeError> {
        self.load(digest).await.map(drop)
    }

    /// Forgets the code in memory; what is on disk stays. Runs that have it loaded go on.
    pub fn evict(&self, digest: Digest) {
        lock(&self.0.loaded).components.remove(&digest);
    }

    /// Removes an artifact and its code. Runs that have it loaded go on.
    ///
    /// # Errors
    ///
    /// [`CodeError::Fault`]: the files cannot be removed.
    pub async fn remove(&self, digest: Digest) -> Result<(), CodeError> {
        self.evict(digest);
        let inner = Arc::clone(&self.0);
        blocking(move || {
            inner.cache.remove(&digest).map_err(|e| fault("remove", &inner.cache.path(&digest), &e))?;
            let path = inner.artifact(&digest);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(fault("remove", &path, &e)),
                _ => Ok(()),
            }
        })
        .await
    }

    /// The component: from memory, else mapped from the cache, else compiled. Asked for many times at once,
    /// it is made once.
    pub(crate) async fn load(&self, digest: Digest) -> Answer {
        if let Some(component) = lock(&self.0.loaded).get(&digest) {
            return Ok(component);
        }
        self.flight(digest).await
    }

    fn flight(&self, digest: Digest) -> Shared<Flight> {
        let mut flights = lock(&self.0.flights);
        if let Some(flight) = flights.get(&digest).and_then(WeakShared::upgrade) {
            return flight;
        }
        let inner = Arc::clone(&self.0);
        let flight: Flight = Box::pin(async move {
            let answer = Arc::clone(&inner).ready(digest, None).await;
            let answer = answer.map(|(component, _)| component);
            if let Ok(component) = &answer {
                lock(&inner.loaded).put(digest, Arc::clone(component), inner.options.loaded_max);
            }
            answer
        });
        let flight = flight.shared();
        flights.retain(|_, flight| flight.upgrade().is_some_and(|f| f.peek().is_none()));
        if let Some(weak) = flight.downgrade() {
            flights.insert(digest, weak);
        }
        flight
    }
}

impl fmt::Debug for CodeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CodeStore").field(&self.0.options).finish()
    }
}

impl Inner {
    fn artifact(&self, digest: &Digest) -> PathBuf {
        self.options.artifacts.join(format!("{}.wasm", digest.hex()))
    }

    /// Reads an upload and checks all of it that can be checked without the compiler.
    fn examine(&self, file: &Path) -> Result<(Inspection, Bytes), CodeError> {
        let limits = &self.options.gate;
        let mut bytes = Vec::new();
        let read = File::open(file).and_then(|file| file.take(limits.file_bytes + 1).read_to_end(&mut bytes));
        read.map_err(|e| fault("read", file, &e))?;
        gate::check_shape(&bytes, limits)?;
        let digest = Digest::of(&bytes);
        Ok((inspect(&bytes, digest)?, bytes.into()))
    }

    /// Reads an artifact and makes sure that it is what its name says.
    fn read(&self, digest: &Digest) -> Result<Bytes, CodeError> {
        let path = self.artifact(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(CodeError::Missing(*digest)),
            Err(e) => return Err(fault("read", &path, &e)),
        };
        if Digest::of(&bytes) != *digest {
            return Err(CodeError::Fault(format!(
                "{} is damaged: its bytes have another digest; upload the component again",
                path.display()
            )));
        }
        Ok(bytes.into())
    }

    /// Moves an upload to its place, so that it survives a power cut.
    fn place(&self, file: &Path, digest: &Digest) -> Result<(), CodeError> {
        let to = self.artifact(digest);
        let place = || {
            let uploaded = File::open(file)?;
            uploaded.sync_all()?;
            crash_point("artifact-before-rename");
            match fs::rename(file, &to) {
                Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
                    let near = to.with_extension("tmp");
                    fs::copy(file, &near)?;
                    File::open(&near)?.sync_all()?;
                    fs::rename(&near, &to)?;
                    fs::remove_file(file)?;
                }
                moved => moved?,
            }
            crash_point("artifact-after-rename");
            File::open(&self.options.artifacts)?.sync_all()
        };
        place().map_err(|e| fault("keep", &to, &e))
    }

    /// Cache, else compiler, then the cache again: code that runs always comes through the cache's check. An upload
    /// brings its bytes, and whose it is.
    async fn ready(
        self: Arc<Self>,
        digest: Digest,
        upload: Option<(Bytes, Digest)>,
    ) -> Result<(Arc<Executable>, Option<CompileCost>), CodeError> {
        let (bytes, owner) = upload.unzip();
        let source = Arc::clone(&self).source(digest, bytes).await?;
        let (component, cost) = Arc::clone(&self).code(digest, &source, owner).await?;
        Ok((Arc::new(Executable { component, program: source.program }), cost))
    }

    /// Where the code of an artifact comes from.
    async fn source(self: Arc<Self>, digest: Digest, bytes: Option<Bytes>) -> Result<Source, CodeError> {
        blocking(move || {
            let bytes = match bytes {
                Some(bytes) => Some(bytes),
                // Its code may be there when it is not: only what has a program must be read.
                None if program::is_in(&self.artifact(&digest)).unwrap_or(false) => Some(self.read(&digest)?),
                None => None,
            };
            let found = bytes.as_ref().and_then(|bytes| Some((bytes, program::find(bytes)?)));
            Ok(match found {
                Some((bytes, place)) => {
                    let wasm = bytes.slice(..place.code_end);
                    Source { code: Digest::of(&wasm), program: place.program(bytes), wasm: Some(wasm) }
                }
                None => Source { code: digest, program: Bytes::new(), wasm: bytes },
            })
        })
        .await
    }

    async fn code(
        self: Arc<Self>,
        artifact: Digest,
        source: &Source,
        owner: Option<Digest>,
    ) -> Result<(Component, Option<CompileCost>), CodeError> {
        let digest = source.code;
        if let Some(component) = self.cached(digest).await? {
            return Ok((component, None));
        }
        let slot = self.compiler.slot().await;
        // Somebody else may have had the slot for the same reason.
        if self.cache.has(&digest)
            && let Some(component) = self.cached(digest).await?
        {
            return Ok((component, None));
        }
        let inner = Arc::clone(&self);
        let wasm = match source.wasm.clone() {
            Some(bytes) => bytes,
            None => blocking(move || inner.read(&artifact)).await?,
        };
        let owner = owner.filter(|_| Compiler::keeps_functions(&wasm));
        let known = match owner {
            Some(owner) => Some(Arc::clone(&self).functions(owner).await?),
            None => None,
        };
        let size = wasm.len();
        let compiled = self.compiler.compile(slot, wasm, known.clone()).await?;
        let cost = compiled.cost;
        tracing::info!(
            artifact = %digest,
            size,
            code = compiled.code.len(),
            cpu_ms = cost.cpu.as_millis(),
            memory_mib = cost.memory_bytes >> 20,
            "compiled"
        );
        let inner = Arc::clone(&self);
        blocking(move || {
            if let (Some(owner), Some(known)) = (owner, known)
                && let Err(error) = inner.cache.keep_functions(&owner, &known, &compiled.functions)
            {
                // Only slower, the next time.
                tracing::warn!(%error, "compiled functions cannot be kept");
            }
            let path = inner.cache.path(&digest);
            inner.cache.keep(&digest, &compiled.code).map_err(|e| fault("keep", &path, &e))
        })
        .await?;
        let component = self.cached(digest).await?.ok_or_else(|| {
            CodeError::Fault(format!("compiled code of {digest} was gone or damaged right after it was written"))
        })?;
        Ok((component, Some(cost)))
    }

    /// Functions compiled before for an uploader.
    async fn functions(self: Arc<Self>, owner: Digest) -> Result<Bytes, CodeError> {
        let known = blocking(move || match self.cache.functions(&owner) {
            Ok(Ok(known)) => Ok(known),
            Ok(Err(damage)) => {
                (self.options.on_audit)(damage);
                Ok(vec![])
            }
            Err(error) => {
                // Only slower.
                tracing::warn!(%error, "functions compiled before cannot be read");
                Ok(vec![])
            }
        });
        known.await.map(Bytes::from)
    }

    async fn cached(self: &Arc<Self>, digest: Digest) -> Result<Option<Component>, CodeError> {
        let inner = Arc::clone(self);
        blocking(move || match inner.cache.load(&inner.engine, &digest) {
            Ok(Found::Code(component)) => Ok(Some(*component)),
            Ok(Found::Nothing) => Ok(None),
            Ok(Found::Damaged(text)) => {
                (inner.options.on_audit)(text);
                Ok(None)
            }
            Err(e) if e.kind() == io::ErrorKind::InvalidData => Err(CodeError::Refused(Refusal::new(
                "cannot-be-instantiated",
                format!("the host cannot hold an instance of this component: {}", gate::longer(&e.to_string())),
            ))),
            Err(e) => Err(fault("read", &inner.cache.path(&digest), &e)),
        })
        .await
    }
}

/// Where the code of an artifact comes from.
struct Source {
    /// Names the code: the artifact itself, or the runtime in it.
    code: Digest,
    program: Bytes,
    /// What is compiled; `None`: the artifact, which was not read yet.
    wasm: Option<Bytes>,
}

/// Runs what reads or writes files, or computes for long, beside the threads that serve others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CodeError> + Send + 'static,
) -> Result<T, CodeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => Err(CodeError::Fault(format!("handling compiled code ended early: {e}"))),
    }
}

#[cfg(test)]
mod tests;
