//! Settings: every problem is told, with its key and the way out.

use jackfield_core::ports::connector::SettingProblem;

use super::*;

#[track_caller]
fn told(checked: Result<(), Vec<SettingProblem>>, expected: &[(&str, &str)]) {
    let found = checked.err().unwrap_or_default();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((key, part), found) in expected.iter().zip(&found) {
        assert!(found.key == *key && found.problem.contains(part), "{key}, {part}: {found:#?}");
    }
}

#[track_caller]
fn problems(settings: Value, expected: &[(&str, &str)]) {
    told(connector().check(&map(settings)), expected);
}

#[test]
fn good_ones_pass() {
    for settings in [
        json!({ "brokers": "a.example:9092,b.example:9092" }),
        json!({ "brokers": ["[::1]:9092"], "tls": "off", "client_id": "orders" }),
        json!({ "brokers": ["a:1"], "credential": { "user": "app", "secret": "s", "mechanism": "scram-sha-512" } }),
    ] {
        problems(settings, &[]);
    }
    for trigger in [json!({ "topics": ["orders"] }), json!({ "topics": "a,b", "group": "g", "from": "earliest" })] {
        told(connector().check_trigger(&map(trigger)), &[]);
    }
}

#[test]
fn every_problem_is_told_at_once() {
    problems(
        json!({
            "brokers": ["a", "me:secret@b:1", "kafka://c:1"],
            "credential": { "user": "app", "secret": "s", "mechanism": "plane" },
            "tls": "maybe", "broker": 1,
        }),
        &[
            ("brokers", "has no port"),
            ("brokers", "put them under `credential`"),
            ("brokers", "write `host:9092`"),
            ("credential.mechanism", "`plane` is not known"),
            ("tls", "`require` or `off`"),
            ("broker", "did you mean `brokers`?"),
        ],
    );
    problems(json!({}), &[("brokers", "is missing")]);
    problems(
        json!({ "brokers": "a:1", "tls": "off", "credential": { "user": "u", "secret": "s", "mechanism": "plain" } }),
        &[("tls", "for everybody to read")],
    );
    told(
        connector()
            .check_trigger(&map(json!({ "topics": ["a b", "__consumer_offsets"], "from": "now", "breaker": {} }))),
        &[
            ("topics", "no name of a topic"),
            ("topics", "the cluster's own"),
            ("from", "`latest` or `earliest`"),
            ("breaker", "a setting of a connection"),
        ],
    );
    told(connector().check_trigger(&map(json!({}))), &[("topics", "is missing")]);
}

#[tokio::test]
async fn what_no_broker_should_be_sent_is_not_sent() {
    let settings = map(json!({ "brokers": "127.0.0.1:9", "tls": "off" }));
    let link = open(&settings);
    for wrong in [
        message("a b", b""),
        message("", b""),
        message("__consumer_offsets", b""),
        Message { headers: vec![("x\ny".into(), "1".into())], ..message("a", b"") },
    ] {
        let refused = publish(&link, "key", vec![wrong.clone()]).await.unwrap_err();
        assert!(matches!(refused, Failure::Invalid(_)), "{wrong:?}: {refused:?}");
    }
}
