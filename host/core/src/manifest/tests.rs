//! Tests of reading and writing manifests.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::grant::{Capability, HttpTarget};
use crate::limits::Limits;
use crate::release::verify::{Algorithm, Encoding, TimeFormat};
use crate::release::{Cron, Interval, Misfire, Overlap, TriggerKind, Verify};

const WHOLE: &str = r#"manifest_version = 1

[integration]
name = "servicenow-to-github"
description = "Opens a GitHub issue for every new ServiceNow feature request"

[connections]
servicenow = { kind = "http" }
github = { kind = "http" }

[[trigger]]
name = "announced"
kind = "webhook"
component = "sync"
verify = { scheme = "standard-webhooks", secret = "servicenow-signing" }
respond = true
rate = { per_second = 5, burst = 20 }

[[trigger]]
name = "by-hand"
kind = "manual"
component = "sync"

[component.sync]
source = "dist/sync.wasm"
limits = { memory = "64MiB", timeout = "30s", calls = 10, http_body = 4096 }
retry = { first = "500ms", longest = "5m", for = "12h", attempts = 9 }

[component.sync.grants]
http = [
  { connection = "servicenow", methods = ["GET"], paths = ["/api/now/table/**"], redirects = 3 },
  { connection = "github", methods = ["POST"], paths = ["/repos/*/*/issues"], in_doubt = "retry" },
  { url = "https://api.example.com/v1", methods = ["GET", "HEAD"], paths = ["/**"] },
]
kv = [{ prefix = "seen/" }, { prefix = "", access = "read" }]
config = ["repository"]
events = ["request.opened", "request.*.closed"]

[component.sync.build]
command = "npm run build"
watch = ["src/**"]

[component.quiet]
source = "dist/quiet.wasm"
grants = { deny = ["http", "kv"] }

[[trigger]]
name = "sweep"
kind = "cron"
component = "sync"
schedule = "*/5 * * * *"
timezone = "Europe/Berlin"
misfire = { all = 10 }
overlap = "queue"

[[trigger]]
name = "beat"
kind = "interval"
component = "sync"
every = "90s"
misfire = "skip"
overlap = "allow"

[[trigger]]
name = "opened"
kind = "event"
component = "quiet"
types = ["request.opened", "jackfield.run.dead-lettered"]
sources = ["/integrations/*"]
attributes = { region = "eu", subject = "FR-*" }
order_by = "subject"
on_dead_letter = "block"
"#;

/// The least that is a manifest, with lines added to its component.
const LEAST: &str = "manifest_version = 1\n[integration]\nname = \"a\"\n[component.sync]\nsource = \"a.wasm\"\n";

fn whole() -> Manifest {
    parse_toml(WHOLE, "jackfield.toml").unwrap()
}

#[test]
fn a_whole_manifest_is_read() {
    let manifest = whole();
    assert_eq!(manifest.name.as_str(), "servicenow-to-github");
    assert_eq!(manifest.connections.len(), 2);
    let TriggerKind::Webhook(webhook) = &manifest.triggers[0].kind else { panic!("{:?}", manifest.triggers) };
    assert_eq!(webhook.verify, Verify::StandardWebhooks { secret: "servicenow-signing".parse().unwrap() });
    assert_eq!((webhook.respond, webhook.rate_per_second, webhook.burst), (true, 5, 20));
    assert_eq!(manifest.triggers[1].kind, TriggerKind::Manual);
    let cron = Cron {
        schedule: "*/5 * * * *".into(),
        timezone: "Europe/Berlin".into(),
        misfire: Misfire::All(10),
        overlap: Overlap::Queue,
    };
    assert_eq!(manifest.triggers[2].kind, TriggerKind::Cron(cron));
    let interval = Interval { every: Duration::from_secs(90), misfire: Misfire::Skip, overlap: Overlap::Allow };
    assert_eq!(manifest.triggers[3].kind, TriggerKind::Interval(interval));
    let sync = &manifest.components[&"sync".parse().unwrap()];
    assert_eq!(sync.limits.memory_bytes, 64 << 20);
    assert_eq!(sync.limits.timeout, Duration::from_secs(30));
    assert_eq!((sync.limits.calls, sync.limits.http_body_bytes), (10, 4096));
    assert_eq!(sync.limits.cpu, Limits::default().cpu);
    assert_eq!(sync.retry.first, Duration::from_millis(500));
    assert_eq!((sync.retry.within, sync.retry.attempts), (Duration::from_secs(12 * 3600), Some(9)));
    let [servicenow, github, url] = &sync.grants.http[..] else { panic!("{:?}", sync.grants) };
    assert_eq!((servicenow.redirects, servicenow.retry_in_doubt), (3, false));
    assert!(github.retry_in_doubt && github.allows("POST", "/repos/acme/app/issues"));
    assert_eq!(url.target, HttpTarget::Url("https://api.example.com/v1".parse().unwrap()));
    assert!(sync.grants.kv("seen/1", true) && !sync.grants.kv("other", true) && sync.grants.kv("other", false));
    assert!(sync.grants.config("repository"));
    assert!(sync.grants.events("request.opened") && sync.grants.events("request.7.closed"));
    assert!(!sync.grants.events("request.closed") && !sync.grants.events("jackfield.run.succeeded"));
    let TriggerKind::Event(listen) = &manifest.triggers[4].kind else { panic!("{:?}", manifest.triggers) };
    assert_eq!((listen.types.len(), listen.sources.len(), listen.attributes.len()), (2, 1, 2));
    assert!(listen.hears_the_host());
    let order = manifest.triggers[4].order.as_ref().unwrap();
    assert_eq!((order.by.as_str(), order.block), ("subject", true));
    assert_eq!(sync.build.as_ref().unwrap().watch, ["src/**"]);
    let quiet = &manifest.components[&"quiet".parse().unwrap()];
    assert_eq!(quiet.grants.deny, [Capability::Http, Capability::Kv]);
}

