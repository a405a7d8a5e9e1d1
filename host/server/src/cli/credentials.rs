//! The token that `login` kept: a file in the user's configuration folder, for its owner alone.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::error::CliError;

/// A host and the token for it.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) host: String,
    pub(super) token: SecretString,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    host: String,
    token: String,
}

fn file() -> Option<PathBuf> {
    crate::config::user_folder().map(|folder| folder.join("credentials.json"))
}

/// What `login` kept, if it did.
pub(super) fn load() -> Option<Credentials> {
    let text = fs::read_to_string(file()?).ok()?;
    let stored: Stored = serde_json::from_str(&text).ok()?;
    Some(Credentials { host: stored.host, token: stored.token.into() })
}

/// Keeps a token. Answers where.
pub(super) fn save(credentials: &Credentials) -> Result<PathBuf, CliError> {
    let file =
        file().ok_or_else(|| CliError::input("neither XDG_CONFIG_HOME nor HOME says where to keep the token"))?;
    let problem = |e: std::io::Error| CliError::host(format!("{}: {e}", file.display()));
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(problem)?;
    }
    let stored = Stored { host: credentials.host.clone(), token: credentials.token.expose_secret().to_owned() };
    let text = serde_json::to_string(&stored).map_err(|e| CliError::host(e.to_string()))?;
    let fresh = file.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(problem)?;
    open.write_all(text.as_bytes()).map_err(problem)?;
    fs::rename(&fresh, &file).map_err(problem)?;
    Ok(file)
}
