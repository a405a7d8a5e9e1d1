//! The world: one thing happens after another, each at its time; between two of them every process works
//! until all of it waits. What happens, and what goes wrong, is thrown with dice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield_core::clock::Clock as _;
use jackfield_core::clock::fake::FakeRng;
use jackfield_core::event::Event;
use jackfield_core::hatch::testing::{name, scope};
use jackfield_core::ids::RunId;
use jackfield_core::intake::Incoming;
use jackfield_core::lock::locked;
use jackfield_core::logs::{LogRetention, Logs};
use jackfield_core::store::registry::Connection;
use jackfield_core::store::sqlite::stepped::{ByHand, Commit};
use jackfield_core::store::sqlite::{SqliteOptions, SqliteStore};

use crate::simulation::dice::Dice;
use crate::simulation::host::{Host, Parts, Start};
use crate::simulation::ledger::Ledger;
use crate::simulation::net::Net;
use crate::simulation::people::Told;
use crate::simulation::server::Server;
use crate::simulation::time::Time;
use crate::simulation::weather::{self, Weather};

/// After trouble ended, everything is to have ended within this.
const DRAIN: Duration = Duration::from_secs(40 * 60);
/// How far the clock is set back at most: what is due waits so much longer.
const BACK: u64 = 10 * 60 * 1000;

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happens {
    /// A client sends its event, again if need be.
    Client(usize),
    /// A request reaches the other side.
    Arrives(u64),
    /// An answer, or its absence, reaches the host.
    Answered(u64),
    /// The store's writer takes what is in line.
    Commits,
    /// The process is to die.
    Dies,
    /// At once, if it has not yet.
    DiesNow,
    /// The next one starts.
    Boots,
    /// A replaced process is gone for good.
    Buried(u64),
    /// The wall clock is set.
    Jumps,
    Releases,
    /// A person does something.
    Person,
    Full(bool),
    /// Trouble is over.
    Calms,
    /// Has everything ended?
    Looks,
}

/// At which moment a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    BeforeCommit,
    /// The power is cut: what was acknowledged by then was acknowledged.
    AtCommit,
    /// Committed, and nobody was told.
    AfterCommit,
    /// The other side did it, and its answer meets nobody.
    OnArrival,
    OnAnswer,
}

/// Somebody who has an event and offers it until it is taken.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) data: String,
    pub(crate) trigger: &'static str,
    pub(crate) taken: Option<RunId>,
}

/// See the module.
pub(crate) struct World {
    pub(crate) time: Arc<Time>,
    pub(crate) ledger: Ledger,
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) server: Server,
    pub(crate) clients: Vec<Client>,
    pub(crate) told: Arc<Mutex<Vec<Told>>>,
    pub(crate) disk: ByHand,
    pub(crate) host: Option<Host>,
    pub(crate) calm: bool,
    /// Attempts at a release.
    pub(crate) versions: u64,
    /// The version without schedules is active.
    pub(crate) unscheduled: bool,
    /// Requests by people so far.
    pub(crate) requests: u64,
    pub(crate) finished: bool,
    seed: u64,
    net: Arc<Net>,
    logs: Arc<Logs>,
    store: SqliteStore,
    bell: Arc<AtomicBool>,
    zombies: Vec<(u64, Host)>,
    queue: BTreeMap<(Duration, u64), Happens>,
    queued: u64,
    /// When the writer looks at the clock by itself.
    look: Option<Duration>,
    committing: bool,
    dying: Option<Moment>,
    leaving: bool,
    boots: u64,
    jumped: u64,
    // Dropped last.
    _folder: tempfile::TempDir,
}

impl World {
    /// The world of a seed: an hour of weather, and then calm until everything has ended.
    pub(crate) fn of(seed: u64, keep: bool) -> Self {
        let weather = Weather::thrown(&mut Dice::new(seed, 1));
        let mut world = Self::made(seed, weather, true, keep);
        world.forecast();
        world
    }

