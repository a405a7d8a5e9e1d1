//! `config`: the settings of an integration in an environment, which its guests may read.

use clap::Subcommand;
use serde_json::{Value, json};

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, safe};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Set a setting; a number, a boolean, a list or a table as JSON, all else is text
    Set {
        /// The integration
        integration: String,
        /// The setting
        name: String,
        /// Its value
        value: String,
        #[command(flatten)]
        within: InEnvironment,
    },
    /// Settings and their values
    List {
        /// The integration
        integration: String,
        #[command(flatten)]
        within: InEnvironment,
    },
    /// Remove a setting
    Remove {
        /// The integration
        integration: String,
        /// The setting
        name: String,
        #[command(flatten)]
        within: InEnvironment,
    },
}

pub(super) async fn run(command: ConfigCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    match command {
        ConfigCommand::Set { integration, name, value, within } => {
            let value = serde_json::from_str::<Value>(&value)
                .ok()
                .filter(|value| !value.is_string() && !value.is_null())
                .unwrap_or_else(|| value.into());
            let path = ["environments", &within.env, "integrations", &integration, "config", &name];
            let answer = client.put(&path, &json!({ "value": value })).await?;
            if !screen.answer(&answer) {
                screen.done(format!("{name} of {integration} is set in {}", within.env));
            }
            Ok(())
        }
        ConfigCommand::List { integration, within } => {
            let path = ["environments", &within.env, "integrations", &integration, "config"];
            let answer = client.get(&path, &[]).await?;
            if !screen.answer(&answer) {
                let shown = |value: &Value| match value {
                    Value::String(text) => safe(text),
                    other => safe(&other.to_string()),
                };
                let settings = answer.as_object().into_iter().flatten();
                let rows = settings.map(|(name, value)| vec![safe(name), shown(value)]).collect();
                screen.table(&["name", "value"], rows, &format!("no settings of {integration} in {}", within.env));
            }
            Ok(())
        }
        ConfigCommand::Remove { integration, name, within } => {
            client.delete(&["environments", &within.env, "integrations", &integration, "config", &name]).await?;
            screen.done(format!("{name} of {integration} is removed from {}", within.env));
            Ok(())
        }
    }
}
