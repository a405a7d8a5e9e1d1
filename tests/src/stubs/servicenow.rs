//! ServiceNow's Table API, as far as integrations read it: basic credentials, encoded queries, pages.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::record::Record;
use super::server::{Answer, Api};

/// The instance: who may ask, and its tables.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServiceNow {
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The records of each table, in the order of their making.
    #[serde(default)]
    pub tables: BTreeMap<String, Vec<Map<String, Value>>>,
}

const MOST: usize = 10_000;

fn failure(status: u16, message: &str, detail: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "message": message, "detail": detail }, "status": "failure" }))
}

impl Api for ServiceNow {
    fn answer(&self, request: &Record, base: &str) -> Answer {
        if !self.knows(request) {
            return failure(401, "User Not Authenticated", "Required to provide Auth information")
                .header("www-authenticate", r#"BASIC realm="Service-now""#);
        }
        let Some(rest) = request.path.strip_prefix("/api/now/table/") else {
            return failure(400, "Requested URI does not represent any resource", &request.path);
        };
        if request.method != "GET" {
            return failure(405, "Method not supported", &request.method);
        }
        if request.header("accept").is_some_and(|accept| !accept.contains("json") && !accept.contains('*')) {
            return failure(406, "Not acceptable", "this stub speaks JSON");
        }
        match rest.split_once('/') {
            None => self.list(request, rest, base),
            Some((table, sys_id)) => self.one(request, table, sys_id),
        }
    }
}

impl ServiceNow {
    fn knows(&self, request: &Record) -> bool {
        let wanted = format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)));
        request.header("authorization") == Some(&wanted)
    }

    fn one(&self, request: &Record, table: &str, sys_id: &str) -> Answer {
        let Some(records) = self.tables.get(table) else { return no_table(table) };
        match records.iter().find(|record| record.get("sys_id").and_then(Value::as_str) == Some(sys_id)) {
            Some(record) => Answer::json(200, &json!({ "result": fields(record, request) })),
            None => failure(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval"),
        }
    }

    fn list(&self, request: &Record, table: &str, base: &str) -> Answer {
        let Some(records) = self.tables.get(table) else { return no_table(table) };
        let number = |name: &str, default: usize| match request.parameter(name) {
            None => Some(default),
            Some(text) => text.parse().ok(),
        };
        let (Some(limit), Some(offset)) = (number("sysparm_limit", MOST), number("sysparm_offset", 0)) else {
            return failure(400, "Invalid sysparm_limit or sysparm_offset", "a whole number is expected");
        };
        let found = match select(records, request.parameter("sysparm_query").unwrap_or_default()) {
            Ok(found) => found,
            Err(problem) => return failure(400, "Invalid query", &problem),
        };
        let page: Vec<_> = found.iter().skip(offset).take(limit).map(|record| fields(record, request)).collect();
        let answer = Answer::json(200, &json!({ "result": page })).header("x-total-count", found.len().to_string());
        match links(request, base, offset, limit, found.len()) {
            Some(links) => answer.header("link", links),
            None => answer,
        }
    }
}

fn no_table(table: &str) -> Answer {
    failure(400, &format!("Invalid table {table}"), "")
}

/// Only the fields that `sysparm_fields` names, if it names any.
fn fields(record: &Map<String, Value>, request: &Record) -> Map<String, Value> {
    match request.parameter("sysparm_fields") {
        None | Some("") => record.clone(),
        Some(names) => names
            .split(',')
            .filter_map(|name| record.get(name.trim()).map(|value| (name.trim().to_owned(), value.clone())))
            .collect(),
    }
}

