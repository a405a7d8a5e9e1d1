//! Settings: every problem is told, with its key and the way out.

use jackfield_core::ports::connector::SettingProblem;

use super::*;

#[track_caller]
fn problems(settings: Value, expected: &[(&str, &str)]) {
    told(connector().check(&map(settings)), expected);
}

#[track_caller]
fn trigger_problems(trigger: Value, expected: &[(&str, &str)]) {
    told(connector().check_trigger(&map(trigger)), expected);
}

#[track_caller]
fn told(checked: Result<(), Vec<SettingProblem>>, expected: &[(&str, &str)]) {
    let found = checked.err().unwrap_or_default();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((key, part), found) in expected.iter().zip(&found) {
        assert!(found.key == *key && found.problem.contains(part), "{key}, {part}: {found:#?}");
    }
}

#[test]
fn good_ones_pass() {
    for settings in [
        json!({ "servers": "nats://a.example,nats://b.example:4333" }),
        json!({ "servers": ["tls://a.example"], "credential": { "user": "app", "secret": "s" }, "timeout": "3s" }),
        json!({ "servers": ["[::1]:4222"], "credential": { "type": "token", "secret": "s" }, "jetstream": false }),
        json!({ "servers": ["nats://a"], "tls": "require", "pace": { "rate": "10/s" } }),
    ] {
        problems(settings, &[]);
    }
    for trigger in [
        json!({ "stream": "ORDERS" }),
        json!({ "stream": "ORDERS", "subjects": ["orders.*.new", "orders.>"], "deliver": "all", "ack_wait": "1m" }),
        json!({ "subjects": ["orders.>"] }),
    ] {
        trigger_problems(trigger, &[]);
    }
}

#[test]
fn every_problem_is_told_at_once() {
    problems(
        json!({
            "servers": ["http://a", "nats://me:secret@b", "tls://c:0"],
            "credential": { "type": "passwort", "secret": "s" },
            "jetstream": "perhaps", "timeout": "11m", "sever": 1,
        }),
        &[
            ("servers", "`http://` is not spoken"),
            ("servers", "put them under `credential`"),
            ("servers", "is no host name or address and port"),
            ("credential.type", "`passwort` is not known"),
            ("timeout", "out of range"),
            ("jetstream", "should be true or false"),
            ("sever", "did you mean `servers`?"),
        ],
    );
    problems(json!({}), &[("servers", "is missing; for example")]);
    problems(json!({ "servers": "tls://a", "tls": "off" }), &[("servers", "demands TLS")]);
    problems(
        json!({ "servers": "a", "credential": { "user": "app" } }),
        &[("credential.secret", "is missing; for example")],
    );
}

#[test]
fn a_triggers_problems_are_told_at_once() {
    trigger_problems(json!({}), &[("stream", "is missing")]);
    trigger_problems(
        json!({ "stream": "a.b", "subjects": ["a..b", "a.>.b", "a b"], "deliver": "last", "ack_wait": "10ms", "pace": {} }),
        &[
            ("stream", "no name of a stream"),
            ("subjects", "is no subject"),
            ("subjects", "`>` that is not the last"),
            ("subjects", "a space"),
            ("deliver", "`new` or `all`"),
            ("ack_wait", "at least 1s"),
            ("pace", "a setting of a connection"),
        ],
    );
    trigger_problems(json!({ "subjects": "a", "deliver": "all" }), &[("deliver", "no `stream` is named")]);
}

#[test]
fn a_secret_has_to_be_what_it_is_said_to_be() {
    let open = |kind: &str, value: &str| {
        let settings = map(json!({ "servers": "a", "credential": { "type": kind, "secret": "app-password" } }));
        connector().open(&settings, &secrets(value)).err().map(|problems| problems[0].to_string())
    };
    assert_eq!(open("token", "anything"), None);
    for (kind, value) in [("nkey", "not-a-seed"), ("creds", "no file")] {
        let told = open(kind, value).unwrap();
        assert!(told.contains("`app-password`") && !told.contains(value), "{told}");
    }
    let settings = map(json!({ "servers": "a", "credential": { "user": "app", "secret": "other" } }));
    assert_eq!(connector().secrets(&settings), ["other"]);
    let missing = connector().open(&settings, &secrets("x")).err().unwrap();
    assert!(missing[0].problem.contains("`other` is not set"), "{missing:?}");
}

#[tokio::test]
async fn what_no_server_should_be_sent_is_not_sent() {
    let settings = map(json!({ "servers": "nats://127.0.0.1:9" }));
    let link = connector().open(&settings, &Vec::new()).unwrap().messaging.unwrap();
    let with_header =
        |name: &str, value: &str| Message { headers: vec![(name.to_owned(), value.to_owned())], ..message("a", b"") };
    for wrong in [
        message("a.*", b""),
        message("a.>", b""),
        message("a b", b""),
        message("a\r\nPUB b 0", b""),
        message("", b""),
        message("$JS.API.STREAM.DELETE.ORDERS", b""),
        with_header("Nats-Rollup", "all"),
        with_header("X\r\nY", "1"),
        with_header("X", "1\r\nY: 2"),
        Message { key: Some("1\n2".into()), ..message("a", b"") },
    ] {
        let refused = publish(&link, "key", vec![wrong.clone()]).await.unwrap_err();
        assert!(matches!(refused, Failure::Invalid(_)), "{wrong:?}: {refused:?}");
    }
}
