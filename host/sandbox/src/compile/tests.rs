use std::fs::File;
use std::net::TcpStream;
use std::process::Command as StdCommand;

use wasm_encoder::{
    BlockType, CodeSection, Component, FunctionSection, Instruction, Module, ModuleSection, TypeSection,
};

use super::*;
use crate::engine::{self, Compatibility};
use crate::fixtures;

/// Makes the test binary its own compile process: when it is started as one, this runs before the test
/// harness does and never comes back.
#[used]
#[unsafe(link_section = ".init_array")]
static WORKER: extern "C" fn() = {
    extern "C" fn start() {
        let mut arguments = std::env::args().skip(1);
        if arguments.next().as_deref() == Some(WORKER_ARGUMENT) {
            let arguments: Vec<String> = arguments.collect();
            let code = std::panic::catch_unwind(|| worker::run(&arguments)).unwrap_or(worker::PANICKED);
            std::process::exit(code.into());
        }
    }
    start
};

/// Faults that a real compiler may have, inside the confined process.
pub(super) fn failpoint(name: Option<&str>) {
    match name {
        None => {}
        Some("abort") => std::process::abort(),
        Some("panic") => panic!("internal error: entered unreachable code\u{1b}[31m"),
        Some("crash") => {
            // SAFETY: none; a crash is what is asked for.
            unsafe { std::ptr::null_mut::<u32>().write_volatile(1) }
        }
        Some("spin") => loop {
            std::hint::spin_loop();
        },
        Some("eat") => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1u8; 1 << 20]);
            }
        }
        Some("flood") => {
            let chunk = vec![0; 1 << 20];
            for _ in 0..=MADE_BYTES_MAX >> 20 {
                std::io::Write::write_all(&mut std::io::stdout(), &chunk).unwrap();
            }
            std::process::exit(0);
        }
        Some("hang") => {
            let (_sender, receiver) = std::sync::mpsc::channel::<()>();
            let _never = receiver.recv();
        }
        Some("escape") => {
            let ways: [(&str, bool); 7] = [
                ("read a file", File::open("/etc/passwd").is_ok()),
                ("write a file", File::create("/tmp/jackfield-escape").is_ok()),
                (
                    "connect",
                    TcpStream::connect("127.0.0.1:9").is_err_and(|e| e.kind() != std::io::ErrorKind::PermissionDenied),
                ),
                ("start a program", StdCommand::new("/bin/true").spawn().is_ok()),
                ("start a thread", std::thread::Builder::new().spawn(|| ()).is_ok()),
                ("map code", executable_memory()),
                ("signal another process", rustix::process::test_kill_process(rustix::process::Pid::INIT).is_ok()),
            ];
            for (way, open) in ways {
                if open {
                    eprintln!("could {way}");
                    std::process::exit(9);
                }
            }
        }
        Some("environment") => {
            let names: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
            assert_eq!(names, ["MIMALLOC_ARENA_EAGER_COMMIT"], "the environment is not empty");
        }
        Some(other) => panic!("no failpoint {other}"),
    }
}

fn executable_memory() -> bool {
    // SAFETY: asks for fresh memory at no particular address.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_EXEC,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    at != libc::MAP_FAILED
}

pub(crate) fn compiler(limits: CompileLimits) -> Compiler {
    Compiler::new(std::env::current_exe().unwrap(), &EngineOptions::default(), limits)
}

async fn compile(compiler: &Compiler, wasm: Vec<u8>) -> Result<Vec<u8>, CompileError> {
    let slot = compiler.slot().await;
    compiler.compile(slot, wasm.into(), None).await.map(|compiled| compiled.code)
}

async fn with_failpoint(name: &'static str, limits: CompileLimits) -> Result<Vec<u8>, CompileError> {
    let mut compiler = compiler(limits);
    compiler.failpoint = Some(name);
    compile(&compiler, fixtures::silent()).await
}

fn short() -> CompileLimits {
    CompileLimits { cpu: Duration::from_secs(1), ..CompileLimits::default() }
}

#[track_caller]
fn refusal(answer: Result<Vec<u8>, CompileError>) -> Refusal {
    match answer {
        Err(CompileError::Refused(refusal)) => refusal,
        Err(fault) => panic!("the host took the blame: {fault}"),
        Ok(_) => panic!("it compiled"),
    }
}

#[tokio::test]
async fn the_process_compiles_for_the_running_engine() {
    let code = compile(&compiler(CompileLimits::default()), fixtures::silent()).await.unwrap();
    let options = EngineOptions { pool_instances: 2, ..EngineOptions::default() };
    let engine = engine::Engine::new(options).unwrap();
    assert_eq!(engine.compatibility(), Compatibility::of(&engine::compiling(&options, None).unwrap()));
    // SAFETY: the code was made by this test's own compile process.
    unsafe { wasmtime::component::Component::deserialize(engine.raw(), &code) }.unwrap();
}

