//! `connections`: sets, lists, tests, removes and binds connections of an environment.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, ago, joined, list, read, safe, since, span, text};
use crate::api::connections::ConnectionTest;

#[derive(Debug, Subcommand)]
pub(super) enum ConnectionsCommand {
    /// Set a connection: `connections set github base_url=https://api.github.com credential.type=bearer credential.secret=github-token`
    Set(SetArgs),
    /// Connections of an environment
    List {
        #[command(flatten)]
        within: InEnvironment,
    },
    /// One connection: its settings, and whether calls leave now
    Show {
        /// The connection
        name: String,
        #[command(flatten)]
        within: InEnvironment,
    },
    /// Look whether a connection works, and say what is wrong
    Test {
        /// The connection
        name: String,
        #[command(flatten)]
        within: InEnvironment,
    },
    /// Remove a connection
    Remove {
        /// The connection
        name: String,
        #[command(flatten)]
        within: InEnvironment,
    },
    /// Let an integration's own name lead to a connection of another name
    Bind {
        /// The integration
        integration: String,
        /// The name in its manifest
        name: String,
        /// The environment's connection
        connection: String,
        #[command(flatten)]
        within: InEnvironment,
    },
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The connection
    name: String,
    /// Settings as key=value, dotted for tables; a secret by its name, never by its value
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Its kind
    #[arg(long, default_value = "http", value_name = "KIND")]
    kind: String,
    /// Only these integrations may use it [default: all]
    #[arg(long = "integration", value_name = "NAME")]
    integrations: Vec<String>,
    #[command(flatten)]
    within: InEnvironment,
}

pub(super) async fn run(command: ConnectionsCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    match command {
        ConnectionsCommand::Set(args) => set(args, client, screen).await,
        ConnectionsCommand::List { within } => {
            let answer = client.get(&["environments", &within.env, "connections"], &[]).await?;
            if !screen.answer(&answer) {
                let rows = list(&answer, "").iter().map(|connection| {
                    let settings = connection.get("settings").unwrap_or(&Value::Null);
                    let credential = settings.pointer("/credential/type").and_then(Value::as_str).unwrap_or("none");
                    let integrations = joined(connection, "integrations");
                    vec![
                        text(connection, "name"),
                        text(connection, "kind"),
                        text(settings, "base_url"),
                        safe(credential),
                        if integrations.is_empty() { "all".into() } else { integrations },
                        ago(connection, "set"),
                        calls(connection),
                    ]
                });
                let heads = ["name", "kind", "base url", "credential", "for", "set", "calls"];
                screen.table(&heads, rows.collect(), &format!("no connections in {}", within.env));
            }
            Ok(())
        }
        ConnectionsCommand::Show { name, within } => {
            let answer = client.get(&["environments", &within.env, "connections", &name], &[]).await?;
            if !screen.answer(&answer) {
                show(screen, &answer);
            }
            Ok(())
        }
        ConnectionsCommand::Test { name, within } => {
            let answer = {
                let _progress = screen.progress(format!("testing {name}"));
                client.post(&["environments", &within.env, "connections", &name, "test"], &json!({})).await?
            };
            if !screen.answer(&answer) {
                for (ok, said) in tested(&read(&answer)?, &name) {
                    match ok {
                        Some(true) => screen.done(said),
                        Some(false) => screen.wrong(said),
                        None => screen.line(said),
                    }
                }
            }
            if answer.get("ok") == Some(&Value::Bool(true)) { Ok(()) } else { Err(CliError::silent(1)) }
        }
        ConnectionsCommand::Remove { name, within } => {
            client.delete(&["environments", &within.env, "connections", &name]).await?;
            screen.done(format!("connection {name} is removed from {}", within.env));
            Ok(())
        }
        ConnectionsCommand::Bind { integration, name, connection, within } => {
            let path = ["environments", &within.env, "bindings", &integration, &name];
            let answer = client.put(&path, &json!({ "connection": connection })).await?;
            if !screen.answer(&answer) {
                screen.done(format!("{name} of {integration} leads to {connection} in {}", within.env));
            }
            Ok(())
        }
    }
}

/// Whether calls of a connection leave, in a word or two.
fn calls(connection: &Value) -> String {
    let Some(breaker) = connection.get("breaker") else { return String::new() };
    match text(breaker, "state").as_str() {
        "closed" => "leave".into(),
        "half-open" => "one probes".into(),
        state => format!("held ({state}), next {}", ago(breaker, "next")),
    }
}