    /// A world without schedules and without trouble but what a test makes.
    pub(crate) fn still(seed: u64) -> Self {
        let mut world = Self::made(seed, Weather { slots: 8, ..Weather::default() }, false, true);
        world.calm = true;
        world
    }

    fn made(seed: u64, weather: Weather, schedules: bool, keep: bool) -> Self {
        let time = Time::new();
        let bell = Arc::new(AtomicBool::new(false));
        let options = SqliteOptions::new(Arc::<Time>::clone(&time), Arc::new(FakeRng::new(seed)));
        let rung = Arc::clone(&bell);
        let (store, disk) = SqliteStore::by_hand(options, move || rung.store(true, Ordering::SeqCst)).expect("memory");
        let folder = tempfile::tempdir().expect("the machine has a folder for temporary files");
        let retention = LogRetention::default();
        let logs = Logs::open(folder.path(), Arc::<Time>::clone(&time), retention).expect("a folder for logs");
        let mut world = Self {
            ledger: Ledger::new(Arc::clone(&time), keep),
            server: Server::new(seed, weather.net),
            dice: Dice::new(seed, 2),
            time,
            weather,
            clients: Vec::new(),
            told: Arc::default(),
            disk,
            host: None,
            calm: true,
            versions: 0,
            unscheduled: false,
            requests: 0,
            finished: false,
            seed,
            net: Arc::default(),
            logs,
            store,
            bell,
            zombies: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            look: None,
            committing: false,
            dying: None,
            leaving: false,
            boots: 0,
            jumped: 0,
            _folder: folder,
        };
        world.boot();
        world.set_up(schedules);
        world
    }

    /// The first release and the connections, before any trouble.
    fn set_up(&mut self, schedules: bool) {
        self.ask(move |parts| async move {
            let now = parts.clock.now();
            let (store, dev) = (&parts.store, || scope().environment);
            store.add_artifact(weather::inspection(0), now).await.expect("stored");
            let number = store.add_version(weather::version(0, schedules), now).await.expect("stored");
            store.release(dev(), name("demo"), number, vec![], "a test".into(), now).await.expect("released");
            for keyed in [true, false] {
                let connection = Connection {
                    name: name(if keyed { "keyed" } else { "plain" }),
                    kind: "http".into(),
                    settings: [("keyed".to_owned(), keyed.into())].into_iter().collect(),
                    integrations: vec![],
                    set: now,
                };
                store.set_connection(dev(), connection).await.expect("stored");
            }
            parts.releases.refresh().await.expect("read");
        });
    }

    /// Throws what will happen.
    fn forecast(&mut self) {
        let start = self.now();
        let lasts = self.weather.lasts.as_millis() as u64;
        self.calm = false;
        for number in 0..self.weather.events {
            let trigger = if self.dice.chance(600) { "hook" } else { "bell" };
            let data = self.dice.throw().to_string();
            self.clients.push(Client { id: format!("event-{number}"), data, trigger, taken: None });
            self.sometime(lasts, Happens::Client(number as usize));
        }
        let weather = self.weather.clone();
        let times = [
            (weather.deaths, Happens::Dies),
            (weather.jumps, Happens::Jumps),
            (weather.releases, Happens::Releases),
            (weather.people, Happens::Person),
        ];
        for (count, happens) in times {
            (0..count).for_each(|_| self.sometime(lasts, happens));
        }
        for _ in 0..weather.full {
            let from = self.dice.millis(0, lasts);
            let lasts = self.dice.millis(500, 60_000);
            self.at(start + from, Happens::Full(true));
            self.at(start + from + lasts, Happens::Full(false));
        }
        self.at(start + weather.lasts, Happens::Calms);
    }

    fn sometime(&mut self, within_ms: u64, happens: Happens) {
        let when = self.dice.millis(0, within_ms);
        self.at(self.now() + when, happens);
    }

    pub(crate) fn now(&self) -> Duration {
        self.time.monotonic()
    }

    pub(crate) fn at(&mut self, when: Duration, happens: Happens) {
        self.queued += 1;
        self.queue.insert((when, self.queued), happens);
    }

