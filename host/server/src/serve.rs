//! `jackfield serve`: from flags to a running host.
//!
//! Prepares the process (limits, fault handlers, log, runtime). Not here: what a host consists of.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::{Host, base_url, build, serve};
use crate::config::{self, Config};
use crate::{crash_mark, telemetry};

/// The arguments of `serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// The settings.
    #[command(flatten)]
    pub flags: config::Flags,
    /// Show every setting with its default, and start nothing
    #[arg(long)]
    pub defaults: bool,
    /// Check the configuration, and start nothing
    #[arg(long)]
    pub check: bool,
}

/// Serves until the host is told to stop.
///
/// # Errors
///
/// [`config::Problems`] if the configuration is wrong; else why the host could not start or had to end.
pub fn run(args: ServeArgs) -> anyhow::Result<()> {
    if args.defaults {
        return show(config::DEFAULTS);
    }
    let config = Config::load(&args.flags)?;
    if args.check {
        return show("the configuration is as it should be\n");
    }
    telemetry::start(&config.log);
    config::arm_gauntlet().map_err(anyhow::Error::msg)?;
    for name in &config.strange_variables {
        tracing::warn!(name, "this variable looks like a setting and is none");
    }
    crash_mark::no_core_dumps().context("core dumps cannot be switched off")?;
    // Before the engine: its handler for guests' traps has to come first when a fault occurs.
    crash_mark::install().context("the handlers of faults cannot be installed")?;
    raise_file_limit();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("jackfield")
        .build()
        .context("no runtime")?;
    let served = runtime.block_on(async { serve::serve(build::build(config).await?, greet).await });
    // What still blocks a thread now must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    served
}

/// Connections, databases and pipes each take a descriptor; many systems start with 1,024.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
}

/// Says where the host is, and shows the set-up token once.
fn greet(host: &Host, setup_token: Option<&str>) {
    let Some(addresses) = host.addresses.get() else { return };
    let mut text = format!(
        "jackfield {}\n  hooks    {}\n  admin    {}\n  metrics  {}/metrics\n",
        crate::VERSION,
        host.hook_url("…"),
        base_url(addresses.admin, host.config.admin.tls.is_some()),
        base_url(addresses.metrics, false),
    );
    if host.hold.is_held() {
        text += "  held     after a restore: nothing runs until `jackfield restore --release-hold`\n";
    }
    if let Some(token) = setup_token {
        text += &format!(
            "\nNobody can log in yet. This set-up token works once, for the first token of the admin API:\n  \
             {token}\n  jackfield login        asks for it; or: jackfield login --token-file {}\n",
            host.config.data.join(crate::setup::FILE).display(),
        );
    }
    // Nobody may be reading; the host serves all the same.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn show(text: &str) -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("standard output")
}
