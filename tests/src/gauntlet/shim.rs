//! The shim: a small library in C that stands between the host and the system; see `shim.c`.
//!
//! Compiled when it is needed and told what to do while the host runs. Not here: what a host does about it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

const SOURCE: &str = include_str!("shim.c");
const BYTES: usize = 13 * 8;

/// What the shim counts and is told, by its place in the shared page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Calls counted so far.
    Count = 0,
    /// Die at this count.
    KillAt = 1,
    /// Lose power at this count.
    CutAt = 2,
    /// 0: all that was not synced is lost; else each sector by the toss of a coin.
    CutSeed = 3,
    /// The disk is full.
    Full = 4,
    /// The n-th sync from now fails.
    FailSync = 5,
    /// The n-th write to a file from now fails.
    FailWrite = 6,
    /// Milliseconds that each sync takes longer.
    SlowSync = 7,
    /// Syncs of files.
    Syncs = 8,
    /// Of these, of the database's log.
    LogSyncs = 9,
    /// Sectors that the cut took back.
    Lost = 10,
    /// Calls that were made to fail.
    Failed = 11,
    /// New names and renames that the cut took back.
    LostNames = 12,
}

/// See the module.
pub struct Shim {
    library: PathBuf,
    control: PathBuf,
    page: File,
    folder: PathBuf,
    forgets: bool,
}

impl Shim {
    /// Compiles it in `place`, for the files below `folder`. With `forgets` it knows what was not synced.
    ///
    /// # Errors
    ///
    /// There is no C compiler, or it refuses.
    pub fn compile(place: &Path, folder: &Path, forgets: bool) -> anyhow::Result<Self> {
        let (source, library, control) = (place.join("shim.c"), place.join("shim.so"), place.join("shim.page"));
        std::fs::write(&source, SOURCE)?;
        let compiled = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .context("a C compiler (`cc`) is needed for this")?;
        if !compiled.status.success() {
            bail!("the shim does not compile:\n{}", String::from_utf8_lossy(&compiled.stderr));
        }
        std::fs::write(&control, [0; BYTES])?;
        let page = File::options().read(true).write(true).open(&control)?;
        // The system names files by their real path.
        Ok(Self { library, control, page, folder: folder.canonicalize()?, forgets })
    }

    /// The variables that a host is started with to have it in between.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        let mut variables = vec![
            ("LD_PRELOAD".into(), text(&self.library)),
            ("JACKFIELD_TEST_SHIM".into(), text(&self.control)),
            ("JACKFIELD_TEST_SHIM_FOLDER".into(), text(&self.folder)),
        ];
        if self.forgets {
            variables.push(("JACKFIELD_TEST_SHIM_FORGETS".into(), "1".into()));
        }
        variables
    }

    /// Forgets what it counted and was told.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    pub fn reset(&self) -> io::Result<()> {
        self.page.write_all_at(&[0; BYTES], 0)
    }

    /// What is in a cell.
    ///
    /// # Errors
    ///
    /// The page cannot be read.
    pub fn read(&self, cell: Cell) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.page.read_exact_at(&mut bytes, cell as u64 * 8)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Sets a cell, also while the host runs.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    pub fn set(&self, cell: Cell, value: u64) -> io::Result<()> {
        self.page.write_all_at(&value.to_ne_bytes(), cell as u64 * 8)
    }
}
