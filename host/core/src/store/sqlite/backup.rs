//! Backup: a consistent copy of the database, made while it is in use.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::fault::Fault;
use crate::store::StoreError;

/// Pages copied before the disk is left to others for a moment.
const STEP: i32 = 256;

/// Copies what `conn` sees to `file`, which must not exist, and syncs it.
pub(super) fn copy(conn: &Connection, file: &Path) -> Result<(), Fault> {
    let exists = || StoreError::Conflict(format!("{} exists; name a file that does not", file.display()));
    if file.exists() {
        return Err(exists().into());
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let made = write(conn, part).and_then(|()| {
        // A link, not a rename: it never replaces what somebody put there meanwhile.
        fs::hard_link(part, file)
            .map_err(|e| if e.kind() == io::ErrorKind::AlreadyExists { exists().into() } else { no(e) })
    });
    let _ = fs::remove_file(part);
    made?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(no)
}

fn write(conn: &Connection, part: &Path) -> Result<(), Fault> {
    let _ = fs::remove_file(part);
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(part).map_err(no)?;
    // One snapshot for all steps: without it each commit would start the copy again.
    let snapshot = conn.unchecked_transaction()?;
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(part)?;
    // Synced once, at the end.
    target.execute_batch("PRAGMA synchronous = OFF")?;
    let backup = Backup::new(&snapshot, &mut target)?;
    loop {
        match backup.step(STEP)? {
            StepResult::Done => break,
            StepResult::More => std::thread::yield_now(),
            _ => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
    drop(backup);
    target.close().map_err(|(_, error)| error)?;
    File::open(part).and_then(|file| file.sync_all()).map_err(no)
}

fn no(error: io::Error) -> Fault {
    if error.kind() == io::ErrorKind::StorageFull {
        StoreError::DiskFull.into()
    } else {
        StoreError::Unavailable(format!("the backup could not be written: {error}")).into()
    }
}
