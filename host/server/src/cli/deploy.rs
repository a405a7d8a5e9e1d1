//! `deploy`: uploads a manifest's components and releases them to an environment, or says what that
//! would do.

use std::path::PathBuf;

use clap::Args;
use jackfield_core::artifact::Digest;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::InEnvironment;
use super::client::Client;
use super::difference::{self, Sheet};
use super::error::CliError;
use super::project::Project;
use super::screen::{Screen, read, safe, safe_lines, size};
use crate::api::releases::{Deployed, Plan, PlannedConnection};

#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    /// A project's folder or its manifest
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    to: InEnvironment,
}

pub(super) async fn run(args: DeployArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let project = Project::open(&args.path)?;
    let artifacts = upload_all(&project, client, screen).await?;
    let environment = args.to.env.as_str();
    let answer = if args.plan {
        let _progress = screen.progress("planning");
        client.post(&["environments", environment, "releases", "plan"], &request(&project, &artifacts)).await
    } else {
        let _progress = screen.progress("releasing");
        release(&project, &artifacts, environment, client).await
    };
    let answer = answer.map_err(|mut error| {
        if error.code == 2 && error.problem.is_some() {
            error.text.push_str("\n\n`jackfield check` finds most of these without a host.");
        }
        error
    })?;
    if screen.answer(&answer) {
        return Ok(());
    }
    if args.plan {
        let plan: Plan = read(&answer)?;
        for line in planned(&plan) {
            screen.line(line);
        }
        warn(screen, &plan.warnings);
        let to = if environment == "dev" { String::new() } else { format!(" --env {}", safe(environment)) };
        screen.line(format!("Nothing was changed. To release it: jackfield deploy{to}"));
    } else {
        released(screen, &read(&answer)?, environment);
    }
    Ok(())
}

/// Uploads the components of a project. Answers their digests, by name.
pub(super) async fn upload_all(
    project: &Project,
    client: &Client,
    screen: &Screen,
) -> Result<Map<String, Value>, CliError> {
    let mut artifacts = Map::new();
    for (name, bytes) in project.components()? {
        let digest = upload(client, screen, name.as_str(), bytes).await?;
        artifacts.insert(name.to_string(), json!(digest));
    }
    Ok(artifacts)
}

/// Releases a project whose components were uploaded.
pub(super) async fn release(
    project: &Project,
    artifacts: &Map<String, Value>,
    environment: &str,
    client: &Client,
) -> Result<Value, CliError> {
    client.post(&["environments", environment, "releases"], &request(project, artifacts)).await
}

fn request(project: &Project, artifacts: &Map<String, Value>) -> Value {
    json!({
        "manifest": project.text,
        "file": project.file.file_name().map(|name| name.to_string_lossy()),
        "artifacts": artifacts,
    })
}

/// Uploads a component unless the host has it. Answers its digest.
async fn upload(client: &Client, screen: &Screen, name: &str, bytes: Vec<u8>) -> Result<String, CliError> {
    let digest = Digest::of(&bytes).to_string();
    let there = client.request(Method::GET, &["artifacts", &digest]).send().await;
    if there.is_ok_and(|answer| answer.status() == StatusCode::OK) {
        return Ok(digest);
    }
    let length = bytes.len() as u64;
    let _progress = screen.progress(format!("uploading and compiling {name} ({})", size(length)));
    let request = client.request(Method::POST, &["artifacts"]).header("content-type", "application/wasm").body(bytes);
    client.json(request).await.map_err(|mut error| {
        error.text = format!("component `{name}`: {}", error.text);
        error
    })?;
    Ok(digest)
}

/// What a release did; a rollback's too.
pub(super) fn released(screen: &Screen, released: &Deployed, environment: &str) {
    let what = format!("{} {}", safe(&released.integration), released.version);
    let environment = safe(environment);
    let same = released.before == Some(released.version);
    screen.done(match released.before {
        _ if same => format!("{what} is active in {environment} (nothing has changed since)"),
        Some(before) => format!("{what} is active in {environment} (before: {before})"),
        None => format!("{what} is active in {environment}"),
    });
    if released.before.is_some() {
        for line in difference::lines(&released.difference) {
            screen.line(line);
        }
    }
    for hook in &released.hooks {
        screen.line(format!("  hook  {}  {}", safe(&hook.trigger), safe(&hook.url)));
    }
    warn(screen, &released.warnings);
}

