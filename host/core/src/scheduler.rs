//! The scheduler: waits for the instants of schedules and has each become its run.
//!
//! What it decides by is pure (see [`crate::schedule`]); what keeps an instant to one run is the store
//! (see [`crate::store::schedules`]), so that any number of schedulers may work over one store, be
//! killed at any moment, and have their clocks set. Not here: what an event's run does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Timestamp};
use crate::event::Event;
use crate::gauntlet::{Bug, bug, crash_point};
use crate::ids::{Scope, TriggerName};
use crate::intake::{Intake, Releases};
use crate::metrics::{Metrics, TriggerResult};
use crate::release::{Misfire, Overlap, Trigger, TriggerKind};
use crate::schedule::{Due, Schedule, due};
use crate::store::registry::Release;
use crate::store::schedules::{Cursor, Skip, Tick, Ticked};
use crate::store::{Store, StoreError};

/// The wall clock is looked at at least this often: it may have been set. It is also how soon a tick
/// that waits for an earlier run sees its end.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// See the module.
pub struct Scheduler {
    store: Arc<dyn Store>,
    releases: Arc<Releases>,
    intake: Arc<Intake>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    lines: Vec<Line>,
    /// What of the releases the lines were made of.
    seen: Option<u64>,
}

/// One trigger that is active.
struct Line {
    release: Arc<Release>,
    scope: Scope,
    trigger: Trigger,
    schedule: Schedule,
    misfire: Misfire,
    overlap: Overlap,
    cursor: Cursor,
    next: Option<Timestamp>,
    /// The store could not be written when it was last tried.
    failing: bool,
}

impl Line {
    fn moved(&mut self, cursor: Cursor) {
        self.next = self.schedule.next(cursor.at);
        self.cursor = cursor;
        self.failing = false;
    }
}

