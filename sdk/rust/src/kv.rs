//! Keys and values that outlive the run.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::bindings::jackfield::plugin::kv as host;
use crate::error::{Error, ErrorKind, Result};
use crate::event::FromData;

/// Keys and values, kept across runs and versions: private to the integration in its environment, shared
/// by its components.
///
/// Values are written as JSON and read back as any type that serde reads; [`Bytes`](crate::Bytes) reads, and
/// [`Kv::set_bytes`] writes, the value as it is. Every call is atomic, and a write is not undone if the
/// run fails afterwards. A run that is tried again does not write again.
///
/// Limits: a key has 1 to 512 bytes and no control characters, a value at most 1 MiB.
#[derive(Clone, Debug)]
pub struct Kv {
    connection: String,
}

impl Default for Kv {
    fn default() -> Self {
        Self { connection: "default".into() }
    }
}

/// A value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// Changes with every write of the key. Compare for equality only.
    pub version: String,
}

impl Kv {
    /// The same functions on another store, by its connection in the manifest.
    #[must_use]
    pub fn connection(name: impl Into<String>) -> Self {
        Self { connection: name.into() }
    }

    /// The value of a key, or none if there is none or its time is over.
    ///
    /// # Errors
    ///
    /// The call failed, or the value does not fit `T`.
    #[track_caller]
    pub fn get<T: FromData>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.entry(key)?.map(|entry| entry.value))
    }

    /// The value of a key with its version, for [`Kv::compare_and_set`].
    ///
    /// # Errors
    ///
    /// As [`Kv::get`].
    #[track_caller]
    pub fn entry<T: FromData>(&self, key: &str) -> Result<Option<Entry<T>>> {
        match host::get(&self.connection, key) {
            Ok(found) => found.map(|entry| read(key, entry)).transpose(),
            Err(error) => Err(failed(error)),
        }
    }

    /// The values of up to 100 keys, in their order, as they were at one moment.
    ///
    /// # Errors
    ///
    /// As [`Kv::get`].
    #[track_caller]
    pub fn get_many<T: FromData>(&self, keys: &[&str]) -> Result<Vec<Option<T>>> {
        let names: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let found = match host::get_many(&self.connection, &names) {
            Ok(found) => found,
            Err(error) => return Err(failed(error)),
        };
        let mut values = Vec::with_capacity(found.len());
        for (key, entry) in keys.iter().zip(found) {
            values.push(match entry {
                Some(entry) => Some(read(key, entry)?.value),
                None => None,
            });
        }
        Ok(values)
    }

    /// Writes a key. It stays until it is removed.
    ///
    /// # Errors
    ///
    /// The call failed, or the value cannot be written as JSON.
    #[track_caller]
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<()> {
        host::set(&self.connection, key, &json(value)?, None).map_err(failed)
    }

    /// Writes a key that disappears after `time` (whole seconds, at least one).
    ///
    /// # Errors
    ///
    /// As [`Kv::set`].
    #[track_caller]
    pub fn set_for<T: Serialize + ?Sized>(&self, key: &str, value: &T, time: Duration) -> Result<()> {
        host::set(&self.connection, key, &json(value)?, Some(seconds(time))).map_err(failed)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// The call failed.
    #[track_caller]
    pub fn set_bytes(&self, key: &str, value: &[u8]) -> Result<()> {
        host::set(&self.connection, key, value, None).map_err(failed)
    }

    /// Writes bytes as they are, which disappear after `time`.
    ///
    /// # Errors
    ///
    /// The call failed.
    #[track_caller]
    pub fn set_bytes_for(&self, key: &str, value: &[u8], time: Duration) -> Result<()> {
        host::set(&self.connection, key, value, Some(seconds(time))).map_err(failed)
    }

    /// Removes a key. True if there was one.
    ///
    /// # Errors
    ///
    /// The call failed.
    #[track_caller]
    pub fn remove(&self, key: &str) -> Result<bool> {
        host::remove(&self.connection, key).map_err(failed)
    }

    /// Adds to a counter and returns the sum. A missing key counts as 0.
    ///
    /// # Errors
    ///
    /// The call failed; [`ErrorKind::Invalid`] if the value is not a counter.
    #[track_caller]
    pub fn increment(&self, key: &str, by: i64) -> Result<i64> {
        host::increment(&self.connection, key, by).map_err(failed)
    }

    /// Writes a key only if it still has `version`; without one, only if it does not exist. True if it
    /// was written.
    ///
    /// # Errors
    ///
    /// As [`Kv::set`].
    #[track_caller]
    pub fn compare_and_set<T: Serialize + ?Sized>(&self, key: &str, version: Option<&str>, value: &T) -> Result<bool> {
        host::compare_and_set(&self.connection, key, version, &json(value)?, None).map_err(failed)
    }

    /// [`Kv::compare_and_set`] of a key that disappears after `time`.
    ///
    /// # Errors
    ///
    /// As [`Kv::set`].
    #[track_caller]
    pub fn compare_and_set_for<T: Serialize + ?Sized>(
        &self,
        key: &str,
        version: Option<&str>,
        value: &T,
        time: Duration,
    ) -> Result<bool> {
        host::compare_and_set(&self.connection, key, version, &json(value)?, Some(seconds(time))).map_err(failed)
    }

    /// [`Kv::compare_and_set`] of bytes as they are.
    ///
    /// # Errors
    ///
    /// The call failed.
    #[track_caller]
    pub fn compare_and_set_bytes(&self, key: &str, version: Option<&str>, value: &[u8]) -> Result<bool> {
        host::compare_and_set(&self.connection, key, version, value, None).map_err(failed)
    }

    /// The keys that start with `prefix`, in ascending order, read page by page as they are asked for.
    /// Keys written meanwhile may be missing.
    pub fn keys(&self, prefix: impl Into<String>) -> Keys {
        Keys { kv: self.clone(), prefix: prefix.into(), ready: VecDeque::new(), next: Next::First }
    }

    /// Begins a batch: all its operations are carried out, or none.
    pub fn batch(&self) -> Batch {
        Batch { connection: self.connection.clone(), operations: Vec::new(), problem: None }
    }
}

