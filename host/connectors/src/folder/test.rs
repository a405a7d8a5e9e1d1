//! The test of a connection: whether the folder is there, can be read, and can be written to.
//!
//! Not here: whether an integration may use it.

use std::time::Duration;

use jackfield_core::ports::connector::Finding;
use rustix::fs::{Access, AtFlags, StatVfs};
use serde_json::{Map, Value};

use super::settings::Settings;
use super::walk::Walk;
use super::{Folder, FolderConnector};
use crate::findings::{as_finding, bad, good};

/// Looks, for at most `limit`.
pub(super) async fn test(connector: &FolderConnector, settings: &Map<String, Value>, limit: Duration) -> Vec<Finding> {
    let settings = match Settings::read(settings, &connector.around) {
        Ok(settings) => settings,
        Err(problems) => return problems.iter().map(as_finding).collect(),
    };
    let folder = connector.folder(settings);
    let looked = tokio::time::timeout(limit, tokio::task::spawn_blocking(move || look(&folder))).await;
    match looked {
        Ok(Ok(findings)) => findings,
        Ok(Err(_)) => vec![bad("folder", "the host failed over this folder")],
        Err(_) => vec![bad("time", format!("the folder did not answer within {}s", limit.as_secs_f32()))],
    }
}

fn look(folder: &Folder) -> Vec<Finding> {
    let root = match folder.open() {
        Ok(root) => root,
        Err((_, why)) => return vec![bad("folder", format!("{why}; make it, or let the host's user reach it"))],
    };
    let shown = root.path().display().to_string();
    let mut findings = vec![good("folder", format!("{shown} is there"))];
    match Walk::new(&root, "", None, 2) {
        Ok(mut walk) => {
            let found = match walk.next() {
                Some(name) => format!("it can be read; the first file is `{name}`"),
                None => "it can be read; no file is in it".into(),
            };
            findings.push(good("read", found));
        }
        Err(e) => findings.push(bad("read", format!("it cannot be read: {}", std::io::Error::from(e)))),
    }
    let Ok(here) = root.listed("") else { return findings };
    // Asked, not tried: a test leaves nothing behind.
    match rustix::fs::accessat(&here, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => findings.push(good("write", "it can be written to")),
        Err(_) => findings
            .push(good("write", "it can be read only: `put` and `remove` are refused, and files stay where they are")),
    }
    if let Ok(StatVfs { f_bavail, f_frsize, .. }) = rustix::fs::fstatvfs(&here) {
        let free = f_bavail.saturating_mul(f_frsize) / (1024 * 1024);
        findings.push(good("space", format!("{free} MiB are free")));
    }
    findings
}
