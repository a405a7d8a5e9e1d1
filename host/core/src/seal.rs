//! Sealing: secrets at rest, each under a data key of its own, wrapped by the master key.

use serde::{Deserialize, Serialize};

/// A sealed value, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed(#[serde(with = "serde_bytes")] pub Vec<u8>);
