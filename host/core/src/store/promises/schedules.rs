//! S70 … S75: schedules and their cursors.

use std::sync::Arc;
use std::time::Duration;

use super::super::StoreError;
use super::super::queue::Settle;
use super::super::schedules::{Cursor, Skip, Tick, Ticked};
use super::registry::{add, inspection, version};
use super::{
    Death, Harness, QUEUE_RUNS, accepted, claim_one, dead, ending, name, new_run, new_run_in, scope, soon, success,
};
use crate::clock::{Clock as _, Timestamp};
use crate::event::Event;
use crate::release::{Interval, Misfire, Overlap, Trigger, TriggerKind};

const EVERY: u64 = 60;

fn trigger(trigger: &str, seconds: u64) -> Trigger {
    let every = Duration::from_secs(seconds);
    let kind = TriggerKind::Interval(Interval { every, misfire: Misfire::default(), overlap: Overlap::default() });
    Trigger { name: name(trigger), component: name("handler"), kind, order: None }
}

/// Releases `demo` in `dev` with these schedules beside its webhook.
async fn release(h: &dyn Harness, schedules: &[(&str, u64)]) {
    let now = h.clock().now();
    h.store().add_artifact(inspection(b"one"), now).await.expect("added");
    let mut version = version("demo", "scheduled", b"one");
    version.manifest.triggers.extend(schedules.iter().map(|(name, seconds)| trigger(name, *seconds)));
    let number = add(h, &version).await.expect("added");
    h.store().release(name("dev"), name("demo"), number, Vec::new(), "tester".into(), now).await.expect("released");
}

async fn cursor(h: &dyn Harness, trigger: &str) -> Cursor {
    let all = h.store().cursors().await.expect("they are read");
    all.into_iter().find(|cursor| cursor.trigger.as_str() == trigger).expect("it is there")
}

/// The tick over the instant after this cursor.
fn tick(h: &dyn Harness, cursor: &Cursor, overlap: Overlap) -> Tick {
    let to = cursor.at.plus(Duration::from_secs(EVERY));
    let mut run = new_run(h, "instant");
    run.target.trigger = cursor.trigger.clone();
    run.event = Arc::new(Event { id: to.to_string(), ..(*run.event).clone() });
    Tick {
        scope: cursor.scope.clone(),
        trigger: cursor.trigger.clone(),
        timing: cursor.timing.clone(),
        from: cursor.at,
        to,
        run: Some(run),
        late: None,
        overlap,
    }
}

/// S70
pub async fn s70_an_instant_becomes_one_run(h: &mut dyn Harness) {
    release(h, &[("sweep", EVERY)]).await;
    let first = cursor(h, "sweep").await;
    assert_eq!((first.scope.clone(), first.at), (scope("dev", "demo"), h.clock().now()));
    assert_eq!((first.fired, first.passed, first.skipped), (None, 0, None));
    // Two that saw the same cursor: one of them deals with the instant, the other is told so.
    let (one, other) = (tick(h, &first, Overlap::Allow), tick(h, &first, Overlap::Allow));
    let (run, to) = (one.run.as_ref().expect("it is there").id, one.to);
    let (one, other) = (h.store().tick(one), h.store().tick(other));
    let moved = Cursor { at: to, fired: Some((to, run)), ..first.clone() };
    assert_eq!(one.await, Ok((Ticked::Fired(run), Some(moved.clone()))));
    assert_eq!(other.await, Ok((Ticked::Stale, Some(moved.clone()))));
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(cursor(h, "sweep").await, moved);
    let again = tick(h, &first, Overlap::Allow);
    assert_eq!(h.store().tick(again).await, Ok((Ticked::Stale, Some(moved))));
    assert_eq!(h.store().depths().await.expect("counted")[0].queued, 1);
    assert_eq!(claim_one(h).await.fence.run, run);
    // Of another timing, or of none.
    let cursor = cursor(h, "sweep").await;
    let other = Tick { timing: "every 7 ms".into(), ..tick(h, &cursor, Overlap::Allow) };
    assert_eq!(h.store().tick(other).await.map(|(ticked, _)| ticked), Ok(Ticked::Stale));
    let nobody = Tick { trigger: name("nobody"), ..tick(h, &cursor, Overlap::Allow) };
    assert_eq!(h.store().tick(nobody).await, Ok((Ticked::Stale, None)));
}