    pub(crate) fn after(&mut self, from_ms: u64, to_ms: u64, happens: Happens) {
        let when = self.now() + self.dice.millis(from_ms, to_ms);
        self.at(when, happens);
    }

    /// Lives it through.
    pub(crate) fn live(&mut self) {
        while !self.finished {
            self.turn();
        }
    }

    /// Does something in the host, and gives what it gives.
    pub(crate) fn ask<T, F>(&mut self, act: impl FnOnce(Parts) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let given = Arc::clone(&slot);
        while self.host.as_ref().is_none_or(|host| host.parts().is_none()) {
            self.turn();
        }
        let host = self.host.as_ref().expect("it is up");
        let parts = host.parts().expect("it is up").clone();
        host.spawn(async move {
            let value = act(parts).await;
            *locked(&given) = Some(value);
        });
        loop {
            self.turn();
            if let Some(value) = locked(&slot).take() {
                return value;
            }
        }
    }

    /// Everybody works until all wait; then the next thing happens.
    pub(crate) fn turn(&mut self) {
        self.work();
        let planned = self.queue.first_key_value().map(|((when, _), _)| *when);
        let next = [planned, self.time.next(), self.look].into_iter().flatten().min();
        let Some(next) = next else { panic!("nothing will ever happen again") };
        self.time.advance(next);
        if self.look.is_some_and(|look| look <= next) {
            self.look = None;
            if !self.committing {
                self.commit();
            }
        } else if planned == Some(next)
            && let Some((_, happens)) = self.queue.pop_first()
        {
            self.happens(happens);
        }
    }

    /// Everybody works until all wait.
    pub(crate) fn work(&mut self) {
        for (_, zombie) in &self.zombies {
            zombie.work();
        }
        if let Some(host) = &self.host {
            host.work();
        }
        if self.leaving && self.host.as_ref().is_some_and(Host::ended) {
            self.left();
        }
        for sent in self.net.take() {
            self.ledger.sent(&sent);
            for (when, happens) in self.server.carries(sent, self.time.monotonic(), self.calm) {
                self.at(when, happens);
            }
        }
        let told = std::mem::take(&mut *locked(&self.told));
        for told in told {
            self.hears(told);
        }
        if self.bell.swap(false, Ordering::SeqCst) && !self.committing {
            self.committing = true;
            let (from, to) = match self.dice.between(0, 99) {
                0 if !self.calm => (100_000, 2_000_000),
                1..=8 => (3_000, 30_000),
                _ => (100, 3_000),
            };
            let when = self.now() + Duration::from_micros(self.dice.between(from, to));
            self.at(when, Happens::Commits);
        }
    }

    fn happens(&mut self, happens: Happens) {
        match happens {
            Happens::Client(client) => self.offers(client),
            Happens::Arrives(flight) => {
                for (when, happens) in self.server.arrives(flight, self.time.monotonic(), &self.ledger) {
                    self.at(when, happens);
                }
                self.dies_at(Moment::OnArrival);
            }
            Happens::Answered(flight) => {
                if !self.dies_at(Moment::OnAnswer) {
                    self.server.answers(flight);
                }
            }
            Happens::Commits => {
                self.committing = false;
                self.commit();
            }
            Happens::Dies => self.is_to_die(),
            Happens::DiesNow => {
                if self.dying.take().is_some() && !self.leaving {
                    self.die(false);
                }
            }
            Happens::Boots => self.boot(),
            Happens::Buried(boot) => self.zombies.retain(|(of, _)| *of != boot),
            Happens::Jumps => self.jumps(),
            Happens::Releases => self.releases(true),
            Happens::Person => self.person(),
            Happens::Full(full) => {
                let full = full && !self.calm;
                self.ledger.say(format_args!("the disk is full: {full}"));
                self.disk.set_full(full);
                // What could not be written then is not on disk.
                let mut book = self.ledger.book();
                book.refusals += 1;
                book.full = full;
            }
            Happens::Calms => {
                self.ledger.say(format_args!("calm"));
                self.calm = true;
                self.dying = None;
                self.disk.set_full(false);
                self.ledger.book().full = false;
                self.at(self.now(), Happens::Looks);
            }
            Happens::Looks => self.looks(),
        }
    }

