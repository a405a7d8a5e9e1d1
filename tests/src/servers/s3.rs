//! VersityGW, an S3 server whose buckets are folders: looked at by reading them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use tokio::sync::OnceCell;

use super::server::{Kind, Server, fresh_name};
use super::{ports, s3_signature as signature, tls};
use crate::env;

/// An S3 server that knows one key: [`ACCESS_KEY`] with [`SECRET_KEY`].
pub type S3 = Server<Setup>;

/// Whom it knows.
pub const ACCESS_KEY: &str = "app-access-key";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "secret-of-app-access-key";
/// Not the secret of [`ACCESS_KEY`].
pub const WRONG_SECRET_KEY: &str = "guessed-secret-key";
/// Where it says it is.
pub const REGION: &str = "us-east-1";

/// What can be chosen.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether it serves HTTPS, and not HTTP.
    pub tls: bool,
}

/// A server that was set up.
pub struct Setup {
    port: u16,
    tls: bool,
    client: reqwest::Client,
}

impl Kind for Setup {
    const NAME: &'static str = "versitygw";
    type Options = Options;

    async fn set_up(options: Options, folder: &Path) -> Self {
        for name in ["buckets", "versions"] {
            fs::create_dir(folder.join(name)).expect("a folder can be made in one's own");
        }
        let ca = reqwest::Certificate::from_pem(tls::files().ca.as_bytes()).expect("it is a certificate");
        let client = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(10));
        let client = client.tls_certs_only([ca]).pool_max_idle_per_host(0).build().expect("a client can be made");
        Self { port: ports::take(), tls: options.tls, client }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(env::server_tool("bin/versitygw"));
        command.args(["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", REGION, "--health", "/health"]);
        command.args(["--port", &format!("127.0.0.1:{}", self.port)]);
        if self.tls {
            let pair = &tls::files().server;
            command.arg("--cert").arg(&pair.certificate_file).arg("--key").arg(&pair.key_file);
        }
        command.arg("posix").arg("--versioning-dir").arg(folder.join("versions")).arg(folder.join("buckets"));
        command
    }

    async fn is_ready(&self, _: &Path, _: &str) -> bool {
        let answer = self.client.get(format!("{}/health", self.endpoint())).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

impl Setup {
    fn endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls { "https" } else { "http" }, self.port)
    }
}

impl S3 {
    /// The instance of this test process, without TLS.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<S3> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Options::default())).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.kind.port).into()
    }

    /// Its address as a URL, such as `http://127.0.0.1:20001`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.kind.endpoint()
    }

    /// Makes an empty bucket, and gives its name.
    ///
    /// # Panics
    ///
    /// The server refuses.
    pub async fn bucket(&self) -> String {
        let name = fresh_name("bucket-");
        let (status, body) = self.request(Method::PUT, &format!("/{name}"), b"").await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        name
    }

    /// Puts an object.
    ///
    /// # Panics
    ///
    /// The server refuses.
    pub async fn put(&self, bucket: &str, key: &str, data: &[u8]) {
        let (status, body) = self.request(Method::PUT, &format!("/{bucket}/{key}"), data).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }

    /// What an object holds, if there is one.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        fs::read(self.buckets().join(bucket).join(key)).ok()
    }

    /// The keys of a bucket, in order.
    #[must_use]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let bucket = self.buckets().join(bucket);
        let mut found = Vec::new();
        let mut folders = vec![bucket.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                // Uploads that are not complete.
                if entry.file_name() == ".sgwtmp" {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(key) = path.strip_prefix(&bucket) {
                    found.push(key.display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// Sends a signed request to a path of unreserved characters, and gives the status and the body of the answer. A
    /// query has its names in order, and each with a `=`.
    ///
    /// # Panics
    ///
    /// There is no answer.
    pub async fn request(&self, method: Method, path_and_query: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let headers = signature::headers(&method, &self.address().to_string(), path_and_query, body);
        let url = format!("{}{path_and_query}", self.endpoint());
        let mut request = self.kind.client.request(method, url).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap_or_else(|e| panic!("{path_and_query}: {e:?}"));
        let status = answer.status().as_u16();
        (status, answer.bytes().await.unwrap_or_else(|e| panic!("{path_and_query}: {e:?}")).into())
    }

    fn buckets(&self) -> PathBuf {
        self.folder().join("buckets")
    }
}
