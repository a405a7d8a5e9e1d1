//! `deadletters`: lists and shows them, resumes them, starts them fresh or discards them, in bulk too.
//!
//! What is chosen by a filter becomes a job of the host: it goes on when this command is gone.

use std::time::Duration;

use clap::{Args, Subcommand};
use jackfield_core::clock::{Clock as _, Rng as _, SystemClock, SystemRng};
use serde_json::{Map, Value, json};

use super::client::Client;
use super::error::CliError;
use super::runs::row;
use super::screen::{Screen, ago, agreed, list, text};
use crate::api::types::duration;

/// Characters of what an event is about, in a table.
const ABOUT: usize = 32;

/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(super) enum DeadlettersCommand {
    /// Dead letters, oldest first
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
        /// Newer than this run
        #[arg(long, value_name = "RUN")]
        after: Option<String>,
    },
    /// One dead letter: its attempts, its calls, its log, and the way on
    Show {
        /// The run, or the first characters of its id
        run: String,
    },
    /// Try them again: same run, same journal, calls that succeeded are not repeated
    #[command(disable_version_flag = true)]
    Resume(Moved),
    /// Put them away, and start a new run of each event: effects that were made are made again
    #[command(disable_version_flag = true)]
    Fresh {
        #[command(flatten)]
        moved: Moved,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Put them away
    Discard(Chosen),
    /// Jobs that work through many dead letters
    Jobs,
    /// Stop a job; what it has done stays done
    Stop {
        /// The job
        job: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// In this environment
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Of this integration
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// Of this component
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Whose reason holds this text
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Dead for longer than this, such as 2h
    #[arg(long, value_name = "TIME")]
    older: Option<String>,
    /// Dead for less than this, such as 2h
    #[arg(long, value_name = "TIME")]
    newer: Option<String>,
}

impl Which {
    /// As the API takes it.
    fn filter(self) -> Result<Map<String, Value>, CliError> {
        let ago = |text: Option<String>| {
            let span = text.as_deref().map(duration).transpose().map_err(CliError::input)?;
            Ok::<_, CliError>(span.map(|span| SystemClock.now().minus(span).to_string()))
        };
        let parts = [
            ("environment", self.env),
            ("integration", self.integration),
            ("component", self.component),
            ("reason", self.reason),
            ("until", ago(self.older)?),
            ("since", ago(self.newer)?),
        ];
        Ok(parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))).collect())
    }
}

#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// The runs
    #[arg(required_unless_present = "all")]
    runs: Vec<String>,
    /// Instead of naming them: all that --env, --integration, --component, --reason, --older and --newer let
    /// through. The host does it, and goes on when this command is gone
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// With --all: so many, such as 10/s or 300/m [default: 50/s]
    #[arg(long, requires = "all", value_name = "N/s|N/m")]
    rate: Option<String>,
    /// With --all: do not wait for the end
    #[arg(long, requires = "all")]
    detach: bool,
    /// An id of your own: the same request again does nothing more
    #[arg(long, value_name = "ID")]
    request: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Moved {
    #[command(flatten)]
    chosen: Chosen,
    /// On another version: its number, or `active`
    #[arg(long, value_name = "N|active")]
    version: Option<String>,
}

pub(super) async fn run(command: DeadlettersCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    match command {
        DeadlettersCommand::List { which, limit, after } => listed(which, limit, after, client, screen).await,
        DeadlettersCommand::Show { run } => {
            super::runs::run(super::runs::RunsCommand::Show { run }, client, screen).await
        }
        DeadlettersCommand::Resume(moved) => {
            act(client, screen, moved.chosen, moved.version, "resume", "resumed").await
        }
        DeadlettersCommand::Fresh { moved, yes } => {
            screen.warning("effects that these runs made are made again, with other keys");
            if !agreed(yes, "Start them fresh?")? {
                return Ok(());
            }
            act(client, screen, moved.chosen, moved.version, "fresh", "started").await
        }
        DeadlettersCommand::Discard(chosen) => act(client, screen, chosen, None, "discard", "discarded").await,
        DeadlettersCommand::Jobs => jobs(client, screen).await,
        DeadlettersCommand::Stop { job } => {
            let answer = client.post(&["dead-letters", "jobs", &job, "stop"], &json!({})).await?;
            if !screen.answer(&answer) {
                screen.done(format!(
                    "job {} is {} after {} run(s)",
                    text(&answer, "request"),
                    text(&answer, "state"),
                    text(&answer, "done")
                ));
            }
            Ok(())
        }
    }
}

/// Resumes one.
pub(super) async fn resume(
    run: String,
    version: Option<String>,
    client: &Client,
    screen: &Screen,
) -> Result<(), CliError> {
    named(client, screen, vec![run], fresh_id(), version, "resume", "resumed").await
}

const HEADS: [&str; 8] = ["run", "about", "env", "integration", "trigger", "accepted", "attempts", "why"];

/// What the event of a dead letter is about, as far as a table has room.
fn about(run: &Value) -> String {
    let key = if text(run, "event_subject").is_empty() { "event_id" } else { "event_subject" };
    let about = text(run, key);
    // Its end tells more than its beginning: of a path, the file.
    let hidden = about.chars().count().saturating_sub(ABOUT);
    if hidden > 0 { format!("…{}", about.chars().skip(hidden + 1).collect::<String>()) } else { about }
}

