//! The keys of the host: the master key, from its file or variable, and the installation key, sealed
//! in the store.
//!
//! Not here: sealing itself, which is the ledger's, nor the keys derived from the installation key.

pub mod rotation;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jackfield_core::clock::Rng;
use jackfield_core::outside::Keys;
use jackfield_core::seal::{INSTALLATION_KEY, MasterKey, SealError, Sealed};
use jackfield_core::store::{Store, StoreError};
use zeroize::Zeroizing;

use crate::config::MasterKeySource;

/// Why the host has no keys. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is gone, and there is data that only it opens.
    #[error(
        "the master key file {0} is missing, and the data was sealed with the key it held: put it back \
         from your copy, or set JACKFIELD_MASTER_KEY"
    )]
    Gone(PathBuf),
    /// The file holds something else.
    #[error("{0} does not hold a master key: 32 bytes as base64, on one line")]
    NoKey(PathBuf),
    /// Another key than the data's.
    #[error("the data does not open with this master key: {0}")]
    Wrong(SealError),
    /// Another key than the data's, and the right one was kept when it was replaced.
    #[error(
        "the data was sealed with master key {wanted}, and {file} holds a later one; the key was kept when it was \
         replaced. If this data is meant: cp {kept} {file}"
    )]
    Kept {
        /// The id of the key it was sealed with.
        wanted: String,
        /// The key file.
        file: PathBuf,
        /// The file of the right key.
        kept: PathBuf,
    },
    /// The host runs with another key than its file holds.
    #[error(
        "{file} holds master key {found}, and the host runs with {current}: put that one back, then try again; \
         nothing was changed"
    )]
    Exchanged {
        /// The key file.
        file: PathBuf,
        /// The id of the key in it.
        found: String,
        /// The id of the host's key.
        current: String,
    },
    /// An earlier rotation broke off.
    #[error("{0} is left from a rotation that broke off: start the host again, which settles it")]
    Unsettled(PathBuf),
    /// The file cannot be read or written.
    #[error("the master key file {file}: {error}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The store did not answer.
    #[error("the installation key: {0}")]
    Store(StoreError),
}

// The texts hold their causes already, so a cause is no `source` that would be printed again.
impl From<SealError> for KeyError {
    fn from(error: SealError) -> Self {
        Self::Wrong(error)
    }
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Loads both keys; makes them at the first start of all.
///
/// # Errors
///
/// [`KeyError`]: the host must not start, and nothing was changed.
pub async fn load(source: &MasterKeySource, store: &dyn Store, rng: &dyn Rng) -> Result<Keys, KeyError> {
    let sealed = store.meta(INSTALLATION_KEY).await?;
    let master = match source {
        MasterKeySource::Given(key) => MasterKey::from_bytes(*key.to_bytes()),
        MasterKeySource::File(file) => {
            if let Some(sealed) = &sealed {
                rotation::recover(file, &Sealed(sealed.clone()))?;
            }
            match read(file)? {
                Some(key) => key,
                None if sealed.is_some() => return Err(KeyError::Gone(file.clone())),
                None => make(file, rng)?,
            }
        }
    };
    let sealed = match sealed {
        Some(sealed) => sealed,
        None => {
            let mut key = Zeroizing::new([0; 32]);
            rng.fill(key.as_mut());
            store.set_meta_once(INSTALLATION_KEY, master.seal_bytes(rng, INSTALLATION_KEY, key.as_ref()).0).await?
        }
    };
    let installation = master.open_bytes(INSTALLATION_KEY, &Sealed(sealed)).map_err(|error| wrong(source, error))?;
    let installation = installation.as_slice().try_into().map_err(|_| SealError::Damaged)?;
    Ok(Keys { master, installation })
}

/// Why a key is the wrong one, with the file that holds the right one if it is known.
fn wrong(source: &MasterKeySource, error: SealError) -> KeyError {
    if let (MasterKeySource::File(file), SealError::WrongKey { wanted, .. }) = (source, &error)
        && rotation::kept(file, wanted).exists()
    {
        return KeyError::Kept { wanted: wanted.clone(), file: file.clone(), kept: rotation::kept(file, wanted) };
    }
    error.into()
}

fn read(file: &Path) -> Result<Option<MasterKey>, KeyError> {
    let error = |error| KeyError::File { file: file.to_owned(), error };
    let text = match std::fs::read(file) {
        Ok(text) => Zeroizing::new(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(error(e)),
    };
    let mode = std::fs::metadata(file).map_err(error)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(file = %file.display(), "others may read the master key: chmod 600 it");
    }
    let bytes = BASE64_STANDARD.decode(text.trim_ascii()).map(Zeroizing::new);
    let bytes = bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    bytes.map(|bytes| Some(MasterKey::from_bytes(bytes))).ok_or_else(|| KeyError::NoKey(file.to_owned()))
}

fn make(file: &Path, rng: &dyn Rng) -> Result<MasterKey, KeyError> {
    let key = MasterKey::generate(rng);
    let made = file
        .parent()
        .map_or(Ok(()), |folder| DirBuilder::new().recursive(true).mode(0o700).create(folder))
        .and_then(|()| write_private(file, &rotation::text(&key)));
    made.map_err(|error| KeyError::File { file: file.to_owned(), error })?;
    tracing::info!(file = %file.display(), "master key made: keep a copy of it elsewhere than the data");
    Ok(key)
}

/// Writes a new file that the host's user alone may read, and its folder's entry, to the disk.
///
/// # Errors
///
/// There is such a file, or it cannot be written.
pub fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    open.write_all(bytes)?;
    open.sync_all()?;
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jackfield_core::clock::{SystemClock, SystemRng};
    use jackfield_core::store::admin::AdminStore as _;
    use jackfield_core::store::sqlite::{SqliteOptions, SqliteStore};
    use std::sync::Arc;

