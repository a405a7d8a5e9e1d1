//! Settings: every problem at once, with the way out.

use super::*;
use jackfield_tests::servers::tls;

#[track_caller]
fn problems(settings: Value) -> Vec<String> {
    let connector = PostgresConnector::new(&Network::default());
    let found = connector.check(settings.as_object().unwrap()).err().unwrap_or_default();
    found.into_iter().map(|problem| problem.to_string()).collect()
}

fn whole() -> Value {
    json!({ "host": "db.example.com", "database": "shop", "credential": { "user": "app", "secret": "db-password" } })
}

fn with(key: &str, value: Value) -> Value {
    let mut settings = whole();
    settings[key] = value;
    settings
}

#[test]
fn good_ones() {
    assert_eq!(problems(whole()), [""; 0]);
    for (key, value) in [
        ("port", json!(6432)),
        ("port", json!("6432")),
        ("host", json!("::1")),
        ("host", json!("[::1]")),
        ("host", json!("10.0.0.1")),
        ("tls", json!("off")),
        ("schema", json!("Odd one")),
        ("pool", json!(1)),
        ("timeout", json!("5m")),
        ("connect_timeout", json!("1s")),
        ("ca", json!(tls::files().ca)),
        ("pace", json!({ "rate": "10/s" })),
    ] {
        assert_eq!(problems(with(key, value.clone())), [""; 0], "{key} {value}");
    }
    let connector = PostgresConnector::new(&Network::default());
    assert_eq!(connector.secrets(whole().as_object().unwrap()), ["db-password"]);
}

#[test]
fn each_problem_is_told() {
    let all = problems(json!({ "hots": "x", "port": 0, "pool": "many", "tls": "maybe", "credential": { "usr": "a" } }));
    for part in [
        "hots: is not a setting; did you mean `host`?",
        "host: is missing",
        "port: is 0, should be a whole number from 1 to 65535",
        "pool: is \"many\"",
        "tls: `maybe` is not known",
        "database: is missing",
        "credential.user: is missing",
        "credential.secret: is missing",
        "credential.usr: is not a setting",
    ] {
        assert!(all.iter().any(|problem| problem.contains(part)), "{part}: {all:#?}");
    }
    #[track_caller]
    fn check(key: &str, value: Value, expected: &str) {
        let found = problems(with(key, value));
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
    check("host", json!("postgres://app:hunter2@db/shop"), "is a URL");
    assert!(!problems(with("host", json!("postgres://app:hunter2@db/shop")))[0].contains("hunter2"));
    check("host", json!("db:5432"), "a port goes into `port`");
    check("host", json!("a b"), "neither a name nor an address");
    check("schema", json!("a.b"), "one schema");
    check("schema", json!("a\"; drop"), "one schema");
    check("database", json!("x".repeat(64)), "at most 63");
    check("ca", json!("no certificate"), "PEM");
    check("timeout", json!("1h"), "out of range");
    check("credential", json!("secret"), "should be a table");
    let both = json!({ "host": "a", "database": "b", "credential": { "user": "c", "secret": "d" }, "tls": "off", "ca": tls::files().ca });
    assert!(problems(both)[0].contains("of no use"));
}

#[test]
fn triggers() {
    let connector = PostgresConnector::new(&Network::default());
    let check = |trigger: Value| {
        let found = connector.check_trigger(trigger.as_object().unwrap()).err().unwrap_or_default();
        found.into_iter().map(|problem| problem.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(check(json!({ "listen": ["orders", "Odd one"] })), [""; 0]);
    assert_eq!(check(json!({ "listen": "orders" })), [""; 0]);
    for (trigger, expected) in [
        (json!({}), "names no channel"),
        (json!({ "listen": [] }), "names no channel"),
        (json!({ "listen": [1] }), "list of channels"),
        (json!({ "listen": ["a", "a"] }), "twice"),
        (json!({ "listen": ["x".repeat(64)] }), "63 bytes"),
        (json!({ "listen": ["a"], "chanels": 1 }), "is not a setting"),
    ] {
        let found = check(trigger.clone());
        assert!(found.iter().any(|problem| problem.contains(expected)), "{trigger}: {found:?}");
    }
    assert_eq!(connector.trigger().unwrap().kind, "postgres");
}

#[tokio::test]
async fn a_role_with_powers_is_told() {
    let server = Postgres::shared().await;
    let database = server.database().await;
    server
        .sql(
            &database,
            "create role strong login superuser password 'p'; create role reader login password 'p'; \
             grant pg_execute_server_program to reader",
        )
        .await;
    let test = async |user: &str, schema: &str| {
        let changes = json!({ "credential": { "user": user, "secret": SECRET }, "schema": schema });
        let settings = settings(server, &database, changes);
        PostgresConnector::new(&Network::default()).test(&settings, &secrets("p"), SOON).await
    };
    let strong = test("strong", "public").await;
    assert!(strong.iter().any(|f| !f.ok && f.what == "role" && f.detail.contains("superuser")), "{strong:#?}");
    let reader = test("reader", "nowhere").await;
    assert!(reader.iter().any(|f| !f.ok && f.detail.contains("member of pg_execute_server_program")), "{reader:#?}");
    assert!(reader.iter().any(|f| !f.ok && f.what == "schema" && f.detail.contains("not there")), "{reader:#?}");
    server.sql(&database, "drop role strong; drop role reader").await;
}