#[test]
fn defaults_fill_what_is_left_out() {
    let text = format!("{LEAST}[[trigger]]\nname = \"hook\"\nkind = \"webhook\"\ncomponent = \"sync\"\n");
    let manifest = parse_toml(&text, "m").unwrap();
    let TriggerKind::Webhook(webhook) = &manifest.triggers[0].kind else { panic!() };
    assert_eq!((&webhook.verify, webhook.respond, &webhook.id_header), (&Verify::Token, false, &None));
    assert_eq!((webhook.rate_per_second, webhook.burst), (50, 100));
    let sync = &manifest.components[&"sync".parse().unwrap()];
    assert_eq!((sync.limits, &sync.retry), (Limits::default(), &crate::retry::RetryPolicy::default()));
    assert!(!sync.grants.mentions(Capability::Http));
}

#[test]
fn what_is_said_of_events_is_checked() {
    let bad = |line, instead, key, says: &[&str]| bad(line, instead, key, says);
    let types = "types = [\"request.opened\", \"jackfield.run.dead-lettered\"]\n";
    bad(types, "types = []\n", "trigger.opened.types", &["an empty list"]);
    bad(types, "types = [\"request.\"]\n", "trigger.opened.types[0]", &["an empty part"]);
    bad(types, "types = [\"req*\"]\n", "trigger.opened.types[0]", &["a whole part between dots"]);
    bad(
        "sources = [\"/integrations/*\"]",
        "sources = [\"shop\"]",
        "trigger.opened.sources[0]",
        &["must start with `/`"],
    );
    bad("region = \"eu\"", "Region = \"eu\"", "trigger.opened.attributes.Region", &["lower-case letters and digits"]);
    bad("region = \"eu\"", "type = \"eu\"", "trigger.opened.attributes.type", &["what `types` is for"]);
    bad("region = \"eu\"", "region = \"e*u\"", "trigger.opened.attributes.region", &["stands at the end"]);
    bad(
        "order_by = \"subject\"",
        "order_by = \"data.id\"",
        "trigger.opened.order_by",
        &["orders nothing", "meta.x-customer"],
    );
    bad("order_by = \"subject\"\n", "", "trigger.opened.on_dead_letter", &["write `order_by` too"]);
    bad("on_dead_letter = \"block\"", "on_dead_letter = \"stop\"", "trigger.opened.on_dead_letter", &["go-on, block"]);
    bad(
        "events = [\"request.opened\"",
        "events = [\"jackfield.run.succeeded\"",
        "component.sync.grants.events[0]",
        &["the host's own"],
    );
}

#[test]
fn listeners_have_a_number() {
    let trigger =
        |n: usize| format!("[[trigger]]\nname = \"t{n}\"\nkind = \"event\"\ncomponent = \"sync\"\ntypes = [\"a\"]\n");
    let many = |count: usize| format!("{LEAST}{}", (0..count).map(trigger).collect::<String>());
    assert_eq!(parse_toml(&many(100), "m").unwrap().triggers.len(), 100);
    let found = problems(&many(101));
    assert_eq!(found[0].text, "trigger has 101 of kind `event`; the most are 100: one can listen for several types");
}

#[test]
fn the_written_form_reads_back() {
    let manifest = whole();
    let written = to_json(&manifest);
    assert_eq!(parse_json(&written).unwrap(), manifest);
    // What is at its default is not written.
    let least = to_json(&parse_toml(LEAST, "m").unwrap());
    assert_eq!(
        least,
        json!({ "manifest_version": 1, "integration": { "name": "a" }, "component": { "sync": { "source": "a.wasm" } } })
    );
}

#[test]
fn every_limit_reads_back() {
    let mut manifest = whole();
    for limits in
        [Limits::HARD, Limits { memory_bytes: 65_537, cpu: Duration::from_millis(1), log_bytes: 0, ..Limits::HARD }]
    {
        for component in manifest.components.values_mut() {
            component.limits = limits;
        }
        assert_eq!(parse_json(&to_json(&manifest)).unwrap(), manifest);
    }
}

