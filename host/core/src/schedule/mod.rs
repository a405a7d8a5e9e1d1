//! A schedule: the instants at which a `cron` or `interval` trigger fires. Pure: no clock, no store.
//!
//! Read [`cron`] for the rule of daylight saving time and [`due`] for what follows when instants were
//! missed. Not here: who waits for the instants (see [`crate::scheduler`]), and what keeps each of
//! them to one run (see [`crate::store::schedules`]).

mod cron;
mod due;
mod fields;
mod zone;

pub use due::{Due, GRACE, due};
pub use zone::{local_time, zone_name};

use std::time::Duration;

use self::cron::Cron;
use crate::clock::Timestamp;
use crate::release::TriggerKind;

/// The shortest `every`.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// The longest `every`.
pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// Missed instants are counted as far back as this; of older ones nothing is said.
const COUNTED: Duration = Duration::from_secs(4_000 * 24 * 3600);

/// The instants of one trigger.
#[derive(Clone, Debug)]
pub struct Schedule(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Cron(Box<Cron>),
    /// In milliseconds. The instants are the multiples of it since 1970 UTC, not since some start:
    /// so a restart, a release or another node does not move them.
    Every(i64),
}

impl Schedule {
    /// A cron expression in a time zone.
    ///
    /// # Errors
    ///
    /// What is wrong with the expression, to be read behind it: ``has hour 25; hours are 0 to 23``.
    pub fn cron(expression: &str, timezone: &str) -> Result<Self, String> {
        let zone = zone::find(timezone).map_err(|why| format!("is in time zone `{timezone}`, which {why}"))?;
        Cron::new(expression, zone).map(|cron| Self(Kind::Cron(Box::new(cron))))
    }

    /// Every so often, from [`SHORTEST`] to [`LONGEST`], in whole milliseconds.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        let interval = interval.clamp(SHORTEST, LONGEST);
        Self(Kind::Every(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The schedule of a trigger; none if it is of another kind.
    ///
    /// # Errors
    ///
    /// The manifest was checked, so only what changed since: the zone is not in this host's time zone
    /// database any more.
    pub fn of(kind: &TriggerKind) -> Option<Result<Self, String>> {
        match kind {
            TriggerKind::Cron(cron) => Some(
                Self::cron(&cron.schedule, &cron.timezone).map_err(|why| format!("schedule `{}` {why}", cron.schedule)),
            ),
            TriggerKind::Interval(interval) => Some(Ok(Self::every(interval.every))),
            TriggerKind::Webhook(_) | TriggerKind::Event(_) | TriggerKind::Source(_) | TriggerKind::Manual => None,
        }
    }

    /// The name of its time zone; intervals are in UTC.
    #[must_use]
    pub fn zone(&self) -> &str {
        match &self.0 {
            Kind::Cron(cron) => cron.zone(),
            Kind::Every(_) => "UTC",
        }
    }

    /// The first instant after `after`; none if there is none any more.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::Cron(cron) => cron.next(second(after)).map(instant),
            Kind::Every(every) => {
                after.0.div_euclid(*every).checked_add(1).and_then(|n| n.checked_mul(*every)).map(Timestamp)
            }
        }
    }

    /// The next `most` instants after `after`.
    #[must_use]
    pub fn upcoming(&self, after: Timestamp, most: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next(after), |last| self.next(*last)).take(most).collect()
    }

    /// The last instant in (`after`, `until`].
    #[must_use]
    pub fn last(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::Cron(cron) => cron.last(second(after), second(until)).map(instant),
            Kind::Every(every) => {
                Some(Timestamp(until.0.div_euclid(*every) * every)).filter(|last| *last > after && *last <= until)
            }
        }
    }

    /// How many instants lie in (`after`, `until`]. Takes a step a day, not one an instant, and at most
    /// 4,000 of them: older instants are not counted.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let after = after.max(until.minus(COUNTED));
        if after >= until {
            return 0;
        }
        match &self.0 {
            Kind::Cron(cron) => cron.count(second(after), second(until)),
            Kind::Every(every) => u64::try_from(until.0.div_euclid(*every) - after.0.div_euclid(*every)).unwrap_or(0),
        }
    }
}

/// The second that a moment lies in. Instants of cron are whole seconds, so none lies between.
fn second(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000)
}

fn instant(second: i64) -> Timestamp {
    Timestamp(second.saturating_mul(1_000))
}

#[cfg(test)]
mod tests;
