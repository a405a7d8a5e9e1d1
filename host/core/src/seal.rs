//! Sealing: secrets at rest, each under a data key of its own, wrapped by the master key.
//!
//! A sealed value is bound to where it belongs (environment, name, version): moved to another row
//! it does not open. Not here: where the master key comes from; that is configuration.

use std::fmt;

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock::Rng;

/// The first byte of every sealed value.
const FORMAT: u8 = 1;
const KEY: usize = 32;
const KEY_ID: usize = 8;
const NONCE: usize = 12;
const TAG: usize = 16;

/// A sealed value, as it is stored: format, key id, wrapped data key, ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// Where a secret belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretAad<'a> {
    /// Its environment.
    pub environment: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: u32,
}

/// The label of the sealed installation key, and where it lies in the store.
pub const INSTALLATION_KEY: &str = "installation-key";

/// Where a sealed value belongs: it opens there and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A secret of an environment.
    Secret(SecretAad<'a>),
    /// Something of the installation itself, by its label.
    Host(&'a str),
}

impl Place<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Secret(aad) => aad.bytes(),
            Self::Host(label) => label_aad(label),
        }
    }
}

/// A sealed value that does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed with another master key.
    #[error(
        "sealed with master key {wanted}, and the host has master key {given}: \
         give it the key file that belongs to this data"
    )]
    WrongKey {
        /// The id of the key it was sealed with.
        wanted: String,
        /// The id of the key at hand.
        given: String,
    },
    /// It was changed, cut or moved to another place.
    #[error("damaged, or moved from where it was sealed for: set it again")]
    Damaged,
}

/// The key that wraps all others. Never in the database.
pub struct MasterKey([u8; KEY]);

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl MasterKey {
    /// The key that was stored as these bytes.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; KEY]) -> Self {
        let key = Self(bytes);
        bytes.zeroize();
        key
    }

    /// A new key.
    #[must_use]
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut key = Self([0; KEY]);
        rng.fill(&mut key.0);
        key
    }

    /// The bytes, to be written to the key file.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; KEY]> {
        Zeroizing::new(self.0)
    }

    /// A short hash of it, to tell keys apart.
    #[must_use]
    pub fn id(&self) -> String {
        shown(&self.short_hash())
    }

    fn short_hash(&self) -> [u8; KEY_ID] {
        let hash = Sha256::new().chain_update(b"jackfield master key id").chain_update(self.0).finalize();
        let mut short = [0; KEY_ID];
        short.copy_from_slice(&hash[..KEY_ID]);
        short
    }

    /// Seals a secret for its place.
    #[must_use]
    pub fn seal(&self, rng: &dyn Rng, aad: &SecretAad<'_>, value: &SecretString) -> Sealed {
        self.seal_with(rng, &aad.bytes(), value.expose_secret().as_bytes())
    }

    /// Opens a secret from its place.
    ///
    /// # Errors
    ///
    /// [`SealError`]
    pub fn open(&self, aad: &SecretAad<'_>, sealed: &Sealed) -> Result<SecretString, SealError> {
        let bytes = self.open_with(&aad.bytes(), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SealError::Damaged)?;
        Ok(SecretString::from(text))
    }

    /// Seals something of the installation itself, known by `label`.
    #[must_use]
    pub fn seal_bytes(&self, rng: &dyn Rng, label: &str, value: &[u8]) -> Sealed {
        self.seal_with(rng, &label_aad(label), value)
    }

    /// Opens what was sealed under `label`.
    ///
    /// # Errors
    ///
    /// [`SealError`]
    pub fn open_bytes(&self, label: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.open_with(&label_aad(label), sealed)
    }

    fn seal_with(&self, rng: &dyn Rng, aad: &[u8], value: &[u8]) -> Sealed {
        let mut data_key = Zeroizing::new([0; KEY]);
        rng.fill(data_key.as_mut());
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.short_hash());
        encrypt(rng, &self.0, &tagged(b"key", aad), data_key.as_ref(), &mut out);
        encrypt(rng, &data_key, &tagged(b"value", aad), value, &mut out);
        Sealed(out)
    }

    /// Wraps the data key of `sealed` with `to` instead of this key. The value itself is not touched.
    ///
    /// # Errors
    ///
    /// [`SealError`]
    pub fn rewrap(&self, to: &Self, rng: &dyn Rng, place: &Place<'_>, sealed: &Sealed) -> Result<Sealed, SealError> {
        let aad = place.bytes();
        let (data_key, value) = self.unwrap(&aad, sealed)?;
        let mut out = vec![FORMAT];
        out.extend_from_slice(&to.short_hash());
        encrypt(rng, &to.0, &tagged(b"key", &aad), data_key.as_ref(), &mut out);
        out.extend_from_slice(value);
        Ok(Sealed(out))
    }

    fn open_with(&self, aad: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (data_key, value) = self.unwrap(aad, sealed)?;
        decrypt(&data_key, &tagged(b"value", aad), value)
    }

    /// The data key, and the ciphertext it opens.
    fn unwrap<'s>(&self, aad: &[u8], sealed: &'s Sealed) -> Result<(Zeroizing<[u8; KEY]>, &'s [u8]), SealError> {
        let Some((&FORMAT, rest)) = sealed.0.split_first() else { return Err(SealError::Damaged) };
        let (id, rest) = rest.split_at_checked(KEY_ID).ok_or(SealError::Damaged)?;
        if id != self.short_hash() {
            return Err(SealError::WrongKey { wanted: shown(id), given: self.id() });
        }
        let (wrapped, rest) = rest.split_at_checked(NONCE + KEY + TAG).ok_or(SealError::Damaged)?;
        let opened = decrypt(&self.0, &tagged(b"key", aad), wrapped)?;
        let data_key = Zeroizing::new(opened.as_slice().try_into().map_err(|_| SealError::Damaged)?);
        Ok((data_key, rest))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

impl SecretAad<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = b"secret".to_vec();
        for part in [self.environment.as_bytes(), self.name.as_bytes(), &self.version.to_le_bytes()] {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(part);
        }
        out
    }
}

