//! `secrets`: sets, lists and removes secrets of an environment. A value comes from standard input or a
//! file, never from an argument, and never comes back.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, ago, list, text};

#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    /// Set a secret: `jackfield secrets set github-token < token.txt`
    Set {
        /// The secret
        name: String,
        /// The file that holds the value, instead of standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        within: InEnvironment,
    },
    /// Names and versions
    List {
        #[command(flatten)]
        within: InEnvironment,
    },
    /// Put a new master key in place of the old one, and seal everything under it, while the host runs
    RotateKey,
    /// Remove a secret
    Remove {
        /// The secret
        name: String,
        #[command(flatten)]
        within: InEnvironment,
    },
}

pub(super) async fn run(command: SecretsCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    match command {
        SecretsCommand::Set { name, file, within } => {
            let value = value(file)?;
            let answer =
                client.put(&["environments", &within.env, "secrets", &name], &json!({ "value": value })).await?;
            if !screen.answer(&answer) {
                screen.done(format!("secret {name} is set in {} (version {})", within.env, text(&answer, "version")));
            }
            Ok(())
        }
        SecretsCommand::List { within } => {
            let answer = client.get(&["environments", &within.env, "secrets"], &[]).await?;
            if !screen.answer(&answer) {
                let rows = list(&answer, "").iter().map(|s| vec![text(s, "name"), text(s, "version"), ago(s, "set")]);
                screen.table(&["name", "version", "set"], rows.collect(), &format!("no secrets in {}", within.env));
            }
            Ok(())
        }
        SecretsCommand::RotateKey => {
            let answer = {
                let _progress = screen.progress("sealing everything anew");
                client.post(&["master-key", "rotate"], &json!({})).await?
            };
            if !screen.answer(&answer) {
                let key = |key: &str| text(&answer, key);
                screen.done(format!("{} values are sealed under a new master key, {}", key("values"), key("key")));
                screen.line(format!("  the key       {}", key("file")));
                screen.line(format!("  before        {}", key("kept")));
                screen.line(
                    "  Keep a copy of the new key elsewhere than the data. Backups made until now need the one before:",
                );
                screen.line("  delete it when the last of them is gone.");
            }
            Ok(())
        }
        SecretsCommand::Remove { name, within } => {
            client.delete(&["environments", &within.env, "secrets", &name]).await?;
            screen.done(format!("secret {name} is removed from {}", within.env));
            Ok(())
        }
    }
}

/// The value, without the line break that editors and `echo` add.
fn value(file: Option<PathBuf>) -> Result<String, CliError> {
    let mut text = String::new();
    match file {
        Some(file) => {
            text = std::fs::read_to_string(&file).map_err(|e| CliError::input(format!("{}: {e}", file.display())))?;
        }
        None => {
            if std::io::stdin().is_terminal() {
                return Err(CliError::input(
                    "pipe the value in, or --file FILE: a value typed here would stay on the screen",
                ));
            }
            std::io::stdin()
                .lock()
                .read_to_string(&mut text)
                .map_err(|e| CliError::input(format!("standard input: {e}")))?;
        }
    }
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() { Err(CliError::input("the value is empty")) } else { Ok(value.to_owned()) }
}
