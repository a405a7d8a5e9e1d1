//! Webhooks accepted and settled by the real host, beside a bare hyper server on the same machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::load;
use crate::table::Table;

const CONNECTIONS: usize = 32;
const TIME: Duration = Duration::from_secs(4);
const EVENT: &str = r#"{"name":"Ada"}"#;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let (server, _running) = bare_server().await?;
    let body = Bytes::from_static(EVENT.as_bytes());
    let (answered, took) = load::post(server, "/".into(), body.clone(), CONNECTIONS, TIME, 202).await?;
    let bare = answered as f64 / took.as_secs_f64();

    let host = Host::start().await?;
    let hook = host.deploy().await?;
    let started = Instant::now();
    let (accepted, took) = load::post(host.ingress, hook, body, CONNECTIONS, TIME, 202).await?;
    let rate = accepted as f64 / took.as_secs_f64();
    host.until_settled().await?;
    let settled = accepted as f64 / started.elapsed().as_secs_f64();
    table.row("webhooks answered 202, each synced, 32 clients", rate, bare, "/s", "a bare hyper server");
    table.row("webhooks accepted, run and settled", settled, bare, "/s", "a bare hyper server");
    Ok(())
}

/// A hyper server that reads the body and answers 202.
pub(crate) async fn bare_server() -> anyhow::Result<(SocketAddr, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut running = JoinSet::new();
    running.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let answer = service_fn(|request: Request<hyper::body::Incoming>| async move {
                request.into_body().collect().await?;
                let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
                *response.status_mut() = hyper::StatusCode::ACCEPTED;
                Ok::<_, hyper::Error>(response)
            });
            connections
                .spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    Ok((address, running))
}

/// The real host, in a folder of its own.
struct Host {
    child: Child,
    ingress: SocketAddr,
    admin: String,
    token: String,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Host {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let binary = std::env::current_exe()?.with_file_name("jackfield");
        let mut command = Command::new(&binary);
        command.arg("serve").env("HOME", folder.path()).current_dir(folder.path());
        for setting in ["ingress.listen", "admin.listen", "metrics.listen"] {
            command.arg("--set").arg(format!("{setting}=127.0.0.1:0"));
        }
        command.args(["--set", "log.level=warn"]).arg("--set").arg(format!("data={}", data.display()));
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{}: cargo build --release -p jackfield-server", binary.display()))?;
        let waiting = Instant::now();
        let addresses: Value = loop {
            let read = std::fs::read(data.join("listeners.json")).ok();
            if let Some(addresses) = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                break addresses;
            }
            if waiting.elapsed() > Duration::from_secs(30) {
                bail!("the host does not listen");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let at = |key: &str| addresses[key].as_str().unwrap_or_default().to_owned();
        let client = reqwest::Client::new();
        let admin = format!("http://{}", at("admin"));
        let setup = std::fs::read_to_string(data.join("setup-token"))?;
        let body = json!({ "setup_token": setup.trim(), "name": "bench" });
        let answer: Value = client.post(format!("{admin}/v1/login")).json(&body).send().await?.json().await?;
        let token = answer["token"].as_str().context("no token")?.to_owned();
        Ok(Self { child, ingress: at("ingress").parse()?, admin, token, client, _folder: folder })
    }

    /// Releases the guest that says hello; answers its hook's path.
    async fn deploy(&self) -> anyhow::Result<String> {
        let file = PathBuf::from("guest-examples/hello/rust");
        let wasm = std::fs::read(file.join("dist/greet.wasm"))?;
        let manifest = std::fs::read_to_string(file.join("jackfield.toml"))?;
        // A flood from one sender is what is measured: the hook's own rate must not be in the way.
        let manifest =
            manifest.replace("respond = true", "rate = { per_second = 100000, burst = 100000 }\nrespond = true");
        let inspection: Value = self
            .client
            .post(format!("{}/v1/artifacts", self.admin))
            .bearer_auth(&self.token)
            .header("content-type", "application/wasm")
            .body(wasm)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let body = json!({ "manifest": manifest, "artifacts": { "greet": inspection["digest"] } });
        let released: Value = self
            .client
            .post(format!("{}/v1/environments/dev/releases", self.admin))
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await?
            .json()
            .await?;
        let url = released["hooks"][0]["url"].as_str().with_context(|| format!("no hook: {released}"))?;
        Ok(url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default())
    }

    async fn until_settled(&self) -> anyhow::Result<()> {
        let waiting = Instant::now();
        loop {
            let mut open = 0;
            for state in ["queued", "running", "waiting"] {
                let url = format!("{}/v1/runs?state={state}&limit=1", self.admin);
                let page: Value = self.client.get(url).bearer_auth(&self.token).send().await?.json().await?;
                open += page["runs"].as_array().map_or(0, Vec::len);
            }
            if open == 0 {
                return Ok(());
            }
            if waiting.elapsed() > Duration::from_secs(120) {
                bail!("the queue does not drain");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
