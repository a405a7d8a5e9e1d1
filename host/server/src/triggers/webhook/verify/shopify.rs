//! Shopify: `X-Shopify-Hmac-Sha256` over the body, without a moment: a replay is known by its id.
//!
//! `X-Shopify-Event-Id` is what Shopify says to tell repetitions by. One event can be of several topics,
//! each delivered on its own, so the topic is a part of the id here. Neither is signed.
//!
//! Source: Shopify, "Deliver webhooks through HTTPS" and "Ignore duplicate webhooks".

use std::sync::LazyLock;

use http::HeaderMap;
use jackfield_core::clock::Timestamp;
use jackfield_core::release::verify::{Algorithm, Encoding, HmacLayout, SignedText};

use super::{BadSignature, Proof, hmac, is_id, single};

static LAYOUT: LazyLock<HmacLayout> = LazyLock::new(|| HmacLayout {
    header: "x-shopify-hmac-sha256".into(),
    algorithm: Algorithm::Sha256,
    encoding: Encoding::Base64,
    prefix: String::new(),
    signed: SignedText::default(),
    timestamp: None,
});

/// Checks a request and gives its topic and event id.
///
/// # Errors
///
/// Why the request is not genuine.
pub(super) fn check(keys: &[&[u8]], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Proof, BadSignature> {
    const EVENT_ID: &str = "x-shopify-event-id";
    hmac::check(&LAYOUT, None, keys, headers, body, now)?;
    let id = format!("{}/{}", single(headers, "x-shopify-topic")?, single(headers, EVENT_ID)?);
    if is_id(&id) { Ok(Proof::Known(id)) } else { Err(BadSignature::Malformed(EVENT_ID)) }
}
