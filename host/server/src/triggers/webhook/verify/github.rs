//! GitHub: `X-Hub-Signature-256`.

use http::HeaderMap;
use jackfield_core::release::verify::Algorithm;
use secrecy::{ExposeSecret as _, SecretString};

use super::{BadSecret, BadSignature, DeliveryId, Expected, is_id, single};

/// What GitHub says of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `X-GitHub-Delivery`
    pub id: DeliveryId,
    /// `X-GitHub-Event`, such as `issues`.
    pub event: String,
}

/// Checks a request by GitHub's `X-Hub-Signature-256` and gives what the delivery says of itself.
///
/// GitHub signs the body alone, without a timestamp: a replay is known by its delivery id.
///
/// # Errors
///
/// The secret will not do; or within, why the request is not genuine.
///
/// Source: GitHub, "Validating webhook deliveries".
pub fn github(
    secret: &SecretString,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Result<Delivery, BadSignature>, BadSecret> {
    let key = secret.expose_secret().trim_ascii();
    if key.is_empty() {
        return Err(BadSecret("the secret is empty, so anybody could sign"));
    }
    Ok(check_github(key.as_bytes(), headers, body))
}

fn check_github(key: &[u8], headers: &HeaderMap, body: &[u8]) -> Result<Delivery, BadSignature> {
    const SIGNATURE: &str = "x-hub-signature-256";
    let signature = single(headers, SIGNATURE)?;
    let hex = signature.strip_prefix("sha256=").ok_or(BadSignature::Malformed(SIGNATURE))?;
    let given = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
    let given = given.map_err(|_| BadSignature::Malformed(SIGNATURE))?;
    let mut expected = Expected::new(Algorithm::Sha256, &[key], &[body]);
    expected.compare(&given);
    expected.met()?;
    let id = single(headers, "x-github-delivery")?;
    if !is_id(id) {
        return Err(BadSignature::Malformed("x-github-delivery"));
    }
    let event = single(headers, "x-github-event")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if event.is_empty() || event.len() > 64 || !event.bytes().all(plain) {
        return Err(BadSignature::Malformed("x-github-event"));
    }
    Ok(Delivery { id: id.to_owned(), event: event.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_is_the_operators_problem() {
        assert!(github(&SecretString::from(" "), &HeaderMap::new(), b"").is_err());
    }

    fn hub(pairs: &[(&'static str, &str)]) -> Result<Delivery, BadSignature> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        github(&SecretString::from("It's a Secret to Everybody"), &headers, b"Hello, World!").unwrap()
    }

    /// The values are those of GitHub's own documentation.
    #[test]
    fn threat_041_github() {
        use BadSignature::{Malformed, Mismatch, Missing};
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let (id, event) = (("x-github-delivery", "72d3162e-cc78"), ("x-github-event", "issues"));
        let delivery = Delivery { id: "72d3162e-cc78".into(), event: "issues".into() };
        assert_eq!(hub(&[("x-hub-signature-256", good), id, event]), Ok(delivery));

        let forged = good.replace("757107", "757108");
        assert_eq!(hub(&[("x-hub-signature-256", &forged), id, event]), Err(Mismatch));
        assert!(hub(&[("x-hub-signature-256", &good[..40]), id, event]).is_err());
        assert_eq!(hub(&[("x-hub-signature-256", "sha256="), id, event]), Err(Mismatch));
        for malformed in ["sha1=757107ea0eb2509fc211221cce984b8a37570b6d", &good[7..], "sha256=zz", ""] {
            let got = hub(&[("x-hub-signature-256", malformed), id, event]);
            assert_eq!(got, Err(Malformed("x-hub-signature-256")), "{malformed:?}");
        }
        // SHA-1 alone is not enough, and two signatures are one too many.
        assert_eq!(hub(&[("x-hub-signature", good), id, event]), Err(Missing("x-hub-signature-256")));
        let twice = [("x-hub-signature-256", good), ("x-hub-signature-256", good), id, event];
        assert_eq!(hub(&twice), Err(Missing("x-hub-signature-256")));

        assert_eq!(hub(&[("x-hub-signature-256", good), event]), Err(Missing("x-github-delivery")));
        for odd in ["", "Issues", "a b", "../x", &"a".repeat(65)] {
            let got = hub(&[("x-hub-signature-256", good), id, ("x-github-event", odd)]);
            assert_eq!(got, Err(Malformed("x-github-event")), "{odd:?}");
        }
    }
}
