//! Opens a GitHub issue for every new ServiceNow feature request.
//!
//! A webhook announces a request by its number. The handler reads the record, since an announcement may
//! be older than it; opens an issue, unless it did so before; and remembers which. Every five minutes a
//! sweep looks for requests that nobody announced.

use jackfield::{Context, Error, Event, Output, Result, json, log};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const TABLE: &str = "/api/now/table/u_feature_request";
const FIELDS: &str = "sys_id,number,short_description,description,opened_by.name,sys_created_on";
/// Up to where the sweeps have come: the creation time of the last record they saw.
const WATERMARK: &str = "sweep/watermark";
/// Records that a sweep asks for at once, unless the setting `sweep-page` says otherwise.
const PAGE: usize = 100;

/// What the Table API answers.
#[derive(Deserialize)]
struct Answer {
    result: Vec<FeatureRequest>,
}

#[derive(Deserialize)]
struct FeatureRequest {
    sys_id: String,
    number: String,
    short_description: String,
    description: String,
    #[serde(rename = "opened_by.name")]
    opened_by: String,
    sys_created_on: String,
}

/// What is remembered of an opened issue.
#[derive(Deserialize, Serialize)]
struct Issue {
    number: u64,
    html_url: String,
}

#[jackfield::handler]
fn on_event(event: Event<Value>, cx: Context) -> Result<Option<Output>> {
    match event.event_type.as_str() {
        "jackfield.cron" => sweep(&cx),
        _ => announced(event.data["number"].as_str().unwrap_or_default(), &cx),
    }
}

fn announced(number: &str, cx: &Context) -> Result<Option<Output>> {
    // The number becomes part of a query, where `^` begins a further condition.
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Error::rejected(format_args!("`{number}` is not the number of a feature request")));
    }
    // Announced and not there yet: its transaction may still be open, so a later attempt may find it.
    let request = read(cx, &format!("number={number}"), 1, 0)?
        .pop()
        .ok_or_else(|| Error::new(format_args!("{number} is not in ServiceNow")).named("not-there"))?;
    let (issue, created) = issue_of(cx, &request)?;
    let output = Output::json(&json!({ "issue": issue.number, "url": issue.html_url, "created": created }))?;
    Ok(Some(output.status(if created { 201 } else { 200 })))
}

/// Looks at every request created since the last sweep, page by page, oldest first.
fn sweep(cx: &Context) -> Result<Option<Output>> {
    let page = cx.config.json("sweep-page")?.unwrap_or(PAGE);
    let since = cx.kv.get::<String>(WATERMARK)?;
    let from = since.as_deref().unwrap_or("2000-01-01 00:00:00");
    // Times have whole seconds: those of the watermark's own second are looked at again.
    let query = format!("sys_created_on>={from}^ORDERBYsys_created_on^ORDERBYsys_id");
    let (mut swept, mut opened, mut last) = (0, 0, since.clone());
    loop {
        let requests = read(cx, &query, page, swept)?;
        let full = requests.len() == page;
        swept += requests.len();
        for request in requests {
            opened += usize::from(issue_of(cx, &request)?.1);
            last = Some(request.sys_created_on);
        }
        if !full {
            break;
        }
    }
    // After the issues: a sweep that fails begins where the one before ended.
    if last != since {
        cx.kv.set(WATERMARK, &last)?;
    }
    log::info!(swept, opened; "swept");
    Ok(Some(Output::json(&json!({ "swept": swept, "opened": opened }))?))
}

fn read(cx: &Context, query: &str, limit: usize, offset: usize) -> Result<Vec<FeatureRequest>> {
    let answer: Answer = cx
        .http
        .get("servicenow", TABLE)
        .query("sysparm_query", query)
        .query("sysparm_fields", FIELDS)
        .query("sysparm_limit", limit)
        .query("sysparm_offset", offset)
        .header("accept", "application/json")
        .send()?
        .error_for_status()?
        .json()?;
    Ok(answer.result)
}

/// The issue of a request, and whether it was opened just now.
fn issue_of(cx: &Context, request: &FeatureRequest) -> Result<(Issue, bool)> {
    let number = &request.number;
    let key = format!("seen/{number}");
    if let Some(issue) = cx.kv.get::<Issue>(&key)? {
        log::info!(issue = issue.number; "{number} has an issue already");
        return Ok((issue, false));
    }
    let issue = open(cx, request)?;
    cx.kv.set(&key, &issue)?;
    log::info!(issue = issue.number; "opened an issue for {number}");
    Ok((issue, true))
}

fn open(cx: &Context, request: &FeatureRequest) -> Result<Issue> {
    let repository = cx.config.require("repository")?;
    let FeatureRequest { sys_id, number, short_description, description, opened_by, .. } = request;
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
