//! Artifacts: the bytes of components, uploaded through the gate and looked up by digest.
//!
//! An upload goes to a file as it arrives and never lies in memory whole. Not here: what the gate
//! and the compiler demand; see the sandbox.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use jackfield_core::artifact::{self, Digest};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::{ApiError, body_error};
use super::json::{Answer, At, declared_length};
use super::state::{Api, Shared};
use super::types::Binary;

/// The largest upload, in bytes.
pub(super) const UPLOAD_BYTES: u64 = 48 << 20;
/// How long an upload may wait for its turn.
const TURN: Duration = Duration::from_secs(30);

/// What a component asks for and offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Inspection {
    /// The artifact: `sha256:` and 64 hex digits.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// The capabilities that it needs a grant (or a `deny` line) for.
    pub needs: Vec<String>,
    /// Every import.
    pub imports: Vec<String>,
    /// Every export.
    pub exports: Vec<String>,
    /// Imports that this host does not have. It cannot be deployed with any.
    pub unknown_imports: Vec<String>,
    /// Whether it handles events.
    pub handles_events: bool,
    /// Whether it handles HTTP requests itself.
    pub handles_requests: bool,
    /// The language and toolchain it names.
    pub producers: Vec<String>,
}

impl From<artifact::Inspection> for Inspection {
    fn from(i: artifact::Inspection) -> Self {
        Self {
            digest: i.digest.into(),
            size: i.size,
            needs: i.needs.iter().map(ToString::to_string).collect(),
            imports: i.imports,
            exports: i.exports,
            unknown_imports: i.unknown_imports,
            handles_events: i.handles_events,
            handles_requests: i.handles_requests,
            producers: i.producers,
        }
    }
}

/// Upload an artifact
///
/// The bytes of a WebAssembly component, up to 48 MiB. It is checked and compiled before the answer; the
/// same bytes again are answered at once. A refusal (422) has the gate's own code.
#[utoipa::path(
    post, path = "/v1/artifacts", tag = "artifacts", security(("token" = ["deploy"])),
    request_body(content = Binary, content_type = "application/wasm"), responses((status = 201, body = Inspection)),
)]
pub(super) async fn upload(State(api): State<Api>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    if request.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes() != b"application/wasm") {
        return Err(ApiError::MediaType("application/wasm"));
    }
    if declared_length(&request).is_some_and(|length| length > UPLOAD_BYTES) {
        return Err(too_large());
    }
    let Ok(Ok(_permit)) = tokio::time::timeout(TURN, api.uploads.acquire()).await else {
        let what = "too many uploads at once; try again when they are done".into();
        return Err(ApiError::TooMany { what, retry_after: Duration::from_secs(10) });
    };
    let file = TemporaryFile::new(&api, "upload").await?;
    receive(request.into_body().into_data_stream(), file.path()).await?;

    let shared = Arc::clone(&api);
    let adding = Arc::clone(&api);
    let added = shared.finish(async move {
        let inspection = adding.host.code.add_artifact(file.path(), caller.name.as_str()).await?.inspection;
        adding.host.store.add_artifact(inspection.clone(), adding.host.clock.now()).await?;
        let detail = format!("artifact {} of {} bytes", inspection.digest, inspection.size);
        adding.audit(caller.name.as_str(), "upload", detail).await;
        Ok(Inspection::from(inspection))
    });
    let inspection = added.await?;
    let mut response = (StatusCode::CREATED, Answer(&inspection)).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/v1/artifacts/{}", inspection.digest)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

const fn too_large() -> ApiError {
    ApiError::TooLarge { limit_bytes: UPLOAD_BYTES }
}

/// Writes a body to `path` as it arrives, and stops at the limit.
async fn receive(mut body: BodyDataStream, path: &Path) -> Result<(), ApiError> {
    let mut file = tokio::fs::OpenOptions::new().write(true).truncate(true).open(path).await.map_err(disk)?;
    let mut received = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(body_error)?;
        received += piece.len() as u64;
        if received > UPLOAD_BYTES {
            return Err(too_large());
        }
        file.write_all(&piece).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)
}

/// What a failed write to our own disk is answered with.
pub(super) fn disk(error: io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ApiError::DiskFull,
        _ => ApiError::internal(error),
    }
}

/// Show an artifact
#[utoipa::path(
    get, path = "/v1/artifacts/{digest}", tag = "artifacts", security(("token" = ["read"])),
    params(("digest" = String, Path, description = "`sha256:` and 64 hex digits")),
    responses((status = 200, body = Inspection)),
)]
pub(super) async fn show(State(api): State<Api>, At(digest): At<Digest>) -> Result<Answer<Inspection>, ApiError> {
    let inspection = api.host.store.artifact(digest).await?.ok_or_else(|| ApiError::no("artifact", digest))?;
    Ok(Answer(inspection.into()))
}

/// Download an artifact
///
/// The bytes of the component, as they were uploaded: for playing a run elsewhere.
#[utoipa::path(
    get, path = "/v1/artifacts/{digest}/content", tag = "artifacts", security(("token" = ["read"])),
    params(("digest" = String, Path, description = "`sha256:` and 64 hex digits")),
    responses((status = 200, body = Binary, content_type = "application/wasm")),
)]
pub(super) async fn content(
    State(api): State<Api>,
    caller: Caller,
    At(digest): At<Digest>,
) -> Result<Response, ApiError> {
    api.host.store.artifact(digest).await?.ok_or_else(|| ApiError::no("artifact", digest))?;
    let bytes = api.host.code.bytes(digest).await?;
    api.audit(caller.name.as_str(), "download", format!("artifact {digest}")).await;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/wasm"))], bytes).into_response())
}

fn folder(data: &Path) -> PathBuf {
    data.join("uploads")
}

/// Removes what an earlier run of the host left half done.
pub(super) fn clear_uploads(data: &Path) {
    match std::fs::remove_dir_all(folder(data)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "unfinished uploads of an earlier run could not be removed");
        }
        _ => {}
    }
}

/// A file of our own below the data folder, empty at first, gone when this goes.
pub(super) struct TemporaryFile(PathBuf);

impl TemporaryFile {
    pub(super) async fn new(api: &Shared, what: &str) -> Result<Self, ApiError> {
        let folder = folder(&api.host.config.data);
        let mut builder = tokio::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&folder).await.map_err(disk)?;
        let path = folder.join(api.random_text::<16>(&format!("{what}-")));
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&path).await.map_err(disk)?;
        Ok(Self(path))
    }

    /// A path of which no file is there yet: somebody else will make it.
    pub(super) async fn unmade(api: &Shared, what: &str) -> Result<Self, ApiError> {
        let file = Self::new(api, what).await?;
        tokio::fs::remove_file(file.path()).await.map_err(disk)?;
        Ok(file)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, file = %self.0.display(), "a temporary file could not be removed");
            }
            _ => {}
        }
    }
}
