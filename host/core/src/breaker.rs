//! The breaker of a connection: whether a call may leave now, and if not, when to come back.
//!
//! One for each connection of an environment, shared by all runs. A pure state machine: the time is
//! handed in. Not here: who waits and how ([`crate::pace`]), and what an answer means for the run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub mod settings;
#[cfg(test)]
mod tests;

pub use self::settings::Settings;

/// Held runs come back at least so far apart: the end of an outage starts no storm.
pub const GAP: Duration = Duration::from_millis(50);
/// The line of held runs is not longer than this: from there on places are given twice.
pub const LONGEST_LINE: Duration = Duration::from_secs(600);
/// A call that finds another one probing comes back after this.
pub const PROBE_AGAIN: Duration = Duration::from_millis(500);
/// A `retry-after` of the other side is believed up to this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How the other side is, as one call saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered as one that works, whatever it answered.
    Well,
    /// It was not reached, broke off, or answered that it is not well.
    Unwell,
    /// It works, and asked to be called less.
    Busy,
    /// The call said nothing about it.
    Unknown,
}

/// Leave for one call. To be given back with [`Breaker::report`], however the call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    probe: Option<u64>,
}

impl Pass {
    /// Whether this call is the one that looks whether the other side is back.
    #[must_use]
    pub const fn is_probe(self) -> bool {
        self.probe.is_some()
    }
}

/// Why a call may not leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// So many calls in a row found it not well.
    Open {
        /// How many.
        failures: u32,
    },
    /// Another call is looking whether it is back.
    Probing,
    /// It asked to be left alone for a while.
    Paused,
    /// The connection's rate is used up.
    Rate,
    /// As many calls as the connection allows are under way.
    Crowded,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open { failures } => write!(f, "{failures} calls in a row found it not well"),
            Self::Probing => f.write_str("one call is looking whether it is back"),
            Self::Paused => f.write_str("it asked not to be called for a while (retry-after)"),
            Self::Rate => f.write_str("its rate is used up (pace.rate)"),
            Self::Crowded => f.write_str("as many calls as it allows are under way (pace.concurrency)"),
        }
    }
}

/// What became of the wish to make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may leave, once `wait` has passed.
    Go {
        /// For the connection's rate.
        wait: Duration,
        /// To be given back.
        pass: Pass,
    },
    /// It may not. Nothing is owed.
    Hold {
        /// When to ask again.
        back_in: Duration,
        /// Why.
        why: Why,
    },
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Calls leave.
    Closed,
    /// The next call looks whether the other side is back; the others wait.
    HalfOpen,
    /// No call leaves.
    Open,
    /// No call leaves, because the other side asked for it.
    Paused,
}

impl Word {
    /// Its word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
            Self::Paused => "paused",
        }
    }
}

/// What can be seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Where it is.
    pub word: Word,
    /// When the next call may leave, if none may now.
    pub next_in: Option<Duration>,
    /// Calls in a row that found the other side not well.
    pub failures: u32,
    /// Calls that were held since the host started.
    pub held: u64,
    /// How often it opened since the host started.
    pub opened: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Duration },
    HalfOpen { probe: Option<u64> },
}

