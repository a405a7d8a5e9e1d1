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
    let hex: String = hmac(secret.as_bytes(), &[body]).iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        ("x-github-delivery".into(), delivery.into()),
        ("x-github-event".into(), event.into()),
        ("x-hub-signature-256".into(), format!("sha256={hex}")),
    ]
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

    /// The example of GitHub's documentation on validating deliveries.
    #[test]
    fn a_known_github_signature() {
        let headers = github("It's a Secret to Everybody", "d", "push", b"Hello, World!");
        assert_eq!(headers[2].1, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    }
}
