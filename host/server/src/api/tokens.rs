//! Tokens of the admin API: who has one, new ones, and their end.
//!
//! Not here: how a token is checked; see [`super::auth`].

use axum::extract::State;
use http::StatusCode;
use jackfield_core::ids::TokenName;
use jackfield_core::store::admin::{Right, Token};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Caller, NewToken, make_token};
use super::error::{ApiError, word};
use super::json::{Answer, At, Body, Wanted};
use super::state::Api;
use super::types::{Removed, Time, duration};

/// A token, without its text.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// What it may do: `read`, `deploy`, `secrets`, `admin`.
    #[schema(value_type = Vec<String>)]
    pub rights: Vec<Right>,
    /// When it was made.
    pub made: Time,
    /// When it ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
}

impl From<Token> for TokenInfo {
    fn from(t: Token) -> Self {
        Self { name: t.name.into(), rights: t.rights, made: Time(t.made), expires: t.expires.map(Time) }
    }
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenWish {
    /// Its name, unique.
    #[schema(value_type = String)]
    name: TokenName,
    /// What it may do: any of `read`, `deploy`, `secrets`, `admin`.
    #[schema(value_type = Vec<String>)]
    rights: Vec<Right>,
    /// How long it is good for, such as `30d`. Without: until it is revoked.
    expires_in: Option<String>,
}

impl Wanted for TokenWish {}

/// List tokens
#[utoipa::path(
    get, path = "/v1/tokens", tag = "tokens", security(("token" = ["admin"])),
    responses((status = 200, body = Vec<TokenInfo>)),
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Answer<Vec<TokenInfo>>, ApiError> {
    let tokens = api.host.store.tokens().await?;
    Ok(Answer(tokens.into_iter().map(|(token, _)| TokenInfo::from(token)).collect()))
}

/// Make a token
///
/// Its text is in the answer, this once.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens", security(("token" = ["admin"])), request_body = TokenWish,
    responses((status = 201, body = NewToken)),
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(wish): Body<TokenWish>,
) -> Result<(StatusCode, Answer<NewToken>), ApiError> {
    let TokenWish { name, mut rights, expires_in } = wish;
    rights.sort_unstable();
    rights.dedup();
    if rights.is_empty() {
        return Err(ApiError::BadRequest("a token needs a right: read, deploy, secrets or admin".into()));
    }
    let lasts = expires_in
        .as_deref()
        .map(duration)
        .transpose()
        .map_err(|e| ApiError::BadRequest(format!("expires_in: {e}")))?;
    let shared = api.clone();
    let made = shared.finish(async move {
        let expires = lasts.map(|lasts| api.host.clock.now().plus(lasts));
        let made = make_token(&api, name, rights, expires).await?;
        let words: Vec<_> = made.rights.iter().map(|right| word(*right)).collect();
        let until = made.expires.map_or_else(|| "until revoked".into(), |end| format!("until {end}"));
        let detail = format!("token `{}` with {}, {until}", made.name, words.join(", "));
        api.audit(caller.name.as_str(), "token-made", detail).await;
        Ok(made)
    });
    Ok((StatusCode::CREATED, Answer(made.await?)))
}

/// Revoke a token
///
/// It is refused from the moment of the answer. The last token that may make tokens stays.
#[utoipa::path(
    delete, path = "/v1/tokens/{name}", tag = "tokens", security(("token" = ["admin"])),
    params(("name" = String, Path)), responses((status = 200, body = Removed)),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<TokenName>,
) -> Result<Answer<Removed>, ApiError> {
    let shared = api.clone();
    let removed = shared.finish(async move {
        let _one = api.revoking.lock().await;
        let now = api.host.clock.now();
        let lasting_admin =
            |token: &Token| token.rights.contains(&Right::Admin) && token.expires.is_none_or(|end| now < end);
        let tokens = api.host.store.tokens().await?;
        let is_admin = tokens.iter().any(|(token, _)| token.name == name && lasting_admin(token));
        if is_admin && tokens.iter().filter(|(token, _)| lasting_admin(token)).count() == 1 {
            let text = format!("`{name}` is the last token with the right `admin`; make another one before it goes");
            return Err(ApiError::Conflict(text));
        }
        api.host.store.remove_token(name.clone()).await?;
        api.tokens.changed().await;
        api.audit(caller.name.as_str(), "token-revoked", format!("token `{name}`")).await;
        Ok(Removed { removed: true })
    });
    removed.await.map(Answer)
}
