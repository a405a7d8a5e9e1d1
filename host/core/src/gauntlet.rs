//! What the gauntlet asks of a host: bugs that can be seeded, to test the testers, and points at which it dies.
//!
//! In development builds only. In a release build [`bug`] is never true and [`crash_point`] does nothing: both compile
//! to nothing at all.

#[cfg(debug_assertions)]
pub use self::armed::{arm_bug, arm_crash_point};

/// A bug that the simulation or the gauntlet must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// An event is acknowledged before its run is on disk.
    AckBeforeCommit,
    /// A call is sent without its intent.
    NoIntent,
    /// A call's result is recorded before the call is made.
    ResultBeforeSend,
    /// A superseded owner's writes are taken.
    NoFencing,
    /// The store syncs as SQLite's `NORMAL` does.
    SyncNormal,
    /// The same instant of a schedule may become two runs.
    CronKeyMissing,
    /// A call that is made again carries another key.
    NewKeyOnRetry,
    /// What became due is not looked at.
    LostWakeUp,
    /// A repeated attempt may ask for something else than the recorded one.
    NoArgumentCheck,
    /// A retried run may go on with another artifact.
    NotPinned,
    /// A message is acknowledged to its broker before its run is on disk.
    CommitFirst,
}

impl Bug {
    /// Every one, with the name it is armed by.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::AckBeforeCommit, "ack-before-commit"),
        (Self::NoIntent, "no-intent"),
        (Self::ResultBeforeSend, "result-before-send"),
        (Self::NoFencing, "no-fencing"),
        (Self::SyncNormal, "sync-normal"),
        (Self::CronKeyMissing, "cron-key-missing"),
        (Self::NewKeyOnRetry, "new-key-on-retry"),
        (Self::LostWakeUp, "lost-wake-up"),
        (Self::NoArgumentCheck, "no-argument-check"),
        (Self::NotPinned, "not-pinned"),
        (Self::CommitFirst, "commit-first"),
    ];
}

/// Whether this bug is seeded.
#[cfg(not(debug_assertions))]
#[must_use]
pub const fn bug(_: Bug) -> bool {
    false
}

/// A point at which the process may be told to die.
#[cfg(not(debug_assertions))]
pub const fn crash_point(_: &'static str) {}

#[cfg(debug_assertions)]
pub use self::armed::{bug, crash_point};

#[cfg(debug_assertions)]
mod armed {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    /// The seeded bug: 1 + its place in [`Bug::ALL`].
    static BUG: AtomicU8 = AtomicU8::new(0);
    /// Whether any point is armed: the one look that a passage costs.
    static ARMED: AtomicU8 = AtomicU8::new(0);
    /// The point, and how many passages are left.
    static POINT: Mutex<Option<(String, u32)>> = Mutex::new(None);

    /// Seeds the bug of this name, for the whole process; `None` takes it out again.
    ///
    /// # Errors
    ///
    /// The names there are.
    pub fn arm_bug(name: Option<&str>) -> Result<(), String> {
        let place = match name {
            None => 0,
            Some(name) => {
                let place = Bug::ALL.iter().position(|(_, known)| *known == name);
                1 + place.ok_or_else(|| {
                    format!("no bug is called {name}: {}", Bug::ALL.map(|(_, known)| known).join(", "))
                })?
            }
        };
        BUG.store(u8::try_from(place).expect("there are few"), Ordering::SeqCst);
        Ok(())
    }

    /// Whether this bug is seeded.
    #[must_use]
    pub fn bug(bug: Bug) -> bool {
        match BUG.load(Ordering::Relaxed) {
            0 => false,
            place => Bug::ALL[usize::from(place) - 1].0 == bug,
        }
    }

    /// Kills the process at the `passage`-th time (from 1) that it comes to the point of this name.
    pub fn arm_crash_point(name: &str, passage: u32) {
        *POINT.lock().expect("nothing panics while it is held") = Some((name.to_owned(), passage));
        ARMED.store(1, Ordering::SeqCst);
    }

    /// A point at which the process may be told to die, as if by `kill -9`.
    pub fn crash_point(name: &'static str) {
        if ARMED.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut point = POINT.lock().expect("nothing panics while it is held");
        if let Some((armed, left)) = &mut *point
            && armed == name
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                let _never_fails =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                std::thread::park();
            }
        }
    }
}
