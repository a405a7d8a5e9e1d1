//! Plays the case of `tests/polyglot` that its event names: type `case.kv-values` is the case `kv-values`.

mod event;
mod failures;
mod http;
mod kv;
mod outward;
mod surroundings;

use jackfield::{Context, Error, Event, Output, Result, Value, json};

#[jackfield::handler]
async fn play(event: Event, cx: Context) -> Result<Option<Output>> {
    // What a case emits comes back here: to be heard is all there is to it.
    if event.event_type.starts_with("heard.") {
        return Ok(None);
    }
    let case = event.event_type.trim_start_matches("case.").to_owned();
    let answer = match case.as_str() {
        "http-methods" => http::methods(&cx)?,
        "http-url" => http::url(&cx, &event)?,
        "http-headers" => http::headers(&cx)?,
        "http-query" => http::query(&cx)?,
        "http-bodies" => http::bodies(&cx)?,
        "http-files" => http::files(&cx)?,
        "http-answers" => http::answers(&cx)?,
        "http-statuses" => http::statuses(&cx)?,
        "http-error-for-status" => http::error_for_status(&cx, &event)?,
        "http-redirects" => http::redirects(&cx)?,
        "http-timeout" => http::timeout(&cx, &event)?,
        "http-in-doubt" => http::in_doubt(&cx, &event)?,
        "http-unavailable" => http::unavailable(&cx, &event)?,
        "http-too-large" => http::too_large(&cx)?,
        "http-invalid" => http::invalid(&cx)?,
        "http-denied" => http::denied(&cx, &event)?,
        "http-unfit" => http::unfit(&cx)?,
        "http-once" => http::once(&cx)?,
        "kv-values" => kv::values(&cx)?,
        "kv-ttl" => kv::ttl(&cx)?,
        "kv-many" => kv::many(&cx)?,
        "kv-compare" => kv::compare(&cx)?,
        "kv-batch" => kv::batch(&cx)?,
        "kv-counters" => kv::counters(&cx)?,
        "kv-keys" => kv::keys(&cx)?,
        "kv-refused" => kv::refused(&cx)?,
        "kv-unfit" => kv::unfit(&cx)?,
        "sql" => outward::sql(&cx)?,
        "sql-changes" => outward::sql_changes(&cx)?,
        "sql-refused" => outward::sql_refused(&cx)?,
        "messaging" => outward::messaging(&cx)?,
        "messaging-refused" => outward::messaging_refused(&cx)?,
        "blob" => outward::blob(&cx)?,
        "blob-refused" => outward::blob_refused(&cx)?,
        "email" => outward::email(&cx)?,
        "email-refused" => outward::email_refused(&cx)?,
        "config" => surroundings::config(&cx)?,
        "config-missing" => surroundings::config_missing(&cx)?,
        "config-unfit" => surroundings::config_unfit(&cx)?,
        "events" => surroundings::events(&cx)?,
        "events-later" => surroundings::events_later(&cx)?,
        "events-refused" => surroundings::events_refused(&cx)?,
        "events-quota" => surroundings::events_quota(&cx)?,
        "log-levels" => surroundings::log_levels(),
        "log-own" => surroundings::log_own(),
        "log-print" => surroundings::log_print(),
        "log-limits" => surroundings::log_limits(),
        "run" => surroundings::run(&cx)?,
        "event" => event::attributes(&event),
        "event-data" => event::data(&event),
        "event-numbers" => event::numbers(&event)?,
        "output" => return event::output(&event),
        "rejected" | "final" | "retried" | "retried-later" | "cause" | "uncaught" | "exit" => {
            failures::fail(&case, &cx)?
        }
        "never" => std::future::pending().await,
        "out-of-time" | "out-of-memory" | "over-budget" | "recursion" => failures::exceed(&case, &cx, &event)?,
        "cancelled" => failures::wait(&cx),
        "non-determinism" => failures::changes_its_mind(&cx)?,
        "unawaited" => failures::forgets(&cx),
        other => return Err(Error::rejected(format_args!("there is no case `{other}`"))),
    };
    Output::json(&answer).map(Some)
}

/// What went wrong, for an answer.
fn told<T>(result: Result<T>) -> Value {
    match result {
        Ok(_) => json!("done"),
        Err(error) => json!([error.name(), error.message()]),
    }
}

/// The event's data as a type.
fn arguments<T: serde::de::DeserializeOwned>(event: &Event) -> Result<T> {
    Ok(serde_json::from_slice(&event.data)?)
}
