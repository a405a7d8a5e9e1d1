//! The set-up token: how the first token of the admin API comes to be.
//!
//! There are no default credentials. Not here: the tokens of the admin API themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jackfield_core::clock::Rng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The file in the data folder that holds it until it is used, so that a script can log in.
pub const FILE: &str = "setup-token";

/// One token that may be swapped, once, for the first token of the admin API.
///
/// Only its hash is kept in memory. Its text is printed once to the terminal of `serve` and lies in
/// [`FILE`], readable by the host's user alone, until it is used.
pub struct SetupToken {
    file: PathBuf,
    state: Mutex<State>,
}

enum State {
    /// There is an admin token, so there is nothing to set up.
    Closed,
    Open([u8; 32]),
    /// Somebody is about to use it.
    Taken([u8; 32]),
}

impl SetupToken {
    /// None is needed: an admin token exists. A file left over from before goes.
    ///
    /// # Errors
    ///
    /// The left-over file cannot be removed.
    pub fn closed(data: &Path) -> io::Result<Self> {
        let file = data.join(FILE);
        remove(&file)?;
        Ok(Self { file, state: Mutex::new(State::Closed) })
    }

    /// Makes one, and gives its text to be shown once. The one of an earlier start ends.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn open(data: &Path, rng: &dyn Rng) -> io::Result<(Self, Zeroizing<String>)> {
        let mut random = Zeroizing::new([0; 20]);
        rng.fill(random.as_mut());
        let text =
            Zeroizing::new(format!("jfs_{}", data_encoding::BASE32_NOPAD.encode(random.as_ref()).to_lowercase()));
        let file = data.join(FILE);
        remove(&file)?;
        crate::keys::write_private(&file, text.as_bytes())?;
        let state = Mutex::new(State::Open(hash(&text)));
        Ok((Self { file, state }, text))
    }

    /// Takes it, if `text` is it and nobody else has it in hand. Compared in constant time.
    ///
    /// It is used up by [`Permit::spent`]; a permit that is dropped before puts it back, so that a
    /// full disk does not lock everybody out.
    #[must_use]
    pub fn redeem(&self, text: &str) -> Option<Permit<'_>> {
        let mut state = self.lock();
        let State::Open(wanted) = *state else { return None };
        if !bool::from(hash(text).ct_eq(&wanted)) {
            return None;
        }
        *state = State::Taken(wanted);
        Some(Permit(self))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to make the first token.
pub struct Permit<'a>(&'a SetupToken);

impl Permit<'_> {
    /// The first token is durable: this one is used up, and its file goes.
    pub fn spent(self) {
        *self.0.lock() = State::Closed;
        if let Err(error) = remove(&self.0.file) {
            tracing::warn!(file = %self.0.file.display(), %error, "the used set-up token's file could not be removed");
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if let State::Taken(wanted) = *state {
            *state = State::Open(wanted);
        }
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jackfield_core::clock::SystemRng;

    #[test]
    fn threat_090_the_set_up_token_works_once() {
        let data = tempfile::tempdir().unwrap();
        let (setup, text) = SetupToken::open(data.path(), &SystemRng).unwrap();
        assert_eq!(std::fs::read_to_string(data.path().join(FILE)).unwrap(), *text);
        assert!(setup.redeem("jfs_wrong").is_none());
        assert!(setup.redeem("").is_none());

        let permit = setup.redeem(&text).expect("it is the one");
        assert!(setup.redeem(&text).is_none(), "two at once");
        permit.spent();
        assert!(setup.redeem(&text).is_none(), "a second time");
        assert!(!data.path().join(FILE).exists());
    }

    #[test]
    fn a_failed_login_does_not_use_it_up() {
        let data = tempfile::tempdir().unwrap();
        let (setup, text) = SetupToken::open(data.path(), &SystemRng).unwrap();
        drop(setup.redeem(&text));
        assert!(setup.redeem(&text).is_some());
    }

    #[test]
    fn a_start_with_an_admin_token_removes_an_old_one() {
        let data = tempfile::tempdir().unwrap();
        let (_, text) = SetupToken::open(data.path(), &SystemRng).unwrap();
        let setup = SetupToken::closed(data.path()).unwrap();
        assert!(setup.redeem(&text).is_none());
        assert!(!data.path().join(FILE).exists());
    }
}
