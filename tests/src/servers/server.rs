//! A server of any kind: started, killed, hung, started again. What it serves is its [`Kind`]'s.

use std::future::Future;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::process::Process;
use crate::wait;

/// A kind of server: how it is set up, what command serves it, and when it is ready.
pub trait Kind: Sized + Send + Sync + 'static {
    /// Its name, in messages and folders.
    const NAME: &'static str;
    /// What asks it to end in an orderly way.
    const STOP: Signal = Signal::TERM;
    /// How long it may take until it answers.
    const PATIENCE: Duration = wait::LONG;
    /// What can be chosen before the first start.
    type Options: Default + Send;

    /// Makes what it needs in its empty folder, and takes its ports. Once; restarts find it.
    fn set_up(options: Self::Options, folder: &Path) -> impl Future<Output = Self> + Send;

    /// The command that serves, in the foreground.
    fn command(&self, folder: &Path) -> Command;

    /// Whether it answers as it should. `printed` is what it printed since it was started.
    fn is_ready(&self, folder: &Path, printed: &str) -> impl Future<Output = bool> + Send;

    /// What has to be done once, after the first start.
    fn begun(&self, _folder: &Path) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// A server. Killed, and its folder removed, when it is dropped.
pub struct Server<K: Kind> {
    pub(super) kind: K,
    process: Process,
}

impl<K: Kind> Server<K> {
    /// An instance of one's own, with data and ports of its own.
    ///
    /// # Panics
    ///
    /// It cannot be started; the message has its last words, or the name of what is not installed.
    pub async fn start(options: K::Options) -> Self {
        let process = Process::new(K::NAME);
        let kind = K::set_up(options, process.folder()).await;
        let mut server = Self { kind, process };
        server.restart().await;
        server.kind.begun(server.process.folder()).await;
        server
    }

    /// Starts it again, on the same data and the same ports, and gives how long it took until it answered.
    ///
    /// # Panics
    ///
    /// It runs already, or it cannot be started.
    pub async fn restart(&mut self) -> Duration {
        let begun = Instant::now();
        self.process.begin(&self.kind.command(self.process.folder()));
        loop {
            if self.kind.is_ready(self.process.folder(), &self.process.printed()).await {
                return begun.elapsed();
            }
            if let Some(status) = self.process.has_ended() {
                panic!("{} ended at its start ({status}):\n{}", K::NAME, self.process.last_words());
            }
            assert!(
                begun.elapsed() < K::PATIENCE,
                "{} does not answer after {:?}:\n{}",
                K::NAME,
                K::PATIENCE,
                self.process.last_words()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `kill -9` to the process and all that it started; returns when it is gone.
    ///
    /// # Panics
    ///
    /// It does not run.
    pub async fn kill(&mut self) {
        self.process.signal_all(Signal::KILL);
        self.process.ended().await;
    }

    /// Asks it to end, and waits until it did.
    ///
    /// # Panics
    ///
    /// It does not run, or it does not end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.signal(K::STOP);
        self.process.ended().await
    }

    /// Makes it hang: its connections stay open, new ones are accepted by the kernel, and nobody answers.
    ///
    /// # Panics
    ///
    /// It does not run.
    pub fn pause(&mut self) {
        self.process.signal_all(Signal::STOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// It does not run.
    pub fn resume(&mut self) {
        self.process.signal_all(Signal::CONT);
    }

    /// Its process: id, folder, what it printed.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    pub(super) fn folder(&self) -> &Path {
        self.process.folder()
    }
}

/// Whom servers know.
pub const USER: &str = "app";

/// The password of [`USER`].
pub const PASSWORD: &str = "secret-of-app";

/// Not the password of [`USER`].
pub const WRONG_PASSWORD: &str = "guessed";

/// A name that no other test of this process has for its database, topic, stream or bucket.
#[must_use]
pub fn fresh_name(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!("{what}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A client of a server's own pages: without a proxy, and not for ever.
pub(super) fn http() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
    client.pool_max_idle_per_host(0).build().expect("a client can be made")
}

/// What a page answers, as JSON.
pub(super) async fn json(request: reqwest::RequestBuilder) -> Value {
    let bytes = bytes(request).await;
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)))
}

/// What a page answers.
pub(super) async fn bytes(request: reqwest::RequestBuilder) -> Vec<u8> {
    let answer = request.send().await.unwrap_or_else(|e| panic!("{e:?}"));
    let (url, status) = (answer.url().clone(), answer.status());
    let bytes = answer.bytes().await.unwrap_or_else(|e| panic!("{url}: {e:?}"));
    assert!(status.is_success(), "{url}: {status}: {}", String::from_utf8_lossy(&bytes));
    bytes.into()
}
