//! What comes in, and what goes out.

use jackfield::{Error, Event, Output, Result, Value, json};
use serde::Deserialize;

use crate::arguments;

pub fn attributes(event: &Event) -> Value {
    json!({
        "id": event.id,
        "source": event.source,
        "type": event.event_type,
        "subject": event.subject,
        "time": event.time,
        "content type": event.content_type,
        "schema": event.schema,
        "extensions": event.extensions.iter().collect::<Vec<_>>(),
        "method": event.meta.get("method"),
        "own header": event.meta.get("X-Own"),
        "data": event.data.text().unwrap_or("not text"),
    })
}

pub fn data(event: &Event) -> Value {
    json!({
        "length": event.data.len(),
        "sum": event.data.iter().map(|byte| u32::from(*byte)).sum::<u32>(),
        "text": event.data.text().ok(),
        "content type": event.content_type,
        "subject": event.subject,
    })
}

pub fn numbers(event: &Event) -> Result<Value> {
    arguments(event)
}

#[derive(Deserialize)]
struct Form {
    form: String,
}

pub fn output(event: &Event) -> Result<Option<Output>> {
    let Form { form } = arguments(event)?;
    Ok(match form.as_str() {
        "json" => Some(Output::json(&json!({ "text": "Zoë" }))?),
        "json with status and headers" => {
            let output = Output::json(&[1, 2])?.status(201);
            Some(output.header("x-one", "1").header("x-two", "a").header("x-two", "b"))
        }
        "text" => Some(Output::text("Zoë \u{2603}")),
        "bytes" => Some(Output::new("application/octet-stream", [0, 128, 255])),
        "empty" => Some(Output::empty(204)),
        "none" => None,
        other => return Err(Error::rejected(format_args!("there is no form `{other}`"))),
    })
}
