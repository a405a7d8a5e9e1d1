//! `kv`: keys and values, kept across runs.

use jackfield_core::hatch::Stop;
use jackfield_core::ports::kv::{Addition, Assignment, Condition, KvCall, KvEntry, KvError, KvOperation, KvValue};
use serde_bytes::ByteBuf;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::kv;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    kv::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl State {
    /// Makes the call and takes out what its function returns.
    async fn kv<T>(
        &mut self,
        connection: &str,
        call: KvCall,
        take: impl FnOnce(KvValue) -> Option<T>,
    ) -> Result<Result<T, kv::Error>> {
        let number = self.hatch.number()?;
        match self.hatch.kv(number, connection, call).await? {
            Ok(value) => match take(value) {
                Some(taken) => Ok(Ok(taken)),
                None => {
                    let fault = format!("the store gave kv call {number} the answer to another question");
                    Err(self.hatch.end(Stop::HostFault(fault)).into())
                }
            },
            Err(refused) => Ok(Err(error(refused))),
        }
    }
}

impl kv::Host for State {
    async fn get(&mut self, connection: String, key: String) -> Result<Result<Option<kv::Entry>, kv::Error>> {
        self.kv(&connection, KvCall::Get(key), |value| match value {
            KvValue::Entry(found) => Some(found.map(entry)),
            _ => None,
        })
        .await
    }

    async fn get_many(
        &mut self,
        connection: String,
        keys: Vec<String>,
    ) -> Result<Result<Vec<Option<kv::Entry>>, kv::Error>> {
        self.kv(&connection, KvCall::GetMany(keys), |value| match value {
            KvValue::Entries(found) => Some(found.into_iter().map(|one| one.map(entry)).collect()),
            _ => None,
        })
        .await
    }

    async fn set(
        &mut self,
        connection: String,
        key: String,
        value: Vec<u8>,
        ttl_seconds: Option<u32>,
    ) -> Result<Result<(), kv::Error>> {
        let set = Assignment { key, value: ByteBuf::from(value), ttl_seconds };
        self.kv(&connection, KvCall::Set(set), |value| matches!(value, KvValue::Done).then_some(())).await
    }

    async fn remove(&mut self, connection: String, key: String) -> Result<Result<bool, kv::Error>> {
        self.kv(&connection, KvCall::Remove(key), flag).await
    }

    async fn keys(
        &mut self,
        connection: String,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Result<kv::Page, kv::Error>> {
        self.kv(&connection, KvCall::Keys { prefix, cursor, limit }, |value| match value {
            KvValue::Page { keys, next } => Some(kv::Page { keys, next }),
            _ => None,
        })
        .await
    }

    async fn increment(&mut self, connection: String, key: String, by: i64) -> Result<Result<i64, kv::Error>> {
        self.kv(&connection, KvCall::Increment(Addition { key, by }), |value| match value {
            KvValue::Sum(sum) => Some(sum),
            _ => None,
        })
        .await
    }

    async fn compare_and_set(
        &mut self,
        connection: String,
        key: String,
        version: Option<String>,
        value: Vec<u8>,
        ttl_seconds: Option<u32>,
    ) -> Result<Result<bool, kv::Error>> {
        let expected = Condition { key, version };
        let call = KvCall::CompareAndSet { expected, value: ByteBuf::from(value), ttl_seconds };
        self.kv(&connection, call, flag).await
    }

    async fn batch(&mut self, connection: String, operations: Vec<kv::Operation>) -> Result<Result<bool, kv::Error>> {
        let operations = operations.into_iter().map(operation).collect();
        self.kv(&connection, KvCall::Batch(operations), flag).await
    }
}

fn flag(value: KvValue) -> Option<bool> {
    match value {
        KvValue::Flag(flag) => Some(flag),
        _ => None,
    }
}

fn entry(entry: KvEntry) -> kv::Entry {
    kv::Entry { value: entry.value.into_vec(), version: entry.version }
}

fn operation(operation: kv::Operation) -> KvOperation {
    match operation {
        kv::Operation::Set(set) => {
            KvOperation::Set(Assignment { key: set.key, value: ByteBuf::from(set.value), ttl_seconds: set.ttl_seconds })
        }
        kv::Operation::Remove(key) => KvOperation::Remove(key),
        kv::Operation::Increment(add) => KvOperation::Increment(Addition { key: add.key, by: add.by }),
        kv::Operation::Check(condition) => {
            KvOperation::Check(Condition { key: condition.key, version: condition.version })
        }
    }
}

fn error(error: KvError) -> kv::Error {
    match error {
        KvError::AccessDenied(text) => kv::Error::AccessDenied(text),
        KvError::Invalid(text) => kv::Error::Invalid(text),
        KvError::Quota(text) => kv::Error::Quota(text),
        KvError::Unavailable(text) => kv::Error::Unavailable(text),
    }
}
