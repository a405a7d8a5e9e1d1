//! A form with files, as it arrived: `multipart/form-data`, read strictly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stubs::Record;

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What the file is called, if it is one.
    #[serde(default)]
    pub file: Option<String>,
    /// Its media type, if that is said.
    #[serde(default, rename = "type")]
    pub media_type: Option<String>,
    /// What it holds.
    pub text: String,
}

/// The fields of a form in order; none if the request's body is no such form.
pub(super) fn parts(request: &Record) -> Option<Vec<Part>> {
    let boundary = request.header("content-type")?.strip_prefix("multipart/form-data; boundary=")?;
    let inner = request.body.strip_prefix(&format!("--{boundary}\r\n"))?;
    let inner = inner.strip_suffix(&format!("\r\n--{boundary}--\r\n"))?;
    inner.split(&format!("\r\n--{boundary}\r\n")).map(part).collect()
}

fn part(text: &str) -> Option<Part> {
    let (head, text) = text.split_once("\r\n\r\n")?;
    let line = |line: &str| Some((line.split_once(": ")?.0.to_ascii_lowercase(), line.split_once(": ")?.1.to_owned()));
    let mut headers: BTreeMap<String, String> = head.split("\r\n").map(line).collect::<Option<_>>()?;
    let disposition = headers.remove("content-disposition")?;
    let media_type = headers.remove("content-type");
    let parameter = |name: &str| {
        let mut parameters = disposition.split("; ").filter_map(|parameter| parameter.split_once('='));
        parameters.find(|(known, _)| *known == name).map(|(_, value)| value.trim_matches('"').to_owned())
    };
    let known = headers.is_empty() && disposition.starts_with("form-data; ");
    known.then(|| {
        Some(Part { name: parameter("name")?, file: parameter("filename"), media_type, text: text.to_owned() })
    })?
}
