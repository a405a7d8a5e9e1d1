//! `deploy`: uploads a manifest's components and releases them to an environment.

use std::path::PathBuf;

use clap::Args;
use jackfield_core::artifact::Digest;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::InEnvironment;
use super::client::Client;
use super::error::CliError;
use super::project::Project;
use super::screen::{Screen, list, safe_lines, size, text};

#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    /// A project's folder or its manifest
    #[arg(default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    to: InEnvironment,
}

pub(super) async fn run(args: DeployArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let project = Project::open(&args.path)?;
    let mut artifacts = Map::new();
    for (name, bytes) in project.components()? {
        let digest = upload(client, screen, name.as_str(), bytes).await?;
        artifacts.insert(name.to_string(), json!(digest));
    }
    let body = json!({
        "manifest": project.text,
        "file": project.file.file_name().map(|name| name.to_string_lossy()),
        "artifacts": artifacts,
    });
    let environment = args.to.env.as_str();
    let released = {
        let _progress = screen.progress("releasing");
        client.post(&["environments", environment, "releases"], &body).await
    };
    let released = released.map_err(|mut error| {
        if error.code == 2 && error.problem.is_some() {
            error.text.push_str("\n\n`jackfield check` finds most of these without a host.");
        }
        error
    })?;
    if !screen.answer(&released) {
        show(screen, &released, environment);
    }
    Ok(())
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

fn show(screen: &Screen, released: &Value, environment: &str) {
    let new = released.get("new").and_then(Value::as_bool).unwrap_or(true);
    let what = format!("{} {}", text(released, "integration"), text(released, "version"));
    screen.done(if new {
        format!("{what} is active in {environment}")
    } else {
        format!("{what} is active in {environment} (nothing has changed since)")
    });
    for hook in list(released, "hooks") {
        screen.line(format!("  hook  {}  {}", text(hook, "trigger"), text(hook, "url")));
    }
    for warning in list(released, "warnings").iter().filter_map(Value::as_str) {
        screen.warning(safe_lines(warning).replace('\n', "\n  "));
    }
}
