//! `environments`: the named places integrations are released to, and what is active there.

use clap::Subcommand;
use serde_json::json;

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, ago, joined, list, text};

#[derive(Debug, Subcommand)]
pub(super) enum EnvironmentsCommand {
    /// Environments and what is active in them
    List,
    /// Say where it is told that runs were dead-lettered or parked; without --connection, show it
    Notify {
        #[command(flatten)]
        within: InEnvironment,
        /// A connection of kind http
        #[arg(long, value_name = "NAME", conflicts_with = "off")]
        connection: Option<String>,
        /// The path below its base URL
        #[arg(long, default_value = "/", value_name = "PATH", requires = "connection")]
        path: String,
        /// Tell nothing any more
        #[arg(long)]
        off: bool,
    },
}

pub(super) async fn run(command: EnvironmentsCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    if let EnvironmentsCommand::Notify { within, connection, path, off } = command {
        return notify(&within.env, connection, &path, off, client, screen).await;
    }
    let answer = client.get(&["environments"], &[]).await?;
    if screen.answer(&answer) {
        return Ok(());
    }
    let mut rows = Vec::new();
    for environment in list(&answer, "") {
        let name = text(environment, "name");
        let releases = client.get(&["environments", &name, "releases"], &[]).await?;
        let active = list(&releases, "");
        if active.is_empty() {
            rows.push(vec![name, "–".into(), String::new(), String::new(), String::new()]);
            continue;
        }
        rows.extend(active.iter().map(|release| {
            let (integration, version) = (text(release, "integration"), text(release, "version"));
            vec![name.clone(), integration, version, joined(release, "components"), ago(release, "since")]
        }));
    }
    screen.table(&["environment", "integration", "version", "components", "released"], rows, "no environments");
    Ok(())
}

async fn notify(
    environment: &str,
    connection: Option<String>,
    path: &str,
    off: bool,
    client: &Client,
    screen: &Screen,
) -> Result<(), CliError> {
    let place = ["environments", environment, "notify"];
    if off {
        client.delete(&place).await?;
        screen.done(format!("notices of {environment} go nowhere"));
        return Ok(());
    }
    let answer = match connection {
        Some(connection) => client.put(&place, &json!({ "connection": connection, "path": path })).await?,
        None => client.get(&place, &[]).await?,
    };
    if !screen.answer(&answer) {
        match text(&answer, "connection").as_str() {
            "" => screen.line(format!(
                "notices of {environment} go nowhere: jackfield environments notify --env {environment} --connection NAME --path /…"
            )),
            connection => {
                screen.done(format!("notices of {environment} go to {connection} {}", text(&answer, "path")));
            }
        }
    }
    Ok(())
}
