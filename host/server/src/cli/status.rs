//! `status`: how the host is.

use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, ago, text};

pub(super) async fn run(client: &Client, screen: &Screen) -> Result<(), CliError> {
    let status = client.get(&["status"], &[]).await?;
    if screen.answer(&status) {
        return Ok(());
    }
    screen.line(format!("jackfield {}  {}", text(&status, "version"), text(&status, "engine")));
    screen.line(format!("started     {}", ago(&status, "started")));
    if let Some(listeners) = status.get("listeners") {
        for name in ["ingress", "admin", "metrics"] {
            screen.line(format!("{name:<11} http://{}", text(listeners, name)));
        }
    }
    if status.get("held") == Some(&serde_json::Value::Bool(true)) {
        screen.warning("held after a restore: nothing runs until `jackfield restore --release-hold`");
    }
    Ok(())
}
