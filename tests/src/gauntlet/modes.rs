//! The modes: the ways a host is ended, over and over.
//!
//! G1 kills at random moments, G2 at every named point and every counted call, G3 takes the power away, G4 fills and
//! breaks the disk. Each gives a verdict.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::dice::Dice;
use super::field::{Field, Plan};
use super::load::Kind;
use super::points;
use super::shim::Cell;
use super::verdict::Verdict;

/// How long a host may take to come to a point that it is to die at.
const REACHED: Duration = Duration::from_secs(30);

/// G1: so many kills at random moments up to `longest` after the start.
///
/// # Errors
///
/// The host ended by itself, or does not start.
pub async fn g1(plan: Plan, cycles: u32, longest: Duration) -> anyhow::Result<Verdict> {
    let mut dice = Dice::new(plan.seed + 1);
    let mut field = Field::set_up(plan).await?;
    for cycle in 0..cycles {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let (when, events) = (Duration::from_millis(dice.between(0, longest)), dice.between(2, 20));
        field.kill_after(when, events, cycle % 2 == 0).await?;
        field.start(&[]).await.map_err(|status| anyhow::anyhow!("the host does not start again: {status}"))?;
    }
    field.judge().await
}

/// Points that only a release comes to, and those that only an orderly stop comes to.
fn special(point: &str) -> (bool, bool) {
    let release = point.starts_with("artifact-") || point.starts_with("code-") || point.starts_with("release-");
    (release, point.starts_with("stop-"))
}

/// G2 by name: dies at each of `points` at each of `passages`.
///
/// # Errors
///
/// A point was never come to, or the host ended in another way.
pub async fn g2_points(plan: Plan, points: &BTreeSet<String>, passages: &[u32]) -> anyhow::Result<Verdict> {
    const FRESH: &str = "migrate-before-commit";
    let mut plan = plan;
    if points.contains(FRESH) {
        plan.first = armed(FRESH, 2);
    }
    let mut field = Field::set_up(plan).await?;
    let mut hit = u32::from(points.contains(FRESH));
    let mut missed = Vec::new();
    // The first cycle of all leaves something to resume, to decide over and to take over.
    field.burst(10).await;
    field.kill_after(Duration::from_millis(700), 10, true).await?;
    for point in points.iter().filter(|point| *point != FRESH) {
        for passage in passages {
            if dies_at(&mut field, point, *passage).await? {
                hit += 1;
            } else if *passage == passages[0] {
                missed.push(point.clone());
            }
        }
    }
    let mut verdict = field.judge().await?;
    if !missed.is_empty() {
        bail!("never come to: {}", missed.join(", "));
    }
    verdict.notes.push(format!("{} crash points, {hit} deaths at them", points.len()));
    Ok(verdict)
}

fn armed(point: &str, passage: u32) -> Vec<(String, String)> {
    vec![("JACKFIELD_GAUNTLET_POINT".into(), format!("{point}:{passage}"))]
}

/// One cycle that ends at a point. Whether it was come to.
pub(super) async fn dies_at(field: &mut Field, point: &str, passage: u32) -> anyhow::Result<bool> {
    let how = format!("at {point}, passage {passage}");
    let (release, stop) = special(point);
    // What only happens once in a start or a release has one passage.
    let once = release || stop || point.starts_with("takeover-");
    if once && passage > 1 {
        return Ok(false);
    }
    if !field.start_or_die(&armed(point, passage), &how).await? {
        return Ok(true);
    }
    if release {
        field.release(None).await;
    }
    if stop {
        field.stops(Duration::from_millis(30), 5, |status| !status.success()).await?;
        return Ok(true);
    }
    let limit = if passage > 1 { Duration::from_secs(5) } else { REACHED };
    field.until_it_dies(limit, &how, 6).await
}

/// G2 by number: dies at the n-th of the counted calls since its start, for every n of `numbers`.
///
/// # Errors
///
/// The host ended in another way.
pub async fn g2_calls(plan: Plan, numbers: impl Iterator<Item = u64>) -> anyhow::Result<Verdict> {
    let mut field = Field::set_up(Plan { shim: Some(false), ..plan }).await?;
    field.kill_after(Duration::from_millis(300), 10, true).await?;
    let mut deaths = 0_u64;
    for number in numbers {
        field.shim().reset()?;
        field.shim().set(Cell::KillAt, number)?;
        let how = format!("at counted call {number}");
        if field.start_or_die(&[], &how).await? && !field.until_it_dies(REACHED, &how, 4).await? {
            bail!("counted call {number} never came");
        }
        deaths += 1;
    }
    let mut verdict = field.judge().await?;
    verdict.notes.push(format!("{deaths} deaths at counted calls"));
    Ok(verdict)
}

/// How many counted calls a host makes from its start to the end of what a cycle sends.
///
/// # Errors
///
/// The host does not start.
pub async fn count_calls(plan: Plan) -> anyhow::Result<u64> {
    let mut field = Field::set_up(Plan { shim: Some(false), ..plan }).await?;
    field.kill_after(Duration::from_millis(300), 10, true).await?;
    field.shim().reset()?;
    field.start(&[]).await.map_err(|status| anyhow::anyhow!("the host does not start: {status}"))?;
    field.burst(0).await;
    field.calm_enough().await;
    Ok(field.shim().read(Cell::Count)?)
}

