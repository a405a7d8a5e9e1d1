//! The compile process, from the inside: functions known and the component on standard input, code and new functions
//! on standard output, each first part behind its length (64 bits, little endian).
//!
//! What it has to say goes to standard error; its exit code says whose fault it was. It is not told where
//! anything is, and opens nothing but its own account.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::functions::Functions;
use super::{CompileCost, confine};
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
/// Starts the line that says what it took: milliseconds of CPU, KiB of memory at the most.
pub(super) const USED: &str = "used: ";
/// The argument that asks for new functions too.
pub(super) const WITH_FUNCTIONS: &str = "functions";
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

/// Says what the process used so far. `status` is its own entry in `/proc`, opened when that was still possible: the
/// system's other account of memory begins with what the host had.
fn say_used(status: Option<File>) {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let mut text = String::new();
    let _unknown = status.map(|mut status| status.read_to_string(&mut text));
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap_or("0");
    say(&format!("{USED}{} {peak}", cpu.tv_sec * 1_000 + cpu.tv_nsec / 1_000_000));
}

/// Reads what [`say_used`] said.
pub(super) fn read_used(words: &str) -> CompileCost {
    let line = words.lines().find_map(|line| line.strip_prefix(USED)).unwrap_or_default();
    let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap_or(0));
    let (cpu_ms, peak_kib) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    CompileCost { cpu: Duration::from_millis(cpu_ms), memory_bytes: peak_kib.saturating_mul(1 << 10) }
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
    let (options, cpu, memory_bytes, functions, _failpoint) = match arguments {
        [word, cpu, memory, functions, rest @ ..] => (
            EngineOptions::from_compile_word(word),
            cpu.parse::<u64>().ok(),
            memory.parse::<u64>().ok(),
            functions == WITH_FUNCTIONS,
            rest.first().map(String::as_str),
        ),
        _ => (None, None, None, false, None),
    };
    let (Some(options), Some(cpu), Some(memory_bytes)) = (options, cpu, memory_bytes) else {
        return Err(fault(
            "usage: compile-worker SETTINGS CPU-SECONDS MEMORY-BYTES FUNCTIONS; the host starts it itself".into(),
        ));
    };
    confine::limit(Duration::from_secs(cpu), memory_bytes).map_err(fault)?;
    let status = File::open("/proc/self/status").ok();
    let functions = functions.then(Arc::<Functions>::default);
    let engine = engine::compiling(&options, functions.clone().map(|f| f as _)).map_err(|e| fault(e.to_string()))?;
    if let Err(problem) = confine::filter() {
        say(&format!("{NOT_CONFINED}{problem}"));
    }

    let (known, wasm) =
        receive(&mut io::stdin().lock()).map_err(|e| fault(format!("cannot read the component: {e}")))?;
    #[cfg(test)]
    super::tests::failpoint(_failpoint);
    if let Some(functions) = &functions {
        functions.know(known);
    }

    gate::validate(&wasm, options.component_async).map_err(Ended::Refused)?;
    let code = engine.precompile_component(&wasm).map_err(|e| judge(&e))?;
    drop(wasm);
    let fresh = functions.map(|functions| functions.fresh()).unwrap_or_default();
    say_used(status);
    hand_over(&mut io::stdout().lock(), &code, &fresh).map_err(|e| fault(format!("cannot hand over the code: {e}")))
}

/// Functions known, then the component.
fn receive(from: &mut impl io::Read) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let (mut known, mut wasm) = (Vec::new(), Vec::new());
    from.take(u64::from_le_bytes(length)).read_to_end(&mut known)?;
    from.read_to_end(&mut wasm)?;
    Ok((known, wasm))
}

fn hand_over(to: &mut impl io::Write, code: &[u8], fresh: &[u8]) -> io::Result<()> {
    to.write_all(&(code.len() as u64).to_le_bytes())?;
    to.write_all(code)?;
    to.write_all(fresh)?;
    to.flush()
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
