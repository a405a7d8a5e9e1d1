//! A case: what happens and what must follow, as its file says it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::outside::Rule;
use super::parts::Part;
use crate::env;

/// See the module.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name, that of its file.
    #[serde(skip)]
    pub name: String,
    /// What it shows, for the table: what a guest can do, or what becomes of a failure.
    pub about: String,
    /// The functions of the contract that it plays, such as `kv.get-many`. Those that leave a trace must leave it.
    #[serde(default)]
    pub covers: Vec<String>,
    /// Another guest than the language's own, by its example in `guest-examples`: its component takes the case's place.
    pub example: Option<String>,
    /// What is changed in the guest's manifest, by dotted path.
    #[serde(default)]
    pub manifest: BTreeMap<String, toml::Value>,
    /// Settings of the connection `outside`, besides its base URL.
    #[serde(default)]
    pub connection: BTreeMap<String, Value>,
    /// Settings of the integration.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
    /// How the outside answers. What no rule is about is answered with what was asked.
    #[serde(default)]
    pub outside: Vec<Rule>,
    /// What happens, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
    /// Languages that it is not played in.
    #[serde(default)]
    pub except: BTreeMap<String, NotPlayed>,
}

/// Why a case is not played in a language.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotPlayed {
    /// What does not work, and what does instead: a line of the table.
    pub reason: String,
}

/// An event, and what must follow.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is special, where a case has several steps.
    #[serde(default)]
    pub name: String,
    /// The event's type: the case to play, if it is not the file's own.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// Its data's media type.
    pub content_type: Option<String>,
    /// Its data as JSON.
    pub data: Option<Value>,
    /// Its data as text.
    pub text: Option<String>,
    /// Its data in base64.
    pub base64: Option<String>,
    /// Sent to the hook with these headers; otherwise the run is started by hand.
    pub hook: Option<BTreeMap<String, String>>,
    /// The calls that it makes, in order, and their answers, as a fixture of `jackfield test` has them. Then that is what
    /// plays it, and nobody is called; of what is expected there is the output alone.
    #[serde(default)]
    pub script: Vec<Value>,
    /// The run is cancelled once this was logged.
    pub cancel_after: Option<String>,
    /// What must follow; see [`Expect`].
    pub expect: toml::Table,
    /// Where a language does otherwise.
    #[serde(default)]
    pub except: BTreeMap<String, Otherwise>,
}

/// What follows in a language instead.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otherwise {
    /// What is different, and why: a line of the table.
    pub reason: String,
    /// What is expected instead, key by key. Without it the step is left out.
    pub expect: Option<toml::Table>,
}

/// What must follow. Of what is absent, the usual is expected: one attempt, that succeeds and calls nobody.
///
/// In texts, `<any>` stands for anything, `<null>` for JSON's null (TOML has none), `<run>` for the run's id, `<starts: x>` and `<has: x>` for what they say, and
/// `{outside}` for the outside's address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The run's state.
    pub state: String,
    /// How many attempts were made.
    pub attempts: usize,
    /// How those that did not succeed ended.
    pub outcome: Option<String>,
    /// The run's reason.
    pub reason: Option<String>,
    /// A line of the guest that the attempt names, in reason, stack or log: the one that ends in `place: <this>`. Empty where
    /// a language has none.
    pub at: Option<String>,
    /// Whether the attempt has a stack.
    pub stack: Option<String>,
    /// The least time between the first attempt's end and the second one's begin, in milliseconds.
    pub after_ms: Option<i64>,
    /// The output's data as JSON.
    pub output: Option<Value>,
    /// The output as the run shows it: status, media type, headers, data.
    pub whole_output: Option<Value>,
    /// The log: level, message, and attributes if they matter.
    pub log: Option<Vec<Value>>,
    /// Lines that the log has among others.
    pub log_has: Vec<Value>,
    /// The calls that arrived outside, all of them, in order. Otherwise they do not matter.
    pub calls: Option<Vec<ExpectedCall>>,
    /// What is stored afterwards, all of it: JSON, or `{ hex = "…" }` of what is none.
    pub kv: Option<BTreeMap<String, Value>>,
    /// The events that were heard, by their ids.
    pub events: Option<Vec<Value>>,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            state: "succeeded".into(),
            attempts: 1,
            outcome: None,
            reason: None,
            at: None,
            stack: None,
            after_ms: None,
            output: None,
            whole_output: None,
            log: None,
            log_has: Vec::new(),
            calls: None,
            kv: None,
            events: None,
        }
    }
}

/// A call that arrives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCall {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The whole query, decoded, in order.
    #[serde(default)]
    pub query: Vec<(String, String)>,
    /// Headers that must be there, names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as JSON.
    pub json: Option<Value>,
    /// The body as text; empty if it is not said.
    pub text: Option<String>,
    /// The body's SHA-256 in hex.
    pub sha256: Option<String>,
    /// The body as a form with files.
    pub parts: Option<Vec<Part>>,
    /// What was answered; null if nothing was.
    pub status: Option<u16>,
}

impl Case {
    /// Every case, by name.
    ///
    /// # Panics
    ///
    /// One does not read; the message says where.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let folder = env::repository("tests/polyglot");
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    /// Reads one.
    ///
    /// # Panics
    ///
    /// It does not read; the message says where.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut case: Self = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.clone_into(&mut case.name);
        for step in &case.steps {
            for language in step.except.keys().map(String::as_str).chain([""]) {
                // A mistake in what is expected is found before anything is played.
                drop(step.expect(language, &case.name));
            }
        }
        case
    }

    /// Whether its calls are answered by a script.
    #[must_use]
    pub fn is_scripted(&self) -> bool {
        self.steps.iter().any(|step| !step.script.is_empty())
    }

    /// What does not work in each language, and why: language and reason, in the file's order.
    #[must_use]
    pub fn exceptions(&self) -> Vec<(&str, &str)> {
        let whole = self.except.iter().map(|(language, not)| (language.as_str(), not.reason.as_str()));
        let steps = self.steps.iter().flat_map(|step| &step.except);
        let mut all: Vec<_> = whole.chain(steps.map(|(l, other)| (l.as_str(), other.reason.as_str()))).collect();
        all.dedup();
        all
    }
}

impl Step {
    /// What is expected in a language; none if the step is left out there.
    ///
    /// # Panics
    ///
    /// What is expected does not read.
    #[must_use]
    pub fn expect(&self, language: &str, case: &str) -> Option<Expect> {
        let mut expect = self.expect.clone();
        if let Some(otherwise) = self.except.get(language) {
            expect.extend(otherwise.expect.clone()?);
        }
        let read = toml::Value::Table(expect).try_into();
        Some(read.unwrap_or_else(|e| panic!("{case}: what step `{}` expects: {e}", self.name)))
    }
}