/// S71
pub async fn s71_a_cursor_never_moves_back(h: &mut dyn Harness) {
    release(h, &[("sweep", EVERY)]).await;
    let first = cursor(h, "sweep").await;
    let back = Tick { to: Timestamp(first.at.0 - 1), ..tick(h, &first, Overlap::Allow) };
    assert_eq!(h.store().tick(back).await, Ok((Ticked::Stale, Some(first.clone()))));
    let still = Tick { to: first.at, ..tick(h, &first, Overlap::Allow) };
    assert_eq!(h.store().tick(still).await, Ok((Ticked::Stale, Some(first.clone()))));
    // A release with the clock set back, and another timing.
    h.clock().set_wall(Timestamp(first.at.0 - 3_600_000));
    release(h, &[("sweep", 90)]).await;
    let changed = cursor(h, "sweep").await;
    assert_eq!((changed.at, changed.since), (first.at, h.clock().now()));
    assert_ne!(changed.timing, first.timing);
}

/// S72
pub async fn s72_a_release_moves_the_cursors_it_changes_and_no_others(h: &mut dyn Harness) {
    release(h, &[("kept", EVERY), ("changed", EVERY), ("removed", EVERY)]).await;
    let before = h.clock().now();
    let kept = tick(h, &cursor(h, "kept").await, Overlap::Allow);
    h.store().tick(kept).await.expect("it ticks");
    let kept = cursor(h, "kept").await;
    h.clock().advance(Duration::from_secs(1_000));
    release(h, &[("added", EVERY), ("kept", EVERY), ("changed", 90)]).await;
    let now = h.clock().now();
    let names: Vec<String> =
        h.store().cursors().await.expect("read").into_iter().map(|cursor| cursor.trigger.to_string()).collect();
    assert_eq!(names, ["added", "changed", "kept"], "a webhook has no cursor, nor has what was removed");
    assert_eq!(cursor(h, "kept").await, kept);
    assert_eq!((cursor(h, "changed").await.at, cursor(h, "added").await.at), (now, now));
    assert_eq!(kept.since, before);
    // Removed and added again: from then on.
    h.clock().advance(Duration::from_secs(1_000));
    release(h, &[("removed", EVERY)]).await;
    assert_eq!(cursor(h, "removed").await.at, h.clock().now());
    // A release that comes to nothing changes no cursor.
    let refused = h.store().release(name("dev"), name("demo"), 99, Vec::new(), "tester".into(), h.clock().now()).await;
    assert!(matches!(refused, Err(StoreError::Missing(_))), "{refused:?}");
    assert_eq!(h.store().cursors().await.map(|all| all.len()), Ok(1));
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(h.store().cursors().await.map(|all| all.len()), Ok(1));
}

/// S73
pub async fn s73_an_earlier_run_is_in_the_way(h: &mut dyn Harness) {
    release(h, &[("sweep", EVERY), ("other", EVERY)]).await;
    let first = tick(h, &cursor(h, "sweep").await, Overlap::Skip);
    let run = first.run.as_ref().expect("it is there").id;
    h.store().tick(first).await.expect("it ticks");
    // Queued, in an attempt, waiting to be tried again, parked, and after a restart: all are in the way.
    for step in 0..5 {
        match step {
            1 | 3 => {
                let claim = claim_one(h).await;
                let then = match step {
                    1 => Settle::Waiting { due: soon(h, 0), hard: false },
                    _ => Settle::Parked { reason: "?".into() },
                };
                let at = cursor(h, "sweep").await;
                let busy = tick(h, &at, Overlap::Queue);
                assert_eq!(h.store().tick(busy).await, Ok((Ticked::Waits, Some(at))), "in an attempt");
                let end = ending(&claim, "failed", then);
                h.store().settle(claim.fence, end).await.expect("it is settled");
            }
            4 => h.owner_is_gone(Death::Unmarked).await,
            _ => {}
        }
        let at = cursor(h, "sweep").await;
        let waits = tick(h, &at, Overlap::Queue);
        assert_eq!(h.store().tick(waits).await, Ok((Ticked::Waits, Some(at.clone()))), "step {step}");
        let skips = tick(h, &at, Overlap::Skip);
        let to = skips.to;
        let passed = Cursor { at: to, passed: at.passed + 1, skipped: Some((to, Skip::Overlap)), ..at };
        assert_eq!(h.store().tick(skips).await, Ok((Ticked::Skipped(Skip::Overlap), Some(passed))), "step {step}");
    }
    let depth = h.store().depths().await.expect("counted").remove(0);
    assert_eq!((depth.queued, depth.parked), (0, 1), "nothing skipped was stored");
    // Another trigger is not affected, nor one that may overlap.
    let other = tick(h, &cursor(h, "other").await, Overlap::Skip);
    assert!(matches!(h.store().tick(other).await, Ok((Ticked::Fired(_), _))));
    let beside = tick(h, &cursor(h, "sweep").await, Overlap::Allow);
    assert!(matches!(h.store().tick(beside).await, Ok((Ticked::Fired(_), _))));
    // All of them final: the next goes on.
    h.store().cancel(run).await.expect("it is cancelled");
    for _ in 0..2 {
        let claim = claim_one_of_many(h).await;
        let end = dead(&claim);
        h.store().settle(claim.fence, end).await.expect("it is settled");
    }
    let next = tick(h, &cursor(h, "sweep").await, Overlap::Queue);
    assert!(matches!(h.store().tick(next).await, Ok((Ticked::Fired(_), _))));
}

