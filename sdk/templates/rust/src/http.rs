//! Looks an item up in another system.

use jackfield::{Context, Error, Event, Output, Result, json, log};

#[derive(serde::Deserialize)]
struct Wanted {
    id: i64,
}

#[derive(serde::Deserialize)]
struct Item {
    id: i64,
    name: String,
}

#[jackfield::handler]
fn on_look_up(event: Event<Wanted>, cx: Context) -> Result<Output> {
    let id = event.data.id;
    let response = cx.http.get("api", format!("/items/{id}")).send()?;
    if response.status == 404 {
        return Err(Error::rejected(format!("there is no item {id}")));
    }
    let item: Item = response.error_for_status()?.json()?;
    log::info!("item {} is called {}", item.id, item.name);
    Output::json(&json!({ "name": item.name }))
}
