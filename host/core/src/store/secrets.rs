//! Sealed secrets. The store sees ciphertext; [`crate::seal`] makes and opens it.
//!
//! - S40 A secret set again gets the next version; the old value is gone.
//! - S41 Lists and every other answer hold no value, sealed or not.
//! - S42 Everything that is sealed, the installation key too, is resealed in one transaction: all or
//!   nothing, whatever happens meanwhile.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Reply, StoreError};
use crate::clock::Timestamp;
use crate::ids::{EnvironmentName, SecretName};
use crate::seal::{Place, SealError, Sealed};

/// Makes of a sealed value, known by its place, what replaces it. May be asked again from the start.
pub type Reseal = Box<dyn FnMut(&Place<'_>, &Sealed) -> Result<Sealed, SealError> + Send>;

/// What may be known of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretInfo {
    /// Its name.
    pub name: SecretName,
    /// Counted from 1.
    pub version: u32,
    /// When it was last set.
    pub set: Timestamp,
}

/// See the module.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Stores a sealed value under the version it was sealed for, which must be the next one.
    ///
    /// # Errors
    ///
    /// `Missing` environment; `Conflict` if somebody set the same secret meanwhile: seal again.
    fn set_secret(
        &self,
        environment: EnvironmentName,
        name: SecretName,
        version: u32,
        sealed: Sealed,
        now: Timestamp,
    ) -> Reply<()>;

    /// The sealed value and its version, if there is one.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn secret(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Result<Option<(u32, Sealed)>, StoreError>;

    /// Names and versions, by name.
    ///
    /// # Errors
    ///
    /// `Missing` environment.
    async fn secrets(&self, environment: &EnvironmentName) -> Result<Vec<SecretInfo>, StoreError>;

    /// Removes a secret.
    ///
    /// # Errors
    ///
    /// `Missing`.
    fn remove_secret(&self, environment: EnvironmentName, name: SecretName) -> Reply<()>;

    /// Replaces everything that is sealed. Gives how many values that was.
    ///
    /// # Errors
    ///
    /// `Conflict` if a value does not open: which, and why; nothing was changed then. `DiskFull`,
    /// `Unavailable`, `Stopped`.
    fn reseal(&self, reseal: Reseal) -> Reply<u32>;
}
