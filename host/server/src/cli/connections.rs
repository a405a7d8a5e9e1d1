//! `connections`: sets, lists, tests, removes and binds connections of an environment.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, ago, joined, list, text};

#[derive(Debug, Subcommand)]
pub(super) enum ConnectionsCommand {
    /// Set a connection: `connections set github base_url=https://api.github.com credential.type=bearer credential.secret=github-token`
    Set(SetArgs),
    /// Connections of an environment
    List {
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
                        super::screen::safe(credential),
                        if integrations.is_empty() { "all".into() } else { integrations },
                        ago(connection, "set"),
                    ]
                });
                let heads = ["name", "kind", "base url", "credential", "for", "set"];
                screen.table(&heads, rows.collect(), &format!("no connections in {}", within.env));
            }
            Ok(())
        }
        ConnectionsCommand::Test { name, within } => {
            let answer = {
                let _progress = screen.progress(format!("testing {name}"));
                client.post(&["environments", &within.env, "connections", &name, "test"], &json!({})).await?
            };
            if !screen.answer(&answer) {
                for finding in list(&answer, "findings") {
                    let said = format!("{:<11} {}", text(finding, "what"), text(finding, "detail"));
                    if finding.get("ok") == Some(&Value::Bool(true)) { screen.done(said) } else { screen.wrong(said) }
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
            screen.warning(super::screen::safe(warning));
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