/// Keys, page by page. See [`Kv::keys`].
#[derive(Debug)]
pub struct Keys {
    kv: Kv,
    prefix: String,
    ready: VecDeque<String>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    From(String),
    Nothing,
}

impl Iterator for Keys {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        const PAGE: u32 = 1_000;
        loop {
            if let Some(key) = self.ready.pop_front() {
                return Some(Ok(key));
            }
            let cursor = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::First => None,
                Next::From(cursor) => Some(cursor),
                Next::Nothing => return None,
            };
            match host::keys(&self.kv.connection, &self.prefix, cursor.as_deref(), PAGE) {
                Ok(page) => {
                    self.ready = page.keys.into();
                    self.next = page.next.map_or(Next::Nothing, Next::From);
                }
                Err(error) => return Some(Err(failed(error))),
            }
        }
    }
}

/// Operations that are carried out together. At most 100, and 4 MiB.
#[derive(Debug)]
#[must_use = "a batch is not carried out before `commit`"]
pub struct Batch {
    connection: String,
    operations: Vec<host::Operation>,
    problem: Option<Error>,
}

impl Batch {
    /// Writes a key.
    #[track_caller]
    pub fn set<T: Serialize + ?Sized>(self, key: impl Into<String>, value: &T) -> Self {
        self.assign(key.into(), json(value), None)
    }

    /// Writes a key that disappears after `time`.
    #[track_caller]
    pub fn set_for<T: Serialize + ?Sized>(self, key: impl Into<String>, value: &T, time: Duration) -> Self {
        self.assign(key.into(), json(value), Some(seconds(time)))
    }

    /// Writes bytes as they are.
    pub fn set_bytes(self, key: impl Into<String>, value: &[u8]) -> Self {
        self.assign(key.into(), Ok(value.to_vec()), None)
    }

