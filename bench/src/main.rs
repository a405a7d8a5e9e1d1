//! Side-by-side measurements. Each figure stands beside its ceiling, taken in the same run: absolute
//! times drift with the machine, ratios hold.

mod cell;
mod doors;
mod hatch;
mod journal;
mod languages;
mod load;
mod queue;
mod table;
mod triggers;

use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    // The cell compiles in a process of its own: this one, started again.
    if std::env::args_os().nth(1).is_some_and(|first| first == jackfield_sandbox::compile::WORKER_ARGUMENT) {
        return jackfield_sandbox::compile::worker_main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match runtime.block_on(measured(&arguments)) {
        Ok(table) => {
            table.print();
            ExitCode::SUCCESS
        }
        Err(problem) => {
            #[expect(clippy::print_stderr, reason = "why nothing was measured")]
            {
                eprintln!("✗ {problem:#}");
            }
            ExitCode::from(3)
        }
    }
}

/// Measures all, or the parts that are named: `cell hatch journal queue doors triggers languages`.
async fn measured(arguments: &[String]) -> anyhow::Result<Table> {
    let (flags, parts): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with("--"));
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| *named == part);
    if wanted("languages") {
        // Built by the environment that `make bench` gives: alone, the program has no tools to build guests with.
        languages::measure(flags.iter().any(|flag| *flag == "--build")).await?;
    }
    let mut table = Table::default();
    if wanted("cell") {
        cell::measure(&mut table).await?;
    }
    if wanted("hatch") {
        hatch::measure(&mut table).await?;
    }
    if wanted("journal") {
        journal::measure(&mut table).await?;
    }
    if wanted("queue") {
        queue::measure(&mut table).await?;
    }
    if wanted("doors") {
        doors::measure(&mut table).await?;
    }
    if wanted("triggers") {
        triggers::measure(&mut table).await?;
    }
    Ok(table)
}
