//! Threat row 41 for the schemes that are an HMAC in some layout, and the vectors that senders publish.

use http::HeaderMap;
use jackfield_core::release::verify::{Encoding, HmacLayout, SignedTime};
use serde_json::{Value, json};

use super::BadSignature::{Malformed, Mismatch, Missing, Stale};
use super::*;

const KEY: &str = "a key of thirty-two bytes, no mo";
const SOLID: &str = "a-key-without-any-spaces";
const NEXT: &str = "the-key-that-comes-next";
const BODY: &[u8] = br#"{"number":"FR-1042"}"#;
const NOW: i64 = 1_767_225_600;

type Pairs<'a> = Vec<(&'a str, String)>;

fn hook(verify: Value, id_header: Option<&str>) -> Webhook {
    let verify = serde_json::from_value(verify).unwrap();
    Webhook { verify, id_header: id_header.map(str::to_owned), respond: false, rate_per_second: 1, burst: 1 }
}

fn headers(pairs: &[(&str, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    headers
}

/// Checks at [`NOW`].
fn checked(hook: &Webhook, secret: &str, pairs: &[(&str, String)], body: &[u8]) -> Result<Proof, BadSignature> {
    check(hook, &SecretString::from(secret), &headers(pairs), body, Timestamp(NOW * 1000)).unwrap()
}

fn hex(algorithm: Algorithm, key: &str, text: &[&[u8]]) -> String {
    data_encoding::HEXLOWER.encode(&mac(algorithm, key.as_bytes(), text))
}

/// A scheme as its sender makes a request: headers for a key, a moment and a body.
struct Sender {
    hook: Webhook,
    sign: fn(&str, i64, &[u8]) -> Pairs<'static>,
    /// The header with the signature, and what comes before the digits in it.
    signature: &'static str,
    /// Whether a moment is signed.
    timed: bool,
}

fn stripe(key: &str, at: i64, body: &[u8]) -> Pairs<'static> {
    let at = at.to_string();
    let signature = hex(Algorithm::Sha256, key, &[at.as_bytes(), b".", body]);
    vec![("stripe-signature", format!("t={at},v1={signature}"))]
}

fn slack(key: &str, at: i64, body: &[u8]) -> Pairs<'static> {
    let at = at.to_string();
    let signature = hex(Algorithm::Sha256, key, &[b"v0:", at.as_bytes(), b":", body]);
    vec![("x-slack-signature", format!("v0={signature}")), ("x-slack-request-timestamp", at)]
}

fn shopify(key: &str, _: i64, body: &[u8]) -> Pairs<'static> {
    let signature = data_encoding::BASE64.encode(&mac(Algorithm::Sha256, key.as_bytes(), &[body]));
    vec![
        ("x-shopify-hmac-sha256", signature),
        ("x-shopify-topic", "orders/create".into()),
        ("x-shopify-event-id", "98880550-7158".into()),
    ]
}

fn plain_hmac(key: &str, _: i64, body: &[u8]) -> Pairs<'static> {
    vec![("x-sig", hex(Algorithm::Sha1, key, &[body]))]
}

fn timed_hmac(key: &str, at: i64, body: &[u8]) -> Pairs<'static> {
    let at = Timestamp(at * 1000).to_string();
    let signature = mac(Algorithm::Sha512, key.as_bytes(), &[b"r-1 ", at.as_bytes(), b".", body]);
    vec![
        ("x-sig", format!("sha512={}", data_encoding::BASE64.encode(&signature))),
        ("x-at", at),
        ("x-id", "r-1".into()),
    ]
}

fn senders() -> Vec<Sender> {
    let timed = json!({
        "scheme": "hmac", "secret": "s", "header": "x-sig", "algorithm": "sha512", "encoding": "base64", "prefix": "sha512=",
        "signed": "{id} {timestamp}.{body}",
        "timestamp": SignedTime { header: "x-at".into(), tolerance: SignedTime::TOLERANCE, format: TimeFormat::Rfc3339 },
    });
    let plain = json!({ "scheme": "hmac", "secret": "s", "header": "x-sig", "algorithm": "sha1" });
    let known = |scheme: &str| hook(json!({ "scheme": scheme, "secret": "s" }), None);
    vec![
        Sender { hook: known("stripe"), sign: stripe, signature: "stripe-signature", timed: true },
        Sender { hook: known("slack"), sign: slack, signature: "x-slack-signature", timed: true },
        Sender { hook: known("shopify"), sign: shopify, signature: "x-shopify-hmac-sha256", timed: false },
        Sender { hook: hook(plain, None), sign: plain_hmac, signature: "x-sig", timed: false },
        Sender { hook: hook(timed, Some("x-id")), sign: timed_hmac, signature: "x-sig", timed: true },
    ]
}

