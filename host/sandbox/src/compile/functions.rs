//! Functions compiled before: what a component has in common with the uploader's earlier ones.
//!
//! Not here: where they are kept, and whose they are (`cache`, `code`).
//!
//! A component of a language that brings its runtime along is nearly all runtime, the same each time. The
//! compiler asks for a function by a digest of all that its code depends on, and what it makes anew is handed back to
//! the host. On the pipes and on disk they lie one behind the other: key (32 bytes), length (32 bits, little
//! endian), code.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, OnceLock};

use wasmtime::CacheStore;

/// The most that is kept for one uploader, in bytes: two large runtimes.
pub(crate) const FUNCTIONS_BYTES_MAX: usize = 160 << 20;
/// Components smaller than this, in bytes, compile in a moment anyway.
pub(crate) const WORTH_IT_BYTES: usize = 2 << 20;

const KEY_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;

/// What the compiler of one process knows, and what it makes.
#[derive(Debug, Default)]
pub(super) struct Functions {
    known: OnceLock<Known>,
    fresh: Mutex<Vec<u8>>,
}

#[derive(Debug)]
struct Known {
    bytes: Vec<u8>,
    places: HashMap<[u8; KEY_BYTES], Range<usize>>,
}

impl Functions {
    /// Takes what the host has. What is not whole is left out.
    pub(super) fn know(&self, bytes: Vec<u8>) {
        let places = places(&bytes);
        let _only_once = self.known.set(Known { bytes, places });
    }

    /// What was made, and not known before.
    pub(super) fn fresh(&self) -> Vec<u8> {
        std::mem::take(&mut *self.fresh.lock().expect("nothing panics while it is held"))
    }
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let known = self.known.get()?;
        let place = known.places.get(<&[u8; KEY_BYTES]>::try_from(key).ok()?)?;
        known.bytes.get(place.clone()).map(Cow::Borrowed)
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let (Ok(key), Ok(length)) = (<&[u8; KEY_BYTES]>::try_from(key), u32::try_from(value.len())) else {
            return false;
        };
        let mut fresh = self.fresh.lock().expect("nothing panics while it is held");
        if fresh.len() + KEY_BYTES + LENGTH_BYTES + value.len() > FUNCTIONS_BYTES_MAX {
            return false;
        }
        fresh.extend_from_slice(key);
        fresh.extend_from_slice(&length.to_le_bytes());
        fresh.extend_from_slice(&value);
        true
    }
}

/// Where each function lies, by its key.
fn places(bytes: &[u8]) -> HashMap<[u8; KEY_BYTES], Range<usize>> {
    let mut places = HashMap::new();
    let mut at = 0;
    while let Some((key, rest)) = bytes[at..].split_first_chunk::<KEY_BYTES>()
        && let Some((length, rest)) = rest.split_first_chunk::<LENGTH_BYTES>()
        && let Ok(length) = usize::try_from(u32::from_le_bytes(*length))
        && length <= rest.len()
    {
        let start = at + KEY_BYTES + LENGTH_BYTES;
        places.insert(*key, start..start + length);
        at = start + length;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_makes_the_next_one_knows() {
        let first = Functions::default();
        assert!(first.insert(&[1; 32], b"one".to_vec()));
        assert!(first.insert(&[2; 32], vec![]));
        assert_eq!(first.get(&[1; 32]), None, "nothing was known");
        let second = Functions::default();
        second.know(first.fresh());
        assert_eq!(second.get(&[1; 32]).as_deref(), Some(&b"one"[..]));
        assert_eq!(second.get(&[2; 32]).as_deref(), Some(&b""[..]));
        assert_eq!(second.get(&[3; 32]), None);
        assert!(second.fresh().is_empty());
    }

    #[test]
    fn what_is_cut_off_or_odd_is_left_out() {
        let whole = Functions::default();
        whole.insert(&[1; 32], b"one".to_vec());
        whole.insert(&[2; 32], b"two".to_vec());
        assert!(!whole.insert(b"short key", b"x".to_vec()));
        let bytes = whole.fresh();
        for cut in 0..bytes.len() {
            let known = Functions::default();
            known.know(bytes[..cut].to_vec());
            assert_eq!(known.get(&[1; 32]).is_some(), cut >= 39, "cut at {cut}");
            assert_eq!(known.get(&[2; 32]), None, "cut at {cut}");
        }
    }
}
