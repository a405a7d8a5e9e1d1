//! `logs`: what guests logged; with `-f`, as they log it.

use clap::Args;
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, list, text};

#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
    /// Of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Of this environment
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Of this integration
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// Of this component
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// At least this level: trace, debug, info, warn, error
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// The newest so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
}

pub(super) async fn run(args: LogsArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = vec![("limit", args.limit.to_string())];
    let optional = [
        ("environment", args.env),
        ("integration", args.integration),
        ("component", args.component),
        ("level", args.level),
        ("run", args.run),
    ];
    query.extend(optional.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))));
    let lines = client.get(&["logs"], &query).await?;
    if args.follow || !screen.answer(&lines) {
        for line in list(&lines, "") {
            show(screen, line);
        }
    }
    if !args.follow {
        return Ok(());
    }
    query.remove(0);
    let request = client.request(Method::GET, &["logs", "follow"]).query(&query);
    let mut stream = client.send(request).await?.bytes_stream();
    let mut rest = Vec::new();
    while let Some(piece) = stream.next().await {
        rest.extend_from_slice(&piece.map_err(|e| CliError::host(format!("the host hung up: {e}")))?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Ok(line) = serde_json::from_slice::<Value>(&line) {
                show(screen, &line);
            }
        }
    }
    Err(CliError::host("the host hung up"))
}

fn show(screen: &Screen, line: &Value) {
    if screen.answer(line) {
        return;
    }
    let missed = text(line, "missed");
    if !missed.is_empty() {
        screen.warning(format!("{missed} lines passed by too quickly to be shown"));
        return;
    }
    let who = format!("{}/{}", text(line, "integration"), text(line, "component"));
    let run = text(line, "run");
    screen.line(format!(
        "{}  {:<5}  {who}  {}  {}",
        text(line, "at"),
        text(line, "level"),
        Screen::dim(&run),
        text(line, "message")
    ));
}