async fn listed(
    which: Which,
    limit: u32,
    after: Option<String>,
    client: &Client,
    screen: &Screen,
) -> Result<(), CliError> {
    let mut query = vec![("limit", limit.to_string())];
    let filter = which.filter()?;
    query.extend(filter.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?.to_owned()))));
    query.extend(after.map(|after| ("after", after)));
    let answer = client.get(&["dead-letters"], &query).await?;
    if !screen.answer(&answer) {
        screen.table(&HEADS, list(&answer, "runs").iter().map(|run| row(run, about(run))).collect(), "no dead letters");
        let next = text(&answer, "next");
        if !next.is_empty() {
            screen.line(Screen::dim(&format!("newer ones: --after {next}")));
        }
    }
    Ok(())
}

/// An id of a request that nobody made before.
fn fresh_id() -> String {
    let mut random = [0; 10];
    SystemRng.fill(&mut random);
    data_encoding::BASE32_NOPAD.encode(&random)
}

async fn act(
    client: &Client,
    screen: &Screen,
    chosen: Chosen,
    version: Option<String>,
    verb: &str,
    done: &str,
) -> Result<(), CliError> {
    let request = chosen.request.unwrap_or_else(fresh_id);
    if !chosen.all {
        return named(client, screen, chosen.runs, request, version, verb, done).await;
    }
    let mut body = json!({ "request": request, "verb": verb, "filter": chosen.which.filter()? });
    if let Some(rate) = &chosen.rate {
        body["per_minute"] = per_minute(rate)?.into();
    }
    if let Some(version) = version {
        body["version"] = version.into();
    }
    let mut job = client.post(&["dead-letters", "jobs"], &body).await?;
    let request = text(&job, "request");
    if !chosen.detach {
        while text(&job, "state") == "running" {
            let said = format!(
                "{verb} {} of {} (job {request}; it goes on without this command)",
                text(&job, "done"),
                text(&job, "total")
            );
            let _progress = screen.progress(said);
            tokio::time::sleep(LOOK).await;
            job = client.get(&["dead-letters", "jobs", &request], &[]).await?;
        }
    }
    if screen.answer(&job) {
        return Ok(());
    }
    match text(&job, "state").as_str() {
        "running" => {
            screen.done(format!("job {request} works through {} dead letter(s)", text(&job, "total")));
            screen.line("  jackfield deadletters jobs          how far it is");
            screen.line(format!("  jackfield deadletters stop {request}"));
        }
        state => screen.done(format!("{} {done} ({state})", text(&job, "done"))),
    }
    if text(&job, "skipped") != "0" {
        screen.warning(format!("{} skipped; the last: {}", text(&job, "skipped"), text(&job, "problem")));
    }
    Ok(())
}

async fn named(
    client: &Client,
    screen: &Screen,
    mut runs: Vec<String>,
    request: String,
    version: Option<String>,
    verb: &str,
    done: &str,
) -> Result<(), CliError> {
    for run in &mut runs {
        // A prefix will do: the API answers with the whole id.
        *run = text(&client.get(&["runs", run.as_str()], &[]).await?, "id");
    }
    let mut body = json!({ "request": request, "runs": runs });
    if let Some(version) = version {
        body["version"] = version.into();
    }
    let answer = client.post(&["dead-letters", verb], &body).await?;
    if !screen.answer(&answer) {
        let count = answer.get(done).and_then(Value::as_u64).unwrap_or(0);
        screen.done(format!("{count} {done}"));
        for started in list(&answer, "runs") {
            screen.line(format!("  {} → {}", text(started, "dead"), text(started, "run")));
        }
    }
    Ok(())
}

async fn jobs(client: &Client, screen: &Screen) -> Result<(), CliError> {
    let answer = client.get(&["dead-letters", "jobs"], &[]).await?;
    if !screen.answer(&answer) {
        let rows = list(&answer, "").iter().map(|job| {
            vec![
                text(job, "request"),
                text(job, "verb"),
                text(job, "state"),
                format!("{} of {}", text(job, "done"), text(job, "total")),
                text(job, "skipped"),
                format!("{}/m", text(job, "per_minute")),
                text(job, "who"),
                ago(job, "asked"),
                text(job, "problem"),
            ]
        });
        let heads = ["job", "verb", "state", "done", "skipped", "rate", "by", "asked", "last problem"];
        screen.table(&heads, rows.collect(), "no jobs");
    }
    Ok(())
}

/// `10/s` or `300/m` as runs a minute.
fn per_minute(text: &str) -> Result<u32, CliError> {
    let bad = || CliError::input(format!("--rate {text}: write a number a second or a minute, such as 10/s or 300/m"));
    let (count, factor) = match text.split_once('/') {
        Some((count, "s")) => (count, 60),
        Some((count, "m")) => (count, 1),
        _ => return Err(bad()),
    };
    count.parse::<u32>().ok().and_then(|count| count.checked_mul(factor)).filter(|rate| *rate > 0).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_by_second_or_minute() {
        assert_eq!(per_minute("10/s").unwrap(), 600);
        assert_eq!(per_minute("30/m").unwrap(), 30);
        for bad in ["10", "0/s", "1/h", "-1/s", "x/s", "99999999999/s"] {
            assert!(per_minute(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_row_says_what_the_event_is_about() {
        let about = |run: Value| row(&run, about(&run))[1].clone();
        assert_eq!(about(json!({ "event_id": "7", "event_subject": "orders/4711" })), "orders/4711");
        assert_eq!(about(json!({ "event_id": "7" })), "7");
        let long = format!("/srv/ledger/{}/LEDGER.D261102", "ä".repeat(40));
        let cut = about(json!({ "event_id": "7", "event_subject": long }));
        assert!(cut.starts_with('…') && cut.ends_with("/LEDGER.D261102") && cut.chars().count() == ABOUT, "{cut}");
        assert_eq!(about(json!({ "event_subject": "a\u{1b}[31m" })), r"a\u{1b}[31m");
    }
}
