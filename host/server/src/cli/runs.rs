//! `runs`: lists runs, shows one, exports it, cancels it, decides over a call in doubt.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::Client;
use super::error::CliError;
use super::export::{self, ExportArgs};
use super::screen::{Screen, ago, attributes, level, list, moment, safe, safe_lines, text};

#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// Runs, newest first
    List(ListArgs),
    /// One run: its attempts, its calls, its log
    Show {
        /// The run, or the first characters of its id
        run: String,
    },
    /// Write a run to one file: to read, to keep, to play with `replay`
    Export(ExportArgs),
    /// Cancel a run
    Cancel {
        /// The run, or the first characters of its id
        run: String,
    },
    /// Decide over a run that waits because a call may have happened
    Decide {
        /// The run, or the first characters of its id
        run: String,
        /// What is to become of the call
        decision: Decision,
        /// skip: what the other side answered, as JSON or a file with it:
        /// {"status": 201, "headers": {}, "body": "…"}, or what a fixture calls `response`
        /// [default: 201 to a POST, else 200, and no body; of others the usual answer]
        #[arg(long, value_name = "JSON|FILE")]
        result: Option<String>,
        /// skip: which call, if several are in doubt [default: the first]
        #[arg(long, value_name = "N")]
        call: Option<u32>,
    },
    /// Try a dead letter again: same run, same journal, calls that succeeded are not repeated
    #[command(disable_version_flag = true)]
    Resume {
        /// The run, or the first characters of its id
        run: String,
        /// On another version than its own: its number, or `active`
        #[arg(long, value_name = "N|active")]
        version: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Decision {
    /// It did not happen: make the call again, with the same key
    Retry,
    /// It happened, or is to be taken as done: go on with --result
    Skip,
    /// Give up: the run is dead-lettered
    Fail,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// In this environment
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Of this integration
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// In this state, such as waiting or dead-lettered
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Older than this run
    #[arg(long, value_name = "RUN")]
    before: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
}

pub(super) async fn run(command: RunsCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    match command {
        RunsCommand::List(args) => listed(args, client, screen).await,
        RunsCommand::Show { run } => {
            let detail = client.get(&["runs", &run], &[]).await?;
            if !screen.answer(&detail) {
                let log = client.get(&["runs", &text(&detail, "id"), "logs"], &[]).await?;
                show(screen, &detail, &log);
            }
            Ok(())
        }
        RunsCommand::Export(args) => export::run(args, client, screen).await,
        RunsCommand::Cancel { run } => {
            let answer = client.post(&["runs", &run, "cancel"], &json!({})).await?;
            if !screen.answer(&answer) {
                match text(&answer, "state").as_str() {
                    "running" => screen.done("its attempt is being stopped"),
                    state => screen.done(format!("the run is {state}")),
                }
            }
            Ok(())
        }
        RunsCommand::Decide { run, decision, result, call } => {
            decide(&run, decision, result.as_deref(), call, client, screen).await
        }
        RunsCommand::Resume { run, version } => super::deadletters::resume(run, version, client, screen).await,
    }
}

async fn decide(
    run: &str,
    decision: Decision,
    result: Option<&str>,
    call: Option<u32>,
    client: &Client,
    screen: &Screen,
) -> Result<(), CliError> {
    let word = match decision {
        Decision::Retry => "retry",
        Decision::Skip => "skip",
        Decision::Fail => "fail",
    };
    let mut body = json!({ "decision": word });
    if let Some(call) = call {
        body["call"] = call.into();
    }
    if let Some(result) = result {
        body["result"] = given(result)?;
    }
    let answer = client.post(&["runs", run, "decide"], &body).await?;
    if screen.answer(&answer) {
        return Ok(());
    }
    if let Some(call) = answer.get("call").filter(|call| !call.is_null()) {
        let (number, what) = (text(call, "call"), text(call, "what"));
        screen.done(format!("call {number} ({what}) is taken as done: {}", text(&answer, "result")));
        if result.is_none() {
            screen.line("  the guest is told so; --result says otherwise");
        }
    }
    match text(&answer, "state").as_str() {
        "needs-decision" => screen.warning("another call may have happened: the run still waits for a decision"),
        state => screen.done(format!("the run is {state}")),
    }
    Ok(())
}

/// A result as it is given: JSON, or the name of a file that holds it.
fn given(text: &str) -> Result<Value, CliError> {
    let from_file = !text.trim_start().starts_with(['{', '"', '[']);
    let json = if from_file {
        std::fs::read_to_string(text).map_err(|e| CliError::input(format!("--result {text}: {e}")))?
    } else {
        text.to_owned()
    };
    serde_json::from_str(&json).map_err(|e| {
        CliError::input(format!(
            "--result: {e}; write JSON such as {{\"status\": 201, \"body\": \"…\"}}, or a file with it"
        ))
    })
}

/// The rows that `runs list` and `deadletters list` share.
/// A run in a table; the second cell is the table's own.
pub(super) fn row(run: &Value, second: String) -> Vec<String> {
    vec![
        text(run, "id"),
        second,
        text(run, "environment"),
        format!("{} · {}", text(run, "integration"), text(run, "component")),
        text(run, "trigger"),
        ago(run, "accepted"),
        text(run, "attempts"),
        text(run, "reason").chars().take(60).collect(),
    ]
}

const HEADS: [&str; 8] = ["run", "state", "env", "integration", "trigger", "accepted", "attempts", "why"];

async fn listed(args: ListArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let mut query = vec![("limit", args.limit.to_string())];
    let optional =
        [("environment", args.env), ("integration", args.integration), ("state", args.state), ("before", args.before)];
    query.extend(optional.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))));
    let answer = client.get(&["runs"], &query).await?;
    if !screen.answer(&answer) {
        screen.table(&HEADS, list(&answer, "runs").iter().map(|run| row(run, text(run, "state"))).collect(), "no runs");
        let next = text(&answer, "next");
        if !next.is_empty() {
            screen.line(Screen::dim(&format!("older ones: --before {next}")));
        }
    }
    Ok(())
}

