//! Stripe: `Stripe-Signature: t=…,v1=…`, over `{timestamp}.{body}`, under the whole secret as it is shown.
//!
//! Stripe's id of an event is in the body, which is not read here: a replay of a request is known by its
//! moment and its bytes, a repetition that Stripe itself signs anew is another run.
//!
//! Source: Stripe, "Verify webhook signatures manually".

use http::HeaderMap;
use jackfield_core::clock::Timestamp;
use jackfield_core::release::verify::{Algorithm, SignedTime, TimeFormat};

use super::{BadSignature, Expected, Proof, SIGNATURES, digest, single, time};

const SIGNATURE: &str = "stripe-signature";

/// Checks a request that is signed under one of `keys`.
///
/// # Errors
///
/// Why the request is not genuine.
pub(super) fn check(keys: &[&[u8]], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Proof, BadSignature> {
    const MALFORMED: BadSignature = BadSignature::Malformed(SIGNATURE);
    let (mut written, mut signatures) = (None, Vec::new());
    for element in single(headers, SIGNATURE)?.split(',') {
        let (name, value) = element.split_once('=').ok_or(MALFORMED)?;
        match name.trim_ascii() {
            "t" if written.is_some() => return Err(MALFORMED),
            "t" => written = Some(value),
            "v1" if signatures.len() == SIGNATURES => return Err(MALFORMED),
            "v1" => signatures.push(value),
            // Other versions; `v0` is that of test events.
            _ => {}
        }
    }
    let written = written.ok_or(MALFORMED)?;
    let at = time(written, TimeFormat::Unix).ok_or(MALFORMED)?;
    if now.since(at).max(at.since(now)) > SignedTime::TOLERANCE {
        return Err(BadSignature::Stale);
    }
    let text = [written.as_bytes(), b".", body];
    let mut expected = Expected::new(Algorithm::Sha256, keys, &text);
    for signature in signatures {
        if let Ok(given) = data_encoding::HEXLOWER_PERMISSIVE.decode(signature.as_bytes()) {
            expected.compare(&given);
        }
    }
    expected.met()?;
    Ok(Proof::Signed(Some(digest(&text))))
}
