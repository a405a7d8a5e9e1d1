//! `backup`: everything in one file, while the host runs.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::json;

use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, size};

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to write; it must not exist
    file: PathBuf,
    /// Put the keys in as well: whoever has the file can then read every secret
    #[arg(long)]
    with_keys: bool,
}

pub(super) async fn run(args: BackupArgs, client: &Client, screen: &Screen) -> Result<(), CliError> {
    let problem = |e: std::io::Error| CliError::input(format!("{}: {e}", args.file.display()));
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600);
    let mut file = options.open(&args.file).map_err(problem)?;
    let written = async {
        let _progress = screen.progress("backing up");
        let request = client.request(Method::POST, &["backup"]).query(&[("with_keys", args.with_keys)]);
        let mut stream = client.send(request.json(&json!({}))).await?.bytes_stream();
        let mut written = 0;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|e| CliError::host(format!("the backup broke off: {e}")))?;
            file.write_all(&piece).map_err(problem)?;
            written += piece.len() as u64;
        }
        file.sync_all().map_err(problem)?;
        Ok::<u64, CliError>(written)
    };
    match written.await {
        Ok(written) => {
            if !screen.answer(&json!({ "file": args.file, "bytes": written, "with_keys": args.with_keys })) {
                screen.done(format!("{}  {}", args.file.display(), size(written)));
                if !args.with_keys {
                    screen.line("  Without keys: restoring it needs the master key of this host.");
                }
            }
            Ok(())
        }
        Err(error) => {
            // Half a backup must not be taken for one.
            let _ = std::fs::remove_file(&args.file);
            Err(error)
        }
    }
}
