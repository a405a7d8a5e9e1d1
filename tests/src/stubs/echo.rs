//! A stub server that answers with what it was asked: for tests of calls in general.

use serde_json::json;

use super::record::Record;
use super::server::{Answer, Api};

/// Answers 200 (POST: 201) with the request's number, method and path. `/status/<n>` answers n, `/bytes/<n>` so many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Api for Echo {
    fn answer(&self, request: &Record, _base: &str) -> Answer {
        if let Some(status) = request.path.strip_prefix("/status/").and_then(|s| s.parse().ok()) {
            return Answer::json(status, &json!({ "number": request.number }));
        }
        if let Some(bytes) = request.path.strip_prefix("/bytes/").and_then(|s| s.parse().ok()) {
            let body = vec![b'x'; bytes].into();
            return Answer { status: 200, headers: Vec::new(), content_type: "text/plain".into(), body };
        }
        let status = if request.method == "POST" { 201 } else { 200 };
        Answer::json(status, &json!({ "number": request.number, "method": request.method, "path": request.path }))
    }
}
