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
    let reservation = number("reservation", post("stock", "/reservations", json!({ "order": order }))?)?;
    let charge = number("charge", post("bank", "/charges", json!({ "reservation": reservation }))?)?;
    let parcel = number("parcel", post("parcels", "/parcels", json!({ "order": order, "charge": charge }))?)?;
    Output::json(&json!({ "reservation": reservation, "charge": charge, "parcel": parcel }))
}

/// The number that the other side gave.
fn number(what: &str, response: Response) -> Result<String> {
    let (status, success) = (response.status, response.is_success());
    if status >= 500 {
        return Err(Error::new(format_args!("{what}: {status}")));
    }
    // The bug of this handler: it takes for granted that a refusal says why, in JSON.
    let answer: Value = response.json().expect("an answer is JSON");
    if !success {
        return Err(Error::new(format_args!("{what}: {}", answer["why"].as_str().expect("a refusal says why"))));
    }
    let number = answer["number"].as_str().unwrap_or_default().to_owned();
    log::info!("{what} {number}");
    Ok(number)
}
