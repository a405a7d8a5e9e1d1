//! The table `verify` of a webhook: which scheme, and how an HMAC is laid out.
//!
//! Not here: the rest of a trigger.

use std::time::Duration;

use super::fields::{At, Complaints, Fields};
use super::read::{TIMESTAMP, VERIFY};
use crate::release::Verify;
use crate::release::verify::{Choice, HmacLayout, Piece, SignedText, SignedTime};

/// The shortest and longest `tolerance`.
const TOLERANCES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const LONGEST_PREFIX: usize = 64;

/// Reads it.
pub(super) fn read(complaints: &mut Complaints, at: &At<'_>) -> Option<Verify> {
    let fields = complaints.fields(at, VERIFY)?;
    let scheme = complaints.required(&fields, "scheme", "scheme = \"standard-webhooks\"")?;
    let scheme = complaints.word(&scheme, &Verify::SCHEMES)?;
    if scheme != "hmac" {
        for (_, at) in fields.all().filter(|(key, _)| VERIFY[2..].contains(key)) {
            complaints.say(&at.place, format_args!("is not for scheme `{scheme}`, only for `hmac`: remove it"));
        }
    }
    if scheme == "token" {
        if let Some(secret) = fields.get("secret") {
            complaints.say(&secret.place, "is not used by scheme `token`, whose secret is the URL: remove it");
        }
        return Some(Verify::Token);
    }
    let secret = complaints.required(&fields, "secret", "secret = \"name-of-a-secret\"");
    let secret = secret.and_then(|at| complaints.parsed(&at));
    let layout = if scheme == "hmac" { Some(layout(complaints, &fields)?) } else { None };
    let secret = secret?;
    Some(match (scheme, layout) {
        (_, Some(layout)) => Verify::Hmac { secret, layout },
        ("github", _) => Verify::Github { secret },
        ("stripe", _) => Verify::Stripe { secret },
        ("slack", _) => Verify::Slack { secret },
        ("shopify", _) => Verify::Shopify { secret },
        _ => Verify::StandardWebhooks { secret },
    })
}

fn layout(complaints: &mut Complaints, fields: &Fields<'_>) -> Option<HmacLayout> {
    let before = complaints.0.len();
    let name = complaints.required(fields, "header", "header = \"x-signature\"");
    let name = name.and_then(|at| header(complaints, &at));
    let algorithm = choice(complaints, fields, "algorithm");
    let encoding = choice(complaints, fields, "encoding");
    let prefix = fields.get("prefix").and_then(|at| complaints.line(&at, LONGEST_PREFIX)).unwrap_or_default();
    let signed = fields.get("signed").and_then(|at| complaints.parsed::<SignedText>(&at)).unwrap_or_default();
    let timestamp = fields.get("timestamp").and_then(|at| timestamp(complaints, &at));
    if before == complaints.0.len() {
        match (signed.has(&Piece::Timestamp), fields.get("timestamp")) {
            (true, None) => complaints.missing(
                fields,
                "timestamp",
                "is missing: `signed` holds `{timestamp}`, so write `timestamp = { header = \"x-timestamp\" }`",
            ),
            // Anybody could write another into a request that was listened to.
            (false, Some(at)) => {
                complaints.say(
                    &at.place,
                    "is not signed, so it proves nothing: put `{timestamp}` into `signed`, or remove it",
                );
            }
            _ => {}
        }
    }
    let layout = HmacLayout { header: name?, algorithm: algorithm?, encoding: encoding?, prefix, signed, timestamp };
    (before == complaints.0.len()).then_some(layout)
}

fn timestamp(complaints: &mut Complaints, at: &At<'_>) -> Option<SignedTime> {
    let fields = complaints.fields(at, TIMESTAMP)?;
    let name = complaints.required(&fields, "header", "header = \"x-timestamp\"");
    let header = name.and_then(|at| header(complaints, &at));
    let tolerance = match fields.get("tolerance") {
        Some(at) => complaints.duration(&at, TOLERANCES),
        None => Some(SignedTime::TOLERANCE),
    };
    let format = choice(complaints, &fields, "format");
    Some(SignedTime { header: header?, tolerance: tolerance?, format: format? })
}

/// One of a few words; the default if the key is not there.
fn choice<T: Choice + Default>(complaints: &mut Complaints, fields: &Fields<'_>, key: &str) -> Option<T> {
    let Some(at) = fields.get(key) else { return Some(T::default()) };
    let words: Vec<&str> = T::ALL.iter().map(|(word, _)| *word).collect();
    let word = complaints.word(&at, &words)?;
    T::ALL.iter().find(|(known, _)| *known == word).map(|(_, choice)| *choice)
}

/// The name of a header, in lower case.
pub(super) fn header(complaints: &mut Complaints, at: &At<'_>) -> Option<String> {
    let name = complaints.text(at)?.to_ascii_lowercase();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        complaints.refuse(at, "is not the name of a header; write one like `x-request-id`");
        return None;
    }
    Some(name)
}