#[track_caller]
fn problems(text: &str) -> Vec<Problem> {
    match parse_toml(text, "jackfield.toml") {
        Ok(_) => panic!("this was taken:\n{text}"),
        Err(problems) => {
            assert!(!problems.list.is_empty());
            problems.list
        }
    }
}

/// Changes one line of the whole manifest, and expects one problem: there, and saying this.
#[track_caller]
fn bad(line: &str, instead: &str, key: &str, says: &[&str]) {
    assert_eq!(WHOLE.matches(line).count(), 1, "{line:?} is not one line of the manifest");
    let found = problems(&WHOLE.replace(line, instead));
    let [problem] = &found[..] else { panic!("{found:#?}") };
    let expected = WHOLE[..WHOLE.find(line).unwrap()].lines().count().max(1) as u32;
    let starts_a_line = WHOLE[..WHOLE.find(line).unwrap()].ends_with('\n');
    assert_eq!(problem.line, Some(expected + u32::from(starts_a_line)), "{problem:#?}");
    assert_eq!(problem.key, key, "{problem:#?}");
    for part in says {
        assert!(problem.text.contains(part), "{part:?} is not in {:?}", problem.text);
    }
}

#[test]
fn bad_values_are_named_with_the_way_out() {
    bad("manifest_version = 1", "manifest_version = 2", "manifest_version", &["`2`", "write `manifest_version = 1`"]);
    bad("manifest_version = 1", "manifest_version = \"1\"", "manifest_version", &["manifest_version = 1"]);
    bad("name = \"servicenow-to-github\"", "name = \"ServiceNow\"", "integration.name", &["ServiceNow", "lowercase"]);
    bad("name = \"servicenow-to-github\"", "name = 3", "integration.name", &["a whole number", "text in quotes"]);
    bad(
        "memory = \"64MiB\"",
        "memory = \"4GiB\"",
        "component.sync.limits.memory",
        &["component `sync`: limits.memory `4GiB` is more than the most, 1GiB"],
    );
    bad("memory = \"64MiB\"", "memory = \"64MB\"", "component.sync.limits.memory", &["`64MB`", "write `MiB`"]);
    bad("memory = \"64MiB\"", "memory = \"1KiB\"", "component.sync.limits.memory", &["less than the least, 64KiB"]);
    bad("memory = \"64MiB\"", "memory = true", "component.sync.limits.memory", &["a size, like"]);
    bad("timeout = \"30s\"", "timeout = 30", "component.sync.limits.timeout", &["`30`", "a duration, like \"30s\""]);
    bad("timeout = \"30s\"", "timeout = \"2h\"", "component.sync.limits.timeout", &["more than the most, 1h"]);
    bad("calls = 10", "calls = -1", "component.sync.limits.calls", &["`-1` is not from 0 to 1000000"]);
    bad("calls = 10", "calls = 1.5", "component.sync.limits.calls", &["1.5", "a whole number"]);
    bad("longest = \"5m\"", "longest = \"100ms\"", "component.sync.retry.first", &["`longest` is 100ms"]);
    bad("attempts = 9", "attempts = 0", "component.sync.retry.attempts", &["`0`"]);
    bad(
        "source = \"dist/sync.wasm\"",
        "source = { oci = \"r/x@sha256:1\" }",
        "component.sync.source",
        &["not available yet"],
    );
    bad("source = \"dist/sync.wasm\"", "source = \"/dist/sync.wasm\"", "component.sync.source", &["relative"]);
    bad("source = \"dist/sync.wasm\"", "source = \"\"", "component.sync.source", &["is empty"]);
    bad("respond = true", "respond = \"yes\"", "trigger.announced.respond", &["true or false"]);
    bad("config = [\"repository\"]", "config = \"repository\"", "component.sync.grants.config", &["a list"]);
    bad("watch = [\"src/**\"]", "watch = [1]", "component.sync.build.watch[0]", &["text in quotes"]);
    for elsewhere in ["/src", "..", "a/../../b"] {
        let folder = format!("folder = \"{elsewhere}\"");
        bad("watch = [\"src/**\"]", &folder, "component.sync.build.folder", &["below the manifest's folder"]);
    }
    bad("watch = [\"src/**\"]", "language = \"pyton\"", "component.sync.build.language", &["`pyton`", "python"]);
}