    /// The writer takes what is in line.
    fn commit(&mut self) {
        if self.dies_at(Moment::BeforeCommit) {
            return;
        }
        if self.dying == Some(Moment::AtCommit) {
            self.dying = None;
            self.disk.step(Commit::Refused);
            // Whoever was told before the power went was told.
            self.work();
            self.die(false);
            return;
        }
        let commit = match self.dice.between(0, 999) {
            throw if !self.calm && throw < self.weather.refused => Commit::Refused,
            throw if !self.calm && throw >= 1000 - self.weather.unanswered => Commit::Unanswered,
            _ => Commit::Done,
        };
        if commit != Commit::Done {
            self.ledger.say(format_args!("commit {commit:?}"));
            self.ledger.book().refusals += 1;
        }
        self.disk.step(commit);
        if !self.dies_at(Moment::AfterCommit) {
            self.look = self.disk.patience().map(|patience| self.now() + patience);
        }
    }

    fn jumps(&mut self) {
        let back = self.dice.chance(500);
        let by = if back { self.dice.between(1_000, BACK) } else { self.dice.between(1_000, 2 * 3600 * 1000) } as i64;
        let by = if back { -by } else { by };
        self.jumped += u64::from(back);
        self.ledger.say(format_args!("the clock is set by {by} ms"));
        self.time.set_wall(by);
    }

    /// Has everything ended?
    fn looks(&mut self) {
        if !self.unscheduled {
            self.releases(false);
        }
        let (waiting, running, _) = self.disk.open_runs();
        let taken = self.clients.iter().all(|client| client.taken.is_some());
        if self.unscheduled && taken && waiting + running == 0 && !self.leaving && self.zombies.is_empty() {
            self.finished = true;
            return;
        }
        let most = self.weather.lasts + DRAIN + Duration::from_millis(BACK) * self.jumped as u32;
        if self.now() > most {
            self.ledger.broke(format!(
                "I10: {waiting} runs still wait and {running} are still in an attempt (all events taken: {taken})"
            ));
            self.finished = true;
            return;
        }
        self.at(self.now() + Duration::from_secs(10), Happens::Looks);
    }

    // Processes.

    /// A process starts.
    pub(crate) fn boot(&mut self) {
        self.boots += 1;
        let boot = self.ledger.book().boot;
        self.ledger.say(format_args!("process {boot} starts"));
        let grace = self.dice.millis(500, 20_000);
        self.host = Some(Host::start(Start {
            boot,
            seed: self.seed ^ (self.boots << 32),
            store: self.store.clone(),
            time: Arc::clone(&self.time),
            net: Arc::clone(&self.net),
            logs: Arc::clone(&self.logs),
            ledger: self.ledger.clone(),
            slots: self.weather.slots,
            grace,
        }));
    }

    fn is_to_die(&mut self) {
        if self.host.is_none() || self.leaving {
            return;
        }
        match self.dice.between(0, 11) {
            0..=2 => self.die(true),
            3 => {
                self.ledger.say(format_args!("the process is told to stop"));
                self.host.iter().for_each(|host| host.stop.cancel());
                self.leaving = true;
                self.dying = None;
            }
            throw => {
                self.dying = Some(match throw {
                    4 => Moment::BeforeCommit,
                    5 | 6 => Moment::AtCommit,
                    7 | 8 => Moment::AfterCommit,
                    9 | 10 => Moment::OnArrival,
                    _ => Moment::OnAnswer,
                });
                self.after(60_000, 60_000, Happens::DiesNow);
            }
        }
    }

