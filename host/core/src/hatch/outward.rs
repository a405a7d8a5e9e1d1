//! The way of a call to another system, the same for every capability: in flight, pace, intent, the exchange itself,
//! repeated while it is in doubt and may be, and the record.
//!
//! Not here: what a capability may do (its own file), and what a connector does (its crate).

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Begun, Hatch, Stop};
use crate::breaker::Health;
use crate::clock::within;
use crate::gauntlet::{Bug, bug, crash_point};
use crate::ids::ConnectionName;
use crate::journal::{ArgumentHash, Class, LookUp, Verdict, What};
use crate::metrics::CallResult;
use crate::outside::Linked;
use crate::pace::{Gate, Permit};
use crate::ports::connector::Opened;
use crate::ports::outward::{Failure, Sending};

/// How often a call in doubt that may be repeated is made, in all.
const TRIES: u32 = 3;
/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A call that was interrupted and whose fate cannot be looked up is asked for again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What one exchange came to.
pub(super) struct Sent<A> {
    /// For the guest.
    pub(super) answer: A,
    /// What became of the call.
    pub(super) verdict: Verdict,
    /// What it says of the other side.
    pub(super) health: Health,
    /// When the other side wants to be asked again.
    pub(super) retry_after: Option<Duration>,
    /// Bytes that came.
    pub(super) received_bytes: u64,
}

/// Why a call was not made.
pub(super) enum NotMade {
    /// Its answer is not known: the host was interrupted after it was sent.
    Interrupted,
    /// It was never sent.
    Failed(Failure),
}

/// A call that passed its grant, ready to be made.
pub(super) trait Exchange: Send + Sync {
    /// What is recorded.
    type Answer: Serialize + DeserializeOwned + Send + Sync;

    /// What it is, for a person.
    fn what(&self) -> &What;
    /// The gate of its connection.
    fn gate(&self) -> Option<&Arc<Gate>>;
    /// Its own time limit.
    fn timeout(&self) -> Duration;
    /// Bytes that are sent each time.
    fn sent_bytes(&self) -> u64;
    /// What repeating it would mean. Asked once it is known that it has to be made.
    fn class(&self, within: Duration) -> impl Future<Output = Result<Class, Failure>> + Send;
    /// Makes it, once.
    fn send(&self, with: Sending, class: Class) -> impl Future<Output = Sent<Self::Answer>> + Send;
    /// The answer to a call that was not made.
    fn not_made(&self, why: NotMade) -> Self::Answer;
    /// The answer in a word or two.
    fn shown(answer: &Self::Answer) -> String;
    /// Whether it is what the guest hoped for.
    fn is_ok(answer: &Self::Answer) -> bool;
    /// The most bytes and rows of an answer.
    fn most(&self) -> (u64, u32);
    /// An answer that nobody gave, for a seeded bug.
    fn made_up() -> Option<Self::Answer> {
        None
    }
}

/// What was asked, as it is looked up.
pub(super) struct Asked<F> {
    /// Of everything the guest chose.
    pub(super) hash: ArgumentHash,
    /// As far as it is known before it is looked up.
    pub(super) class: Class,
    /// What is kept of it, if it is new.
    pub(super) request: F,
}

