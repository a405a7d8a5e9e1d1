//! `deadletters`: lists them, resumes or discards them.

use clap::{Args, Subcommand};
use jackfield_core::clock::{Rng as _, SystemRng};
use serde_json::{Value, json};

use super::client::Client;
use super::error::CliError;
use super::runs::{HEADS, rows};
use super::screen::{Screen, list, text};

#[derive(Debug, Subcommand)]
pub(super) enum DeadlettersCommand {
    /// Dead letters, newest first
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// Try them again: same run, same journal, calls that succeeded are not repeated
    Resume(Chosen),
    /// Put them away
    Discard(Chosen),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// In this environment
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Of this integration
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// The runs
    #[arg(required_unless_present = "all")]
    runs: Vec<String>,
    /// Instead of naming them: all, up to 1,000, of --env and --integration
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// An id of your own: the same request again does nothing more
    #[arg(long, value_name = "ID")]
    request: Option<String>,
}

pub(super) async fn run(command: DeadlettersCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    match command {
        DeadlettersCommand::List { which, limit } => {
            let answer = dead(client, which, limit).await?;
            if !screen.answer(&answer) {
                screen.table(&HEADS, rows(list(&answer, "runs")), "no dead letters");
            }
            Ok(())
        }
        DeadlettersCommand::Resume(chosen) => act(client, screen, chosen, "resume", "resumed").await,
        DeadlettersCommand::Discard(chosen) => act(client, screen, chosen, "discard", "discarded").await,
    }
}

async fn dead(client: &Client, which: Which, limit: u32) -> Result<Value, CliError> {
    let mut query = vec![("state", "dead-lettered".to_owned()), ("limit", limit.to_string())];
    let optional = [("environment", which.env), ("integration", which.integration)];
    query.extend(optional.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))));
    client.get(&["runs"], &query).await
}

async fn act(client: &Client, screen: &Screen, chosen: Chosen, verb: &str, done: &str) -> Result<(), CliError> {
    let mut runs = chosen.runs;
    if chosen.all {
        let answer = dead(client, chosen.which, 1_000).await?;
        runs = list(&answer, "runs").iter().map(|run| text(run, "id")).collect();
    } else {
        for run in &mut runs {
            // A prefix will do: the API answers with the whole id.
            *run = text(&client.get(&["runs", run.as_str()], &[]).await?, "id");
        }
    }
    let request = chosen.request.unwrap_or_else(|| {
        let mut random = [0; 10];
        SystemRng.fill(&mut random);
        data_encoding::BASE32_NOPAD.encode(&random)
    });
    let answer = client.post(&["dead-letters", verb], &json!({ "request": request, "runs": runs })).await?;
    if !screen.answer(&answer) {
        let count = answer.get(done).and_then(Value::as_u64).unwrap_or(0);
        screen.done(format!("{count} {done}"));
    }
    Ok(())
}
