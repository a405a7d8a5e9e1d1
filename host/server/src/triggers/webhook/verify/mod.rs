//! How a webhook request is known to be genuine: one file for each scheme, and what they share.
//!
//! Works on the bytes as received. Not here: where secrets are kept, nor what is answered: 401, without
//! telling the peer which of these it was.

mod github;
mod hmac;
mod shopify;
mod slack;
mod standard;
mod stripe;

#[cfg(test)]
mod tests;

use ::hmac::{Hmac, KeyInit};
use http::HeaderMap;
use jackfield_core::clock::Timestamp;
use jackfield_core::release::verify::{Algorithm, TimeFormat};
use jackfield_core::release::{Verify, Webhook};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

pub use github::Delivery;

/// Signatures in one request. Senders list two while they change a secret; more are guesses.
const SIGNATURES: usize = 16;
/// The longest id that identifies an event, in bytes.
const ID_BYTES: usize = 256;
/// The shortest of several secrets. A phrase with spaces is none: its words would each be a secret.
const SHORTEST_OF_SEVERAL: usize = 16;

/// Why a request is not taken for genuine. For the log; the peer is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// A header that the scheme needs is absent, or there twice.
    #[error("the header {0} is missing or repeated")]
    Missing(&'static str),
    /// A header does not read as the scheme says.
    #[error("the header {0} is malformed")]
    Malformed(&'static str),
    /// The timestamp is out of tolerance: it may be a replay.
    #[error("the timestamp is too far from now")]
    Stale,
    /// No listed signature is right.
    #[error("no signature matches")]
    Mismatch,
}

/// The stored secret is not one of the scheme's. The operator's to mend, never the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSecret(&'static str);

/// A genuine request's own id: the same for a redelivery.
pub type DeliveryId = String;

/// What was proved about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The URL was known.
    Token,
    /// Signed, with an id that the scheme has a header for.
    Known(DeliveryId),
    /// Signed by GitHub.
    Github(Delivery),
    /// Signed, and known by nothing but what was signed: if a moment was, then by its digest, which
    /// tells a replay.
    Signed(Option<DeliveryId>),
}

/// Checks a request by its trigger's scheme.
///
/// # Errors
///
/// The secret will not do; or within, why the request is not genuine.
pub fn check(
    webhook: &Webhook,
    secret: &SecretString,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Result<Proof, BadSignature>, BadSecret> {
    match &webhook.verify {
        Verify::Token => Ok(Ok(Proof::Token)),
        Verify::StandardWebhooks { .. } => {
            standard::standard_webhooks(secret, headers, body, now).map(|checked| checked.map(Proof::Known))
        }
        Verify::Github { .. } => github::github(secret, headers, body).map(|checked| checked.map(Proof::Github)),
        Verify::Stripe { .. } => Ok(stripe::check(&keys(secret)?, headers, body, now)),
        Verify::Slack { .. } => Ok(hmac::check(&slack::LAYOUT, None, &keys(secret)?, headers, body, now)),
        Verify::Shopify { .. } => Ok(shopify::check(&keys(secret)?, headers, body, now)),
        Verify::Hmac { layout, .. } => {
            Ok(hmac::check(layout, webhook.id_header.as_deref(), &keys(secret)?, headers, body, now))
        }
    }
}

/// Whether text can identify an event: visible ASCII, not too long.
#[must_use]
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The keys in a secret: its text, or several with white space between while one is replaced.
fn keys(secret: &SecretString) -> Result<Vec<&[u8]>, BadSecret> {
    let keys: Vec<&[u8]> = secret.expose_secret().split_ascii_whitespace().map(str::as_bytes).collect();
    match keys.len() {
        0 => Err(BadSecret("the secret is empty, so anybody could sign")),
        1 => Ok(keys),
        _ if keys.iter().all(|key| key.len() >= SHORTEST_OF_SEVERAL) => Ok(keys),
        _ => Err(BadSecret("the secret holds spaces, which separate several, and one of them is under 16 bytes")),
    }
}

/// What signatures are compared with: one under each key.
struct Expected {
    macs: Vec<Vec<u8>>,
    met: subtle::Choice,
}

impl Expected {
    fn new(algorithm: Algorithm, keys: &[impl AsRef<[u8]>], text: &[&[u8]]) -> Self {
        let macs = keys.iter().map(|key| mac(algorithm, key.as_ref(), text)).collect();
        Self { macs, met: subtle::Choice::from(0) }
    }

    /// Compares, and takes the same time whatever comes of it.
    fn compare(&mut self, given: &[u8]) {
        for mac in &self.macs {
            self.met |= mac.as_slice().ct_eq(given);
        }
    }

    /// Whether any was right.
    fn met(self) -> Result<(), BadSignature> {
        if bool::from(self.met) { Ok(()) } else { Err(BadSignature::Mismatch) }
    }
}

fn mac(algorithm: Algorithm, key: &[u8], text: &[&[u8]]) -> Vec<u8> {
    fn with<M: ::hmac::Mac + KeyInit>(key: &[u8], text: &[&[u8]]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
        for part in text {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::Sha256 => with::<Hmac<Sha256>>(key, text),
        Algorithm::Sha512 => with::<Hmac<Sha512>>(key, text),
        Algorithm::Sha1 => with::<Hmac<Sha1>>(key, text),
    }
}

/// What tells a replay of a request with a signed moment: the digest of all that was signed.
fn digest(text: &[&[u8]]) -> DeliveryId {
    let mut sha = Sha256::new();
    for part in text {
        sha.update(part);
    }
    data_encoding::HEXLOWER.encode(&sha.finalize())
}

/// A moment as a header writes it.
fn time(written: &str, format: TimeFormat) -> Option<Timestamp> {
    let number = || {
        let digits = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit());
        if digits { written.parse::<i64>().ok() } else { None }
    };
    match format {
        TimeFormat::Unix => number()?.checked_mul(1000).map(Timestamp),
        TimeFormat::UnixMillis => number().map(Timestamp),
        TimeFormat::Rfc3339 => {
            // No annotations, which the library would read as well.
            let plain = |byte: u8| byte.is_ascii_digit() || b"TtZz:.+-".contains(&byte);
            if written.bytes().all(plain) { Timestamp::parse(written).ok() } else { None }
        }
    }
}

/// The value of a header that must be there once; `said` is what it is called in the log.
fn named<'h>(headers: &'h HeaderMap, name: &str, said: &'static str) -> Result<&'h str, BadSignature> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| BadSignature::Malformed(said)),
        _ => Err(BadSignature::Missing(said)),
    }
}

/// The same for a header that is always called so.
fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, BadSignature> {
    named(headers, name, name)
}
