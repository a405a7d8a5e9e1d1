//! `triggers`: what starts runs, and the addresses of hooks.

use clap::Subcommand;

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, list, text};

#[derive(Debug, Subcommand)]
pub(super) enum TriggersCommand {
    /// Triggers of the active releases
    List {
        #[command(flatten)]
        within: InEnvironment,
    },
}

pub(super) async fn run(command: TriggersCommand, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let TriggersCommand::List { within } = command;
    let answer = client.get(&["environments", &within.env, "triggers"], &[]).await?;
    if !screen.answer(&answer) {
        let rows = list(&answer, "").iter().map(|trigger| {
            ["integration", "trigger", "kind", "component", "verify", "url"].map(|key| text(trigger, key)).to_vec()
        });
        let heads = ["integration", "trigger", "kind", "component", "verified by", "url"];
        screen.table(&heads, rows.collect(), &format!("no triggers in {}", within.env));
    }
    Ok(())
}
