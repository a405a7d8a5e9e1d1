//! The trigger: each file is heard once it is whole, and once.

use std::collections::BTreeSet;
use std::io::Write as _;

use jackfield_core::ports::source::{Heard, SourceError};
use rustix::fs::{CWD, FileType, Mode};

use super::*;
use crate::testing::{Running, TestSink};

impl Place {
    fn source(&self, trigger: Value) -> Arc<dyn jackfield_core::ports::source::Source> {
        let (settings, secrets) = (self.settings(), Vec::new());
        self.connector.source(settings.as_object().unwrap(), &secrets, trigger.as_object().unwrap()).unwrap()
    }

    fn listen(&self, sink: &Arc<TestSink>, trigger: Value) -> Running {
        Running::begin(self.source(trigger), sink, "prod/orders/inbox")
    }
}

/// Takes files at first sight.
fn quick() -> Value {
    json!({ "every": "20ms", "ready": "rename" })
}

fn subjects(heard: &[Heard]) -> Vec<String> {
    heard.iter().map(|heard| heard.event.subject.clone().unwrap()).collect()
}

async fn some_looks() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_become_events() {
    let place = Place::new();
    let sink = TestSink::new();
    place.write("before.csv", "1;2");
    place.write("sub/deep.json", "{}");
    place.write("large.bin", vec![7; 1024 * 1024 + 1]);
    place.write("unfinished.csv.part", "half");
    place.write(".hidden", "");
    let running = place.listen(&sink, quick());
    sink.until_listening(1).await;
    sink.until(3).await;
    let mut heard = sink.accepted();
    heard.sort_by_key(|heard| heard.event.subject.clone());
    assert_eq!(subjects(&heard), ["before.csv", "large.bin", "sub/deep.json"]);
    let event = &heard[0].event;
    assert_eq!((event.event_type.as_str(), &event.data[..]), ("jackfield.file", &b"1;2"[..]));
    assert_eq!(event.source, format!("file:{}", place.path("").display()));
    // The digest of `1;2`, as sha256sum tells it.
    let digest = "before.csv ".to_owned() + &sha256(b"1;2");
    assert_eq!((&event.id, event.content_type.as_deref()), (&digest, Some("text/csv")));
    assert!(heard[0].dedupe && event.time.is_some());
    let large = &heard[1].event;
    let reference: Value = serde_json::from_slice(&large.data).unwrap();
    assert_eq!((&reference["path"], &reference["size"]), (&json!("large.bin"), &json!(1024 * 1024 + 1)));
    assert!(large.meta.contains(&("reference".into(), "true".into())) && large.id.starts_with("large.bin "));

    // Changed, it is another event; unchanged, none.
    place.write("before.csv", "1;2;3");
    sink.until(4).await;
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!(sink.count(), 4);

    // A restart reads nothing again.
    place.write("while-away.csv", "");
    let running = place.listen(&sink, quick());
    sink.until(5).await;
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!(sink.accepted().last().unwrap().event.subject.as_deref(), Some("while-away.csv"));
    assert_eq!((sink.count(), sink.lost_ones().len()), (5, 0));
}

