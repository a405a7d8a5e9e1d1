//! The same handler in each language: what its component weighs, what it takes to have it, and what an event costs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use comfy_table::{CellAlignment, Table, presets};
use jackfield_core::artifact::Digest;
use jackfield_core::grant::Grants;
use jackfield_core::hatch::testing::event;
use jackfield_core::limits::Limits;
use jackfield_core::outcome::{Outcome, Usage};
use jackfield_core::ports::sandbox::{Sandbox as _, Work};
use jackfield_sandbox::code::CodeStore;
use jackfield_sandbox::engine::{Engine, EngineOptions};
use jackfield_sandbox::invoke::WasmSandbox;
use tokio_util::sync::CancellationToken;

use crate::cell::{self, EVENT};
use crate::table::median;

const LANGUAGES: [&str; 4] = ["rust", "go", "js", "python"];
const ROUNDS: u32 = 200;

/// One language's figures.
struct Figures {
    bytes: usize,
    build: Option<Duration>,
    compile: Duration,
    again: Duration,
    compile_memory: u64,
    load: f64,
    start: f64,
    fresh: f64,
    cpu: f64,
    memory: u64,
}

/// Measures every language and prints the table. `build`: the guests are built anew, to see how long that takes.
pub(crate) async fn measure(build: bool) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "language",
        "component",
        "build",
        "compile (CPU)",
        "the next one",
        "compiler's memory",
        "load from cache",
        "make an instance",
        "fresh event",
        "of it CPU",
        "guest memory",
    ]);
    for language in LANGUAGES {
        let f = one(language, build).await.with_context(|| language.to_owned())?;
        table.add_row([
            language.to_owned(),
            format!("{:.1} MB", f.bytes as f64 / 1e6),
            f.build.map_or_else(|| "–".into(), |took| format!("{:.1} s", took.as_secs_f64())),
            format!("{:.1} s", f.compile.as_secs_f64()),
            format!("{:.1} s", f.again.as_secs_f64()),
            format!("{} MiB", f.compile_memory >> 20),
            format!("{:.2} ms", f.load / 1e3),
            format!("{:.0} µs", f.start),
            format!("{:.0} µs", f.fresh),
            format!("{:.0} µs", f.cpu),
            format!("{:.1} MiB", f.memory as f64 / f64::from(1 << 20)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    #[expect(clippy::print_stdout, reason = "what the program is for")]
    {
        println!("{table}\n");
    }
    Ok(())
}

async fn one(language: &str, build: bool) -> anyhow::Result<Figures> {
    let project = PathBuf::from("guest-examples/hello").join(language);
    let build = if build { Some(built(&project)?) } else { None };
    let rig = cell::rig().await;
    rig.accept(EVENT).await;
    let claim = rig.claim().await;
    let folder = rig.folder.path();
    let engine = Engine::new(EngineOptions::default())?;

    let code = CodeStore::open(cell::options(folder), &engine)?;
    let hello = project.join("dist/greet.wasm");
    let (artifact, first, bytes) = upload(&code, folder, &hello).await?;
    let sync = Path::new("guest-examples/servicenow-to-github").join(language).join("dist/sync.wasm");
    let (_, again, _) = upload(&code, folder, &sync).await?;
    drop(code);

    // A new store has verified no file and loaded none: as after a start of the host. The second load is what an evicted
    // component costs.
    let mut load = vec![];
    let code = Arc::new(CodeStore::open(cell::options(folder), &engine)?);
    code.prepare(artifact).await?;
    for _ in 0..9 {
        code.evict(artifact);
        let begun = Instant::now();
        code.prepare(artifact).await?;
        load.push(begun.elapsed().as_secs_f64() * 1e6);
    }

    let sandbox = WasmSandbox::new(&engine, code);
    let one = || async {
        let work = Work {
            artifact,
            event: Arc::new(event(EVENT)),
            limits: Limits { memory_bytes: 64 << 20, ..Limits::default() },
            grants: Arc::new(Grants::default()),
            hatch: rig.hatch(&claim).await,
            stop: CancellationToken::new(),
        };
        let begun = Instant::now();
        let report = sandbox.invoke(work).await.map_err(|fault| anyhow::anyhow!("{fault}"))?;
        ensure!(matches!(report.outcome, Outcome::Succeeded { .. }), "it did not succeed: {}", report.outcome.reason());
        anyhow::Ok((begun.elapsed(), report.usage))
    };
    for _ in 0..20 {
        one().await?;
    }
    let mut rounds: Vec<(Duration, Usage)> = vec![];
    for _ in 0..ROUNDS {
        rounds.push(one().await?);
    }
    let micros = |of: &dyn Fn(&(Duration, Usage)) -> Duration| {
        median(rounds.iter().map(|round| of(round).as_secs_f64() * 1e6).collect())
    };
    Ok(Figures {
        bytes,
        build,
        compile: first.cpu,
        again: again.cpu,
        compile_memory: first.memory_bytes,
        load: median(load),
        start: micros(&|(_, usage)| usage.start),
        fresh: micros(&|(took, _)| *took),
        cpu: micros(&|(_, usage)| usage.cpu),
        memory: rounds.iter().map(|(_, usage)| usage.memory_peak_bytes).max().unwrap_or(0),
    })
}

async fn upload(
    code: &CodeStore,
    folder: &Path,
    wasm: &Path,
) -> anyhow::Result<(Digest, jackfield_sandbox::compile::CompileCost, usize)> {
    let file = folder.join("upload.wasm");
    std::fs::copy(wasm, &file).with_context(|| format!("{}: build it with `make guests`", wasm.display()))?;
    let bytes = usize::try_from(std::fs::metadata(&file)?.len())?;
    let added = code.add_artifact(&file, "bench").await?;
    let cost = added.compiled.context("it was compiled before")?;
    Ok((added.inspection.digest, cost, bytes))
}

/// How long the project's build takes when its tools are there and nothing has changed but one file.
fn built(project: &Path) -> anyhow::Result<Duration> {
    let jackfield = std::env::current_exe()?.with_file_name("jackfield");
    let begun = Instant::now();
    let output = Command::new(jackfield).arg("build").arg(project).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(begun.elapsed())
}
