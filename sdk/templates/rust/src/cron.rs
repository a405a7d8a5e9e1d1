//! Counts the times that it was woken.

use jackfield::{Context, Event, Output, Result, json, log};

#[derive(serde::Deserialize)]
struct Tick {
    /// The instant that this run is for, RFC 3339.
    scheduled: String,
}

#[jackfield::handler]
fn on_tick(event: Event<Tick>, cx: Context) -> Result<Output> {
    let count = cx.kv.increment("ticks", 1)?;
    log::info!(scheduled = event.data.scheduled; "tick {count}");
    Output::json(&json!({ "ticks": count }))
}
