//! `runs export`: one run in one file, to be read, kept, and played by `replay`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, size};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The run, or the first characters of its id
    run: String,
    /// The file to write, `-` for standard output [default: run-<ID>.json]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(args: ExportArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let request = client.request(Method::GET, &["runs", &args.run, "export"]);
    let text = client.send(request).await?.bytes().await;
    let text = text.map_err(|e| CliError::host(format!("the export broke off: {e}")))?;
    let file = match args.output {
        Some(file) if file == Path::new("-") => {
            // A reader that went away is no error.
            let _ = std::io::stdout().write_all(&text);
            return Ok(());
        }
        Some(file) => file,
        None => PathBuf::from(format!("run-{}.json", id(&text)?)),
    };
    write(&file, &text).map_err(|e| CliError::input(format!("{}: {e}", file.display())))?;
    if !screen.answer(&json!({ "file": file, "bytes": text.len() })) {
        screen.done(format!("{}  {}", file.display(), size(text.len() as u64)));
        screen.warning("it holds what the event, the calls and the log held: perhaps personal data");
        screen.line(format!("  jackfield replay {}", file.display()));
    }
    Ok(())
}

fn id(text: &[u8]) -> Result<String, CliError> {
    let recording: serde_json::Value =
        serde_json::from_slice(text).map_err(|e| CliError::host(format!("the host's answer does not read: {e}")))?;
    let id = recording["run"]["id"].as_str().unwrap_or_default();
    // It becomes the name of a file.
    Ok(id.chars().filter(char::is_ascii_alphanumeric).collect())
}

/// For its owner alone: it may hold what others must not read.
fn write(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text)
}