    struct Place {
        folder: tempfile::TempDir,
        store: SqliteStore,
        source: MasterKeySource,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let options = SqliteOptions::new(Arc::new(SystemClock), Arc::new(SystemRng));
            let store = SqliteStore::open(&folder.path().join("data"), options).unwrap();
            let source = MasterKeySource::File(folder.path().join("keys/master.key"));
            Self { folder, store, source }
        }
        fn file(&self) -> PathBuf {
            self.folder.path().join("keys/master.key")
        }
        async fn load(&self) -> Result<Keys, KeyError> {
            load(&self.source, &self.store, &SystemRng).await
        }
        async fn sealed(&self) -> Option<Vec<u8>> {
            self.store.meta(INSTALLATION_KEY).await.unwrap()
        }
    }

    #[tokio::test]
    async fn keys_are_made_once_for_the_hosts_user_alone() {
        let place = Place::new();
        let made = place.load().await.unwrap();
        let mode = std::fs::metadata(place.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = place.load().await.unwrap();
        assert_eq!((made.master.id(), made.installation), (again.master.id(), again.installation));

        // The same key by variable is as good.
        let given = MasterKeySource::Given(MasterKey::from_bytes(*made.master.to_bytes()));
        let by_variable = load(&given, &place.store, &SystemRng).await.unwrap();
        assert_eq!(by_variable.installation, made.installation);
    }

    /// A wrong or lost key keeps the host from starting; the data and the key files stay as they were.
    #[tokio::test]
    async fn threat_050_a_wrong_master_key_refuses_the_start_and_changes_nothing() {
        let place = Place::new();
        place.load().await.unwrap();
        let sealed = place.sealed().await;
        let kept = std::fs::read(place.file()).unwrap();

        std::fs::remove_file(place.file()).unwrap();
        let text = place.load().await.err().unwrap().to_string();
        assert!(text.contains("is missing") && text.contains("JACKFIELD_MASTER_KEY"), "{text}");
        assert!(!place.file().exists(), "another key was made in place of the lost one");

        std::fs::write(place.file(), BASE64_STANDARD.encode([1; 32])).unwrap();
        let text = place.load().await.err().unwrap().to_string();
        assert!(text.contains("does not open with this master key"), "{text}");
        assert_eq!(std::fs::read_to_string(place.file()).unwrap(), BASE64_STANDARD.encode([1; 32]));

        for broken in ["", "hello", "AAAA"] {
            std::fs::write(place.file(), broken).unwrap();
            let text = place.load().await.err().unwrap().to_string();
            assert!(text.contains("does not hold a master key"), "{text}");
        }

        assert_eq!(place.sealed().await, sealed);
        std::fs::write(place.file(), kept).unwrap();
        place.load().await.unwrap();
    }
}
