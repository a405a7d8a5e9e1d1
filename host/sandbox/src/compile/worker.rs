//! The compile process, from the inside: component on standard input, code on standard output.
//!
//! What it has to say goes to standard error; its exit code says whose fault it was. It is not told where
//! anything is, and opens nothing.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::confine;
use crate::engine::{self, EngineOptions};
use crate::gate::{self, Refusal};

/// Exit code: the component is to blame. Standard error holds a line with a code, then the text.
pub(super) const REFUSED: u8 = 3;
/// Exit code: the host is to blame, for instance for the arguments.
const FAULT: u8 = 4;
/// Exit code: a reservation of memory failed in an orderly way.
pub(super) const NO_MEMORY: u8 = 5;
/// Exit code of a Rust program that panicked.
pub(super) const PANICKED: u8 = 101;
/// What Rust says before it aborts for want of memory.
pub(super) const OUT_OF_MEMORY: &str = "memory allocation of";
/// Starts a line that says why there is no system call filter.
pub(super) const NOT_CONFINED: &str = "not-confined: ";
/// Starts the line of a refusal.
const REFUSAL: &str = "refusal: ";

/// Codes a compile process may refuse with: it is not trusted to invent others.
const CODES: [&str; 3] = ["truncated", "invalid-component", "does-not-compile"];

/// Runs the compile process: for `main`, when the first argument is
/// [`WORKER_ARGUMENT`](super::WORKER_ARGUMENT), before anything else is set up.
#[must_use]
pub fn worker_main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    ExitCode::from(run(&arguments))
}

/// Does the work and says in one number how it went.
pub(super) fn run(arguments: &[String]) -> u8 {
    match work(arguments) {
        Ok(()) => 0,
        Err(Ended::Refused(refusal)) => {
            say(&format!("{REFUSAL}{} {}", refusal.code, refusal.text));
            REFUSED
        }
        Err(Ended::NoMemory) => NO_MEMORY,
        Err(Ended::Fault(text)) => {
            say(&text);
            FAULT
        }
    }
}

enum Ended {
    Refused(Refusal),
    NoMemory,
    Fault(String),
}

fn say(line: &str) {
    let _nobody_listens = writeln!(io::stderr(), "{line}");
}

/// Reads the refusal out of what the process said.
pub(super) fn read_refusal(words: &str) -> Option<Refusal> {
    let line = words.lines().find_map(|line| line.strip_prefix(REFUSAL))?;
    let (code, text) = line.split_once(' ')?;
    let code = CODES.iter().find(|known| **known == code)?;
    Some(Refusal::new(code, gate::longer(text)))
}

fn work(arguments: &[String]) -> Result<(), Ended> {
    let fault = Ended::Fault;
    let (options, cpu, memory_bytes, _failpoint) = match arguments {
        [word, cpu, memory, rest @ ..] => (
            EngineOptions::from_compile_word(word),
            cpu.parse::<u64>().ok(),
            memory.parse::<u64>().ok(),
            rest.first().map(String::as_str),
        ),
        _ => (None, None, None, None),
    };
    let (Some(options), Some(cpu), Some(memory_bytes)) = (options, cpu, memory_bytes) else {
        return Err(fault("usage: compile-worker SETTINGS CPU-SECONDS MEMORY-BYTES; the host starts it itself".into()));
    };
    confine::limit(Duration::from_secs(cpu), memory_bytes).map_err(fault)?;
    let engine = engine::compiling(&options).map_err(|e| fault(e.to_string()))?;
    if let Err(problem) = confine::filter() {
        say(&format!("{NOT_CONFINED}{problem}"));
    }

    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm).map_err(|e| fault(format!("cannot read the component: {e}")))?;
    #[cfg(test)]
    super::tests::failpoint(_failpoint);

    gate::validate(&wasm, options.component_async).map_err(Ended::Refused)?;
    let code = engine.precompile_component(&wasm).map_err(|e| judge(&e))?;
    let mut out = io::stdout().lock();
    out.write_all(&code).and_then(|()| out.flush()).map_err(|e| fault(format!("cannot hand over the code: {e}")))
}

/// The compiler's own error: out of memory, or something about the component it does not do.
fn judge(e: &wasmtime::Error) -> Ended {
    let text = format!("{e:#}");
    let starved = e.is::<wasmtime::OutOfMemory>()
        || e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::OutOfMemory)
        || text.contains("Cannot allocate memory");
    if starved {
        return Ended::NoMemory;
    }
    Ended::Refused(Refusal::new("does-not-compile", format!("the component does not compile: {}", gate::longer(&text))))
}
