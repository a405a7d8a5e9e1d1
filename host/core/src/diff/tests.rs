//! Differences, from manifests as people write them.

use super::*;
use crate::grant::HttpTarget;

const BEFORE: &str = r#"
manifest_version = 1
[integration]
name = "demo"
description = "Opens issues"
[connections]
github = { kind = "http" }
[[trigger]]
name = "announced"
kind = "webhook"
component = "sync"
[component.sync]
source = "sync.wasm"
limits = { timeout = "30s" }
[component.sync.grants]
http = [{ connection = "github", methods = ["GET", "POST"], paths = ["/repos/*/*/issues"] }]
kv = [{ prefix = "seen/" }]
config = ["repository"]
"#;

fn version(number: u32, manifest: &str, code: &[u8]) -> Version {
    let manifest = manifest::parse_toml(manifest, "jackfield.toml").unwrap_or_else(|p| panic!("{:?}", p.list));
    let artifacts = manifest.components.keys().map(|name| (name.clone(), Digest::of(code))).collect();
    Version { number, manifest, artifacts }
}

fn known() -> BTreeMap<Digest, Inspection> {
    let inspection = |bytes: &[u8], needs: &[Capability], producer: &str| Inspection {
        digest: Digest::of(bytes),
        size: 1_000 * bytes.len() as u64,
        needs: needs.to_vec(),
        imports: Vec::new(),
        exports: Vec::new(),
        unknown_imports: Vec::new(),
        handles_events: true,
        handles_requests: false,
        producers: vec![producer.into()],
    };
    let old = inspection(b"old", &[Capability::Http], "Rust 1.95.0");
    let newer = inspection(b"newer", &[Capability::Http, Capability::Kv], "Rust 1.96.0");
    [old, newer].into_iter().map(|inspection| (inspection.digest, inspection)).collect()
}

fn between(before: &str, after: &str) -> Difference {
    Difference::between(Some(&version(3, before, b"old")), &version(4, after, b"old"), &known())
}

fn edited(from: &str, to: &str) -> Difference {
    assert!(BEFORE.contains(from), "{from}");
    between(BEFORE, &BEFORE.replace(from, to))
}

fn shown(powers: &[Power]) -> Vec<String> {
    powers
        .iter()
        .map(|power| match power {
            Power::Http { target: HttpTarget::Connection(name), method, path, redirects, retry_in_doubt } => {
                format!("http {name} {method} {} {redirects} {retry_in_doubt}", path.as_str())
            }
            Power::Http { target: HttpTarget::Url(url), method, path, .. } => {
                format!("http {url} {method} {}", path.as_str())
            }
            Power::Kv { prefix, write } => format!("kv {prefix} {}", if *write { "write" } else { "read" }),
            Power::Config(name) => format!("config {name}"),
            Power::Events(types) => format!("events {}", types.as_str()),
            Power::Sql { connection, verb, table, .. } => {
                format!("sql {connection} {} {}", verb.label(), table.as_str())
            }
            Power::SqlFunction { connection, function } => format!("sql {connection} call {}", function.as_str()),
            Power::Messaging { connection, action, topic } => {
                format!("messaging {connection} {} {}", action.label(), topic.as_str())
            }
            Power::Blob { connection, prefix, write } => {
                format!("blob {connection} {prefix} {}", if *write { "write" } else { "read" })
            }
            Power::EmailTo { connection, recipient } => format!("email {connection} to {}", recipient.as_str()),
            Power::EmailFrom { connection, sender } => format!("email {connection} from {}", sender.as_str()),
        })
        .collect()
}

/// Also, still, no longer.
#[track_caller]
fn powers(from: &str, to: &str, also: &[&str], still: &[&str], no_longer: &[&str]) {
    let difference = edited(from, to);
    let [part] = difference.components.as_slice() else { panic!("{difference:?}") };
    assert_eq!(shown(&part.may_also), also, "also");
    assert_eq!(shown(&part.may_still), still, "still");
    assert_eq!(shown(&part.no_longer), no_longer, "no longer");
    assert_eq!(difference.asks_for_more(), !also.is_empty());
}

fn set(key: &str, from: Option<&str>, to: Option<&str>) -> Setting {
    Setting { key: key.into(), from: from.map(Into::into), to: to.map(Into::into) }
}

#[test]
fn the_same_is_no_difference() {
    let difference = between(BEFORE, BEFORE);
    assert!(difference.is_empty(), "{difference:?}");
    assert_eq!((difference.from, difference.to), (Some(3), 4));
    assert!(!difference.asks_for_more());
}

