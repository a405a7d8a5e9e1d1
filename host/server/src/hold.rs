//! The hold: after a restore the host starts, and does nothing until a person says so.
//!
//! What was done after the backup was taken would be done again; so triggers answer 503 and nothing
//! is claimed until the hold is released. Not here: the restore that sets it.

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

/// The file in the data folder whose presence holds the host.
pub const FILE: &str = "held";

/// Whether the host is held. The file decides, so a hold survives a restart.
pub struct Hold {
    file: PathBuf,
    held: watch::Sender<bool>,
}

impl Hold {
    /// Looks for the file.
    ///
    /// # Errors
    ///
    /// The data folder cannot be read.
    pub fn open(data: &Path) -> io::Result<Self> {
        let file = data.join(FILE);
        let held = file.try_exists()?;
        Ok(Self { file, held: watch::channel(held).0 })
    }

    /// Makes the host that next starts in this data folder start held.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn put(data: &Path) -> io::Result<()> {
        let file = std::fs::File::create(data.join(FILE))?;
        file.sync_all()?;
        std::fs::File::open(data)?.sync_all()
    }

    /// Whether the host is held now.
    #[must_use]
    pub fn is_held(&self) -> bool {
        *self.held.borrow()
    }

    /// Releases it; answers whether it was held.
    ///
    /// # Errors
    ///
    /// The file cannot be removed: the hold stays, or it would be back after a restart.
    pub fn release(&self) -> io::Result<bool> {
        match std::fs::remove_file(&self.file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        Ok(self.held.send_replace(false))
    }

    /// Returns once the host is not held.
    pub async fn released(&self) {
        // Never an error: the sender lives as long as `self`.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hold_lasts_until_it_is_released() {
        let data = tempfile::tempdir().unwrap();
        assert!(!Hold::open(data.path()).unwrap().is_held());

        Hold::put(data.path()).unwrap();
        let hold = Hold::open(data.path()).unwrap();
        assert!(hold.is_held());
        assert!(Hold::open(data.path()).unwrap().is_held(), "a restart lost it");

        assert!(hold.release().unwrap());
        hold.released().await;
        assert!(!hold.release().unwrap(), "there was nothing left to release");
        assert!(!Hold::open(data.path()).unwrap().is_held());
    }
}