/// G3: so many power cuts. What was not synced is gone: all of it, or sector by sector.
///
/// # Errors
///
/// The host does not start after one, or ended in another way.
pub async fn g3(plan: Plan, cuts: u32, release_each: u32) -> anyhow::Result<Verdict> {
    let mut dice = Dice::new(plan.seed + 3);
    let mut field = Field::set_up(Plan { shim: Some(true), ..plan }).await?;
    let (mut sectors, mut names) = (0, 0);
    field.burst(4).await;
    for cut in 0..cuts {
        let shim = field.shim();
        let (count, ahead) = (shim.read(Cell::Count)?, dice.between(1, 600));
        // Some hosts are killed first: what they had written and not synced is still there, and goes with the power later.
        let mut killed = dice.once_in(3);
        shim.set(Cell::CutSeed, if dice.once_in(2) { 0 } else { dice.roll() | 1 })?;
        shim.set(if killed { Cell::KillAt } else { Cell::CutAt }, count + ahead)?;
        let how = format!("{} {cut}", if killed { "kill" } else { "power cut" });
        if release_each > 0 && cut % release_each == 0 {
            field.release(None).await;
        }
        if !field.until_it_dies(REACHED, &how, 6).await? {
            bail!("the power was to be cut at counted call {}, which never came", count + ahead);
        }
        loop {
            let shim = field.shim();
            sectors += shim.read(Cell::Lost)?;
            names += shim.read(Cell::LostNames)?;
            shim.reset()?;
            // Some cuts come while the host starts again after one.
            if killed || dice.once_in(5) {
                shim.set(Cell::CutSeed, dice.roll())?;
                shim.set(Cell::CutAt, dice.between(1, if killed { 300 } else { 80 }))?;
            }
            killed = false;
            if field.start_or_die(&[], &format!("power cut at the start after cut {cut}")).await? {
                break;
            }
        }
        if field.lost_something() {
            // Nothing more is to be learned, and a host that lost its token could not even be asked.
            break;
        }
    }
    let lost = field.lost_something();
    let mut verdict = if lost { field.judge_now()? } else { field.judge().await? };
    verdict.notes.push(format!("the cuts took back {sectors} sectors and {names} new names"));
    Ok(verdict)
}

/// G4: a full disk, writes and syncs that fail, slow syncs.
///
/// # Errors
///
/// The host ended where it must not, went on where it must not, or did not recover in time.
pub async fn g4(plan: Plan, rounds: u32) -> anyhow::Result<Verdict> {
    const RECOVERED: Duration = Duration::from_secs(5);
    let mut dice = Dice::new(plan.seed + 4);
    let mut field = Field::set_up(Plan { shim: Some(false), ..plan }).await?;
    let mut notes = Vec::new();
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        field.burst(4).await;
        field.fill()?;
        field.burst(4).await;
        tokio::time::sleep(Duration::from_millis(dice.between(100, 1_000))).await;
        if !field.is_alive() {
            bail!("round {round}: a full disk ended the host");
        }
        field.shim().set(Cell::Full, 0)?;
        let begun = Instant::now();
        while !field.accepts().await {
            if begun.elapsed() > RECOVERED {
                bail!("round {round}: nothing is accepted {RECOVERED:?} after there was space again");
            }
        }
        longest = longest.max(begun.elapsed());
    }
    notes.push(format!("{rounds} full disks: accepting again within {} ms", longest.as_millis()));
    let (mut stopped, mut survived) = (0, 0);
    for cell in [Cell::FailSync, Cell::FailWrite] {
        for n in 1..=rounds {
            field.shim().set(cell, u64::from(n))?;
            let gone = field.sends_until_gone(Duration::from_secs(4), 4).await;
            if gone {
                let status = field.ended(&format!("{cell:?} {n}")).await?;
                if status.success() {
                    bail!("{cell:?} {n}: the host ended as if all were well");
                }
                stopped += 1;
                field.shim().reset()?;
                field.start(&[]).await.map_err(|status| anyhow::anyhow!("after {cell:?} {n}: {status}"))?;
            } else if field.shim().read(Cell::Failed)? == 0 {
                bail!("{cell:?} {n}: it never came");
            } else {
                survived += 1;
                field.shim().reset()?;
            }
        }
    }
    notes.push(format!(
        "{} I/O errors: {stopped} stopped the host, {survived} concerned nothing it relies on",
        stopped + survived
    ));
    field.shim().set(Cell::SlowSync, 2_000)?;
    field.burst(2).await;
    field.shim().reset()?;
    field.send(Kind::Keyed, 1).await;
    notes.push("syncs that take two seconds: nothing was acknowledged early".into());
    let mut verdict = field.judge().await?;
    verdict.notes = notes;
    Ok(verdict)
}

/// SIGTERM again and again while work goes on: intake stops, runs end in the time they are given or are released.
///
/// # Errors
///
/// The host did not stop in order, or not in time.
pub async fn stops(plan: Plan, times: u32) -> anyhow::Result<Verdict> {
    let mut dice = Dice::new(plan.seed + 5);
    let mut field = Field::set_up(plan).await?;
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        let after = Duration::from_millis(dice.between(0, 400));
        longest = longest.max(field.stops(after, dice.between(2, 12), |status| status.success()).await?);
        field.start(&[]).await.map_err(|status| anyhow::anyhow!("the host does not start again: {status}"))?;
    }
    let mut verdict = field.judge().await?;
    verdict.notes.push(format!("{times} orderly stops, the longest took {} ms", longest.as_millis()));
    Ok(verdict)
}

/// Every crash point there is.
#[must_use]
pub fn all_points() -> BTreeSet<String> {
    points::all()
}
