//! `tokens`: tokens of the admin API.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, ago, joined, list, text};

#[derive(Debug, Subcommand)]
pub(super) enum TokensCommand {
    /// Make a token; its text is shown once
    Create {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, value_delimiter = ',', default_value = "read", value_name = "RIGHTS")]
        rights: Vec<Right>,
        /// When it ends, such as 30d [default: never]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
    },
    /// Tokens and what they may do
    List,
    /// Revoke a token
    Revoke {
        /// Its name
        name: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Right {
    /// Look
    Read,
    /// Release, run, resume, cancel, decide
    Deploy,
    /// Set secrets, connections and settings
    Secrets,
    /// Make tokens, back up
    Admin,
}

pub(super) async fn run(command: TokensCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    match command {
        TokensCommand::Create { name, rights, expires_in } => {
            let rights: Vec<&str> = rights
                .iter()
                .map(|right| match right {
                    Right::Read => "read",
                    Right::Deploy => "deploy",
                    Right::Secrets => "secrets",
                    Right::Admin => "admin",
                })
                .collect();
            let mut body = json!({ "name": name, "rights": rights });
            if let Some(expires_in) = expires_in {
                body["expires_in"] = Value::from(expires_in);
            }
            let answer = client.post(&["tokens"], &body).await?;
            if !screen.answer(&answer) {
                screen.done(format!("token {name} may {}", rights.join(", ")));
                screen.line(format!("  {}", text(&answer, "token")));
                screen.line("  It is shown this once. Put it into JACKFIELD_TOKEN where it is used.");
            }
        }
        TokensCommand::List => {
            let answer = client.get(&["tokens"], &[]).await?;
            if !screen.answer(&answer) {
                let rows = list(&answer, "").iter().map(|token| {
                    let expires = ago(token, "expires");
                    let expires = if expires.is_empty() { "never".into() } else { expires };
                    vec![text(token, "name"), joined(token, "rights"), ago(token, "made"), expires]
                });
                screen.table(&["name", "rights", "made", "ends"], rows.collect(), "no tokens");
            }
        }
        TokensCommand::Revoke { name } => {
            client.delete(&["tokens", &name]).await?;
            screen.done(format!("token {name} is revoked"));
        }
    }
    Ok(())
}
