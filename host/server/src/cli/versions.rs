//! `versions`, `diff` and `rollback`: what was released, what differs, and the way back.

use clap::Args;
use serde_json::{Value, json};

use super::InEnvironment;
use super::client::Client;
use super::deploy;
use super::difference;
use super::error::CliError;
use super::screen::{Screen, ago, agreed, joined, list, read, safe, text};
use crate::api::difference::Difference;
use crate::api::versions::Versions;

#[derive(Debug, Args)]
pub(super) struct VersionsArgs {
    /// The integration
    integration: String,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The integration
    integration: String,
    /// The version before [default: the one that was active before in --env]
    from: Option<u32>,
    /// The version after [default: the one that is active in --to-env, else in --env]
    to: Option<u32>,
    /// Compare what is active in --env with what is active in this environment
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "to"])]
    to_env: Option<String>,
    #[command(flatten)]
    within: InEnvironment,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// The integration
    integration: String,
    /// The version to go back to [default: the one that was active before]
    #[arg(long, value_name = "VERSION")]
    to: Option<u32>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    within: InEnvironment,
}

pub(super) async fn versions(args: VersionsArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let path = ["integrations", &args.integration, "versions"];
    let answer = client.get(&path, &[("limit", args.limit.to_string())]).await?;
    if screen.answer(&answer) {
        return Ok(());
    }
    let rows = list(&answer, "versions").iter().map(|version| {
        let artifacts = version.get("artifacts").and_then(Value::as_object);
        let code = artifacts.into_iter().flatten().map(|(name, artifact)| {
            format!("{} {}", safe(name), difference::digest(artifact.as_str().unwrap_or_default()))
        });
        vec![
            text(version, "version"),
            joined(version, "active_in"),
            ago(version, "made"),
            text(version, "by"),
            code.collect::<Vec<_>>().join(", "),
            text(version, "description").chars().take(60).collect(),
        ]
    });
    screen.table(&["version", "active in", "made", "by", "code", "description"], rows.collect(), "no versions");
    Ok(())
}

pub(super) async fn diff(args: DiffArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let (from, to) = match (args.from, args.to) {
        (from @ Some(_), Some(to)) => (from, to),
        (from, _) => {
            let known = known(client, &args.integration).await?;
            let env = &args.within.env;
            match (&args.to_env, from) {
                (Some(other), _) => (Some(active(&known, env)?), active(&known, other)?),
                (None, Some(from)) => (Some(from), active(&known, env)?),
                (None, None) => (history(&known, env).nth(1), active(&known, env)?),
            }
        }
    };
    let answer = compare(client, &args.integration, from, to).await?;
    if !screen.answer(&answer) {
        show(screen, &args.integration, &read(&answer)?);
    }
    Ok(())
}

pub(super) async fn rollback(args: RollbackArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let env = args.within.env.as_str();
    let known = known(client, &args.integration).await?;
    let from = active(&known, env)?;
    let to = args.to.or_else(|| history(&known, env).nth(1)).ok_or_else(|| {
        CliError::input(format!(
            "version {from} is the only one that was active in {env}; name another: jackfield rollback {} --to VERSION\n  \
             jackfield versions {}     lists them",
            args.integration, args.integration
        ))
    })?;
    if to != from {
        let difference = read(&compare(client, &args.integration, Some(from), to).await?)?;
        show(screen, &args.integration, &difference);
        screen.line("");
    }
    if !agreed(args.yes, &format!("Make {} {to} the active version in {env}?", args.integration))? {
        return Err(CliError::input("nothing was changed"));
    }
    let path = ["environments", env, "releases", &args.integration, "rollback"];
    let answer = {
        let _progress = screen.progress("going back");
        client.post(&path, &json!({ "to": to })).await?
    };
    if !screen.answer(&answer) {
        let mut released: crate::api::releases::Deployed = read(&answer)?;
        // It was shown already.
        released.difference.components.clear();
        released.difference.triggers.clear();
        released.difference.connections.clear();
        released.difference.description = None;
        deploy::released(screen, &released, env);
    }
    Ok(())
}

async fn known(client: &Client, integration: &str) -> Result<Versions, CliError> {
    read(&client.get(&["integrations", integration, "versions"], &[("limit", "1".into())]).await?)
}

/// The versions that were active in an environment, the one that is first.
fn history<'a>(known: &'a Versions, env: &'a str) -> impl Iterator<Item = u32> + 'a {
    known.activations.iter().filter(move |activation| activation.environment == env).map(|a| a.version)
}

fn active(known: &Versions, env: &str) -> Result<u32, CliError> {
    history(known, env).next().ok_or_else(|| {
        let name = &known.integration;
        CliError::input(format!(
            "no version of {name} is active in {env}\n  jackfield versions {name}     lists them; name two, or another --env"
        ))
    })
}

async fn compare(client: &Client, integration: &str, from: Option<u32>, to: u32) -> Result<Value, CliError> {
    let from = from.map(|from| ("from", from.to_string()));
    let query: Vec<_> = from.into_iter().chain([("to", to.to_string())]).collect();
    client.get(&["integrations", integration, "diff"], &query).await
}

fn show(screen: &Screen, integration: &str, difference: &Difference) {
    let integration = safe(integration);
    screen.line(match difference.from {
        Some(from) => format!("{integration}  {from} → {}", difference.to),
        None => format!("{integration}  {}, the first", difference.to),
    });
    screen.line("");
    let lines = difference::lines(difference);
    if lines.is_empty() {
        screen.line("  nothing differs");
    }
    for line in lines {
        screen.line(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_per_environment() {
        let activation = |environment: &str, version: u32| json!({ "environment": environment, "version": version, "at": "2026-01-31T14:02:11.000Z", "by": "me" });
        let all = [("dev", 4), ("prod", 2), ("dev", 3), ("prod", 1)];
        let activations: Vec<Value> = all.map(|(env, version)| activation(env, version)).into();
        let known = json!({ "integration": "demo", "versions": [], "activations": activations });
        let known: Versions = serde_json::from_value(known).unwrap();
        assert_eq!(history(&known, "prod").collect::<Vec<_>>(), [2, 1]);
        assert_eq!(active(&known, "dev").unwrap(), 4);
        let refused = active(&known, "staging").unwrap_err();
        assert_eq!(refused.code, 2);
        assert!(refused.text.contains("jackfield versions demo"), "{}", refused.text);
    }
}