#[test]
fn bad_grants_are_named() {
    bad(
        "methods = [\"POST\"]",
        "methods = [\"post\"]",
        "component.sync.grants.http[1].methods[0]",
        &["in capitals: `POST`"],
    );
    bad("methods = [\"POST\"]", "methods = []", "component.sync.grants.http[1].methods", &["empty"]);
    bad(
        "methods = [\"POST\"]",
        "methods = [\"CONNECT\"]",
        "component.sync.grants.http[1].methods[0]",
        &["cannot be granted"],
    );
    bad(
        "methods = [\"POST\"]",
        "methods = [\"PO ST\"]",
        "component.sync.grants.http[1].methods[0]",
        &["not an HTTP method"],
    );
    bad(
        "paths = [\"/repos/*/*/issues\"]",
        "paths = [\"repos/*\"]",
        "component.sync.grants.http[1].paths[0]",
        &["start with `/`"],
    );
    bad(
        "in_doubt = \"retry\"",
        "in_doubt = \"retyr\"",
        "component.sync.grants.http[1].in_doubt",
        &["did you mean `retry`?"],
    );
    bad("redirects = 3", "redirects = 30", "component.sync.grants.http[0].redirects", &["from 0 to 10"]);
    bad(
        "{ connection = \"github\",",
        "{ connection = \"gihtub\",",
        "component.sync.grants.http[1].connection",
        &["`gihtub` is not declared; did you mean `github`?", "[connections]\n  gihtub = { kind = \"http\" }"],
    );
    let kafka = problems(&WHOLE.replace("github = { kind = \"http\" }", "github = { kind = \"kafka\" }"));
    assert!(kafka[0].text.contains("`github` is a connection of kind `kafka`") && kafka.len() == 1, "{kafka:?}");
    bad(
        "github = { kind = \"http\" }",
        "github = { kind = \"\" }",
        "connections.github.kind",
        &["connection `github`: kind"],
    );
}

#[test]
fn bad_urls_are_named() {
    let key = "component.sync.grants.http[2].url";
    let line = "url = \"https://api.example.com/v1\"";
    bad(line, "url = \"api.example.com\"", key, &["is not a URL", "https://api.example.com"]);
    bad(line, "url = \"ftp://api.example.com\"", key, &["must start with `https://`"]);
    bad(line, "url = \"https://api.example.com/?a=1\"", key, &["query"]);
    bad(line, "connection = \"github\", url = \"https://a.example\"", key, &["one of them"]);
    bad("{ url = \"https://api.example.com/v1\", ", "{ ", "component.sync.grants.http[2]", &["names nothing to call"]);
    // A password in a URL is not repeated.
    let found = problems(&WHOLE.replace(line, "url = \"https://me:hunter22@api.example.com\""));
    assert!(found[0].text.contains("names a user") && !format!("{found:?}").contains("hunter22"), "{found:?}");
}

#[test]
fn bad_triggers_are_named() {
    let key = "trigger.by-hand";
    bad(
        "kind = \"manual\"",
        "kind = \"kafka\"",
        &format!("{key}.kind"),
        &["`kafka`", "webhook, cron, interval, event, manual", "connection ="],
    );
    bad("kind = \"manual\"", "kind = \"manaul\"", &format!("{key}.kind"), &["did you mean `manual`?"]);
    bad("name = \"by-hand\"", "name = \"announced\"", "trigger.announced.name", &["taken by another trigger"]);
    bad("name = \"announced\"", "name = \"manual\"", "trigger.manual.name", &["another name"]);
    bad(
        "component = \"sync\"\nverify",
        "component = \"snyc\"\nverify",
        "trigger.announced.component",
        &["`snyc` is not one of this manifest's components, quiet, sync; did you mean `sync`?"],
    );
    bad(
        "secret = \"servicenow-signing\"",
        "secret = \"Not A Name\"",
        "trigger.announced.verify.secret",
        &["Not A Name"],
    );
    bad(
        "verify = { scheme = \"standard-webhooks\", secret = \"servicenow-signing\" }",
        "verify = { scheme = \"github\" }",
        "trigger.announced.verify.secret",
        &["is missing: write `secret ="],
    );
    bad(
        "verify = { scheme = \"standard-webhooks\", secret",
        "verify = { scheme = \"token\", secret",
        "trigger.announced.verify.secret",
        &["not used by scheme `token`"],
    );
    bad(
        "scheme = \"standard-webhooks\"",
        "scheme = \"standard-webhook\"",
        "trigger.announced.verify.scheme",
        &["did you mean `standard-webhooks`?"],
    );
    let own = &["not for scheme `standard-webhooks`, which has a header of its own"];
    bad("respond = true", "id_header = \"x-id\"", "trigger.announced.id_header", own);
    bad("burst = 20", "burst = 0", "trigger.announced.rate.burst", &["`0`"]);
}

