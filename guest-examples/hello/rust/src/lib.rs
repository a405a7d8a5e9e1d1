//! Says hello to whoever the event names.

use jackfield::{Event, Output, Result, json, log};

#[derive(serde::Deserialize)]
struct Visitor {
    name: String,
}

#[jackfield::handler]
fn greet(event: Event<Visitor>) -> Result<Output> {
    log::info!("greeting {}", event.data.name);
    Output::json(&json!({ "hello": event.data.name }))
}
