//! Measures the first example in each language, as a user would meet it, and writes the figures into `docs/languages.md`.
//!
//! It builds the projects with `jackfield build`, so what guests are built with must be there: `make figures`.

#![expect(clippy::print_stdout, reason = "what the program is for")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use jackfield_tests::env;
use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::polyglot::Language;
use jackfield_tests::polyglot::table::with_part;
use serde_json::Value;

const PAGE: &str = "docs/languages.md";
const EVENTS: usize = 200;
/// The first events: code is read from disk, and the pool fills.
const WARM: usize = 50;

/// One language's figures, in the order of [`ROWS`].
struct Figures([String; 9]);

const ROWS: [&str; 9] = [
    "component",
    "the same, compressed with gzip",
    "`jackfield build` from clean, CPU",
    "`jackfield build` again, nothing changed, CPU",
    "upload: checked and compiled to machine code, once, CPU",
    "an instance, fresh for each event",
    "an event: instance, call, end",
    "of it, CPU",
    "memory of the guest",
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let languages = Language::found();
    let mut columns = Vec::new();
    for language in &languages {
        println!("{} …", language.title);
        columns.push(one(language).await.with_context(|| language.title)?);
    }
    let mut table = String::from("| |");
    for language in &languages {
        table.push_str(&format!(" {} |", language.title));
    }
    table.push_str(&format!("\n| --- |{}\n", " ---: |".repeat(languages.len())));
    for (place, row) in ROWS.iter().enumerate() {
        let cells: Vec<_> = columns.iter().map(|Figures(cells)| cells[place].as_str()).collect();
        table.push_str(&format!("| {row} | {} |\n", cells.join(" | ")));
    }
    let kind =
        if env::host_binary().components().any(|part| part.as_os_str() == "release") { "release" } else { "debug" };
    let cores = std::thread::available_parallelism()?;
    table.push_str(&format!(
        "\nMeasured on {cores} cores with a {kind} build of the host; times of a busy machine are longer.\n"
    ));
    println!("\n{table}");
    let file = env::repository(PAGE);
    let page = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    std::fs::write(&file, with_part(&page, "figures", &table))?;
    println!("written to {PAGE}");
    Ok(())
}

async fn one(language: &Language) -> anyhow::Result<Figures> {
    let project = env::repository(&format!("guest-examples/hello/{}", language.name));
    for left in ["dist", ".jackfield"] {
        let folder = project.join(left);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
    }
    // What cargo and go keep of other projects is not clean.
    let caches = tempfile::tempdir()?;
    let clean = build(&project, caches.path())?;
    let again = build(&project, caches.path())?;
    let file = project.join("dist/greet.wasm");
    let wasm = std::fs::read(&file).with_context(|| file.display().to_string())?;

    let host = Host::options().first_start().start().await;
    let before = cpu(&host.pid().to_string())?;
    let uploaded = host.api().upload(wasm.clone()).await;
    let upload = cpu(&host.pid().to_string())? - before;
    ensure!(uploaded.status < 300, "the upload: {:#}", uploaded.body);
    let manifest = std::fs::read_to_string(project.join("jackfield.toml"))?
        .replace("respond = true", "rate = { per_second = 10000, burst = 10000 }\nrespond = true");
    host.api().deploy("dev", &manifest, &[("greet", &wasm)]).await;
    let hook = host.hook("dev", "hello", "visit").await;
    let mut usages = Vec::new();
    for number in 0..EVENTS {
        let (status, _, body) = post_hook(&format!("{hook}?wait=30s"), &[], r#"{"name": "Ada"}"#).await?;
        ensure!(status == 200, "event {number}: {status} {body:#}");
    }
    let page = host.api().get("/v1/runs?limit=1000").await;
    for run in page["runs"].as_array().into_iter().flatten().take(EVENTS - WARM) {
        let run = host.api().run(run["id"].as_str().unwrap_or_default()).await;
        usages.push(run["attempts_made"][0]["usage"].clone());
    }
    let median = |of: &str| {
        let mut all: Vec<f64> = usages.iter().filter_map(|usage| usage[of].as_f64()).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let most = usages.iter().filter_map(|usage: &Value| usage["memory_peak_bytes"].as_u64()).max().unwrap_or_default();
    Ok(Figures([
        megabytes(wasm.len()),
        megabytes(compressed(&file)?),
        seconds(clean),
        seconds(again),
        seconds(upload),
        milliseconds(median("start_ms")),
        milliseconds(median("wall_ms")),
        milliseconds(median("cpu_ms")),
        format!("{:.1} MiB", most as f64 / f64::from(1 << 20)),
    ]))
}

/// Builds a project, and gives the CPU time that it took: how long that is depends on what else the machine does.
fn build(project: &Path, caches: &Path) -> anyhow::Result<Duration> {
    let before = cpu("self")?;
    let mut command = Command::new(env::host_binary());
    command.arg("build").arg(project).env("CARGO_TARGET_DIR", caches.join("cargo")).env("GOCACHE", caches.join("go"));
    let output = command.output()?;
    if !output.status.success() {
        bail!("jackfield build: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(cpu("self")? - before)
}

/// The CPU time of a process and of its children that have ended.
fn cpu(process: &str) -> anyhow::Result<Duration> {
    const TICKS_A_SECOND: u64 = 100;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, which may hold anything, ends with the last bracket; the times are the twelfth to fifteenth after it.
    let after = stat.rsplit_once(')').context("a process has a name")?.1;
    let times = after.split_whitespace().skip(11).take(4).map(str::parse::<u64>);
    let ticks = times.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}

fn compressed(file: &Path) -> anyhow::Result<usize> {
    let output =
        Command::new("gzip").arg("-9c").arg(file).stderr(Stdio::inherit()).output().context("gzip is needed")?;
    ensure!(output.status.success(), "gzip failed");
    Ok(output.stdout.len())
}

fn megabytes(bytes: usize) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn milliseconds(time: f64) -> String {
    if time < 1.0 { format!("{time:.2} ms") } else { format!("{time:.1} ms") }
}
