//! A person's word over a call in doubt: what is in doubt, and what becomes of it.
//!
//! Not here: how the journal is changed by it (the ledger's).

use std::collections::BTreeMap;

use axum::extract::State;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jackfield_core::grant::Capability;
use jackfield_core::hatch::encode_answer;
use jackfield_core::ids::RunId;
use jackfield_core::journal::What;
use jackfield_core::journal::decide::{Doubt, doubts};
use jackfield_core::ports::http::{HttpAnswer, HttpResponse};
use jackfield_core::recording::fixture::{GivenAnswer, given_answer};
use jackfield_core::run::RunState;
use jackfield_core::store::queue::{self, Skipped};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::ApiError;
use super::json::{Answer, At, Body, Wanted};
use super::runs::find;
use super::state::{Api, Shared};

/// A call that may have happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InDoubt {
    /// Its number.
    pub call: u32,
    /// The capability.
    pub capability: String,
    /// What was sent: the operation and its object, such as `POST bank /transfers`.
    pub what: String,
    /// The grant that would make such a call again by itself, next time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
}

impl From<&Doubt> for InDoubt {
    fn from(doubt: &Doubt) -> Self {
        let what = &doubt.what;
        let allow = (what.capability == Capability::Http).then(|| allowing(&what.text)).flatten();
        Self { call: doubt.call, capability: what.capability.name().into(), what: what.text.clone(), allow }
    }
}

/// `POST bank /transfers` as the manifest line that makes such calls again.
fn allowing(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, ' ');
    let (method, place, path) = (parts.next()?, parts.next()?, parts.next()?);
    let key = if place.contains("://") { "url" } else { "connection" };
    Some(format!(
        "http = [{{ {key} = \"{place}\", methods = [\"{method}\"], paths = [\"{path}\"], in_doubt = \"retry\" }}]"
    ))
}

/// The calls of a parked run that may have happened.
pub(super) async fn in_doubt(api: &Shared, run: RunId) -> Result<Vec<Doubt>, ApiError> {
    let chunks = api.host.store.load(run).await?;
    doubts(&chunks).map_err(|e| ApiError::Conflict(e.to_string()))
}

/// What a person says.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Retry,
    Skip,
    Fail,
}

/// A decision over a parked run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    /// `retry`: the calls in doubt are made again, with the same keys; `skip`: one happened, or is to be taken
    /// as done, and the run goes on with `result`; `fail`: give up.
    #[schema(value_type = String)]
    decision: Word,
    /// For `skip`: which call; without, the first in doubt.
    #[serde(default)]
    call: Option<u32>,
    /// For `skip`: what the guest is told the other side answered. Of `http`: `status`, `headers`, and `body` or `body_base64`;
    /// without, 201 to a POST, else 200, and no body. Of other capabilities: as a fixture's `response`; without, what such calls
    /// are usually answered.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    result: Option<Value>,
}

impl Wanted for Decision {}

/// The answer of the other side, as a person gives it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenResult {
    /// The status.
    #[serde(default)]
    status: Option<u16>,
    /// Headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body: text as it is, anything else as JSON.
    #[serde(default)]
    body: Option<Value>,
    /// The body, if it is no text.
    #[serde(default)]
    body_base64: Option<String>,
}

impl GivenResult {
    fn response(self, what: &str) -> Result<HttpResponse, ApiError> {
        let bad = |text: &str| ApiError::BadRequest(format!("`result`: {text}"));
        let usual = if what.starts_with("POST ") { 201 } else { 200 };
        let status = self.status.unwrap_or(usual);
        if !(200..400).contains(&status) {
            return Err(bad("`status` must say that it happened: 200 to 399"));
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in self.headers {
            let fits = http::HeaderName::try_from(&name).is_ok() && http::HeaderValue::try_from(&value).is_ok();
            if !fits {
                return Err(bad("a header has a name and a value of one line"));
            }
            headers.push((name.to_ascii_lowercase(), value));
        }
        let (body, kind) = match (self.body, self.body_base64) {
            (None | Some(Value::Null), None) => (Vec::new(), None),
            (Some(Value::String(text)), None) => (text.into_bytes(), None),
            (Some(json), None) => (json.to_string().into_bytes(), Some("application/json")),
            (None, Some(text)) => (BASE64_STANDARD.decode(text).map_err(|_| bad("`body_base64` is not base64"))?, None),
            (Some(_), Some(_)) => return Err(bad("give one of `body` and `body_base64`")),
        };
        if let Some(kind) = kind
            && !headers.iter().any(|(name, _)| name == "content-type")
        {
            headers.push(("content-type".into(), kind.into()));
        }
        Ok(HttpResponse { status, headers, body: body.into() })
    }
}

/// What was decided.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// Where the run is now; `needs-decision` still, if another call is in doubt.
    #[schema(value_type = String)]
    pub state: RunState,
    /// The call that was taken as done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<InDoubt>,
    /// What is recorded as its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// Decide over a parked run
///
/// The decision is kept with the run, with the name of the token.
#[utoipa::path(
    post, path = "/v1/runs/{run}/decide", tag = "runs", security(("token" = ["deploy"])),
    params(("run" = String, Path)), request_body = Decision, responses((status = 200, body = Decided)),
)]
pub(super) async fn decide(
    State(api): State<Api>,
    caller: Caller,
    At(run): At<String>,
    Body(wish): Body<Decision>,
) -> Result<Answer<Decided>, ApiError> {
    let run = find(&api, &run).await?;
    if !matches!(wish.decision, Word::Skip) && (wish.call.is_some() || wish.result.is_some()) {
        return Err(ApiError::BadRequest("`call` and `result` go with `skip`".into()));
    }
    let (decision, call, result) = match wish.decision {
        Word::Retry => (queue::Decision::Retry, None, None),
        Word::Fail => (queue::Decision::Fail, None, None),
        Word::Skip => {
            let doubt = chosen(&api, run, wish.call).await?;
            let GivenAnswer { encoded, short: shown } = answered(&doubt.what, wish.result)?;
            let skipped = Skipped { call: doubt.call, answer: encoded, shown: shown.clone() };
            (queue::Decision::Skip(skipped), Some(InDoubt::from(&doubt)), Some(shown))
        }
    };
    let shared = api.clone();
    let decided = shared.finish(async move {
        let word = decision.label();
        let state = api.host.store.decide_as(run, decision, caller.name.to_string()).await?;
        let about = match (&call, &result) {
            (Some(call), Some(result)) => format!(", call {} ({}) taken as {result}", call.call, call.what),
            _ => String::new(),
        };
        api.audit(caller.name.as_str(), "decide", format!("run {run}: {word}{about}")).await;
        Ok(Decided { state, call, result })
    });
    decided.await.map(Answer)
}

