//! Rows of the threat list that one host in virtual time can show, each in a world without other trouble.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ids::RunId;
use jackfield_core::journal::{self, Journal, Record};
use jackfield_core::run::{RunDetail, RunState};

use crate::simulation::sweep::unarmed;
use crate::simulation::time::Time;
use crate::simulation::world::World;

/// The effect of `get,…,get` is its second call.
const EFFECT: u32 = 2;

/// A run whose host was killed at some moment, and what became of it.
#[derive(Debug)]
struct Killed {
    #[expect(dead_code, reason = "a message shows it")]
    at: String,
    /// Its intent was on disk.
    intent: bool,
    /// Its result was.
    result: bool,
    /// The journal says that it is in doubt.
    in_doubt: bool,
    /// The requests that had left.
    sent_before: usize,
    /// All of them, with their keys.
    sends: Vec<Option<String>>,
    /// How often the other side did it.
    done: usize,
    state: RunState,
    reason: Option<String>,
}

/// Kills the host once behind every event of a run, before or after the host could take it in.
fn killed_everywhere(data: &str) -> Vec<Killed> {
    let mut all = Vec::new();
    for seed in 0..2 {
        for taken_in in [false, true] {
            for turns in 0.. {
                let Some(killed) = killed(seed, data, turns, taken_in) else { break };
                all.push(killed);
            }
        }
    }
    all
}

/// None: the run had ended before.
fn killed(seed: u64, data: &str, turns: u32, taken_in: bool) -> Option<Killed> {
    let mut world = World::still(seed);
    let run = world.accept("hook", data);
    for _ in 0..turns {
        world.turn();
    }
    if taken_in {
        world.work();
    }
    let (waiting, running, parked) = world.disk.open_runs();
    if waiting + running + parked == 0 {
        return None;
    }
    let journals = world.disk.journals();
    let chunks = journals.into_iter().find(|(of, _)| *of == run).map(|(_, chunks)| chunks).unwrap_or_default();
    let (mut intent, mut result) = (false, false);
    for record in chunks.iter().flat_map(|chunk| journal::decode(chunk).expect("it reads")) {
        intent |= matches!(record, Record::Intent { call: EFFECT, .. });
        result |= matches!(record, Record::Result { call: EFFECT, .. });
    }
    let in_doubt = Journal::load(Arc::<Time>::clone(&world.time), &chunks).expect("it reads").in_doubt().is_some();
    let sends = |world: &World| world.ledger.book().sends.get(&(run, EFFECT)).cloned().unwrap_or_default();
    let sent_before = sends(&world).len();
    world.die(false);
    let detail = ended(&mut world, run);
    assert_eq!(world.ledger.book().broken, Vec::<String>::new());
    Some(Killed {
        at: format!("seed {seed}, after {turns} events, taken in: {taken_in}"),
        intent,
        result,
        in_doubt,
        sent_before,
        sends: sends(&world),
        done: world.ledger.book().effects.get(&(run, EFFECT)).map_or(0, Vec::len),
        state: detail.summary.state,
        reason: detail.summary.reason,
    })
}

/// A run once it is final or parked.
fn ended(world: &mut World, run: RunId) -> RunDetail {
    loop {
        let detail = world.ask(move |parts| async move { parts.store.run(run).await.expect("it reads") });
        if detail.summary.state.is_final() || detail.summary.state == RunState::NeedsDecision {
            return detail;
        }
        let until = world.now() + Duration::from_secs(1);
        while world.now() < until {
            world.turn();
        }
    }
}

#[test]
fn threat_053_killed_before_the_intent_a_call_is_made_on_retry() {
    let _unarmed = unarmed();
    for data in ["get,plain,get", "get,keyed,get"] {
        let all = killed_everywhere(data);
        let before: Vec<&Killed> = all.iter().filter(|killed| !killed.intent && !killed.result).collect();
        assert!(before.len() > 4, "{all:?}");
        for killed in before {
            assert_eq!(killed.sent_before, 0, "sent without an intent: {killed:?}");
            assert_eq!((killed.state, killed.sends.len(), killed.done), (RunState::Succeeded, 1, 1), "{killed:?}");
        }
    }
}

