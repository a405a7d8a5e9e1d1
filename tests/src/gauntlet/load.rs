//! The load: events of several kinds and what operators do, sent to a host that may die at any moment.
//!
//! What was acknowledged is said to its log, and only that; what was not is sent again, as a sender does. Not here:
//! when the host dies, and what must be true afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::dice::Dice;
use super::log::{Log, Said};

/// A kind of event: what its run does and how it may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Three calls that may be repeated, and a count.
    Keyed,
    /// The same with calls that may not.
    Plain,
    /// Two counts.
    Kv,
    /// A call, a failure of the guest, another call.
    Cut,
    /// A call, then the guest gives up.
    Dead,
    /// Calls whose answer is dropped, or a 500 after the work was done.
    Shaky,
    /// A call that may not be repeated and whose answer is dropped.
    Doubt,
    /// A slow answer.
    Slow,
    /// Timers.
    Timer,
    /// Sleeps until it is cancelled.
    Cancel,
}

impl Kind {
    /// Every one, with the word its events begin with.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Keyed, "keyed"),
        (Self::Plain, "plain"),
        (Self::Kv, "kv"),
        (Self::Cut, "cut"),
        (Self::Dead, "dead"),
        (Self::Shaky, "shaky"),
        (Self::Doubt, "doubt"),
        (Self::Slow, "slow"),
        (Self::Timer, "timer"),
        (Self::Cancel, "cancel"),
    ];

    /// The kind of an event, by its id.
    #[must_use]
    pub fn of(event: &str) -> Option<Self> {
        let word = event.split('-').next()?;
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    /// The connection its calls go through.
    #[must_use]
    pub const fn connection(self) -> &'static str {
        match self {
            Self::Plain | Self::Doubt => "target",
            _ => "keyed",
        }
    }

    /// The last parts of the paths it calls, in order. The ledger is told by them how to answer.
    #[must_use]
    pub const fn calls(self) -> &'static [&'static str] {
        match self {
            Self::Keyed | Self::Plain => &["1", "2", "3"],
            Self::Kv | Self::Cancel => &[],
            Self::Cut => &["1", "2"],
            Self::Dead | Self::Timer => &["1"],
            Self::Shaky => &["1-drop", "2-late500", "3"],
            Self::Doubt => &["1-drop", "2"],
            Self::Slow => &["1-slow", "2"],
        }
    }

    /// How much it counts, under `count/<word>`.
    #[must_use]
    pub const fn counts(self) -> u64 {
        match self {
            Self::Keyed | Self::Plain | Self::Timer => 1,
            Self::Kv => 2,
            _ => 0,
        }
    }

    /// What the guest is told to do.
    #[must_use]
    pub fn steps(self, event: &str) -> Value {
        let call = |part: usize| {
            let url = format!("/{event}/{}", self.calls()[part]);
            json!({
                "do": "call", "connection": self.connection(), "method": "POST", "url": url, "json": { "event": event },
                "check": true,
            })
        };
        let count = || json!({ "do": "kv", "op": "increment", "key": format!("count/{}", self.word()), "by": 1 });
        let sleep = |ms: u32| json!({ "do": "sleep", "ms": ms });
        match self {
            Self::Keyed | Self::Plain => json!([call(0), count(), call(1), call(2)]),
            Self::Kv => json!([count(), count()]),
            Self::Cut => json!([call(0), { "do": "fail", "until": 2 }, call(1)]),
            Self::Dead => json!([call(0), { "do": "reject", "message": "as told" }]),
            Self::Shaky => json!([call(0), call(1), call(2)]),
            Self::Doubt => json!([call(0), call(1)]),
            Self::Slow => json!([call(0), sleep(20), call(1)]),
            Self::Timer => json!([sleep(30), call(0), sleep(30), count()]),
            // Not long: after a death it is tried again alone, and the next death may come soon.
            Self::Cancel => json!([sleep(300)]),
        }
    }
}

/// Where the host is now.
#[derive(Clone, Debug)]
pub struct Door {
    /// The hook's whole address.
    pub hook: String,
    /// The base of the admin API.
    pub admin: String,
    /// Its token.
    pub token: String,
}

/// See the module.
pub struct Load {
    /// What was promised.
    pub log: Log,
    client: Client,
    dice: Dice,
    number: u64,
    config: u64,
    requests: u64,
    open: BTreeSet<String>,
    accepted: BTreeMap<String, String>,
    seen: BTreeSet<String>,
    cancels: Vec<String>,
}