fn sha256(data: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_084_a_half_written_file_is_not_heard() {
    let place = Place::new();
    let sink = TestSink::new();
    let mut file = fs::File::create(place.path("slow.csv")).unwrap();
    let running = place.listen(&sink, json!({ "every": "20ms", "stable_for": "600ms", "pattern": "*.csv" }));
    sink.until_listening(1).await;
    for n in 0..30 {
        file.write_all(format!("line {n}\n").as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(sink.count(), 0, "after line {n}");
    }
    drop(file);
    sink.until(1).await;
    assert_eq!(sink.accepted()[0].event.data, fs::read(place.path("slow.csv")).unwrap());
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!((sink.count(), sink.last_lag()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_files_afterwards() {
    for (then, left) in [
        (json!("keep"), vec!["a.csv", "other"]),
        (json!("delete"), vec!["other"]),
        (json!({ "move": "done/2026" }), vec!["done", "other"]),
    ] {
        let place = Place::new();
        let sink = TestSink::new();
        place.write("a.csv", "first");
        place.write("other", "");
        let trigger = json!({ "every": "20ms", "ready": "rename", "pattern": "**/*.csv", "then": then });
        let running = place.listen(&sink, trigger.clone());
        sink.until(1).await;
        some_looks().await;
        assert_eq!((place.names(), sink.count()), (left.iter().map(|n| (*n).to_owned()).collect(), 1), "{then}");
        if then.is_object() {
            // One of the same name lies there: neither is lost.
            place.write("a.csv", "second");
            sink.until(2).await;
            some_looks().await;
            let done = |name: &str| fs::read_to_string(place.path("done/2026").join(name)).unwrap();
            assert_eq!((done("a.csv"), done("a.1.csv")), ("first".into(), "second".into()));
        }
        running.stop().await.unwrap();
        assert!(sink.lost_ones().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_accepting_and_leaving_it_hears_the_same_again() {
    let place = Place::new();
    let sink = TestSink::new();
    place.write("a.csv", "x");
    let trigger = json!({ "every": "20ms", "ready": "rename", "then": "delete" });
    sink.set_silent(true);
    let running = place.listen(&sink, trigger.clone());
    sink.until(1).await;
    running.abort().await;
    assert_eq!(place.names(), ["a.csv"], "it goes only when its event is surely on disk");
    sink.set_silent(false);
    let running = place.listen(&sink, trigger);
    sink.until(2).await;
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!((sink.distinct().len(), place.names().len()), (1, 0));

    // Also of files that stay.
    let sink = TestSink::new();
    for n in 0..500 {
        place.write(&format!("{n}.csv"), n.to_string());
    }
    sink.set_silent(true);
    let running = place.listen(&sink, quick());
    sink.until(1).await;
    running.abort().await;
    sink.set_silent(false);
    let running = place.listen(&sink, quick());
    sink.until_distinct(500).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_leaves_files_where_they_are() {
    let place = Place::new();
    let sink = TestSink::new();
    sink.set_full(true);
    place.write("a.csv", "x");
    let running = place.listen(&sink, json!({ "every": "20ms", "ready": "rename", "then": "delete" }));
    sink.until_waiting().await;
    some_looks().await;
    assert_eq!(place.names(), ["a.csv"]);
    sink.set_full(false);
    sink.until(1).await;
    some_looks().await;
    assert!(place.names().is_empty());
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_084_a_storm_of_renames_loses_no_content() {
    let place = Place::new();
    let sink = TestSink::new();
    let trigger = json!({ "every": "5ms", "ready": "rename", "ignore": ["*.tmp"], "then": { "move": "done" } });
    let running = place.listen(&sink, trigger);
    let away = place.folder.path().join("away");
    fs::create_dir(&away).unwrap();
    // Under few names, again and again, over what is there and may not have been heard: those are gone by the
    // writer's own doing. What is there when it has ended, or was moved, must have been heard.
    let writer = std::thread::spawn({
        let (folder, away) = (place.path(""), away.clone());
        move || {
            for n in 0..3_000 {
                let name = format!("f{}", n % 7);
                fs::write(away.join("x"), n.to_string()).unwrap();
                fs::rename(away.join("x"), folder.join(format!("{name}.tmp"))).unwrap();
                fs::rename(folder.join(format!("{name}.tmp")), folder.join(&name)).unwrap();
            }
        }
    });
    writer.join().unwrap();
    for n in 0..500 {
        if place.names() == ["done"] {
            break;
        }
        assert!(n < 499, "{:?}", place.names());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await.unwrap();
    let heard: BTreeSet<String> =
        sink.accepted().iter().map(|heard| String::from_utf8(heard.event.data.to_vec()).unwrap()).collect();
    let mut moved = 0;
    for entry in fs::read_dir(place.path("done")).unwrap() {
        let content = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(heard.contains(&content), "{content} was moved away unheard");
        moved += 1;
    }
    assert!(moved >= 7 && heard.contains("2999"), "{moved}");
    // What could not be moved because it was replaced is no loss.
    assert!(sink.lost_ones().is_empty(), "{:?}", sink.lost_ones());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_084_links_and_pipes_are_no_files() {
    let place = Place::new();
    let sink = TestSink::new();
    symlink("/etc/shadow", place.path("shadow.csv")).unwrap();
    symlink("/etc", place.path("etc")).unwrap();
    symlink(place.path(""), place.path("loop")).unwrap();
    rustix::fs::mknodat(CWD, place.path("pipe.csv"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path("socket.csv")).unwrap();
    place.write("real.csv", "x");
    let running = place.listen(&sink, quick());
    sink.until(1).await;
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!(subjects(&sink.accepted()), ["real.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_084_a_hundred_thousand_files_are_heard_once_each() {
    const FILES: usize = 100_000;
    let place = Place::new();
    let sink = TestSink::new();
    let running = place.listen(&sink, json!({ "every": "10ms", "ready": "rename", "pattern": "*" }));
    sink.until_listening(1).await;
    for n in 0..FILES {
        fs::write(place.path(&n.to_string()), "").unwrap();
    }
    for _ in 0..1_200 {
        if sink.count() >= FILES {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!((sink.count(), sink.distinct().len()), (FILES, FILES));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_told_once_and_the_others_are_heard() {
    if rustix::process::geteuid().is_root() {
        // Root reads everything.
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let sink = TestSink::new();
    place.write("closed", "x");
    fs::set_permissions(place.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    place.write("open", "x");
    let running = place.listen(&sink, quick());
    sink.until(1).await;
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!((sink.count(), sink.lost_ones().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_goes_and_comes_back_is_listened_to_again() {
    let place = Place::new();
    let sink = TestSink::new();
    let running = Running::kept(place.source(quick()), &sink, "prod/orders/inbox");
    sink.until_listening(1).await;
    let away = place.folder.path().join("away");
    fs::rename(place.path(""), &away).unwrap();
    some_looks().await;
    fs::write(away.join("meanwhile"), "x").unwrap();
    fs::rename(&away, place.path("")).unwrap();
    sink.until(1).await;
    running.stop().await.unwrap();
    fs::remove_dir_all(place.path("")).unwrap();
    let ended = place.listen(&sink, quick()).ended().await;
    assert!(matches!(&ended, Err(SourceError::Lost(why)) if why.contains("not there")), "{ended:?}");
}