#[test]
fn threat_054_killed_between_effect_and_result_a_keyed_call_repeats_and_another_parks() {
    let _unarmed = unarmed();
    let between = |data| killed_everywhere(data).into_iter().filter(|killed| killed.intent && !killed.result);
    let keyed: Vec<Killed> = between("get,keyed,get").collect();
    assert!(keyed.len() > 4);
    for killed in &keyed {
        assert_eq!((killed.state, killed.done), (RunState::Succeeded, 1), "{killed:?}");
        assert!(killed.sends.iter().all(|key| key.is_some() && *key == killed.sends[0]), "another key: {killed:?}");
    }
    assert!(keyed.iter().any(|killed| killed.sends.len() == 2), "it is never repeated");
    let plain: Vec<Killed> = between("get,plain,get").collect();
    assert!(plain.len() > 4);
    for killed in &plain {
        assert_eq!(killed.state, RunState::NeedsDecision, "{killed:?}");
        assert_eq!((killed.sends.len(), killed.sends.len()), (killed.sent_before, killed.sent_before), "{killed:?}");
        let reason = killed.reason.as_deref().unwrap_or_default();
        assert!(reason.contains("call 2") && reason.contains("POST plain"), "{killed:?}");
    }
    assert!(plain.iter().any(|killed| killed.done == 1) && plain.iter().any(|killed| killed.done == 0));
}

#[test]
fn threat_055_killed_after_the_result_a_call_is_replayed() {
    let _unarmed = unarmed();
    for data in ["get,plain,get", "get,keyed,get"] {
        let all = killed_everywhere(data);
        let after: Vec<&Killed> = all.iter().filter(|killed| killed.result).collect();
        assert!(after.len() > 4, "{all:?}");
        for killed in after {
            assert_eq!((killed.state, killed.sends.len(), killed.done), (RunState::Succeeded, 1, 1), "{killed:?}");
        }
    }
}

#[test]
fn threat_021_the_journal_of_a_host_that_is_gone_shows_what_is_in_doubt() {
    let _unarmed = unarmed();
    for killed in killed_everywhere("get,plain,get") {
        assert_eq!(killed.in_doubt, killed.intent && !killed.result, "{killed:?}");
    }
}

#[test]
fn threat_021_a_guest_dropped_after_any_number_of_polls_leaks_nothing() {
    let _unarmed = unarmed();
    let mut world = World::still(1);
    world.weather.slots = 1;
    world.die(false);
    let mut drops = 0;
    // All in one process: a permit or a slot that leaks is missing in the end.
    for data in ["plain,keyed,plain", "both,count,both", "100,get,keyed", "both,both,both,both"] {
        for _ in 0..3 {
            for polls in 1.. {
                world.ledger.book().drop_after = Some(polls);
                let run = world.accept("bell", data);
                let detail = ended(&mut world, run);
                let unused = world.ledger.book().drop_after.take().is_some();
                assert!(!unused, "no guest was there to be dropped");
                assert_eq!(detail.summary.state, RunState::Succeeded, "{data}, {polls} polls: {detail:?}");
                let faults = detail.attempts_made.iter().filter(|attempt| attempt.outcome == "host-fault").count();
                assert_eq!(detail.attempts_made.len(), 1 + faults, "{detail:?}");
                // What it had begun was finished and recorded, though nobody waited for it any more.
                let book = world.ledger.book();
                let twice = book.sends.iter().find(|((of, _), sends)| *of == run && sends.len() > 1);
                assert_eq!(twice, None, "{data}, {polls} polls");
                drop(book);
                if faults == 0 {
                    break;
                }
                drops += 1;
            }
        }
    }
    // More than an integration may have in flight.
    assert!(drops > 64, "{drops}");
    let in_flight = world.ask(|parts| async move { parts.executor.in_flight() });
    assert_eq!((in_flight, world.disk.open_runs()), (0, (0, 0, 0)));
    assert_eq!(world.ledger.book().broken, Vec::<String>::new());
}

