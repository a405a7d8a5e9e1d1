//! What happens in the host, line by line: an event, what its handler logged, how each attempt ended.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use reqwest::Method;
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::run;
use crate::cli::screen::{Screen, list, payload, safe_lines, text};

const PAUSE: Duration = Duration::from_millis(150);
/// Runs that are looked at: in a flood the rest is only counted.
const RUNS: usize = 100;
/// Characters of an event's data.
const DATA: usize = 120;
/// Frames of a stack.
const FRAMES: usize = 8;

/// See the module.
pub(super) struct Feed<'a> {
    client: &'a Client,
    screen: &'a Screen,
    /// The newest run that was seen: ids sort by time.
    newest: String,
    /// Runs that are not over.
    open: BTreeMap<String, Shown>,
    zone: TimeZone,
}

/// What was shown of a run.
#[derive(Default)]
struct Shown {
    attempts: usize,
    lines: usize,
    /// Where it was, by the list of runs, when it was looked at.
    place: Option<(String, String)>,
}

impl<'a> Feed<'a> {
    /// Begins with what happens from now on.
    pub(super) async fn new(client: &'a Client, screen: &'a Screen) -> Result<Self, CliError> {
        let runs = client.get(&["runs"], &[("limit", "1".into())]).await?;
        let newest = list(&runs, "runs").first().map(|run| text(run, "id")).unwrap_or_default();
        Ok(Self { client, screen, newest, open: BTreeMap::new(), zone: TimeZone::system() })
    }

    /// Shows what happens until the host ends.
    pub(super) async fn run(&mut self) -> Result<(), CliError> {
        loop {
            tokio::time::sleep(PAUSE).await;
            match self.look().await {
                Ok(()) => {}
                // The host is about to end, or too busy: the next look tells.
                Err(error) if error.code == 3 => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn look(&mut self) -> Result<(), CliError> {
        let page = self.client.get(&["runs"], &[("limit", RUNS.to_string())]).await?;
        let runs = list(&page, "runs");
        let fresh: Vec<_> = runs.iter().map(|run| text(run, "id")).take_while(|id| *id > self.newest).collect();
        if let Some(newest) = fresh.first() {
            self.newest.clone_from(newest);
        }
        for id in fresh.iter().rev() {
            let detail = self.detail(id).await?;
            self.arrived(&detail);
            self.open.insert(id.clone(), Shown::default());
        }
        // Runs that wait for another attempt may be many, and nothing is new of them.
        for run in runs.iter().rev() {
            let (id, state) = (text(run, "id"), text(run, "state"));
            let place = (state.clone(), text(run, "attempts"));
            let Some(shown) = self.open.get_mut(&id) else { continue };
            if state == "running" || shown.place.as_ref() != Some(&place) {
                shown.place = Some(place);
                self.go_on(&id).await?;
            }
        }
        Ok(())
    }

    async fn detail(&self, id: &str) -> Result<Value, CliError> {
        self.client.json(self.client.request(Method::GET, &["runs", id])).await
    }

    /// Shows what is new of a run.
    async fn go_on(&mut self, id: &str) -> Result<(), CliError> {
        // The state first: what was logged before it is then in the log.
        let detail = self.detail(id).await?;
        let log = self.client.get(&["runs", id, "logs"], &[]).await?;
        let shown = self.open.entry(id.to_owned()).or_default();
        let attempts = list(&detail, "attempts_made");
        let lines: Vec<_> = list(&log, "").iter().skip(shown.lines).cloned().collect();
        let ended: Vec<_> = attempts.iter().skip(shown.attempts).cloned().collect();
        shown.lines += lines.len();
        shown.attempts += ended.len();
        for line in &lines {
            let level = text(line, "level");
            let attributes =
                list(line, "attributes").iter().map(|a| format!("  {}={}", text(a, "name"), text(a, "value")));
            let rest: String = attributes.collect();
            self.line(line, "at", "log", &format!("{level:<5}  {}{}", text(line, "message"), Screen::dim(&rest)));
        }
        let state = text(&detail, "state");
        let over = run::is_over(&state);
        for (index, attempt) in ended.iter().enumerate() {
            let last = index + 1 == ended.len();
            self.ended(attempt, if last { &detail } else { &Value::Null }, last && over);
        }
        if over {
            self.open.remove(id);
        }
        Ok(())
    }

    fn arrived(&self, run: &Value) {
        let event = run.get("event").unwrap_or(&Value::Null);
        let data = payload(event);
        let short: String = data.chars().take(DATA).collect();
        let more = if short.len() < data.len() { " …" } else { "" };
        self.line(run, "accepted", "event", &format!("{}  {short}{more}", text(run, "trigger")));
    }

    fn ended(&self, attempt: &Value, run: &Value, over: bool) {
        let outcome = text(attempt, "outcome");
        let took = attempt.pointer("/usage/wall_ms").and_then(Value::as_f64).unwrap_or_default();
        let calls = list(attempt, "calls");
        let mut kinds: Vec<_> = calls.iter().map(|call| text(call, "capability")).collect();
        kinds.sort();
        kinds.dedup();
        let made = match calls.len() {
            0 => String::new(),
            1 => format!("  1 call ({})", kinds.join(", ")),
            n => format!("  {n} calls ({})", kinds.join(", ")),
        };
        let id = Screen::dim(&text(run, "id"));
        let what = match (outcome.as_str(), over) {
            ("succeeded", _) => format!("{}  {took:.0} ms{made}  {id}", Screen::good("succeeded")),
            (_, true) => {
                format!("{}  {took:.0} ms{made}  {id}", Screen::bad(&format!("{outcome}, {}", text(run, "state"))))
            }
            (_, false) => {
                format!("{}  {took:.0} ms{made}  {id}", Screen::bad(&format!("{outcome}, will be tried again")))
            }
        };
        self.line(attempt, "ended", "run", &what);
        if outcome != "succeeded" {
            self.screen.line(format!("                {}", text(attempt, "reason")));
        }
        let stack = attempt.get("stack").and_then(Value::as_str).unwrap_or_default();
        for frame in safe_lines(stack).lines().take(FRAMES) {
            self.screen.line(Screen::dim(&format!("                  {}", frame.trim())));
        }
        let refused = text(attempt, "refused");
        if !refused.is_empty() {
            self.screen.warning(format!("refused: {refused}"));
        }
    }

    fn line(&self, of: &Value, time: &str, kind: &str, what: &str) {
        let at = of.get(time).and_then(Value::as_str).and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let at = at.map(|at| at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()).unwrap_or_default();
        self.screen.line(format!("{} {kind:<6} {what}", Screen::dim(&at)));
    }
}
