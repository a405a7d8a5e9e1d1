//! Settings: every problem is told at once, with its key and the way out.

use super::*;

#[track_caller]
fn told(found: Result<(), Vec<jackfield_core::ports::connector::SettingProblem>>, expected: &[(&str, &str)]) {
    let found = found.err().unwrap_or_default();
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{shown:#?}");
    for (key, part) in expected {
        assert!(found.iter().any(|p| p.key == *key && p.problem.contains(part)), "{key}, {part}: {shown:#?}");
    }
}

#[track_caller]
fn check(settings: Value, expected: &[(&str, &str)]) {
    told(S3Connector::new(&Network::default()).check(settings.as_object().unwrap()), expected);
}

#[test]
fn every_problem_is_told() {
    check(
        json!({}),
        &[("region", "eu-central-1"), ("bucket", "is missing"), ("credential", "of this machine are never used")],
    );
    check(
        json!({ "endpoint": "https://u:p@s3.example.com", "bucket": "a/b", "prefix": "../x", "path_style": "perhaps",
                "credential": { "access_key": "a/b" }, "concurrency": 0, "bukket": 1 }),
        &[
            ("endpoint", "user name or password"),
            ("bucket", "3 to 63"),
            ("prefix", "no prefix"),
            ("path_style", "true or false"),
            ("credential.access_key", "no access key"),
            ("credential.secret", "is missing"),
            ("concurrency", "from 1 to 256"),
            ("bukket", "did you mean `bucket`?"),
        ],
    );
    for endpoint in
        ["s3.example.com", "https://s3.example.com/bucket", "https://s3.example.com?x", "http://169.254.169.254"]
    {
        let mut settings = settings(endpoint, "bucket");
        settings["region"] = Value::Null;
        let found = S3Connector::new(&Network::default()).check(settings.as_object().unwrap()).err();
        assert!(found.is_some_and(|found| found.iter().all(|p| p.key == "endpoint")), "{endpoint}");
    }
}

#[test]
fn where_the_bucket_is() {
    let keys = json!({ "access_key": "a", "secret": "s" });
    let read = |mut settings: Value| {
        settings["credential"] = keys.clone();
        let settings = super::super::Settings::read(settings.as_object().unwrap()).unwrap();
        (settings.bucket_url(), settings.server().0)
    };
    let amazon = read(json!({ "region": "eu-central-1", "bucket": "invoices" }));
    assert_eq!(amazon.0, "https://invoices.s3.eu-central-1.amazonaws.com");
    assert_eq!(amazon.1, "invoices.s3.eu-central-1.amazonaws.com");
    let dots = read(json!({ "region": "eu-central-1", "bucket": "in.voices" }));
    assert_eq!(dots.0, "https://s3.eu-central-1.amazonaws.com");
    let own = read(json!({ "endpoint": "http://10.0.0.7:9000/", "bucket": "invoices" }));
    assert_eq!(own, ("http://10.0.0.7:9000".into(), "10.0.0.7".into()));
    let hosted = read(json!({ "endpoint": "https://s3.example.com", "bucket": "invoices", "path_style": "false" }));
    assert_eq!(hosted.0, "https://invoices.s3.example.com");
}

#[test]
fn every_problem_of_a_trigger_is_told() {
    let connector = S3Connector::new(&Network::default());
    let check = |trigger: Value, expected: &[(&str, &str)]| {
        told(connector.check_trigger(trigger.as_object().unwrap()), expected);
    };
    check(json!({}), &[]);
    check(json!({ "prefix": "in/", "pattern": "*.pdf", "every": "5m", "from": "all" }), &[]);
    check(
        json!({ "prefix": "/in", "pattern": "{", "every": "2d", "from": "then", "form": "all" }),
        &[
            ("prefix", "no beginning"),
            ("pattern", "no pattern"),
            ("every", "no length of time"),
            ("from", "`now`"),
            ("form", "did you mean `from`?"),
        ],
    );
}
