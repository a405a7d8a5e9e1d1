//! Writes the orders of a Kafka topic into PostgreSQL: each order once and with all its lines, or not at all.
//!
//! An order that is wrong is rejected, by the name of the field and its value: it becomes a dead letter, and the others
//! go on.

use chrono::DateTime;
use jackfield::{Context, Error, Event, Output, Result, json, log, params};
use serde_json::Value;

/// A batch has at most 100 statements, and one of them is the order's own.
const MOST_LINES: usize = 99;
/// The most of one article in a line.
const MOST_PIECES: i64 = 1_000_000;

const INSERT_ORDER: &str = "insert into orders (id, customer, placed_at, currency, note, total, record) \
    values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing";
/// Only if the order came with the same record: a second order of a known id must not add lines to the first.
const INSERT_LINE: &str = "insert into order_lines (order_id, position, sku, quantity, price) \
    select id, $2, $3, $4, $5 from orders where id = $1 and record = $6 on conflict do nothing";

struct Order<'a> {
    id: &'a str,
    customer: &'a str,
    placed_at: &'a str,
    currency: &'a str,
    note: Option<&'a str>,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    sku: &'a str,
    quantity: i64,
    /// As it came, which the database reads exactly; and in hundredths, to add up.
    price: &'a str,
    cents: i128,
}

#[jackfield::handler]
fn on_order(event: Event<Value>, cx: Context) -> Result<Output> {
    let order = read(&event.data)?;
    let cents: i128 = order.lines.iter().map(|line| line.cents * i128::from(line.quantity)).sum();
    let total = format!("{}.{:02}", cents / 100, cents % 100);
    // Cluster, topic, partition and offset.
    let record = format!("{}/{}", event.source, event.id);
    let Order { id, customer, placed_at, currency, note, lines } = order;
    let mut batch = cx
        .sql
        .batch("warehouse")
        .execute(INSERT_ORDER, params![id, customer, placed_at, currency, note, &total, &record]);
    for (position, Line { sku, quantity, price, .. }) in (1_i64..).zip(&lines) {
        batch = batch.execute(INSERT_LINE, params![id, position, *sku, *quantity, *price, &record]);
    }
    let changes = batch.commit().map_err(|error| refused(id, error))?;
    let written = changes[0].rows == 1;
    if written {
        log::info!(lines = lines.len(), total = total.as_str(); "order {id} is written");
    } else {
        log::info!("order {id} is there already");
    }
    Output::json(&json!({ "order": id, "lines": lines.len(), "total": total, "written": written }))
}

/// What a table does not take (SQLSTATE classes 22 and 23) is the order's fault, and will be the next time. All else may
/// pass, or is ours to put right.
fn refused(id: &str, error: Error) -> Error {
    match error.code() {
        Some(code) if code.starts_with("22") || code.starts_with("23") => {
            Error::rejected(format_args!("the database does not take order {id}: {error}"))
        }
        _ => error,
    }
}

fn read(data: &Value) -> Result<Order<'_>> {
    let order = Order {
        id: text(data, "", "id")?,
        customer: text(data, "", "customer")?,
        placed_at: time(data)?,
        currency: currency(data)?,
        note: note(data)?,
        lines: lines(data)?,
    };
    Ok(order)
}

fn time(data: &Value) -> Result<&str> {
    let value = text(data, "", "placed_at")?;
    match DateTime::parse_from_rfc3339(value) {
        Ok(_) => Ok(value),
        Err(_) => Err(wrong("", "placed_at", &data["placed_at"], "a time such as \"2026-11-02T08:15:00Z\"")),
    }
}

fn currency(data: &Value) -> Result<&str> {
    let value = text(data, "", "currency")?;
    if value.len() == 3 && value.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(value);
    }
    Err(wrong("", "currency", &data["currency"], "three capital letters"))
}

fn note(data: &Value) -> Result<Option<&str>> {
    match data.get("note") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(value) => Err(wrong("", "note", value, "a text or null")),
    }
}

fn lines(data: &Value) -> Result<Vec<Line<'_>>> {
    match field(data, "", "lines")? {
        Value::Array(all) if (1..=MOST_LINES).contains(&all.len()) => {
            all.iter().enumerate().map(|(index, line)| read_line(line, &format!("lines[{index}]."))).collect()
        }
        value => Err(wrong("", "lines", value, &format!("a list of 1 to {MOST_LINES} lines"))),
    }
}

fn read_line<'a>(line: &'a Value, place: &str) -> Result<Line<'a>> {
    let sku = text(line, place, "sku")?;
    let value = field(line, place, "quantity")?;
    let quantity = value.as_i64().filter(|quantity| (1..=MOST_PIECES).contains(quantity));
    let whole = format!("a whole number from 1 to {MOST_PIECES}");
    let quantity = quantity.ok_or_else(|| wrong(place, "quantity", value, &whole))?;
    let value = field(line, place, "price")?;
    let price = value.as_str().and_then(|price| Some((price, cents(price)?)));
    let (price, cents) = price.ok_or_else(|| wrong(place, "price", value, "a decimal in text such as \"9.95\""))?;
    Ok(Line { sku, quantity, price, cents })
}

/// `9.95` in hundredths: up to nine digits, and perhaps a dot and one or two more.
fn cents(price: &str) -> Option<i128> {
    let (whole, part) = price.split_once('.').map_or((price, None), |(whole, part)| (whole, Some(part)));
    let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 9) || part.is_some_and(|part| !digits(part, 2)) {
        return None;
    }
    format!("{whole}{:0<2}", part.unwrap_or_default()).parse().ok()
}

fn text<'a>(data: &'a Value, place: &str, name: &str) -> Result<&'a str> {
    match field(data, place, name)? {
        Value::String(value) if !value.is_empty() => Ok(value),
        value => Err(wrong(place, name, value, "a text that is not empty")),
    }
}

fn field<'a>(data: &'a Value, place: &str, name: &str) -> Result<&'a Value> {
    data.get(name).ok_or_else(|| Error::rejected(format_args!("`{place}{name}` is missing")))
}

/// Names the field and what is there, as JSON and not more than a line of it.
fn wrong(place: &str, name: &str, value: &Value, wanted: &str) -> Error {
    let mut shown = value.to_string();
    if let Some((end, _)) = shown.char_indices().nth(80) {
        shown.truncate(end);
        shown.push('…');
    }
    Error::rejected(format_args!("`{place}{name}` is {shown}, not {wanted}"))
}
