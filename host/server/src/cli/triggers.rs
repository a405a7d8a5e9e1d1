//! `triggers`: what starts runs, the addresses of hooks, and when schedules are due.

use clap::Subcommand;
use jackfield_core::clock::Timestamp;
use jackfield_core::schedule::local_time;
use serde_json::{Value, json};

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, ago, joined, list, safe, text};

#[derive(Debug, Subcommand)]
pub(super) enum TriggersCommand {
    /// Triggers of the active releases
    List {
        #[command(flatten)]
        within: InEnvironment,
    },
    /// A trigger, and of a schedule what is next and what was skipped
    Show {
        /// The integration
        integration: String,
        /// The trigger
        trigger: String,
        #[command(flatten)]
        within: InEnvironment,
    },
    /// Start the run of a schedule now; its own instants stay as they are
    Fire {
        /// The integration
        integration: String,
        /// The trigger
        trigger: String,
        /// Wait for the outcome, at most so many seconds [default: 60]
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
        wait: Option<u64>,
        #[command(flatten)]
        within: InEnvironment,
    },
}

pub(super) async fn run(command: TriggersCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    match command {
        TriggersCommand::List { within } => {
            let answer = client.get(&["environments", &within.env, "triggers"], &[]).await?;
            if !screen.answer(&answer) {
                let rows = list(&answer, "").iter().map(|trigger| {
                    let mut row =
                        ["integration", "trigger", "kind", "component"].map(|key| text(trigger, key)).to_vec();
                    row.extend([what(trigger), next(trigger)]);
                    row
                });
                let heads = ["integration", "trigger", "kind", "component", "when or where", "next"];
                screen.table(&heads, rows.collect(), &format!("no triggers in {}", within.env));
            }
        }
        TriggersCommand::Show { integration, trigger, within } => {
            let path = ["environments", &within.env, "integrations", &integration, "triggers", &trigger];
            let answer = client.get(&path, &[]).await?;
            if !screen.answer(&answer) {
                show(&answer, screen);
            }
        }
        TriggersCommand::Fire { integration, trigger, wait, within } => {
            let path = ["environments", &within.env, "integrations", &integration, "triggers", &trigger, "fire"];
            let started = client.post(&path, &json!({})).await?;
            super::run::follow(&started, wait, client, screen).await?;
        }
    }
    Ok(())
}

/// A hook's address and who vouches for its requests, a schedule's timing, or what is listened for.
fn what(trigger: &Value) -> String {
    if let Some(source) = trigger.get("source") {
        return state(source);
    }
    let parts = match (trigger.get("schedule"), trigger.get("listens")) {
        (Some(schedule), _) => [text(schedule, "timing"), String::new()],
        (_, Some(listens)) => [joined(listens, "types"), joined(listens, "sources")],
        _ => [text(trigger, "url"), text(trigger, "verify")],
    };
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

/// How a trigger that hears from another system is, in a line.
fn state(source: &Value) -> String {
    let word = match (source.get("listening") == Some(&Value::Bool(true)), source.get("held").is_some()) {
        (true, false) => "listens on",
        (true, true) => "leaves messages on",
        (false, _) => "does not listen on",
    };
    let lag = source.get("lag").map(|lag| format!("  {lag} wait there")).unwrap_or_default();
    format!("{word} {}{lag}", text(source, "connection"))
}

fn show_source(source: &Value, screen: &Screen) {
    screen.line(format!("  {}, {}", state(source), ago(source, "since")));
    let held = text(source, "held");
    if !held.is_empty() {
        screen.wrong(format!("not now: {held}"));
    }
    let last =
        source.get("last_heard").map(|_| format!(", the last {}", ago(source, "last_heard"))).unwrap_or_default();
    screen.line(format!("  heard       {} since the host started{last}", text(source, "heard")));
    if source.get("lost").and_then(Value::as_u64).is_some_and(|lost| lost > 0) {
        screen.wrong(format!("lost {}: see the last failure", text(source, "lost")));
    }
    if let Some(failure) = source.get("last_error") {
        screen.line(format!("  last failure  {}: {}", ago(failure, "at"), text(failure, "text")));
    }
}

/// How the runs of a trigger follow one another, if they do.
fn order(trigger: &Value) -> Option<String> {
    trigger.get("order_by")?;
    let dead = if text(trigger, "on_dead_letter") == "block" { "; a dead letter holds up its key" } else { "" };
    Some(format!("runs of one {} follow one another{dead}", text(trigger, "order_by")))
}

/// The next instant of a schedule, on the clocks of its zone.
fn next(trigger: &Value) -> String {
    let Some(schedule) = trigger.get("schedule") else { return String::new() };
    if schedule.get("problem").is_some() {
        return "never: see triggers show".into();
    }
    list(schedule, "next").first().map_or_else(|| "never".into(), |at| instant(at, schedule))
}

fn instant(at: &Value, schedule: &Value) -> String {
    let zone = text(schedule, "zone");
    let wrapped = json!({ "at": at });
    let at = at.as_str().and_then(|text| Timestamp::parse(text).ok());
    let local = at.and_then(|at| local_time(at, &zone)).unwrap_or_else(|| text(&wrapped, "at"));
    format!("{local} {zone} ({})", ago(&wrapped, "at"))
}

fn show(trigger: &Value, screen: &Screen) {
    screen.line(format!(
        "{} · {} · {} → {}",
        text(trigger, "integration"),
        text(trigger, "trigger"),
        text(trigger, "kind"),
        text(trigger, "component")
    ));
    if let Some(listens) = trigger.get("listens") {
        screen.line(format!("  types       {}", joined(listens, "types")));
        let sources = joined(listens, "sources");
        screen.line(format!("  sources     {}", if sources.is_empty() { "any" } else { &sources }));
        for (name, value) in listens.get("attributes").and_then(Value::as_object).into_iter().flatten() {
            screen.line(format!("  attribute   {} = {}", safe(name), safe(value.as_str().unwrap_or_default())));
        }
    }
    if let Some(order) = order(trigger) {
        screen.line(format!("  order       {order}"));
    }
    if let Some(source) = trigger.get("source") {
        show_source(source, screen);
        return;
    }
    let Some(schedule) = trigger.get("schedule") else {
        if trigger.get("listens").is_none() {
            screen.line(format!("  {}", what(trigger)));
        }
        return;
    };
    screen.line(format!("  when        {}", text(schedule, "timing")));
    let problem = text(schedule, "problem");
    if !problem.is_empty() {
        screen.wrong(format!("it does not fire: {problem}"));
    }
    screen.line(format!("  misfire     {}", text(schedule, "misfire").replace(['{', '}', '"'], "").replace(':', " ")));
    screen.line(format!("  overlap     {}", text(schedule, "overlap")));
    for (place, at) in list(schedule, "next").iter().enumerate() {
        screen.line(format!("  {:<12}{}", if place == 0 { "next" } else { "" }, instant(at, schedule)));
    }
    if let Some(fired) = schedule.get("last_fired") {
        let at = fired.get("at").unwrap_or(&Value::Null);
        screen.line(format!("  last fired  {}   run {}", instant(at, schedule), text(fired, "run")));
    }
    if let Some(skipped) = schedule.get("last_skipped") {
        let at = skipped.get("at").unwrap_or(&Value::Null);
        screen.line(format!("  skipped     {}: {}", instant(at, schedule), text(skipped, "reason")));
        screen.line(format!("              {} since the last one that fired", text(schedule, "missed")));
    }
}
