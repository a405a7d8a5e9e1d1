//! The bugs: each is seeded, and the gauntlet must find it. This is the test of the testers.

use std::time::Duration;

use serde::Serialize;

use super::dice::Dice;
use super::field::{Field, Plan};
use super::load::Kind;
use super::modes;
use super::points;

/// Cycles that a bug may take to be found.
pub const CYCLES: u32 = 100;
/// Cycles after which the evidence is judged.
const LOOK: u32 = 10;

/// Bugs that one host on one machine does not show to anybody outside, or not while it is asked what it does (which
/// wakes it): the simulation finds them.
pub const SIMULATED: [&str; 4] = ["no-fencing", "no-argument-check", "cron-key-missing", "lost-wake-up"];

/// Bugs of triggers that hear from brokers: the tests with real brokers find them.
pub const OF_SOURCES: [&str; 1] = ["commit-first"];

/// No bug at all: a search for it must find nothing.
pub const CONTROL: &str = "none";

/// What became of the search for one bug.
#[derive(Clone, Debug, Serialize)]
pub struct Search {
    /// Its name.
    pub bug: String,
    /// After so many cycles it was found; none if it was not.
    pub cycles: Option<u32>,
    /// The invariants it broke.
    pub broke: Vec<String>,
    /// One of them, in words.
    pub told: String,
}

/// Seeds one bug and looks for it.
///
/// # Errors
///
/// The gauntlet itself does not work.
pub async fn search(bug: &str, seed: u64) -> anyhow::Result<Search> {
    let plan = Plan { seed, bug: (bug != CONTROL).then(|| bug.to_owned()), ..Plan::default() };
    if bug == "sync-normal" {
        let verdict = modes::g3(plan, CYCLES, 0).await?;
        return Ok(found(bug, u32::try_from(verdict.figures.deaths).unwrap_or(CYCLES), &verdict));
    }
    let points: Vec<String> = points::all().into_iter().filter(|point| is_common(point)).collect();
    let mut dice = Dice::new(seed);
    let mut cycles = 0;
    let mut round = 0;
    while cycles < CYCLES {
        // The database is judged at its end, so that a storm is short and there are several.
        let mut field = Field::set_up(Plan { seed: seed + round, ..plan.clone() }).await?;
        field.patience = Duration::from_secs(10);
        round += 1;
        for _ in 0..LOOK {
            cycles += 1;
            cycle(&mut field, &mut dice, &points, cycles).await?;
            if field.lost_something() {
                break;
            }
        }
        // A bug may keep the host from ending in order, which is not what is looked for here.
        let calm = field.calm().await;
        let verdict = field.judge_now();
        if let Ok(verdict) = verdict
            && !verdict.holds()
        {
            return Ok(found(bug, cycles, &verdict));
        }
        calm?;
    }
    Ok(Search { bug: bug.into(), cycles: None, broke: vec![], told: String::new() })
}

fn found(bug: &str, cycles: u32, verdict: &super::verdict::Verdict) -> Search {
    let broke: Vec<String> = verdict.broken().into_iter().map(str::to_owned).collect();
    let told = verdict.findings.iter().find(|finding| finding.broken > 0).and_then(|finding| finding.told.first());
    let cycles = (!broke.is_empty()).then_some(cycles);
    Search { bug: bug.into(), cycles, broke, told: told.cloned().unwrap_or_default() }
}

/// Points that ordinary work comes to again and again.
fn is_common(point: &str) -> bool {
    let rare =
        ["artifact-", "code-", "release-", "migrate-", "takeover-", "stop-", "checkpoint-", "decide-", "cancel-"];
    !rare.iter().any(|word| point.starts_with(word))
}

/// One cycle: mostly dies at a point, now and then releases another version over runs that are under way.
async fn cycle(field: &mut Field, dice: &mut Dice, points: &[String], number: u32) -> anyhow::Result<()> {
    if !field.is_alive() {
        field.start(&[]).await.map_err(|status| anyhow::anyhow!("the host does not start again: {status}"))?;
    }
    if number.is_multiple_of(5) {
        // A version that allows no call at all is active while runs of the one before it are under way.
        field.send(Kind::Timer, 6).await;
        field.release(Some(0)).await;
        field.kill_after(Duration::ZERO, 0, false).await?;
        field.start(&[]).await.map_err(|status| anyhow::anyhow!("the host does not start again: {status}"))?;
        field.calm_enough().await;
        field.release(None).await;
        return field.kill_after(Duration::from_millis(100), 4, true).await;
    }
    field.kill_after(Duration::from_millis(dice.between(0, 300)), 6, true).await?;
    let point = &points[dice.between(0, points.len() as u64 - 1) as usize];
    let passage = u32::try_from(dice.between(1, 3)).unwrap_or(1);
    modes::dies_at(field, point, passage).await?;
    Ok(())
}