fn with_verify(more: &str) -> Result<Verify, Problems> {
    let text = format!("{LEAST}[[trigger]]\nname = \"hook\"\nkind = \"webhook\"\ncomponent = \"sync\"\n{more}\n");
    let manifest = parse_toml(&text, "m")?;
    assert_eq!(parse_json(&to_json(&manifest)).unwrap(), manifest, "what is written is read back");
    let kept: Manifest = serde_json::from_value(serde_json::to_value(&manifest).unwrap()).unwrap();
    assert_eq!(kept, manifest, "what is kept is read back");
    match &manifest.triggers[0].kind {
        TriggerKind::Webhook(webhook) => Ok(webhook.verify.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_scheme_is_read_and_written() {
    for scheme in Verify::SCHEMES {
        let secret = if scheme == "token" { "" } else { ", secret = \"s\"" };
        let header = if scheme == "hmac" { ", header = \"X-Sig\"" } else { "" };
        let read = with_verify(&format!("verify = {{ scheme = \"{scheme}\"{secret}{header} }}")).unwrap();
        assert_eq!((read.scheme(), read.secret().is_some()), (scheme, scheme != "token"));
    }
    let full = r#"id_header = "X-Id"
        verify = { scheme = "hmac", secret = "s", header = "X-Sig", algorithm = "sha512", encoding = "base64", prefix = "v1=", signed = "{id}.{timestamp}.{body}", timestamp = { header = "X-At", tolerance = "10m", format = "unix-millis" } }"#;
    let Verify::Hmac { layout, .. } = with_verify(full).unwrap() else { panic!() };
    assert_eq!((layout.algorithm, layout.encoding), (Algorithm::Sha512, Encoding::Base64));
    assert_eq!((layout.header.as_str(), layout.prefix.as_str()), ("x-sig", "v1="));
    let time = layout.timestamp.unwrap();
    assert_eq!(
        (time.header.as_str(), time.tolerance, time.format),
        ("x-at", Duration::from_secs(600), TimeFormat::UnixMillis)
    );
}

#[test]
fn a_layout_that_does_not_fit_is_named() {
    #[track_caller]
    fn says(verify: &str, key: &str, text: &str) {
        let problems = with_verify(verify).unwrap_err().list;
        let key = format!("trigger.hook.{key}");
        let found = problems.iter().any(|problem| problem.key == key && problem.text.contains(text));
        assert!(found, "{key}: … {text}: {problems:#?}");
    }
    let hmac = |more: &str| format!("verify = {{ scheme = \"hmac\", secret = \"s\", header = \"x-sig\", {more} }}");
    says("verify = { scheme = \"hmac\", secret = \"s\" }", "verify.header", "write `header = \"x-signature\"`");
    says("verify = { scheme = \"hmac\", header = \"x\" }", "verify.secret", "is missing");
    says("verify = { scheme = \"strpe\", secret = \"s\" }", "verify.scheme", "did you mean `stripe`?");
    says("verify = { scheme = \"slack\", secret = \"s\", header = \"x\" }", "verify.header", "only for `hmac`");
    says("verify = { scheme = \"token\", signed = \"{body}\" }", "verify.signed", "only for `hmac`");
    says(&hmac("algorithm = \"sha265\""), "verify.algorithm", "did you mean `sha256`?");
    says(&hmac("algorithm = \"md5\""), "verify.algorithm", "there are sha256, sha512, sha1");
    says(&hmac("encoding = \"base46\""), "verify.encoding", "did you mean `base64`?");
    says(&hmac("header2 = \"x\""), "verify.header2", "did you mean `header`?");
    says(&hmac("prefix = \"\""), "verify.prefix", "is empty");
    says(&hmac("signed = \"{boddy}\""), "verify.signed", "did you mean `{body}`?");
    says(&hmac("signed = \"{timestamp}.{body}\""), "verify.timestamp", "timestamp = { header = \"x-timestamp\" }");
    says(&hmac("timestamp = { header = \"x-at\" }"), "verify.timestamp", "is not signed, so it proves nothing");
    says(&hmac("signed = \"{id}.{body}\""), "id_header", "`signed` holds `{id}`");
    let timed = |time: &str| hmac(&format!("signed = \"{{timestamp}}.{{body}}\", timestamp = {{ {time} }}"));
    says(&timed("tolerance = \"5m\""), "verify.timestamp.header", "is missing");
    says(&timed("header = \"a b\""), "verify.timestamp.header", "not the name of a header");
    says(&timed("header = \"x\", tolerance = \"1d\""), "verify.timestamp.tolerance", "more than the most, 1h");
    says(&timed("header = \"x\", format = \"iso\""), "verify.timestamp.format", "there are unix, unix-millis, rfc3339");
    says("id_header = \"cookie\"", "id_header", "holds a credential");
    says("id_header = \"x\"\nverify = { scheme = \"shopify\", secret = \"s\" }", "id_header", "a header of its own");
}

#[test]
fn bad_schedules_are_named() {
    let line = "schedule = \"*/5 * * * *\"";
    let found = problems(&WHOLE.replace(line, "schedule = \"0 25 * * *\""));
    assert_eq!(found[0].text, "trigger `sweep`: schedule `0 25 * * *` has hour 25; hours are 0 to 23");
    assert_eq!((found[0].line, found[0].key.as_str()), (Some(51), "trigger.sweep.schedule"));
    bad(line, "schedule = \"0 0 30 2 *\"", "trigger.sweep.schedule", &["`0 0 30 2 *` never comes"]);
    let found = problems(&WHOLE.replace(line, ""));
    assert_eq!(found[0].text, "trigger `sweep`: schedule is missing: write `schedule = \"*/5 * * * *\"`");
    bad(
        "\"Europe/Berlin\"",
        "\"Europe/Berln\"",
        "trigger.sweep.timezone",
        &["`Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?"],
    );
    bad(
        "misfire = { all = 10 }",
        "misfire = \"all\"",
        "trigger.sweep.misfire",
        &["`all` is not known", "{ all = 10 }"],
    );
    bad("{ all = 10 }", "{ all = 36000 }", "trigger.sweep.misfire.all", &["is not from 1 to 1000"]);
    bad("{ all = 10 }", "{ all = 10, al = 3 }", "trigger.sweep.misfire.al", &["did you mean `all`?"]);
    bad("overlap = \"queue\"", "overlap = \"queu\"", "trigger.sweep.overlap", &["did you mean `queue`?"]);
    bad("every = \"90s\"", "every = \"100ms\"", "trigger.beat.every", &["less than the least, 1s"]);
    bad("misfire = \"skip\"", "schedule = \"* * * * *\"", "trigger.beat.schedule", &["is not a key here"]);
}

#[test]
fn a_schedule_has_defaults() {
    let text =
        format!("{LEAST}[[trigger]]\nname = \"a\"\nkind = \"cron\"\ncomponent = \"sync\"\nschedule = \"@daily\"\n");
    let manifest = parse_toml(&text, "m").unwrap();
    let cron =
        Cron { schedule: "@daily".into(), timezone: "UTC".into(), misfire: Misfire::Once, overlap: Overlap::Skip };
    assert_eq!(manifest.triggers[0].kind, TriggerKind::Cron(cron));
    let written = to_json(&manifest);
    let least = json!({ "name": "a", "kind": "cron", "component": "sync", "schedule": "@daily" });
    assert_eq!(written["trigger"][0], least);
    // As it is kept with a version.
    let kept = serde_json::to_string(&whole()).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&kept).unwrap(), whole());
}

#[test]
fn unknown_keys_are_named_with_a_suggestion() {
    bad("respond = true", "repsond = true", "trigger.announced.repsond", &["did you mean `respond`?"]);
    bad("memory = \"64MiB\"", "memroy = \"64MiB\"", "component.sync.limits.memroy", &["did you mean `memory`?"]);
    bad("description = ", "colour = ", "integration.colour", &["there are name, description"]);
    let known = "there are http, kv, config, events, sql, messaging, blob, email, deny";
    bad("config = [", "x = [", "component.sync.grants.x", &[known]);
}

/// What is granted on connections and heard from them: read, written in the form it is read in, and complained of.
#[test]
fn connections_of_every_kind_are_granted_and_listened_to() {
    let text = format!(
        "{LEAST}{}",
        r#"
[connections]
far = { kind = "any-kind" }
[[trigger]]
name = "heard"
kind = "far-away"
component = "sync"
connection = "far"
topics = ["a", "b"]
deep = { er = 1 }
[component.sync.grants]
sql = [{ connection = "far", verbs = ["select", "insert"], tables = ["orders", "billing.*"], in_doubt = "retry" },
       { connection = "far", verbs = ["select"], tables = [], functions = ["mine"] }]
messaging = [{ connection = "far", actions = ["publish", "request"], topics = ["orders.*"] }]
blob = [{ connection = "far", prefix = "in/", access = "read" }, { connection = "far", prefix = "" }]
email = [{ connection = "far", recipients = ["@example.com", "ops@other.org"], senders = ["me@example.com"] }]
"#
    );
    let manifest = parse_toml(&text, "m").unwrap();
    let TriggerKind::Source(source) = &manifest.triggers[0].kind else { panic!("{:?}", manifest.triggers) };
    assert_eq!((source.on.as_str(), source.connection.as_str()), ("far-away", "far"));
    assert_eq!(json!(source.settings), json!({ "topics": ["a", "b"], "deep": { "er": 1 } }));
    let grants = &manifest.components.values().next().unwrap().grants;
    assert!(!grants.blob[0].write && grants.blob[1].write && grants.sql[0].retry_in_doubt);
    assert_eq!(parse_json(&to_json(&manifest)).unwrap(), manifest);
    let kept = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&kept).unwrap(), manifest);
    for (from, to, told) in [
        ("verbs = [\"select\", \"insert\"]", "verbs = [\"drop\"]", "drop"),
        ("tables = [], functions = [\"mine\"]", "tables = []", "tables"),
        ("actions = [\"publish\", \"request\"]", "actions = []", "actions"),
        ("\"@example.com\", ", "\"example.com\", ", "nobody to write to"),
        ("connection = \"far\"\ntopics", "connection = \"fra\"\ntopics", "did you mean `far`"),
    ] {
        assert!(text.contains(from), "{from}");
        let found = problems(&text.replacen(from, to, 1));
        assert!(found.iter().any(|problem| problem.text.contains(told)), "{told}: {found:?}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let all = problems("");
    let keys: Vec<&str> = all.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["manifest_version", "integration", "component"]);
    assert!(all[0].text.contains("write `manifest_version = 1`"));
    assert_eq!(problems(&LEAST.replace("source = \"a.wasm\"\n", ""))[0].key, "component.sync.source");
    assert_eq!(problems(&LEAST.replace("source = \"a.wasm\"\n", ""))[0].line, Some(4));
    let none = problems("manifest_version = 1\n[integration]\nname = \"a\"\n[component]\n");
    assert!(none[0].text.contains("at least one"), "{none:?}");
}

