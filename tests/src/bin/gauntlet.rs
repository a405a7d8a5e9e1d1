//! The gauntlet as a program: `gauntlet MODE [--cycles N] [--seed N] [--bug NAME] [--json]`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use jackfield_tests::gauntlet::field::Plan;
use jackfield_tests::gauntlet::verdict::Verdict;
use jackfield_tests::gauntlet::{bugs, modes, points};

const HELP: &str = "\
gauntlet MODE [--cycles N] [--seed N] [--bug NAME] [--point NAME] [--json]

  g1      kills at random moments, up to three seconds after the start (--cycles, 1000)
  points  dies at every crash point (--point: at one), three passages each
  calls   dies at the n-th system call that writes, syncs or sends, for every n (--cycles: so many of them)
  g3      power cuts: what was not synced is gone (--cycles, 200)
  g4      a full disk, I/O errors, slow syncs (--cycles: rounds, 10)
  stops   SIGTERM during work (--cycles, 50)
  bugs    seeds each bug that can be found here and looks for it, and for none as a control (--bug: one)
";

struct Arguments {
    mode: String,
    cycles: Option<u32>,
    seed: u64,
    bug: Option<String>,
    point: Option<String>,
    json: bool,
}

fn arguments() -> anyhow::Result<Arguments> {
    let mut given = std::env::args().skip(1);
    let mode = given.next().context(HELP)?;
    let mut read = Arguments { mode, cycles: None, seed: 1, bug: None, point: None, json: false };
    while let Some(argument) = given.next() {
        let mut value = || given.next().with_context(|| format!("`{argument}` needs a value"));
        match argument.as_str() {
            "--json" => read.json = true,
            "--cycles" => read.cycles = Some(value()?.parse()?),
            "--seed" => read.seed = value()?.parse()?,
            "--bug" => read.bug = Some(value()?),
            "--point" => read.point = Some(value()?),
            _ => bail!("`{argument}` is not known\n\n{HELP}"),
        }
    }
    Ok(read)
}

#[expect(clippy::print_stdout, reason = "a program that is run to see what it prints")]
fn main() -> anyhow::Result<ExitCode> {
    let given = arguments()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let begun = Instant::now();
    if given.mode == "bugs" {
        let all = runtime.block_on(every_bug(&given))?;
        return Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let verdict = runtime.block_on(run(&given))?;
    if given.json {
        println!("{}", serde_json::to_string_pretty(&verdict)?);
    } else {
        println!("gauntlet {} --seed {}: {} s", given.mode, given.seed, begun.elapsed().as_secs());
        print!("{verdict}");
    }
    Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(given: &Arguments) -> anyhow::Result<Verdict> {
    let plan = Plan { seed: given.seed, bug: given.bug.clone(), ..Plan::default() };
    let cycles = |usual: u32| given.cycles.unwrap_or(usual);
    match given.mode.as_str() {
        "g1" => modes::g1(plan, cycles(1_000), Duration::from_secs(3)).await,
        "points" => {
            let mut points = points::all();
            if let Some(point) = &given.point {
                points.retain(|known| known == point);
            }
            modes::g2_points(plan, &points, &[1, 2, 5]).await
        }
        "calls" => {
            let most = modes::count_calls(plan.clone()).await?;
            let each = given.cycles.map_or(1, |cycles| (most / u64::from(cycles.max(1))).max(1));
            let mut verdict = modes::g2_calls(plan, (1..=most).step_by(usize::try_from(each)?)).await?;
            verdict.notes.push(format!("of {most} counted calls of a cycle, each {each}th"));
            Ok(verdict)
        }
        "g3" => modes::g3(plan, cycles(200), 10).await,
        "g4" => modes::g4(plan, cycles(10)).await,
        "stops" => modes::stops(plan, cycles(50)).await,
        other => bail!("`{other}` is no mode\n\n{HELP}"),
    }
}

#[expect(clippy::print_stdout, reason = "a program that is run to see what it prints")]
async fn every_bug(given: &Arguments) -> anyhow::Result<bool> {
    let mut all = true;
    let mut searches = Vec::new();
    for bug in points::bugs().into_iter().chain([bugs::CONTROL.to_owned()]) {
        if given.bug.as_ref().is_some_and(|wanted| *wanted != bug)
            || (given.bug.is_none() && bugs::SIMULATED.contains(&bug.as_str()))
        {
            continue;
        }
        let search = bugs::search(&bug, given.seed).await?;
        all &= search.cycles.is_some() == (bug != bugs::CONTROL);
        if !given.json {
            let cycles =
                search.cycles.map_or_else(|| "not found".into(), |cycles| format!("found after {cycles} cycles"));
            println!("{bug:<20} {cycles:<24} {:<10} {}", search.broke.join(" "), search.told);
        }
        searches.push(search);
    }
    if given.json {
        println!("{}", serde_json::to_string_pretty(&searches)?);
    }
    Ok(all)
}
