//! Tokens of the admin API: who calls, and whether they may.
//!
//! A token is `jf_` and 256 random bits; the store knows its SHA-256. It is taken from the
//! `Authorization` header alone, never from a URL, which ends up in logs. What a route needs is read
//! from its own description, so that what is documented is what is enforced; a route that says
//! nothing is not served.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequest as _, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use jackfield_core::clock::{Clock, Timestamp};
use jackfield_core::ids::TokenName;
use jackfield_core::store::admin::{Right, Token};
use jackfield_core::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::RwLock;
use utoipa::ToSchema;

use super::error::ApiError;
use super::json::{Answer, Body, Wanted};
use super::state::{Api, Needs};
use super::types::Time;

/// What a token starts with, so that scanners for leaked secrets find it.
pub const PREFIX: &str = "jf_";

/// Who calls: the name and the rights of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) name: TokenName,
    pub(super) rights: Arc<[Right]>,
}

impl Caller {
    pub(super) fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}

/// The tokens, as read from the store when they were last asked for.
#[derive(Default)]
pub(super) struct Tokens(RwLock<Option<Arc<[Known]>>>);

struct Known {
    sha256: [u8; 32],
    caller: Caller,
    expires: Option<Timestamp>,
}

impl Tokens {
    /// To be called after every change of a token, before the change is answered.
    pub(super) async fn changed(&self) {
        // Whoever reads the store at this moment holds the lock, so no older list outlives this.
        *self.0.write().await = None;
    }

    /// Whose token `text` is, if it is one and has not ended. Compared in constant time.
    pub(super) async fn caller(
        &self,
        text: &str,
        store: &dyn Store,
        clock: &dyn Clock,
    ) -> Result<Option<Caller>, StoreError> {
        let given = hash(text);
        let now = clock.now();
        let mut found = None;
        for known in self.known(store).await?.iter() {
            // Every token is looked at, whichever it is.
            if bool::from(known.sha256.ct_eq(&given)) && known.expires.is_none_or(|end| now < end) {
                found = Some(known.caller.clone());
            }
        }
        Ok(found)
    }

    async fn known(&self, store: &dyn Store) -> Result<Arc<[Known]>, StoreError> {
        if let Some(known) = &*self.0.read().await {
            return Ok(known.clone());
        }
        let mut slot = self.0.write().await;
        if let Some(known) = &*slot {
            return Ok(known.clone());
        }
        let known = store.tokens().await?.into_iter().map(|(token, sha256)| Known {
            sha256,
            caller: Caller { name: token.name, rights: token.rights.into() },
            expires: token.expires,
        });
        Ok(slot.insert(known.collect()).clone())
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Who is at the other end, if the listener said so.
fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

/// What stands in the `Authorization` header.
enum Given {
    Nothing,
    Nonsense,
    Token(String),
}

impl Given {
    fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let only = match (given.next(), given.next()) {
            (None, _) => return Self::Nothing,
            (Some(only), None) => only.to_str().ok(),
            _ => None,
        };
        match only.and_then(|text| text.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && token.trim().len() <= 128 => {
                Self::Token(token.trim().into())
            }
            _ => Self::Nonsense,
        }
    }
}

/// The guard before every route.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    match enter(&api, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn enter(api: &Api, mut request: Request) -> Result<Request, ApiError> {
    // A HEAD is served by what serves GET.
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let key = path.map(|path| (method, path));
    let needs = key.as_ref().and_then(|key| api.routes.get(key).copied());
    if needs == Some(Needs::Nothing) {
        return Ok(request);
    }
    let caller = identify(api, Given::of(request.headers()), peer(&request)).await?;
    match (needs, key) {
        (Some(Needs::Right(right)), _) if !caller.may(right) => return Err(ApiError::Forbidden(right)),
        (None, Some((_, path))) => return Err(ApiError::Method(methods(api, &path))),
        _ => {}
    }
    request.extensions_mut().insert(caller);
    Ok(request)
}