#[test]
fn denied_and_granted_is_a_problem() {
    let text = format!("{LEAST}[component.sync.grants]\nconfig = [\"a\"]\ndeny = [\"config\", \"ftp\"]\n");
    let found = problems(&text);
    assert!(found[0].text.contains("`config` is granted as well"), "{found:?}");
    assert!(found[1].text.contains("`ftp` is not a capability"), "{found:?}");
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_lines() {
    let text = WHOLE
        .replace("component = \"sync\"\nverify", "component = \"sink\"\nverify")
        .replace("64MiB", "64MB")
        .replace("seen/", &"k".repeat(600))
        .replace("watch", "wacth");
    let found = problems(&text);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found.is_sorted_by_key(|problem| problem.line));
}

#[test]
fn problems_are_shown_with_file_and_line() {
    let error = parse_toml(&WHOLE.replace("64MiB", "4GiB"), "jackfield.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "jackfield.toml:26  component `sync`: limits.memory `4GiB` is more than the most, 1GiB"
    );
    let two = parse_toml(
        &WHOLE.replace("connection = \"github\"", "connection = \"hub\"").replace("64MiB", "4GiB"),
        "m.toml",
    );
    let shown = two.unwrap_err().to_string();
    assert_eq!(
        shown,
        "m.toml:26  component `sync`: limits.memory `4GiB` is more than the most, 1GiB\n\
         m.toml:32  component `sync`: grants.http[1].connection `hub` is not declared\n    \
         Add it:\n      [connections]\n      hub = { kind = \"http\" }"
    );
}

