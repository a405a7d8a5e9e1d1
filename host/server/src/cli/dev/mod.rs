//! `dev`: a host of a project's own, with every save built and released to it, and what happens shown as it happens.
//!
//! Not here: the host, its process and its address (`host`), which files count (`watch`), what a run looks like (`feed`).

mod feed;
pub(super) mod host;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use jackfield_core::ids::ComponentName;

use super::deploy;
use super::error::CliError;
use super::project::Project;
use super::screen::{Screen, list, safe_lines, text};
use feed::Feed;
use host::DevHost;
use watch::Watch;

const ENVIRONMENT: &str = "dev";

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// A project's folder
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Forget what an earlier session left: runs, keys, connections, secrets
    #[arg(long)]
    fresh: bool,
    /// End after the first release, and say whether it worked
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(args: DevArgs, screen: &Screen) -> Result<(), CliError> {
    let project = Project::open(&args.path)?;
    // Both take a while, and neither needs the other.
    let (host, built) =
        tokio::join!(DevHost::start(project.folder(), args.fresh), build(&args.path, None, Stdio::inherit()),);
    let host = host?;
    screen.done(format!("host at {}  ·  data in {}", host.ingress, host.folder.display()));
    let session = Session { path: &args.path, host: &host, screen };
    let first = match built {
        Ok(()) => session.release(Instant::now(), None).await,
        Err(error) => Err(error),
    };
    if args.once {
        return first;
    }
    if let Err(error) = first {
        screen.error(&error);
    }
    if host.is_by_name {
        screen.line(Screen::dim("other commands find this host with --host dev"));
    }
    let mut feed = Feed::new(&host.client, screen).await?;
    tokio::select! {
        ended = session.follow() => ended,
        ended = feed.run() => ended,
        ended = host.ended() => ended,
    }
}

/// What a project goes through, again and again.
struct Session<'a> {
    path: &'a Path,
    host: &'a DevHost,
    screen: &'a Screen,
}

impl Session<'_> {
    /// Builds and releases whatever is saved, until the process is stopped.
    async fn follow(&self) -> Result<(), CliError> {
        let mut watch = Watch::new(&Project::open(self.path)?)?;
        self.screen.line(Screen::dim(&format!("watching {}  ·  Ctrl-C ends", watch.shown())));
        loop {
            let change = watch.next().await;
            let begin = Instant::now();
            self.screen.line(format!("saved {} → building …", change.files.join(", ")));
            if let Err(error) = self.again(&change, begin).await {
                self.screen.error(&error);
                self.screen.line(Screen::dim("the version before goes on; save again"));
            }
            if change.manifest
                && let Ok(project) = Project::open(self.path)
            {
                watch = Watch::new(&project)?;
            }
        }
    }

    /// Builds what a change is about, and releases it.
    async fn again(&self, change: &watch::Change, begin: Instant) -> Result<(), CliError> {
        match change.component.as_ref().filter(|_| !change.manifest) {
            Some(component) => build(self.path, Some(component), Stdio::piped()).await?,
            None => build(self.path, None, Stdio::piped()).await?,
        }
        self.release(begin, Some(begin.elapsed())).await
    }

    /// Releases what was built. Runs that wait keep the version they were accepted by.
    async fn release(&self, begin: Instant, built: Option<Duration>) -> Result<(), CliError> {
        let mut project = Project::open(self.path)?;
        project.use_dev_components();
        let uploading = Instant::now();
        let artifacts = deploy::upload_all(&project, &self.host.client, self.screen).await?;
        let compiled = uploading.elapsed();
        let answer = deploy::release(&project, &artifacts, ENVIRONMENT, &self.host.client).await?;
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let Some(built) = built else {
            for hook in list(&answer, "hooks") {
                self.screen.done(format!("hook  {}  {}", text(hook, "trigger"), text(hook, "url")));
            }
            for warning in list(&answer, "warnings") {
                self.screen.warning(safe_lines(warning.as_str().unwrap_or_default()).replace('\n', "\n  "));
            }
            return Ok(());
        };
        let split = format!("(build {} · compile {})", seconds(built), seconds(compiled));
        self.screen.done(format!("live in {}  {}", seconds(begin.elapsed()), Screen::dim(&split)));
        Ok(())
    }
}

/// `jackfield build`, in a process of its own. What it says goes to `said`; piped, only if it fails.
async fn build(path: &Path, component: Option<&ComponentName>, said: Stdio) -> Result<(), CliError> {
    let own = std::env::current_exe().map_err(|e| CliError::host(e.to_string()))?;
    let mut command = tokio::process::Command::new(own);
    command.args(["build", "--dev"]).arg(path).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(component) = component {
        command.args(["--component", component.as_str()]);
    }
    // Tools tell errors on either: what was said on both is shown, the one behind the other.
    let output = command.stdout(said).stderr(Stdio::piped()).output().await;
    let output = output.map_err(|e| CliError::host(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let both = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&both);
    Err(CliError::input(safe_lines(said.trim_end().trim_start_matches("✗ "))))
}
