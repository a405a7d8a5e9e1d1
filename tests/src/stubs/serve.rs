//! A stub server as a process: its arguments, and the line it says where it listens with.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::Stub;
use crate::scenario::Scenario;

/// Arguments in pairs, `--name value`, of which only those named are known.
///
/// # Errors
///
/// One is unknown or has no value.
pub fn arguments(known: &[&str]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.strip_prefix("--").filter(|name| known.contains(name)) {
            Some(name) => {
                let value = given.next().with_context(|| format!("`--{name}` needs a value"))?;
                found.insert(name.to_owned(), value);
            }
            None => bail!("`{argument}` is not known; there are --{}", known.join(", --")),
        }
    }
    Ok(found)
}

/// The argument `--port`; 0 if there is none.
///
/// # Errors
///
/// It is no port.
pub fn port(arguments: &BTreeMap<String, String>) -> anyhow::Result<u16> {
    arguments.get("port").map_or(Ok(0), |port| port.parse().context("`--port` is a number up to 65535"))
}

/// Serves the outside system `name` of the scenario that `--scenario` names, on `--port`.
///
/// # Errors
///
/// An argument is missing, or the port is taken.
pub fn from_arguments(name: &'static str) -> anyhow::Result<()> {
    let arguments = arguments(&["scenario", "port"])?;
    let scenario = Scenario::read(Path::new(arguments.get("scenario").context("`--scenario` names a scenario.toml")?));
    let port = port(&arguments)?;
    for_ever(async move { Ok(scenario.stub(name, port).await?) })
}

/// Serves until the process is ended.
///
/// # Errors
///
/// The server did not start.
pub fn for_ever(start: impl Future<Output = anyhow::Result<Stub>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let stub = start.await?;
        #[expect(clippy::print_stdout, reason = "whoever starts it needs to know the port")]
        {
            println!("listening on {}", stub.base());
        }
        std::future::pending::<()>().await;
        Ok(())
    })
}
