//! Reserves, charges and sends what was ordered: three calls, each with the answer of the one before.

use jackfield::http::Response;
use jackfield::{Context, Error, Event, Output, Result, Value, json, log};

#[derive(serde::Deserialize)]
struct Order {
    order: String,
}

#[jackfield::handler]
fn on_order(event: Event<Order>, cx: Context) -> Result<Output> {
    let order = event.data.order;
    let post = |connection: &str, path: &str, body: Value| cx.http.post(connection, path).json(&body).send();
    let version = cx.run().version;
    let number = |what, answer| number(what, answer, version);
    let reservation = number("reservation", post("stock", "/reservations", json!({ "order": order }))?)?;
    let charge = number("charge", post("bank", "/charges", json!({ "reservation": reservation }))?)?;
    let parcel = number("parcel", post("parcels", "/parcels", json!({ "order": order, "charge": charge }))?)?;
    Output::json(&json!({ "reservation": reservation, "charge": charge, "parcel": parcel }))
}

/// The number that the other side gave.
fn number(what: &str, response: Response, version: u32) -> Result<String> {
    if !response.is_success() {
        return Err(Error::new(format_args!("{what}: {}", response.status)));
    }
    let answer: Value = response.json()?;
    // The bug of version 1: it takes for granted that every side calls it a number. Version 2 knows better.
    let name = if version > 1 && answer["number"].is_null() { "id" } else { "number" };
    let number = answer[name].as_str().expect("an answer has a number").to_owned();
    log::info!("{what} {number}");
    Ok(number)
}
