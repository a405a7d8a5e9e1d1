//! The calls on a folder's files.
//!
//! Not here: how a name is reached without leaving the folder (`root.rs`).

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;

use jackfield_core::clock::Timestamp;
use jackfield_core::ports::blob::{BlobCall, BlobDone, Object, ObjectInfo};
use jackfield_core::ports::outward::{Failure, Sending};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use serde_bytes::ByteBuf;

use super::root::{Facts, Root, Trouble, check_name, facts, sync};
use super::walk::Walk;
use super::{HIDDEN, content_type};

/// Makes a call. Blocking.
///
/// # Errors
///
/// See [`Failure`].
pub(super) fn call(root: &Root, call: &BlobCall, with: &Sending) -> Result<BlobDone, Failure> {
    match call {
        BlobCall::Stat(name) => stat(root, name).map(BlobDone::Info),
        BlobCall::Get { name, range } => get(root, name, *range, with.answer_bytes).map(BlobDone::Data),
        BlobCall::Put(object) => put(root, object, &with.key).map(BlobDone::Written),
        BlobCall::Remove(name) => remove(root, name).map(|()| BlobDone::Removed),
        BlobCall::List { prefix, cursor, limit } => {
            list(root, prefix, cursor.as_deref(), (*limit).min(with.answer_rows), with.answer_bytes)
        }
    }
}

fn stat(root: &Root, name: &str) -> Result<Option<ObjectInfo>, Failure> {
    check_name(name)?;
    match root.facts(name) {
        Ok(facts) => Ok(Some(info(name, &facts))),
        Err(Trouble::None) => Ok(None),
        Err(trouble) => Err(trouble.failure(name)),
    }
}

fn get(root: &Root, name: &str, range: Option<(u64, u32)>, most: u64) -> Result<Option<ByteBuf>, Failure> {
    check_name(name)?;
    let (mut file, facts) = match root.file(name) {
        Ok(opened) => opened,
        Err(Trouble::None) => return Ok(None),
        Err(trouble) => return Err(trouble.failure(name)),
    };
    let too_large = |bytes: u64| Failure::TooLarge {
        message: format!("`{name}` has {bytes} bytes; a call carries at most {most} (limits.blob): read it in parts"),
        sent: true,
    };
    let (offset, length) = match range {
        None if facts.size > most => return Err(too_large(facts.size)),
        None => (0, facts.size),
        Some((offset, _)) if offset > facts.size => {
            let text = format!("`{name}` has {} bytes, and the part begins at {offset}", facts.size);
            return Err(Failure::Invalid(text));
        }
        Some((offset, length)) => (offset, u64::from(length).min(facts.size.saturating_sub(offset))),
    };
    if length > most {
        return Err(too_large(length));
    }
    if length == 0 {
        return Ok(Some(ByteBuf::new()));
    }
    let failed = |e: std::io::Error| Failure::NotExecuted(format!("`{name}` cannot be read: {e}"));
    if offset > 0 {
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    }
    // A file that grows meanwhile is read as far as it was.
    let mut data = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut data).map_err(failed)?;
    Ok(Some(ByteBuf::from(data)))
}

fn put(root: &Root, object: &Object, key: &str) -> Result<String, Failure> {
    let name = object.name.as_str();
    check_name(name)?;
    if !object.metadata.is_empty() {
        let text = format!("`{name}`: a folder keeps no metadata; write it into a file of its own, or leave it out");
        return Err(Failure::Invalid(text));
    }
    let failed = |trouble: Trouble| trouble.failure(name);
    let (parent, last) = root.parent(name, true).map_err(failed)?;
    match facts(&parent, last) {
        Ok(_) | Err(Trouble::None) => {}
        // A pipe or a link that lies there is somebody's, and no earlier object.
        Err(trouble) => return Err(failed(trouble)),
    }
    // The same call made again takes the same name: what is left of the first is written over.
    let new = format!("{HIDDEN}{key}");
    let written = write(&parent, &new, last, &object.data);
    if written.is_err() {
        let _ = rustix::fs::unlinkat(&parent, &new, AtFlags::empty());
    }
    written.map(|facts| etag(&facts)).map_err(|e| failed(Trouble::Other(e)))
}

/// Writes a file under a name that nobody looks at, and gives it its own when all of it is on disk.
fn write(parent: &OwnedFd, new: &str, last: &str, data: &[u8]) -> Result<Facts, Errno> {
    match rustix::fs::unlinkat(parent, new, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(e) => return Err(e),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, new, flags, Mode::from_raw_mode(0o640))?;
    let mut file = std::fs::File::from(file);
    let io = |e: std::io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
    file.write_all(data).map_err(io)?;
    file.sync_all().map_err(io)?;
    rustix::fs::renameat(parent, new, parent, last)?;
    sync(parent)?;
    facts(parent, last).map_err(|_| Errno::IO)
}

fn remove(root: &Root, name: &str) -> Result<(), Failure> {
    check_name(name)?;
    let gone = root.parent(name, false).and_then(|(parent, last)| {
        facts(&parent, last)?;
        rustix::fs::unlinkat(&parent, last, AtFlags::empty())?;
        Ok(sync(&parent)?)
    });
    match gone {
        Ok(()) | Err(Trouble::None) => Ok(()),
        Err(trouble) => Err(trouble.failure(name)),
    }
}

fn list(root: &Root, prefix: &str, cursor: Option<&str>, limit: u32, most: u64) -> Result<BlobDone, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let failed = |e: Errno| Trouble::Other(e).failure(prefix);
    let mut walk = Walk::new(root, prefix, cursor, limit.saturating_add(1).min(1_024)).map_err(failed)?;
    let (mut objects, mut bytes): (Vec<ObjectInfo>, u64) = (Vec::new(), 0);
    let mut next = None;
    while let Some(name) = walk.next() {
        // Gone since it was listed, or no file any more.
        let Ok(facts) = root.facts(&name) else { continue };
        if objects.len() >= limit || bytes > most {
            next = objects.last().map(|object| object.name.clone());
            break;
        }
        let object = info(&name, &facts);
        bytes += (object.name.len() + object.etag.len() + object.modified.len() + 64) as u64;
        objects.push(object);
    }
    match walk.unreadable.first() {
        None => Ok(BlobDone::Page { objects, next }),
        // A part of a list that looks like all of it is worse than none.
        Some((folder, e)) => Err(Trouble::Other(*e).failure(folder)),
    }
}

fn etag(facts: &Facts) -> String {
    format!("{:016x}", facts.print())
}

pub(super) fn time(facts: &Facts) -> String {
    Timestamp(i64::try_from(facts.modified / 1_000_000).unwrap_or(i64::MAX)).to_string()
}

fn info(name: &str, facts: &Facts) -> ObjectInfo {
    ObjectInfo {
        name: name.to_owned(),
        size: facts.size,
        content_type: content_type(name).map(str::to_owned),
        modified: time(facts),
        etag: etag(facts),
        metadata: Vec::new(),
    }
}
