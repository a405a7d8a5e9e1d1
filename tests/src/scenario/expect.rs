//! What must follow a step, as it is written; what is absent may be anything.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// See the module. What is of one run is of the run that the step started; the rest is of the whole scenario so far.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The run's final state.
    pub state: Option<String>,
    /// How many attempts it took.
    pub attempts: Option<u64>,
    /// How the last attempt ended.
    pub outcome: Option<String>,
    /// Part of the run's reason.
    pub reason_contains: Option<String>,
    /// The output.
    pub output: Option<ExpectedOutput>,
    /// The step whose run this is.
    pub same_run_as: Option<String>,
    /// The calls that arrive at stub servers, all of them, in the order of each system.
    pub calls: Option<Vec<ExpectedCall>>,
    /// So many runs succeeded, and none is under way.
    pub succeeded: Option<u64>,
    /// The dead letters; with `succeeded` and without this, there are none.
    pub dead: Option<Dead>,
    /// What databases answer.
    #[serde(default)]
    pub sql: Vec<ExpectedRows>,
    /// What topics hold.
    #[serde(default)]
    pub topic: Vec<ExpectedRecords>,
    /// The mails that this step brings, and no others; a list, or a file of JSON with it.
    pub mail: Option<Listed<ExpectedMail>>,
    /// What FHIR servers hold.
    #[serde(default)]
    pub fhir: Vec<ExpectedResource>,
    /// The names in folders and buckets.
    #[serde(default)]
    pub objects: Vec<ExpectedObjects>,
}

impl Expect {
    /// A key that is about one run, if there is any.
    pub(super) fn of_one_run(&self) -> Option<&'static str> {
        let keys = [
            (self.state.is_some(), "state"),
            (self.attempts.is_some(), "attempts"),
            (self.outcome.is_some(), "outcome"),
            (self.reason_contains.is_some(), "reason_contains"),
            (self.output.is_some(), "output"),
            (self.same_run_as.is_some(), "same_run_as"),
        ];
        keys.into_iter().find_map(|(there, key)| there.then_some(key))
    }
}

/// A list, or a file of JSON beside the scenario that holds it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Listed<T> {
    /// The file.
    File(String),
    /// The list.
    These(Vec<T>),
}

/// An output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedOutput {
    /// Its status.
    pub status: Option<u16>,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its body.
    pub json: Value,
}

/// A call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCall {
    /// The system.
    pub to: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The whole query.
    pub query: Option<BTreeMap<String, String>>,
    /// Headers that must be there, by their name in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub json: Option<Value>,
    /// What was answered.
    pub status: Option<u16>,
}

/// Dead letters.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Dead {
    /// So many.
    Count(u64),
    /// Exactly those that a CSV file has: `line,reason` or `subject,reason`. The line is that of the file that was sent, from
    /// 1; the subject is the event's, such as the name of a file. The run's reason has the reason in it.
    File(String),
}

/// What a database answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRows {
    /// The database.
    #[serde(rename = "in")]
    pub of: String,
    /// A file (`….sql`), or a statement.
    pub query: String,
    /// A file (`….csv`), or lines, columns parted by `|`.
    pub equals: String,
}

/// What a topic holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRecords {
    /// The broker.
    pub of: String,
    /// The topic, by its name in `topics`.
    pub topic: String,
    /// A file with a record a line; JSON is compared as JSON.
    pub equals: String,
    /// Whether in this order, partition after partition.
    #[serde(default)]
    pub ordered: bool,
    /// Where in a record (JSON) its key is, such as `/customer`; left out, any will do.
    pub key: Option<String>,
    /// Headers that each record has, and where in it (JSON) their values are.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// A mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedMail {
    /// All recipients, parted by `, `.
    pub to: String,
    /// The whole subject.
    pub subject: String,
    /// Parts of its text.
    #[serde(default)]
    pub text_contains: Vec<String>,
    /// Parts of its HTML, as it was sent.
    #[serde(default)]
    pub html_contains: Vec<String>,
    /// The files with it, all of them.
    pub attachments: Option<Vec<ExpectedAttachment>>,
}

/// A file with a mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAttachment {
    /// Its name.
    pub name: String,
    /// A file beside the scenario that it is, byte for byte.
    pub equals: Option<String>,
    /// The id that the HTML refers to it by.
    pub content_id: Option<String>,
}

/// What a FHIR server answers to a search or a read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedResource {
    /// The server, if there are several that have a `url`.
    pub of: Option<String>,
    /// What follows its `url` and a `/`, such as `Patient?identifier=…`.
    pub path: String,
    /// A part of what is answered: members of objects, and elements of lists in any order.
    pub json: Option<Value>,
    /// How many resources are found: the `total` of the bundle, otherwise its entries.
    pub count: Option<u64>,
    /// A file with a resource a line: of each there is one, of which it is a part, and no others.
    pub equals: Option<String>,
}

/// What is in a folder or a bucket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedObjects {
    /// The folder or the bucket.
    #[serde(rename = "in")]
    pub of: String,
    /// What the names begin with.
    #[serde(default)]
    pub prefix: String,
    /// The names; a list, or a file of JSON with it.
    pub equals: Listed<String>,
}
