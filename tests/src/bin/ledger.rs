//! The ledger as a process: `ledger --file FILE [--port PORT]`.

use std::path::PathBuf;

use anyhow::Context as _;
use jackfield_tests::ledger::Ledger;
use jackfield_tests::stubs::{Stub, serve};

fn main() -> anyhow::Result<()> {
    let arguments = serve::arguments(&["file", "port"])?;
    let file = PathBuf::from(arguments.get("file").context("`--file` says where to write")?);
    let port = serve::port(&arguments)?;
    serve::for_ever(async move { Ok(Stub::start(port, Ledger::open(&file)?).await?) })
}
