//! The host of `dev`: a `jackfield serve` of the project's own, its data in `.jackfield/dev`.
//!
//! It ends with the command; its data stays until `--fresh`. Other commands reach it by the name `dev`.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::login;

/// Where everything of it lies, below the project's folder.
const FOLDER: &str = ".jackfield/dev";
/// How others find it.
const CARD: &str = "host.json";
const START: Duration = Duration::from_secs(20);

/// A running host.
pub(super) struct DevHost {
    pub(super) client: Client,
    /// Where hooks arrive.
    pub(super) ingress: String,
    pub(super) folder: PathBuf,
    /// Whether other commands have to say `--host dev`, because `login` chose another one.
    pub(super) is_by_name: bool,
    child: Mutex<Child>,
}

/// What is known of the host of a project: its address, and the token for it.
#[derive(Serialize, Deserialize)]
struct Card {
    host: String,
    token: String,
    process: u32,
}

#[derive(Deserialize)]
struct Listeners {
    ingress: String,
    admin: String,
}

/// The dev host of the project in `folder` or above it: its address and token.
pub(in crate::cli) fn known(folder: &Path) -> Option<(String, SecretString)> {
    let folder = std::path::absolute(folder).ok()?;
    let card = folder.ancestors().find_map(|folder| read(&folder.join(FOLDER)))?;
    is_alive(&card).then(|| (card.host, card.token.into()))
}

fn read(folder: &Path) -> Option<Card> {
    serde_json::from_str(&fs::read_to_string(folder.join(CARD)).ok()?).ok()
}

/// Whether the process that wrote the card still serves: another may have its number by now.
fn is_alive(card: &Card) -> bool {
    let line = fs::read(format!("/proc/{}/cmdline", card.process)).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|word| word == b"serve")
}

impl DevHost {
    /// Starts it, and logs in.
    pub(super) async fn start(project: &Path, fresh: bool) -> Result<Self, CliError> {
        let folder = std::path::absolute(project.join(FOLDER)).map_err(|e| CliError::host(e.to_string()))?;
        let problem = |e: std::io::Error| CliError::host(format!("{}: {e}", folder.display()));
        let earlier = read(&folder);
        if let Some(card) = earlier.as_ref().filter(|card| is_alive(card)) {
            return Err(CliError::input(format!(
                "this project has a host already: {}, process {}\n  End the other `jackfield dev` first.",
                card.host, card.process
            )));
        }
        if fresh && folder.exists() {
            fs::remove_dir_all(&folder).map_err(problem)?;
        }
        fs::create_dir_all(&folder).map_err(problem)?;
        let data = folder.join("data");
        let mut begun = begin(&folder, &data, usual).await;
        if begun.is_err() {
            // Somebody may have taken a port that was free a moment ago.
            begun = begin(&folder, &data, |_| 0).await;
        }
        let (child, listeners) = begun?;
        let admin = format!("http://{}", listeners.admin);
        let kept = earlier.filter(|_| data.exists()).map(|card| SecretString::from(card.token));
        let token = log_in(&admin, &data, kept).await?;
        let card = Card {
            host: admin.clone(),
            token: token.expose_secret().to_owned(),
            process: child.id().unwrap_or_default(),
        };
        keep(&folder, &card).map_err(problem)?;
        Ok(Self {
            client: Client::with(&admin, Some(token))?,
            ingress: format!("http://{}", listeners.ingress),
            folder: project.join(FOLDER),
            is_by_name: crate::cli::credentials::load().is_some(),
            child: Mutex::new(child),
        })
    }

    /// Returns when it ended, which it should not.
    pub(super) async fn ended(&self) -> Result<(), CliError> {
        let how = self.child.lock().await.wait().await.map_err(|e| CliError::host(e.to_string()))?;
        Err(CliError::host(format!("the host ended ({how}): {}", self.folder.join("host.log").display())))
    }
}

/// A port of the usual ones if nobody has it, so that addresses in docs hold; else a free one.
fn usual(port: u16) -> u16 {
    if TcpListener::bind(("127.0.0.1", port)).is_ok() { port } else { 0 }
}

/// Starts the process, and waits until it listens.
async fn begin(folder: &Path, data: &Path, port: impl Fn(u16) -> u16) -> Result<(Child, Listeners), CliError> {
    let problem = |e: std::io::Error| CliError::host(format!("{}: {e}", folder.display()));
    let _ = fs::remove_file(data.join(crate::app::serve::LISTENERS_FILE));
    fs::write(folder.join("host.toml"), settings(folder, port)).map_err(problem)?;
    let mut child = spawn(folder, data).map_err(problem)?;
    let listeners = listening(&mut child, data, folder).await?;
    Ok((child, listeners))
}

fn settings(folder: &Path, choose: impl Fn(u16) -> u16) -> String {
    let mut text = String::from("# Written by `jackfield dev`.\n");
    let key = toml::Value::from(folder.join("master.key").to_string_lossy().into_owned());
    text.push_str(&format!("master_key_file = {key}\n"));
    for (listener, port) in [("ingress", 8080), ("admin", 8081), ("metrics", 9464)] {
        let port = choose(port);
        text.push_str(&format!("\n[{listener}]\nlisten = \"127.0.0.1:{port}\"\n"));
    }
    text
}

/// What it says, its set-up token too, goes to a file for the developer alone.
fn spawn(folder: &Path, data: &Path) -> std::io::Result<Child> {
    let mut private = fs::OpenOptions::new();
    let log = private.write(true).create(true).truncate(true).mode(0o600).open(folder.join("host.log"))?;
    Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg("--config")
        .arg(folder.join("host.toml"))
        .arg("--data")
        .arg(data)
        .current_dir(folder)
        // They are about another host.
        .env_remove("JACKFIELD_HOST")
        .env_remove("JACKFIELD_TOKEN")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
}

async fn listening(child: &mut Child, data: &Path, folder: &Path) -> Result<Listeners, CliError> {
    let file = data.join(crate::app::serve::LISTENERS_FILE);
    let log = folder.join("host.log");
    let until = tokio::time::Instant::now() + START;
    loop {
        if let Some(listeners) = fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(listeners);
        }
        if let Ok(Some(how)) = child.try_wait() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(CliError::host(format!("the host did not start ({how})\n\n{}", said.trim_end())));
        }
        if tokio::time::Instant::now() >= until {
            return Err(CliError::host(format!("the host does not listen: {}", log.display())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The token of an earlier session if it still holds, else one for the set-up token.
async fn log_in(admin: &str, data: &Path, kept: Option<SecretString>) -> Result<SecretString, CliError> {
    if let Some(token) = kept
        && Client::with(admin, Some(token.clone()))?.get(&["whoami"], &[]).await.is_ok()
    {
        return Ok(token);
    }
    let file = data.join(crate::setup::FILE);
    let setup = fs::read_to_string(&file).map_err(|e| {
        CliError::host(format!(
            "no token for this host ({}: {e})\n  jackfield dev --fresh   starts afresh",
            file.display()
        ))
    })?;
    login::swap(&Client::with(admin, None)?, setup.trim(), "dev").await
}

/// For its owner alone.
fn keep(folder: &Path, card: &Card) -> std::io::Result<()> {
    let file = folder.join(CARD);
    let _ = fs::remove_file(&file);
    let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
    open.write_all(serde_json::to_string(card).unwrap_or_default().as_bytes())
}
