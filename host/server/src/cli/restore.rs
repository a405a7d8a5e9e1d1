//! `restore`: puts a backup in place, in a folder of its own; the host then starts held.
//!
//! Effects made after the backup was taken may repeat: that is why nothing runs until a person says so.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::Common;
use super::client::Client;
use super::error::CliError;
use super::screen::Screen;

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup
    #[arg(required_unless_present = "release_hold")]
    file: Option<PathBuf>,
    /// The data folder to make; it must not exist or be empty
    #[arg(long, default_value = "jackfield-data", value_name = "FOLDER")]
    data: PathBuf,
    /// Let a restored host that is running go on: triggers listen, runs that were open are attempted
    #[arg(long, conflicts_with_all = ["file", "data"])]
    release_hold: bool,
}

pub(super) async fn run(args: &RestoreArgs, common: &Common, screen: &Screen) -> Result<(), CliError> {
    if args.release_hold {
        let answer = Client::new(common)?.post(&["release-hold"], &json!({})).await?;
        if !screen.answer(&answer) {
            screen.done("the host goes on");
        }
        return Ok(());
    }
    let Some(file) = &args.file else { return Err(CliError::input("name the backup")) };
    let folder = &args.data;
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(CliError::input(format!("{} is not empty: restore into a folder of its own", folder.display())));
    }
    let keys = unpack(file, folder)?;
    crate::hold::Hold::put(folder).map_err(|e| CliError::host(format!("{}: {e}", folder.display())))?;
    if !screen.answer(&json!({ "data": folder, "held": true, "keys": keys })) {
        screen.done(format!("restored to {}", folder.display()));
        if keys {
            let key = folder.join("keys").join("master.key");
            screen.line(format!("  the master key is {}: move it out of the data folder, to where", key.display()));
            screen.line("  `master_key_file` says it is (jackfield serve --defaults shows the place)");
        } else {
            screen.line("  The backup holds no keys: start the host with the master key it was made under.");
        }
        screen.line("  jackfield serve                     starts it held: triggers answer 503, nothing runs");
        screen.line("  jackfield runs list                 what was open then");
        screen.line("  jackfield restore --release-hold    lets it go on");
        screen.warning("calls made after the backup was taken may be made again");
    }
    Ok(())
}

/// Unpacks a backup. Answers whether it held keys.
fn unpack(file: &Path, folder: &Path) -> Result<bool, CliError> {
    let bad = |e: std::io::Error| CliError::input(format!("{}: {e}", file.display()));
    let mut archive = tar::Archive::new(File::open(file).map_err(bad)?);
    let mut make = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(make.recursive(true), 0o700);
    make.create(folder).map_err(|e| CliError::host(format!("{}: {e}", folder.display())))?;
    let mut found_database = false;
    let mut keys = false;
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let path = entry.path().map_err(bad)?.into_owned();
        // A path of an archive may lead anywhere: only plain names below the folder are taken.
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || !(entry.header().entry_type().is_file() || entry.header().entry_type().is_dir()) {
            return Err(CliError::input(format!(
                "{}: `{}` does not belong in a backup",
                file.display(),
                path.display()
            )));
        }
        found_database |= path.extension().is_some_and(|ending| ending == "db");
        keys |= path.starts_with("keys");
        if !entry.unpack_in(folder).map_err(bad)? {
            return Err(CliError::input(format!("{}: `{}` leaves the folder", file.display(), path.display())));
        }
    }
    if found_database {
        Ok(keys)
    } else {
        Err(CliError::input(format!("{} is not a backup: it holds no database", file.display())))
    }
}
