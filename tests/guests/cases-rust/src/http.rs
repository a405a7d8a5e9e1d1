//! Calls to the outside.

use std::time::Duration;

use jackfield::http::Part;
use jackfield::{Bytes, Context, Event, Result, Value, json};
use serde::Deserialize;

use crate::{arguments, told};

pub fn methods(cx: &Context) -> Result<Value> {
    let http = &cx.http;
    let mut answered = Vec::new();
    for request in [
        http.get("outside", "/things/1"),
        http.head("outside", "/things/1"),
        http.post("outside", "/things").body("made"),
        http.put("outside", "/things/1").body("put"),
        http.patch("outside", "/things/1").body("patched"),
        http.delete("outside", "/things/1"),
        http.request("OPTIONS", "outside", "/things/1"),
    ] {
        answered.push(request.send()?.status);
    }
    Ok(json!(answered))
}

#[derive(Deserialize)]
struct Base {
    base: String,
}

pub fn url(cx: &Context, event: &Event) -> Result<Value> {
    let Base { base } = arguments(event)?;
    let got = cx.http.get_url(format!("{base}/a?b=c")).send()?;
    let posted = cx.http.post_url(format!("{base}/a")).json(&json!({ "by": "url" })).send()?;
    let put = cx.http.request_url("PUT", format!("{base}/a")).body("x").send()?;
    let elsewhere = cx.http.get_url("http://elsewhere.example/").send();
    Ok(json!([got.status, posted.status, put.status, told(elsewhere)]))
}

pub fn headers(cx: &Context) -> Result<Value> {
    let request = cx.http.get("outside", "/headers").header("X-One", "1").header("x-two", "a").header("x-two", "b");
    let response = request.send()?;
    let many: Vec<_> = response.headers.get_all("X-Many").collect();
    Ok(json!({ "one": response.header("X-ONE"), "many": many, "none": response.header("x-none") }))
}

pub fn query(cx: &Context) -> Result<Value> {
    let request = cx.http.get("outside", "/search?fixed=1");
    let request = request.query("q", "a b&c=d/ü").query("n", 5).query("yes", true).query("empty", "").query("n", 6);
    Ok(json!(request.send()?.status))
}

pub fn bodies(cx: &Context) -> Result<Value> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let value = json!({ "text": "Zoë \u{2603}", "list": [1, 2.5, null, true] });
    let mut answered = Vec::new();
    for request in [
        cx.http.post("outside", "/json").json(&value),
        cx.http.post("outside", "/text").header("content-type", "text/plain").body("Zoë"),
        cx.http.post("outside", "/bytes").header("content-type", "application/octet-stream").body(every_byte),
        cx.http.post("outside", "/form").form([("a", "1 2"), ("b", "ü&")]),
        cx.http.put("outside", "/own").header("Content-Type", "application/vnd.acme+json").json(&[1]),
        cx.http.post("outside", "/nothing"),
    ] {
        answered.push(request.send()?.status);
    }
    Ok(json!(answered))
}

pub fn files(cx: &Context) -> Result<Value> {
    let parts = [
        Part::text("note", "Zoë \u{2603}"),
        Part::file("report", "Zoë.csv", "text/csv", "a;b\r\n1;\u{2603}\r\n"),
        Part::file("raw", "x", "application/octet-stream", [0, 1, 13, 10, 45, 45]),
    ];
    let response = cx.http.post("outside", "/files").multipart(parts).send()?;
    if cx.run().attempt == 1 {
        return Err(jackfield::Error::new("the first attempt ends here"));
    }
    Ok(json!(response.status))
}

pub fn answers(cx: &Context) -> Result<Value> {
    let get = |path: &str| cx.http.get("outside", path).send();
    let bytes = get("/bytes")?.body;
    let empty = get("/empty")?;
    Ok(json!({
        "json": get("/json")?.json::<Value>()?,
        "text": get("/text")?.text(),
        "bytes": bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>(),
        "length": bytes.len(),
        "broken": get("/broken")?.text(),
        "zipped": get("/zipped")?.text(),
        "empty": [empty.text().len(), empty.body.len()],
        "nothing": empty.json::<Option<u32>>()?,
    }))
}

