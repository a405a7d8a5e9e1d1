//! The backup: everything that is durable, in one tar stream, while the host runs.
//!
//! A consistent copy of the database, the artifacts, and `manifest.json`, which says what they are and
//! comes first. The master key is in it only if asked for: without it the secrets cannot be opened.
//! Not here: the restore.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::artifacts::TemporaryFile;
use super::auth::Caller;
use super::error::ApiError;
use super::json::Params;
use super::state::Api;
use super::types::{Binary, Time};
use crate::config::MasterKeySource;

/// Entries of the archive, also the names of what they are in the data folder.
const DATABASE: &str = "jackfield.db";
const ARTIFACTS: &str = "artifacts";
const MASTER_KEY: &str = "keys/master.key";

/// Bytes handed over at a time, and how many such pieces may wait for a slow reader.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 8;

/// `manifest.json` of a backup, its first entry.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupManifest {
    /// The form of the archive: 1.
    pub format: u32,
    /// The host's version.
    pub version: String,
    /// When it was begun.
    pub made: Time,
    /// The entry of the database.
    pub database: String,
    /// The entries of the artifacts, named by their digests.
    pub artifacts: Vec<String>,
    /// The entry of the master key, if it is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Whether the master key goes with it: whoever has the archive can then open every secret.
    #[serde(default)]
    with_keys: bool,
}

/// Back up
///
/// A tar stream. It is whole if it ends as a tar does; a stream that breaks off is no backup.
#[utoipa::path(
    post, path = "/v1/backup", tag = "host", security(("token" = ["admin"])), params(Query),
    responses((status = 200, body = Binary, content_type = "application/x-tar")),
)]
pub(super) async fn backup(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<Query>,
) -> Result<Response, ApiError> {
    let host = &api.host;
    // Each holds a second copy of the database until it is read to its end.
    let permit = Arc::clone(&api.backups)
        .try_acquire_owned()
        .map_err(|_| ApiError::Conflict("another backup is being taken; wait until it is done".into()))?;
    let made = host.clock.now();
    let copy = TemporaryFile::unmade(&api, "backup").await?;
    let copying = Arc::clone(&api);
    let copied = api.finish(async move {
        // The key that goes with it is the one that the copy was sealed under.
        let _same = copying.rotating.lock().await;
        let keys = if query.with_keys { Some(master_key(&copying.host.config.master_key)?) } else { None };
        copying.host.store.backup(copy.path()).await?;
        Ok((keys, copy))
    });
    let (keys, copy) = copied.await?;

    let artifacts = host.config.data.join(ARTIFACTS);
    let names = tokio::task::spawn_blocking(move || list(&artifacts)).await.map_err(ApiError::internal)?;
    let manifest = BackupManifest {
        format: 1,
        version: crate::VERSION.into(),
        made: Time(made),
        database: DATABASE.into(),
        artifacts: names.map_err(ApiError::internal)?.iter().map(|name| format!("{ARTIFACTS}/{name}")).collect(),
        master_key: keys.as_ref().map(|_| MASTER_KEY.into()),
    };
    let with = if query.with_keys { "with the master key" } else { "without keys" };
    api.audit(caller.name.as_str(), "backup", format!("begun, {with}")).await;

    let archive = Archive {
        manifest,
        copy,
        data: host.config.data.clone(),
        keys,
        made: made.as_millis() / 1_000,
        _permit: permit,
    };
    let (pieces, received) = mpsc::channel(PIECES);
    // Owned by the stream it feeds: when the caller hangs up, the next piece fails and it ends.
    drop(tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { pieces, full: Vec::with_capacity(PIECE) };
        let written = archive.write(&mut pipe).and_then(|()| pipe.flush());
        // Before the stream ends: whoever has read it whole may ask for the next one.
        drop(archive);
        if let Err(error) = written {
            tracing::error!(%error, "a backup broke off");
            let _ = pipe.pieces.blocking_send(Err(error));
        }
    }));
    let body = Body::from_stream(stream::unfold(received, async |mut received| {
        let piece = received.recv().await?;
        Some((piece, received))
    }));
    let name = format!("attachment; filename=\"jackfield-{}.tar\"", made.to_string().replace([':', '.'], "-"));
    let mut response = ([(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"))], body).into_response();
    if let Ok(name) = HeaderValue::try_from(name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// The master key, in the form of its file.
fn master_key(source: &MasterKeySource) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    match source {
        MasterKeySource::File(file) => std::fs::read(file).map(Zeroizing::new).map_err(ApiError::internal),
        MasterKeySource::Given(key) => {
            let mut text = BASE64_STANDARD.encode(key.to_bytes().as_ref()).into_bytes();
            text.push(b'\n');
            Ok(Zeroizing::new(text))
        }
    }
}

/// The names of the artifacts in a folder, in order; half-written ones are called something else.
fn list(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && name.ends_with(".wasm")
            && entry.file_type()?.is_file()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What is to be written, and where it comes from.
struct Archive {
    manifest: BackupManifest,
    copy: TemporaryFile,
    data: PathBuf,
    keys: Option<Zeroizing<Vec<u8>>>,
    made: i64,
    _permit: OwnedSemaphorePermit,
}

impl Archive {
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(to);
        let manifest = serde_json::to_vec_pretty(&self.manifest)?;
        self.entry(&mut tar, "manifest.json", manifest.len() as u64, manifest.as_slice())?;
        if let Some(keys) = &self.keys {
            self.entry(&mut tar, MASTER_KEY, keys.len() as u64, keys.as_slice())?;
        }
        self.file(&mut tar, DATABASE, self.copy.path())?;
        for name in &self.manifest.artifacts {
            self.file(&mut tar, name, &self.data.join(name))?;
        }
        tar.finish()
    }

    fn file<W: Write>(&self, tar: &mut tar::Builder<W>, name: &str, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        self.entry(tar, name, size, file)
    }

    /// One entry: the host's user's alone, so that unpacking it makes nothing more public.
    fn entry<W: Write>(&self, tar: &mut tar::Builder<W>, name: &str, size: u64, bytes: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.made).unwrap_or(0));
        // Exactly as long as the header says, also if the file grew meanwhile.
        tar.append_data(&mut header, name, bytes.take(size))
    }
}

/// Hands written bytes to the answer's body, in pieces, as fast as they are taken.
struct Pipe {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    full: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.full.len());
        self.full.extend_from_slice(&bytes[..taken]);
        if self.full.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.full.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.full, Vec::with_capacity(PIECE));
        self.pieces
            .blocking_send(Ok(piece.into()))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "whoever asked for the backup hung up"))
    }
}
