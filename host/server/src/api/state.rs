//! What the handlers share: the host, who may enter, and what bounds them.
//!
//! Not here: anything durable.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::Method;
use http::request::Parts;
use jackfield_core::ids::EnvironmentName;
use jackfield_core::store::admin::Right;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::task::TaskTracker;

use super::auth::{Caller, Tokens};
use super::error::ApiError;
use super::throttle::Throttle;
use crate::app::Host;

/// Uploads at the same time.
const UPLOADS: usize = 4;
/// Requests at the same time that wait for a run's end.
const WAITERS: usize = 256;
/// Readers at the same time that follow the logs.
const FOLLOWERS: usize = 64;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: it is public.
    Nothing,
    /// A token, whatever its rights.
    Token,
    /// A token with this right.
    Right(Right),
}

/// What each route needs, by method and path template. A route that is not here is not served.
pub(super) type Routes = HashMap<(Method, String), Needs>;

/// See the module.
pub(super) struct Shared {
    pub(super) host: Arc<Host>,
    pub(super) tokens: Tokens,
    pub(super) throttle: Throttle,
    pub(super) routes: Routes,
    pub(super) uploads: Semaphore,
    pub(super) waiters: Semaphore,
    pub(super) followers: Arc<Semaphore>,
    pub(super) backups: Arc<Semaphore>,
    /// One deploy at a time: what was checked is what is released.
    pub(super) deploying: Mutex<()>,
    /// One rotation of the master key at a time, and none between a backup's key and its data.
    pub(super) rotating: Mutex<()>,
    /// One token's end at a time: two must not each think that the other one stays.
    pub(super) revoking: Mutex<()>,
    changes: TaskTracker,
}

/// The state of every handler.
pub(super) type Api = Arc<Shared>;

impl Shared {
    pub(super) fn new(host: Arc<Host>, routes: Routes) -> Api {
        Arc::new(Self {
            host,
            tokens: Tokens::default(),
            throttle: Throttle::new(),
            routes,
            uploads: Semaphore::new(UPLOADS),
            waiters: Semaphore::new(WAITERS),
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            backups: Arc::new(Semaphore::new(1)),
            deploying: Mutex::new(()),
            rotating: Mutex::new(()),
            revoking: Mutex::new(()),
            changes: TaskTracker::new(),
        })
    }

    /// Carries a change out to its end, also when the caller hangs up halfway: else a release could
    /// be stored and never become active, or a token be revoked and still be known here.
    pub(super) async fn finish<T, F>(&self, change: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        self.changes.spawn(change).await.unwrap_or_else(|panicked| Err(ApiError::internal(panicked)))
    }

    /// Writes to the audit trail what `who` did. A trail that cannot be written does not undo what
    /// was done: it is said in the log.
    pub(super) async fn audit(&self, who: &str, action: &'static str, detail: String) {
        let now = self.host.clock.now();
        if let Err(error) = self.host.store.audit(now, who.into(), action.into(), detail).await {
            tracing::error!(who, action, %error, "the audit trail could not be written");
        }
    }

    /// That there is such an environment.
    pub(super) async fn environment(&self, name: &EnvironmentName) -> Result<(), ApiError> {
        if self.host.store.environments().await?.contains(name) {
            Ok(())
        } else {
            Err(ApiError::no("environment", name))
        }
    }

    /// A secret text of 256 random bits, or of 128, after `prefix`.
    pub(super) fn random_text<const BYTES: usize>(&self, prefix: &str) -> String {
        let mut bytes = [0; BYTES];
        self.host.rng.fill(&mut bytes);
        format!("{prefix}{}", data_encoding::BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        // Put there by the guard of every route that is not public.
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::Unauthenticated)
    }
}
