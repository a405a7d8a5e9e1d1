//! The verdict: which invariants held over how much, which did not, and the figures.

use std::fmt;

use serde::Serialize;

/// Violations of one invariant that are told; further ones are counted.
const TOLD: usize = 8;

/// What became of one invariant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `I1` to `I10`.
    pub invariant: &'static str,
    /// What it says.
    pub says: &'static str,
    /// How often it was looked at.
    pub checked: u64,
    /// How often it was broken.
    pub broken: u64,
    /// The first of these.
    pub told: Vec<String>,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Deaths of the host.
    pub deaths: u64,
    /// Events acknowledged.
    pub accepted: u64,
    /// Runs, those of schedules included.
    pub runs: u64,
    /// Attempts.
    pub attempts: u64,
    /// Different effects that arrived outside.
    pub effects: u64,
    /// Arrivals of an effect that had arrived before, with the same key.
    pub repeated_keyed: u64,
    /// Runs that were parked for a call in doubt.
    pub in_doubt: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Start-ups after a death.
    pub starts: u64,
    /// The median start-up, in milliseconds.
    pub start_median_ms: u64,
    /// Of a hundred start-ups, the slowest but one.
    pub start_p99_ms: u64,
    /// The slowest.
    pub start_longest_ms: u64,
    /// From the calm to an empty queue.
    pub drained_ms: Option<u64>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Each invariant.
    pub findings: Vec<Finding>,
    /// What was counted.
    pub figures: Figures,
    /// What else a mode has to tell.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether all held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.broken == 0)
    }

    /// The invariants that were broken.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        self.findings.iter().filter(|finding| finding.broken > 0).map(|finding| finding.invariant).collect()
    }

    pub(super) fn add(&mut self, invariant: &'static str, says: &'static str) -> &mut Finding {
        self.findings.push(Finding { invariant, says, ..Finding::default() });
        self.findings.last_mut().expect("one was just added")
    }
}

impl Finding {
    /// Notes a look, and what it found if it found something.
    pub(super) fn look(&mut self, fine: bool, tell: impl FnOnce() -> String) {
        self.checked += 1;
        if !fine {
            self.broken += 1;
            if self.told.len() < TOLD {
                self.told.push(tell());
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { deaths, accepted, runs, attempts, effects, repeated_keyed, in_doubt, dead_letters, .. } =
            self.figures;
        writeln!(f, "{deaths} deaths, {accepted} events acknowledged, {runs} runs in {attempts} attempts")?;
        writeln!(
            f,
            "{effects} effects outside; {repeated_keyed} keyed ones arrived again, {in_doubt} unkeyed ones in doubt, \
             {dead_letters} dead letters"
        )?;
        let Figures { starts, start_median_ms, start_p99_ms, start_longest_ms, drained_ms, .. } = self.figures;
        writeln!(
            f,
            "{starts} start-ups after a death: median {start_median_ms} ms, p99 {start_p99_ms} ms, longest \
             {start_longest_ms} ms"
        )?;
        match drained_ms {
            Some(ms) => writeln!(f, "the queue was empty {ms} ms after the storm")?,
            None => writeln!(f, "the queue did not empty after the storm")?,
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        for Finding { invariant, says, checked, broken, told } in &self.findings {
            let word = if *broken == 0 { "held" } else { "BROKEN" };
            writeln!(f, "{invariant:<4} {word:<7} {checked:>7} looks  {says}")?;
            for line in told {
                writeln!(f, "       {line}")?;
            }
            let more = *broken as usize - told.len().min(*broken as usize);
            if more > 0 {
                writeln!(f, "       … and {more} more")?;
            }
        }
        Ok(())
    }
}