impl Hatch {
    /// Carries out a call, or hands over its recorded answer.
    pub(super) async fn carry_out<E: Exchange>(
        &self,
        call: u32,
        asked: Asked<impl FnOnce() -> Vec<u8>>,
        exchange: &E,
    ) -> Result<E::Answer, Stop> {
        let what = exchange.what();
        let (generation, interrupted) = match self.look_up_asked(call, what, &asked.hash, asked.class, asked.request)? {
            LookUp::Answered { verdict, answer, took_ms } => {
                return self.replay::<E::Answer>(call, what, verdict, &answer, took_ms, E::shown);
            }
            LookUp::Fresh { generation } => (generation, false),
            LookUp::Interrupted { generation } => (generation, true),
        };
        let started = self.outside.clock.monotonic();
        let ends = started + exchange.timeout().min(self.time_left());
        let mut begun =
            Begun { call, what: what.clone(), hash: asked.hash, class: asked.class, generation, interrupted };
        let (verdict, answer) = match exchange.class(ends.saturating_sub(started)).await {
            Ok(class) => {
                begun.class = class;
                if interrupted && class == Class::Unkeyed {
                    (Verdict::InDoubt, exchange.not_made(NotMade::Interrupted))
                } else {
                    self.exchange(&begun, exchange, ends).await?
                }
            }
            Err(failure) if interrupted => {
                // It may have been carried out, and whether it was can be found out later: not now.
                return Err(self.cannot_look(exchange, &failure));
            }
            Err(failure) => (Verdict::NotExecuted, exchange.not_made(NotMade::Failed(failure))),
        };
        let took = self.outside.clock.monotonic().saturating_sub(started);
        let result = match verdict {
            Verdict::InDoubt => CallResult::InDoubt,
            _ if E::is_ok(&answer) => CallResult::Ok,
            _ => CallResult::Error,
        };
        self.outside.metrics.call(&self.info.target, what.capability, result);
        tracing::debug!(
            run = %self.info.fence.run, call, capability = %what.capability, what = %what.text,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), result = E::shown(&answer), "call"
        );
        self.record(&begun, verdict, took, &answer, E::shown(&answer));
        Ok(answer)
    }

    fn cannot_look<E: Exchange>(&self, exchange: &E, failure: &Failure) -> Stop {
        let why =
            format!("it was interrupted while it was sent, and whether it was carried out cannot be asked: {failure}");
        match exchange.gate() {
            Some(gate) => self.end(Stop::Held { connection: gate.connection().clone(), back_in: LOOK_AGAIN, why }),
            None => self.end(Stop::HostFault(why)),
        }
    }

    /// Pace, intent, and the exchange itself, repeated while it is in doubt and may be.
    async fn exchange<E: Exchange>(
        &self,
        begun: &Begun,
        exchange: &E,
        ends: Duration,
    ) -> Result<(Verdict, E::Answer), Stop> {
        let both = async { (self.in_flight.acquire().await, self.shared_in_flight.acquire().await) };
        let Some((Ok(_one), Ok(_other))) = within(&*self.outside.clock, self.time_left(), both).await else {
            let text = "too many calls of this integration are in flight (limits.in_flight)";
            let crowded = NotMade::Failed(Failure::NotExecuted(text.into()));
            return Ok((Verdict::NotExecuted, exchange.not_made(crowded)));
        };
        // Before the intent: a call that is held was never about to be sent.
        let mut permit = match exchange.gate() {
            Some(gate) => Some(self.enter(gate).await?),
            None => None,
        };
        if begun.class != Class::Read && !begun.interrupted && !bug(Bug::NoIntent) {
            self.intend(begun).await?;
        }
        if begun.class != Class::Read
            && bug(Bug::ResultBeforeSend)
            && let Some(made_up) = E::made_up()
        {
            self.record(begun, Verdict::Done, Duration::ZERO, &made_up, E::shown(&made_up));
        }
        let (answer_bytes, answer_rows) = exchange.most();
        let mut tried = 0;
        loop {
            tried += 1;
            let left = ends.saturating_sub(self.outside.clock.monotonic());
            let with = Sending { key: self.key(begun), timeout: left, answer_bytes, answer_rows };
            self.sent.fetch_add(exchange.sent_bytes(), Ordering::Relaxed);
            let sent = exchange.send(with, begun.class).await;
            crash_point("send-after");
            self.received.fetch_add(sent.received_bytes, Ordering::Relaxed);
            if let Some(permit) = permit.take() {
                permit.report(sent.health, sent.retry_after);
            }
            let pause = FIRST_PAUSE * 2_u32.pow(tried - 1);
            let left = ends.saturating_sub(self.outside.clock.monotonic());
            if sent.verdict != Verdict::InDoubt || begun.class == Class::Unkeyed || tried == TRIES || left <= pause {
                return Ok((sent.verdict, sent.answer));
            }
            self.outside.clock.sleep(pause).await;
            if let Some(gate) = exchange.gate() {
                // Held now, after it was sent: what came is what there is to say.
                match gate.enter(left.saturating_sub(pause)).await {
                    Ok(again) => permit = Some(again),
                    Err(_) => return Ok((sent.verdict, sent.answer)),
                }
            }
        }
    }

    /// The call's idempotency key: the same however often it is made.
    fn key(&self, begun: &Begun) -> String {
        let again = if bug(Bug::NewKeyOnRetry) { self.info.fence.number as u32 } else { 0 };
        self.outside.call_key(self.info.fence.run, begun.call, begun.generation + again)
    }

    /// Leave of the connection for a call that was not sent yet.
    async fn enter(&self, gate: &Arc<Gate>) -> Result<Permit, Stop> {
        match gate.enter(self.time_left()).await {
            Ok(permit) => Ok(permit),
            Err(held) => Err(self.end(Stop::Held {
                connection: gate.connection().clone(),
                back_in: held.back_in,
                why: held.why.to_string(),
            })),
        }
    }

    /// What an integration's name for a connection leads to, and its port of one kind, or why there is none.
    pub(super) fn port<P>(
        &self,
        name: &ConnectionName,
        serves: &str,
        port: impl FnOnce(&Opened) -> Option<P>,
    ) -> Option<(Result<P, String>, &Linked)> {
        let (_, linked) = self.linked.iter().find(|(known, _)| known == name)?;
        let found = match &linked.opened {
            Ok(opened) => port(opened).ok_or_else(|| format!("connection `{name}` does not serve {serves}")),
            Err(why) => Err(why.clone()),
        };
        Some((found, linked))
    }
}

