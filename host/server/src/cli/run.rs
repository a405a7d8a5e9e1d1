//! `run`: starts a run by hand, and with `--wait` stays to see how it ends.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, payload, text};

/// The longest pause between two looks at a run that goes on.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The integration
    integration: String,
    /// The component, if the integration has several
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// The event's data: a file, `-` for standard input, or the data itself (`{"id": 7}`)
    #[arg(long, value_name = "FILE|-|DATA")]
    input: Option<String>,
    /// The event's type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// The media type of the data
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// An id of your own: the same request again is the same run
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Wait for the outcome, at most so many seconds [default: 60]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    wait: Option<u64>,
    #[command(flatten)]
    within: InEnvironment,
}

pub(super) async fn run(args: RunArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let mut body = json!({
        "component": args.component, "type": args.event_type, "content_type": args.content_type, "request": args.request,
    });
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| !value.is_null());
        if let Some(input) = &args.input {
            let (key, value) = data(input)?;
            members.insert(key.into(), value);
        }
    }
    let path = ["environments", &args.within.env, "integrations", &args.integration, "runs"];
    let started = client.post(&path, &body).await?;
    follow(&started, args.wait, client, screen).await
}

/// Says that a run was started, or with a number of seconds waits for its end and says how it was.
pub(super) async fn follow(
    started: &Value,
    seconds: Option<u64>,
    client: &Client,
    screen: &Screen,
) -> Result<(), CliError> {
    let run = text(started, "run");
    let Some(seconds) = seconds else {
        if !screen.answer(started) {
            screen.done(format!("run {run} is accepted"));
            screen.line(format!("  jackfield runs show {run}"));
        }
        return Ok(());
    };
    let ended = {
        let _progress = screen.progress(format!("run {run}"));
        wait(client, &run, Duration::from_secs(seconds)).await?
    };
    let state = text(&ended, "state");
    if !screen.answer(&ended) {
        show(screen, &ended, &run, &state);
    }
    match state.as_str() {
        "succeeded" => Ok(()),
        _ => Err(CliError::silent(1)),
    }
}

/// Whether nothing more happens to a run in this state, unless a person decides.
pub(super) fn is_over(state: &str) -> bool {
    matches!(state, "succeeded" | "dead-lettered" | "cancelled" | "discarded" | "needs-decision")
}

/// Asks until the run is final or parked, or the time is over.
async fn wait(client: &Client, run: &str, limit: Duration) -> Result<Value, CliError> {
    let until = tokio::time::Instant::now() + limit;
    let mut pause = Duration::from_millis(20);
    loop {
        let detail = client.json(client.request(Method::GET, &["runs", run])).await?;
        let state = text(&detail, "state");
        if is_over(&state) || tokio::time::Instant::now() >= until {
            return Ok(detail);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

fn show(screen: &Screen, ended: &Value, run: &str, state: &str) {
    match state {
        "succeeded" => screen.done(format!("run {run}  succeeded")),
        _ => {
            screen.wrong(format!("run {run}  {state}"));
            let reason = text(ended, "reason");
            if !reason.is_empty() {
                screen.line(format!("  {reason}"));
            }
        }
    }
    if let Some(output) = ended.get("output").filter(|output| !output.is_null()) {
        screen.line(format!("  {}", payload(output)));
    }
    screen.line(format!("  jackfield runs show {run}"));
}

/// The event's data from a file, standard input, or the argument itself.
fn data(input: &str) -> Result<(&'static str, Value), CliError> {
    let bytes = if input == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| CliError::input(format!("standard input: {e}")))?;
        bytes
    } else if input.trim_start().starts_with(['{', '[', '"']) {
        input.as_bytes().to_vec()
    } else {
        std::fs::read(PathBuf::from(input)).map_err(|e| {
            CliError::input(format!("--input {input}: {e}\n  Name a file, `-` for standard input, or write JSON."))
        })?
    };
    // As it is, byte for byte: the host does not look into it either.
    Ok(match String::from_utf8(bytes) {
        Ok(said) => match serde_json::from_str::<Value>(&said) {
            Ok(value) => ("data", value),
            Err(_) => ("data_text", said.into()),
        },
        Err(other) => {
            use base64::Engine as _;
            ("data_base64", base64::prelude::BASE64_STANDARD.encode(other.as_bytes()).into())
        }
    })
}
