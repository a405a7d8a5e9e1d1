//! Settings: every problem is told at once, with its key and the way out.

use super::*;

#[track_caller]
fn told(found: Result<(), Vec<jackfield_core::ports::connector::SettingProblem>>, expected: &[(&str, &str)]) {
    let found = found.err().unwrap_or_default();
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{shown:#?}");
    for (key, part) in expected {
        assert!(found.iter().any(|p| p.key == *key && p.problem.contains(part)), "{key}, {part}: {shown:#?}");
    }
}

fn around(folders: &[&str], own: Option<&str>) -> FolderConnector {
    let folders = folders.iter().map(PathBuf::from).collect();
    FolderConnector::new(&Surroundings { folders, own_folder: own.map(PathBuf::from), ..Surroundings::default() })
}

#[test]
fn only_what_the_host_allows_is_a_folder() {
    let connector = around(&["/srv/inbox", "/mnt/share"], Some("/srv/inbox/jackfield"));
    let check = |path: &str, expected: &[(&str, &str)]| {
        told(connector.check(json!({ "path": path }).as_object().unwrap()), expected);
    };
    check("/srv/inbox/orders", &[]);
    check("/mnt/share", &[]);
    for outside in ["/", "/etc", "/srv", "/srv/inbox2", "/mnt/share/../x"] {
        let part = if outside.contains("..") { "`..`" } else { "" };
        check(outside, &[("path", part)]);
    }
    check("/etc", &[("path", "folders = [\"/etc\"]")]);
    check("srv/inbox", &[("path", "not absolute")]);
    for own in ["/srv/inbox", "/srv/inbox/jackfield", "/srv/inbox/jackfield/blobs"] {
        check(own, &[("path", "data folder of this host")]);
    }
    told(around(&[], None).check(json!({ "path": "/a" }).as_object().unwrap()), &[("path", "it names none")]);
    told(
        connector.check(json!({ "pat": "/srv/inbox", "timeout": 1 }).as_object().unwrap()),
        &[("path", "is missing"), ("pat", "did you mean `path`?"), ("timeout", "should be text")],
    );
}

#[tokio::test]
async fn a_link_in_the_way_to_the_folder_is_not_followed_unless_the_host_names_it() {
    let place = Place::new();
    place.write("f", "x");
    let real = place.path("");
    let link = place.folder.path().join("link");
    symlink(&real, &link).unwrap();
    let settings = json!({ "path": link.to_str().unwrap() });
    let blob = place.connector.open(settings.as_object().unwrap(), &Vec::new()).unwrap().blob.unwrap();
    let refused = get(&blob, "f", None).await;
    assert!(matches!(&refused, Err(Failure::NotExecuted(text)) if text.contains("symbolic link")), "{refused:?}");
    let named = around(&[link.to_str().unwrap()], None);
    let blob = named.open(settings.as_object().unwrap(), &Vec::new()).unwrap().blob.unwrap();
    assert_eq!(get(&blob, "f", None).await.unwrap().unwrap(), b"x");
    // And never to the host's own.
    let own = around(&[link.to_str().unwrap()], Some(real.to_str().unwrap()));
    let blob = own.open(settings.as_object().unwrap(), &Vec::new()).unwrap().blob.unwrap();
    let refused = get(&blob, "f", None).await;
    assert!(matches!(&refused, Err(Failure::NotExecuted(text)) if text.contains("data folder")), "{refused:?}");
}

#[test]
fn every_problem_of_a_trigger_is_told() {
    let connector = around(&["/a"], None);
    let check = |trigger: Value, expected: &[(&str, &str)]| {
        told(connector.check_trigger(trigger.as_object().unwrap()), expected);
    };
    check(json!({}), &[]);
    check(json!({ "pattern": "**/*.csv", "ready": "rename", "then": { "move": "done/" }, "ignore": [] }), &[]);
    check(
        json!({ "pattern": "[", "every": "2 s", "ready": "now", "then": "burn", "ignore": 7, "patern": "x" }),
        &[
            ("pattern", "no pattern"),
            ("every", "no length of time"),
            ("ready", "`stable`"),
            ("then", "`keep`, `delete`"),
            ("ignore", "list of patterns"),
            ("patern", "did you mean `pattern`?"),
        ],
    );
    check(json!({ "ready": "rename", "stable_for": "5s" }), &[("stable_for", "of no use")]);
    for to in ["/", "../x", "a//b", ".jackfield-x", "a/./b"] {
        check(json!({ "then": { "move": to } }), &[("then.move", "no folder below")]);
    }
    check(json!({ "then": { "mov": "x" } }), &[("then.move", "is missing"), ("then.mov", "did you mean")]);
}

#[tokio::test]
async fn a_test_says_what_is_there() {
    let place = Place::new();
    place.write("first", "x");
    let found = place.connector.test(place.settings().as_object().unwrap(), &Vec::new(), SOON).await;
    let what: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(what, ["folder", "read", "write", "space"]);
    assert!(found.iter().all(|finding| finding.ok) && found[1].detail.contains("`first`"), "{found:?}");
    fs::remove_dir_all(place.path("")).unwrap();
    let found = place.connector.test(place.settings().as_object().unwrap(), &Vec::new(), SOON).await;
    assert!(!found[0].ok && found[0].detail.contains("not there"), "{found:?}");
}
