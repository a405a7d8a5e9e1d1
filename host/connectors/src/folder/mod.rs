//! The folder plug: files of this machine, in a folder that the host's configuration allows, and runs of those that come.
//!
//! Not here: grants and sizes, which the hatch asked before it came here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::grant::Capability;
use jackfield_core::ports::blob::{Blob, BlobCall, BlobDone};
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem, TriggerWord};
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_core::ports::source::Source;
use serde_json::{Map, Value};

mod blob;
mod leave;
mod root;
mod settings;
mod test;
mod trigger;
mod walk;

#[cfg(test)]
mod tests;

use self::root::Root;
use self::settings::{Settings, Wanted};
use crate::Surroundings;

/// How names begin that are the plug's own: never listed, never read, never given.
const HIDDEN: &str = ".jackfield-";

/// The connector of kind `folder`.
#[derive(Debug)]
pub struct FolderConnector {
    around: Surroundings,
}

impl FolderConnector {
    /// Its connections are about the folders that `around` allows.
    #[must_use]
    pub fn new(around: &Surroundings) -> Self {
        Self { around: around.clone() }
    }

    fn folder(&self, settings: Settings) -> Folder {
        Folder { settings, own: self.around.own_folder.clone() }
    }
}

#[async_trait]
impl Connector for FolderConnector {
    fn kind(&self) -> &'static str {
        "folder"
    }

    fn serves(&self) -> &'static [Capability] {
        &[Capability::Blob]
    }

    fn check(&self, settings: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Settings::read(settings, &self.around).map(|_| ())
    }

    fn secrets(&self, _: &Map<String, Value>) -> Vec<String> {
        Vec::new()
    }

    fn open(&self, settings: &Map<String, Value>, _: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let folder = self.folder(Settings::read(settings, &self.around)?);
        Ok(Opened { blob: Some(Arc::new(Link { folder: Arc::new(folder) })), ..Opened::default() })
    }

    fn offline(&self, _schema: Option<&str>, _sender: Option<&str>) -> Opened {
        Opened { blob: Some(Arc::new(Offline)), ..Opened::default() }
    }

    async fn test(&self, settings: &Map<String, Value>, _: &Secrets, limit: Duration) -> Vec<Finding> {
        test::test(self, settings, limit).await
    }

    fn trigger(&self) -> Option<TriggerWord> {
        Some(TriggerWord {
            kind: "file",
            example: "kind = \"file\"\nconnection = \"inbox\"\npattern = \"*.csv\"\nthen = { move = \"done/\" }",
        })
    }

    fn check_trigger(&self, trigger: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Wanted::read(trigger).map(|_| ())
    }

    fn source(
        &self,
        settings: &Map<String, Value>,
        _: &Secrets,
        trigger: &Map<String, Value>,
    ) -> Result<Arc<dyn Source>, Vec<SettingProblem>> {
        let folder = self.folder(Settings::read(settings, &self.around)?);
        Ok(Arc::new(trigger::Looks::new(folder, Wanted::read(trigger)?)))
    }
}

/// Which folder; opened for each use, so that one that comes back is found.
#[derive(Clone, Debug)]
struct Folder {
    settings: Settings,
    own: Option<std::path::PathBuf>,
}

impl Folder {
    fn open(&self) -> Result<Root, (bool, String)> {
        Root::open(&self.settings, self.own.as_deref())
    }
}

/// An opened connection.
#[derive(Debug)]
struct Link {
    folder: Arc<Folder>,
}

#[async_trait]
impl Blob for Link {
    fn timeout(&self) -> Duration {
        self.folder.settings.timeout
    }

    async fn run(&self, call: &BlobCall, with: &Sending) -> Result<BlobDone, Failure> {
        let (folder, asked, sending) = (Arc::clone(&self.folder), call.clone(), with.clone());
        let work = tokio::task::spawn_blocking(move || {
            let root = folder.open().map_err(|(_, why)| Failure::NotExecuted(why))?;
            blob::call(&root, &asked, &sending)
        });
        match tokio::time::timeout(with.timeout, work).await {
            Ok(done) => done.unwrap_or_else(|_| {
                Err(Failure::Broken { message: "the host failed over this file".into(), timed_out: false })
            }),
            Err(_) => Err(Failure::Broken { message: "the folder did not answer in time".into(), timed_out: true }),
        }
    }
}

/// Does nothing.
struct Offline;

#[async_trait]
impl Blob for Offline {
    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn run(&self, _: &BlobCall, _: &Sending) -> Result<BlobDone, Failure> {
        Err(Failure::NotExecuted("a recording is played: nothing is read or written".into()))
    }
}

/// What a file is, by the ending of its name; none if that says nothing.
fn content_type(name: &str) -> Option<&'static str> {
    const KNOWN: &[(&str, &str)] = &[
        ("avro", "application/avro"),
        ("csv", "text/csv"),
        ("edi", "application/edifact"),
        ("gif", "image/gif"),
        ("gz", "application/gzip"),
        ("htm", "text/html"),
        ("html", "text/html"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("json", "application/json"),
        ("jsonl", "application/jsonl"),
        ("log", "text/plain"),
        ("md", "text/markdown"),
        ("ndjson", "application/x-ndjson"),
        ("parquet", "application/vnd.apache.parquet"),
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        ("svg", "image/svg+xml"),
        ("tar", "application/x-tar"),
        ("toml", "application/toml"),
        ("tsv", "text/tab-separated-values"),
        ("txt", "text/plain"),
        ("webp", "image/webp"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("xml", "application/xml"),
        ("yaml", "application/yaml"),
        ("yml", "application/yaml"),
        ("zip", "application/zip"),
    ];
    let ending = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
    KNOWN.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind)
}