fn warn(screen: &Screen, warnings: &[String]) {
    for warning in warnings {
        screen.warning(safe_lines(warning).replace('\n', "\n  "));
    }
}

/// A plan on the screen, without its warnings.
fn planned(plan: &Plan) -> Vec<String> {
    let (name, environment) = (safe(&plan.integration), safe(&plan.environment));
    let mut lines = vec![match plan.before {
        None => format!("{name}  {}  in {environment}, for the first time", plan.version),
        Some(before) if before == plan.version => format!("{name}  {before}  in {environment} already"),
        Some(before) => format!("{name}  {before} → {}  in {environment}", plan.version),
    }];
    lines.push(String::new());
    let mut differs = difference::lines(&plan.difference);
    if differs.is_empty() {
        differs.push("  nothing differs".into());
    }
    lines.extend(differs);
    let mut sheet = Sheet::default();
    let hook = |trigger: &str, url: Option<&str>| {
        format!("{}  {}", safe(trigger), url.map_or_else(|| "an address is made with the release".into(), safe))
    };
    sheet.put("hooks", plan.hooks.iter().map(|h| hook(&h.trigger, h.url.as_deref())).collect());
    sheet.put("leads to", connections(&plan.connections));
    lines.extend(sheet.0);
    lines.push(String::new());
    lines
}

/// Those that work on one line, then one for each that does not.
fn connections(connections: &[PlannedConnection]) -> Vec<String> {
    let good: Vec<String> = connections
        .iter()
        .filter(|connection| connection.problem.is_none())
        .map(|connection| format!("{} ✓", safe(&connection.name)))
        .collect();
    let bad = connections.iter().filter_map(|connection| {
        let problem = safe(connection.problem.as_deref()?);
        Some(format!("{} ✗  {problem}", safe(&connection.name)))
    });
    let good = (!good.is_empty()).then(|| good.join("   "));
    good.into_iter().chain(bad).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(plan: Value, expected: &str) {
        let mut whole = json!({
            "integration": "demo", "environment": "prod", "version": 4, "new": true, "before": 3,
            "difference": { "from": 3, "to": 4, "components": [], "triggers": [], "connections": [], "description": null },
            "hooks": [], "connections": [], "warnings": [],
        });
        for (key, value) in plan.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let shown = planned(&serde_json::from_value(whole).unwrap()).join("\n");
        assert_eq!(shown.trim_end(), expected.trim_matches('\n'));
    }

    #[test]
    fn a_plan_fits_one_screen() {
        let difference = json!({
            "from": 3, "to": 4, "components": [], "triggers": [],
            "connections": [{ "key": "slack", "from": null, "to": "http" }],
            "description": { "key": "description", "from": "Old", "to": "New" },
        });
        check(
            json!({
                "difference": difference,
                "hooks": [{ "trigger": "heard", "url": null }, { "trigger": "seen", "url": "http://h/hooks/x" }],
                "connections": [
                    { "name": "github", "problem": null }, { "name": "servicenow", "problem": null },
                    { "name": "slack", "problem": "is not set in prod: jackfield connections set slack --env prod" },
                ],
            }),
            "
demo  3 → 4  in prod

  connections       slack  added, http
  description       Old → New
  hooks             heard  an address is made with the release
                    seen  http://h/hooks/x
  leads to          github ✓   servicenow ✓
                    slack ✗  is not set in prod: jackfield connections set slack --env prod",
        );
    }

    #[test]
    fn a_plan_that_changes_nothing_says_so() {
        check(json!({ "version": 3, "new": false }), "\ndemo  3  in prod already\n\n  nothing differs");
        check(json!({ "before": null }), "\ndemo  4  in prod, for the first time\n\n  nothing differs");
    }
}