#[tokio::test]
async fn an_invalid_component_is_the_components_fault() {
    let mut component = Component::new();
    component.section(&wasm_encoder::RawSection { id: 1, data: &wat::parse_str("(module (memory i64 1))").unwrap() });
    let refusal = refusal(compile(&compiler(CompileLimits::default()), component.finish()).await);
    assert_eq!(refusal.code, "invalid-component");
    assert!(refusal.text.contains("memory64"), "{refusal}");
}

#[tokio::test]
async fn a_missing_binary_is_the_hosts_fault() {
    let compiler = Compiler::new("/nonexistent/jackfield".into(), &EngineOptions::default(), CompileLimits::default());
    let error = compile(&compiler, fixtures::silent()).await.unwrap_err();
    assert!(matches!(&error, CompileError::Fault(text) if text.contains("/nonexistent/jackfield")), "{error}");
}

/// Many functions of loops as deep as the gate allows: small, valid, and very dear.
fn dear() -> Vec<u8> {
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    for _ in 0..400 {
        functions.function(0);
        code.function(&crate::gate::tests::nested(1_000, &Instruction::Loop(BlockType::Empty)));
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

#[tokio::test]
async fn threat_022_what_passes_the_gate_meets_the_limit_of_cpu() {
    let bytes = dear();
    crate::gate::check_shape(&bytes, &crate::gate::GateLimits::default()).unwrap();
    let refusal = refusal(compile(&compiler(short()), bytes).await);
    assert_eq!(refusal.code, "too-dear-to-compile");
    assert!(refusal.text.contains("needs more than 1 s of CPU to compile"), "{refusal}");
}

#[tokio::test]
async fn threat_022_memory_of_the_compiler_is_limited() {
    let limits = CompileLimits { memory_bytes: 96 << 20, ..CompileLimits::default() };
    let refusal = refusal(with_failpoint("eat", limits).await);
    assert_eq!(refusal.code, "too-dear-to-compile");
    assert!(refusal.text.contains("needs more than 96 MiB of memory to compile"), "{refusal}");
}

#[tokio::test]
async fn threat_022_the_machine_too_busy_is_the_hosts_fault() {
    let limits = CompileLimits { wall: Duration::from_millis(300), ..CompileLimits::default() };
    let error = with_failpoint("hang", limits).await.unwrap_err();
    assert!(matches!(&error, CompileError::Fault(text) if text.contains("too busy")), "{error}");
}

#[tokio::test]
async fn threat_022_a_flood_of_code_is_cut() {
    let refusal = refusal(with_failpoint("flood", CompileLimits::default()).await);
    assert_eq!(refusal.code, "too-dear-to-compile");
    assert!(refusal.text.contains("256 MiB of compiled code"), "{refusal}");
}

#[tokio::test]
async fn threat_026_a_compiler_that_dies_takes_nothing_with_it() {
    for (failpoint, says) in [
        ("abort", "crashed on this component (signal 6)"),
        ("crash", "crashed on this component (signal 11)"),
        ("panic", "entered unreachable code\\u{1b}[31m"),
    ] {
        let refusal = refusal(with_failpoint(failpoint, CompileLimits::default()).await);
        assert_eq!(refusal.code, "compiler-crashed");
        assert!(refusal.text.contains(says), "{refusal}");
    }
    // The next one is served.
    compile(&compiler(CompileLimits::default()), fixtures::silent()).await.unwrap();
}

#[tokio::test]
async fn threat_022_a_spinning_compiler_is_stopped() {
    let refusal = refusal(with_failpoint("spin", short()).await);
    assert_eq!(refusal.code, "too-dear-to-compile");
}

#[tokio::test]
async fn threat_026_the_process_reaches_nothing_outside() {
    with_failpoint("escape", CompileLimits::default()).await.unwrap();
    with_failpoint("environment", CompileLimits::default()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_compile_kills_its_process() {
    let mut compiler = compiler(CompileLimits::default());
    compiler.failpoint = Some("hang");
    let mut child = compiler.start(false).unwrap();
    let id = child.id().unwrap();
    let wasm = fixtures::silent();
    let talk =
        tokio::time::timeout(Duration::from_millis(200), compiler.converse(&mut child, wasm.into(), Bytes::new()))
            .await;
    assert!(talk.is_err(), "it was to hang");
    drop(child);
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    let pid = rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
    // The runtime reaps it in the background; until then it is a zombie, which can still be named.
    while rustix::process::test_kill_process(pid).is_ok() {
        assert!(std::time::Instant::now() < deadline, "process {id} lives on");
        tokio::task::yield_now().await;
    }
}
