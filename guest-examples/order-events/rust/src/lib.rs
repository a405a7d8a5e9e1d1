//! Takes orders, and counts those of each customer.

use jackfield::{Context, Draft, Event, Output, Result, json, log};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    number: String,
    customer: String,
}

#[jackfield::handler]
fn on_order(event: Event<Order>, cx: Context) -> Result<Output> {
    let order = event.data;
    if event.event_type == "order.taken" {
        let orders = cx.kv.increment(&format!("orders/{}", order.customer), 1)?;
        log::info!("order {} of {} is number {orders}", order.number, order.customer);
        return Output::json(&json!({ "customer": order.customer, "orders": orders }));
    }
    // An order that is sent twice is one event: its number is the id.
    let draft = Draft::new("order.taken").id(&order.number).subject(&order.customer).json(&order);
    Output::json(&json!({ "event": cx.events.emit(draft)? }))
}
