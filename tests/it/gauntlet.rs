//! The gauntlet, as much of it as a test run has time for; all of it with `JACKFIELD_LONG`.
//!
//! `target/debug/gauntlet` runs its modes one by one. What must hold is in `tests/src/gauntlet/checker.rs`.

use std::time::Duration;

use jackfield_tests::env;
use jackfield_tests::gauntlet::field::Plan;
use jackfield_tests::gauntlet::shim::{Cell, Shim};
use jackfield_tests::gauntlet::verdict::Verdict;
use jackfield_tests::gauntlet::{bugs, modes, points};
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use jackfield_tests::stubs::{Fault, Kind, Stub, echo::Echo};
use serde_json::json;

fn long() -> bool {
    env::variable("JACKFIELD_LONG").is_some()
}

fn plan(seed: u64) -> Plan {
    Plan { seed, ..Plan::default() }
}

#[track_caller]
#[expect(clippy::print_stdout, reason = "whoever runs a test with --nocapture wants the figures")]
fn holds(verdict: &Verdict) {
    println!("{verdict}");
    assert!(verdict.holds(), "{verdict}");
}

/// Promises 1 to 5, 7 and 10: what was accepted is never lost, and no successful call is made twice, wherever the host
/// dies. G1.
#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_p4_p5_p7_p10_kills_at_random_moments_lose_nothing_and_repeat_nothing() {
    let (cycles, longest) = if long() { (1_000, 3_000) } else { (50, 400) };
    let plan = Plan { alone: long(), ..plan(1) };
    let verdict = modes::g1(plan, cycles, Duration::from_millis(longest)).await.unwrap();
    holds(&verdict);
    let figures = &verdict.figures;
    // All this proves something only if kills met calls under way.
    assert!(figures.repeated_keyed > 0 && figures.in_doubt > 0, "too few kills met a call: {figures:?}");
    // Two cores may be busy with other tests; what is promised of a machine of its own is in the docs.
    let most = if long() { 2_000 } else { 10_000 };
    assert!(figures.start_longest_ms < most, "a start took {} ms", figures.start_longest_ms);
}

/// Threat rows 53 to 56: the host dies before the intent, between effect and result, between result and guest, between
/// a run's end and its acknowledgement, and at every other point that has a name. G2.
#[tokio::test(flavor = "multi_thread")]
async fn threat_053_threat_054_threat_055_threat_056_every_crash_point_is_survived() {
    let passages: &[u32] = if long() { &[1, 2, 5] } else { &[1] };
    holds(&modes::g2_points(plan(2), &modes::all_points(), passages).await.unwrap());
}

/// The same by number: the n-th call that writes, syncs, sends or renames is the last. G2.
#[tokio::test(flavor = "multi_thread")]
async fn threat_053_threat_054_threat_055_the_host_dies_at_any_system_call() {
    let most = modes::count_calls(plan(3)).await.unwrap();
    assert!(most > 100, "only {most} calls were counted");
    let step = if long() { 1 } else { most / 12 };
    holds(&modes::g2_calls(plan(3), (1..=most).step_by(usize::try_from(step).unwrap())).await.unwrap());
}

/// Promise 8, threat row 57: the power goes, and what was not synced with it, by sectors if it must be. G3.
#[tokio::test(flavor = "multi_thread")]
async fn p8_threat_057_a_power_cut_takes_nothing_that_was_acknowledged() {
    let (cuts, release_each) = if long() { (200, 10) } else { (15, 0) };
    holds(&modes::g3(plan(4), cuts, release_each).await.unwrap());
}

/// And the cuts are real: a host that syncs less loses what it acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn p8_threat_057_a_store_that_syncs_less_is_found_out() {
    let plan = Plan { bug: Some("sync-normal".into()), ..plan(5) };
    let verdict = modes::g3(plan, 100, 0).await.unwrap();
    assert!(verdict.broken().contains(&"I8"), "{verdict}");
}

