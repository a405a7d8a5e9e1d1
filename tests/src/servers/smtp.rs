//! Mailpit, an SMTP server that delivers nothing: looked at by its HTTP API.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::server::{Kind, PASSWORD, Server, USER};
use super::{ports, server, tls};
use crate::env;

/// An SMTP server. [`USER`] logs in with [`PASSWORD`]; nobody sends without.
pub type Smtp = Server<Setup>;

/// How clients have to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// In the clear, and then with STARTTLS before anything else.
    #[default]
    StartTls,
    /// With TLS from the first byte.
    Tls,
    /// In the clear, the password too.
    Plain,
}

/// What can be chosen.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How clients have to connect.
    pub security: Security,
}

/// A server that was set up.
pub struct Setup {
    port: u16,
    api: u16,
    security: Security,
}

impl Kind for Setup {
    const NAME: &'static str = "mailpit";
    type Options = Options;

    async fn set_up(options: Options, folder: &Path) -> Self {
        fs::write(folder.join("logins"), format!("{USER}:{PASSWORD}\n")).expect("one's own folder can be written to");
        Self { port: ports::take(), api: ports::take(), security: options.security }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(env::server_tool("bin/mailpit"));
        command.args(["--smtp", &self.address().to_string(), "--listen", &format!("127.0.0.1:{}", self.api)]);
        command.arg("--database").arg(folder.join("mails.db")).arg("--smtp-auth-file").arg(folder.join("logins"));
        // It asks nobody outside: not for a newer version of itself, and not for the names of its clients.
        command.args(["--disable-version-check", "--smtp-disable-rdns", "--enable-chaos"]);
        let pair = &tls::files().server;
        if self.security != Security::Plain {
            command.arg("--smtp-tls-cert").arg(&pair.certificate_file).arg("--smtp-tls-key").arg(&pair.key_file);
        }
        command.arg(match self.security {
            Security::StartTls => "--smtp-require-starttls",
            Security::Tls => "--smtp-require-tls",
            Security::Plain => "--smtp-auth-allow-insecure",
        });
        command
    }

    async fn is_ready(&self, _: &Path, _: &str) -> bool {
        let answer = server::http().get(format!("http://127.0.0.1:{}/readyz", self.api)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200) && TcpStream::connect(self.address()).await.is_ok()
    }
}

impl Setup {
    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }
}

impl Smtp {
    /// The instance of this test process, that demands STARTTLS. Each test has recipients of its own.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Smtp> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Options::default())).await
    }

    /// Where it listens for SMTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.kind.address()
    }

    /// What it took for a recipient, the newest first, as its API tells: `ID`, `From`, `To`, `Subject`, `Attachments` …
    ///
    /// # Panics
    ///
    /// It does not answer.
    pub async fn messages(&self, recipient: &str) -> Vec<Value> {
        let query = [("query", format!("addressed:\"{recipient}\""))];
        let found = server::json(server::http().get(self.api("search")).query(&query)).await;
        found["messages"].as_array().cloned().unwrap_or_default()
    }

    /// All that it took, at most 1,000, the newest first; as [`Self::messages`] tells.
    pub async fn all(&self) -> Vec<Value> {
        let listed = server::json(server::http().get(self.api("messages")).query(&[("limit", "1000")])).await;
        listed["messages"].as_array().cloned().unwrap_or_default()
    }

    /// A message's parts: `Text`, `HTML`, `Attachments` with their `PartID` …
    pub async fn message(&self, id: &str) -> Value {
        server::json(server::http().get(self.api(&format!("message/{id}")))).await
    }

    /// A message as it was sent.
    pub async fn raw(&self, id: &str) -> String {
        let bytes = server::bytes(server::http().get(self.api(&format!("message/{id}/raw")))).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// An attachment's bytes.
    pub async fn attachment(&self, id: &str, part: &str) -> Vec<u8> {
        server::bytes(server::http().get(self.api(&format!("message/{id}/part/{part}")))).await
    }

    /// Makes it refuse what it is asked, always with this code: at `Sender`, at `Recipient` or at `Authentication`. 0 as
    /// the code ends that.
    pub async fn refuse(&mut self, at: &str, code: u16) {
        let probability = if code == 0 { 0 } else { 100 };
        // A code that it does not know is refused, also where it is never used.
        let code = if code == 0 { 451 } else { code };
        let wish = serde_json::json!({ at: { "ErrorCode": code, "Probability": probability } });
        server::json(server::http().put(self.api("chaos")).json(&wish)).await;
    }

    fn api(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/api/v1/{path}", self.kind.api)
    }
}
