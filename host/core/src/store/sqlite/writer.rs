//! The writer: one thread that owns the connection that writes.
//!
//! It takes the commands that wait, carries them out in one transaction, each in a savepoint of its
//! own, hands due runs to parked claims, commits, and answers. It never lingers: while one commit
//! waits for the disk the next batch gathers by itself.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::claims::{self, Handed};
use super::fault::{Fault, Reach};
use super::ledger::Ledger;
use super::reserve::Reserve;
use super::upkeep;
use crate::gauntlet::{Bug, bug, crash_point};
use crate::store::StoreError;
use crate::store::queue::{Claim, Fence, Room};

/// Commands of one transaction, at most.
const BATCH: usize = 512;
/// Their bytes, about.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// The wall clock is looked at at least this often while somebody waits for a run.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// What is too old is forgotten at least so far apart.
const UPKEEP: Duration = Duration::from_secs(1);
/// Frames in the log before its pages are carried over into the database.
const CHECKPOINT_FRAMES: u64 = 2_000;

/// Whether the writer still works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It does.
    Working,
    /// It was closed.
    Closed,
    /// It stopped by itself: the host must end.
    Failed(String),
}

/// What the writer counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) wal_frames: AtomicU64,
}

/// A command with its answer's way back.
trait Work: Send {
    fn run(&mut self, ledger: &mut Ledger) -> Result<(), Fault>;
    fn refuse(&mut self, why: StoreError);
    fn answer(&mut self);
}

struct Job<T, F> {
    act: F,
    answer: Option<Result<T, StoreError>>,
    reply: Option<oneshot::Sender<Result<T, StoreError>>>,
}

impl<T, F> Work for Job<T, F>
where
    T: Send,
    F: FnMut(&mut Ledger) -> Result<T, Fault> + Send,
{
    fn run(&mut self, ledger: &mut Ledger) -> Result<(), Fault> {
        let value = (self.act)(ledger)?;
        self.answer = Some(Ok(value));
        Ok(())
    }

    fn refuse(&mut self, why: StoreError) {
        self.answer = Some(Err(why));
    }

    fn answer(&mut self) {
        if let Some((answer, reply)) = self.answer.take().zip(self.reply.take()) {
            // Nobody waits any more: the command is carried out all the same.
            let _ = reply.send(answer);
        }
    }
}

pub(super) struct Order {
    work: Box<dyn Work>,
    weight: usize,
    /// It frees space: worth the reserve when the disk is full.
    frees: bool,
}

pub(super) enum Command {
    Order(Order),
    Claim(Parked),
    GiveBack(Vec<Fence>),
    Wake,
    Close(oneshot::Sender<()>),
}

pub(super) struct Parked {
    room: Room,
    reply: ClaimReply,
}

pub(super) type ClaimReply = oneshot::Sender<Result<Handed, StoreError>>;

/// The line before the writer: a command has its place as soon as it is submitted.
pub(super) struct Line {
    sender: Sender<Command>,
    /// Rung when something is put in line, where no thread waits at its end.
    pub(super) bell: Option<Bell>,
}

/// See [`Line`].
pub(super) type Bell = Box<dyn Fn() + Send + Sync>;

impl Line {
    /// A line and its other end.
    pub(super) fn new(bell: Option<Bell>) -> (Arc<Self>, Inbox) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let line = Arc::new(Self { sender, bell });
        let inbox = Inbox { receiver, line: Arc::downgrade(&line) };
        (line, inbox)
    }

    /// Puts a command in line. The receiver fails if the writer has stopped.
    pub(super) fn submit<T, F>(&self, weight: usize, frees: bool, act: F) -> oneshot::Receiver<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnMut(&mut Ledger) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let work = Box::new(Job { act, answer: None, reply: Some(reply) });
        self.send(Command::Order(Order { work, weight, frees }));
        receiver
    }

    /// Puts a claim in line.
    pub(super) fn claim(&self, room: Room) -> oneshot::Receiver<Result<Handed, StoreError>> {
        let (reply, receiver) = oneshot::channel();
        self.send(Command::Claim(Parked { room, reply }));
        receiver
    }

    /// Puts claims in line that their claimer went away from: they are given back, if not in the next
    /// transaction then in a later one.
    pub(super) fn give_back(&self, fences: Vec<Fence>) {
        self.send(Command::GiveBack(fences));
    }

    /// Has the writer look at the clock.
    pub(super) fn wake(&self) {
        self.send(Command::Wake);
    }

    /// Has the writer finish.
    pub(super) fn close(&self) -> oneshot::Receiver<()> {
        let (reply, receiver) = oneshot::channel();
        self.send(Command::Close(reply));
        receiver
    }

    fn send(&self, command: Command) {
        // If the writer is gone, the reply is dropped with the command, and its receiver says so.
        let _ = self.sender.send(command);
        if let Some(bell) = &self.bell {
            bell();
        }
    }
}

