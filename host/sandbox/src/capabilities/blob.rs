//! `blob`: named objects in a storage connection.

use jackfield_core::ports::blob::{BlobCall, BlobDone, BlobError, Object, ObjectInfo};
use serde_bytes::ByteBuf;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::blob;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    blob::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl State {
    /// Makes the call and takes out what its function returns.
    async fn blob<T>(
        &mut self,
        connection: String,
        call: BlobCall,
        take: impl FnOnce(BlobDone) -> Option<T>,
    ) -> Result<Result<T, blob::Error>> {
        let number = self.hatch.number()?;
        match self.hatch.blob(number, connection, call).await? {
            Ok(done) => match take(done) {
                Some(taken) => Ok(Ok(taken)),
                None => Err(self.other_answer("blob", number).into()),
            },
            Err(refused) => Ok(Err(error(refused))),
        }
    }
}

impl blob::Host for State {
    async fn stat(
        &mut self,
        connection: String,
        name: String,
    ) -> Result<Result<Option<blob::ObjectInfo>, blob::Error>> {
        self.blob(connection, BlobCall::Stat(name), |done| match done {
            BlobDone::Info(found) => Some(found.map(info)),
            _ => None,
        })
        .await
    }

    async fn get(
        &mut self,
        connection: String,
        name: String,
        range: Option<blob::Range>,
    ) -> Result<Result<Option<Vec<u8>>, blob::Error>> {
        let range = range.map(|range| (range.offset, range.length));
        self.blob(connection, BlobCall::Get { name, range }, |done| match done {
            BlobDone::Data(data) => Some(data.map(ByteBuf::into_vec)),
            _ => None,
        })
        .await
    }

    async fn put(&mut self, connection: String, object: blob::Object) -> Result<Result<String, blob::Error>> {
        let object = Object {
            name: object.name,
            content_type: object.content_type,
            metadata: object.metadata,
            data: ByteBuf::from(object.data),
        };
        self.blob(connection, BlobCall::Put(object), |done| match done {
            BlobDone::Written(etag) => Some(etag),
            _ => None,
        })
        .await
    }

    async fn remove(&mut self, connection: String, name: String) -> Result<Result<(), blob::Error>> {
        self.blob(connection, BlobCall::Remove(name), |done| matches!(done, BlobDone::Removed).then_some(())).await
    }

    async fn list_objects(
        &mut self,
        connection: String,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Result<blob::Page, blob::Error>> {
        self.blob(connection, BlobCall::List { prefix, cursor, limit }, |done| match done {
            BlobDone::Page { objects, next } => {
                Some(blob::Page { objects: objects.into_iter().map(info).collect(), next })
            }
            _ => None,
        })
        .await
    }
}

fn info(info: ObjectInfo) -> blob::ObjectInfo {
    blob::ObjectInfo {
        name: info.name,
        size: info.size,
        content_type: info.content_type,
        modified: info.modified,
        etag: info.etag,
        metadata: info.metadata,
    }
}

fn error(error: BlobError) -> blob::Error {
    match error {
        BlobError::AccessDenied(text) => blob::Error::AccessDenied(text),
        BlobError::Invalid(text) => blob::Error::Invalid(text),
        BlobError::Refused(text) => blob::Error::Refused(text),
        BlobError::Unavailable(text) => blob::Error::Unavailable(text),
        BlobError::TooLarge(text) => blob::Error::TooLarge(text),
    }
}
