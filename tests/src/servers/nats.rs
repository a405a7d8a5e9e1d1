//! NATS with JetStream; looked at by its monitoring pages and by its own plain-text protocol.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::server::{Kind, PASSWORD, Server, USER, fresh_name};
use super::{nats_wire as wire, ports, server, tls};
use crate::env;

/// A NATS server with JetStream on disk. [`USER`] logs in with [`PASSWORD`], everybody else is refused.
pub type Nats = Server<Setup>;

/// How clients have to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Without TLS.
    #[default]
    Plain,
    /// With TLS.
    Tls,
    /// With TLS, and with a certificate of the tests' authority.
    Certificate,
}

/// What can be chosen.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How clients have to connect.
    pub security: Security,
    /// Lines of the configuration besides those that every instance gets, such as `max_payload: 1024`.
    pub settings: String,
}

/// A server that was set up.
pub struct Setup {
    port: u16,
    monitor: u16,
    security: Security,
}

/// A message that a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number in the stream, from 1.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its headers as they are on the wire, with the line `NATS/1.0` first; empty when it has none.
    pub headers: String,
    /// What it carries.
    pub data: Vec<u8>,
}

impl Kind for Setup {
    const NAME: &'static str = "nats";
    type Options = Options;

    async fn set_up(options: Options, folder: &Path) -> Self {
        let (port, monitor) = (ports::take(), ports::take());
        let certificates = tls::files();
        let files = format!(
            r#"cert_file: "{}", key_file: "{}", ca_file: "{}""#,
            certificates.server.certificate_file.display(),
            certificates.server.key_file.display(),
            certificates.ca_file.display()
        );
        let security = match options.security {
            Security::Plain => String::new(),
            Security::Tls => format!("tls {{ {files} }}"),
            Security::Certificate => format!("tls {{ {files}, verify: true }}"),
        };
        let configuration = format!(
            r#"
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
server_name: "nats-{port}"
# Every acknowledged message is on disk.
jetstream {{ store_dir: "{}/js", max_mem: 64M, max_file: 1G, sync_interval: always }}
authorization {{ user: "{USER}", password: "{PASSWORD}" }}
{security}
{}
"#,
            folder.display(),
            options.settings
        );
        fs::write(folder.join("nats.conf"), configuration).expect("one's own folder can be written to");
        Self { port, monitor, security: options.security }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(env::server_tool("bin/nats-server"));
        command.arg("-c").arg(folder.join("nats.conf"));
        command
    }

    async fn is_ready(&self, _: &Path, _: &str) -> bool {
        let answer = server::http().get(format!("http://127.0.0.1:{}/healthz", self.monitor)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }
}

impl Nats {
    /// The instance of this test process, without TLS.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Nats> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Options::default())).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.kind.port).into()
    }

    /// One of its monitoring pages, such as `/connz` or `/jsz?streams=1&consumers=1`.
    ///
    /// # Panics
    ///
    /// It does not answer.
    pub async fn monitor(&self, page: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{page}", self.kind.monitor);
        server::json(server::http().get(url)).await
    }

    /// Sends a request and gives the first answer's data. Not where TLS is demanded.
    ///
    /// # Panics
    ///
    /// Nobody answers.
    pub async fn request(&self, subject: &str, data: &[u8]) -> Vec<u8> {
        assert_eq!(self.kind.security, Security::Plain, "the tests' own requests are made without TLS");
        let answer = wire::request(self.address(), subject, data).await;
        answer.unwrap_or_else(|e| panic!("a request of {subject}: {e}\n{}", self.process().last_words()))
    }

    /// Calls the API of JetStream, such as `STREAM.INFO.orders`.
    ///
    /// # Panics
    ///
    /// It refuses.
    pub async fn api(&self, call: &str, arguments: &Value) -> Value {
        let answer = self.request(&format!("$JS.API.{call}"), arguments.to_string().as_bytes()).await;
        let answer: Value = serde_json::from_slice(&answer).expect("the API answers with JSON");
        assert!(answer["error"].is_null(), "{call}: {answer:#}");
        answer
    }

    /// Makes a stream on disk that holds what is published below its name, such as `stream1.orders`; gives its name.
    pub async fn stream(&self) -> String {
        let name = fresh_name("stream");
        let subjects = format!("{name}.>");
        let stream = json!({ "name": name, "subjects": [subjects], "storage": "file", "retention": "limits" });
        self.api(&format!("STREAM.CREATE.{name}"), &stream).await;
        name
    }

    /// Publishes a message to a stream; returns its number when it is stored.
    ///
    /// # Panics
    ///
    /// No stream holds the subject.
    pub async fn publish(&self, subject: &str, data: &[u8]) -> u64 {
        let answer = self.request(subject, data).await;
        let answer: Value = serde_json::from_slice(&answer).expect("JetStream acknowledges with JSON");
        answer["seq"].as_u64().unwrap_or_else(|| panic!("{subject}: {answer:#}"))
    }

    /// All messages of a stream.
    pub async fn messages(&self, stream: &str) -> Vec<Message> {
        let state = self.api(&format!("STREAM.INFO.{stream}"), &json!({})).await["state"].clone();
        let number = |key: &str| state[key].as_u64().expect("a stream counts");
        let mut messages = Vec::new();
        let mut wanted = number("first_seq");
        while wanted <= number("last_seq") && number("messages") > 0 {
            // The next one there is: some may be deleted.
            let asked = json!({ "seq": wanted, "next_by_subj": ">" });
            let message = self.api(&format!("STREAM.MSG.GET.{stream}"), &asked).await["message"].clone();
            let bytes = |key: &str| {
                let text = message[key].as_str().unwrap_or_default();
                STANDARD.decode(text).expect("it is in base 64")
            };
            let sequence = message["seq"].as_u64().expect("a message has a number");
            messages.push(Message {
                sequence,
                subject: message["subject"].as_str().unwrap_or_default().to_owned(),
                headers: String::from_utf8_lossy(&bytes("hdrs")).into_owned(),
                data: bytes("data"),
            });
            wanted = sequence + 1;
        }
        messages
    }
}
