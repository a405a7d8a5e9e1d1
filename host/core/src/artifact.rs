//! An artifact: the bytes of an uploaded component, named by their digest, never changed.
//!
//! Not here: how one is checked, compiled or run; see the sandbox.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::grant::Capability;
use crate::ids::shown;

/// A SHA-256 digest, written `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: write `sha256:` and 64 hex digits")]
pub struct BadDigest(String);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest computed elsewhere, for instance while bytes streamed by.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hex digits, as used in file names.
    #[must_use]
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(s: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(shown(s));
        let hex = s.strip_prefix("sha256:").ok_or_else(bad)?;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| bad())?;
        Ok(Self(bytes.try_into().map_err(|_| bad())?))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;
    fn try_from(s: String) -> Result<Self, BadDigest> {
        s.parse()
    }
}

impl From<Digest> for String {
    fn from(d: Digest) -> String {
        d.to_string()
    }
}

/// What a component asks for and offers, in our words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The artifact.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The capabilities its imports need a grant (or a `deny` line) for.
    pub needs: Vec<Capability>,
    /// Every import, such as `jackfield:plugin/kv@0.1.0` or `wasi:io/poll@0.2.6`.
    pub imports: Vec<String>,
    /// Every export.
    pub exports: Vec<String>,
    /// Imports the host does not have; a component with any is refused.
    pub unknown_imports: Vec<String>,
    /// Whether it exports `jackfield:plugin/handler@0.1.0`, the door of runs.
    pub handles_events: bool,
    /// Whether it exports `wasi:http/incoming-handler`, the door of requests.
    pub handles_requests: bool,
    /// The language and toolchain it names in its metadata, such as `Rust 1.95.0`.
    pub producers: Vec<String>,
}