/// The call in doubt that is meant.
async fn chosen(api: &Shared, run: RunId, call: Option<u32>) -> Result<Doubt, ApiError> {
    let state = api.host.store.run(run).await?.summary.state;
    if state != RunState::NeedsDecision {
        return Err(ApiError::Conflict(format!("run {run} is {state}; it does not wait for a decision")));
    }
    let doubts = in_doubt(api, run).await?;
    let known = doubts.iter().map(|doubt| doubt.call.to_string()).collect::<Vec<_>>().join(", ");
    let found = doubts.into_iter().find(|doubt| call.is_none_or(|call| call == doubt.call));
    let Some(doubt) = found else {
        let text = match call {
            Some(call) => format!("call {call} of run {run} is not in doubt; in doubt: {known}"),
            None => format!("no call of run {run} is in doubt"),
        };
        return Err(ApiError::Conflict(text));
    };
    Ok(doubt)
}

/// What a call is said to have been answered.
fn answered(call: &What, given: Option<Value>) -> Result<GivenAnswer, ApiError> {
    let bad = |e: String| ApiError::BadRequest(format!("`result`: {e}"));
    if call.capability != Capability::Http {
        return given_answer(call.capability, &call.text, given).map_err(bad);
    }
    let given: GivenResult =
        given.map_or_else(|| Ok(GivenResult::default()), serde_json::from_value).map_err(|e| bad(e.to_string()))?;
    let response = given.response(&call.text)?;
    let body = response.body.len();
    let short = format!("{} with {body} byte{} of body", response.status, if body == 1 { "" } else { "s" });
    Ok(GivenAnswer { encoded: encode_answer::<HttpAnswer>(&Ok(response)), short })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_line_that_would_allow_it() {
        let line =
            r#"http = [{ connection = "bank", methods = ["POST"], paths = ["/transfers"], in_doubt = "retry" }]"#;
        assert_eq!(allowing("POST bank /transfers").as_deref(), Some(line));
        let line =
            r#"http = [{ url = "https://a.example", methods = ["PATCH"], paths = ["/x y"], in_doubt = "retry" }]"#;
        assert_eq!(allowing("PATCH https://a.example /x y").as_deref(), Some(line));
        assert_eq!(allowing("get"), None);
    }

    fn given(value: Value, what: &str) -> Result<HttpResponse, ApiError> {
        serde_json::from_value::<GivenResult>(value).unwrap().response(what)
    }

    #[test]
    fn what_is_not_given_is_an_empty_success() {
        let made = given(json!({}), "POST bank /transfers").unwrap();
        assert_eq!((made.status, made.headers.len(), made.body.len()), (201, 0, 0));
        assert_eq!(given(json!({}), "PATCH bank /transfers").unwrap().status, 200);
    }

    #[test]
    fn a_body_is_text_json_or_bytes() {
        let json = given(json!({ "status": 200, "headers": { "ETag": "x" }, "body": { "id": 7 } }), "POST").unwrap();
        assert_eq!((&json.body[..], json.headers[0].0.as_str()), (&br#"{"id":7}"#[..], "etag"));
        assert_eq!(json.headers[1], ("content-type".into(), "application/json".into()));
        assert_eq!(&given(json!({ "body": "{\"id\":7}" }), "POST").unwrap().body[..], br#"{"id":7}"#);
        assert_eq!(&given(json!({ "body_base64": "/wA=" }), "POST").unwrap().body[..], b"\xff\0");
        for bad in [
            json!({ "status": 500 }),
            json!({ "status": 404 }),
            json!({ "headers": { "a b": "x" } }),
            json!({ "body_base64": "?" }),
            json!({ "body": "x", "body_base64": "/wA=" }),
        ] {
            assert!(matches!(given(bad.clone(), "POST"), Err(ApiError::BadRequest(_))), "{bad}");
        }
    }
}
