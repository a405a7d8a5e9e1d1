//! Handlers that go wrong.

use std::fmt;
use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

use jackfield::{Context, Error, Event, Result, Value, json, log};
use serde::Deserialize;

use crate::arguments;

pub fn fail(case: &str, cx: &Context) -> Result<Value> {
    let first = cx.run().attempt == 1;
    match case {
        "rejected" => Err(Error::rejected("the order has no number")),
        "final" => Err(Error::new("there is no customer 7").named("no-such-customer").not_retryable()),
        "retried" => Err(Error::new("not today")),
        "retried-later" if first => Err(Error::new("not now").retry_after(Duration::from_millis(900))),
        "cause" => Ok(price()?),
        "uncaught" => Ok(json!(customer(None))),
        "exit" => std::process::exit(3),
        _ => Ok(json!(format!("the second attempt of `{case}`"))),
    }
}

/// An error with a source.
#[derive(Debug)]
struct DamagedList(MissingPrice);

#[derive(Debug)]
struct MissingPrice;

impl fmt::Display for DamagedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the price list is damaged")
    }
}

impl std::error::Error for DamagedList {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl fmt::Display for MissingPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("line 7 has no price")
    }
}

impl std::error::Error for MissingPrice {}

fn price() -> Result<Value> {
    Err(DamagedList(MissingPrice))? // place: cause
}

fn customer(found: Option<&str>) -> usize {
    found.expect("the customer is there").len() // place: uncaught
}

#[derive(Deserialize)]
struct How {
    how: String,
}

pub fn exceed(case: &str, cx: &Context, event: &Event) -> Result<Value> {
    let How { how } = arguments(event)?;
    match (case, how.as_str()) {
        ("out-of-time", "computing") => loop {
            black_box(cx);
        },
        ("out-of-time", _) => sleep(Duration::from_secs(60)),
        ("out-of-memory", _) => {
            let mut kept = Vec::new();
            loop {
                kept.push(black_box(vec![1u8; 1 << 20]));
            }
        }
        ("over-budget", "calls") => {
            for number in 0..30 {
                cx.kv.set(&format!("key-{number}"), &number)?;
            }
        }
        ("over-budget", _) => return Ok(json!("x".repeat(70_000))),
        _ => return Ok(json!(deeper(1))),
    }
    Ok(json!("within"))
}

#[expect(unconditional_recursion, reason = "that is the case")]
fn deeper(n: u64) -> u64 {
    black_box(deeper(black_box(n) + 1)) + 1
}

/// Waits for its end; the line says that it began.
pub fn wait(cx: &Context) -> Value {
    log::info!("waiting");
    while !cx.remaining().is_zero() {
        sleep(Duration::from_millis(50));
    }
    json!("was not cancelled")
}

pub fn changes_its_mind(cx: &Context) -> Result<Value> {
    let attempt = cx.run().attempt;
    cx.http.post("outside", format!("/attempt/{attempt}")).send()?;
    Err(Error::new("once more"))
}

/// Begins something, and does not wait for it.
pub fn forgets(cx: &Context) -> Value {
    let forgotten = async { cx.http.post("outside", "/forgotten").send() };
    drop(forgotten);
    json!("returned")
}
