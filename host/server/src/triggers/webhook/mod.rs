//! The webhook trigger: `POST /hooks/{token}[/path]` becomes an event, and a run before anybody says
//! thank you.
//!
//! Cheap checks come first: nothing of a body is read before its hook is known and its rate allows it.
//! Not here: signatures (`verify`), what an event holds (`event`), and what is answered (`answer`).

mod answer;
mod event;
mod hooks;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use jackfield_core::clock::Clock;
use jackfield_core::event::Event;
use jackfield_core::intake::{Incoming, Intake, IntakeError, Releases};
use jackfield_core::metrics::{Metrics, TriggerResult};
use jackfield_core::outside::Outside;
use jackfield_core::release::{TriggerKind, Webhook};
use tokio_util::sync::CancellationToken;

use crate::app::Host;
use crate::hold::Hold;
use crate::listeners::BodyTooSlow;

use answer::Refusal;
pub use hooks::Hooks;
use hooks::Known;
use verify::Proof;

/// The longest `wait=`.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What this trigger sees of the host, and nothing else.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Addresses.
    pub hooks: &'a Hooks,
    /// What is active.
    pub releases: &'a Releases,
    /// The sink.
    pub intake: &'a Intake,
    /// Secrets that a trigger names.
    pub outside: &'a Outside,
    /// Time.
    pub clock: &'a Arc<dyn Clock>,
    /// What was refused is counted.
    pub metrics: &'a Metrics,
    /// Whether the host is held.
    pub hold: &'a Hold,
    /// Fires when the host stops: nobody then waits any longer for an output.
    pub draining: &'a CancellationToken,
}

/// Answers a request to the ingress listener.
pub async fn answer(host: &Host, request: Request<Body>) -> Response<Body> {
    let context = Context {
        hooks: &host.hooks,
        releases: &host.releases,
        intake: &host.intake,
        outside: &host.outside,
        clock: &host.clock,
        metrics: &host.metrics,
        hold: &host.hold,
        draining: host.health.draining(),
    };
    context.answer(request).await
}

/// An active hook, as far as its request is concerned.
struct Active {
    known: Arc<Known>,
    webhook: Webhook,
    event_bytes: u64,
}

impl Context<'_> {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.handle(request).await.unwrap_or_else(|refusal| answer::refused(&refusal))
    }

    async fn handle(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let (parts, body) = request.into_parts();
        let (token, path) = split(parts.uri.path()).ok_or(Refusal::NotFound)?;
        if self.hold.is_held() {
            return Err(Refusal::Unavailable("the host is held after a restore"));
        }
        if !matches!(parts.method, Method::POST | Method::PUT) {
            return Err(Refusal::Method);
        }
        let active = self.active(token).ok_or(Refusal::NotFound)?;
        self.within_rate(&active)?;
        let wait = wait(parts.uri.query(), active.webhook.respond)?;
        let body = self.read(&active, body).await?;
        let proof = self.genuine(&active, &parts, &body).await?;

        let Known { scope, trigger, .. } = &*active.known;
        let (event, dedupe) = event::event(scope, trigger, &active.webhook, proof, &parts, path, body)
            .map_err(|bad| self.refuse(&active, Refusal::Malformed(bad.to_string())))?;
        let Some(limit) = wait else { return Ok(answer::accepted(self.accept(&active, event, dedupe).await?)) };
        let _place = active.known.wait().ok_or(Refusal::TooMany {
            what: "too many requests wait for this hook's runs; send it without wait=",
            retry_after: Duration::from_secs(1),
        })?;
        let accepted = self.accept(&active, event, dedupe).await?;
        let ended = self.draining.run_until_cancelled(self.intake.outcome(accepted.run(), limit)).await.flatten();
        Ok(ended.and_then(answer::ended).unwrap_or_else(|| answer::accepted(accepted)))
    }

    /// The hook of this token, if it is one of an active webhook trigger.
    fn active(&self, token: &str) -> Option<Active> {
        let known = self.hooks.find(token)?;
        let release = self.releases.active(&known.scope)?;
        let manifest = &release.version.manifest;
        let trigger = manifest.triggers.iter().find(|trigger| trigger.name == known.trigger)?;
        let TriggerKind::Webhook(webhook) = &trigger.kind else { return None };
        let component = manifest.components.get(&trigger.component)?;
        Some(Active { webhook: webhook.clone(), event_bytes: component.limits.event_bytes, known })
    }

    fn within_rate(&self, active: &Active) -> Result<(), Refusal> {
        let Webhook { rate_per_second, burst, .. } = active.webhook;
        active.known.within_rate(rate_per_second, burst, self.clock).map_err(|retry_after| {
            self.metrics.trigger(&active.known.scope, "webhook", TriggerResult::RateLimited);
            Refusal::TooMany { what: "this hook receives too many requests", retry_after }
        })
    }

    async fn read(&self, active: &Active, body: Body) -> Result<Bytes, Refusal> {
        let read = read(body, active.event_bytes).await;
        read.map_err(|refusal| self.refuse(active, refusal))
    }

    async fn genuine(&self, active: &Active, parts: &Parts, body: &Bytes) -> Result<Proof, Refusal> {
        let Known { scope, trigger, .. } = &*active.known;
        let Some(name) = active.webhook.verify.secret() else { return Ok(Proof::Token) };
        let secret = match self.outside.secret(&scope.environment, name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => {
                tracing::warn!(%scope, %trigger, secret = %name, "a hook cannot verify requests: its secret is not set");
                return Err(self.refuse(active, Refusal::Unavailable("the hook is not set up")));
            }
            Err(error) => {
                tracing::warn!(%scope, %trigger, %error, "a hook cannot verify requests");
                return Err(self.refuse(active, Refusal::Unavailable("the request cannot be verified now")));
            }
        };
        match verify::check(&active.webhook, &secret, &parts.headers, body, self.clock.now()) {
            Ok(Ok(proof)) => Ok(proof),
            Ok(Err(why)) => {
                tracing::info!(%scope, %trigger, %why, "a webhook request was not genuine");
                Err(self.refuse(active, Refusal::NotGenuine))
            }
            Err(why) => {
                tracing::warn!(%scope, %trigger, secret = %name, %why, "a hook cannot verify requests");
                Err(self.refuse(active, Refusal::Unavailable("the hook is not set up")))
            }
        }
    }

    async fn accept(
        &self,
        active: &Active,
        event: Event,
        dedupe: bool,
    ) -> Result<jackfield_core::store::queue::Accepted, Refusal> {
        let Known { scope, trigger, .. } = &*active.known;
        let accepted = self.intake.accept(scope, trigger, vec![Incoming { event, dedupe }]).await;
        let unavailable = Refusal::Unavailable("the host cannot accept events now");
        match accepted {
            Ok(accepted) => accepted.into_iter().next().ok_or(unavailable),
            // Released anew between the look and the accept.
            Err(IntakeError::NotFound) => Err(Refusal::NotFound),
            Err(IntakeError::TooLarge { limit }) => Err(Refusal::TooLarge { limit }),
            Err(IntakeError::QueueFull { retry_after, .. }) => {
                Err(Refusal::TooMany { what: "the integration's queue is full", retry_after })
            }
            Err(IntakeError::DiskFull) => Err(Refusal::Unavailable("the host's disk is full")),
            Err(IntakeError::Unavailable(error)) => {
                tracing::error!(%scope, %trigger, %error, "an event could not be accepted");
                Err(unavailable)
            }
        }
    }

    fn refuse(&self, active: &Active, refusal: Refusal) -> Refusal {
        self.metrics.trigger(&active.known.scope, "webhook", TriggerResult::Refused);
        refusal
    }
}