    /// Dies if it is to die at this moment.
    fn dies_at(&mut self, moment: Moment) -> bool {
        let dies = self.dying == Some(moment) && self.host.is_some() && !self.leaving;
        if dies {
            self.ledger.say(format_args!("it dies: {moment:?}"));
            self.dying = None;
            self.die(false);
        }
        dies
    }

    /// The process dies. A zombie has been replaced and does not know it yet.
    pub(crate) fn die(&mut self, may_be_zombie: bool) {
        let Some(host) = self.host.take() else { return };
        let zombie = may_be_zombie && self.dice.chance(self.weather.zombies);
        let marked = self.dice.chance(100);
        self.ledger.say(format_args!("the process dies, zombie: {zombie}, marked: {marked}"));
        (self.leaving, self.dying) = (false, None);
        if zombie {
            host.stop.cancel();
            let boot = self.ledger.book().boot;
            self.at(self.now() + host.grace + Duration::from_secs(1), Happens::Buried(boot));
            self.zombies.push((boot, host));
        } else {
            drop(host);
            self.server.cut(&mut self.dice);
        }
        self.reboot(marked);
        match zombie {
            true => self.after(10, 500, Happens::Boots),
            false if self.dice.chance(800) => self.after(10, 5_000, Happens::Boots),
            false => self.after(5_000, 120_000, Happens::Boots),
        }
    }

    /// It came to its end in order.
    fn left(&mut self) {
        self.ledger.say(format_args!("the process has stopped"));
        self.leaving = false;
        // As the real one's end does: what is in line is carried out.
        self.disk.step(Commit::Done);
        self.host = None;
        self.disk.step(Commit::Done);
        self.reboot(false);
        self.after(10, 5_000, Happens::Boots);
    }

    fn reboot(&mut self, marked: bool) {
        let full = self.ledger.book().full;
        // There is the reserve: what has to be written at a start finds its place.
        self.disk.set_full(false);
        self.disk.reboot(marked).expect("it opens again");
        self.disk.set_full(full);
        self.bell.store(false, Ordering::SeqCst);
        self.look = None;
        let journals = self.disk.journals();
        self.ledger.rebooted(&journals);
    }

    // Clients.

    fn offers(&mut self, number: usize) {
        if self.clients[number].taken.is_none() {
            self.after(3_000, 15_000, Happens::Client(number));
        } else if !self.dice.chance(100) {
            // Once in a while somebody sends again what was taken.
            return;
        }
        let Some((host, parts)) = self.host.as_ref().and_then(|host| Some((host, host.parts()?.clone()))) else {
            return;
        };
        let client = &self.clients[number];
        self.ledger.say(format_args!("client {number} offers {}", client.id));
        self.ledger.book().inputs.insert(client.id.clone(), client.data.clone());
        let (event, trigger, told) = (event(client), name(client.trigger), Arc::clone(&self.told));
        host.spawn(async move {
            let batch = vec![Incoming { event, dedupe: true }];
            let answer = parts.intake.accept(&scope(), &trigger, batch).await;
            let run = answer.ok().and_then(|accepted| accepted.first().map(|one| one.run()));
            locked(&told).push(Told::Offered(number, run));
        });
    }

    /// A client offers this to a trigger, from now on.
    pub(crate) fn offer(&mut self, trigger: &'static str, data: &str) -> usize {
        let number = self.clients.len();
        self.clients.push(Client { id: format!("event-{number}"), data: data.into(), trigger, taken: None });
        self.at(self.now(), Happens::Client(number));
        number
    }

    /// The same, and it is taken.
    pub(crate) fn accept(&mut self, trigger: &'static str, data: &str) -> RunId {
        let number = self.offer(trigger, data);
        loop {
            self.turn();
            if let Some(run) = self.clients[number].taken {
                return run;
            }
        }
    }
}

fn event(client: &Client) -> Event {
    Event {
        id: client.id.clone(),
        source: "/clients".into(),
        event_type: "test".into(),
        subject: None,
        time: None,
        content_type: None,
        schema: None,
        extensions: vec![],
        meta: vec![],
        data: client.data.clone().into_bytes().into(),
    }
}
