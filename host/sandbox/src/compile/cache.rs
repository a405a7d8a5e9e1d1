//! The cache of compiled code: native code on disk, authenticated.
//!
//! Not here: who compiles. A file holds the code of one artifact for one engine, and behind it a MAC over
//! both and the code. Native code runs with all the host's rights, so a file whose MAC is wrong is never
//! mapped: it is removed, reported and made again. Each file is verified once per boot.
//!
//! Beside them lie single functions, one file an uploader, sealed the same way: see [`functions`](super::functions).
//! Nobody's compiles read what another uploader's left: a component that takes the compiler over gains nothing there.
//!
//! The folder is the host's alone (0700). Who can write to it as the host's own user can change the host's
//! memory too; the MAC is for everybody else: a restored backup, a shared volume, a misplaced file.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jackfield_core::artifact::Digest;
use jackfield_core::gauntlet::crash_point;
use sha2::Sha256;
use wasmtime::component::Component;

use super::functions::FUNCTIONS_BYTES_MAX;
use crate::engine::{Compatibility, Engine, NAME, VERSION};

const MAC_BYTES: u64 = 32;
/// What is authenticated, and in which form: changes with either.
const CODE: &[u8] = b"jackfield compiled code 1\0";
/// The same of functions.
const FUNCTIONS: &[u8] = b"jackfield compiled functions 1\0";
/// Uploaders whose functions are kept; whose are oldest go.
const UPLOADERS_MAX: usize = 8;

/// Where compiled code is kept.
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    compatibility: Compatibility,
    /// Files verified since the host started, as they were then.
    verified: Mutex<HashMap<Digest, Identity>>,
    temporary: AtomicU64,
}

/// What the cache has for an artifact.
pub(crate) enum Found {
    /// Code, ready to make instances of.
    Code(Box<Component>),
    /// Nothing: compile it.
    Nothing,
    /// A file that was not ours or not whole; it is gone now. Compile again, and report the text.
    Damaged(String),
}

/// A file that is still the file that was verified.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let m = file.metadata()?;
        Ok(Self { device: m.dev(), inode: m.ino(), size: m.size(), changed: (m.ctime(), m.ctime_nsec()) })
    }
}