fn show(screen: &Screen, run: &Value, log: &Value) {
    let state = text(run, "state");
    let when = if text(run, "finished").is_empty() { ago(run, "accepted") } else { ago(run, "finished") };
    screen.line(format!(
        "{} · {} · {} · version {}    {state}  {when}",
        text(run, "integration"),
        text(run, "component"),
        text(run, "environment"),
        text(run, "version"),
    ));
    let (id, about) = (text(run, "event_id"), text(run, "event_subject"));
    screen.line(format!(
        "{} · event {}{} · accepted {} · {} attempt{}",
        text(run, "trigger"),
        id,
        if id.contains(&about) { String::new() } else { format!(" ({about})") },
        text(run, "accepted"),
        text(run, "attempts"),
        if text(run, "attempts") == "1" { "" } else { "s" },
    ));
    let attempts = list(run, "attempts_made");
    if let Some(last) = attempts.last() {
        let calls = list(last, "calls").iter().map(|call| {
            let note = match (call.get("replayed"), call.get("in_doubt")) {
                (_, Some(Value::Bool(true))) => "may have happened",
                (Some(Value::Bool(true)), _) => "replayed",
                _ => "",
            };
            let what = format!("{} {}", text(call, "capability"), text(call, "what"));
            vec![text(call, "call"), what, format!("{} ms", text(call, "took_ms")), text(call, "result"), note.into()]
        });
        let calls: Vec<_> = calls.collect();
        if !calls.is_empty() {
            screen.line("");
            screen.table(&["#", "call", "took", "result", ""], calls, "");
        }
        screen.line("");
        for attempt in attempts.iter().rev().take(5).rev() {
            attempted(screen, attempt);
        }
    }
    // Beside the last attempt, if it did not succeed, its last lines are shown already.
    let shown = attempts.last().is_some_and(|last| !list(last, "log").is_empty());
    let lines = list(log, "");
    if shown {
        let last = attempts.last().map_or(&[][..], |last| list(last, "log"));
        if lines.len() > last.len() {
            let more = lines.len() - last.len();
            screen.line(Screen::dim(&format!("{more} lines more: jackfield logs --run {}", text(run, "id"))));
        }
    } else {
        for line in lines.iter().rev().take(20).rev() {
            logged(screen, "", line);
        }
    }
    for decision in list(run, "decisions") {
        let result = text(decision, "result");
        let taken = if result.is_empty() { String::new() } else { format!(" → {result}") };
        screen.line(format!(
            "decided  {}  {} by {}: {}{taken}",
            text(decision, "at"),
            text(decision, "decision"),
            text(decision, "who"),
            text(decision, "what"),
        ));
    }
    let id = text(run, "id");
    match state.as_str() {
        "needs-decision" => {
            screen.line("");
            for doubt in list(run, "in_doubt") {
                let (number, capability, what) = (text(doubt, "call"), text(doubt, "capability"), text(doubt, "what"));
                screen.warning(format!("call {number}  {capability} {what}  was sent, and may have happened"));
            }
            screen.line("Nobody but you can know. Look at the other side, then say one of");
            screen.line(format!(
                "  jackfield runs decide {id} skip --result '{{\"status\": 201, \"body\": \"…\"}}'   it happened"
            ));
            screen.line(format!("  jackfield runs decide {id} retry     it did not: make it again, with the same key"));
            screen.line(format!("  jackfield runs decide {id} fail      give up"));
            if let Some(allow) =
                list(run, "in_doubt").first().map(|doubt| text(doubt, "allow")).filter(|l| !l.is_empty())
            {
                screen.line("To always retry here, in the manifest's grants:");
                screen.line(format!("  {allow}"));
            }
            screen.line("To make it safe, if the other side honours the key: idempotency=header on the connection.");
        }
        "dead-lettered" => {
            screen.line(format!("\n{}", text(run, "reason")));
            screen.line("Calls that succeeded will not be made again. To go on once the cause is mended:");
            screen.line(format!("  jackfield runs resume {id}                    with the version it has"));
            screen.line(format!("  jackfield runs resume {id} --version active   with the one that is active now"));
            screen.line(format!("  jackfield test --record {id}                  in its project: make it a test"));
        }
        "discarded" if !text(run, "fresh").is_empty() => {
            screen.line(format!("\nstarted fresh: jackfield runs show {}", text(run, "fresh")));
        }
        _ => {}
    }
}

