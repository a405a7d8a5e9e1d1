//! `environments`: the named places integrations are released to, and what is active there.

use clap::Subcommand;

use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, ago, joined, list, text};

#[derive(Debug, Subcommand)]
pub(super) enum EnvironmentsCommand {
    /// Environments and what is active in them
    List,
}

pub(super) async fn run(command: EnvironmentsCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let EnvironmentsCommand::List = command;
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
