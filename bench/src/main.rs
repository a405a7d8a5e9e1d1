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

use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    // The cell compiles in a process of its own: this one, started again.
    if std::env::args_os().nth(1).is_some_and(|first| first == jackfield_sandbox::compile::WORKER_ARGUMENT) {
        return jackfield_sandbox::compile::worker_main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    let measured = runtime.block_on(async {
        // Built by the environment that `make bench` gives: alone, the program has no tools to build guests with.
        languages::measure(std::env::args().any(|argument| argument == "--build")).await?;
        let mut table = Table::default();
        cell::measure(&mut table).await?;
        hatch::measure(&mut table).await?;
        journal::measure(&mut table).await?;
        queue::measure(&mut table).await?;
        doors::measure(&mut table).await?;
        anyhow::Ok(table)
    });
    match measured {
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