pub fn statuses(cx: &Context) -> Result<Value> {
    let mut answered = Vec::new();
    for status in [200, 204, 301, 400, 404, 418, 422, 500] {
        let response = cx.http.get("outside", format!("/status/{status}")).send()?;
        answered.push(json!([response.status, response.is_success()]));
    }
    Ok(json!(answered))
}

#[derive(Deserialize)]
struct Path {
    path: String,
}

pub fn error_for_status(cx: &Context, event: &Event) -> Result<Value> {
    let Path { path } = arguments(event)?;
    let response = cx.http.get("outside", path).send()?.error_for_status()?;
    Ok(json!(response.status))
}

pub fn redirects(cx: &Context) -> Result<Value> {
    let itself = cx.http.get("outside", "/old").send()?;
    let followed = cx.http.get("outside", "/old").redirects(2).send()?;
    Ok(json!([itself.status, itself.header("location"), followed.status, followed.text()]))
}

#[derive(Deserialize)]
struct Caught {
    caught: bool,
}

/// Tells of a call that is to fail, or fails with it.
fn caught<T>(event: &Event, call: Result<T>) -> Result<Value> {
    let Caught { caught } = arguments(event)?;
    match call {
        Err(error) if !caught => Err(error),
        call => Ok(told(call)),
    }
}

pub fn timeout(cx: &Context, event: &Event) -> Result<Value> {
    caught(event, cx.http.get("outside", "/silence").timeout(Duration::from_millis(300)).send())
}

pub fn in_doubt(cx: &Context, event: &Event) -> Result<Value> {
    caught(event, cx.http.post("outside", "/orders").json(&json!({ "order": 7 })).send())
}

pub fn unavailable(cx: &Context, event: &Event) -> Result<Value> {
    caught(event, cx.http.get("closed", "/").send())
}

pub fn too_large(cx: &Context) -> Result<Value> {
    let sent = cx.http.post("outside", "/").body(vec![b'x'; 65_537]).send();
    let received = cx.http.get("outside", "/bytes/65537").send();
    let fits = cx.http.post("outside", "/").body(vec![b'x'; 65_536]).send();
    Ok(json!([told(sent), told(received), told(fits)]))
}

pub fn invalid(cx: &Context) -> Result<Value> {
    let http = &cx.http;
    let requests = [
        http.request("get", "outside", "/"),
        http.request("CONNECT", "outside", "/"),
        http.get("outside", "no/slash"),
        http.get("outside", "/a b"),
        http.get("outside", "/../.."),
        http.get("outside", "/").header("Host", "example.com"),
        http.get("outside", "/").header("bad name", "1"),
        http.get("outside", "/").header("x-bad", "1\n2"),
        http.get_url("ftp://example.com/"),
    ];
    Ok(requests.into_iter().map(|request| told(request.send())).collect())
}

pub fn denied(cx: &Context, event: &Event) -> Result<Value> {
    caught(event, cx.http.post("outside", "/open/1").send())
}

#[derive(Deserialize)]
struct Numbered {
    #[expect(dead_code, reason = "it is there to be missed")]
    number: u32,
}

pub fn unfit(cx: &Context) -> Result<Value> {
    let text = cx.http.get("outside", "/text").send()?.json::<Value>();
    let other = cx.http.get("outside", "/other").send()?.json::<Numbered>();
    let bytes = cx.http.get("outside", "/text").send()?.json::<Bytes>();
    Ok(json!([told(text), told(other), told(bytes)]))
}

pub fn once(cx: &Context) -> Result<Value> {
    let made: Value = cx.http.post("outside", "/orders").json(&json!({ "order": 8 })).send()?.json()?;
    if cx.run().attempt == 1 {
        return Err(jackfield::Error::new("the first attempt ends here"));
    }
    Ok(made)
}
