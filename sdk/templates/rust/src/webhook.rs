//! Counts how often it has heard of an item.

use jackfield::{Context, Event, Output, Result, json, log};

#[derive(serde::Deserialize)]
struct Item {
    id: i64,
}

#[jackfield::handler]
fn on_item(event: Event<Item>, cx: Context) -> Result<Output> {
    let id = event.data.id;
    let times = cx.kv.increment(&format!("seen/{id}"), 1)?;
    log::info!(times; "item {id}");
    Output::json(&json!({ "id": id, "times": times }))
}