fn label_aad(label: &str) -> Vec<u8> {
    [b"installation", label.as_bytes()].concat()
}

/// What is authenticated with a ciphertext: its role, the format, then its place.
fn tagged(role: &[u8], aad: &[u8]) -> Vec<u8> {
    [&[FORMAT], role, &[0], aad].concat()
}

fn shown(id: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(id)
}

fn encrypt(rng: &dyn Rng, key: &[u8; KEY], aad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
    let mut nonce = [0; NONCE];
    rng.fill(&mut nonce);
    let sealed = Aes256GcmSiv::new(key.into())
        .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad })
        .expect("encrypting fails only above 64 GiB");
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
}

fn decrypt(key: &[u8; KEY], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, cipher) = sealed.split_first_chunk::<NONCE>().ok_or(SealError::Damaged)?;
    Aes256GcmSiv::new(key.into())
        .decrypt(&Nonce::from(*nonce), Payload { msg: cipher, aad })
        .map(Zeroizing::new)
        .map_err(|_| SealError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fake::FakeRng;

    const AAD: SecretAad<'_> = SecretAad { environment: "prod", name: "github-token", version: 3 };

    fn key(seed: u64) -> MasterKey {
        MasterKey::generate(&FakeRng::new(seed))
    }

    fn sealed() -> Sealed {
        key(1).seal(&FakeRng::new(7), &AAD, &"ghp_canary_0123456789".into())
    }

    #[test]
    fn what_was_sealed_opens() {
        assert_eq!(key(1).open(&AAD, &sealed()).unwrap().expose_secret(), "ghp_canary_0123456789");
        let empty = key(1).seal(&FakeRng::new(7), &AAD, &"".into());
        assert_eq!(key(1).open(&AAD, &empty).unwrap().expose_secret(), "");
        let stored = key(1).seal_bytes(&FakeRng::new(8), "installation-key", &[9; 32]);
        assert_eq!(key(1).open_bytes("installation-key", &stored).unwrap().as_slice(), [9; 32]);
        assert_eq!(key(1).open_bytes("other", &stored), Err(SealError::Damaged));
    }

    #[track_caller]
    fn damaged_at(aad: SecretAad<'_>) {
        assert_eq!(key(1).open(&aad, &sealed()).unwrap_err(), SealError::Damaged, "{aad:?}");
    }

    /// Threat row 49: a row moved to another place does not open.
    #[test]
    fn threat_049_swapped_rows_do_not_open() {
        damaged_at(SecretAad { environment: "dev", ..AAD });
        damaged_at(SecretAad { name: "github-token-2", ..AAD });
        damaged_at(SecretAad { version: 4, ..AAD });
        // The same bytes, divided differently between environment and name.
        damaged_at(SecretAad { environment: "prodg", name: "ithub-token", version: 3 });
        assert_eq!(key(1).open_bytes("github-token", &sealed()), Err(SealError::Damaged));
    }

    /// Threat row 49: the stored bytes show nothing, and equal values look different.
    #[test]
    fn threat_049_the_value_is_not_in_the_bytes() {
        let stored = sealed().0;
        for part in [&b"ghp_canary"[..], b"0123456789", &key(1).0] {
            assert!(!stored.windows(part.len()).any(|w| w == part));
        }
        let rng = FakeRng::new(7);
        let twice = [0, 1].map(|_| key(1).seal(&rng, &AAD, &"ghp_canary_0123456789".into()));
        assert_ne!(twice[0], twice[1]);
    }

    /// Threat row 50: under the new key everything opens, under the old one nothing, and only its own
    /// place will do.
    #[test]
    fn threat_050_a_rewrapped_value_opens_under_the_new_key_alone() {
        let rng = FakeRng::new(9);
        let rewrapped = key(1).rewrap(&key(2), &rng, &Place::Secret(AAD), &sealed()).unwrap();
        assert_eq!(key(2).open(&AAD, &rewrapped).unwrap().expose_secret(), "ghp_canary_0123456789");
        assert!(matches!(key(1).open(&AAD, &rewrapped), Err(SealError::WrongKey { .. })));
        let elsewhere = SecretAad { environment: "dev", ..AAD };
        assert_eq!(key(2).open(&elsewhere, &rewrapped).unwrap_err(), SealError::Damaged);
        // The value's own ciphertext is the same; what wraps its key is not.
        let at = sealed().0.len() - 30;
        assert_eq!(rewrapped.0[at..], sealed().0[at..]);

        let host = key(1).seal_bytes(&rng, INSTALLATION_KEY, &[9; 32]);
        let rewrapped = key(1).rewrap(&key(2), &rng, &Place::Host(INSTALLATION_KEY), &host).unwrap();
        assert_eq!(key(2).open_bytes(INSTALLATION_KEY, &rewrapped).unwrap().as_slice(), [9; 32]);

        assert!(matches!(
            key(3).rewrap(&key(2), &rng, &Place::Secret(AAD), &sealed()),
            Err(SealError::WrongKey { .. })
        ));
        let wrong_place = key(1).rewrap(&key(2), &rng, &Place::Secret(elsewhere), &sealed());
        assert_eq!(wrong_place, Err(SealError::Damaged));
    }

    #[test]
    fn another_key_is_told_by_its_id() {
        let (right, wrong) = (key(1), key(2));
        let error = wrong.open(&AAD, &sealed()).unwrap_err();
        assert_eq!(error, SealError::WrongKey { wanted: right.id(), given: wrong.id() });
        assert_ne!(right.id(), wrong.id());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let whole = sealed().0;
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bad = whole.clone();
                bad[at] ^= 1 << bit;
                assert!(key(1).open(&AAD, &Sealed(bad)).is_err(), "byte {at} bit {bit}");
            }
            assert!(key(1).open(&AAD, &Sealed(whole[..at].to_vec())).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn debug_shows_the_id_alone() {
        let shown = format!("{:?}", MasterKey::from_bytes([0xab; 32]));
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
    }
}
