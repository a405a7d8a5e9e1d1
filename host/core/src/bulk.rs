//! Dead letters in bulk: what is to be done with each, and the host's own work through many of them.
//!
//! A job is on disk with its progress, so it survives whoever asked for it, and the host's end. Not here:
//! how a single dead letter is resumed, put away or started fresh (the store).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Rng};
use crate::ids::RunId;
use crate::intake::Releases;
use crate::release::Version;
use crate::run::RunSummary;
use crate::store::dead_letters::{Act, DeadFilter, Job, JobState, Onto, Step, Verb, VersionWish};
use crate::store::queue::Needs;
use crate::store::{Store, StoreError};

/// Runs a minute, if nobody says otherwise.
pub const USUAL_PER_MINUTE: u32 = 50 * 60;
/// And at most.
pub const MOST_PER_MINUTE: u32 = 1_000 * 60;
/// The shortest time between two steps.
const BEAT: Duration = Duration::from_millis(100);
/// It is looked for jobs at least so often.
const LOOK: Duration = Duration::from_secs(2);
/// The pause after a step that could not be taken.
const AGAIN: Duration = Duration::from_secs(5);
/// Jobs that are worked on at the same time.
const AT_ONCE: u32 = 100;

/// See the module.
pub struct Bulk {
    store: Arc<dyn Store>,
    releases: Arc<Releases>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    asked: Notify,
}

impl Bulk {
    /// Puts it together.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, releases: Arc<Releases>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Arc<Self> {
        Arc::new(Self { store, releases, clock, rng, asked: Notify::new() })
    }

    /// Stores a job, and begins it. One of the same request is answered as it is now.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn ask(&self, job: Job) -> Result<Job, StoreError> {
        let job = self.store.add_job(job).await?;
        self.asked.notify_one();
        Ok(job)
    }

    /// What is to be done with one dead letter; a sentence if nothing can be.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn plan(
        &self,
        run: &RunSummary,
        verb: Verb,
        wish: Option<VersionWish>,
    ) -> Result<Result<Act, String>, StoreError> {
        let target = &run.target;
        let version = match (verb, wish) {
            (Verb::Discard, _) => return Ok(Ok(Act::Discard)),
            (Verb::Resume, None) => return Ok(Ok(Act::Resume { onto: None })),
            (_, Some(VersionWish::Number(number))) => self.version(run, number).await?,
            (Verb::Resume, Some(VersionWish::Active)) | (Verb::Fresh, _) => {
                match self.releases.active(&target.scope()) {
                    Some(release) => Ok(release.version.clone()),
                    // A fresh one of an integration that is not active any more is what it was.
                    None if verb == Verb::Fresh && wish.is_none() => self.version(run, target.version).await?,
                    None => Err(format!("{} has no active version", target.scope())),
                }
            }
        };
        let version = match version {
            Ok(version) => version,
            Err(why) => return Ok(Err(why)),
        };
        let Some(component) = version.manifest.components.get(&target.component) else {
            let why =
                format!("version {} of {} has no component `{}`", version.number, target.integration, target.component);
            return Ok(Err(why));
        };
        let limits = &component.limits;
        let needs = Needs { memory_bytes: limits.memory_bytes, concurrency: limits.concurrency };
        let onto = Onto { version: version.number, needs };
        Ok(Ok(match verb {
            Verb::Fresh => {
                let trigger = version.manifest.triggers.iter().find(|trigger| trigger.name == target.trigger);
                let order = trigger.and_then(|trigger| trigger.order.clone());
                Act::Fresh { id: RunId::new(&*self.clock, &*self.rng), onto, order }
            }
            Verb::Resume | Verb::Discard => Act::Resume { onto: Some(onto) },
        }))
    }

    async fn version(&self, run: &RunSummary, number: u32) -> Result<Result<Version, String>, StoreError> {
        match self.store.version(&run.target.integration, number).await {
            Ok(version) => Ok(Ok(version)),
            Err(StoreError::Missing(_)) => Ok(Err(format!("{} has no version {number}", run.target.integration))),
            Err(other) => Err(other),
        }
    }

    /// Works through the jobs until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&self) {
        let mut next: HashMap<String, Duration> = HashMap::new();
        loop {
            let pause = match self.round(&mut next).await {
                Ok(pause) => pause,
                Err(problem) => {
                    tracing::warn!(%problem, "jobs could not be read; trying again");
                    AGAIN
                }
            };
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                () = self.asked.notified() => {}
            }
        }
    }

    /// A step of each job whose time has come; gives how long until the next.
    async fn round(&self, next: &mut HashMap<String, Duration>) -> Result<Duration, StoreError> {
        let jobs = self.store.jobs(true, AT_ONCE).await?;
        next.retain(|request, _| jobs.iter().any(|job| job.request == *request));
        for job in jobs {
            let now = self.clock.monotonic();
            if next.get(&job.request).is_some_and(|at| *at > now) {
                continue;
            }
            let (runs, pause) = pace(job.per_minute);
            let pause = match self.step(&job, runs).await {
                Ok(_) => pause,
                // Somebody stopped it meanwhile.
                Err(StoreError::Conflict(_) | StoreError::Missing(_)) => continue,
                Err(problem) => {
                    tracing::warn!(job = job.request, %problem, "a step of a job could not be taken; trying again");
                    AGAIN
                }
            };
            next.insert(job.request, now + pause);
        }
        let now = self.clock.monotonic();
        Ok(next.values().map(|at| at.saturating_sub(now)).min().unwrap_or(LOOK).min(LOOK))
    }

    /// Takes the next `runs` runs of a job.
    ///
    /// # Errors
    ///
    /// As the store; nothing of the step was done.
    pub async fn step(&self, job: &Job, runs: u32) -> Result<Job, StoreError> {
        // What died after the job was asked for is not its concern: else a run that fails at once again would
        // be taken for ever.
        let until = job.filter.until.map_or(job.asked, |until| until.min(job.asked));
        let filter = DeadFilter { until: Some(until), ..job.filter.clone() };
        let found = self.store.dead_letters(&filter, job.cursor, runs).await?;
        let mut step = Step {
            request: job.request.clone(),
            acts: vec![],
            skipped: vec![],
            cursor: found.last().map(|run| run.id),
        };
        for run in &found {
            match self.plan(run, job.verb, job.version).await? {
                Ok(act) => step.acts.push((run.id, act)),
                Err(why) => step.skipped.push((run.id, why)),
            }
        }
        let job = self.store.step_job(step).await?;
        if job.state == JobState::Done {
            tracing::info!(
                job = job.request,
                verb = job.verb.label(),
                done = job.done,
                skipped = job.skipped,
                "a job is through"
            );
        }
        Ok(job)
    }
}

/// How many runs in one step, and the time until the next, so that a rate is kept.
fn pace(per_minute: u32) -> (u32, Duration) {
    let per_minute = per_minute.clamp(1, MOST_PER_MINUTE);
    let each = Duration::from_secs(60) / per_minute;
    if each >= BEAT {
        return (1, each);
    }
    let runs = u32::try_from(BEAT.as_nanos() / each.as_nanos().max(1)).unwrap_or(u32::MAX).max(1);
    (runs, each * runs)
}

#[cfg(test)]
mod tests;
