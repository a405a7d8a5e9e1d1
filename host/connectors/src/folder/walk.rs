//! The files of a folder, and of the folders in it, in the order of their names, a few at a time.
//!
//! However many names a folder holds, only so many of them are in memory at once: it is read again for the next ones.
//! Not here: what is done with the files.

use std::collections::{BinaryHeap, VecDeque};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::HIDDEN;
use super::root::{DEEPEST, Root};

/// One folder on the way.
struct Level {
    /// The names of all that is in it begin with this: empty, or with a slash at its end.
    within: String,
    /// The next ones: names below `within`, with a slash at the end of folders.
    next: VecDeque<String>,
    /// The last that was read.
    last: Option<String>,
    /// There are no more than `next`.
    all: bool,
}

/// See the module. Blocking: not for the async side.
pub(super) struct Walk<'a> {
    root: &'a Root,
    levels: Vec<Level>,
    /// Names are after this one.
    after: Option<String>,
    /// Names begin with this.
    prefix: String,
    /// The most names of one folder in memory.
    most: usize,
    /// Folders that could not be read: name and why.
    pub(super) unreadable: Vec<(String, Errno)>,
}

impl<'a> Walk<'a> {
    /// The files whose names begin with `prefix` and come after `after`.
    ///
    /// # Errors
    ///
    /// The folder itself cannot be read.
    pub(super) fn new(root: &'a Root, prefix: &str, after: Option<&str>, most: usize) -> Result<Self, Errno> {
        let mut walk = Self {
            root,
            levels: Vec::new(),
            after: after.map(str::to_owned),
            prefix: prefix.to_owned(),
            most: most.max(1),
            unreadable: Vec::new(),
        };
        let mut first = Level { within: String::new(), next: VecDeque::new(), last: None, all: false };
        walk.refill(&mut first)?;
        walk.levels.push(first);
        Ok(walk)
    }

    /// The next name.
    pub(super) fn next(&mut self) -> Option<String> {
        loop {
            let mut level = self.levels.pop()?;
            if level.next.is_empty()
                && !level.all
                && let Err(e) = self.refill(&mut level)
            {
                self.unreadable.push((level.within.trim_end_matches('/').to_owned(), e));
                continue;
            }
            let Some(entry) = level.next.pop_front() else { continue };
            let name = format!("{}{entry}", level.within);
            self.levels.push(level);
            if !name.ends_with('/') {
                return Some(name);
            }
            if self.levels.len() < DEEPEST {
                self.levels.push(Level { within: name, next: VecDeque::new(), last: None, all: false });
            }
        }
    }

    /// Reads the next names of a folder.
    fn refill(&self, level: &mut Level) -> Result<(), Errno> {
        let folder = match self.root.listed(level.within.trim_end_matches('/')) {
            Ok(folder) => folder,
            // It was there a moment ago.
            Err(Errno::NOENT | Errno::NOTDIR) if !level.within.is_empty() => {
                level.all = true;
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let mut smallest: BinaryHeap<String> = BinaryHeap::new();
        let mut more = false;
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            // A name that is no text, or holds a control character, cannot be said in a call.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." || name.starts_with(HIDDEN) || name.chars().any(char::is_control) {
                continue;
            }
            let Some(name) = self.kind(&folder, name, entry.file_type()) else { continue };
            if level.last.as_ref().is_some_and(|last| name <= *last) || !self.wants(&level.within, &name) {
                continue;
            }
            if smallest.len() < self.most {
                smallest.push(name);
            } else {
                more = true;
                if smallest.peek().is_some_and(|largest| name < *largest) {
                    smallest.pop();
                    smallest.push(name);
                }
            }
        }
        level.next = smallest.into_sorted_vec().into();
        level.last = level.next.back().cloned();
        level.all = !more;
        Ok(())
    }

    /// The name of a file, or that of a folder with a slash, as it takes part in the order; none for everything else.
    fn kind(&self, folder: &OwnedFd, name: &str, told: FileType) -> Option<String> {
        let kind = match told {
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                FileType::from_raw_mode(stat.st_mode)
            }
            told => told,
        };
        match kind {
            FileType::RegularFile => Some(name.to_owned()),
            FileType::Directory => Some(format!("{name}/")),
            _ => None,
        }
    }

    /// Whether a file, or something in a folder, can be among those that are asked for.
    fn wants(&self, within: &str, name: &str) -> bool {
        let full = format!("{within}{name}");
        let folder = name.ends_with('/');
        let prefix = full.starts_with(&self.prefix) || (folder && self.prefix.starts_with(&full));
        let after = match &self.after {
            None => true,
            Some(after) if folder => full > *after || after.starts_with(&full),
            Some(after) => full > *after,
        };
        prefix && after
    }
}
