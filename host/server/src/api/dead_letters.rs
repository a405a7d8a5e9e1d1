//! Dead letters: resumed or put away, in bulk, once per request id.
//!
//! They are listed as runs in the state `dead-lettered`.

use axum::extract::State;
use jackfield_core::ids::RunId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::ApiError;
use super::json::{Answer, Body, Wanted};
use super::runs::find;
use super::state::Api;

/// Runs of one request.
const RUNS: usize = 10_000;
/// The longest request id, in bytes.
const REQUEST_BYTES: usize = 128;

/// DeadLetters dead letters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeadLetters {
    /// An id of this request, made by the caller: repeated, it is answered as before and does nothing.
    request: String,
    /// Run ids, or prefixes that mean one run.
    runs: Vec<String>,
}

impl Wanted for DeadLetters {}

impl DeadLetters {
    async fn found(self, api: &Api) -> Result<(String, Vec<RunId>), ApiError> {
        if self.request.is_empty() || self.request.len() > REQUEST_BYTES {
            return Err(ApiError::BadRequest(format!(
                "`request` needs 1 to {REQUEST_BYTES} bytes, different for each request"
            )));
        }
        if self.runs.is_empty() || self.runs.len() > RUNS {
            return Err(ApiError::BadRequest(format!("`runs` needs 1 to {RUNS} runs")));
        }
        let mut runs = Vec::with_capacity(self.runs.len());
        for text in &self.runs {
            let run = find(api, text).await?;
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
        Ok((self.request, runs))
    }
}

/// How many were resumed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Resumed {
    /// How many.
    pub resumed: u64,
}

/// How many were put away.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Discarded {
    /// How many.
    pub discarded: u64,
}

/// Resume dead letters
///
/// Run ids, journals and keys stay: calls that succeeded are not made again. All are resumed, or none.
#[utoipa::path(
    post, path = "/v1/dead-letters/resume", tag = "dead letters", security(("token" = ["deploy"])),
    request_body = DeadLetters, responses((status = 200, body = Resumed)),
)]
pub(super) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    Body(which): Body<DeadLetters>,
) -> Result<Answer<Resumed>, ApiError> {
    let (request, runs) = which.found(&api).await?;
    let shared = api.clone();
    let done = shared.finish(async move {
        let detail = described(&runs);
        let resumed = api.host.store.resume(request, runs).await?;
        api.audit(caller.name.as_str(), "resume", detail).await;
        Ok(Resumed { resumed })
    });
    done.await.map(Answer)
}

/// Discard dead letters
///
/// They are put away for good. All are discarded, or none.
#[utoipa::path(
    post, path = "/v1/dead-letters/discard", tag = "dead letters", security(("token" = ["deploy"])),
    request_body = DeadLetters, responses((status = 200, body = Discarded)),
)]
pub(super) async fn discard(
    State(api): State<Api>,
    caller: Caller,
    Body(which): Body<DeadLetters>,
) -> Result<Answer<Discarded>, ApiError> {
    let (request, runs) = which.found(&api).await?;
    let shared = api.clone();
    let done = shared.finish(async move {
        let detail = described(&runs);
        let discarded = api.host.store.discard(request, runs).await?;
        api.audit(caller.name.as_str(), "discard", detail).await;
        Ok(Discarded { discarded })
    });
    done.await.map(Answer)
}

/// Some of them by id, and how many there are.
fn described(runs: &[RunId]) -> String {
    let shown: Vec<_> = runs.iter().take(20).map(RunId::to_string).collect();
    let more = runs.len().saturating_sub(shown.len());
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} run(s): {}{rest}", runs.len(), shown.join(", "))
}