/// The token and the path below it, starting with `/`, of `/hooks/{token}[/path]`.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/hooks/")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (token, below) = rest.split_at(end);
    (!token.is_empty()).then_some((token, if below.is_empty() { "/" } else { below }))
}

/// How long `wait=` asks to wait, if the trigger responds at all.
fn wait(query: Option<&str>, respond: bool) -> Result<Option<Duration>, Refusal> {
    let Some(query) = query else { return Ok(None) };
    let mut asked = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "wait");
    let Some((_, text)) = asked.next() else { return Ok(None) };
    // Elsewhere `wait` is a parameter of the sender's own, and none of our business.
    if !respond {
        return Ok(None);
    }
    let number = text.strip_suffix("ms").map(|n| (n, 1)).or_else(|| text.strip_suffix('s').map(|n| (n, 1000)));
    let millis = number.and_then(|(number, unit)| number.parse::<u64>().ok()?.checked_mul(unit));
    match millis.map(Duration::from_millis) {
        Some(wait) if wait <= LONGEST_WAIT => Ok(Some(wait)),
        _ => Err(Refusal::NoWait("wait= takes a time up to 60s, such as wait=10s")),
    }
}

/// Reads a body as it comes, up to `limit` bytes.
async fn read(mut body: Body, limit: u64) -> Result<Bytes, Refusal> {
    let too_large = Refusal::TooLarge { limit };
    let hint = http_body::Body::size_hint(&body);
    if hint.lower() > limit {
        return Err(too_large);
    }
    let (mut first, mut rest): (Bytes, Option<BytesMut>) = (Bytes::new(), None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if is_too_slow(&error) { Refusal::TooSlow } else { Refusal::Malformed("the body broke off".into()) }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let so_far = rest.as_ref().map_or(first.len(), BytesMut::len);
        if so_far as u64 + data.len() as u64 > limit {
            return Err(too_large);
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            // Most bodies come in one piece, which needs no copy.
            None if first.is_empty() => first = data,
            None => {
                let mut all = BytesMut::with_capacity(usize::try_from(hint.lower()).unwrap_or(0).max(so_far * 2));
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                rest = Some(all);
            }
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

fn is_too_slow(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<BodyTooSlow>() {
            return true;
        }
        cause = error.source();
    }
    false
}
