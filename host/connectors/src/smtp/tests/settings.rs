//! Settings: every problem is told at once, with its key and the way out.

use super::*;

#[track_caller]
fn problems(settings: &Value, expected: &[(&str, &str)]) {
    let found = SmtpConnector::new(&Network::default()).check(settings.as_object().unwrap()).err().unwrap_or_default();
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{shown:#?}");
    for (key, part) in expected {
        assert!(found.iter().any(|p| p.key == *key && p.problem.contains(part)), "{key}, {part}: {shown:#?}");
    }
}

#[test]
fn every_problem_is_told() {
    problems(&json!({}), &[("host", "is missing")]);
    problems(
        &json!({ "host": "smtp://mail.example.com", "port": 0, "tls": "maybe", "sender": "nobody", "pool": 65,
                 "credential": { "user": "a" }, "timeout": "1h", "usr": 1 }),
        &[
            ("host", "the name alone"),
            ("port", "from 1 to 65535"),
            ("tls", "starttls"),
            ("sender", "no `@`"),
            ("pool", "from 1 to 64"),
            ("credential.secret", "is missing"),
            ("timeout", "out of range"),
            ("usr", "is not a setting"),
        ],
    );
    problems(&json!({ "host": "a.example", "prot": 25 }), &[("prot", "did you mean `port`?")]);
    problems(&json!({ "host": "a.example", "tls": "off", "ca": tls::files().ca }), &[("ca", "of no use")]);
    problems(&json!({ "host": "a.example", "ca": "no" }), &[("ca", "no certificate")]);
}

#[test]
fn what_is_right_is_taken() {
    problems(&json!({ "host": "mail.example.com" }), &[]);
    problems(&json!({ "host": "192.0.2.7", "port": "2525", "tls": "off" }), &[]);
    problems(&json!({ "host": "[2001:db8::1]", "tls": "tls", "sender": "Jörg <j@bücher.example>" }), &[]);
    let read = |settings: Value| super::super::Settings::read(settings.as_object().unwrap()).unwrap();
    assert_eq!(read(json!({ "host": "a.example" })).port, 587);
    assert_eq!(read(json!({ "host": "a.example", "tls": "tls" })).port, 465);
    let connector = SmtpConnector::new(&Network::default());
    let settings = json!({ "host": "a.example", "credential": { "user": "u", "secret": "s" } });
    assert_eq!(connector.secrets(settings.as_object().unwrap()), ["s"]);
}
