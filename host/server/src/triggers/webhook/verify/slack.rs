//! Slack: `X-Slack-Signature` over `v0:{timestamp}:{body}`, the moment in `X-Slack-Request-Timestamp`.
//!
//! Slack's id of an event is in the body, which is not read here. Its question whether an address is ours
//! (`url_verification`) is an event like any other: the handler answers it, on a trigger that responds.
//!
//! Source: Slack, "Verifying requests from Slack".

use std::sync::LazyLock;

use jackfield_core::release::verify::{Algorithm, Encoding, HmacLayout, SignedTime, TimeFormat};

pub(super) static LAYOUT: LazyLock<HmacLayout> = LazyLock::new(|| HmacLayout {
    header: "x-slack-signature".into(),
    algorithm: Algorithm::Sha256,
    encoding: Encoding::Hex,
    prefix: "v0=".into(),
    signed: "v0:{timestamp}:{body}".parse().expect("a test reads this template"),
    timestamp: Some(SignedTime {
        header: "x-slack-request-timestamp".into(),
        tolerance: SignedTime::TOLERANCE,
        format: TimeFormat::Unix,
    }),
});
