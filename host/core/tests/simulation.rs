//! Deterministic simulation: the real executor, intake, scheduler, hatch, journal and store, in virtual
//! time, over a network, a disk and people that a seed decides over. The invariants are checked from a
//! ledger that knows nothing of how they are kept.
//!
//! `SEED=123 cargo test -p jackfield-core --test simulation one_seed -- --nocapture` shows one seed.

mod simulation {
    pub(crate) mod check;
    pub(crate) mod dice;
    pub(crate) mod guest;
    pub(crate) mod host;
    pub(crate) mod ledger;
    pub(crate) mod net;
    pub(crate) mod people;
    pub(crate) mod server;
    pub(crate) mod sweep;
    mod threats;
    pub(crate) mod time;
    pub(crate) mod weather;
    pub(crate) mod world;
}

use std::time::Instant;

use simulation::sweep::{Seen, command, live, sweep, unarmed, variable};

/// Seeds of a short run and of a long one.
const SHORT: u64 = 200;
const LONG: u64 = 10_000;

#[test]
fn a_seed_is_one_trace() {
    let _unarmed = unarmed();
    for seed in [3, 7, 11] {
        let (one, other) = (live(seed, true), live(seed, true));
        let differs = one.lines.iter().zip(&other.lines).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((one.sum, one.lines.len()), (other.sum, other.lines.len()), "seed {seed}");
    }
}

#[test]
fn every_seed_keeps_the_promises() {
    let _unarmed = unarmed();
    let seeds = match variable("SEEDS").as_deref().and_then(|range| range.split_once("..")) {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None if variable("JACKFIELD_LONG").is_some() => 0..LONG,
        None => 0..SHORT,
    };
    let (count, started) = (seeds.end - seeds.start, Instant::now());
    let found = sweep(seeds, |_| true);
    let took = started.elapsed().as_secs_f64();
    let lived: f64 = found.iter().map(|seen| seen.lived.as_secs_f64()).sum();
    let runs: usize = found.iter().map(|seen| seen.runs).sum();
    println!(
        "{count} seeds, {:.0} h of virtual time, {runs} runs in {took:.0} s: {:.0} times as fast",
        lived / 3600.0,
        lived / took
    );
    let broken: Vec<&Seen> = found.iter().filter(|seen| !seen.broken.is_empty()).collect();
    for seen in broken.iter().take(10) {
        println!("seed {}: {}\n  {}", seen.seed, seen.broken.join("\n  "), command(seen.seed, None));
    }
    assert!(broken.is_empty(), "{} of {count} seeds break a promise", broken.len());
}

/// Shows the seed of the variable `SEED`, with the bug of `BUG` if there is one.
#[test]
fn one_seed() {
    let Some(seed) = variable("SEED") else { return };
    let bug = variable("BUG");
    let _armed = simulation::sweep::armed(bug.as_deref());
    let seen = live(seed.parse().unwrap(), true);
    seen.lines.iter().for_each(|line| println!("{line}"));
    assert!(seen.broken.is_empty(), "{}", seen.broken.join("\n"));
}

/// The bugs that an hour of simulation can show, and what shows that nothing else was found.
const FINDS: [(&str, &[&str]); 9] = [
    ("ack-before-commit", &["I1"]),
    ("no-intent", &["I3"]),
    ("result-before-send", &["I1", "I2", "I6"]),
    ("no-fencing", &["I2", "I3", "I4", "I6"]),
    ("cron-key-missing", &["I5"]),
    ("new-key-on-retry", &["I3"]),
    ("lost-wake-up", &["I10"]),
    ("no-argument-check", &["I6"]),
    ("not-pinned", &["P1"]),
];

/// The testers are tested: each bug is found within the seeds of a short run.
#[test]
fn every_seeded_bug_is_found() {
    let mut missed = Vec::new();
    for (bug, rules) in FINDS {
        let _armed = simulation::sweep::armed(Some(bug));
        let shows = |what: &&String| rules.iter().any(|rule| what.starts_with(&format!("{rule}:")));
        let found = sweep(0..SHORT, |seen| !seen.broken.iter().any(|what| shows(&what)));
        match found.iter().find_map(|seen| Some((seen.seed, seen.broken.iter().find(shows)?))) {
            None => missed.push(format!("{bug} was not found within {SHORT} seeds")),
            Some((seed, what)) => {
                println!("{bug}: found after {} seeds: {what}\n  {}", seed + 1, command(seed, Some(bug)))
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}