#[test]
fn threat_021_a_run_cancelled_at_any_moment_begins_nothing_more() {
    let _unarmed = unarmed();
    let mut cancelled = 0;
    for turns in 0.. {
        let mut world = World::still(2);
        let run = world.accept("hook", "get,plain,get,keyed");
        for _ in 0..turns {
            world.turn();
        }
        let requests = |world: &World| world.ledger.book().sends.values().map(Vec::len).sum::<usize>();
        let told = world.ask(move |parts| async move { parts.executor.cancel(run).await });
        let before = requests(&world);
        let detail = ended(&mut world, run);
        if told.is_err() {
            assert_eq!(detail.summary.state, RunState::Succeeded, "{detail:?}");
            break;
        }
        // What was on its way when it was cancelled may still have left.
        assert!(requests(&world) <= before + 1, "after {turns} events: it goes on");
        assert!(matches!(detail.summary.state, RunState::Cancelled | RunState::Succeeded), "{detail:?}");
        cancelled += u32::from(detail.summary.state == RunState::Cancelled);
        let in_flight = world.ask(|parts| async move { parts.executor.in_flight() });
        assert_eq!((in_flight, world.disk.open_runs()), (0, (0, 0, 0)));
        assert_eq!(world.ledger.book().broken, Vec::<String>::new());
    }
    assert!(cancelled > 10, "{cancelled}");
}

#[test]
fn threat_075_a_stop_in_order_at_any_moment_loses_and_repeats_nothing() {
    let _unarmed = unarmed();
    for turns in 0.. {
        let mut world = World::still(3);
        let run = world.accept("hook", "get,plain,count,keyed,get,plain");
        for _ in 0..turns {
            world.turn();
        }
        if world.disk.open_runs() == (0, 0, 0) {
            assert!(turns > 10);
            break;
        }
        world.stop();
        let detail = ended(&mut world, run);
        assert_eq!(detail.summary.state, RunState::Succeeded, "after {turns} events: {detail:?}");
        let book = world.ledger.book();
        assert_eq!(book.broken, Vec::<String>::new());
        let again = book.sends.iter().find(|(_, sends)| sends.len() > 1);
        assert_eq!(again, None, "after {turns} events");
    }
}

#[test]
fn threat_069_an_outage_of_an_hour_ends_without_a_storm() {
    const RUNS: u32 = 200;
    let _unarmed = unarmed();
    let mut world = World::still(69);
    let window = Duration::from_secs(10);
    world.server.down = true;
    for _ in 0..RUNS {
        world.offer("post", "keyed,get");
        let next = world.now() + Duration::from_millis(500);
        while world.now() < next {
            world.turn();
        }
    }
    // Requests in each window, and the most at once, while nothing can be reached and afterwards.
    let asked = |world: &mut World, lasts: Duration| {
        let until = world.now() + lasts;
        let (mut windows, mut at_once) = (Vec::new(), 0);
        while world.now() < until {
            let (before, end) = (world.server.asked, world.now() + window);
            while world.now() < end {
                world.turn();
                at_once = at_once.max(world.server.under_way());
            }
            windows.push(world.server.asked - before);
        }
        (windows, at_once)
    };
    let (out, _) = asked(&mut world, Duration::from_secs(3600));
    let each = world.server.asked as f64 / f64::from(RUNS);
    assert!(each < 45.0, "{each} requests for each run in an hour");
    let last: u64 = out.iter().rev().take(60).sum();
    assert!(last < 4 * u64::from(RUNS), "{last} requests in the last ten minutes: they do not grow rarer");
    world.server.down = false;
    let (back, at_once) = asked(&mut world, Duration::from_secs(15 * 60));
    // As many as the component may make attempts at the same time, and none of them in vain.
    assert!(at_once <= 20, "a storm: {at_once} requests at once");
    assert_eq!(back.iter().sum::<u64>(), 2 * u64::from(RUNS), "requests in vain after the end: {back:?}");
    assert_eq!(world.disk.open_runs(), (0, 0, 0), "not everything recovered within the longest delay");
    let peak = back.iter().max().copied().unwrap_or_default();
    let book = world.ledger.book();
    assert_eq!(book.broken, Vec::<String>::new());
    let once = book.effects.values().filter(|effects| effects.len() == 1).count();
    assert_eq!((book.effects.len(), once), (RUNS as usize, RUNS as usize), "each was done once");
    println!("{each:.1} requests for each run in an hour's outage; {peak} requests in the worst ten seconds after it");
}
