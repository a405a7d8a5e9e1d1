//! The compiler, as the host sees it: a separate process with limits of its own, started once per artifact.
//!
//! Not here: what the process does inside (`worker`, `confine`), and where its output is kept (`cache`).
//!
//! The host never compiles in its own process: a component can make the compiler spend minutes of CPU and
//! gigabytes of memory, or crash it. The process has one thread, 60 s of CPU, 1 GiB of memory, no files, no
//! network and an empty environment; the host hands it the component and takes the code over two pipes. Of a large
//! component it also hands over the functions compiled before for the same uploader, and takes the new ones.

pub(crate) mod cache;
mod confine;
pub(crate) mod functions;
mod worker;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::EngineOptions;
use crate::gate::{Refusal, longer};

use self::functions::{FUNCTIONS_BYTES_MAX, WORTH_IT_BYTES};

pub use self::worker::worker_main;

/// The hidden first argument that makes the binary a compile process: its `main` must then call
/// [`worker_main`] and nothing else.
pub const WORKER_ARGUMENT: &str = "compile-worker";

/// The most code taken from the process, in bytes. Large guests compile to two or three times their size.
const CODE_BYTES_MAX: u64 = 256 << 20;
/// The most that is taken in all, in bytes: the code and its length, and functions.
const MADE_BYTES_MAX: u64 = CODE_BYTES_MAX + 8 + FUNCTIONS_BYTES_MAX as u64;
/// The most that is read of what it says, in bytes.
const WORDS_BYTES_MAX: u64 = 16 << 10;

/// What the compile process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// CPU time.
    pub cpu: Duration,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Time on the wall. Longer than `cpu`, for a busy machine.
    pub wall: Duration,
    /// Compile processes at the same time.
    pub slots: usize,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { cpu: Duration::from_secs(60), memory_bytes: 1 << 30, wall: Duration::from_secs(300), slots: 1 }
    }
}

/// Why there is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CompileError {
    /// The component is to blame: invalid, too dear, or fatal to the compiler.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The host or the machine is to blame: trying again may help.
    #[error("the compile process: {0}")]
    Fault(String),
}

/// Starts compile processes, a few at a time.
pub(crate) struct Compiler {
    exe: PathBuf,
    word: String,
    limits: CompileLimits,
    slots: Arc<Semaphore>,
    #[cfg(test)]
    pub(crate) failpoint: Option<&'static str>,
}

/// What a component took to compile, of what [`CompileLimits`] allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompileCost {
    /// CPU time.
    pub cpu: Duration,
    /// Memory at the most, in bytes: all that was resident, the program's own pages too.
    pub memory_bytes: u64,
}

/// What a compile process made.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Code for the engine.
    pub(crate) code: Vec<u8>,
    /// Functions that were not known; see [`functions`]. None of a small component.
    pub(crate) functions: Vec<u8>,
    pub(crate) cost: CompileCost,
}