/// The methods that a path knows, as the `Allow` header lists them.
fn methods(api: &Api, path: &str) -> String {
    let mut methods: Vec<&str> =
        api.routes.keys().filter(|(_, of)| of == path).map(|(method, _)| method.as_str()).collect();
    methods.sort_unstable();
    methods.join(", ")
}

async fn identify(api: &Api, given: Given, peer: Option<IpAddr>) -> Result<Caller, ApiError> {
    match given {
        // No token at all is no guess.
        Given::Nothing => Err(ApiError::Unauthenticated),
        Given::Nonsense => Err(refuse(api, peer)),
        Given::Token(text) => match api.tokens.caller(&text, &*api.host.store, &*api.host.clock).await? {
            Some(caller) => Ok(caller),
            None => Err(refuse(api, peer)),
        },
    }
}

/// Counts a failed login and says how to answer it.
fn refuse(api: &Api, peer: Option<IpAddr>) -> ApiError {
    match api.throttle.failed(peer) {
        Ok(()) => {
            tracing::info!(peer = peer.map(tracing::field::display), "a login failed");
            ApiError::Unauthenticated
        }
        Err(retry_after) => {
            ApiError::TooMany { what: "too many failed logins; wait and try again".into(), retry_after }
        }
    }
}

/// What `login` sends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The one-time token that `serve` printed at its first start, `jfs_…`.
    setup_token: String,
    /// A name for the new token.
    #[schema(value_type = String)]
    name: TokenName,
}

impl Wanted for Login {
    const LIMIT: usize = 4096;
    const SECRET: bool = true;
}

/// A new token. Its text is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// The token itself, `jf_…`; nobody can show it again.
    pub token: String,
    /// What it may do: `read`, `deploy`, `secrets`, `admin`.
    #[schema(value_type = Vec<String>)]
    pub rights: Vec<Right>,
    /// When it ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
}

/// Makes a token, durable and known here when this answers.
pub(super) async fn make_token(
    api: &Api,
    name: TokenName,
    rights: Vec<Right>,
    expires: Option<Timestamp>,
) -> Result<NewToken, ApiError> {
    let text = api.random_text::<32>(PREFIX);
    let token = Token { name: name.clone(), rights: rights.clone(), made: api.host.clock.now(), expires };
    api.host.store.add_token(token, hash(&text)).await?;
    api.tokens.changed().await;
    Ok(NewToken { name: name.to_string(), token: text, rights, expires: expires.map(Time) })
}

/// Log in for the first time
///
/// Swaps the one-time set-up token for a token with all rights.
#[utoipa::path(
    post, path = "/v1/login", tag = "tokens", security(()),
    request_body = Login, responses((status = 200, body = NewToken)),
)]
pub(super) async fn login(State(api): State<Api>, request: Request) -> Result<Answer<NewToken>, ApiError> {
    let peer = peer(&request);
    let Body(Login { setup_token, name }) = Body::from_request(request, &()).await?;
    let shared = api.clone();
    let made = shared.finish(async move {
        let Some(permit) = api.host.setup.redeem(&setup_token) else { return Err(refuse(&api, peer)) };
        let rights = vec![Right::Read, Right::Deploy, Right::Secrets, Right::Admin];
        let made = make_token(&api, name, rights, None).await?;
        permit.spent();
        api.audit(&made.name, "login", format!("token `{}` made with the set-up token, with all rights", made.name))
            .await;
        Ok(made)
    });
    made.await.map(Answer)
}

/// Who a token says one is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Whoami {
    /// The token's name.
    pub name: String,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    pub rights: Vec<Right>,
}

/// Who am I?
#[utoipa::path(
    get, path = "/v1/whoami", tag = "tokens", security(("token" = [])),
    responses((status = 200, body = Whoami)),
)]
pub(super) async fn whoami(caller: Caller) -> Answer<Whoami> {
    Answer(Whoami { name: caller.name.to_string(), rights: caller.rights.to_vec() })
}