#[test]
fn text_that_is_not_toml_is_told_with_its_line() {
    let found = problems("manifest_version = 1\n[integration\nname = \"a\"\n");
    assert_eq!(found[0].line, Some(2));
    assert!(found[0].text.starts_with("this is not TOML"), "{found:?}");
    let twice = problems(&format!("{LEAST}source = \"b.wasm\"\n"));
    assert_eq!(twice[0].line, Some(6), "{twice:?}");
    assert!(problems(&"a".repeat(2_000_000))[0].text.contains("too many"));
}

#[test]
fn json_is_read_the_same_way_without_lines() {
    let error =
        parse_json(&json!({ "manifest_version": 1, "integration": { "name": "A" }, "component": null })).unwrap_err();
    assert!(error.list.iter().all(|problem| problem.line.is_none()));
    let keys: Vec<&str> = error.list.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["integration.name", "component"]);
    assert!(parse_json(&json!([])).is_err());
}

/// Every table of the schema has exactly the keys that are read.
#[test]
fn the_schema_names_the_keys_that_are_read() {
    let schema: Value = serde_json::from_str(include_str!("../../../../docs/manifest.schema.json")).unwrap();
    let mut described = BTreeMap::new();
    described.insert("", &schema);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        if definition["type"] == "object" {
            described.insert(name, definition);
        }
    }
    let read = BTreeMap::from([
        ("", read::ROOT),
        ("integration", read::INTEGRATION),
        ("connection", read::CONNECTION),
        ("webhook", read::WEBHOOK),
        ("cron", read::CRON),
        ("interval", read::INTERVAL),
        ("event", read::EVENT),
        ("misfire_all", read::MISFIRE),
        ("manual", read::MANUAL),
        ("verify", read::VERIFY),
        ("timestamp", read::TIMESTAMP),
        ("rate", read::RATE),
        ("component", read::COMPONENT),
        ("limits", read::LIMITS),
        ("retry", super::retry::RETRY),
        ("retry_rule", super::retry::RULE),
        ("grants", super::grants::GRANTS),
        ("http", super::grants::HTTP),
        ("kv", super::grants::KV),
        ("sql", super::grants::SQL),
        ("messaging", super::grants::MESSAGING),
        ("blob", super::grants::BLOB),
        ("email", super::grants::EMAIL),
        ("build", read::BUILD),
    ]);
    assert_eq!(described.keys().collect::<Vec<_>>(), read.keys().collect::<Vec<_>>());
    for (name, keys) in read {
        let properties: Vec<&str> =
            described[name]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(properties, keys, "{name:?}");
        assert_eq!(described[name]["additionalProperties"], false, "{name:?}");
    }
}