/// What a killed process left unsynced in the log is on disk before anything is answered from it.
#[tokio::test(flavor = "multi_thread")]
async fn p8_what_a_killed_process_left_is_synced_at_the_start() {
    let mut host = Host::options().prepare().await;
    let place = tempfile::tempdir().unwrap();
    let shim = Shim::compile(place.path(), host.folder(), false).unwrap();
    let preloaded = shim.variables();
    host.try_restart(|options| options.variables = preloaded).await.unwrap();
    host.login().await;
    probe::deploy(&host, &Manifest::probe()).await;
    probe::run(&host, json!({ "do": "echo" })).await;
    host.kill9().await;
    shim.reset().unwrap();
    host.try_restart(|_| {}).await.unwrap();
    assert!(shim.read(Cell::LogSyncs).unwrap() > 0, "the log was not synced");
}

/// Threat rows 58 and 59: a full disk, writes and syncs that fail, slow syncs. G4; a real full disk is in `disk.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn threat_058_threat_059_a_disk_that_fails_makes_nobody_promise_too_much() {
    holds(&modes::g4(plan(6), if long() { 10 } else { 2 }).await.unwrap());
}

/// Threat row 75: SIGTERM during work, again and again. Intake stops; runs end in the time they have or are released.
#[tokio::test(flavor = "multi_thread")]
async fn threat_075_orderly_stops_during_work_lose_nothing_and_double_nothing() {
    holds(&modes::stops(plan(7), if long() { 50 } else { 8 }).await.unwrap());
}

/// What `durability = "relaxed"` gives up, and that it says so: nothing is recorded, and a run that is tried again makes
/// its calls again, with the same keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_relaxed_run_records_nothing_and_makes_its_calls_again() {
    let stub = Stub::start(0, Echo).await.unwrap();
    let mut host = Host::start().await;
    probe::connect(&host, &stub).await;
    let relaxed = Manifest::probe().set("component.probe.durability", "relaxed");
    let deployed = probe::deploy(&host, &relaxed).await;
    let warnings = deployed["warnings"].to_string();
    assert!(warnings.contains("`probe` is relaxed"), "{warnings}");
    // The second call is refused for a while: the run is tried again from its beginning.
    stub.fail(Fault { path: Some("/second".into()), ..Fault::next(Kind::status(503)) });
    let count = json!({ "do": "kv", "op": "increment", "key": "count", "by": 1 });
    let steps = json!([probe::checked_call("POST", "/first"), count, probe::checked_call("POST", "/second")]);
    let run = probe::run(&host, steps).await;
    let answers = probe::answers(&run);
    assert_eq!((run["attempts"].as_u64(), &answers[1]), (Some(2), &json!(2)), "{run:#}");
    let arrived = stub.requests();
    let paths: Vec<_> = arrived.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/first", "/second", "/first", "/second"]);
    assert_eq!(arrived[0].header("idempotency-key"), arrived[2].header("idempotency-key"));
    host.kill9().await;
    let dump = jackfield_tests::gauntlet::database::Copy::of(&host.data()).unwrap().dump().unwrap();
    assert_eq!(dump.runs.len(), 1);
    assert!(dump.runs.values().all(|run| run.journal.is_empty()), "{dump:?}");
}

/// The testers are tested: each seeded bug that shows from outside is found within 100 cycles, and nothing is found where
/// none is seeded. Long: minutes for each.
#[tokio::test(flavor = "multi_thread")]
async fn seeded_bugs_are_found() {
    let elsewhere = |bug: &str| bugs::SIMULATED.contains(&bug) || bugs::OF_SOURCES.contains(&bug);
    let shown = points::bugs().into_iter().filter(|bug| !elsewhere(bug));
    let wanted: Vec<String> = if long() {
        shown.chain([bugs::CONTROL.to_owned()]).collect()
    } else {
        // The others take longer; that power cuts find theirs is tested above.
        vec!["ack-before-commit".into()]
    };
    for bug in wanted {
        let search = bugs::search(&bug, 1).await.unwrap();
        assert_eq!(search.cycles.is_some(), bug != bugs::CONTROL, "{search:?}");
    }
}
