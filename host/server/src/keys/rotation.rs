//! A new master key in place of the old one, so that at any moment at which the host may die, one of
//! the files beside each other opens everything, and the next start finds it.
//!
//! 1. The new key is written beside the old one (`.new`), the old one copied to a file named by its id.
//! 2. The store seals everything anew, in one transaction.
//! 3. The new file takes the place of the old one.
//!
//! A start that finds a `.new` goes by which of the two keys opens the data. No key that may have sealed
//! something is ever deleted. Not here: the sealing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jackfield_core::clock::Rng;
use jackfield_core::seal::{INSTALLATION_KEY, MasterKey, Sealed};
use zeroize::Zeroizing;

use super::{KeyError, read, write_private};

/// A rotation whose new key is on disk and seals nothing yet.
pub struct Rotation {
    file: PathBuf,
    /// Where the old key is kept.
    pub kept: PathBuf,
    /// The new key.
    pub new: MasterKey,
}

impl Rotation {
    /// Step 1. `current` is the id of the key that everything is sealed under.
    ///
    /// # Errors
    ///
    /// The file does not hold that key, an earlier rotation is not settled, or the disk fails. Nothing
    /// was changed that matters.
    pub fn begin(file: &Path, current: &str, rng: &dyn Rng) -> Result<Self, KeyError> {
        if beside(file, "new").exists() {
            return Err(KeyError::Unsettled(beside(file, "new")));
        }
        let old = read(file)?.ok_or_else(|| KeyError::Gone(file.to_owned()))?;
        if old.id() != current {
            return Err(KeyError::Exchanged { file: file.to_owned(), found: old.id(), current: current.to_owned() });
        }
        let new = MasterKey::generate(rng);
        let kept = keep(file, &old)?;
        let fresh = beside(file, "new");
        write_private(&fresh, &text(&new)).map_err(|error| KeyError::File { file: fresh, error })?;
        Ok(Self { file: file.to_owned(), kept, new })
    }

    /// Step 3, after the store has committed.
    ///
    /// # Errors
    ///
    /// The new key still lies beside the old one; the next start puts it in place.
    pub fn settle(&self) -> Result<(), KeyError> {
        put_in_place(&self.file)
    }

    /// Instead of step 3, if the store has certainly changed nothing.
    pub fn abandon(&self) {
        // A file that stays seals nothing, and the next start puts it aside.
        let _ = fs::remove_file(beside(&self.file, "new"));
    }
}

/// Settles a rotation that the host died in. `sealed` is the installation key as it is stored.
///
/// # Errors
///
/// The files cannot be read or moved.
pub(super) fn recover(file: &Path, sealed: &Sealed) -> Result<(), KeyError> {
    let fresh = beside(file, "new");
    if !fresh.exists() {
        return Ok(());
    }
    let opens = |key: &MasterKey| key.open_bytes(INSTALLATION_KEY, sealed).is_ok();
    let old = read(file)?;
    let new = match read(&fresh) {
        Ok(new) => new,
        // The host died while it wrote it, so before anything was sealed with it.
        Err(KeyError::NoKey(_)) => None,
        Err(error) => return Err(error),
    };
    match (old, new) {
        (Some(old), new) if opens(&old) => {
            let done = match new {
                // Nothing here is sealed with it. Perhaps something elsewhere is.
                Some(new) => fs::rename(&fresh, beside(file, &new.id())),
                None => fs::remove_file(&fresh),
            };
            done.and_then(|()| sync_folder(file)).map_err(|error| KeyError::File { file: fresh, error })?;
            tracing::warn!(file = %file.display(), "a rotation of the master key broke off before it took effect");
        }
        (old, Some(new)) if opens(&new) => {
            if let Some(old) = old {
                keep(file, &old)?;
            }
            put_in_place(file)?;
            tracing::warn!(file = %file.display(), "a rotation of the master key that broke off was finished");
        }
        // The start says that neither key is the right one.
        _ => {}
    }
    Ok(())
}

/// The file that the key of an id is kept in after a rotation.
pub(super) fn kept(file: &Path, id: &str) -> PathBuf {
    beside(file, id)
}

