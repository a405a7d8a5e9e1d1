//! The folder plug on a real file system: in memory where there is one, for many files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ports::blob::{Blob, BlobCall, BlobDone, Object, ObjectInfo};
use jackfield_core::ports::connector::Connector;
use jackfield_core::ports::outward::{Failure, Sending};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::FolderConnector;
use crate::Surroundings;

mod links;
mod settings;
mod trigger;

const SOON: Duration = Duration::from_secs(60);

/// A folder of this test, which the host's configuration allows.
struct Place {
    folder: TempDir,
    connector: FolderConnector,
}

impl Place {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() };
        fs::create_dir(folder.path().join("box")).unwrap();
        let around = Surroundings { folders: vec![folder.path().to_owned()], ..Surroundings::default() };
        Self { connector: FolderConnector::new(&around), folder }
    }

    /// Of the connection, or of something in it.
    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join("box");
        if name.is_empty() { path } else { path.join(name) }
    }

    fn settings(&self) -> Value {
        json!({ "path": self.path("").to_str().unwrap() })
    }

    fn open(&self) -> Arc<dyn Blob> {
        self.connector.open(self.settings().as_object().unwrap(), &Vec::new()).unwrap().blob.unwrap()
    }

    fn write(&self, name: &str, data: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    /// The names in the connection's folder, the hidden ones too.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.path("")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn with() -> Sending {
    Sending { key: "key0of0a0call".into(), timeout: SOON, answer_bytes: 1_000, answer_rows: 1_000 }
}

async fn call(blob: &Arc<dyn Blob>, call: BlobCall) -> Result<BlobDone, Failure> {
    blob.run(&call, &with()).await
}

async fn put(blob: &Arc<dyn Blob>, name: &str, data: &[u8]) -> Result<String, Failure> {
    let data = ByteBuf::from(data.to_vec());
    let object = Object { name: name.into(), content_type: None, metadata: Vec::new(), data };
    match call(blob, BlobCall::Put(object)).await? {
        BlobDone::Written(etag) => Ok(etag),
        other => panic!("{other:?}"),
    }
}

async fn get(blob: &Arc<dyn Blob>, name: &str, range: Option<(u64, u32)>) -> Result<Option<Vec<u8>>, Failure> {
    match call(blob, BlobCall::Get { name: name.into(), range }).await? {
        BlobDone::Data(data) => Ok(data.map(ByteBuf::into_vec)),
        other => panic!("{other:?}"),
    }
}

async fn stat(blob: &Arc<dyn Blob>, name: &str) -> Result<Option<ObjectInfo>, Failure> {
    match call(blob, BlobCall::Stat(name.into())).await? {
        BlobDone::Info(info) => Ok(info),
        other => panic!("{other:?}"),
    }
}

/// All names of a list, page by page.
async fn listed(blob: &Arc<dyn Blob>, prefix: &str, limit: u32) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let asked = BlobCall::List { prefix: prefix.into(), cursor: cursor.take(), limit };
        let BlobDone::Page { objects, next } = call(blob, asked).await.unwrap() else { panic!() };
        assert!(objects.len() <= limit as usize);
        names.extend(objects.into_iter().map(|object| object.name));
        match next {
            None => return names,
            next => cursor = next,
        }
    }
}

#[tokio::test]
async fn contract_works() {
    let place = Place::new();
    let blob = place.open();
    assert_eq!(get(&blob, "a/b/c.csv", None).await.unwrap(), None);
    assert_eq!(stat(&blob, "a/b/c.csv").await.unwrap(), None);
    let first = put(&blob, "a/b/c.csv", b"1;2").await.unwrap();
    assert_eq!(fs::read(place.path("a/b/c.csv")).unwrap(), b"1;2");
    assert_eq!(get(&blob, "a/b/c.csv", None).await.unwrap().unwrap(), b"1;2");
    let info = stat(&blob, "a/b/c.csv").await.unwrap().unwrap();
    assert_eq!((info.size, info.content_type.as_deref(), &info.etag), (3, Some("text/csv"), &first));
    assert!(info.modified.starts_with("20") && info.modified.ends_with('Z'), "{}", info.modified);

    let second = put(&blob, "a/b/c.csv", b"0123456789").await.unwrap();
    assert_ne!(first, second);
    for (range, expected) in [((0, 4), "0123"), ((7, 100), "789"), ((9, 1), "9"), ((10, 1), "")] {
        assert_eq!(get(&blob, "a/b/c.csv", Some(range)).await.unwrap().unwrap(), expected.as_bytes(), "{range:?}");
    }
    for offset in [11, u64::MAX] {
        let behind = get(&blob, "a/b/c.csv", Some((offset, 7))).await;
        assert!(matches!(&behind, Err(Failure::Invalid(text)) if text.contains("10 bytes")), "{behind:?}");
    }
    // A folder on the way is no object, and what would be below a file is none.
    assert_eq!(stat(&blob, "a/b/c.csv/d").await.unwrap(), None);
    put(&blob, "ä ö/\u{1f600}", b"").await.unwrap();
    assert_eq!(get(&blob, "ä ö/\u{1f600}", None).await.unwrap().unwrap(), b"");
    assert_eq!(listed(&blob, "", 10).await, ["a/b/c.csv", "ä ö/\u{1f600}"]);
    for _ in 0..2 {
        assert_eq!(call(&blob, BlobCall::Remove("a/b/c.csv".into())).await.unwrap(), BlobDone::Removed);
    }
    assert_eq!(listed(&blob, "", 10).await, ["ä ö/\u{1f600}"]);
    let left: Vec<String> = place.names();
    assert!(!left.iter().any(|name| name.starts_with('.')), "nothing of the host's own is left: {left:?}");
}

