//! The reserve: a file that is given up when the disk is full, so that an operator can delete things.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const BYTES: usize = 1024 * 1024;
/// A disk that was full is not asked more often than this.
const PAUSE: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Reserve {
    file: PathBuf,
    there: bool,
    tried: Option<Instant>,
}

impl Reserve {
    /// The reserve in `file`; made if there is space.
    pub(super) fn new(file: PathBuf) -> Self {
        let there = fs::metadata(&file).is_ok_and(|meta| meta.len() == BYTES as u64);
        let mut reserve = Self { file, there, tried: None };
        reserve.restore();
        reserve
    }

    /// One that stands in for none: there is nothing to give up.
    pub(super) fn none() -> Self {
        Self { file: PathBuf::new(), there: true, tried: None }
    }

    /// Makes it again if it was given up and there is space.
    pub(super) fn restore(&mut self) {
        if self.there || self.tried.is_some_and(|tried| tried.elapsed() < PAUSE) {
            return;
        }
        self.tried = Some(Instant::now());
        // Bytes that differ, so that no file system keeps them as a hole.
        let filler: Vec<u8> = (0..BYTES).map(|i| (i * 31 % 251) as u8 + 1).collect();
        let made = File::create(&self.file).and_then(|mut file| {
            file.write_all(&filler)?;
            file.sync_all()
        });
        match made {
            Ok(()) => self.there = true,
            Err(_) => drop(fs::remove_file(&self.file)),
        }
    }

    /// Gives it up; false if it was given up before.
    pub(super) fn give_up(&mut self) -> bool {
        self.tried = Some(Instant::now());
        std::mem::take(&mut self.there) && fs::remove_file(&self.file).is_ok()
    }
}
