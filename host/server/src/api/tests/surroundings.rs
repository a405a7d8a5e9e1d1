use std::collections::{HashMap, HashSet};

use super::super::router::{needs, openapi, surrounded};
use super::super::state::{Needs, Shared};
use super::*;

#[test]
fn the_committed_description_is_this_one() {
    let committed = include_str!("../openapi.json");
    let wanted = openapi();
    if committed != wanted {
        let file = std::env::temp_dir().join("jackfield-openapi.json");
        std::fs::write(&file, wanted).unwrap();
        panic!("the API changed: look at it, then: cp {} host/server/src/api/openapi.json", file.display());
    }
}

#[test]
fn the_description_is_complete() {
    let operations = operations();
    let routes = needs(description());
    assert_eq!(routes.len(), operations.len(), "an operation does not say what it needs, or says what nobody knows");
    let document = serde_json::to_value(description()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut names = HashSet::new();
    let mut bodies = HashMap::new();
    let mut wanted = HashSet::new();
    for (method, path, _) in operations {
        let operation = &document["paths"][&path][method.as_str().to_lowercase()];
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        let name = (operation["tags"][0].clone(), operation["operationId"].clone());
        assert!(
            names.insert(operation["operationId"].as_str().unwrap().to_owned()),
            "two operations are called {name:?}"
        );
        let body = operation.pointer("/requestBody/content/application~1json/schema/$ref");
        if let Some(body) = body.and_then(Value::as_str) {
            bodies.entry(body.to_owned()).or_insert_with(Vec::new).push(path.clone());
        }
        for answer in operation["responses"].as_object().unwrap().values() {
            assert!(answer["description"].is_string(), "{method} {path}: {answer}");
        }
        for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let listed = operation["parameters"].as_array().into_iter().flatten();
            assert!(
                listed.into_iter().any(|p| p["name"] == parameter && p["in"] == "path"),
                "{method} {path}: {parameter}"
            );
        }
        references(operation, &mut wanted);
    }
    references(&document["components"], &mut wanted);
    // Two types of one name would silently be one in the description.
    let mut shared: Vec<_> = bodies.into_iter().filter(|(_, paths)| paths.len() > 1).collect();
    shared.sort();
    let names: Vec<_> = shared.iter().filter_map(|(body, _)| body.rsplit('/').next()).collect();
    assert_eq!(names, ["DeadLetters", "DeployWish"], "{shared:?}");
    for reference in wanted {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
}

fn references(value: &Value, found: &mut HashSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(to)) = members.get("$ref") {
                found.insert(to.clone());
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn threat_089_every_answer_has_the_headers() {
    let rig = Rig::new().await;
    let stranger = seen(rig.send(Request::get("/v1/status").body(Body::empty()).unwrap()).await).await;
    let described = seen(rig.send(Request::get("/openapi.json").body(Body::empty()).unwrap()).await).await;
    for answer in [stranger, described, rig.get("/v1/status").await, rig.get("/nothing").await] {
        assert_eq!(answer.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-frame-options"], "DENY");
        assert!(
            !answer.headers.keys().any(|name| name.as_str().starts_with("access-control")),
            "no other origin may read it"
        );
        assert!(!answer.headers.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn threat_089_a_form_cannot_send_a_body() {
    let rig = Rig::new().await;
    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data; boundary=x")]
    {
        let mut request = Request::post("/v1/login");
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        let body = Body::from(r#"{"setup_token":"x","name":"x"}"#);
        seen(rig.send(request.body(body).unwrap()).await).await.problem(415, "media-type");
    }
}

#[tokio::test]
async fn bodies_have_a_limit_and_no_strange_keys() {
    let rig = Rig::new().await;
    let path = "/v1/environments/dev/integrations/x/config/y";
    rig.put(path, json!({ "value": "x".repeat(1 << 20) })).await.problem(413, "too-large");
    rig.put(path, json!({ "value": "x".repeat(70_000) })).await.problem(413, "too-large");
    let strange = rig.put(path, json!({ "valeu": 1 })).await.problem(400, "bad-request");
    assert!(strange["detail"].as_str().unwrap().contains("valeu"), "{strange}");
    rig.get("/v1/runs?stat=queued").await.problem(400, "bad-request");
    let state = rig.get("/v1/runs?state=finished").await.problem(400, "bad-request");
    assert!(state["detail"].as_str().unwrap().contains("dead-lettered"), "it lists the states: {state}");
    let name =
        rig.put("/v1/environments/dev/secrets/GITHUB_TOKEN", json!({ "value": "x" })).await.problem(400, "bad-request");
    assert!(name["detail"].as_str().unwrap().contains("lowercase letters"), "it says the rule: {name}");

    let declared = Request::put(path).header(CONTENT_TYPE, "application/json").header("content-length", "1048577");
    let request =
        declared.header(AUTHORIZATION, format!("Bearer {}", rig.admin)).body(Body::from_stream(never())).unwrap();
    seen(rig.send(request).await).await.problem(413, "too-large");
}

/// A body that never comes.
fn never() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::pending()
}

#[tokio::test]
async fn threat_052_a_panic_is_answered_with_an_id_and_nothing_else() {
    let rig = Rig::new().await;
    let mut routes = needs(description());
    routes.insert((Method::GET, "/panics".into()), Needs::Token);
    let api = Shared::new(rig.built.host.clone(), routes);
    let panics = async || -> &'static str { panic!("the canary of /var/lib/jackfield") };
    let unsaid = async || "it says nothing of what it needs";
    let routes =
        Router::new().route("/panics", axum::routing::get(panics)).route("/unsaid", axum::routing::get(unsaid));
    let router = surrounded(routes, api);
    let ask = async |path: &str| {
        let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {}", rig.admin)).body(Body::empty());
        seen(router.clone().oneshot(request.unwrap()).await.unwrap()).await
    };
    let answer = ask("/panics").await;
    let problem = answer.problem(500, "internal");
    assert!(problem["id"].as_str().is_some_and(|id| id.len() == 12), "{problem}");
    assert!(!answer.text().contains("canary"), "{}", answer.text());
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");

    ask("/unsaid").await.problem(405, "method-not-allowed");
}

#[tokio::test]
async fn what_is_not_there_is_answered_alike() {
    let rig = Rig::new().await;
    for (method, template, _) in operations() {
        if method != Method::GET || !template.contains('{') {
            continue;
        }
        let answer = rig.get(&filled(&template)).await;
        answer.problem(404, "not-found");
    }
}
