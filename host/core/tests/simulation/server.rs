//! The other side, and the way there: what becomes of each request, by the same dice for the same seed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use jackfield_core::ports::http::{HttpFailure, HttpResponse};

use crate::simulation::dice::Dice;
use crate::simulation::ledger::{Effect, Ledger};
use crate::simulation::net::{Answer, Sent};
use crate::simulation::world::Happens;

/// See the module.
pub(crate) struct Server {
    dice: Dice,
    trouble: u64,
    flights: BTreeMap<u64, Flight>,
    flown: u64,
    /// What was answered under each key.
    by_key: HashMap<String, HttpResponse>,
    /// Nothing reaches it.
    pub(crate) down: bool,
    /// Requests that were sent to it, reached or not.
    pub(crate) asked: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// The connection is refused: nothing was sent.
    Refused,
    /// It never arrives, and nobody says so.
    Lost,
    /// It is done, and the connection breaks.
    Cut,
    /// It is done, and the answer never comes.
    Silent,
    /// It arrives after the host gave up.
    Late,
    /// It is done, and answered 500.
    Clumsy,
    /// It is not done, and answered with this.
    Status(u16),
}

struct Flight {
    sent: Sent,
    fate: Fate,
    answer: Option<Answer>,
    /// It has not arrived yet, and will.
    flying: bool,
}

impl Server {
    pub(crate) fn new(seed: u64, trouble: u64) -> Self {
        Self {
            dice: Dice::new(seed, 3),
            trouble,
            flights: BTreeMap::new(),
            flown: 0,
            by_key: HashMap::new(),
            down: false,
            asked: 0,
        }
    }

    fn fate(&mut self, calm: bool) -> Fate {
        if self.down {
            return Fate::Refused;
        }
        if calm || !self.dice.chance(self.trouble) {
            return Fate::Done;
        }
        match self.dice.between(0, 10) {
            0 => Fate::Refused,
            1 => Fate::Lost,
            2 => Fate::Cut,
            3 => Fate::Silent,
            4 => Fate::Late,
            5 => Fate::Clumsy,
            6 => Fate::Status(500),
            7 => Fate::Status(503),
            8 => Fate::Status(429),
            _ => Fate::Status(422),
        }
    }

    /// Requests that were sent and not answered.
    pub(crate) fn under_way(&self) -> usize {
        self.flights.len()
    }

    /// A request leaves; gives what will happen to it.
    pub(crate) fn carries(&mut self, sent: Sent, now: Duration, calm: bool) -> Vec<(Duration, Happens)> {
        let fate = self.fate(calm);
        self.asked += 1;
        self.flown += 1;
        let id = self.flown;
        let there = now + Duration::from_micros(self.dice.between(500, 40_000));
        let given_up = now + sent.timeout;
        let broken = |what: &str, timed_out| {
            Some(Err(HttpFailure::Broken { message: format!("{what} (request {id})"), timed_out }))
        };
        let (answer, happens) = match fate {
            Fate::Refused => {
                let refused = Err(HttpFailure::NotSent(format!("connection refused (request {id})")));
                (Some(refused), vec![(there, Happens::Answered(id))])
            }
            Fate::Lost => (broken("no answer", true), vec![(given_up, Happens::Answered(id))]),
            Fate::Silent => {
                (broken("no answer", true), vec![(there, Happens::Arrives(id)), (given_up, Happens::Answered(id))])
            }
            Fate::Late => {
                let late = given_up + self.dice.millis(1, 20_000);
                (broken("no answer", true), vec![(given_up, Happens::Answered(id)), (late, Happens::Arrives(id))])
            }
            Fate::Cut => (broken("connection reset", false), vec![(there, Happens::Arrives(id))]),
            Fate::Done | Fate::Clumsy | Fate::Status(_) => (None, vec![(there, Happens::Arrives(id))]),
        };
        let flying = !matches!(fate, Fate::Refused | Fate::Lost);
        self.flights.insert(id, Flight { sent, fate, answer, flying });
        happens
    }

    /// A request reaches the other side; gives when it is answered.
    pub(crate) fn arrives(&mut self, id: u64, now: Duration, ledger: &Ledger) -> Vec<(Duration, Happens)> {
        let Some(flight) = self.flights.get_mut(&id).filter(|flight| flight.flying) else { return vec![] };
        flight.flying = false;
        let sent = &flight.sent;
        let known = sent.key.as_ref().filter(|_| sent.keyed && sent.method == "POST");
        let made = |status| HttpResponse { status, headers: vec![], body: Bytes::from(format!("answer {id}")) };
        let does = !matches!(flight.fate, Fate::Status(_));
        let response = match known.and_then(|key| self.by_key.get(key)) {
            Some(response) if does => response.clone(),
            _ => match flight.fate {
                Fate::Status(status) => made(status),
                _ => made(200),
            },
        };
        let repeated = known.is_some_and(|key| self.by_key.contains_key(key));
        if does && !repeated && sent.method != "GET" {
            ledger.done(sent.call, Effect { keyed: sent.keyed, method: sent.method.clone() });
            if let Some(key) = known {
                self.by_key.insert(key.clone(), response.clone());
            }
        }
        match flight.fate {
            Fate::Silent => return vec![],
            Fate::Late => {
                self.flights.remove(&id);
                return vec![];
            }
            Fate::Clumsy => flight.answer = Some(Ok(made(500))),
            Fate::Cut => {}
            _ => flight.answer = Some(Ok(response)),
        }
        vec![(now + Duration::from_micros(self.dice.between(500, 40_000)), Happens::Answered(id))]
    }

    /// The answer reaches the host, if the host is still there.
    pub(crate) fn answers(&mut self, id: u64) {
        let late = self.flights.get(&id).is_some_and(|flight| flight.flying);
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let Some(answer) = flight.answer.take() else { return };
        let (reply, _) = tokio::sync::oneshot::channel();
        let _gone = std::mem::replace(&mut flight.sent.reply, reply).send(answer);
        if !late {
            self.flights.remove(&id);
        }
    }

    /// The host is gone: half of what had not arrived never will.
    pub(crate) fn cut(&mut self, dice: &mut Dice) {
        self.flights.retain(|_, flight| !flight.flying || dice.chance(500));
    }
}
