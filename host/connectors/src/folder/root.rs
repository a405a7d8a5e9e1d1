//! The folder itself: opened once per use, and everything in it reached from there, never by following a link.
//!
//! The kernel keeps the promise (`openat2` with `RESOLVE_BENEATH`, no symbolic links, no magic links), so it also holds
//! while somebody renames things. Not here: what calls and triggers do with what they find.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use jackfield_core::ports::outward::Failure;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::HIDDEN;
use super::settings::Settings;

/// The most bytes of one part of a name: what file systems take.
const MOST_PART_BYTES: usize = 255;
/// The most parts of a name, and so the most folders in one another that are looked into.
pub(super) const DEEPEST: usize = 64;

/// See the module. Blocking: not for the async side.
#[derive(Debug)]
pub(super) struct Root {
    folder: OwnedFd,
    path: PathBuf,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: u64,
    /// Nanoseconds since 1970.
    pub(super) modified: i128,
    /// When it came to be as and where it is, in milliseconds: also a rename changes it.
    pub(super) changed_ms: i64,
    inode: u64,
}

impl Facts {
    fn of(stat: &Stat) -> Self {
        let changed = i128::from(stat.st_ctime) * 1000 + i128::from(stat.st_ctime_nsec) / 1_000_000;
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            changed_ms: i64::try_from(changed).unwrap_or(i64::MAX),
            inode: stat.st_ino,
        }
    }

    /// Changes when the content changes.
    pub(super) fn print(&self) -> u64 {
        crate::seen::print(&[&self.size.to_le_bytes(), &self.modified.to_le_bytes(), &self.inode.to_le_bytes()])
    }
}

/// Why something in a folder was not reached.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no such file.
    None,
    /// A link, a pipe, a device, a folder: nothing that is read or written here.
    NotAFile(&'static str),
    /// Everything else.
    Other(Errno),
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT | Errno::NOTDIR => Self::None,
            Errno::LOOP => Self::NotAFile("a symbolic link, which is not followed,"),
            other => Self::Other(other),
        }
    }
}

impl Trouble {
    /// As the failure of a call about `name`.
    pub(super) fn failure(self, name: &str) -> Failure {
        let refused = |code: &str, message: String| Failure::Refused { code: code.into(), message };
        match self {
            Self::None => refused("not-found", format!("`{name}`: a folder on the way to it is not there")),
            Self::NotAFile(what) => refused("not-a-file", format!("`{name}` is, or is behind, {what} and no file")),
            Self::Other(error) => {
                let told = format!("`{name}`: {}", io::Error::from(error));
                match error {
                    Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV => refused("permission", told),
                    Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => refused("not-a-file", told),
                    Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => Failure::Invalid(told),
                    _ => Failure::NotExecuted(told),
                }
            }
        }
    }

    /// For a person.
    pub(super) fn text(&self) -> String {
        match self {
            Self::None => "it is gone".into(),
            Self::NotAFile(what) => format!("it is {what} no file"),
            Self::Other(error) => io::Error::from(*error).to_string(),
        }
    }
}

