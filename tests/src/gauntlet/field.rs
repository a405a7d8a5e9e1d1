//! The field: one host, its ledger, its load and whatever ends it, over many cycles.
//!
//! A cycle starts the host, sends, and ends the host; then the database is looked at while nobody has it open. Not
//! here: how the ends are chosen ([`super::modes`]) and what they prove ([`super::checker`]).

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::checker::{self, Evidence};
use super::database::{self, Copy};
use super::load::{Door, Kind, Load};
use super::log::{Log, Said, Stop};
use super::shim::{Cell, Shim};
use super::verdict::Verdict;
use crate::api::{Api, ENVIRONMENT};
use crate::host::{Host, Options};
use crate::ledger::{Ledger, Process};
use crate::manifest::Manifest;
use crate::{env, probe};

/// How a field is set up.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The seed of everything that is chosen.
    pub seed: u64,
    /// A bug to be seeded.
    pub bug: Option<String>,
    /// Whether the shim stands between the host and the system; and whether it forgets what was not synced.
    pub shim: Option<bool>,
    /// Whether nobody else may have a host meanwhile.
    pub alone: bool,
    /// Variables of the very first start, before anything is set up.
    pub first: Vec<(String, String)>,
}

/// See the module.
pub struct Field {
    host: Host,
    ledger: Process,
    load: Load,
    shim: Option<Shim>,
    place: tempfile::TempDir,
    plan: Plan,
    cycle: u32,
    hook: String,
    uploaded: Vec<String>,
    releases: u32,
    /// How long the queue may take to empty after the storm.
    pub patience: Duration,
}

