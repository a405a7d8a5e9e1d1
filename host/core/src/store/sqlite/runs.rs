//! The durable queue as its trait has it: each method puts a command in line, or reads.

use async_trait::async_trait;

use super::decisions::Bulk;
use super::fault::Fault;
use super::packed::Packed;
use super::{SqliteStore, claims, decisions, heard, history, queue, why_stopped};
use crate::ids::{RunId, Scope, TriggerName};
use crate::run::{RunDetail, RunState, RunSummary};
use crate::store::queue::{
    Accepted, Claim, Decision, Depth, Ending, Fence, HeardRun, JournalEnd, NewRun, Retention, Room, RunFilter,
    RunQueue, SourceCursor,
};
use crate::store::{Reply, StoreError};

/// About how many bytes it takes to store these.
fn weight<'a>(batch: impl IntoIterator<Item = &'a Packed>) -> usize {
    let bytes: u64 = batch.into_iter().map(|packed| packed.bytes + 256).sum();
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The answer to a command that never came to the writer.
fn refused<T: Send + 'static>(fault: Fault) -> Reply<T> {
    Box::pin(std::future::ready(Err(fault.into_answer())))
}

#[async_trait]
impl RunQueue for SqliteStore {
    fn accept(&self, batch: Vec<NewRun>) -> Reply<Vec<Accepted>> {
        let packed: Result<Vec<Packed>, Fault> = batch.into_iter().map(Packed::of).collect();
        match packed {
            Ok(batch) => self.command(weight(&batch), move |ledger| queue::accept(ledger, &batch)),
            Err(fault) => refused(fault),
        }
    }

    fn accept_heard(&self, batch: Vec<HeardRun>, cursor: Option<SourceCursor>) -> Reply<Vec<Accepted>> {
        let packed: Result<Vec<_>, Fault> =
            batch.into_iter().map(|HeardRun { run, unfit }| Ok((Packed::of(run)?, unfit))).collect();
        match packed {
            Ok(batch) => {
                let weight = weight(batch.iter().map(|(run, _)| run));
                self.command(weight, move |ledger| heard::accept(ledger, &batch, cursor.as_ref()))
            }
            Err(fault) => refused(fault),
        }
    }

    async fn source_cursor(&self, scope: &Scope, trigger: &TriggerName) -> Result<Option<String>, StoreError> {
        heard::cursor(self, scope, trigger).await
    }

    fn claim(&self, room: Room) -> Reply<Vec<Claim>> {
        let receiver = self.0.line.claim(room);
        let health = self.0.health.clone();
        Box::pin(async move {
            match receiver.await {
                Ok(answer) => answer.map(claims::Handed::take),
                Err(_) => Err(why_stopped(&health)),
            }
        })
    }

    fn settle(&self, fence: Fence, ending: Ending) -> Reply<RunState> {
        let chunk = match &ending.journal {
            JournalEnd::Keep(chunk) => chunk.as_ref(),
            JournalEnd::Cut(cut) => cut.then.as_ref(),
        };
        let weight = ending.output.as_ref().map_or(0, |output| output.data.len())
            + chunk.map_or(0, |chunk| chunk.bytes.len())
            + 256;
        self.command(weight, move |ledger| queue::settle(ledger, fence, &ending))
    }

    fn cancel(&self, run: RunId) -> Reply<RunState> {
        self.freeing(move |ledger| decisions::cancel(ledger, run))
    }

    fn decide_as(&self, run: RunId, decision: Decision, who: String) -> Reply<RunState> {
        self.command(0, move |ledger| decisions::decide(ledger, run, &decision, &who))
    }

    fn resume(&self, request: String, runs: Vec<RunId>) -> Reply<u64> {
        self.command(0, move |ledger| decisions::bulk(ledger, Bulk::Resume, &request, &runs))
    }

    fn discard(&self, request: String, runs: Vec<RunId>) -> Reply<u64> {
        self.freeing(move |ledger| decisions::bulk(ledger, Bulk::Discard, &request, &runs))
    }

    async fn run(&self, run: RunId) -> Result<RunDetail, StoreError> {
        self.list(move |conn| history::detail(conn, run)).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunSummary>, StoreError> {
        self.list(move |conn| history::list(conn, &filter)).await
    }

    async fn runs_starting_with(&self, prefix: &str, limit: u32) -> Result<Vec<RunId>, StoreError> {
        let prefix = prefix.to_owned();
        self.list(move |conn| history::starting_with(conn, &prefix, limit)).await
    }

    async fn depths(&self) -> Result<Vec<Depth>, StoreError> {
        self.command(0, |ledger| Ok(history::depths(ledger))).await
    }

    async fn retain(&self, retention: Retention) -> Result<u64, StoreError> {
        let environments = self.command(0, |ledger| Ok(ledger.environments())).await?;
        let mut gone = 0;
        for environment in environments {
            loop {
                let step = self.freeing(move |ledger| history::retain_some(ledger, environment, retention)).await?;
                gone += step;
                if step == 0 {
                    break;
                }
            }
        }
        while self.freeing(super::upkeep::forget_some).await? > 0 {}
        let mut free = u64::MAX;
        loop {
            let left = self.freeing(|ledger| super::upkeep::shrink(&ledger.conn, 1_000)).await?;
            if left == 0 || left >= free {
                return Ok(gone);
            }
            free = left;
        }
    }

    fn wake(&self) {
        self.0.line.wake();
    }
}