#[tokio::test]
async fn lists_are_in_order_and_go_on_where_they_ended() {
    let place = Place::new();
    let names =
        ["a", "a-b", "a.txt", "a0", "b/1", "b/2/x", "b/2/y", "b/3", "b-", "b0/z", "c", "dir/dir/dir/file", "z z", "é"];
    for name in names {
        // `a` cannot be a file and a folder; `b` is a folder.
        place.write(name, name);
    }
    fs::create_dir(place.path("empty")).unwrap();
    let blob = place.open();
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    for limit in [1, 2, 3, 5, 100] {
        assert_eq!(listed(&blob, "", limit).await, expected, "{limit}");
    }
    for prefix in ["a", "b", "b/", "b/2", "b/2/", "b0", "dir/dir/", "nothing", "z z"] {
        let expected: Vec<String> = expected.iter().filter(|name| name.starts_with(prefix)).cloned().collect();
        for limit in [1, 3, 100] {
            assert_eq!(listed(&blob, prefix, limit).await, expected, "{prefix} {limit}");
        }
    }
}

#[tokio::test]
async fn contract_refused_by_the_other_side() {
    let place = Place::new();
    let blob = place.open();
    place.write("folder/file", "x");
    for result in [
        put(&blob, "folder", b"").await.map(|_| ()),
        put(&blob, "folder/file/below", b"").await.map(|_| ()),
        get(&blob, "folder", None).await.map(|_| ()),
        stat(&blob, "folder").await.map(|_| ()),
        call(&blob, BlobCall::Remove("folder".into())).await.map(|_| ()),
    ] {
        assert!(matches!(&result, Err(Failure::Refused { code, .. }) if code == "not-a-file"), "{result:?}");
    }
    assert_eq!(fs::read(place.path("folder/file")).unwrap(), b"x");
    let object = |metadata: Vec<(String, String)>| Object {
        name: "a".into(),
        content_type: None,
        metadata,
        data: ByteBuf::new(),
    };
    let kept = call(&blob, BlobCall::Put(object(vec![("a".into(), "b".into())]))).await;
    assert!(matches!(&kept, Err(Failure::Invalid(text)) if text.contains("metadata")), "{kept:?}");
    for name in [".jackfield-x", "a/.jackfield-x/b", &"x".repeat(256)] {
        let refused = put(&blob, name, b"").await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{name}: {refused:?}");
    }
    put(&blob, &vec!["d"; 60].join("/"), b"").await.unwrap();
    let deep = vec!["d"; 65].join("/");
    assert!(matches!(put(&blob, &deep, b"").await, Err(Failure::Invalid(_))));
}

#[tokio::test]
async fn contract_limit_hit() {
    let place = Place::new();
    let blob = place.open();
    place.write("large", vec![b'x'; 1_001]);
    let refused = get(&blob, "large", None).await;
    let Err(Failure::TooLarge { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("1001") && message.contains("1000") && message.contains("limits.blob"), "{message}");
    assert_eq!(get(&blob, "large", Some((1, 1_000))).await.unwrap().unwrap().len(), 1_000);
    // A list is counted too: what does not fit is on the next page.
    for n in 0..50 {
        place.write(&format!("n{n:02}"), "");
    }
    let all = BlobCall::List { prefix: "n".into(), cursor: None, limit: 1_000 };
    let BlobDone::Page { objects, next } = call(&blob, all).await.unwrap() else { panic!() };
    assert!(objects.len() < 20 && next.is_some(), "{}", objects.len());
    assert_eq!(listed(&blob, "n", 1_000).await.len(), 50);
}

#[tokio::test]
async fn contract_killed_mid_call_and_restarted() {
    // What can go away here is the folder: an unmounted disk, a share.
    let place = Place::new();
    let blob = place.open();
    put(&blob, "a", b"1").await.unwrap();
    let away = place.folder.path().join("away");
    fs::rename(place.path(""), &away).unwrap();
    for result in [put(&blob, "a", b"2").await.map(|_| ()), get(&blob, "a", None).await.map(|_| ())] {
        assert!(matches!(&result, Err(Failure::NotExecuted(text)) if text.contains("not there")), "{result:?}");
    }
    fs::rename(&away, place.path("")).unwrap();
    assert_eq!(get(&blob, "a", None).await.unwrap().unwrap(), b"1");
    // A write that ended in the middle, as a crash would leave it, is no object, and does not hinder the next.
    fs::write(place.path(".jackfield-key0of0a0call"), "half").unwrap();
    assert_eq!(listed(&blob, "", 10).await, ["a"]);
    put(&blob, "a", b"3").await.unwrap();
    assert_eq!((get(&blob, "a", None).await.unwrap().unwrap(), place.names()), (b"3".to_vec(), vec!["a".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_half_of_a_file() {
    let place = Place::new();
    let blob = place.open();
    let contents: [Vec<u8>; 2] = [vec![b'a'; 900], vec![b'b'; 900]];
    put(&blob, "f", &contents[0]).await.unwrap();
    let mut writer = JoinSet::new();
    writer.spawn({
        let (blob, contents) = (Arc::clone(&blob), contents.clone());
        async move {
            for n in 0..200 {
                put(&blob, "f", &contents[n % 2]).await.unwrap();
            }
        }
    });
    let written = loop {
        if let Some(written) = writer.try_join_next() {
            break written;
        }
        let read = get(&blob, "f", None).await.unwrap().unwrap();
        assert!(contents.contains(&read));
    };
    written.unwrap();
}
