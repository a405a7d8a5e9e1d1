//! What a manifest says of a poll, as checked.

use std::time::Duration;

use jackfield_core::clock::Timestamp;
use jackfield_core::grant::{Grants, below};
use jackfield_core::ids::ConnectionName;
use jackfield_core::ports::connector::SettingProblem;
use serde_json::{Map, Value};
use url::Url;

use crate::settings::Reader;

/// What a manifest would say of one.
pub(in crate::http) const EXAMPLE: &str = "kind = \"poll\"\nconnection = \"crm\"\nevery = \"1m\"\n\
    path = \"/contacts?changed_since={watermark}&sort=changed\"\nitems = \"/contacts\"\nid = \"/id\"\nwatermark = \"/changed\"\n\
    start = \"now\"";

const EVERY: Duration = Duration::from_secs(60);
const LONGEST_EVERY: Duration = Duration::from_secs(86_400);
/// What stands for the watermark in a path.
const WATERMARK: &str = "{watermark}";
/// Paths are checked below it before the connection is known.
const ANY_BASE: &str = "https://base.invalid";

/// See the module; whoever holds one need not check again.
#[derive(Clone, Debug)]
pub(in crate::http) struct Wanted {
    /// Path and query below the connection's base URL.
    path: String,
    pub(super) every: Duration,
    pub(super) accept: String,
    /// Where the list is in an answer.
    pub(super) items: Pointer,
    /// Where in an item.
    pub(super) id: Option<Pointer>,
    pub(super) watermark: Option<Pointer>,
    start: Option<String>,
    /// Where the next page is said to be in an answer.
    pub(super) next: Option<Pointer>,
}

/// A place in JSON. Source: RFC 6901.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    text: String,
    steps: Vec<String>,
}

impl Pointer {
    fn parse(text: &str) -> Option<Self> {
        let steps = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            None if text.is_empty() => Vec::new(),
            None => return None,
        };
        Some(Self { text: text.to_owned(), steps })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(String::as_str)
    }
}

fn pointer(reader: &mut Reader<'_>, key: &'static str) -> Option<Pointer> {
    let text = reader.text(key)?;
    let found = Pointer::parse(text);
    if found.is_none() {
        reader.problem(key, format!("`{text}` is no place in JSON such as `/data/items` (a JSON pointer)"));
    }
    found
}

impl Wanted {
    /// Reads the keys of a trigger beside name, kind, component and connection.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(in crate::http) fn read(map: &Map<String, Value>) -> Result<Self, Vec<SettingProblem>> {
        let mut reader = Reader::new(map);
        let path = reader.required("path", "`/contacts?changed_since={watermark}`").unwrap_or_default();
        if !path.is_empty()
            && let Err(problem) = check_path(path)
        {
            reader.problem("path", problem);
        }
        let every = reader.duration("every", EVERY, LONGEST_EVERY);
        let accept = reader.text("accept").unwrap_or("application/json");
        if accept.is_empty() || accept.bytes().any(|b| !(b' '..=b'~').contains(&b)) {
            reader.problem("accept", "is no media type such as `application/json`");
        }
        let items = pointer(&mut reader, "items");
        let id = pointer(&mut reader, "id");
        let watermark = pointer(&mut reader, "watermark");
        let next = pointer(&mut reader, "next");
        let start = reader.text("start").map(str::to_owned);
        let asked = path.contains(WATERMARK);
        if asked && watermark.is_none() && reader.value("watermark").is_none() {
            let problem =
                "is missing: where in an item is what `{watermark}` of `path` goes on from? For example `/changed`";
            reader.problem("watermark", problem);
        }
        match &start {
            None if asked => reader.problem(
                "start",
                "is missing: what stands for `{watermark}` at first; `now`, or for example `2026-01-01T00:00:00Z` or `0`",
            ),
            Some(_) if !asked => reader.problem("start", "is for a `path` with `{watermark}` in it"),
            Some(text) if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) => {
                reader.problem("start", "is no watermark such as `now`, `2026-01-01T00:00:00Z` or `0`");
            }
            _ => {}
        }
        let problems = reader.finish_alone();
        if !problems.is_empty() {
            return Err(problems);
        }
        let items = items.unwrap_or(Pointer { text: String::new(), steps: Vec::new() });
        Ok(Self { path: path.to_owned(), every, accept: accept.to_owned(), items, id, watermark, start, next })
    }

    /// Whether a watermark makes one answer differ from the next.
    pub(super) fn asks_from_a_watermark(&self) -> bool {
        self.path.contains(WATERMARK)
    }

    /// The watermark to begin with.
    pub(super) fn start(&self, now: Timestamp) -> Option<String> {
        self.start.as_ref().map(|start| if start == "now" { now.to_string() } else { start.clone() })
    }

    /// The path as written, without its query.
    pub(super) fn bare_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Where to ask.
    ///
    /// # Errors
    ///
    /// It leads out of `base`.
    pub(super) fn url(&self, base: &Url, watermark: Option<&str>) -> Result<Url, String> {
        let mark: String = url::form_urlencoded::byte_serialize(watermark.unwrap_or_default().as_bytes()).collect();
        // A plus is a space in queries only; `%20` is one everywhere.
        let path = self.path.replace(WATERMARK, &mark.replace('+', "%20"));
        let text = format!("{}{path}", base.as_str().trim_end_matches('/'));
        let url = Url::parse(&text).map_err(|e| format!("path: {e}"))?;
        below(base, &url).map(|_| url).ok_or_else(|| "the path leaves the connection's base URL".into())
    }

    /// Whether the component may read the path.
    ///
    /// # Errors
    ///
    /// It may not, with the line that would allow it.
    pub(in crate::http) fn check_reach(
        &self,
        connection: &ConnectionName,
        grants: &Grants,
    ) -> Result<(), SettingProblem> {
        let problem = |problem: String| SettingProblem { key: "path".into(), problem };
        // Below any base the path is the same, but for what the watermark makes of it.
        let base = Url::parse(ANY_BASE).map_err(|e| problem(e.to_string()))?;
        let url = self.url(&base, Some("0")).map_err(problem)?;
        let path = below(&base, &url).unwrap_or_default();
        if grants.http_by_connection(connection, "GET", &path).is_some() {
            return Ok(());
        }
        Err(problem(format!(
            "its component may not read `{path}`; grant that: http = [{{ connection = \"{connection}\", methods = [\"GET\"], \
             paths = [\"{path}\"] }}]"
        )))
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!(
            "`{path}` does not begin with `/`: it is a path and query below the connection's base URL"
        ));
    }
    // A parser that forgives these would check one URL and send another.
    if let Some(bad) = path.chars().find(|c| c.is_control() || matches!(c, '\\' | ' ' | '#')) {
        return Err(format!("holds {bad:?}, which must be percent-encoded"));
    }
    let bare = path.replace(WATERMARK, "");
    if bare.contains(['{', '}']) {
        return Err(format!("`{path}` has a brace that is not part of `{{watermark}}`"));
    }
    let base = Url::parse(ANY_BASE).map_err(|e| e.to_string())?;
    let joined = Url::parse(&format!("{ANY_BASE}{bare}")).map_err(|e| e.to_string())?;
    below(&base, &joined).map(|_| ()).ok_or_else(|| "leaves the connection's base URL".into())
}
