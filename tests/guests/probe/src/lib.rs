//! A guest that does what its event says: the fixture of the tests.
//!
//! The event's data is a step, `{"do": "echo"}`, or a list of steps. The output is the list of what
//! each step answered.

mod canary;
mod steps;

use jackfield::{Context, Event, Output, Result, Value};

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Steps {
    Many(Vec<steps::Step>),
    One(Box<steps::Step>),
}

#[jackfield::handler]
fn on_event(event: Event<Steps>, cx: Context) -> Result<Option<Output>> {
    let Event { data, id, source, event_type, subject, content_type, meta, .. } = event;
    let about = jackfield::json!({
        "id": id, "source": source, "type": event_type, "subject": subject, "content_type": content_type, "meta": meta.0,
    });
    let steps = match data {
        Steps::Many(steps) => steps,
        Steps::One(step) => vec![*step],
    };
    let mut answers: Vec<Value> = Vec::new();
    for step in steps {
        match step.take(&cx, &about)? {
            steps::Answer::Value(value) => answers.push(value),
            steps::Answer::Output(output) => return Ok(Some(output)),
        }
    }
    Ok(Some(Output::json(&answers)?))
}
