//! GitHub's REST API for issues: bearer tokens, checked payloads, pages.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};

use super::record::Record;
use super::server::{Answer, Api};

/// The repositories one token may use.
#[derive(Debug, Default)]
pub struct GitHub {
    token: String,
    repositories: Vec<String>,
    issues: Mutex<BTreeMap<String, Vec<Value>>>,
}

const DOCS: &str = "https://docs.github.com/rest/issues/issues";

fn refusal(status: u16, message: &str) -> Answer {
    let value = json!({ "message": message, "documentation_url": DOCS, "status": status.to_string() });
    Answer::json(status, &value)
}

fn invalid(field: &str, code: &str) -> Answer {
    let errors = json!([{ "resource": "Issue", "field": field, "code": code }]);
    let value = json!({ "message": "Validation Failed", "errors": errors, "documentation_url": DOCS, "status": "422" });
    Answer::json(422, &value)
}

impl GitHub {
    /// Repositories such as `acme/app`, all empty.
    #[must_use]
    pub fn new(token: impl Into<String>, repositories: impl IntoIterator<Item = String>) -> Self {
        Self { token: token.into(), repositories: repositories.into_iter().collect(), issues: Mutex::default() }
    }

    fn issues(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Value>>> {
        self.issues.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn open(&self, request: &Record, repository: &str, base: &str) -> Answer {
        let Ok(given) = serde_json::from_str::<Value>(&request.body) else {
            return refusal(400, "Problems parsing JSON");
        };
        let Some(given) = given.as_object() else { return refusal(400, "Body should be a JSON object") };
        match given.get("title") {
            None | Some(Value::Null) => return invalid("title", "missing_field"),
            Some(Value::String(title)) if title.trim().is_empty() => return invalid("title", "missing_field"),
            Some(Value::String(title)) if title.chars().count() > 256 => return invalid("title", "too_long"),
            Some(Value::String(_)) => {}
            Some(_) => return invalid("title", "invalid"),
        }
        if given.get("body").is_some_and(|body| !body.is_string() && !body.is_null()) {
            return invalid("body", "invalid");
        }
        let labels = match given.get("labels") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => names.clone(),
            Some(_) => return invalid("labels", "invalid"),
        };
        let mut issues = self.issues();
        let list = issues.entry(repository.to_owned()).or_default();
        let number = list.len() + 1;
        let url = format!("{base}/repos/{repository}/issues/{number}");
        let issue = json!({
            "id": 1_000_000_000 + number,
            "number": number,
            "url": url,
            "html_url": format!("{base}/{repository}/issues/{number}"),
            "state": "open",
            "title": given["title"],
            "body": given.get("body"),
            "user": { "login": "acme-bot", "type": "Bot" },
            "labels": labels.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
            "comments": 0,
        });
        list.push(issue.clone());
        Answer::json(201, &issue).header("location", url)
    }

    fn list(&self, request: &Record, repository: &str, base: &str) -> Answer {
        let number = |name: &str, default: usize| {
            request.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default).max(1)
        };
        let (size, page) = (number("per_page", 30).min(100), number("page", 1));
        let issues = self.issues();
        let all = issues.get(repository).map_or(&[][..], Vec::as_slice);
        let shown: Vec<_> = all.iter().rev().skip((page - 1) * size).take(size).collect();
        let answer = Answer::json(200, &json!(shown));
        if page * size < all.len() {
            let link = |page: usize, rel: &str| {
                format!(r#"<{base}/repos/{repository}/issues?per_page={size}&page={page}>; rel="{rel}""#)
            };
            let last = all.len().div_ceil(size);
            return answer.header("link", format!("{}, {}", link(page + 1, "next"), link(last, "last")));
        }
        answer
    }
}

impl Api for GitHub {
    fn answer(&self, request: &Record, base: &str) -> Answer {
        if request.header("user-agent").is_none_or(str::is_empty) {
            return refusal(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
            );
        }
        let given = request.header("authorization").and_then(|value| value.split_once(' '));
        let known = given.is_some_and(|(scheme, token)| {
            (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")) && token == self.token
        });
        if !known {
            return refusal(401, "Bad credentials");
        }
        if (request.method.as_str(), request.path.as_str()) == ("GET", "/user") {
            return Answer::json(200, &json!({ "login": "acme-bot", "type": "Bot" }));
        }
        let parts: Vec<_> = request.path.split('/').collect();
        let ["", "repos", owner, name, "issues", rest @ ..] = parts.as_slice() else {
            return refusal(404, "Not Found");
        };
        let repository = format!("{owner}/{name}");
        if !self.repositories.contains(&repository) {
            return refusal(404, "Not Found");
        }
        match (request.method.as_str(), rest) {
            ("POST", []) => self.open(request, &repository, base),
            ("GET", []) => self.list(request, &repository, base),
            ("GET", [number]) => {
                let at = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                let issues = self.issues();
                match at.and_then(|at| issues.get(&repository)?.get(at)) {
                    Some(issue) => Answer::json(200, issue),
                    None => refusal(404, "Not Found"),
                }
            }
            _ => refusal(404, "Not Found"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn request(method: &str, path: &str, body: &str) -> Record {
        Record {
            number: 1,
            method: method.into(),
            path: path.into(),
            query: vec![],
            headers: BTreeMap::from([
                ("user-agent".into(), "test".into()),
                ("authorization".into(), "Bearer t".into()),
            ]),
            body: body.into(),
            sha256: String::new(),
            status: None,
            done: false,
        }
    }

    fn ask(github: &GitHub, method: &str, path: &str, body: &str) -> (u16, Value) {
        let answer = github.answer(&request(method, path, body), "http://here");
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    fn github() -> GitHub {
        GitHub::new("t", ["a/b".to_owned()])
    }

    #[test]
    fn an_issue_is_opened_and_found() {
        let github = github();
        let (status, issue) = ask(&github, "POST", "/repos/a/b/issues", r#"{"title":"x","labels":["l"]}"#);
        assert_eq!(
            (status, &issue["number"], &issue["html_url"]),
            (201, &json!(1), &json!("http://here/a/b/issues/1"))
        );
        assert_eq!(ask(&github, "GET", "/repos/a/b/issues/1", "").1["title"], "x");
        assert_eq!(ask(&github, "GET", "/repos/a/b/issues", "").1.as_array().unwrap().len(), 1);
    }

    #[test]
    fn payloads_are_checked() {
        let github = github();
        let post = |body: &str| ask(&github, "POST", "/repos/a/b/issues", body).0;
        assert_eq!(post("{"), 400);
        assert_eq!(post("[]"), 400);
        for bad in [
            r#"{}"#,
            r#"{"title":" "}"#,
            r#"{"title":1}"#,
            r#"{"title":"x","labels":"l"}"#,
            r#"{"title":"x","body":1}"#,
        ] {
            assert_eq!(post(bad), 422, "{bad}");
        }
        assert_eq!(ask(&github, "GET", "/repos/a/b/issues", "").1, json!([]));
    }

    #[test]
    fn credentials_and_names_are_checked() {
        let github = github();
        let mut stranger = request("GET", "/user", "");
        stranger.headers.insert("authorization".into(), "Bearer other".into());
        assert_eq!(github.answer(&stranger, "").status, 401);
        stranger.headers.remove("user-agent");
        assert_eq!(github.answer(&stranger, "").status, 403);
        assert_eq!(ask(&github, "POST", "/repos/a/c/issues", r#"{"title":"x"}"#).0, 404);
    }

    #[test]
    fn pages_name_each_other() {
        let github = github();
        for n in 0..3 {
            assert_eq!(
                ask(&github, "POST", "/repos/a/b/issues", &json!({ "title": n.to_string() }).to_string()).0,
                201
            );
        }
        let mut page = request("GET", "/repos/a/b/issues", "");
        page.query = vec![("per_page".into(), "2".into())];
        let answer = github.answer(&page, "http://here");
        assert!(answer.headers[0].1.contains("page=2>; rel=\"next\""), "{:?}", answer.headers);
    }
}
