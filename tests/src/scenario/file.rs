//! The format of `scenario.toml`: the outside systems, what the environment gives, and the steps.
//!
//! `{name}` stands for the address of the stub server `name`, `{name.value}` for a value of the real server `name`, such
//! as `{ledger.port}`; in settings, secrets, the manifest and what is expected. Files that are sent stay as they are.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::expect::Expect;
use super::server::ServerData;
use crate::env;
use crate::stubs::Stub;
use crate::stubs::github::GitHub;
use crate::stubs::servicenow::ServiceNow;

/// See the module.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Where the file is, and what it names.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Where.
    pub environment: String,
    /// The integration's name, in every language the same.
    pub integration: String,
    /// Outside systems that are stub servers.
    #[serde(default)]
    pub stubs: BTreeMap<String, StubData>,
    /// Outside systems that are real servers. What is the scenario's own on it is fresh.
    #[serde(default)]
    pub servers: BTreeMap<String, ServerData>,
    /// Secrets of the environment.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Connections of the environment.
    #[serde(default)]
    pub connections: BTreeMap<String, Connection>,
    /// Settings of the integration.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
    /// What is otherwise in the manifest, by its dotted path, such as `trigger.0.topics`.
    #[serde(default)]
    pub manifest: BTreeMap<String, Value>,
    /// What happens, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// A stub server.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StubData {
    /// The Table API.
    ServiceNow(ServiceNow),
    /// Issues.
    GitHub {
        /// The token that is accepted.
        token: String,
        /// Repositories such as `acme/app`.
        repositories: Vec<String>,
    },
}

/// A connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Its connector.
    pub kind: String,
    /// Its settings.
    pub settings: Value,
}

/// Something that happens, and what must follow.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "StepFile")]
pub struct Step {
    /// For people.
    pub name: String,
    /// What happens.
    pub action: Action,
    /// The host is killed (`kill -9`) when so many runs of the scenario are over, and started again.
    pub kill_after: Option<u64>,
    /// What must follow.
    pub expect: Expect,
}

/// What happens in a step.
#[derive(Clone, Debug)]
pub enum Action {
    /// A signed webhook.
    Announce(Announcement),
    /// A schedule is fired by hand: the trigger's name.
    Fire(String),
    /// A run is started by hand, with this data.
    Start(Value),
    /// Files come into a folder or a bucket.
    Put(Put),
    /// Messages come to a broker.
    Send(Send),
    /// SQL is run in a database, by its superuser.
    Sql(Sql),
    /// A request of somebody else to a system outside.
    Request(Request),
}

/// A webhook.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// The trigger that hears it.
    pub trigger: String,
    /// The event's id.
    pub id: String,
    /// The event's data.
    pub data: String,
}

/// Files that come, complete and in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// The folder or the bucket.
    #[serde(rename = "in")]
    pub to: String,
    /// One file beside the scenario.
    pub file: Option<String>,
    /// Files beside the scenario, such as `["outbox/*.pdf", "outbox/*.json"]`: in this order, and then by name.
    #[serde(default)]
    pub files: Vec<String>,
    /// What it is called there; of several files the folder they come into. Left out: its own name.
    #[serde(rename = "as")]
    pub name: Option<String>,
}

/// Messages that are sent, in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The broker.
    pub to: String,
    /// The topic, by its name in `topics`.
    pub topic: String,
    /// One message for each line of a file.
    pub file: Option<String>,
    /// One message for each file.
    #[serde(default)]
    pub files: Vec<String>,
    /// Where in a message (JSON) its key is, such as `/customer`; a message without has none.
    pub key: Option<String>,
}

/// SQL.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// The database.
    #[serde(rename = "in")]
    pub to: String,
    /// A file beside the scenario.
    pub file: String,
}

/// A request, which must be answered with success.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The system: one that has a `url`.
    pub to: String,
    /// The method.
    pub method: String,
    /// What follows its `url`, such as `/Patient/1`.
    pub path: String,
    /// The body: a file beside the scenario.
    pub file: Option<String>,
    /// The media type of the body.
    #[serde(default = "json")]
    pub content_type: String,
}

fn json() -> String {
    "application/json".into()
}

/// A step as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFile {
    name: String,
    trigger: Option<String>,
    id: Option<String>,
    data: Option<String>,
    fire: Option<String>,
    start: Option<Value>,
    put: Option<Put>,
    send: Option<Send>,
    sql: Option<Sql>,
    request: Option<Request>,
    kill_after: Option<u64>,
    #[serde(default)]
    expect: Expect,
}

/// The keys of which a step has one.
const ACTIONS: &str = "`trigger` (with `id` and `data`), `fire`, `start`, `put`, `send`, `sql`, `request`";

impl TryFrom<StepFile> for Step {
    type Error = String;

    fn try_from(file: StepFile) -> Result<Self, String> {
        let StepFile { name, trigger, id, data, fire, start, put, send, sql, request, kill_after, expect } = file;
        let announced = match (trigger, id, data) {
            (None, None, None) => None,
            (Some(trigger), Some(id), Some(data)) => Some(Announcement { trigger, id, data }),
            _ => return Err(format!("step `{name}`: a webhook has a `trigger`, an `id` and `data`")),
        };
        let all = [
            announced.map(Action::Announce),
            fire.map(Action::Fire),
            start.map(Action::Start),
            put.map(Action::Put),
            send.map(Action::Send),
            sql.map(Action::Sql),
            request.map(Action::Request),
        ];
        let mut all = all.into_iter().flatten();
        let (Some(action), None) = (all.next(), all.next()) else {
            return Err(format!("step `{name}`: it needs one of {ACTIONS}, and not two"));
        };
        let one = matches!(action, Action::Announce(_) | Action::Fire(_) | Action::Start(_));
        if let Some(key) = expect.of_one_run().filter(|_| !one) {
            return Err(format!(
                "step `{name}`: `expect.{key}` is of one run; it goes with `trigger`, `fire`, `start`"
            ));
        }
        if kill_after.is_some() && expect.succeeded.is_none() {
            return Err(format!("step `{name}`: `kill_after` needs `expect.succeeded`: when all runs are over"));
        }
        if expect.dead.is_some() && expect.succeeded.is_none() {
            return Err(format!("step `{name}`: `expect.dead` needs `expect.succeeded`: when all runs are over"));
        }
        Ok(Self { name, action, kill_after, expect })
    }
}

