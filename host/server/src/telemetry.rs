//! The host's own log: how lines look and which are kept.
//!
//! Never bodies, never secrets: spans and lines name fields one by one. Guest logs are elsewhere.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{Log, LogFormat};

/// Starts logging to standard error. A second call changes nothing, which tests rely on.
pub fn start(log: &Log) {
    let filter = EnvFilter::builder().parse_lossy(&log.level);
    let lines =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).with_span_events(FmtSpan::NONE);
    let started = match log.format {
        LogFormat::Text => lines.with_ansi(is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).try_init(),
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let thread = std::thread::current();
            tracing::error!(
                place,
                thread = thread.name(),
                "the host panicked: {}",
                panic.payload_as_str().unwrap_or("without a message"),
            );
        }));
    }
}

fn is_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal()
}
