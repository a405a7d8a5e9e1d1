//! A guest that calls by `wasi:http`, the standard interface, with absolute URLs: a fixture of the tests.
//!
//! The event's data is a list of calls; the output is the list of what each was answered. With
//! `together`, all are sent before the first is waited for.

use jackfield::{Error, Event, Output, Result, Value, json};
use wasi::http::outgoing_handler;
use wasi::http::types::{ErrorCode, Fields, FutureIncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme};
use wasi::io::streams::StreamError;

#[derive(serde::Deserialize)]
struct Wish {
    calls: Vec<Call>,
    #[serde(default)]
    together: bool,
    /// Fails the attempt if an answer is not 200 to 299.
    #[serde(default)]
    check: bool,
}

#[derive(serde::Deserialize)]
struct Call {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

#[jackfield::handler]
fn on_event(event: Event<Wish>) -> Result<Output> {
    let Wish { calls, together, check } = event.data;
    let mut answers = Vec::new();
    if together {
        let sent: Vec<_> = calls.iter().map(send).collect();
        answers.extend(sent.into_iter().map(|sent| answer(sent.and_then(receive))));
    } else {
        for call in &calls {
            answers.push(answer(send(call).and_then(receive)));
            let status = answers.last().and_then(|a| a["status"].as_u64()).unwrap_or(0);
            if check && !(200..300).contains(&status) {
                return Err(Error::new(format_args!("{} {}: {status}", call.method, call.url)));
            }
        }
    }
    Output::json(&answers)
}

fn answer(result: Result<(u16, Vec<u8>), ErrorCode>) -> Value {
    match result {
        Ok((status, body)) => json!({ "status": status, "body": String::from_utf8_lossy(&body) }),
        Err(code) => json!({ "error": format!("{code:?}") }),
    }
}

fn send(call: &Call) -> Result<FutureIncomingResponse, ErrorCode> {
    let invalid = || ErrorCode::HttpRequestUriInvalid;
    let (scheme, rest) = call.url.split_once("://").ok_or_else(invalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let headers = Fields::new();
    for (name, value) in &call.headers {
        headers.append(name, &value.clone().into_bytes()).map_err(|_| ErrorCode::HttpProtocolError)?;
    }
    if !call.body.is_empty() {
        let length = call.body.len().to_string().into_bytes();
        headers.append(&"content-length".to_owned(), &length).map_err(|_| ErrorCode::HttpProtocolError)?;
    }
    let request = OutgoingRequest::new(headers);
    let method = match call.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_method(&method).map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    request.set_scheme(Some(&scheme)).map_err(|()| invalid())?;
    request.set_authority(Some(authority)).map_err(|()| invalid())?;
    request.set_path_with_query(Some(path)).map_err(|()| invalid())?;
    let body = request.body().map_err(|()| ErrorCode::InternalError(None))?;
    let future = outgoing_handler::handle(request, None)?;
    if !call.body.is_empty() {
        let stream = body.write().map_err(|()| ErrorCode::InternalError(None))?;
        for part in call.body.as_bytes().chunks(4096) {
            stream.blocking_write_and_flush(part).map_err(|_| ErrorCode::ConnectionTerminated)?;
        }
    }
    OutgoingBody::finish(body, None)?;
    Ok(future)
}

fn receive(future: FutureIncomingResponse) -> Result<(u16, Vec<u8>), ErrorCode> {
    let response = loop {
        match future.get() {
            Some(Ok(result)) => break result?,
            Some(Err(())) => return Err(ErrorCode::InternalError(None)),
            None => future.subscribe().block(),
        }
    };
    let body = response.consume().map_err(|()| ErrorCode::InternalError(None))?;
    let stream = body.stream().map_err(|()| ErrorCode::InternalError(None))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => return Ok((response.status(), bytes)),
            Err(StreamError::LastOperationFailed(_)) => return Err(ErrorCode::HttpResponseIncomplete),
        }
    }
}