fn show(screen: &Screen, connection: &Value) {
    screen.line(format!(
        "{} · {} · set {}",
        text(connection, "name"),
        text(connection, "kind"),
        ago(connection, "set")
    ));
    let integrations = joined(connection, "integrations");
    screen.line(format!("for      {}", if integrations.is_empty() { "all integrations".into() } else { integrations }));
    if let Some(settings) = connection.get("settings").and_then(Value::as_object) {
        for (key, value) in settings {
            let value = value.as_str().map_or_else(|| safe(&value.to_string()), safe);
            screen.line(format!("setting  {} = {value}", safe(key)));
        }
    }
    let breaker = connection.get("breaker").unwrap_or(&Value::Null);
    let said = format!(
        "calls    {}; {} failed in a row, {} held and opened {} times since the host started",
        calls(connection),
        text(breaker, "failures"),
        text(breaker, "held"),
        text(breaker, "opened"),
    );
    if text(breaker, "state") == "closed" { screen.done(said) } else { screen.warning(said) }
}

/// What a test found: good, wrong, or what belongs to the line above.
fn tested(test: &ConnectionTest, name: &str) -> Vec<(Option<bool>, String)> {
    let mut lines = Vec::new();
    for finding in &test.findings {
        let mut said = format!("{:<11} {}", safe(&finding.what), safe(&finding.detail));
        if finding.what == "credential" && !test.secrets.is_empty() {
            let secrets: Vec<String> = test
                .secrets
                .iter()
                .map(|secret| format!("secret {}, set {}", safe(&secret.name), since(secret.set.0)))
                .collect();
            said.push_str(&format!(" ({})", secrets.join("; ")));
        }
        lines.push((Some(finding.ok), said));
        if let Some(way_out) = &finding.way_out {
            lines.push((None, format!("  To mend it: {}", safe(way_out))));
        }
    }
    let took = span(Duration::from_millis(test.took_ms));
    let name = safe(name);
    lines.push((
        None,
        if test.ok {
            format!("{name} works, tested in {took}")
        } else {
            format!("{name} does not work yet, tested in {took}")
        },
    ));
    lines
}

async fn set(args: SetArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let mut settings = Map::new();
    for setting in &args.settings {
        let Some((key, value)) = setting.split_once('=') else {
            return Err(CliError::input(format!(
                "`{setting}`: write key=value, such as base_url=https://api.github.com"
            )));
        };
        let value = serde_json::from_str::<Value>(value)
            .ok()
            .filter(|value| !value.is_string() && !value.is_null())
            .unwrap_or_else(|| value.into());
        put(&mut settings, key, value)
            .map_err(|part| CliError::input(format!("`{setting}`: `{part}` has a value already")))?;
    }
    let body = json!({ "kind": args.kind, "settings": settings, "integrations": args.integrations });
    let answer = client.put(&["environments", &args.within.env, "connections", &args.name], &body).await?;
    if !screen.answer(&answer) {
        screen.done(format!("connection {} is set in {}", args.name, args.within.env));
        for warning in list(&answer, "warnings").iter().filter_map(Value::as_str) {
            screen.warning(safe(warning));
        }
        screen.line(format!("  jackfield connections test {} --env {}", args.name, args.within.env));
    }
    Ok(())
}

/// Puts `value` at a dotted key.
fn put(table: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), String> {
    match key.split_once('.') {
        None => {
            table.insert(key.into(), value);
            Ok(())
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| json!({}));
            put(inner.as_object_mut().ok_or_else(|| first.to_owned())?, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_says_what_is_wrong_and_the_way_out() {
        let test = json!({
            "ok": false, "took_ms": 210,
            "findings": [
                { "ok": true, "what": "address", "detail": "api.github.com → 140.82.121.6" },
                { "ok": false, "what": "credential", "detail": "not accepted: GET /user answered 401",
                  "way_out": "jackfield secrets set token --env prod" },
            ],
            "secrets": [{ "name": "token", "version": 2, "set": "2026-01-31T14:02:11.000Z" }],
        });
        let lines = tested(&serde_json::from_value(test).unwrap(), "github");
        let lines: Vec<_> = lines.iter().map(|(ok, text)| (*ok, text.as_str())).collect();
        assert_eq!(lines[0], (Some(true), "address     api.github.com → 140.82.121.6"));
        assert_eq!(lines[1].0, Some(false));
        assert!(
            lines[1].1.starts_with("credential  not accepted: GET /user answered 401 (secret token, set "),
            "{lines:?}"
        );
        assert_eq!(lines[2], (None, "  To mend it: jackfield secrets set token --env prod"));
        assert_eq!(lines[3], (None, "github does not work yet, tested in 210 ms"));
    }
}
