//! Signatures of webhooks, as their senders make them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The three headers of a [Standard Webhooks](https://www.standardwebhooks.com) message.
///
/// # Panics
///
/// `secret` is not `whsec_` and base64.
#[must_use]
pub fn standard_webhooks(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Vec<(String, String)> {
    let key = secret.strip_prefix("whsec_").expect("a secret starts with whsec_");
    let key = STANDARD.decode(key).expect("a secret is base64");
    let timestamp = timestamp.to_string();
    let signature = STANDARD.encode(hmac(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]));
    vec![
        ("webhook-id".into(), id.into()),
        ("webhook-timestamp".into(), timestamp),
        ("webhook-signature".into(), format!("v1,{signature}")),
    ]
}

/// The headers of a GitHub webhook.
#[must_use]
pub fn github(secret: &str, delivery: &str, event: &str, body: &[u8]) -> Vec<(String, String)> {
    let hex = hex(&hmac(secret.as_bytes(), &[body]));
    vec![
        ("x-github-delivery".into(), delivery.into()),
        ("x-github-event".into(), event.into()),
        ("x-hub-signature-256".into(), format!("sha256={hex}")),
    ]
}

/// The headers of a Stripe webhook.
#[must_use]
pub fn stripe(secret: &str, timestamp: i64, body: &[u8]) -> Vec<(String, String)> {
    let at = timestamp.to_string();
    let signature = hex(&hmac(secret.as_bytes(), &[at.as_bytes(), b".", body]));
    vec![("stripe-signature".into(), format!("t={at},v1={signature}"))]
}

/// The headers of a request from Slack.
#[must_use]
pub fn slack(secret: &str, timestamp: i64, body: &[u8]) -> Vec<(String, String)> {
    let at = timestamp.to_string();
    let signature = hex(&hmac(secret.as_bytes(), &[b"v0:", at.as_bytes(), b":", body]));
    vec![("x-slack-signature".into(), format!("v0={signature}")), ("x-slack-request-timestamp".into(), at)]
}

/// The headers of a Shopify webhook.
#[must_use]
pub fn shopify(secret: &str, topic: &str, event: &str, body: &[u8]) -> Vec<(String, String)> {
    vec![
        ("x-shopify-hmac-sha256".into(), STANDARD.encode(hmac(secret.as_bytes(), &[body]))),
        ("x-shopify-topic".into(), topic.into()),
        ("x-shopify-event-id".into(), event.into()),
    ]
}

/// The headers of a sender of no renown: HMAC-SHA-256 in hexadecimal over `{timestamp}.{body}`.
#[must_use]
pub fn timed_hmac(secret: &str, timestamp: i64, body: &[u8]) -> Vec<(String, String)> {
    let at = timestamp.to_string();
    let signature = hex(&hmac(secret.as_bytes(), &[at.as_bytes(), b".", body]));
    vec![("x-signature-of-mine".into(), format!("sha256={signature}")), ("x-at".into(), at)]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks reference libraries.
    #[test]
    fn a_known_standard_webhooks_signature() {
        let headers = standard_webhooks(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(headers[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    /// The example of Slack's documentation on verifying requests.
    #[test]
    fn a_known_slack_signature() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
            &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
            &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
            &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let headers = slack("8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618, body.as_bytes());
        assert_eq!(headers[0].1, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
    }

    /// The example of GitHub's documentation on validating deliveries.
    #[test]
    fn a_known_github_signature() {
        let headers = github("It's a Secret to Everybody", "d", "push", b"Hello, World!");
        assert_eq!(headers[2].1, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    }
}