async fn claim_one_of_many(h: &mut dyn Harness) -> super::Claim {
    super::claim_now(h, super::Room { slots: 1, ..super::ROOM }).await.remove(0)
}

/// S74
pub async fn s74_a_full_queue_is_a_skipped_tick(h: &mut dyn Harness) {
    release(h, &[("sweep", EVERY)]).await;
    for number in 0..QUEUE_RUNS {
        accepted(h, &format!("event-{number}")).await;
    }
    let at = cursor(h, "sweep").await;
    let full = tick(h, &at, Overlap::Allow);
    let to = full.to;
    let passed = Cursor { at: to, passed: 1, skipped: Some((to, Skip::QueueFull)), ..at };
    assert_eq!(h.store().tick(full).await, Ok((Ticked::Skipped(Skip::QueueFull), Some(passed))));
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(cursor(h, "sweep").await.at, to);
    // It has drained: the next one is stored.
    for _ in 0..3 {
        let claim = claim_one_of_many(h).await;
        let end = success(&claim);
        h.store().settle(claim.fence, end).await.expect("it is settled");
    }
    let next = tick(h, &cursor(h, "sweep").await, Overlap::Allow);
    assert!(matches!(h.store().tick(next).await, Ok((Ticked::Fired(_), _))));
}

/// S75
pub async fn s75_what_was_passed_over_is_counted(h: &mut dyn Harness) {
    release(h, &[("sweep", EVERY)]).await;
    let at = cursor(h, "sweep").await;
    let minutes = |n: u64| at.at.plus(Duration::from_secs(EVERY * n));
    let none = Tick { to: minutes(4), run: None, late: Some((4, minutes(4))), ..tick(h, &at, Overlap::Skip) };
    let (ticked, moved) = h.store().tick(none).await.expect("it ticks");
    let moved = moved.expect("it is there");
    assert_eq!(ticked, Ticked::Skipped(Skip::Late));
    assert_eq!((moved.at, moved.passed, moved.skipped), (minutes(4), 4, Some((minutes(4), Skip::Late))));
    // A run that stands for others: they are counted for its event, and the count starts anew.
    let some = Tick { to: minutes(7), late: Some((2, minutes(6))), ..tick(h, &moved, Overlap::Skip) };
    let run = some.run.as_ref().expect("it is there").id;
    let (ticked, moved) = h.store().tick(some).await.expect("it ticks");
    let moved = moved.expect("it is there");
    assert_eq!(ticked, Ticked::Fired(run));
    assert_eq!((moved.fired, moved.passed), (Some((minutes(7), run)), 0));
    assert_eq!(moved.skipped, Some((minutes(6), Skip::Late)));
    // Late ones, and then one in whose way another run is.
    let blocked = Tick { to: minutes(10), late: Some((2, minutes(9))), ..tick(h, &moved, Overlap::Skip) };
    let moved = h.store().tick(blocked).await.expect("it ticks").1.expect("it is there");
    assert_eq!((moved.passed, moved.skipped), (3, Some((minutes(10), Skip::Overlap))));
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(cursor(h, "sweep").await, moved);
    // Runs of others are not in the way.
    let other = new_run_in(h, "demo", "handler", "by-hook");
    h.store().accept(vec![other]).await.expect("it is accepted");
    assert_eq!(cursor(h, "sweep").await, moved);
}