/// Keeps a key under its id: backups made under it need it.
fn keep(file: &Path, key: &MasterKey) -> Result<PathBuf, KeyError> {
    let kept = beside(file, &key.id());
    match write_private(&kept, &text(key)) {
        // From an earlier try: whole, else it is written again.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match read(&kept) {
            Ok(Some(there)) if there.id() == key.id() => Ok(kept),
            _ => {
                let again = fs::remove_file(&kept).and_then(|()| write_private(&kept, &text(key)));
                again.map(|()| kept.clone()).map_err(|error| KeyError::File { file: kept, error })
            }
        },
        Err(error) => Err(KeyError::File { file: kept, error }),
        Ok(()) => Ok(kept),
    }
}

fn put_in_place(file: &Path) -> Result<(), KeyError> {
    let put = fs::rename(beside(file, "new"), file).and_then(|()| sync_folder(file));
    put.map_err(|error| KeyError::File { file: file.to_owned(), error })
}

fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

/// A key as its file holds it.
pub(super) fn text(key: &MasterKey) -> Zeroizing<Vec<u8>> {
    Zeroizing::new((BASE64_STANDARD.encode(key.to_bytes().as_ref()) + "\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jackfield_core::clock::{SystemClock, SystemRng};
    use jackfield_core::seal::SecretAad;
    use jackfield_core::store::StoreError;
    use jackfield_core::store::admin::AdminStore as _;
    use jackfield_core::store::secrets::SecretStore as _;
    use jackfield_core::store::sqlite::{SqliteOptions, SqliteStore};
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::config::MasterKeySource;
    use crate::keys::load;

    const AAD: SecretAad<'_> = SecretAad { environment: "prod", name: "token", version: 1 };

    struct Place {
        _folder: tempfile::TempDir,
        data: PathBuf,
        file: PathBuf,
        store: SqliteStore,
    }

    impl Place {
        /// A host's keys and one secret.
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (data, file) = (folder.path().join("data"), folder.path().join("keys/master.key"));
            let place = Self { store: open(&data), _folder: folder, data, file };
            let keys = place.load().await.unwrap();
            let sealed = keys.master.seal(&SystemRng, &AAD, &"the value".into());
            let names = ("prod".parse().unwrap(), "token".parse().unwrap());
            let now = jackfield_core::clock::Clock::now(&SystemClock);
            place.store.set_secret(names.0, names.1, 1, sealed, now).await.unwrap();
            place
        }

        async fn load(&self) -> Result<jackfield_core::outside::Keys, KeyError> {
            load(&MasterKeySource::File(self.file.clone()), &self.store, &SystemRng).await
        }

        async fn begin(&self) -> Rotation {
            let current = read(&self.file).unwrap().unwrap().id();
            Rotation::begin(&self.file, &current, &SystemRng).unwrap()
        }

        async fn reseal(&self, rotation: &Rotation) -> Result<u32, StoreError> {
            let from = read(&self.file).unwrap().unwrap();
            let to = MasterKey::from_bytes(*rotation.new.to_bytes());
            self.store.reseal(Box::new(move |place, sealed| from.rewrap(&to, &SystemRng, place, sealed))).await
        }

        /// The host dies and starts again: everything opens, under the key of this id.
        async fn starts(&mut self, expected: &str) {
            self.store.close().await;
            self.store = open(&self.data);
            let keys = self.load().await.unwrap();
            assert_eq!(keys.master.id(), expected);
            let names = ("prod".parse().unwrap(), "token".parse().unwrap());
            let (version, sealed) = self.store.secret(&names.0, &names.1).await.unwrap().unwrap();
            assert_eq!(version, 1);
            assert_eq!(keys.master.open(&AAD, &sealed).unwrap().expose_secret(), "the value");
            assert!(!beside(&self.file, "new").exists());
        }

        fn installed(&self) -> String {
            read(&self.file).unwrap().unwrap().id()
        }
    }

    fn open(data: &Path) -> SqliteStore {
        let options = SqliteOptions::new(Arc::new(SystemClock), Arc::new(SystemRng));
        // The former one lets go of the folder's lock when its thread is gone.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            match SqliteStore::open(data, options.clone()) {
                Ok(store) => return store,
                Err(e) => assert!(std::time::Instant::now() < deadline, "{e}"),
            }
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn threat_050_a_rotation_seals_everything_anew_and_keeps_the_old_key() {
        let mut place = Place::new().await;
        let before = place.load().await.unwrap();
        let rotation = place.begin().await;
        assert_eq!(place.reseal(&rotation).await, Ok(2), "the secret and the installation key");
        rotation.settle().unwrap();
        let new = rotation.new.id();
        place.starts(&new).await;
        let after = place.load().await.unwrap();
        assert_eq!(before.installation, after.installation, "what is derived from it stays");
        assert_eq!(read(&rotation.kept).unwrap().unwrap().id(), before.master.id());
        for file in [&place.file, &rotation.kept] {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    /// The host dies behind each step, and within the first; the next start opens everything.
    #[tokio::test]
    async fn threat_050_a_kill_at_any_step_leaves_keys_that_open_everything() {
        // Within the first step: the new key is half written.
        let mut place = Place::new().await;
        let old = place.installed();
        write_private(&beside(&place.file, "new"), b"AAAA").unwrap();
        place.starts(&old).await;

        // The old key is kept, and the new one is not there yet; then rotated after all.
        keep(&place.file, &read(&place.file).unwrap().unwrap()).unwrap();
        place.starts(&old).await;

        // Behind the first step.
        let rotation = place.begin().await;
        place.starts(&old).await;
        assert_eq!(read(&kept(&place.file, &rotation.new.id())).unwrap().unwrap().id(), rotation.new.id());

        // Behind the second.
        let rotation = place.begin().await;
        place.reseal(&rotation).await.unwrap();
        let new = rotation.new.id();
        place.starts(&new).await;
        assert_eq!(read(&rotation.kept).unwrap().unwrap().id(), old);
        place.starts(&new).await;

        // Behind the second, and the old key's copy is torn.
        let rotation = place.begin().await;
        place.reseal(&rotation).await.unwrap();
        fs::write(&rotation.kept, "A").unwrap();
        place.starts(&rotation.new.id()).await;
        assert_eq!(read(&rotation.kept).unwrap().unwrap().id(), new);
    }

    /// A value that does not open stops the rotation before it changes anything.
    #[tokio::test]
    async fn threat_050_a_rotation_that_cannot_be_done_changes_nothing() {
        let mut place = Place::new().await;
        let old = place.installed();
        let stranger = MasterKey::from_bytes([3; 32]);
        let aad = SecretAad { name: "other", ..AAD };
        let sealed = stranger.seal(&SystemRng, &aad, &"x".into());
        let now = jackfield_core::clock::Clock::now(&SystemClock);
        place.store.set_secret("prod".parse().unwrap(), "other".parse().unwrap(), 1, sealed, now).await.unwrap();
        let rotation = place.begin().await;
        let refused = place.reseal(&rotation).await.unwrap_err();
        assert!(refused.to_string().contains("secret `other` of prod"), "{refused}");
        rotation.abandon();
        place.starts(&old).await;

        // A key file that somebody exchanged is not overwritten.
        let begun = Rotation::begin(&place.file, "0123456789abcdef", &SystemRng);
        assert!(matches!(begun, Err(KeyError::Exchanged { .. })));
        // Nor is a rotation begun over one that is not settled.
        let rotation = place.begin().await;
        assert!(matches!(Rotation::begin(&place.file, &old, &SystemRng), Err(KeyError::Unsettled(_))));
        assert_eq!(read(&beside(&place.file, "new")).unwrap().unwrap().id(), rotation.new.id());
    }

    /// Data from before a rotation, with the key from after it: the start names the file that opens it.
    #[tokio::test]
    async fn threat_050_old_data_is_told_which_kept_key_opens_it() {
        let place = Place::new().await;
        let rotation = place.begin().await;
        // The backup that is restored: nothing in it was resealed.
        rotation.settle().unwrap();
        let refused = place.load().await.err().unwrap().to_string();
        assert!(refused.contains(&rotation.kept.display().to_string()) && refused.contains("cp "), "{refused}");
        assert_eq!(place.installed(), rotation.new.id(), "nothing was changed");
        fs::copy(&rotation.kept, &place.file).unwrap();
        place.load().await.unwrap();
    }
}
