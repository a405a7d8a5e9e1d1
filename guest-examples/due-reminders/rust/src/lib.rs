//! Reminds customers of invoices: a week and a day before they are due, and a week after.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, Utc, Weekday};
use jackfield::{Context, Event, Output, Result, json, log};
use serde::Deserialize;

/// What a schedule's event holds.
#[derive(Deserialize)]
struct Tick {
    scheduled: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Invoice {
    number: String,
    customer: String,
    issued: NaiveDate,
    /// Days until it is to be paid.
    terms: u64,
}

#[jackfield::handler]
fn on_morning(event: Event<Tick>, cx: Context) -> Result<Output> {
    let today = event.data.scheduled.date_naive();
    let open: Vec<Invoice> =
        cx.http.get("billing", "/invoices").query("state", "open").send()?.error_for_status()?.json()?;
    let mut sent = Vec::new();
    for invoice in &open {
        let due = workday(invoice.issued + Days::new(invoice.terms));
        let Some(notice) = notice(today, due) else { continue };
        // One of each kind, also if the morning comes twice.
        let key = format!("reminded/{}/{notice}", invoice.number);
        if !cx.kv.compare_and_set(&key, None, &today)? {
            continue;
        }
        let text = format!("Invoice {} is due on {}.", invoice.number, due.format("%A, %-d %B %Y"));
        let mail = json!({ "to": invoice.customer, "notice": notice, "text": text });
        cx.http.post("mail", "/messages").json(&mail).send()?.error_for_status()?;
        log::info!(notice, due; "reminded {} of {}", invoice.customer, invoice.number);
        sent.push(json!({ "invoice": invoice.number, "notice": notice, "due": due }));
    }
    Output::json(&json!({ "open": open.len(), "sent": sent }))
}

/// The day itself, or the Monday after a weekend.
fn workday(day: NaiveDate) -> NaiveDate {
    match day.weekday() {
        Weekday::Sat => day + Days::new(2),
        Weekday::Sun => day + Days::new(1),
        _ => day,
    }
}

/// What is to be said today of an invoice that is due then.
fn notice(today: NaiveDate, due: NaiveDate) -> Option<&'static str> {
    match (due - today).num_days() {
        2..=7 => Some("a week before"),
        0..=1 => Some("a day before"),
        ..=-7 => Some("overdue"),
        _ => None,
    }
}