/// What no name may hold, beside what the hatch has refused.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let invalid = |why: String| Err(Failure::Invalid(format!("name `{name}` {why}")));
    if name.split('/').count() > DEEPEST {
        return invalid(format!("has more than {DEEPEST} parts"));
    }
    match name.split('/').find(|part| part.len() > MOST_PART_BYTES || part.starts_with(HIDDEN)) {
        Some(part) if part.starts_with(HIDDEN) => {
            invalid(format!("begins a part with `{HIDDEN}`, which is the host's"))
        }
        Some(_) => invalid(format!("has a part of more than {MOST_PART_BYTES} bytes")),
        None => Ok(()),
    }
}

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
/// To reach through, not to read.
const THROUGH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn open(at: impl AsFd, name: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    // The kernel answers so while something is being renamed above: then it could not be sure.
    for _ in 0..16 {
        match rustix::fs::openat2(&at, name, flags, mode, RESOLVE) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

impl Root {
    /// Opens the folder.
    ///
    /// # Errors
    ///
    /// Why not, for a person; `true` if only a person can mend it.
    pub(super) fn open(settings: &Settings, own: Option<&Path>) -> Result<Self, (bool, String)> {
        let shown = settings.path.display();
        let failed = |what: &Path, error: Errno| match error {
            Errno::NOENT => (false, format!("the folder `{}` is not there", what.display())),
            Errno::LOOP => (true, format!("a part of `{shown}` is a symbolic link, which is not followed")),
            Errno::NOTDIR => (true, format!("`{shown}` is no folder")),
            error => (true, format!("the folder `{}` cannot be opened: {}", what.display(), io::Error::from(error))),
        };
        let allowed = rustix::fs::open(&settings.allowed, THROUGH, Mode::empty());
        let allowed = allowed.map_err(|e| failed(&settings.allowed, e))?;
        let folder = if settings.below.as_os_str().is_empty() {
            allowed
        } else {
            open(&allowed, &settings.below, THROUGH, Mode::empty()).map_err(|e| failed(&settings.path, e))?
        };
        // The host's own folder under whatever name: the configuration's folder may be reached by links.
        let own = own.and_then(|own| own.canonicalize().ok());
        let real = std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder)));
        if let (Some(own), Ok(real)) = (own, real)
            && (real.starts_with(&own) || own.starts_with(&real))
        {
            return Err((true, format!("`{shown}` leads to the data folder of this host")));
        }
        Ok(Self { folder, path: settings.path.clone() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that holds `name`, and the last part of the name. With `make`, the folders on the way are made.
    pub(super) fn parent<'a>(&self, name: &'a str, make: bool) -> Result<(OwnedFd, &'a str), Trouble> {
        let Some((folders, last)) = name.rsplit_once('/') else {
            return Ok((open(&self.folder, Path::new("."), THROUGH, Mode::empty())?, name));
        };
        match open(&self.folder, Path::new(folders), THROUGH, Mode::empty()) {
            Ok(folder) => return Ok((folder, last)),
            Err(Errno::NOENT) if make => {}
            Err(Errno::NOTDIR) if make => return Err(Trouble::NotAFile("below a file: there it has no place")),
            Err(e) => return Err(e.into()),
        }
        let mut at = open(&self.folder, Path::new("."), THROUGH, Mode::empty())?;
        for part in folders.split('/') {
            match rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o750)) {
                // Its name is on disk before anything in it is.
                Ok(()) => sync(&at)?,
                Err(Errno::EXIST) => {}
                Err(e) => return Err(e.into()),
            }
            at = open(&at, Path::new(part), THROUGH, Mode::empty())?;
        }
        Ok((at, last))
    }

    /// A folder in it, to be listed; the name is empty for itself.
    pub(super) fn listed(&self, name: &str) -> Result<OwnedFd, Errno> {
        let name = if name.is_empty() { "." } else { name };
        open(&self.folder, Path::new(name), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }

    /// What is known of a file.
    pub(super) fn facts(&self, name: &str) -> Result<Facts, Trouble> {
        let (parent, last) = self.parent(name, false)?;
        facts(&parent, last)
    }

    /// Opens a file to read it.
    pub(super) fn file(&self, name: &str) -> Result<(std::fs::File, Facts), Trouble> {
        // Looked at before it is opened: to open a device can do something already.
        self.facts(name)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = open(&self.folder, Path::new(name), flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        is_file(&stat)?;
        Ok((file.into(), Facts::of(&stat)))
    }
}

/// What is known of a file in a folder.
pub(super) fn facts(folder: &OwnedFd, last: &str) -> Result<Facts, Trouble> {
    let stat = rustix::fs::statat(folder, last, AtFlags::SYMLINK_NOFOLLOW)?;
    is_file(&stat)?;
    Ok(Facts::of(&stat))
}

fn is_file(stat: &Stat) -> Result<(), Trouble> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Trouble::NotAFile("a folder")),
        FileType::Symlink => Err(Trouble::NotAFile("a symbolic link, which is not followed,")),
        _ => Err(Trouble::NotAFile("a pipe, a socket or a device")),
    }
}

/// Makes what happened in a folder last. A handle to reach through cannot: one to read is opened.
pub(super) fn sync(folder: &OwnedFd) -> Result<(), Errno> {
    let readable = open(folder, Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::fsync(&readable)
}