    fn assign(mut self, key: String, value: Result<Vec<u8>>, ttl_seconds: Option<u32>) -> Self {
        match value {
            Ok(value) => self.operations.push(host::Operation::Set(host::Assignment { key, value, ttl_seconds })),
            Err(problem) => self.problem = self.problem.or(Some(problem)),
        }
        self
    }

    /// Removes a key. No error if there is none.
    pub fn remove(mut self, key: impl Into<String>) -> Self {
        self.operations.push(host::Operation::Remove(key.into()));
        self
    }

    /// Adds to a counter.
    pub fn increment(mut self, key: impl Into<String>, by: i64) -> Self {
        self.operations.push(host::Operation::Increment(host::Addition { key: key.into(), by }));
        self
    }

    /// Goes on only if the key has this version; without one, only if it does not exist.
    pub fn check(mut self, key: impl Into<String>, version: Option<&str>) -> Self {
        let version = version.map(Into::into);
        self.operations.push(host::Operation::Check(host::Condition { key: key.into(), version }));
        self
    }

    /// Carries out all operations in order, or none. True if done; false if a check did not hold.
    ///
    /// # Errors
    ///
    /// The call failed, or a value cannot be written as JSON.
    #[track_caller]
    pub fn commit(self) -> Result<bool> {
        match self.problem {
            Some(problem) => Err(problem),
            None => host::batch(&self.connection, &self.operations).map_err(failed),
        }
    }
}

#[track_caller]
fn read<T: FromData>(key: &str, entry: host::Entry) -> Result<Entry<T>> {
    match T::from_data(entry.value) {
        Ok(value) => Ok(Entry { value, version: entry.version }),
        Err(error) => {
            Err(Error::new(format_args!("the value of `{key}` is not as expected: {error}")).named("stored-value"))
        }
    }
}

#[track_caller]
fn json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    match serde_json::to_vec(value) {
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(Error::of(ErrorKind::Invalid, format_args!("the value is not JSON: {error}"))),
    }
}

/// Whole seconds, never fewer than asked for.
fn seconds(time: Duration) -> u32 {
    let up = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    u32::try_from(up).unwrap_or(u32::MAX)
}

#[track_caller]
fn failed(error: host::Error) -> Error {
    let (kind, text) = match error {
        host::Error::AccessDenied(text) => (ErrorKind::AccessDenied, text),
        host::Error::Invalid(text) => (ErrorKind::Invalid, text),
        host::Error::Quota(text) => (ErrorKind::Quota, text),
        host::Error::Unavailable(text) => (ErrorKind::Unavailable, text),
        host::Error::InDoubt(text) => (ErrorKind::InDoubt, text),
    };
    Error::of(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Bytes;

    #[test]
    fn a_time_to_live_is_never_cut_short() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(2)), 2);
        assert_eq!(seconds(Duration::from_millis(2001)), 3);
        assert_eq!(seconds(Duration::MAX), u32::MAX);
    }

    #[test]
    fn a_value_is_json_or_bytes() {
        let entry = || host::Entry { value: b"[1,2]".to_vec(), version: "v".into() };
        assert_eq!(read::<Vec<u8>>("k", entry()).unwrap().value, [1, 2]);
        assert_eq!(&*read::<Bytes>("k", entry()).unwrap().value, b"[1,2]");
        let error = read::<u32>("k", entry()).unwrap_err();
        assert!(error.message().contains("`k`"), "{error}");
    }

    #[test]
    fn a_batch_tells_its_first_problem_and_does_nothing() {
        let pairs = std::collections::BTreeMap::from([(vec![1], 2)]);
        let batch = Kv::default().batch().set("a", &pairs).remove("b").check("c", None).increment("d", 1);
        assert_eq!(batch.operations.len(), 3);
        assert_eq!(batch.commit().unwrap_err().kind(), ErrorKind::Invalid);
    }
}