/// Leave to start one compile process.
pub(crate) struct Slot(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Compiler {
    /// `exe` is started with [`WORKER_ARGUMENT`]; it is the host's own binary.
    pub(crate) fn new(exe: PathBuf, engine: &EngineOptions, limits: CompileLimits) -> Self {
        Self {
            exe,
            word: engine.compile_word(),
            limits,
            slots: Arc::new(Semaphore::new(limits.slots.max(1))),
            #[cfg(test)]
            failpoint: None,
        }
    }

    /// Waits for leave to compile.
    pub(crate) async fn slot(&self) -> Slot {
        let permit = Arc::clone(&self.slots).acquire_owned().await;
        Slot(permit.expect("the semaphore is never closed"))
    }

    /// Whether functions are worth keeping for this component.
    pub(crate) fn keeps_functions(wasm: &[u8]) -> bool {
        wasm.len() >= WORTH_IT_BYTES
    }

    /// Compiles a component, with the functions that its uploader's earlier ones left, if it is worth it. Dropping
    /// the future kills the process.
    pub(crate) async fn compile(
        &self,
        _slot: Slot,
        wasm: Bytes,
        known: Option<Bytes>,
    ) -> Result<Compiled, CompileError> {
        let mut child = self.start(known.is_some())?;
        let talk = self.converse(&mut child, wasm, known.unwrap_or_default());
        match tokio::time::timeout(self.limits.wall, talk).await {
            Ok(answer) => answer,
            Err(_) => {
                let _gone = child.kill().await;
                Err(CompileError::Fault(format!(
                    "no answer within {:?}: the machine is too busy; try again",
                    self.limits.wall
                )))
            }
        }
    }

    fn start(&self, functions: bool) -> Result<Child, CompileError> {
        let mut command = Command::new(&self.exe);
        command
            .args(self.arguments(functions))
            .env_clear()
            // With this allocator's default, a reservation would count as use against the memory limit.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir("/")
            .kill_on_drop(true);
        command.spawn().map_err(|e| CompileError::Fault(format!("cannot start {}: {e}", self.exe.display())))
    }

    fn arguments(&self, functions: bool) -> Vec<OsString> {
        #[cfg_attr(not(test), expect(unused_mut, reason = "tests add a failpoint"))]
        let mut arguments = vec![
            WORKER_ARGUMENT.into(),
            self.word.clone().into(),
            self.limits.cpu.as_secs().max(1).to_string().into(),
            self.limits.memory_bytes.to_string().into(),
            if functions { worker::WITH_FUNCTIONS } else { "none" }.into(),
        ];
        #[cfg(test)]
        arguments.extend(self.failpoint.map(Into::into));
        arguments
    }

    async fn converse(&self, child: &mut Child, wasm: Bytes, known: Bytes) -> Result<Compiled, CompileError> {
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CompileError::Fault("its pipes are missing".to_owned()));
        };
        let write = async move {
            // It may end before it has read everything; how it ended says more than the broken pipe.
            let length = (known.len() as u64).to_le_bytes();
            for part in [&length[..], &known, &wasm] {
                let _cut = stdin.write_all(part).await;
            }
            drop(stdin);
        };
        let ((), made, words) = tokio::join!(write, all(stdout, MADE_BYTES_MAX), all(stderr, WORDS_BYTES_MAX));
        let fault = |e: std::io::Error| CompileError::Fault(e.to_string());
        let (made, words) = (made.map_err(fault)?, words.map_err(fault)?);
        let status = child.wait().await.map_err(fault)?;
        self.judge(status, made, &String::from_utf8_lossy(&words.bytes))
    }

    /// What the end of the process means.
    fn judge(&self, status: ExitStatus, made: Taken, words: &str) -> Result<Compiled, CompileError> {
        if let Some(problem) = words.lines().find_map(|line| line.strip_prefix(worker::NOT_CONFINED)) {
            tracing::warn!(problem, "the compile process runs without its system call filter");
        }
        let refused = |code, text: String| Err(CompileError::Refused(Refusal { code, text }));
        let too_dear = |what: String| {
            refused("too-dear-to-compile", format!("the component needs more than {what} to compile; make it smaller"))
        };
        let cpu = || too_dear(format!("{} s of CPU", self.limits.cpu.as_secs()));
        let memory = || too_dear(format!("{} MiB of memory", self.limits.memory_bytes >> 20));
        // Cut off by us: how the worker ended, writing into a closed pipe, says nothing more.
        let too_much = || too_dear(format!("{} MiB of compiled code", CODE_BYTES_MAX >> 20));
        if made.cut {
            return too_much();
        }
        if let Some(signal) = status.signal() {
            return match signal {
                libc::SIGXCPU => cpu(),
                _ if words.contains(worker::OUT_OF_MEMORY) => memory(),
                libc::SIGKILL => Err(CompileError::Fault(
                    "it was killed (signal 9): is the machine out of memory? Try again".to_owned(),
                )),
                _ => refused(
                    "compiler-crashed",
                    format!("the compiler crashed on this component (signal {signal}); the host is not affected"),
                ),
            };
        }
        match status.code().map(|code| u8::try_from(code).unwrap_or(u8::MAX)) {
            Some(0) => match split(made.bytes, worker::read_used(words)) {
                Some(compiled) if compiled.code.len() as u64 > CODE_BYTES_MAX => too_much(),
                Some(compiled) => Ok(compiled),
                None => Err(CompileError::Fault("it gave no code".to_owned())),
            },
            Some(worker::REFUSED) => match worker::read_refusal(words) {
                Some(refusal) => Err(CompileError::Refused(refusal)),
                None => Err(CompileError::Fault(format!("it refused without a reason: {}", longer(words)))),
            },
            Some(worker::NO_MEMORY) => memory(),
            Some(worker::PANICKED) => {
                refused("compiler-crashed", format!("the compiler gave up on this component: {}", longer(words.trim())))
            }
            _ => Err(CompileError::Fault(format!("it ended with {status}: {}", longer(words.trim())))),
        }
    }
}

/// Code and functions, as the process wrote them. `None`: no code, or not all of it.
fn split(mut made: Vec<u8>, cost: CompileCost) -> Option<Compiled> {
    let length = made.first_chunk::<8>().map(|length| u64::from_le_bytes(*length))?;
    let end = usize::try_from(length).ok().filter(|length| *length > 0)?.checked_add(8)?;
    if made.len() < end {
        return None;
    }
    let functions = made.split_off(end);
    made.drain(..8);
    Some(Compiled { code: made, functions, cost })
}

/// What came through a pipe.
struct Taken {
    bytes: Vec<u8>,
    /// There was more than allowed.
    cut: bool,
}

async fn all(pipe: impl AsyncRead + Unpin, limit: u64) -> std::io::Result<Taken> {
    let mut bytes = Vec::new();
    let mut pipe = pipe.take(limit);
    pipe.read_to_end(&mut bytes).await?;
    // Only when full: one byte more tells the exact fit from the flood.
    let cut = pipe.limit() == 0 && pipe.into_inner().read(&mut [0]).await? > 0;
    Ok(Taken { bytes, cut })
}

#[cfg(test)]
pub(crate) mod tests;
