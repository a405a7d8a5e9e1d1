//! Statements, messages, objects and mail.

use std::time::Duration;

use jackfield::sql::Json;
use jackfield::{Attachment, Context, Error, Mail, Message, Object, Result, Value, json, params};

use crate::told;

#[derive(serde::Deserialize)]
struct Order {
    id: i64,
    name: Option<String>,
    amount: String,
    paid: bool,
    ratio: f64,
    raw: Option<Vec<u8>>,
    items: Json<Vec<String>>,
    large: i64,
}

pub fn sql(cx: &Context) -> Result<Value> {
    let parameters = params![
        7,
        true,
        1.5,
        "Zoë \u{2603}",
        b"\x00\xff",
        None::<i64>,
        9_007_199_254_740_993_i64,
        i64::MIN,
        json!({ "a": [1, null] }),
    ];
    let found = cx.sql.query("ledger", "select * from orders where n = any($1)", parameters)?;
    let orders = found.rows::<Order>()?.into_iter().map(|order| {
        let Order { id, name, amount, paid, ratio, raw, items: Json(items), large } = order;
        json!([id, name, amount, paid, ratio, raw, items, large.to_string()])
    });
    let columns = found.columns.iter().map(|column| [&column.name, &column.type_name]);
    let count: Option<i64> = cx.sql.query("ledger", "select count(*) from orders", params![])?.first()?;
    let none = cx.sql.query("ledger", "select id from orders where false", params![])?;
    Ok(json!({
        "rows": orders.collect::<Vec<_>>(),
        "columns": columns.collect::<Vec<_>>(),
        "count": count,
        "none": none.len(),
    }))
}

pub fn sql_changes(cx: &Context) -> Result<Value> {
    let sql = &cx.sql;
    let changed = sql.execute("ledger", "update orders set paid = $1", params![true])?;
    let inserted = sql.execute("ledger", "insert into orders (name) values ($1)", params!["Zoë"])?;
    let both = sql
        .batch("ledger")
        .execute("insert into sales (n) values ($1)", params![1])
        .execute_exactly(1, "update stock set n = n - 1", params![])
        .commit()?;
    let id = |id: Option<i64>| id.unwrap_or_default().to_string();
    Ok(json!([
        [changed.rows, inserted.rows],
        [id(changed.last_id), id(inserted.last_id)],
        both.iter().map(|change| change.rows).collect::<Vec<_>>(),
    ]))
}

pub fn sql_refused(cx: &Context) -> Result<Value> {
    let mut answers = Vec::new();
    let mut codes = Vec::new();
    for number in 0..7 {
        let refused = cx.sql.execute("ledger", "update orders set n = $1", params![number]);
        codes.push(refused.as_ref().err().and_then(Error::code).unwrap_or_default().to_owned());
        let retryable = refused.as_ref().err().is_some_and(Error::is_retryable);
        answers.push(json!([told(refused), retryable]));
    }
    let conflict = cx.sql.batch("ledger").execute_exactly(1, "update stock set n = 0", params![]).commit();
    let denied = cx.sql.query("other", "select 1", params![]);
    Ok(json!({ "answers": answers, "codes": codes, "conflict": told(conflict), "denied": told(denied) }))
}

pub fn messaging(cx: &Context) -> Result<Value> {
    let messaging = &cx.messaging;
    messaging.publish("broker", Message::new("orders.paid").key("7").header("tenant", "acme").json(&json!({ "n": 12 })))?;
    messaging.publish_all(
        "broker",
        [Message::new("orders.empty"), Message::new("orders.csv").content_type("text/csv").data("a,ü")],
    )?;
    let reply = messaging.request("broker", Message::new("orders.ask").json(&1), Duration::from_secs(10))?;
    let (topic, content_type) = (reply.topic.clone(), reply.content_type.clone());
    let header = reply.headers.get("x-by").map(str::to_owned);
    Ok(json!([topic, content_type, header, reply.json::<Value>()?]))
}

pub fn messaging_refused(cx: &Context) -> Result<Value> {
    let publish = || told(cx.messaging.publish("broker", Message::new("orders.paid").json(&1)));
    let mut answers: Vec<Value> = (0..4).map(|_| publish()).collect();
    let ask = Message::new("orders.ask").json(&1);
    answers.push(told(cx.messaging.request("broker", ask, Duration::from_secs(10))));
    answers.push(told(cx.messaging.publish("broker", Message::new("secret").json(&1))));
    Ok(json!(answers))
}

pub fn blob(cx: &Context) -> Result<Value> {
    let blob = &cx.blob;
    let object = Object::new("2026/ü.pdf").content_type("application/pdf").metadata("order", "7").data([0, 255]);
    let etag = blob.put("files", object)?;
    let known = blob.stat("files", "2026/ü.pdf")?.ok_or_else(|| Error::new("it is not there"))?;
    let whole = blob.get("files", "2026/ü.pdf")?.map(Vec::from);
    let part = blob.get_range("files", "2026/ü.pdf", 1, 10)?.map(Vec::from);
    let missing = (blob.stat("files", "2026/no")?.is_some(), blob.get("files", "2026/no")?.is_some());
    let listed = blob.list("files", "2026/").map(|info| info.map(|info| info.name)).collect::<Result<Vec<_>>>()?;
    blob.remove("files", "2026/ü.pdf")?;
    Ok(json!({
        "etag": etag,
        "known": [known.size.to_string(), known.content_type, known.metadata.get("order"), known.etag],
        "whole": whole,
        "part": part,
        "missing": missing,
        "listed": listed,
    }))
}

pub fn blob_refused(cx: &Context) -> Result<Value> {
    let mut answers = vec![told(cx.blob.put("files", Object::new("2026/a").json(&[1])))];
    answers.push(told(cx.blob.get("files", "2026/a")));
    answers.push(told(cx.blob.remove("files", "2026/a")));
    answers.push(told(cx.blob.get("files", "1999/a")));
    Ok(json!(answers))
}

pub fn email(cx: &Context) -> Result<Value> {
    let short = cx.email.send("mail", Mail::new("Hi").to("a@example.com").text("text"))?;
    let whole = Mail::new("Grüße \u{2603}")
        .sender("Shop <shop@example.com>")
        .to("a@example.com")
        .to("b@example.com")
        .cc("c@example.com")
        .bcc("d@example.com")
        .reply_to("e@example.com")
        .text("text")
        .html("<img src=\"cid:logo\">")
        .header("x-order", "7")
        .attach(Attachment::new("a.txt", "text/plain", "Zoë"))
        .attach(Attachment::new("logo.png", "image/png", [0, 255]).content_id("logo"));
    Ok(json!([short, cx.email.send("mail", whole)?]))
}

pub fn email_refused(cx: &Context) -> Result<Value> {
    let send = |to: &str| told(cx.email.send("mail", Mail::new("Hi").to(to).text("text")));
    let mut answers: Vec<Value> = (0..3).map(|_| send("a@example.com")).collect();
    answers.push(send("a@elsewhere.example"));
    Ok(json!(answers))
}
