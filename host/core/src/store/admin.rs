//! Tokens, the audit trail and care of the store itself.
//!
//! - S60 A token is stored as the SHA-256 of its text; the text is not stored.
//! - S61 The audit trail only grows, and each entry holds the hash of the one before.
//! - S62 A backup is a consistent copy, taken while the store is in use.

use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Reply, StoreError};
use crate::clock::Timestamp;
use crate::ids::TokenName;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Look at everything but payload-free metrics (secrets are never shown to anybody).
    Read,
    /// Release versions, run, resume, cancel, decide.
    Deploy,
    /// Set secrets, connections and settings.
    Secrets,
    /// Make and revoke tokens, back up.
    Admin,
}

/// A token of the admin API, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name.
    pub name: TokenName,
    /// What it may do.
    pub rights: Vec<Right>,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
}

/// Something a person or the host did that others may ask about later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Counted from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The token's name, or `host`.
    pub who: String,
    /// What was done, such as `deploy` or `address-denied`.
    pub action: String,
    /// To what, and what changed. No secret, no payload.
    pub detail: String,
    /// SHA-256 over the entry before and this one, in hex.
    pub hash: String,
}

/// See the module.
#[async_trait]
pub trait AdminStore: Send + Sync {
    /// Stores a token by the SHA-256 of its text.
    ///
    /// # Errors
    ///
    /// `Conflict` if there is one of that name.
    fn add_token(&self, token: Token, sha256: [u8; 32]) -> Reply<()>;

    /// All tokens with the SHA-256 of their texts, by name.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn tokens(&self) -> Result<Vec<(Token, [u8; 32])>, StoreError>;

    /// Revokes a token.
    ///
    /// # Errors
    ///
    /// `Missing`.
    fn remove_token(&self, name: TokenName) -> Reply<()>;

    /// Adds to the audit trail.
    ///
    /// # Errors
    ///
    /// `DiskFull`, `Unavailable`, `Stopped`.
    fn audit(&self, at: Timestamp, who: String, action: String, detail: String) -> Reply<()>;

    /// The newest entries, newest first.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn audit_trail(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError>;

    /// A value kept for the host itself, such as the installation key, sealed or public.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets such a value if there is none; gives the one that is there afterwards.
    ///
    /// # Errors
    ///
    /// `DiskFull`, `Unavailable`, `Stopped`.
    fn set_meta_once(&self, key: &'static str, value: Vec<u8>) -> Reply<Vec<u8>>;

    /// Writes a consistent copy of the database to `file`, which must not exist.
    ///
    /// # Errors
    ///
    /// `Conflict` if the file exists; `DiskFull`, `Unavailable`.
    async fn backup(&self, file: &Path) -> Result<(), StoreError>;

    /// Looks whether a write would be durable now: one is made.
    ///
    /// # Errors
    ///
    /// What a write would answer.
    fn writable(&self) -> Reply<()>;

    /// Carries out what is in line, checkpoints and closes. Later commands answer `Stopped`.
    async fn close(&self);
}
