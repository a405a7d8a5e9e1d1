//! Many seeds on all cores, and the switch of the seeded bugs, which are the whole process's.

use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use jackfield_core::gauntlet;
use jackfield_core::lock::locked;

use crate::simulation::world::World;

/// What was seen of a seed.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) seed: u64,
    pub(crate) broken: Vec<String>,
    pub(crate) lived: Duration,
    pub(crate) runs: usize,
    pub(crate) sum: u64,
    pub(crate) lines: Vec<String>,
}

impl Seen {
    fn panicked(seed: u64) -> Self {
        let broken = vec!["the world came to a sudden end: see its panic".into()];
        Self { seed, broken, lived: Duration::ZERO, runs: 0, sum: 0, lines: vec![] }
    }
}

/// Lives a seed through.
pub(crate) fn live(seed: u64, keep: bool) -> Seen {
    let mut world = World::of(seed, keep);
    world.live();
    world.check();
    let (sum, lines) = world.ledger.trace();
    let broken = world.ledger.book().broken.clone();
    Seen { seed, broken, lived: world.now(), runs: world.clients.len(), sum, lines }
}

/// Lives seeds through while `go_on`; gives them in order.
pub(crate) fn sweep(seeds: Range<u64>, go_on: impl Fn(&Seen) -> bool + Sync) -> Vec<Seen> {
    let next = AtomicU64::new(seeds.start);
    let (over, found) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let seen = catch_unwind(|| live(seed, false)).unwrap_or_else(|_| Seen::panicked(seed));
                    if !go_on(&seen) {
                        over.store(true, Ordering::SeqCst);
                    }
                    locked(&found).push(seen);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|seen| seen.seed);
    found
}

/// The one command that shows a seed.
pub(crate) fn command(seed: u64, bug: Option<&str>) -> String {
    let bug = bug.map(|bug| format!("BUG={bug} ")).unwrap_or_default();
    format!("{bug}SEED={seed} cargo test -p jackfield-core --test simulation one_seed -- --nocapture")
}

/// A variable of the test's own environment, if it is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a person who looks at a seed names it so")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

static BUGS: RwLock<()> = RwLock::new(());

/// No bug is armed while this is held.
pub(crate) fn unarmed() -> RwLockReadGuard<'static, ()> {
    BUGS.read().unwrap_or_else(PoisonError::into_inner)
}

/// A bug is armed while this is held, and nothing else goes on.
pub(crate) struct Armed(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>);

pub(crate) fn armed(bug: Option<&str>) -> Armed {
    let guard = BUGS.write().unwrap_or_else(PoisonError::into_inner);
    gauntlet::arm_bug(bug).expect("it is one of the bugs there are");
    Armed(guard)
}

impl Drop for Armed {
    fn drop(&mut self) {
        gauntlet::arm_bug(None).expect("none is always there");
    }
}
