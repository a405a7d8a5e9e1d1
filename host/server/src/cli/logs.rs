//! `logs`: what guests logged; with `-f`, as they log it.

use clap::Args;
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, attributes, level, list, moment, text};

/// The most columns that are kept free for who says something.
const WHO: usize = 40;

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
    let mut who = Who::default();
    if args.follow || !screen.answer(&lines) {
        if list(&lines, "").is_empty() && !args.follow {
            screen.line("nothing was logged");
        }
        for line in list(&lines, "") {
            show(screen, &mut who, line);
        }
    }
    if !args.follow {
        return Ok(());
    }
    query.remove(0);
    if list(&lines, "").is_empty() {
        screen.line(Screen::dim("nothing was logged yet; lines show as they come, Ctrl-C ends it"));
    }
    let request = client.request(Method::GET, &["logs", "follow"]).query(&query);
    let mut stream = client.send(request).await?.bytes_stream();
    let mut rest = Vec::new();
    while let Some(piece) = stream.next().await {
        rest.extend_from_slice(&piece.map_err(|e| CliError::host(format!("the host hung up: {e}")))?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Ok(line) = serde_json::from_slice::<Value>(&line) {
                show(screen, &mut who, &line);
            }
        }
    }
    Err(CliError::host("the host hung up"))
}

fn show(screen: &Screen, who: &mut Who, line: &Value) {
    if screen.answer(line) {
        return;
    }
    let missed = text(line, "missed");
    if !missed.is_empty() {
        screen.warning(format!("{missed} lines passed by too quickly to be shown"));
        return;
    }
    screen.line(format!(
        "{}  {}  {}  {}{}  {}",
        moment(screen, line, "at"),
        level(line, "level"),
        who.of(line),
        text(line, "message"),
        attributes(line, "attributes"),
        Screen::dim(&format!("run {}", text(line, "run"))),
    ));
}

/// Who says it, as wide as the longest so far: columns that do not jump.
#[derive(Default)]
struct Who(usize);

impl Who {
    fn of(&mut self, line: &Value) -> String {
        let who = format!("{}/{}", text(line, "integration"), text(line, "component"));
        self.0 = self.0.max(who.chars().count()).min(WHO);
        format!("{who:<width$}", width = self.0)
    }
}
