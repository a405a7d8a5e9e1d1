//! Opens a GitHub issue for every new ServiceNow feature request.
//!
//! A webhook announces the request by its number. The handler reads the record, since an announcement
//! may be older than it; opens an issue, unless it did so before; and remembers which.

use jackfield::{Context, Error, Event, Output, Result, json, log};
use serde::{Deserialize, Serialize};

/// What ServiceNow announces.
#[derive(Deserialize)]
struct Announcement {
    number: String,
}

/// What the Table API answers.
#[derive(Deserialize)]
struct Answer {
    result: Vec<FeatureRequest>,
}

#[derive(Deserialize)]
struct FeatureRequest {
    sys_id: String,
    short_description: String,
    description: String,
    opened_by: String,
}

/// What is remembered of an opened issue.
#[derive(Deserialize, Serialize)]
struct Issue {
    number: u64,
    html_url: String,
}

#[jackfield::handler]
fn on_request(event: Event<Announcement>, cx: Context) -> Result<Option<Output>> {
    let number = event.data.number;
    // The number becomes part of a query, where `^` begins a further condition.
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Error::rejected(format_args!("`{number}` is not the number of a feature request")));
    }
    let request = read(&cx, &number)?;

    let key = format!("seen/{number}");
    if let Some(issue) = cx.kv.get::<Issue>(&key)? {
        log::info!(issue = issue.number; "{number} has an issue already");
        return answer(&issue, false);
    }

    let issue = open(&cx, &number, &request)?;
    cx.kv.set(&key, &issue)?;
    log::info!(issue = issue.number; "opened an issue for {number}");
    answer(&issue, true)
}

fn read(cx: &Context, number: &str) -> Result<FeatureRequest> {
    let answer: Answer = cx
        .http
        .get("servicenow", "/api/now/table/u_feature_request")
        .query("sysparm_query", format_args!("number={number}"))
        .query("sysparm_fields", "sys_id,number,short_description,description,opened_by")
        .query("sysparm_display_value", "true")
        .query("sysparm_exclude_reference_link", "true")
        .query("sysparm_limit", 1)
        .header("accept", "application/json")
        .send()?
        .error_for_status()?
        .json()?;
    // Announced and not there yet: its transaction may still be open, so a later attempt may find it.
    answer
        .result
        .into_iter()
        .next()
        .ok_or_else(|| Error::new(format_args!("{number} is not in ServiceNow")).named("not-there"))
}

fn open(cx: &Context, number: &str, request: &FeatureRequest) -> Result<Issue> {
    let repository = cx.config.require("repository")?;
    let FeatureRequest { sys_id, short_description, description, opened_by } = request;
    cx.http
        .post("github", format!("/repos/{repository}/issues"))
        .header("accept", "application/vnd.github+json")
        .header("x-github-api-version", "2022-11-28")
        .json(&json!({
            "title": short_description,
            "body": format!("{description}\n\nRequested by {opened_by} in ServiceNow: {number} ({sys_id})"),
            "labels": ["feature-request"],
        }))
        .send()?
        .error_for_status()?
        .json()
}

fn answer(issue: &Issue, created: bool) -> Result<Option<Output>> {
    let output = Output::json(&json!({ "issue": issue.number, "url": issue.html_url, "created": created }))?;
    Ok(Some(output.status(if created { 201 } else { 200 })))
}