/// An encoded query: conditions joined by `^`, in the operators that integrations mostly use.
fn select<'a>(records: &'a [Map<String, Value>], query: &str) -> Result<Vec<&'a Map<String, Value>>, String> {
    let text = |record: &Map<String, Value>, field: &str| match record.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let mut found: Vec<_> = records.iter().collect();
    let mut order = Vec::new();
    for condition in query.split('^').filter(|condition| !condition.is_empty()) {
        if let Some(field) = condition.strip_prefix("ORDERBYDESC") {
            order.push((field, true));
        } else if let Some(field) = condition.strip_prefix("ORDERBY") {
            order.push((field, false));
        } else if let Some((field, value)) = condition.split_once("STARTSWITH") {
            found.retain(|record| text(record, field).starts_with(value));
        } else if let Some((field, value)) = condition.split_once("LIKE") {
            found.retain(|record| text(record, field).contains(value));
        } else if let Some((field, value)) = condition.split_once("!=") {
            found.retain(|record| text(record, field) != value);
        } else if let Some((field, value)) = condition.split_once(">=") {
            found.retain(|record| text(record, field).as_str() >= value);
        } else if let Some((field, value)) = condition.split_once('=') {
            found.retain(|record| text(record, field) == value);
        } else {
            return Err(format!("`{condition}` is no condition that this stub knows"));
        }
    }
    // By the last field first: the sort is stable, so the first field decides.
    for (field, descending) in order.into_iter().rev() {
        found.sort_by(|a, b| {
            let ascending = text(a, field).cmp(&text(b, field));
            if descending { ascending.reverse() } else { ascending }
        });
    }
    Ok(found)
}

/// The `Link` header: first, previous, next and last page.
fn links(request: &Record, base: &str, offset: usize, limit: usize, total: usize) -> Option<String> {
    if limit == 0 || total <= limit {
        return None;
    }
    let last = (total - 1) / limit * limit;
    let pages = [
        Some((0, "first")),
        offset.checked_sub(limit).map(|at| (at, "prev")),
        (offset + limit < total).then_some((offset + limit, "next")),
        Some((last, "last")),
    ];
    let link = |(at, rel): (usize, &str)| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(request.query.iter().filter(|(name, _)| name != "sysparm_offset"));
        query.append_pair("sysparm_offset", &at.to_string());
        format!(r#"<{base}{}?{}>;rel="{rel}""#, request.path, query.finish())
    };
    Some(pages.into_iter().flatten().map(link).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> ServiceNow {
        let record = |n: u32| {
            Map::from_iter([("sys_id".into(), json!(format!("id{n}"))), ("number".into(), json!(format!("FR-{n}")))])
        };
        ServiceNow {
            user: "u".into(),
            password: "p".into(),
            tables: BTreeMap::from([("t".into(), (1..=5).map(record).collect())]),
        }
    }

    fn ask(path: &str, query: &[(&str, &str)]) -> Answer {
        let mut request = super::super::github::tests::request("GET", path, "");
        request.query = query.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        request.headers.insert("authorization".into(), format!("Basic {}", STANDARD.encode("u:p")));
        instance().answer(&request, "http://here")
    }

    fn numbers(answer: &Answer) -> Vec<String> {
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        let list = value["result"].as_array().unwrap().clone();
        list.iter().map(|record| record["number"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn strangers_are_turned_away() {
        let request = super::super::github::tests::request("GET", "/api/now/table/t", "");
        assert_eq!(instance().answer(&request, "").status, 401);
    }

    #[test]
    fn pages_name_each_other() {
        let answer = ask(
            "/api/now/table/t",
            &[("sysparm_limit", "2"), ("sysparm_offset", "2"), ("sysparm_query", "numberLIKEFR")],
        );
        assert_eq!(numbers(&answer), ["FR-3", "FR-4"]);
        let header = |name: &str| answer.headers.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(header("x-total-count"), "5");
        let next =
            r#"<http://here/api/now/table/t?sysparm_limit=2&sysparm_query=numberLIKEFR&sysparm_offset=4>;rel="next""#;
        assert!(header("link").contains(next), "{}", header("link"));
        assert!(header("link").contains(r#"sysparm_offset=0>;rel="prev""#), "{}", header("link"));
    }

    #[test]
    fn queries_select_and_order() {
        let query = |text: &str| numbers(&ask("/api/now/table/t", &[("sysparm_query", text)]));
        assert_eq!(query("number=FR-2"), ["FR-2"]);
        assert_eq!(query("number!=FR-2^ORDERBYDESCnumber").len(), 4);
        assert_eq!(query("ORDERBYDESCnumber")[0], "FR-5");
        assert_eq!(query("number>=FR-4^ORDERBYnone^ORDERBYDESCnumber"), ["FR-5", "FR-4"]);
        assert_eq!(ask("/api/now/table/t", &[("sysparm_query", "nonsense")]).status, 400);
    }

    #[test]
    fn what_is_not_there_is_told() {
        assert_eq!(ask("/api/now/table/t/id1", &[]).status, 200);
        assert_eq!(ask("/api/now/table/t/id9", &[]).status, 404);
        assert_eq!(ask("/api/now/table/none", &[]).status, 400);
    }
}