impl Cache {
    /// Opens the folder, making it if needed, and removes what earlier engines and crashes left in it.
    pub(crate) fn open(folder: PathBuf, key: [u8; 32], engine: &Engine) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        let compatibility = engine.compatibility();
        let cache = Self { folder, key, compatibility, verified: Mutex::default(), temporary: AtomicU64::new(0) };
        cache.sweep()?;
        Ok(cache)
    }

    fn sweep(&self) -> io::Result<()> {
        let current = ["cwasm", "functions"].map(|kind| format!("-{}.{kind}", self.compatibility));
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = [".cwasm", ".functions", ".tmp"].iter().any(|kind| name.ends_with(kind));
            if ours && !current.iter().any(|kind| name.ends_with(kind)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}-{}.cwasm", digest.hex(), self.compatibility))
    }

    /// Maps the code of an artifact. Reads the whole file the first time, to verify it.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> io::Result<Found> {
        let path = self.path(digest);
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(e) if e.raw_os_error() == Some(libc::ELOOP) => return self.damaged(digest, &path, "is a link"),
            Err(e) => return Err(e),
        };
        if let Err(why) = self.verify(&mut file, digest)? {
            return self.damaged(digest, &path, why);
        }
        match map(engine, &file, &path) {
            Ok(component) => Ok(Found::Code(Box::new(component))),
            Err(e) => {
                self.forget(digest);
                // Our own file, and the engine does not take it: for instance, more memories than the pool gives.
                Err(match e.downcast_ref::<io::Error>() {
                    Some(system) => io::Error::new(system.kind(), format!("{e:#}")),
                    None => io::Error::new(io::ErrorKind::InvalidData, format!("{e:#}")),
                })
            }
        }
    }

    /// Whether there is a file for this artifact; says nothing about its worth.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    /// Keeps code, so that it is whole on disk or not there at all.
    pub(crate) fn keep(&self, digest: &Digest, code: &[u8]) -> io::Result<()> {
        let written =
            self.write(&self.path(digest), CODE, digest, &[code]).and_then(|()| File::open(&self.folder)?.sync_all());
        self.forget(digest);
        written
    }

    /// Functions compiled before for an uploader; none at first. `Ok(Err(text))`: the file was not ours or not whole;
    /// it is gone now. Report the text.
    pub(crate) fn functions(&self, owner: &Digest) -> io::Result<Result<Vec<u8>, String>> {
        let path = self.functions_path(owner);
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Ok(vec![])),
            Err(e) => return Err(e),
        };
        let (mut bytes, limit) = (Vec::new(), FUNCTIONS_BYTES_MAX as u64 + MAC_BYTES);
        (&mut file).take(limit).read_to_end(&mut bytes)?;
        if let Some(length) = bytes.len().checked_sub(MAC_BYTES as usize) {
            let mut mac = self.mac(FUNCTIONS, owner, length as u64);
            mac.update(&bytes[..length]);
            if mac.verify_slice(&bytes[length..]).is_ok() {
                bytes.truncate(length);
                return Ok(Ok(bytes));
            }
        }
        fs::remove_file(&path)?;
        Ok(Err(format!(
            "compiled functions in {} do not carry this host's seal: removed. If nobody touched the data folder, check \
             the disk",
            path.file_name().unwrap_or_default().to_string_lossy()
        )))
    }

    /// Keeps new functions for an uploader beside the `known` ones; alone, when there is no room for both.
    pub(crate) fn keep_functions(&self, owner: &Digest, known: &[u8], fresh: &[u8]) -> io::Result<()> {
        if fresh.is_empty() {
            return Ok(());
        }
        let known = if known.len() + fresh.len() > FUNCTIONS_BYTES_MAX { &[] } else { known };
        self.write(&self.functions_path(owner), FUNCTIONS, owner, &[known, fresh])?;
        let mut files = vec![];
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(".functions") {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        files.sort_unstable();
        let spare = files.len().saturating_sub(UPLOADERS_MAX);
        files.into_iter().take(spare).try_for_each(|(_, path)| fs::remove_file(path))
    }

    fn functions_path(&self, owner: &Digest) -> PathBuf {
        self.folder.join(format!("{}-{}.functions", owner.hex(), self.compatibility))
    }

    /// Writes a sealed file, whole or not at all.
    fn write(&self, path: &Path, purpose: &[u8], of: &Digest, parts: &[&[u8]]) -> io::Result<()> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("{}.{number}.tmp", of.hex()));
        let mut mac = self.mac(purpose, of, parts.iter().map(|part| part.len() as u64).sum());
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o400).open(&temporary)?;
            for part in parts {
                mac.update(part);
                file.write_all(part)?;
            }
            file.write_all(&mac.finalize().into_bytes())?;
            file.sync_all()?;
            crash_point("code-before-rename");
            fs::rename(&temporary, path)
        })();
        if written.is_err() {
            let _not_there = fs::remove_file(&temporary);
        }
        written
    }

    /// Removes the code of an artifact, for instance of one that is deleted.
    pub(crate) fn remove(&self, digest: &Digest) -> io::Result<()> {
        self.forget(digest);
        match fs::remove_file(self.path(digest)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn damaged(&self, digest: &Digest, path: &Path, why: &str) -> io::Result<Found> {
        self.remove(digest)?;
        Ok(Found::Damaged(format!(
            "compiled code of {digest} {why}: removed {} and compiling again. If nobody touched the data folder, \
             check the disk",
            path.file_name().unwrap_or_default().to_string_lossy()
        )))
    }

    fn forget(&self, digest: &Digest) {
        self.verified.lock().expect("nothing panics while it is held").remove(digest);
    }

    /// `Ok(Err(why))`: the file must not be mapped.
    fn verify(&self, file: &mut File, digest: &Digest) -> io::Result<Result<(), &'static str>> {
        let identity = Identity::of(file)?;
        let known = self.verified.lock().expect("nothing panics while it is held").get(digest).copied();
        if known == Some(identity) {
            return Ok(Ok(()));
        }
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Ok(Err("is not a file of the host's own user"));
        }
        if metadata.mode() & 0o022 != 0 {
            return Ok(Err("can be written by others"));
        }
        let Some(code_bytes) = identity.size.checked_sub(MAC_BYTES) else {
            return Ok(Err("is too short"));
        };
        let mut mac = self.mac(CODE, digest, code_bytes);
        let mut left = code_bytes;
        let mut buffer = vec![0; 128 << 10];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let read = file.read(&mut buffer[..most])?;
            if read == 0 {
                return Ok(Err("changed while it was read"));
            }
            mac.update(&buffer[..read]);
            left -= read as u64;
        }
        let mut tag = [0; MAC_BYTES as usize];
        file.read_exact(&mut tag)?;
        if mac.verify_slice(&tag).is_err() || Identity::of(file)? != identity {
            return Ok(Err("does not carry this host's seal"));
        }
        self.verified.lock().expect("nothing panics while it is held").insert(*digest, identity);
        Ok(Ok(()))
    }

    /// A MAC that has taken in all but the bytes themselves.
    fn mac(&self, purpose: &[u8], of: &Digest, bytes: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(purpose);
        mac.update(of.as_bytes());
        for text in [NAME, VERSION, std::env::consts::ARCH, std::env::consts::OS] {
            mac.update(&(text.len() as u64).to_le_bytes());
            mac.update(text.as_bytes());
        }
        mac.update(&self.compatibility.0.to_le_bytes());
        mac.update(&bytes.to_le_bytes());
        mac
    }
}

/// Opens a file to read, unless it is a link.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}

/// Maps a file that has been verified.
fn map(engine: &Engine, file: &File, path: &Path) -> wasmtime::Result<Component> {
    // The file that was verified, even if another has its name by now.
    let by_handle = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let path = if by_handle.exists() { by_handle.as_path() } else { path };
    // SAFETY: the file is the output of this host's own compile process for this engine: its MAC, which only
    // this host can make, was verified over all of it, the artifact and the engine. It is never written again:
    // it was made read-only in a folder of the host's own user and is only ever replaced by another file.
    unsafe { Component::deserialize_file(engine.raw(), path) }
}

#[cfg(test)]
mod tests;
