//! Settings, events, the log, the run.

use std::time::Duration;

use jackfield::{Context, Draft, Error, Result, Value, json, log};

use crate::told;

pub fn config(cx: &Context) -> Result<Value> {
    let config = &cx.config;
    Ok(json!({
        "greeting": config.get("greeting")?,
        "required": config.require("greeting")?,
        "unset": config.get("unset")?,
        "count": [json!(config.get("count")?), json!(config.json::<u32>("count")?)],
        "list": config.json::<Vec<String>>("list")?,
        "no list": config.json::<Vec<String>>("unset")?,
        "all": config.all()?.into_iter().map(|(name, value)| json!([name, value])).collect::<Value>(),
        "denied": told(config.get("password")),
    }))
}

pub fn config_missing(cx: &Context) -> Result<Value> {
    Ok(json!(cx.config.require("unset")?))
}

pub fn config_unfit(cx: &Context) -> Result<Value> {
    Ok(json!(cx.config.json::<u32>("greeting")?))
}

pub fn events(cx: &Context) -> Result<Value> {
    let full = Draft::new("heard.full")
        .id("order-7")
        .subject("orders/7")
        .schema("https://example.com/order.json")
        .extension("tenant", "acme")
        .extension("priority", "3")
        .json(&json!({ "text": "Zoë" }));
    let first = cx.events.emit(full)?;
    // The same id again: accepted, and ignored.
    let again = cx.events.emit(Draft::new("heard.full").id("order-7").json(&json!({ "other": true })))?;
    let many = cx.events.emit_all([
        Draft::new("heard.bytes").id("b").data([0, 255]).content_type("application/octet-stream"),
        Draft::new("heard.empty").id("e"),
        Draft::new("heard.json").id("j").content_type("application/vnd.acme+json").json(&[1]),
    ])?;
    let made = cx.events.emit(Draft::new("heard.made").json(&Value::Null))?;
    let none = cx.events.emit_all([])?;
    Ok(json!([first, again, many, !made.is_empty(), none]))
}

pub fn events_later(cx: &Context) -> Result<Value> {
    let soon = Draft::new("heard.soon").id("s").after(Duration::from_millis(300));
    let late = Draft::new("heard.late").id("l").after(Duration::from_secs(3600));
    Ok(json!(cx.events.emit_all([soon, late])?))
}

pub fn events_refused(cx: &Context) -> Result<Value> {
    let emit = |draft: Draft| told(cx.events.emit(draft));
    Ok(json!([
        emit(Draft::new("other.type")),
        emit(Draft::new("jackfield.cron")),
        emit(Draft::new("heard.x").extension("Bad-Name", "1")),
        emit(Draft::new("heard.x").data(vec![b'x'; 1 << 20])),
        told(cx.events.emit_all((0..101).map(|_| Draft::new("heard.x")))),
        emit(Draft::new("heard.x").after(Duration::from_secs(400 * 24 * 3600))),
    ]))
}

pub fn events_quota(cx: &Context) -> Result<Value> {
    let later = Duration::from_secs(3600);
    let all = (0..100).map(|number| Draft::new("heard.many").id(format!("many-{number}")).after(later));
    cx.events.emit_all(all).map(|ids| json!(ids.len()))
}

pub fn log_levels() -> Value {
    log::trace!("step by step");
    log::debug!(number = 7; "for whoever looks");
    log::info!(who = "Zoë", flag = true; "worth knowing \u{2603}");
    log::warn!("not as it should be");
    log::error!("failed\nin two lines");
    json!("written")
}

pub fn log_own() -> Value {
    ::log::trace!("own trace");
    ::log::debug!("own debug");
    ::log::info!("own info {}", 7);
    ::log::warn!("own warn");
    ::log::error!("own error");
    json!("written")
}

pub fn log_print() -> Value {
    println!("to standard output");
    eprintln!("to standard error");
    print!("without an end");
    json!("printed")
}

pub fn log_limits() -> Value {
    log::info!("{}", "x".repeat(70_000));
    for number in 0..10_050 {
        log::debug!("line {number}");
    }
    json!("written")
}

pub fn run(cx: &Context) -> Result<Value> {
    let run = cx.run();
    // The same key for every attempt: a call that differs from the recorded one would be told.
    cx.http.post("outside", "/keyed").header("x-key", &run.idempotency_key).send()?;
    if run.attempt == 1 {
        return Err(Error::new("the first attempt ends here"));
    }
    let left = cx.remaining();
    Ok(json!({
        "id": run.id,
        "attempt": run.attempt,
        "idempotency key": !run.idempotency_key.is_empty(),
        "trigger": run.trigger,
        "integration": run.integration,
        "environment": run.environment,
        "component": run.component,
        "version": run.version,
        "deadline": run.deadline,
        "traceparent": run.traceparent.map(|parent| parent.split('-').count()),
        "time is left": left > Duration::ZERO && left <= Duration::from_secs(20),
    }))
}