/// An exchange told in a connector's own words; `received_bytes` is what came, if it went well.
pub(super) fn told<D, E>(
    came: Result<D, Failure>,
    received_bytes: impl FnOnce(&D) -> u64,
    error: impl FnOnce(Failure) -> E,
) -> Sent<Result<D, E>> {
    let (verdict, health) = match &came {
        Ok(_) => (Verdict::Done, Health::Well),
        Err(failure) => (verdict(failure), health(failure)),
    };
    let received_bytes = came.as_ref().map_or(0, received_bytes);
    Sent { answer: came.map_err(error), verdict, health, retry_after: None, received_bytes }
}

/// What became of a call that failed: the table of the promises.
fn verdict(failure: &Failure) -> Verdict {
    match failure {
        Failure::Denied(_) | Failure::Invalid(_) | Failure::NotExecuted(_) => Verdict::NotExecuted,
        Failure::Refused { .. } | Failure::Conflict(_) => Verdict::Refused,
        Failure::Broken { .. } => Verdict::InDoubt,
        Failure::TooLarge { sent: false, .. } => Verdict::NotExecuted,
        // It was carried out; the guest is told that it will not see what came of it.
        Failure::TooLarge { sent: true, .. } => Verdict::Done,
    }
}

/// What a failure says of the other side.
fn health(failure: &Failure) -> Health {
    match failure {
        Failure::Denied(_) | Failure::Invalid(_) => Health::Unknown,
        Failure::Refused { .. } | Failure::Conflict(_) | Failure::TooLarge { .. } => Health::Well,
        Failure::NotExecuted(_) | Failure::Broken { .. } => Health::Unwell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p3_what_a_failure_means() {
        let text = || String::from("x");
        let refused = Failure::Refused { code: text(), message: text() };
        for (failure, expected) in [
            (Failure::Denied(text()), Verdict::NotExecuted),
            (Failure::Invalid(text()), Verdict::NotExecuted),
            (Failure::NotExecuted(text()), Verdict::NotExecuted),
            (refused, Verdict::Refused),
            (Failure::Conflict(text()), Verdict::Refused),
            (Failure::Broken { message: text(), timed_out: false }, Verdict::InDoubt),
            (Failure::Broken { message: text(), timed_out: true }, Verdict::InDoubt),
            (Failure::TooLarge { message: text(), sent: false }, Verdict::NotExecuted),
            (Failure::TooLarge { message: text(), sent: true }, Verdict::Done),
        ] {
            assert_eq!(verdict(&failure), expected, "{failure:?}");
        }
    }
}