/// The writer's end of the line.
pub(super) struct Inbox {
    pub(super) receiver: Receiver<Command>,
    line: Weak<Line>,
}

/// See the module.
pub(super) struct Writer {
    pub(super) ledger: Ledger,
    pub(super) inbox: Inbox,
    pub(super) reserve: Reserve,
    pub(super) health: watch::Sender<Health>,
    pub(super) counters: Arc<Counters>,
    /// Held while the connection is open.
    pub(super) lock: Option<File>,
    pub(super) parked: VecDeque<ParkedClaim>,
    /// Claims to be given back.
    pub(super) returned: Vec<Fence>,
    /// On the monotonic clock.
    pub(super) upkeep_at: Option<Duration>,
    /// Frames that were in the log when its pages were last carried over.
    pub(super) carried: u64,
}

/// A claim that waits for a run.
pub(super) struct ParkedClaim(Parked);

/// Why a whole transaction came to nothing.
pub(super) enum Lost {
    Full,
    Unavailable(String),
    Stop(String),
}

impl Writer {
    /// Works until the line is closed or the disk fails.
    pub(super) fn run(mut self) {
        struct Guard(watch::Sender<Health>);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.send_if_modified(|health| {
                    let working = *health == Health::Working;
                    if working {
                        *health = Health::Failed("the writer of the store panicked".into());
                    }
                    working
                });
            }
        }
        // A panic here must end the host, not leave it without a store.
        let guard = Guard(self.health.clone());
        let (health, closed) = match self.work() {
            Ok(reply) => (Health::Closed, reply),
            Err(problem) => {
                tracing::error!(problem, "the store has stopped");
                (Health::Failed(problem), None)
            }
        };
        let healthy = health == Health::Closed;
        self.health.send_replace(health);
        let Self { ledger, lock, inbox, .. } = self;
        if healthy && let Err(error) = upkeep::close(&ledger.conn) {
            tracing::warn!(%error, "the log could not be carried over at the end; the next start does it");
        }
        drop(ledger);
        drop(lock);
        // Whoever is still in line is told that the store has stopped.
        drop(inbox);
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
        drop(guard);
    }

    fn work(&mut self) -> Result<Option<oneshot::Sender<()>>, String> {
        loop {
            let mut orders = Vec::new();
            let mut closed = None;
            let open = self.gather(&mut orders, &mut closed);
            self.counters.commands.fetch_add(orders.len() as u64, Ordering::Relaxed);
            self.ledger.now = self.ledger.options.clock.now();
            let active = !orders.is_empty();
            self.batch(orders)?;
            if active {
                self.forget()?;
            }
            self.checkpoint()?;
            if !open || closed.is_some() {
                return Ok(closed);
            }
        }
    }

    /// Waits for a command, then takes what is there. False when the line is closed.
    fn gather(&mut self, orders: &mut Vec<Order>, closed: &mut Option<oneshot::Sender<()>>) -> bool {
        let next = match self.patience() {
            None => match self.inbox.receiver.recv() {
                Ok(command) => Some(command),
                Err(_) => return false,
            },
            Some(patience) => match self.inbox.receiver.recv_timeout(patience) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return false,
            },
        };
        self.take(next, orders, closed);
        true
    }

    /// Takes a command and what waits behind it, up to what one transaction holds.
    pub(super) fn take(
        &mut self,
        mut next: Option<Command>,
        orders: &mut Vec<Order>,
        closed: &mut Option<oneshot::Sender<()>>,
    ) {
        let mut weight = 0;
        while let Some(command) = next {
            match command {
                Command::Order(order) => {
                    weight += order.weight;
                    orders.push(order);
                }
                Command::Claim(parked) => self.parked.push_back(ParkedClaim(parked)),
                Command::GiveBack(fences) => self.returned.extend(fences),
                Command::Wake => {}
                Command::Close(reply) => {
                    *closed = Some(reply);
                    return;
                }
            }
            if orders.len() >= BATCH || weight >= BATCH_BYTES {
                return;
            }
            next = self.inbox.receiver.try_recv().ok();
        }
    }

    /// How long to wait for a command before the clock is looked at; for ever if nobody waits for a run.
    pub(super) fn patience(&mut self) -> Option<Duration> {
        self.parked.retain(|ParkedClaim(parked)| !parked.reply.is_closed());
        if !self.returned.is_empty() {
            // They could not be given back: the disk is full, say.
            return Some(LONGEST_WAIT);
        }
        if self.parked.is_empty() || bug(Bug::LostWakeUp) {
            return None;
        }
        let now = self.ledger.options.clock.now();
        let next = self.ledger.ready.next_due(now).map_or(LONGEST_WAIT, |due| due.since(now));
        Some(next.clamp(Duration::from_millis(1), LONGEST_WAIT))
    }

    /// One transaction: the orders, then the parked claims.
    pub(super) fn batch(&mut self, mut orders: Vec<Order>) -> Result<(), String> {
        match self.transaction(&mut orders) {
            Ok(answered) => {
                for mut order in orders {
                    order.work.answer();
                }
                self.hand_out(answered);
                self.reserve.restore();
                Ok(())
            }
            Err(Lost::Full) => {
                let (frees, rest): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| order.frees);
                refuse(rest, &StoreError::DiskFull);
                if !frees.is_empty() && self.reserve.give_up() {
                    tracing::warn!("the disk is full: the reserve is used so that runs can be removed");
                    return self.batch(frees);
                }
                refuse(frees, &StoreError::DiskFull);
                Ok(())
            }
            Err(Lost::Unavailable(text)) => {
                refuse(orders, &StoreError::Unavailable(text));
                Ok(())
            }
            Err(Lost::Stop(text)) => {
                refuse(orders, &StoreError::Stopped(text.clone()));
                Err(text)
            }
        }
    }

    /// Answers parked claims.
    pub(super) fn hand_out(&self, answered: Vec<(ClaimReply, Vec<Claim>)>) {
        for (reply, claims) in answered {
            // If the claimer is gone, what it was to be handed comes back by itself.
            let _ = reply.send(Ok(Handed::new(claims, self.inbox.line.clone())));
        }
    }

    pub(super) fn transaction(&mut self, orders: &mut [Order]) -> Result<Vec<(ClaimReply, Vec<Claim>)>, Lost> {
        let mut begun = false;
        if !orders.is_empty() || !self.returned.is_empty() {
            begin(&self.ledger).map_err(lost)?;
            begun = true;
        }
        let result = self.carry_out(orders, &mut begun);
        match result {
            Ok(answered) => Ok(answered),
            Err(why) => {
                if !self.ledger.conn.is_autocommit()
                    && let Err(error) = self.ledger.conn.execute_batch("ROLLBACK")
                {
                    return Err(Lost::Stop(format!("a rollback failed: {error}")));
                }
                match self.ledger.rolled_back() {
                    Ok(()) => Err(why),
                    Err(fault) => Err(Lost::Stop(format!("after a rollback: {:?}", fault.into_answer()))),
                }
            }
        }
    }

    fn carry_out(&mut self, orders: &mut [Order], begun: &mut bool) -> Result<Vec<(ClaimReply, Vec<Claim>)>, Lost> {
        let mut back = true;
        if !self.returned.is_empty() {
            let returned = &self.returned;
            back = in_savepoint(&mut self.ledger, |ledger| claims::give_back(ledger, returned))?.is_ok();
        }
        for order in orders.iter_mut() {
            let done = in_savepoint(&mut self.ledger, |ledger| order.work.run(ledger))?;
            if let Err(why) = done {
                order.work.refuse(why);
            }
            if bug(Bug::AckBeforeCommit) {
                order.work.answer();
            }
        }
        let served = self.serve(begun)?;
        if *begun {
            self.ledger.flush().map_err(lost)?;
            crash_point("batch-before-commit");
            self.ledger.conn.prepare_cached("COMMIT").and_then(|mut s| s.execute([])).map_err(|e| lost(e.into()))?;
            crash_point("batch-after-commit");
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        self.ledger.committed();
        if back {
            self.returned.clear();
        }
        // From here on nothing fails: the claims leave the line of those that wait.
        let mut answered = Vec::with_capacity(served.len());
        for (place, claims) in served.into_iter().rev() {
            if let Some(ParkedClaim(parked)) = self.parked.remove(place) {
                answered.push((parked.reply, claims));
            }
        }
        Ok(answered)
    }

    /// What each parked claim gets, by its place in the line of those that wait.
    fn serve(&mut self, begun: &mut bool) -> Result<Vec<(usize, Vec<Claim>)>, Lost> {
        let mut served = Vec::new();
        for (place, ParkedClaim(parked)) in self.parked.iter().enumerate() {
            if parked.reply.is_closed() {
                continue;
            }
            let room = parked.room;
            let mut begin_once = |ledger: &Ledger| {
                if !*begun {
                    begin(ledger)?;
                    *begun = true;
                }
                Ok(())
            };
            let claims = claims::claim(&mut self.ledger, room, &mut begin_once).map_err(lost)?;
            if !claims.is_empty() {
                served.push((place, claims));
            }
        }
        Ok(served)
    }

    /// Forgets some of what is too old, now and then, in a transaction of its own: on a full disk it
    /// must not take anybody else with it.
    pub(super) fn forget(&mut self) -> Result<(), String> {
        let now = self.ledger.options.clock.monotonic();
        if self.upkeep_at.is_some_and(|at| now.saturating_sub(at) < UPKEEP) {
            return Ok(());
        }
        self.upkeep_at = Some(now);
        let (reply, _) = oneshot::channel();
        let work = Box::new(Job { act: upkeep::forget_some, answer: None, reply: Some(reply) });
        self.batch(vec![Order { work, weight: 0, frees: false }])
    }

    /// Carries the log's pages over. Done here and not by SQLite after a commit, because SQLite
    /// would swallow a failed sync, and the next one would wrongly succeed.
    fn checkpoint(&mut self) -> Result<(), String> {
        let frames = self.counters.wal_frames.load(Ordering::Relaxed);
        if frames < self.carried {
            // The log began anew.
            self.carried = 0;
        }
        if frames - self.carried < CHECKPOINT_FRAMES {
            return Ok(());
        }
        self.carried = frames;
        crash_point("checkpoint-before");
        let carried_over = upkeep::checkpoint(&self.ledger.conn);
        crash_point("checkpoint-after");
        match carried_over.map_err(|e| Fault::from(e).reach()) {
            Err(Reach::Stop(text)) => Err(text),
            // Full, or somebody reads for long: the log grows until the next time.
            Err(Reach::Full | Reach::Command(_)) | Ok(()) => Ok(()),
        }
    }
}