/// See the module. All times are of one monotonic clock.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: Settings,
    state: State,
    /// In a row, while it is closed; those that opened it, while it is not.
    failures: u32,
    /// How often it opened without having been well for a while in between.
    level: u32,
    /// Calls in a row that found the other side well.
    well: u32,
    paused_until: Duration,
    /// When the rate would be used up by what left so far: the theoretical arrival time of GCRA.
    spent_until: Duration,
    /// The next free place in the line of those that are held.
    place: Duration,
    probes: u64,
    held: u64,
    opened: u64,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Closed,
            failures: 0,
            level: 0,
            well: 0,
            paused_until: Duration::ZERO,
            spent_until: Duration::ZERO,
            place: Duration::ZERO,
            probes: 0,
            held: 0,
            opened: 0,
        }
    }

    /// Other settings from now on. What it knows of the other side stays, unless it was switched off.
    pub fn set(&mut self, settings: Settings) {
        if settings.failures == 0 {
            self.state = State::Closed;
            self.failures = 0;
        }
        self.settings = settings;
    }

    /// The connection leads elsewhere now, or is set up differently: nothing is known of the other side.
    /// What was counted stays.
    pub fn forget(&mut self, settings: Settings) {
        let Self { probes, held, opened, .. } = *self;
        *self = Self { probes, held, opened, ..Self::new(settings) };
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a call may leave; for the sake of the rate it can wait for as long as `patience`.
    pub fn ask(&mut self, now: Duration, patience: Duration) -> Answer {
        if let State::Open { until } = self.state
            && now >= until
        {
            self.state = State::HalfOpen { probe: None };
        }
        if now < self.paused_until {
            return self.hold(now, self.paused_until - now, Why::Paused);
        }
        match self.state {
            State::Open { until } => return self.hold(now, until - now, Why::Open { failures: self.failures }),
            State::HalfOpen { probe: Some(_) } => return self.hold(now, PROBE_AGAIN, Why::Probing),
            State::HalfOpen { probe: None } | State::Closed => {}
        }
        let wait = match self.settings.interval {
            None => Duration::ZERO,
            Some(interval) => {
                let spent = self.spent_until.max(now);
                let wait = spent.saturating_sub(interval * (self.settings.burst.max(1) - 1)).saturating_sub(now);
                if wait > patience {
                    return self.hold(now, wait, Why::Rate);
                }
                self.spent_until = spent + interval;
                wait
            }
        };
        let probe = matches!(self.state, State::HalfOpen { .. }).then(|| {
            self.probes += 1;
            self.probes
        });
        if probe.is_some() {
            self.state = State::HalfOpen { probe };
        }
        Answer::Go { wait, pass: Pass { probe } }
    }

    /// Sends a call away that found the connection crowded: it gets a place in the line like the others.
    pub fn crowded(&mut self, now: Duration) -> Answer {
        self.hold(now, GAP, Why::Crowded)
    }

    /// Gives a place in the line, not before `wait` has passed.
    fn hold(&mut self, now: Duration, wait: Duration, why: Why) -> Answer {
        let gap = self.settings.interval.unwrap_or(GAP).max(GAP);
        let earliest = now + wait.max(Duration::from_millis(1));
        if self.place > earliest + LONGEST_LINE {
            self.place = earliest;
        }
        let place = self.place.max(earliest);
        self.place = place + gap;
        self.held += 1;
        Answer::Hold { back_in: place - now, why }
    }

    /// How the call that had `pass` found the other side, and what that asked for.
    pub fn report(&mut self, now: Duration, pass: Pass, health: Health, retry_after: Option<Duration>) {
        if let Some(asked) = retry_after {
            self.paused_until = self.paused_until.max(now + asked.min(LONGEST_PAUSE));
        }
        let probes = match self.state {
            State::HalfOpen { probe } => probe.is_some() && probe == pass.probe,
            State::Closed | State::Open { .. } => false,
        };
        let health = match health {
            // It works; that it is called too often is dealt with by the pause it asked for.
            Health::Busy if retry_after.is_some() => Health::Well,
            Health::Busy => Health::Unwell,
            other => other,
        };
        match (health, self.state) {
            (Health::Well, State::Closed) => {
                self.failures = 0;
                self.grown_well();
            }
            (Health::Well, _) if probes => {
                self.state = State::Closed;
                self.failures = 0;
                self.well = 0;
                self.grown_well();
            }
            (Health::Unwell, State::Closed) if self.settings.failures > 0 => {
                self.failures += 1;
                self.well = 0;
                if self.failures >= self.settings.failures {
                    self.open(now);
                }
            }
            (Health::Unwell, _) if probes => self.open(now),
            (Health::Unknown, _) if probes => self.state = State::HalfOpen { probe: None },
            // A call that left before it opened says nothing new.
            _ => {}
        }
    }

    /// One more call found it well: after some in a row, an earlier outage is forgotten.
    fn grown_well(&mut self) {
        self.well = self.well.saturating_add(1);
        if self.well >= self.settings.failures {
            self.level = 0;
        }
    }

    fn open(&mut self, now: Duration) {
        let pause = self.settings.first.saturating_mul(1 << self.level.min(30)).min(self.settings.longest);
        self.level = self.level.saturating_add(1);
        self.well = 0;
        self.opened += 1;
        self.state = State::Open { until: now + pause };
    }

    /// Where it is.
    #[must_use]
    pub fn word(&self, now: Duration) -> Word {
        match self.state {
            _ if now < self.paused_until => Word::Paused,
            State::Open { until } if now < until => Word::Open,
            State::Open { .. } | State::HalfOpen { .. } => Word::HalfOpen,
            State::Closed => Word::Closed,
        }
    }

    /// What can be seen of it.
    #[must_use]
    pub fn view(&self, now: Duration) -> View {
        let word = self.word(now);
        let next = match (word, self.state) {
            (Word::Paused, State::Open { until }) => Some(until.max(self.paused_until)),
            (Word::Paused, _) => Some(self.paused_until),
            (Word::Open, State::Open { until }) => Some(until),
            _ => None,
        };
        View {
            word,
            next_in: next.map(|at| at.saturating_sub(now)),
            failures: self.failures,
            held: self.held,
            opened: self.opened,
        }
    }
}
