//! Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, general_purpose};
use http::HeaderMap;
use jackfield_core::clock::Timestamp;
use jackfield_core::release::verify::{Algorithm, SignedTime, TimeFormat};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{BadSecret, BadSignature, DeliveryId, Expected, SIGNATURES, is_id, single, time};

/// Secrets are written with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    general_purpose::GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Checks a request by the Standard Webhooks specification and gives its `webhook-id`.
///
/// `secret` is `whsec_` and base64, or several of these separated by spaces while one is replaced.
/// `body` is the request body as received.
///
/// # Errors
///
/// The secret will not do; or within, why the request is not genuine.
///
/// Source: Standard Webhooks, "Verifying webhook authenticity" and "Signature scheme".
pub fn standard_webhooks(
    secret: &SecretString,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Result<DeliveryId, BadSignature>, BadSecret> {
    let keys = standard_keys(secret)?;
    Ok(check_standard(&keys, headers, body, now))
}

fn standard_keys(secret: &SecretString) -> Result<Vec<Zeroizing<Vec<u8>>>, BadSecret> {
    const WANTED: &str = "the secret is not a Standard Webhooks one: `whsec_` and at least 16 bytes as base64";
    let mut keys = Vec::new();
    for text in secret.expose_secret().split_ascii_whitespace() {
        let text = text.strip_prefix("whsec_").ok_or(BadSecret(WANTED))?;
        let key = LENIENT.decode(text).map(Zeroizing::new).map_err(|_| BadSecret(WANTED))?;
        if key.len() < 16 {
            return Err(BadSecret(WANTED));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(BadSecret(WANTED)) } else { Ok(keys) }
}

fn check_standard(
    keys: &[Zeroizing<Vec<u8>>],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<DeliveryId, BadSignature> {
    let id = single(headers, "webhook-id")?;
    // A full stop would let the same signed text be cut at another place.
    if !is_id(id) || id.contains('.') {
        return Err(BadSignature::Malformed("webhook-id"));
    }
    let written = single(headers, "webhook-timestamp")?;
    let signatures = single(headers, "webhook-signature")?;

    let at = time(written, TimeFormat::Unix).ok_or(BadSignature::Malformed("webhook-timestamp"))?;
    if now.since(at).max(at.since(now)) > SignedTime::TOLERANCE {
        return Err(BadSignature::Stale);
    }

    let text = [id.as_bytes(), b".", written.as_bytes(), b".", body];
    let mut expected = Expected::new(Algorithm::Sha256, keys, &text);
    for (index, signature) in signatures.split(' ').filter(|s| !s.is_empty()).enumerate() {
        if index == SIGNATURES {
            return Err(BadSignature::Malformed("webhook-signature"));
        }
        let Some(encoded) = signature.strip_prefix("v1,") else { continue };
        let Ok(given) = STANDARD.decode(encoded) else { continue };
        expected.compare(&given);
    }
    expected.met().map(|()| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::mac;
    use super::*;

    const KEY: &[u8] = b"a key of exactly 32 bytes, no mo";
    const BODY: &[u8] = b"{\"number\": \"FR-1042\"}";
    const NOW: i64 = 1_767_225_600;

    fn sign(key: &[u8], id: &str, at: &str, body: &[u8]) -> String {
        format!(
            "v1,{}",
            STANDARD.encode(mac(Algorithm::Sha256, key, &[id.as_bytes(), b".", at.as_bytes(), b".", body]))
        )
    }

    fn standard(pairs: &[(&'static str, &str)], secret: &str, body: &[u8]) -> Result<String, BadSignature> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        standard_webhooks(&SecretString::from(secret), &headers, body, Timestamp(NOW * 1000)).unwrap()
    }

    fn secret(key: &[u8]) -> String {
        format!("whsec_{}", STANDARD.encode(key))
    }

    /// The example in the specification's reference libraries.
    #[test]
    fn the_published_example_verifies() {
        let headers: HeaderMap = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let now = Timestamp(1_614_265_330_000);
        let got = standard_webhooks(&secret, &headers, b"{\"test\": 2432232314}", now).unwrap();
        assert_eq!(got.as_deref(), Ok("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    }

    #[test]
    fn threat_041_standard_webhooks() {
        use BadSignature::{Malformed, Mismatch, Missing, Stale};
        let at = |offset: i64| (NOW + offset).to_string();
        let good = sign(KEY, "msg_1", &at(0), BODY);
        let request = |at: &str, signature: &str| {
            standard(
                &[("webhook-id", "msg_1"), ("webhook-timestamp", at), ("webhook-signature", signature)],
                &secret(KEY),
                BODY,
            )
        };
        assert_eq!(request(&at(0), &good), Ok("msg_1".into()));
        for offset in [-300, 300] {
            assert!(request(&at(offset), &sign(KEY, "msg_1", &at(offset), BODY)).is_ok(), "{offset}");
        }

        // Stale and future, rightly signed.
        for offset in [-301, 301, -86_400, 1_000_000_000] {
            assert_eq!(request(&at(offset), &sign(KEY, "msg_1", &at(offset), BODY)), Err(Stale), "{offset}");
        }
        // A timestamp that is no whole number of seconds, rightly signed.
        for odd in ["", "soon", "-1", "+1767225600", "1767225600.5", "1767225600000000000", "99999999999999999999", "١"]
        {
            if let Ok(value) = http::HeaderValue::from_str(odd) {
                let value = value.to_str().unwrap_or("");
                let got = request(value, &sign(KEY, "msg_1", value, BODY));
                assert!(matches!(got, Err(Malformed(_) | Stale)), "{odd:?}: {got:?}");
            }
        }
        // Forged: another key, body, id, time.
        let other = b"another key of 32 bytes, no more";
        for forged in [
            sign(other, "msg_1", &at(0), BODY),
            sign(KEY, "msg_1", &at(0), b"{}"),
            sign(KEY, "msg_2", &at(0), BODY),
            sign(KEY, "msg_1", &at(1), BODY),
        ] {
            assert_eq!(request(&at(0), &forged), Err(Mismatch));
        }
        // Truncated, lengthened, of another version, not base64, empty.
        let bare = good.strip_prefix("v1,").unwrap();
        for broken in [
            &good[..good.len() - 4],
            &good[..20],
            "v1,",
            "v1",
            "",
            " ",
            bare,
            &format!("{good}AAAA"),
            &format!("v2,{bare}"),
            &format!("v1a,{bare}"),
            &format!("V1,{bare}"),
            "v1,!!!!",
        ] {
            assert_eq!(request(&at(0), broken), Err(Mismatch), "{broken:?}");
        }
        // Several signatures: one right one will do, unless they are too many.
        let wrong = sign(other, "msg_1", &at(0), BODY);
        assert!(request(&at(0), &format!("{wrong} v1a,abc {good}")).is_ok());
        assert!(request(&at(0), &format!("{}{good}", format!("{wrong} ").repeat(15))).is_ok());
        assert_eq!(
            request(&at(0), &format!("{}{good}", format!("{wrong} ").repeat(1000))),
            Err(Malformed("webhook-signature"))
        );

        // Headers missing, twice, or that could be cut at another place.
        let all = [("webhook-id", "msg_1"), ("webhook-timestamp", &*at(0)), ("webhook-signature", &*good)];
        for leave_out in 0..3 {
            let mut some = all.to_vec();
            let (name, _) = some.remove(leave_out);
            assert_eq!(standard(&some, &secret(KEY), BODY), Err(Missing(name)));
            let twice = [all.as_slice(), &all[leave_out..=leave_out]].concat();
            assert_eq!(standard(&twice, &secret(KEY), BODY), Err(Missing(name)));
        }
        let cut = sign(KEY, "msg.1", &at(0), BODY);
        assert_eq!(
            standard(&[("webhook-id", "msg.1"), all[1], ("webhook-signature", &cut)], &secret(KEY), BODY),
            Err(Malformed("webhook-id"))
        );
    }

    #[test]
    fn a_secret_can_be_replaced_without_a_gap() {
        let (old, new) = (b"the old key, also 32 bytes long.", KEY);
        let both = format!("{} {}", secret(new), secret(old));
        for key in [old.as_slice(), new] {
            let signature = sign(key, "m", &NOW.to_string(), BODY);
            let pairs =
                [("webhook-id", "m"), ("webhook-timestamp", &*NOW.to_string()), ("webhook-signature", &*signature)];
            assert!(standard(&pairs, &both, BODY).is_ok());
            assert!(standard(&pairs, &secret(b"neither of the two, 32 bytes ...")[..], BODY).is_err());
        }
    }

    #[test]
    fn a_secret_that_cannot_protect_is_the_operators_problem() {
        for bad in ["", "  ", "whsec_", "whsec_AAAA", "whsec_!!", "a key of exactly 32 bytes, no mo"] {
            let got = standard_webhooks(&SecretString::from(bad), &HeaderMap::new(), b"", Timestamp(0));
            assert!(got.is_err(), "{bad:?}");
        }
    }
}