/// The schema's defaults and bounds are those of the code.
#[test]
fn the_schema_says_the_numbers_that_hold() {
    let schema: Value = serde_json::from_str(include_str!("../../../../docs/manifest.schema.json")).unwrap();
    let at = |pointer: &str| schema.pointer(&format!("/$defs/{pointer}")).cloned().unwrap_or_default();
    let (usual, hard) = (Limits::default(), Limits::HARD);
    assert_eq!(at("limits/properties/calls/maximum"), hard.calls);
    assert_eq!(at("limits/properties/sql_rows/maximum"), hard.sql_rows);
    assert_eq!(at("limits/properties/sql_rows/default"), usual.sql_rows);
    assert_eq!(at("limits/properties/concurrency/maximum"), hard.concurrency);
    assert_eq!(at("limits/properties/in_flight/maximum"), hard.in_flight);
    assert_eq!(at("rate/properties/burst/default"), read::DEFAULT_BURST);
    assert_eq!(at("rate/properties/per_second/default"), read::DEFAULT_RATE_PER_SECOND);
    assert_eq!(at("cron/properties/timezone/default"), read::DEFAULT_ZONE);
    assert_eq!(at("misfire_all/properties/all/maximum"), read::MOST_MISSED);
    let sizes = [
        ("memory", usual.memory_bytes, hard.memory_bytes),
        ("event", usual.event_bytes, hard.event_bytes),
        ("output", usual.output_bytes, hard.output_bytes),
        ("http_body", usual.http_body_bytes, hard.http_body_bytes),
        ("message", usual.message_bytes, hard.message_bytes),
        ("email", usual.email_bytes, hard.email_bytes),
        ("blob", usual.blob_bytes, hard.blob_bytes),
        ("sql_bytes", usual.sql_bytes, hard.sql_bytes),
        ("log", usual.log_bytes, hard.log_bytes),
        ("journal", usual.journal_bytes, hard.journal_bytes),
    ];
    for (key, usual, hard) in sizes {
        assert_eq!(at(&format!("limits/properties/{key}/default")), units::show_size(usual), "{key}");
        let text = at(&format!("limits/properties/{key}/description"));
        assert!(text.as_str().unwrap().contains(&format!("at most {}", units::show_size(hard))), "{key}: {text}");
    }
}

fn toml_like() -> impl Strategy<Value = String> {
    let key = prop::sample::select(
        [
            read::ROOT,
            read::WEBHOOK,
            read::CRON,
            read::INTERVAL,
            read::EVENT,
            read::COMPONENT,
            read::LIMITS,
            super::grants::GRANTS,
            super::grants::HTTP,
            super::grants::SQL,
            super::grants::EMAIL,
            read::VERIFY,
        ]
        .concat(),
    );
    let value = prop::sample::select(vec![
        "1",
        "-1",
        "1.5",
        "true",
        "\"a\"",
        "\"64MiB\"",
        "\"webhook\"",
        "\"cron\"",
        "\"interval\"",
        "\"event\"",
        "[\"order.*\"]",
        "\"subject\"",
        "\"*/5 * * * *\"",
        "{ all = 3 }",
        "[]",
        "[1]",
        "{}",
        "{ kind = \"http\" }",
        "1979-05-27",
        "[{ connection = \"a\" }]",
        "99999999999999999999",
        "0xff",
        "inf",
        "\"\\u0000\"",
    ]);
    let header = prop::sample::select(vec![
        "[integration]",
        "[component.sync]",
        "[[trigger]]",
        "[connections]",
        "[component.sync.grants]",
    ]);
    let line = prop_oneof![(key, value).prop_map(|(k, v)| format!("{k} = {v}")), header.prop_map(String::from)];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}|[\\[\\]{}=\"'.a-c \n\\\\#0-9-]{0,200}") {
        let _ = parse_toml(&text, "m");
    }

    #[test]
    fn no_manifest_like_text_panics(text in toml_like()) {
        match parse_toml(&format!("manifest_version = 1\n{text}"), "m") {
            Ok(manifest) => prop_assert_eq!(parse_json(&to_json(&manifest)).unwrap(), manifest),
            Err(problems) => prop_assert!(!problems.list.is_empty()),
        }
    }

    #[test]
    fn a_manifest_with_any_piece_missing_does_not_panic(from in 0..WHOLE.len(), size in 1usize..60) {
        let mut text = WHOLE.to_owned();
        text.replace_range(from..(from + size).min(WHOLE.len()), "");
        if let Err(problems) = parse_toml(&text, "m") {
            prop_assert!(!problems.list.is_empty());
            prop_assert!(problems.list.iter().all(|problem| !problem.text.is_empty()));
        }
    }
}