fn begin(ledger: &Ledger) -> Result<(), Fault> {
    ledger.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    Ok(())
}

pub(super) fn refuse(orders: Vec<Order>, why: &StoreError) {
    for mut order in orders {
        order.work.refuse(why.clone());
        order.work.answer();
    }
}

fn lost(fault: Fault) -> Lost {
    match fault.reach() {
        Reach::Full => Lost::Full,
        Reach::Stop(text) => Lost::Stop(text),
        Reach::Command(error) => Lost::Unavailable(error.to_string()),
    }
}

/// Does `act` in a savepoint: if it is refused, what it did is undone, and nothing else.
fn in_savepoint<T>(
    ledger: &mut Ledger,
    act: impl FnOnce(&mut Ledger) -> Result<T, Fault>,
) -> Result<Result<T, StoreError>, Lost> {
    let run = |ledger: &Ledger, sql: &str| -> Result<(), Fault> {
        ledger.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    run(ledger, "SAVEPOINT command").map_err(lost)?;
    let mark = ledger.mark();
    match act(ledger) {
        Ok(value) => {
            run(ledger, "RELEASE command").map_err(lost)?;
            Ok(Ok(value))
        }
        Err(fault) => match fault.reach() {
            Reach::Full => Err(Lost::Full),
            Reach::Stop(text) => Err(Lost::Stop(text)),
            Reach::Command(error) => {
                if ledger.conn.is_autocommit() {
                    // SQLite gave up the whole transaction.
                    return Err(Lost::Unavailable(error.to_string()));
                }
                run(ledger, "ROLLBACK TO command").map_err(lost)?;
                run(ledger, "RELEASE command").map_err(lost)?;
                ledger.undo_to(mark);
                let (names, conn) = (&mut ledger.names, &ledger.conn);
                names.rolled_back(conn).map_err(lost)?;
                Ok(Err(error))
            }
        },
    }
}

/// As [`in_savepoint`], within a command: for a part of it that may come to nothing.
pub(super) fn all_or_nothing<T, E>(
    ledger: &mut Ledger,
    act: impl FnOnce(&mut Ledger) -> Result<Result<T, E>, Fault>,
) -> Result<Result<T, E>, Fault> {
    ledger.conn.prepare_cached("SAVEPOINT part")?.execute([])?;
    let mark = ledger.mark();
    let result = act(ledger)?;
    if result.is_err() {
        ledger.conn.prepare_cached("ROLLBACK TO part")?.execute([])?;
        ledger.undo_to(mark);
    }
    ledger.conn.prepare_cached("RELEASE part")?.execute([])?;
    Ok(result)
}