/// Threat row 94: an update that asks for more says so, down to the operation; one that asks for the
/// same or for less does not.
#[test]
fn threat_094_new_powers_are_told_from_old_ones() {
    let issues = r#"paths = ["/repos/*/*/issues"]"#;
    powers(
        issues,
        r#"paths = ["/repos/*/*/issues", "/user"]"#,
        &["http github GET /user 0 false", "http github POST /user 0 false"],
        &[],
        &[],
    );
    // Wider: the old one is still there.
    powers(issues, r#"paths = ["/**"]"#, &["http github GET /** 0 false", "http github POST /** 0 false"], &[], &[]);
    // Narrower: nothing new.
    powers(
        issues,
        r#"paths = ["/repos/acme/*/issues"]"#,
        &[],
        &["http github GET /repos/acme/*/issues 0 false", "http github POST /repos/acme/*/issues 0 false"],
        &["http github GET /repos/*/*/issues 0 false", "http github POST /repos/*/*/issues 0 false"],
    );
    powers(r#"["GET", "POST"]"#, r#"["GET"]"#, &[], &[], &["http github POST /repos/*/*/issues 0 false"]);
    powers(
        issues,
        r#"paths = ["/repos/*/*/issues"], redirects = 2, in_doubt = "retry""#,
        &["http github GET /repos/*/*/issues 2 true", "http github POST /repos/*/*/issues 2 true"],
        &[],
        &[],
    );
    powers(
        r#"{ connection = "github", "#,
        r#"{ url = "https://api.github.com/", "#,
        &["http https://api.github.com/ GET /repos/*/*/issues", "http https://api.github.com/ POST /repos/*/*/issues"],
        &[],
        &["http github GET /repos/*/*/issues 0 false", "http github POST /repos/*/*/issues 0 false"],
    );
    powers(r#"prefix = "seen/""#, r#"prefix = """#, &["kv  write"], &[], &[]);
    powers(r#"prefix = "seen/""#, r#"prefix = "seen/a/""#, &[], &["kv seen/a/ write"], &["kv seen/ write"]);
    powers(r#"prefix = "seen/""#, r#"prefix = "seen/", access = "read""#, &[], &["kv seen/ read"], &["kv seen/ write"]);
    powers(r#"["repository"]"#, r#"["repository", "team"]"#, &["config team"], &[], &[]);
    powers(r#"config = ["repository"]"#, "config = [\"repository\"]\nevents = [\"a.*\"]", &["events a.*"], &[], &[]);
    powers(r#"config = ["repository"]"#, r#"deny = ["config"]"#, &[], &[], &["config repository"]);
}

/// Threat row 94: code that imports more than before says so, also where the grants were there already.
#[test]
fn threat_094_new_imports_are_said() {
    let (old, new) = (version(3, BEFORE, b"old"), version(4, BEFORE, b"newer"));
    let difference = Difference::between(Some(&old), &new, &known());
    let [part] = difference.components.as_slice() else { panic!("{difference:?}") };
    assert_eq!(part.imports_also, [Capability::Kv]);
    let (Some(before), Some(after)) = part.code.clone().unwrap() else { panic!("{part:?}") };
    assert_eq!((before.digest, before.size), (Digest::of(b"old"), Some(3_000)));
    assert_eq!((after.size, after.producers), (Some(5_000), vec!["Rust 1.96.0".to_owned()]));
    let fewer = Difference::between(Some(&new), &old, &known());
    assert!(fewer.components[0].imports_also.is_empty());
    let strange = Difference::between(Some(&version(3, BEFORE, b"?")), &old, &known());
    assert_eq!(strange.components[0].code.as_ref().unwrap().0.as_ref().unwrap().size, None);
}

#[track_caller]
fn settings(from: &str, to: &str, expected: &[Setting]) {
    let difference = edited(from, to);
    let [part] = difference.components.as_slice() else { panic!("{difference:?}") };
    assert_eq!(part.settings, expected);
    assert_eq!((part.change, &part.code), (Change::Changed, &None));
    assert!(part.may_also.is_empty() && part.no_longer.is_empty());
}

#[test]
fn settings_are_compared_value_by_value() {
    let limits = r#"limits = { timeout = "30s" }"#;
    settings(limits, r#"limits = { timeout = "90s" }"#, &[set("limits.timeout", Some("30s"), Some("90s"))]);
    // What is not written has its default.
    settings(limits, "", &[set("limits.timeout", Some("30s"), Some("1m"))]);
    settings(
        limits,
        "limits = { timeout = \"30s\", memory = \"64MiB\" }\nretry = { attempts = 3 }",
        &[set("limits.memory", Some("128MiB"), Some("64MiB")), set("retry.attempts", None, Some("3"))],
    );
    settings(
        "source = \"sync.wasm\"",
        "source = \"dist/sync.wasm\"\nbuild = { command = \"make\" }",
        &[set("source", Some("sync.wasm"), Some("dist/sync.wasm")), set("build.command", None, Some("make"))],
    );
}

#[test]
fn denials_are_said() {
    let difference = edited(r#"config = ["repository"]"#, r#"deny = ["config"]"#);
    assert_eq!(difference.components[0].denied, [Capability::Config]);
    let back = between(&BEFORE.replace(r#"config = ["repository"]"#, r#"deny = ["config"]"#), BEFORE);
    assert_eq!(back.components[0].denied_no_longer, [Capability::Config]);
    assert_eq!(shown(&back.components[0].may_also), ["config repository"]);
}

#[track_caller]
fn trigger(from: &str, to: &str, name: &str, change: Change, expected: &[Setting]) {
    let difference = edited(from, to);
    let trigger = difference.triggers.iter().find(|trigger| trigger.name.as_str() == name);
    let trigger = trigger.unwrap_or_else(|| panic!("{difference:?}"));
    assert_eq!((trigger.change, trigger.settings.as_slice()), (change, expected));
    assert!(difference.components.is_empty());
}

#[test]
fn triggers_come_go_and_change() {
    let webhook = "kind = \"webhook\"\ncomponent = \"sync\"";
    trigger(
        webhook,
        "kind = \"webhook\"\ncomponent = \"sync\"\nrespond = true\n\
         verify = { scheme = \"github\", secret = \"signing\" }",
        "announced",
        Change::Changed,
        &[
            set("verify.scheme", None, Some("github")),
            set("verify.secret", None, Some("signing")),
            set("respond", None, Some("true")),
        ],
    );
    trigger(
        webhook,
        "kind = \"manual\"\ncomponent = \"sync\"",
        "announced",
        Change::Changed,
        &[set("kind", Some("webhook"), Some("manual"))],
    );
    trigger("name = \"announced\"", "name = \"heard\"", "announced", Change::Removed, &[]);
    trigger(
        "name = \"announced\"",
        "name = \"heard\"",
        "heard",
        Change::Added,
        &[set("kind", None, Some("webhook")), set("component", None, Some("sync"))],
    );
}

#[test]
fn connections_and_the_description_are_compared() {
    let difference =
        edited("github = { kind = \"http\" }", "github = { kind = \"http\" }\nslack = { kind = \"http\" }");
    assert_eq!(difference.connections, [set("slack", None, Some("http"))]);
    assert!(difference.components.is_empty() && !difference.is_empty());
    let difference = edited("Opens issues", "Closes issues");
    assert_eq!(difference.description, Some(set("description", Some("Opens issues"), Some("Closes issues"))));
}

#[test]
fn a_first_version_is_all_new() {
    let difference = Difference::between(None, &version(1, BEFORE, b"old"), &known());
    assert_eq!((difference.from, difference.to), (None, 1));
    let [part] = difference.components.as_slice() else { panic!("{difference:?}") };
    assert_eq!(part.change, Change::Added);
    assert_eq!(part.may_also.len(), 4);
    assert_eq!(part.imports_also, [Capability::Http]);
    assert_eq!(
        part.settings,
        [set("source", None, Some("sync.wasm")), set("limits.timeout", None, Some("30s"))],
        "what is not written is not told"
    );
    assert_eq!(difference.triggers[0].change, Change::Added);
    assert_eq!(difference.connections, [set("github", None, Some("http"))]);
    assert_eq!(difference.description, None);
}

#[test]
fn components_come_and_go() {
    let more =
        format!("{BEFORE}\n[component.other]\nsource = \"other.wasm\"\ngrants = {{ kv = [{{ prefix = \"\" }}] }}\n");
    let added = between(BEFORE, &more);
    assert_eq!((added.components[0].name.as_str(), added.components[0].change), ("other", Change::Added));
    let removed = between(&more, BEFORE);
    let part = &removed.components[0];
    assert_eq!((part.change, shown(&part.no_longer)), (Change::Removed, vec!["kv  write".to_owned()]));
    assert!(part.settings.is_empty() && part.code.as_ref().is_some_and(|(_, after)| after.is_none()));
}

#[test]
fn thousands_of_powers_are_compared_as_they_are_written() {
    let paths: Vec<String> = (0..2 * 1_000).map(|n| format!("\"/{n}\"")).collect();
    let many = BEFORE.replace(r#"paths = ["/repos/*/*/issues"]"#, &format!("paths = [{}]", paths.join(", ")));
    let difference = between(&many, &many.replace("\"/7\"", "\"/seven\""));
    assert_eq!(shown(&difference.components[0].may_also).len(), 2);
}
