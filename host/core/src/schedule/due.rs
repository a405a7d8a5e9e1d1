//! What is to be done about the instants that have come: one run each, or what the misfire policy says.
//!
//! An instant is *late* when the host gets to it more than [`GRACE`] after it: the host was down, the
//! clock was set forward, an earlier run took that long. If the earliest one that is due is late, the
//! policy decides over all that are due:
//!
//! - `skip`: the late ones are skipped; what is not late is run.
//! - `once`: one run, for the latest; its event says how many others it stands for.
//! - `{ all = n }`: a run for each of the latest n.

use std::time::Duration;

use super::Schedule;
use crate::clock::Timestamp;
use crate::release::Misfire;

/// How long after its instant a run is still on time.
pub const GRACE: Duration = Duration::from_secs(60);

/// The next step: the instants up to `to` are dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The last instant that is dealt with.
    pub to: Timestamp,
    /// Whether it becomes a run.
    pub run: bool,
    /// How many are passed over for being late, and the last of them; it is `to` if that becomes no run.
    pub late: Option<(u64, Timestamp)>,
}

/// What follows at `now`, when all up to `cursor` is dealt with; none if nothing is due. One run at a
/// time: asked again with the cursor at [`Due::to`], it gives the next.
#[must_use]
pub fn due(schedule: &Schedule, misfire: Misfire, cursor: Timestamp, now: Timestamp) -> Option<Due> {
    let first = schedule.next(cursor).filter(|first| *first <= now)?;
    let on_time = now.minus(GRACE);
    let each = Due { to: first, run: true, late: None };
    let before = |to: Timestamp, count: u64| match count {
        0 => None,
        count => schedule.last(cursor, Timestamp(to.0 - 1)).map(|last| (count, last)),
    };
    if first >= on_time {
        return Some(each);
    }
    match misfire {
        Misfire::Skip => {
            let late = Timestamp(on_time.0 - 1);
            let to = schedule.last(cursor, late)?;
            Some(Due { to, run: false, late: Some((schedule.count(cursor, to), to)) })
        }
        Misfire::Once => {
            let to = schedule.last(cursor, now)?;
            Some(Due { to, run: true, late: before(to, schedule.count(cursor, to).saturating_sub(1)) })
        }
        Misfire::All(most) => {
            let all = schedule.count(cursor, now);
            let most = u64::from(most.max(1));
            if all <= most {
                return Some(each);
            }
            // From the end, since most of them are passed over.
            let mut to = schedule.last(cursor, now)?;
            for _ in 1..most {
                to = schedule.last(cursor, Timestamp(to.0 - 1))?;
            }
            Some(Due { to, run: true, late: before(to, all - most) })
        }
    }
}