fn manifest() -> Manifest {
    let methods = r#"methods = ["POST"], paths = ["/**"]"#;
    Manifest::probe()
        .set_toml("trigger.0.rate", "{ per_second = 100000, burst = 100000 }")
        .set("trigger.0.id_header", "x-event-id")
        .set_toml("connections.keyed", r#"{ kind = "http" }"#)
        .set_toml(
            "component.probe.grants.http",
            &format!(r#"[{{ connection = "target", {methods} }}, {{ connection = "keyed", {methods} }}]"#),
        )
        .set_toml("component.probe.retry", r#"{ first = "10ms", longest = "100ms", for = "1h" }"#)
}

/// The probe again, with a trigger that fires each second. It does not understand the events, which is all the same.
fn ticker() -> Manifest {
    let trigger = r#"[{ name = "tick", kind = "cron", component = "probe", schedule = "* * * * * *", overlap = "allow",
        misfire = { all = 1000 } }]"#;
    Manifest::probe().named("ticker").set_toml("trigger", trigger).set_toml("component.probe.retry", "{ attempts = 1 }")
}

impl Field {
    /// Sets everything up: ledger, host, connections, releases.
    ///
    /// # Errors
    ///
    /// A program is missing, or the host does not start.
    pub async fn set_up(plan: Plan) -> anyhow::Result<Self> {
        let place = tempfile::tempdir()?;
        let program = env::beside("ledger").context("the ledger is not built: cargo build --workspace --bins")?;
        let ledger = Process::start(&program.display().to_string(), place.path().join("ledger")).await;
        // A little slow, so that a kill meets calls under way.
        ledger.delay(3).await;
        let options = Options { alone: plan.alone, ..Options::default() }.first_start();
        // Short: an orderly stop is to meet attempts that do not end in time.
        let host = options.set("executor.drain", "500ms").prepare().await;
        let shim = match plan.shim {
            Some(forgets) => Some(Shim::compile(place.path(), host.folder(), forgets)?),
            None => None,
        };
        let load = Load::new(Log::create(&place.path().join("load"))?, plan.seed);
        let patience = Duration::from_secs(180);
        let (hook, uploaded) = (String::new(), Vec::new());
        let mut field = Self { host, ledger, load, shim, place, plan, cycle: 0, hook, uploaded, releases: 0, patience };
        let first = std::mem::take(&mut field.plan.first);
        if !first.is_empty() {
            field.start(&first).await.err().context("the host was to die at its first start and did not")?;
        }
        if let Err(status) = field.start(&[]).await {
            bail!("the host ended at its start ({status}):\n{}", field.host.printed());
        }
        field.host.login().await;
        let api = field.host.api();
        // A path of their own each: which of two equal addresses an absolute URL meant would be a guess.
        let plain = json!({ "base_url": format!("{}/plain", field.ledger.base()) });
        api.set_connection(ENVIRONMENT, "target", "http", plain).await;
        let keyed = json!({ "base_url": format!("{}/keyed", field.ledger.base()), "idempotency": "header" });
        api.set_connection(ENVIRONMENT, "keyed", "http", keyed).await;
        probe::deploy(&field.host, &manifest()).await;
        probe::deploy(&field.host, &ticker()).await;
        let url = field.host.hook(ENVIRONMENT, "probe", "hook").await;
        field.hook = url::Url::parse(&url)?.path().to_owned();
        Ok(field)
    }

    /// The shim, if there is one.
    ///
    /// # Panics
    ///
    /// There is none.
    #[must_use]
    pub fn shim(&self) -> &Shim {
        self.shim.as_ref().expect("this field has a shim")
    }

    /// The host's folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.host.folder().to_owned()
    }

    /// Where the host is.
    #[must_use]
    pub fn door(&self) -> Door {
        let ingress = self.host.addresses().ingress;
        let token = self.host.api().token().to_owned();
        Door { hook: format!("http://{ingress}{}", self.hook), admin: self.host.admin(), token }
    }

    /// Starts the host, with more variables, and notes how long it took.
    ///
    /// # Errors
    ///
    /// It ended before it listened.
    pub async fn start(&mut self, variables: &[(String, String)]) -> Result<Duration, ExitStatus> {
        let mut all = variables.to_vec();
        if let Some(bug) = &self.plan.bug {
            all.push(("JACKFIELD_GAUNTLET_BUG".into(), bug.clone()));
        }
        if let Some(shim) = &self.shim {
            all.extend(shim.variables());
        }
        let took = self.host.try_restart(|options| options.variables = all).await?;
        if self.cycle > 0 {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            self.load.log.say(Said::Started { cycle: self.cycle, took_ms });
        }
        Ok(took)
    }

    /// Starts the host although it may be told to die on the way. Whether it listens.
    ///
    /// # Errors
    ///
    /// It ended in another way than by being killed.
    pub async fn start_or_die(&mut self, variables: &[(String, String)], how: &str) -> anyhow::Result<bool> {
        match self.start(variables).await {
            Ok(_) => Ok(true),
            Err(status) => {
                self.was_killed(status)?;
                self.note_stop(how)?;
                Ok(false)
            }
        }
    }

    fn was_killed(&self, status: ExitStatus) -> anyhow::Result<()> {
        if status.signal() != Some(9) {
            let printed = self.host.printed();
            let lines: Vec<_> = printed.lines().collect();
            bail!("the host ended by itself ({status}):\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
        Ok(())
    }

    /// Sends events and kills the host after `when`: some at once, the others shortly before the kill.
    ///
    /// # Errors
    ///
    /// The host ended by itself, or its database does not read.
    pub async fn kill_after(&mut self, when: Duration, events: u64, operate: bool) -> anyhow::Result<()> {
        let door = self.door();
        let Self { load, host, .. } = self;
        let late = Duration::from_millis(120).min(when);
        let sending = async {
            load.add(events / 2);
            load.send(&door, operate).await;
            load.decide(&door).await;
        };
        let begun = Instant::now();
        tokio::select! {
            () = sending => {}
            () = tokio::time::sleep(when.saturating_sub(late)) => {}
        }
        tokio::time::sleep(when.saturating_sub(late).saturating_sub(begun.elapsed())).await;
        load.add(events - events / 2);
        let killing = async {
            tokio::time::sleep(late).await;
            host.end().await
        };
        let ((), status) = tokio::join!(load.send(&door, false), killing);
        self.was_killed(status)?;
        self.note_stop("kill -9")
    }

    /// Sends until the host dies of itself; kills it when `limit` is over. Whether it died.
    ///
    /// # Errors
    ///
    /// The host ended in another way than by being killed, or its database does not read.
    pub async fn until_it_dies(&mut self, limit: Duration, how: &str, events: u64) -> anyhow::Result<bool> {
        let died = self.sends_until_gone(limit, events).await;
        let status = self.host.end().await;
        self.was_killed(status)?;
        self.note_stop(how)?;
        Ok(died)
    }

    /// Sends until the host is gone. Whether it is, when the time is over.
    pub async fn sends_until_gone(&mut self, limit: Duration, events: u64) -> bool {
        let door = self.door();
        let begun = Instant::now();
        let mut first = true;
        while self.host.is_alive() && begun.elapsed() < limit {
            if first {
                self.load.add_each();
            } else {
                self.load.add(events);
            }
            first = false;
            // A host that is gone refuses at once; one that hangs is found by the limit.
            let sent = async {
                self.load.send(&door, true).await;
                self.load.decide(&door).await;
            };
            if tokio::time::timeout(limit, sent).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // A process that is being killed may be seen for a moment longer.
        let gone = Instant::now();
        while self.host.is_alive() && gone.elapsed() < Duration::from_millis(50) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        !self.host.is_alive()
    }

    /// Sends once: one event of each kind and `events` more.
    pub async fn burst(&mut self, events: u64) {
        let door = self.door();
        self.load.add_each();
        self.load.add(events);
        self.load.send(&door, true).await;
    }

    /// Fills the disk.
    ///
    /// # Errors
    ///
    /// The shim cannot be told.
    pub fn fill(&mut self) -> anyhow::Result<()> {
        self.load.log.say(Said::Full);
        Ok(self.shim().set(Cell::Full, 1)?)
    }

    /// Whether one event is accepted now.
    pub async fn accepts(&mut self) -> bool {
        let door = self.door();
        self.load.add_one(Kind::Kv);
        self.load.send(&door, false).await;
        self.load.is_settled()
    }

    /// Asks the host to stop while events come in, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// It ended in a way that `fine` does not know, or its database does not read.
    pub async fn stops(
        &mut self,
        after: Duration,
        events: u64,
        fine: fn(ExitStatus) -> bool,
    ) -> anyhow::Result<Duration> {
        let door = self.door();
        let Self { load, host, .. } = self;
        load.add(events);
        let stopping = async {
            tokio::time::sleep(after).await;
            host.ask_to_stop();
            let begun = Instant::now();
            (host.ended().await, begun.elapsed())
        };
        let ((), (status, took)) = tokio::join!(load.send(&door, true), stopping);
        if !fine(status) {
            bail!("the host ended with {status}:\n{}", self.host.printed());
        }
        self.note_stop("SIGTERM")?;
        Ok(took)
    }

    /// Waits for a host that ends by itself, and gives how.
    ///
    /// # Errors
    ///
    /// Its database does not read.
    pub async fn ended(&mut self, how: &str) -> anyhow::Result<ExitStatus> {
        let status = self.host.ended().await;
        self.note_stop(how)?;
        Ok(status)
    }

    /// Whether the host is there.
    pub fn is_alive(&mut self) -> bool {
        self.host.is_alive()
    }

    /// Uploads an artifact that the host has not seen and releases the integration anew. What was acknowledged counts.
    pub async fn release(&mut self, calls: Option<u32>) {
        self.releases += 1;
        let mut wasm = probe::wasm();
        // A custom section: another digest, the same component.
        let name = format!("gauntlet {} {}", self.cycle, self.releases);
        let bytes = name.as_bytes();
        let length = u8::try_from(bytes.len()).expect("a short name");
        wasm.extend([0, length + 1, length]);
        wasm.extend(bytes);
        let digest: String = Sha256::digest(&wasm).iter().map(|byte| format!("{byte:02x}")).collect();
        let manifest = match calls {
            Some(calls) => manifest().set("component.probe.limits.calls", i64::from(calls)),
            None => manifest(),
        };
        let api = self.host.api();
        let request = api.request(reqwest::Method::POST, "/v1/artifacts").header("content-type", "application/wasm");
        let Ok(answered) = Api::send(request.body(wasm)).await else { return };
        if answered.status >= 300 {
            return;
        }
        self.load.log.say(Said::Uploaded { digest: digest.clone() });
        let artifacts = json!({ "probe": format!("sha256:{digest}") });
        self.uploaded.push(digest);
        let body = json!({ "manifest": manifest.text(), "file": "jackfield.toml", "artifacts": artifacts });
        let request = api.request(reqwest::Method::POST, &format!("/v1/environments/{ENVIRONMENT}/releases"));
        let _lost_if_it_dies = Api::send(request.json(&body)).await;
    }

    /// Sends events of one kind.
    pub async fn send(&mut self, kind: Kind, count: u32) {
        let door = self.door();
        for _ in 0..count {
            self.load.add_one(kind);
        }
        self.load.send(&door, false).await;
    }

    /// Looks at what is on disk now that the host is gone.
    fn note_stop(&mut self, how: &str) -> anyhow::Result<()> {
        let data = self.host.data();
        let mut stop =
            Stop { cycle: self.cycle, how: how.into(), ledger: self.ledger.count() as u64, ..Stop::default() };
        if data.join("jackfield.db").exists() {
            let copy = Copy::of(&data)?;
            let runs = copy.runs()?;
            stop.config = copy.config()?;
            stop.absent = self.load.accepted().filter(|run| !runs.contains(*run)).cloned().collect();
            stop.journals = copy.journals()?;
        } else {
            stop.absent = self.load.accepted().cloned().collect();
        }
        for digest in &self.uploaded {
            let whole = std::fs::read(database::artifact(&data, digest)).is_ok_and(|bytes| {
                Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>() == *digest
            });
            if !whole {
                stop.damaged.push(digest.clone());
            }
        }
        self.load.log.say(Said::Stopped(stop));
        self.cycle += 1;
        Ok(())
    }

    /// Whether anything that was acknowledged was not there at the last look: a short answer before the long one.
    #[must_use]
    pub fn lost_something(&self) -> bool {
        self.load.log.said().iter().rev().find_map(|said| match said {
            Said::Stopped(stop) => Some(!stop.absent.is_empty() || !stop.damaged.is_empty()),
            _ => None,
        }) == Some(true)
    }

    /// The calm after the storm: starts the host if need be, has everything sent and ended, and stops it.
    ///
    /// # Errors
    ///
    /// The host does not start or stop.
    pub async fn calm(&mut self) -> anyhow::Result<()> {
        if let Some(shim) = &self.shim {
            shim.reset()?;
        }
        if !self.host.is_alive()
            && let Err(status) = self.start(&[]).await
        {
            bail!("the host does not start any more ({status}):\n{}", self.host.printed());
        }
        let door = self.door();
        self.load.log.say(Said::Calm { ledger: self.ledger.count() as u64 });
        let begun = Instant::now();
        while !self.load.is_settled() && begun.elapsed() < self.patience {
            self.load.send(&door, false).await;
        }
        let mut took_ms = None;
        while begun.elapsed() < self.patience {
            if self.is_quiet().await {
                took_ms = Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.load.log.say(Said::Drained { took_ms });
        let status = self.host.stop().await;
        if !status.success() {
            bail!("the host did not stop in order ({status}):\n{}", self.host.printed());
        }
        Ok(())
    }

    /// Waits until nothing is under way, or a while is over.
    pub async fn calm_enough(&self) {
        let begun = Instant::now();
        while !self.is_quiet().await && begun.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_quiet(&self) -> bool {
        let api = self.host.api();
        for state in ["queued", "running", "waiting"] {
            let page = api.get(&format!("/v1/runs?environment=dev&integration=probe&state={state}&limit=1")).await;
            if page["runs"].as_array().is_none_or(|runs| !runs.is_empty()) {
                return false;
            }
        }
        true
    }

    /// The evidence: the three logs as they are on disk, and the database. The host must be gone.
    ///
    /// # Errors
    ///
    /// Something does not read.
    pub fn evidence(&self) -> anyhow::Result<Evidence> {
        Ok(Evidence {
            said: Log::read(&self.place.path().join("load"))?,
            ledger: Ledger::entries(&self.place.path().join("ledger")),
            dump: Copy::of(&self.host.data())?.dump()?,
        })
    }

    /// Calms down and judges.
    ///
    /// # Errors
    ///
    /// The host does not start or stop, or something does not read.
    pub async fn judge(mut self) -> anyhow::Result<Verdict> {
        self.calm().await?;
        Ok(checker::check(&self.evidence()?))
    }

    /// Judges as things are: for a host that is broken on purpose.
    ///
    /// # Errors
    ///
    /// Something does not read.
    pub fn judge_now(&self) -> anyhow::Result<Verdict> {
        Ok(checker::check(&self.evidence()?))
    }
}