impl Load {
    /// A load that writes to `log`.
    ///
    /// # Panics
    ///
    /// A client cannot be built.
    #[must_use]
    pub fn new(log: Log, seed: u64) -> Self {
        // No pool: a host that was killed and started again must not be met on an old connection.
        let client = Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(20)).build();
        Self {
            log,
            client: client.expect("a client without settings of its own can be built"),
            dice: Dice::new(seed),
            number: 0,
            config: 0,
            requests: 0,
            open: BTreeSet::new(),
            accepted: BTreeMap::new(),
            seen: BTreeSet::new(),
            cancels: Vec::new(),
        }
    }

    /// The runs that were acknowledged.
    pub fn accepted(&self) -> impl Iterator<Item = &String> {
        self.accepted.values()
    }

    /// Whether everything that was sent was acknowledged.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Adds events to be sent: so many, of any kind.
    pub fn add(&mut self, count: u64) {
        for _ in 0..count {
            let (kind, _) = Kind::ALL[self.dice.between(0, Kind::ALL.len() as u64 - 1) as usize];
            self.add_one(kind);
        }
    }

    /// Adds one event of each kind.
    pub fn add_each(&mut self) {
        for (kind, _) in Kind::ALL {
            self.add_one(kind);
        }
    }

    /// Adds an event of a kind.
    pub fn add_one(&mut self, kind: Kind) {
        self.number += 1;
        self.open.insert(format!("{}-{}", kind.word(), self.number));
    }

    /// Sends what is open and, with `operate`, does what operators do. Returns when all of it was answered or cannot be.
    pub async fn send(&mut self, door: &Door, operate: bool) {
        let mut sending = JoinSet::new();
        for event in self.open.clone() {
            let (client, url) = (self.client.clone(), door.hook.clone());
            sending.spawn(async move {
                let steps = Kind::of(&event)?.steps(&event).to_string();
                let sent = client.post(url).header("x-event-id", &event).body(steps).send().await.ok()?;
                if sent.status() != 202 {
                    return None;
                }
                let body: Value = sent.json().await.ok()?;
                Some(vec![Said::Accepted { event, run: body["run"].as_str()?.to_owned() }])
            });
        }
        if operate {
            self.operate(door, &mut sending);
        }
        for said in sending.join_all().await.into_iter().flatten().flatten() {
            self.said(said);
        }
    }

    fn said(&mut self, said: Said) {
        match &said {
            Said::Accepted { event, run } => {
                self.open.remove(event);
                if Kind::of(event) == Some(Kind::Cancel) {
                    self.cancels.push(run.clone());
                }
                self.accepted.insert(event.clone(), run.clone());
            }
            Said::Seen { run } if !self.seen.insert(run.clone()) => return,
            _ => {}
        }
        self.log.say(said);
    }

    fn operate(&mut self, door: &Door, doing: &mut JoinSet<Option<Vec<Said>>>) {
        let admin = Admin { client: self.client.clone(), door: door.clone() };
        self.config += 1;
        self.requests += 1;
        let (value, request) = (self.config, self.requests);
        let a = admin.clone();
        doing.spawn(async move {
            let path = "/v1/environments/dev/integrations/probe/config/setting";
            a.ask(Method::PUT, path, Some(json!({ "value": value }))).await?;
            Some(vec![Said::Configured { value }])
        });
        let a = admin.clone();
        doing.spawn(async move {
            let mut dead = a.runs("dead-lettered").await?;
            let (first, second) = (dead.pop()?, dead.pop());
            let body = json!({ "request": format!("r{request}"), "runs": [first] });
            let mut said = Vec::new();
            if a.ask(Method::POST, "/v1/dead-letters/resume", Some(body)).await.is_some() {
                said.push(Said::Resumed { run: first });
            }
            if let Some(second) = second {
                let body = json!({ "request": format!("d{request}"), "runs": [second] });
                a.ask(Method::POST, "/v1/dead-letters/discard", Some(body)).await?;
                said.push(Said::Discarded { run: second });
            }
            Some(said)
        });
        if let Some(run) = self.cancels.pop() {
            let a = admin.clone();
            doing.spawn(async move {
                a.ask(Method::POST, &format!("/v1/runs/{run}/cancel"), Some(json!({}))).await?;
                None
            });
        }
        doing.spawn(async move {
            let seen = admin.runs("succeeded").await?;
            Some(seen.into_iter().take(5).map(|run| Said::Seen { run }).collect())
        });
    }

    /// Decides over the oldest parked run: said before it is asked for, since it may be carried out unseen.
    pub async fn decide(&mut self, door: &Door) {
        let admin = Admin { client: self.client.clone(), door: door.clone() };
        let Some(run) = admin.runs("needs-decision").await.and_then(|mut runs| runs.pop()) else { return };
        let decision = if self.dice.once_in(4) { "fail" } else { "retry" };
        self.log.say(Said::Decided { run: run.clone(), decision: decision.into() });
        admin.ask(Method::POST, &format!("/v1/runs/{run}/decide"), Some(json!({ "decision": decision }))).await;
    }
}

/// The admin API of a host that may be gone.
#[derive(Clone)]
struct Admin {
    client: Client,
    door: Door,
}

impl Admin {
    /// The body of a success; none for anything else.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
        let request = self.client.request(method, format!("{}{path}", self.door.admin)).bearer_auth(&self.door.token);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answered = request.send().await.ok()?;
        if !answered.status().is_success() {
            return None;
        }
        let text = answered.text().await.ok()?;
        Some(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Some runs in a state.
    async fn runs(&self, state: &str) -> Option<Vec<String>> {
        let page = self
            .ask(Method::GET, &format!("/v1/runs?state={state}&environment=dev&integration=probe&limit=20"), None)
            .await?;
        let ids = page["runs"].as_array()?.iter().filter_map(|run| run["id"].as_str().map(str::to_owned));
        Some(ids.collect())
    }
}