fn attempted(screen: &Screen, attempt: &Value) {
    let wall = attempt.pointer("/usage/wall_ms").or_else(|| attempt.pointer("/usage/wall"));
    let took = wall.map(|w| format!(" after {} ms", safe(&w.to_string()))).unwrap_or_default();
    let reason = text(attempt, "reason");
    let what = format!("attempt {}   {}{took}   {reason}", text(attempt, "number"), text(attempt, "outcome"));
    if text(attempt, "outcome") == "succeeded" {
        screen.done(what)
    } else {
        screen.wrong(what)
    }
    if let Some(stack) = attempt.get("stack").and_then(Value::as_str) {
        // Two calls side by side are longer than what tells of a stack.
        let most = if reason.starts_with("non-determinism") { 32 } else { 12 };
        for frame in safe_lines(stack).lines().take(most) {
            screen.line(format!("     {frame}"));
        }
    }
    for line in list(attempt, "log") {
        logged(screen, "  ", line);
    }
    let refused = text(attempt, "refused");
    if !refused.is_empty() {
        screen.warning(format!("refused: {refused}"));
    }
}

fn logged(screen: &Screen, before: &str, line: &Value) {
    let (at, level) = (moment(screen, line, "at"), level(line, "level"));
    let attributes = attributes(line, "attributes");
    screen.line(format!("{before}log  {at}  {level}  {}{attributes}", text(line, "message")));
}