impl Scenario {
    /// Reads one.
    ///
    /// # Panics
    ///
    /// It does not read; the message names the file and the key.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let read: Self = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        Self { folder: file.parent().unwrap_or(Path::new(".")).to_owned(), ..read }
    }

    /// That of an example, by the example's name.
    ///
    /// # Panics
    ///
    /// It has none, or it does not read.
    #[must_use]
    pub fn of(example: &str) -> Self {
        Self::read(&env::repository(&format!("guest-examples/{example}/scenario.toml")))
    }

    /// The text of a file beside it.
    ///
    /// # Panics
    ///
    /// There is none.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap_or_else(|e| panic!("{}: {e}", self.folder.join(name).display()))
    }

    /// What a file beside it holds.
    ///
    /// # Panics
    ///
    /// There is none.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let file = self.folder.join(name);
        std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    }

    /// The files beside it that a pattern is about, in order: `data/*.xml`; `*` stands for any part of the last name.
    ///
    /// # Panics
    ///
    /// There is none: a pattern that says nothing is a slip.
    #[must_use]
    pub fn matching(&self, pattern: &str) -> Vec<String> {
        let (folder, name) = pattern.rsplit_once('/').map_or(("", pattern), |(folder, name)| (folder, name));
        let entries = std::fs::read_dir(self.folder.join(folder));
        let names = entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<_> = names.filter(|found| fits(name, found)).collect();
        assert!(!found.is_empty(), "{}: there is no such file", self.folder.join(pattern).display());
        found.sort();
        found.into_iter().map(|name| Path::new(folder).join(name).display().to_string()).collect()
    }

    /// Starts one of its stub servers.
    ///
    /// # Errors
    ///
    /// The port is taken.
    ///
    /// # Panics
    ///
    /// It has none of that name.
    pub async fn stub(&self, name: &str, port: u16) -> io::Result<Stub> {
        match self.stubs.get(name).unwrap_or_else(|| panic!("the scenario has no stub `{name}`")) {
            StubData::ServiceNow(data) => Stub::start(port, data.clone()).await,
            StubData::GitHub { token, repositories } => {
                Stub::start(port, GitHub::new(token, repositories.clone())).await
            }
        }
    }
}

/// Whether a name is one that a pattern is about.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, rest)) => name.strip_prefix(begin).is_some_and(|name| {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| fits(rest, &name[at..]))
        }),
    }
}

/// The languages that an example is written in: its folders that hold a manifest.
///
/// # Panics
///
/// There is no such example.
#[must_use]
pub fn languages(example: &str) -> Vec<String> {
    let folder = env::repository("guest-examples").join(example);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let folders = entries.flatten().filter(|entry| entry.path().join("jackfield.toml").is_file());
    let mut found: Vec<_> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_reads() {
        let folder = env::repository("guest-examples");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path().join("scenario.toml");
            if file.is_file() {
                let scenario = Scenario::read(&file);
                assert!(!scenario.steps.is_empty(), "{}", file.display());
                read += 1;
            }
        }
        assert!(read > 0, "there is no scenario");
    }

    #[test]
    fn patterns_are_about_names() {
        for (pattern, name, expected) in [
            ("*.xml", "a.xml", true),
            ("*.xml", ".xml", true),
            ("*.xml", "a.xml.gz", false),
            ("LEDGER.*", "LEDGER.20261103", true),
            ("a*b*c", "aXbbYc", true),
            ("a*b*c", "acb", false),
            ("*", "Zoë", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    /// What is said of a scenario with these lines after its head.
    fn told(lines: &str) -> String {
        let text = format!("environment = \"dev\"\nintegration = \"x\"\n{lines}");
        toml::from_str::<Scenario>(&text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (lines, parts) in [
            ("[servers.a]\nkind = \"postgres\"\nsetp = []", vec!["setp", "line 3"]),
            ("[servers.a]\nkind = \"oracle\"", vec!["oracle", "postgres"]),
            ("[[step]]\nname = \"n\"\nput = { in = \"a\", fil = \"b\" }", vec!["fil", "line 5"]),
            ("[[step]]\nname = \"n\"", vec!["step `n`", "`put`"]),
            ("[[step]]\nname = \"n\"\nfire = \"a\"\nstart = {}", vec!["step `n`", "not two"]),
            ("[[step]]\nname = \"n\"\ntrigger = \"a\"", vec!["step `n`", "`id`"]),
            (
                "[[step]]\nname = \"n\"\nsql = { in = \"a\", file = \"b\" }\nexpect.state = \"succeeded\"",
                vec!["step `n`", "`expect.state`"],
            ),
            ("[[step]]\nname = \"n\"\nfire = \"a\"\nkill_after = 3", vec!["step `n`", "`expect.succeeded`"]),
        ] {
            let told = told(lines);
            for part in parts {
                assert!(told.contains(part), "`{part}` is not in\n{told}");
            }
        }
    }
}