fn edited(pairs: &Pairs<'static>, header: &str, edit: impl Fn(&str) -> String) -> Pairs<'static> {
    let edit =
        |(name, value): &(&'static str, String)| (*name, if *name == header { edit(value) } else { value.clone() });
    pairs.iter().map(edit).collect()
}

#[test]
fn threat_041_what_is_forged_or_stale_is_refused_under_every_scheme() {
    for Sender { hook, sign, signature, timed } in senders() {
        let scheme = format!("{:?}", hook.verify);
        let request = |pairs: &[(&str, String)], body: &[u8]| checked(&hook, SOLID, pairs, body);
        let good = sign(SOLID, NOW, BODY);
        assert!(request(&good, BODY).is_ok(), "{scheme}: {good:?} {:?}", request(&good, BODY));
        assert!(request(&sign(SOLID, NOW, b""), b"").is_ok(), "{scheme}: an empty body");

        // Forged: another key, another body, another moment than was signed.
        assert_eq!(request(&sign(NEXT, NOW, BODY), BODY), Err(Mismatch), "{scheme}");
        assert_eq!(request(&good, b"{}"), Err(Mismatch), "{scheme}");
        assert_eq!(request(&sign(SOLID, NOW, b""), BODY), Err(Mismatch), "{scheme}");
        if timed {
            for offset in [-300, 300] {
                assert!(request(&sign(SOLID, NOW + offset, BODY), BODY).is_ok(), "{scheme} {offset}");
            }
            for offset in [-301, 301, -86_400, 1_000_000_000] {
                assert_eq!(request(&sign(SOLID, NOW + offset, BODY), BODY), Err(Stale), "{scheme} {offset}");
            }
            let later = sign(SOLID, NOW + 1, BODY);
            for (name, value) in later.iter().filter(|(name, _)| *name != signature) {
                let got = request(&edited(&good, name, |_| value.clone()), BODY);
                let same = good.contains(&(*name, value.clone()));
                assert_eq!(got.is_ok(), same, "{scheme} {name}: {got:?}");
            }
        }

        // Truncated, lengthened, of another version, empty, many.
        let value = &good.iter().find(|(name, _)| *name == signature).unwrap().1;
        let half = value.len() / 2;
        let other_version = value.replace("v1=", "v9=").replace("v0=", "v9=").replace("sha512=", "sha256=");
        let mut broken = vec![
            String::new(),
            " ".into(),
            value[..half].into(),
            value[..value.len() - 2].into(),
            value[1..].into(),
            format!("{value}00"),
            format!("{value}AAAA"),
            format!("x{value}"),
        ];
        if other_version != *value {
            broken.push(other_version);
        }
        // One header, one signature, but for Stripe, which lists them.
        if signature != "stripe-signature" {
            broken.extend([[value.as_str(); 3].join(" "), [value.as_str(); 1000].join(",")]);
        }
        for broken in broken {
            let got = request(&edited(&good, signature, |_| broken.clone()), BODY);
            assert!(matches!(got, Err(Mismatch | Malformed(_))), "{scheme} {broken:?}: {got:?}");
        }
        // Each header is needed, once.
        for at in 0..good.len() {
            let mut without = good.clone();
            let header = without.remove(at);
            assert!(matches!(request(&without, BODY), Err(Missing(_))), "{scheme} without {header:?}");
            let twice = [good.clone(), vec![header.clone()]].concat();
            assert!(matches!(request(&twice, BODY), Err(Missing(_))), "{scheme} {header:?} twice");
        }
    }
}

#[test]
fn threat_041_a_replay_has_the_id_it_had() {
    for Sender { hook, sign, timed, .. } in senders() {
        let request = |at, body: &[u8]| checked(&hook, SOLID, &sign(SOLID, at, body), body).unwrap();
        let first = request(NOW, BODY);
        assert_eq!(request(NOW, BODY), first);
        match first {
            Proof::Known(_) => {}
            Proof::Signed(Some(_)) => {
                assert!(timed);
                assert_ne!(request(NOW + 1, BODY), first, "another moment is another event");
                assert_ne!(request(NOW, b"{}"), first, "another body is another event");
            }
            // Nothing tells two events with the same bytes from a replay.
            other => assert_eq!((other, timed), (Proof::Signed(None), false)),
        }
    }
    let [.., timed] = &senders()[..] else { panic!() };
    let proof = checked(&timed.hook, SOLID, &timed_hmac(SOLID, NOW, BODY), BODY);
    assert_eq!(proof, Ok(Proof::Known("r-1".into())));
    let shopify = checked(&senders()[2].hook, SOLID, &shopify(SOLID, NOW, BODY), BODY);
    assert_eq!(shopify, Ok(Proof::Known("orders/create/98880550-7158".into())));
}

#[test]
fn a_secret_can_be_replaced_without_a_gap_under_every_scheme() {
    for Sender { hook, sign, .. } in senders() {
        for secret in [format!("{SOLID} {NEXT}"), format!(" {NEXT}\n{SOLID}\n")] {
            for key in [SOLID, NEXT] {
                let got = checked(&hook, &secret, &sign(key, NOW, BODY), BODY);
                assert!(got.is_ok(), "{:?} {key}: {got:?}", hook.verify);
            }
            let other = sign("neither-of-the-two-keys", NOW, BODY);
            assert_eq!(checked(&hook, &secret, &other, BODY), Err(Mismatch));
        }
        // An empty one protects nothing, and the words of a phrase protect hardly more.
        for bad in ["", " \n", KEY] {
            let got = check(&hook, &SecretString::from(bad), &HeaderMap::new(), b"", Timestamp(0));
            assert!(got.is_err(), "{bad:?}");
        }
    }
}

#[test]
fn threat_041_stripe_lists_signatures() {
    let hook = &senders()[0].hook;
    let request = |value: &str| checked(hook, SOLID, &[("stripe-signature", value.into())], BODY);
    let right = hex(Algorithm::Sha256, SOLID, &[NOW.to_string().as_bytes(), b".", BODY]);
    let wrong = "0".repeat(64);
    for good in [
        format!("t={NOW},v1={right}"),
        format!("t={NOW},v1={right},v0={wrong}"),
        format!("t={NOW},v1={wrong},v1={right}"),
        format!("v1={right},t={NOW}"),
        format!("t={NOW}, v1={right}"),
        format!("t={NOW},v1=zz,v1=,v1={right}"),
        format!("t={NOW}{},v1={right}", format!(",v1={wrong}").repeat(15)),
    ] {
        assert!(request(&good).is_ok(), "{good}");
    }
    for (bad, why) in [
        (format!("t={NOW},v0={right}"), Mismatch),
        (format!("t={NOW},v1={wrong}"), Mismatch),
        (format!("t={NOW}"), Mismatch),
        (format!("v1={right}"), Malformed("stripe-signature")),
        (format!("t={NOW},t={NOW},v1={right}"), Malformed("stripe-signature")),
        (format!("t=soon,v1={right}"), Malformed("stripe-signature")),
        (format!("t=-{NOW},v1={right}"), Malformed("stripe-signature")),
        (format!("t=99999999999999999999,v1={right}"), Malformed("stripe-signature")),
        (format!("t={NOW},v1={right},"), Malformed("stripe-signature")),
        (right.clone(), Malformed("stripe-signature")),
        (format!("t={NOW}{},v1={right}", format!(",v1={wrong}").repeat(1000)), Malformed("stripe-signature")),
    ] {
        assert_eq!(request(&bad), Err(why), "{}", &bad[..bad.len().min(120)]);
    }
}

#[test]
fn a_signed_text_cannot_be_cut_at_another_place() {
    let [.., timed] = &senders()[..] else { panic!() };
    let at = Timestamp(NOW * 1000).to_string();
    // Signed for the id `r-1` and this body: the sender of the body wrote it so that another cut would
    // give another id.
    let body = format!("x {at}.{}", "{}");
    let pairs = timed_hmac(SOLID, NOW, body.as_bytes());
    let moved = edited(&pairs, "x-id", |_| format!("r-1 {at}.x"));
    assert_eq!(checked(&timed.hook, SOLID, &moved, b"{}"), Err(Malformed("of the id")));
    // Nor does the library's liking for annotations move anything.
    for odd in [format!("{at}[UTC]"), format!("{at} "), NOW.to_string(), "2026-01-01".into(), String::new()] {
        let got = checked(&timed.hook, SOLID, &edited(&pairs, "x-at", |_| odd.clone()), body.as_bytes());
        assert!(matches!(got, Err(Malformed(_))), "{odd}: {got:?}");
    }
}

#[test]
fn moments_are_read_as_they_are_written() {
    use TimeFormat::{Rfc3339, Unix, UnixMillis};
    for (written, format, expected) in [
        ("1767225600", Unix, Some(NOW * 1000)),
        ("1767225600", UnixMillis, Some(NOW)),
        ("1767225600123", UnixMillis, Some(NOW * 1000 + 123)),
        ("2026-01-01T00:00:00Z", Rfc3339, Some(NOW * 1000)),
        ("2026-01-01T01:00:00.5+01:00", Rfc3339, Some(NOW * 1000 + 500)),
        ("", Unix, None),
        ("+1", Unix, None),
        ("-1", UnixMillis, None),
        ("1.5", Unix, None),
        ("0x10", Unix, None),
        ("9223372036854775807", Unix, None),
        ("2026-01-01T00:00:00", Rfc3339, None),
        ("2026-13-01T00:00:00Z", Rfc3339, None),
    ] {
        assert_eq!(time(written, format).map(Timestamp::as_millis), expected, "{written} {format:?}");
    }
}

/// RFC 2202, case 2 (SHA-1), and RFC 4231, case 2 (SHA-256 and SHA-512).
#[test]
fn the_published_hmacs_are_made() {
    for (algorithm, expected) in [
        (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            Algorithm::Sha512,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ] {
        assert_eq!(hex(algorithm, "Jefe", &[b"what do ya want ", b"for nothing?"]), expected, "{algorithm:?}");
    }
}

/// The example of Slack's documentation.
#[test]
fn the_example_of_slack_verifies() {
    const EXAMPLE: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let pairs = [
        ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".to_owned()),
        ("x-slack-request-timestamp", "1531420618".to_owned()),
    ];
    let secret = SecretString::from("8f742231b10e8888abcd99yyyzzz85a5");
    let now = Timestamp(1_531_420_618_000);
    let got = check(&senders()[1].hook, &secret, &headers(&pairs), EXAMPLE, now).unwrap();
    assert!(matches!(got, Ok(Proof::Signed(Some(_)))), "{got:?}");
}

#[test]
fn a_layout_says_where_what_stands() {
    let layout = |more: Value| {
        let mut verify = json!({ "scheme": "hmac", "secret": "s", "header": "x-sig" });
        verify.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        verify
    };
    let Verify::Hmac { layout: read, .. } = serde_json::from_value(layout(json!({}))).unwrap() else { panic!() };
    let HmacLayout { algorithm, encoding, prefix, signed, timestamp, .. } = read;
    assert_eq!((algorithm, encoding, prefix.as_str(), timestamp), (Algorithm::Sha256, Encoding::Hex, "", None));
    assert_eq!(signed.to_string(), "{body}");
    // Digits of either case.
    let hook = hook(layout(json!({ "prefix": "v=" })), None);
    let digits = hex(Algorithm::Sha256, SOLID, &[BODY]);
    for value in [format!("v={digits}"), format!("v={}", digits.to_uppercase())] {
        assert_eq!(checked(&hook, SOLID, &[("x-sig", value)], BODY), Ok(Proof::Signed(None)));
    }
    assert_eq!(checked(&hook, SOLID, &[("x-sig", digits)], BODY), Err(Malformed("of the signature")));
}
