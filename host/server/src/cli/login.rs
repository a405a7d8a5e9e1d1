//! `login`: swaps the one-time set-up token for a token of one's own.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::Common;
use super::client::Client;
use super::credentials::{self, Credentials};
use super::error::CliError;
use super::screen::{Screen, safe, text};

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The file that holds the set-up token or a token; `-` or nothing reads standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A name for the token, as `tokens list` shows it
    #[arg(long, default_value = "admin", value_name = "NAME")]
    name: String,
}

pub(super) async fn run(args: LoginArgs, common: &Common, screen: &Screen) -> Result<(), CliError> {
    let client = Client::new(common)?;
    let given: SecretString = given(&args)?.into();
    let token = if given.expose_secret().starts_with("jf_") {
        given
    } else {
        swap(&client, given.expose_secret(), &args.name).await?
    };
    let with = Client::with(&client.host(), Some(token.clone()))?;
    let who = with.get(&["whoami"], &[]).await?;
    let kept = credentials::save(&Credentials { host: client.host(), token })?;
    if !screen.answer(&who) {
        screen.done(format!("logged in at {} as {}", client.host(), text(&who, "name")));
        screen.line(format!("  the token is kept in {}", safe(&kept.to_string_lossy())));
    }
    Ok(())
}

/// Swaps a set-up token for a token of that name.
pub(super) async fn swap(client: &Client, setup_token: &str, name: &str) -> Result<SecretString, CliError> {
    let body = json!({ "setup_token": setup_token, "name": name });
    let answer = client.json(client.request(Method::POST, &["login"]).json(&body)).await?;
    let token = answer.get("token").and_then(|t| t.as_str());
    Ok(token.ok_or_else(|| CliError::host("the host's answer holds no token"))?.to_owned().into())
}

fn given(args: &LoginArgs) -> Result<String, CliError> {
    let text = match &args.token_file {
        Some(file) if file.as_os_str() != "-" => {
            std::fs::read_to_string(file).map_err(|e| CliError::input(format!("{}: {e}", file.display())))?
        }
        _ => {
            if std::io::stdin().is_terminal() {
                let ask = "The set-up token (printed by `jackfield serve` at its first start): ";
                let _ = std::io::Write::write_all(&mut anstream::stderr(), ask.as_bytes());
            }
            let mut line = String::new();
            std::io::stdin()
                .lock()
                .read_line(&mut line)
                .map_err(|e| CliError::input(format!("standard input: {e}")))?;
            line
        }
    };
    match text.trim() {
        "" => Err(CliError::input("no token was given: pipe it in, or --token-file FILE")),
        token => Ok(token.to_owned()),
    }
}