impl Scheduler {
    /// Puts it together.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        releases: Arc<Releases>,
        intake: Arc<Intake>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, releases, intake, metrics, clock, lines: Vec::new(), seen: None }
    }

    /// Works until told to stop.
    ///
    /// # Errors
    ///
    /// `Stopped`: the store has, and the host must end. Anything else is tried again.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StoreError> {
        let mut changed = self.releases.changes();
        let mut failing = false;
        loop {
            changed.mark_unchanged();
            match self.pass().await {
                Ok(()) => failing = false,
                Err(StoreError::Stopped(why)) => return Err(StoreError::Stopped(why)),
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "the schedules could not be read; they are read again each second");
                    }
                    failing = true;
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = changed.changed() => {}
                () = self.clock.sleep(self.pause()) => {}
            }
        }
    }

    /// How long nothing is due.
    fn pause(&self) -> Duration {
        let now = self.clock.now();
        let next = self.lines.iter().filter_map(|line| line.next).filter(|next| *next > now).min();
        next.map_or(LONGEST_SLEEP, |next| next.since(now).min(LONGEST_SLEEP))
    }

    /// Deals with everything that is due now.
    ///
    /// # Errors
    ///
    /// As the store: what was not dealt with still is due.
    pub async fn pass(&mut self) -> Result<(), StoreError> {
        let version = self.releases.version();
        if self.seen != Some(version) {
            self.load().await?;
            self.seen = Some(version);
        }
        let now = self.clock.now();
        let mut done = vec![false; self.lines.len()];
        loop {
            // All in line before any is waited for: they become durable together.
            let mut asked = Vec::new();
            for (place, line) in self.lines.iter().enumerate() {
                if done[place] || line.next.is_none_or(|next| next > now) {
                    continue;
                }
                let Some(due) = due(&line.schedule, line.misfire, line.cursor.at, now) else { continue };
                let Some(tick) = self.tick(line, due) else { continue };
                let (late, reply) = (tick.late, self.store.tick(tick));
                asked.push(async move { (place, late, reply.await) });
            }
            if asked.is_empty() {
                return Ok(());
            }
            let answers = join_all(asked).await;
            crash_point("tick-after-commit");
            for (place, late, answer) in answers {
                match answer {
                    Ok((ticked, cursor)) => done[place] = self.ticked(place, late, ticked, cursor),
                    Err(StoreError::Stopped(why)) => return Err(StoreError::Stopped(why)),
                    Err(error) => {
                        let line = &mut self.lines[place];
                        if !line.failing {
                            tracing::warn!(%error, scope = %line.scope, trigger = %line.trigger.name,
                                "a schedule's run could not be stored; it is tried again");
                        }
                        line.failing = true;
                        done[place] = true;
                    }
                }
            }
        }
    }

    /// Takes in what became of a tick; whether that is all for now.
    fn ticked(&mut self, place: usize, late: Option<(u64, Timestamp)>, ticked: Ticked, cursor: Option<Cursor>) -> bool {
        let line = &mut self.lines[place];
        let (scope, kind) = (&line.scope, line.trigger.kind.label());
        let count_late = || {
            if let Some((count, _)) = late {
                self.metrics.skipped(scope, Skip::Late, count);
            }
        };
        match ticked {
            Ticked::Fired(_) => {
                count_late();
                self.metrics.trigger(scope, kind, TriggerResult::Accepted);
            }
            Ticked::Skipped(why) => {
                count_late();
                if why != Skip::Late {
                    self.metrics.skipped(scope, why, 1);
                }
            }
            Ticked::Waits | Ticked::Stale => {}
        }
        match cursor {
            Some(cursor) if ticked != Ticked::Waits && cursor.timing == line.cursor.timing => line.moved(cursor),
            Some(_) if ticked == Ticked::Waits => return true,
            // Another release is active: its lines are made in the next pass.
            _ => {
                self.seen = None;
                return true;
            }
        }
        false
    }

    /// Makes the lines of what is active. A cursor is there since the release that brought its trigger.
    async fn load(&mut self) -> Result<(), StoreError> {
        let mut cursors: HashMap<(Scope, TriggerName), Cursor> =
            self.store.cursors().await?.into_iter().map(|c| ((c.scope.clone(), c.trigger.clone()), c)).collect();
        self.lines.clear();
        for release in self.releases.all() {
            let manifest = &release.version.manifest;
            let scope = Scope { environment: release.environment.clone(), integration: manifest.name.clone() };
            for trigger in &manifest.triggers {
                let (Some(schedule), Some((misfire, overlap))) = (Schedule::of(&trigger.kind), trigger.kind.policy())
                else {
                    continue;
                };
                let schedule = match schedule {
                    Ok(schedule) => schedule,
                    Err(why) => {
                        tracing::error!(%scope, trigger = %trigger.name, "a schedule does not fire: {why}");
                        continue;
                    }
                };
                let cursor = cursors.remove(&(scope.clone(), trigger.name.clone()));
                // Of another timing: a newer release is stored, and is about to be active here.
                let Some(cursor) = cursor.filter(|cursor| Some(&cursor.timing) == trigger.kind.timing().as_ref())
                else {
                    continue;
                };
                let next = schedule.next(cursor.at);
                self.lines.push(Line {
                    release: release.clone(),
                    scope: scope.clone(),
                    trigger: trigger.clone(),
                    schedule,
                    misfire,
                    overlap,
                    cursor,
                    next,
                    failing: false,
                });
            }
        }
        Ok(())
    }

    fn tick(&self, line: &Line, due: Due) -> Option<Tick> {
        let late = due.late.map_or(0, |(count, _)| count);
        let run = if due.run {
            let Line { scope, trigger, schedule, cursor, .. } = line;
            let previous = cursor.fired.map(|(at, _)| at);
            let missed = cursor.passed.saturating_add(late);
            let mut event = event(scope, trigger, schedule.zone(), due.to, previous, missed);
            event.id = due.to.to_string();
            let dedupe = !bug(Bug::CronKeyMissing);
            Some(self.intake.new_run(
                scope,
                &line.release,
                &trigger.component,
                &trigger.name,
                Arc::new(event),
                dedupe,
            )?)
        } else {
            None
        };
        Some(Tick {
            scope: line.scope.clone(),
            trigger: line.trigger.name.clone(),
            timing: line.cursor.timing.clone(),
            from: line.cursor.at,
            to: due.to,
            run,
            late: due.late,
            overlap: line.overlap,
        })
    }
}

/// The event of an instant, but for its id. `missed` instants since `previous` have no run of their own.
pub(crate) fn event(
    scope: &Scope,
    trigger: &Trigger,
    zone: &str,
    scheduled: Timestamp,
    previous: Option<Timestamp>,
    missed: u64,
) -> Event {
    let data = json!({
        "scheduled": scheduled.to_string(),
        "zone": zone,
        "previous": previous.map(|previous| previous.to_string()),
        "missed": missed,
    });
    let event_type = match &trigger.kind {
        TriggerKind::Interval(_) => "jackfield.interval",
        _ => "jackfield.cron",
    };
    Event {
        id: String::new(),
        source: format!("/schedules/{}/{}", scope.integration, trigger.name),
        event_type: event_type.into(),
        subject: None,
        time: Some(scheduled.to_string()),
        content_type: Some("application/json".into()),
        schema: None,
        extensions: Vec::new(),
        meta: Vec::new(),
        data: data.to_string().into_bytes().into(),
    }
}

#[cfg(test)]
mod tests;
