use std::net::SocketAddr;

use axum::extract::ConnectInfo;

use super::super::error::word;
use super::*;

const ALL: [Right; 4] = [Right::Read, Right::Deploy, Right::Secrets, Right::Admin];

fn public(security: &Value) -> bool {
    *security == json!([{}])
}

#[tokio::test]
async fn threat_091_every_route_asks_for_a_token() {
    let rig = Rig::new().await;
    let mut public_ones = Vec::new();
    for (method, template, security) in operations() {
        let path = filled(&template);
        if public(&security) {
            public_ones.push(format!("{method} {path}"));
            continue;
        }
        let bare = Request::builder().method(&method).uri(&path).body(Body::empty()).unwrap();
        let answer = seen(rig.send(bare).await).await;
        answer.problem(401, "unauthenticated");
        assert!(answer.headers.contains_key("www-authenticate"), "{method} {path}");

        for in_url in ["token", "access_token", "authorization"] {
            let uri = format!("{path}?{in_url}={}", rig.admin);
            let request = Request::builder().method(&method).uri(uri).body(Body::empty()).unwrap();
            seen(rig.send(request).await).await.problem(401, "unauthenticated");
        }
    }
    assert_eq!(public_ones, ["GET /openapi.json", "POST /v1/login"]);
}

#[tokio::test]
async fn a_path_that_is_not_there_tells_a_stranger_nothing() {
    let rig = Rig::new().await;
    for path in ["/", "/v1", "/v1/nothing", "/v1/status/", "/metrics"] {
        let answer = seen(rig.send(Request::get(path).body(Body::empty()).unwrap()).await).await;
        answer.problem(401, "unauthenticated");
        rig.get(path).await.problem(404, "not-found");
    }
    let answer = rig.delete("/v1/tokens").await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.headers["allow"], "GET, POST");
}

#[tokio::test]
async fn threat_091_each_route_takes_the_right_it_names_and_no_other() {
    let rig = Rig::new().await;
    let mut tokens = Vec::new();
    for right in ALL {
        tokens.push((right, rig.token(word(right), &[right]).await));
    }
    for (method, template, security) in operations() {
        if public(&security) {
            continue;
        }
        let scopes = security[0]["token"].as_array().unwrap_or_else(|| panic!("{method} {template} says no right"));
        for (right, token) in &tokens {
            let request = Request::builder().method(&method).uri(filled(&template));
            let request = request.header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
            // Not read whole: one of them goes on for ever.
            let status = rig.send(request).await.status();
            let may = scopes.is_empty() || *scopes == [json!(word(*right))];
            assert_eq!(status != StatusCode::FORBIDDEN, may, "{method} {template} with {right:?}: {status}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {template} with {right:?}");
            assert!(status != StatusCode::INTERNAL_SERVER_ERROR, "{method} {template} with {right:?}");
        }
    }
    let missing = rig.as_(&tokens[0].1, Method::DELETE, "/v1/tokens/nothing", None).await.problem(403, "forbidden");
    assert!(missing["detail"].as_str().unwrap().contains("`admin`"), "{missing}");
}

#[tokio::test]
async fn threat_090_the_set_up_token_makes_one_token_with_all_rights() {
    let rig = Rig::new().await;
    let setup = rig.built.setup_token.as_ref().expect("a new host has one").to_string();
    let login = async |text: &str| {
        let body = json!({ "setup_token": text, "name": "ada" }).to_string();
        let request = Request::post("/v1/login").header(CONTENT_TYPE, "application/json").body(Body::from(body));
        seen(rig.send(request.unwrap()).await).await
    };
    login("jfs_wrong").await.problem(401, "unauthenticated");
    let made = login(&setup).await.ok();
    assert_eq!(made["rights"], json!(["read", "deploy", "secrets", "admin"]));
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("jf_") && token.len() == 3 + 43, "256 bits in base64url: {token}");
    assert_eq!(rig.as_(token, Method::GET, "/v1/whoami", None).await.ok()["name"], "ada");

    login(&setup).await.problem(401, "unauthenticated");
    let trail = rig.get("/v1/audit").await.ok();
    assert_eq!((&trail[0]["action"], &trail[0]["who"]), (&json!("login"), &json!("ada")));
    assert!(!trail.to_string().contains(token) && !trail.to_string().contains(&setup));
}

#[tokio::test]
async fn a_login_whose_name_is_taken_does_not_use_the_set_up_token_up() {
    let rig = Rig::new().await;
    let setup = rig.built.setup_token.as_ref().unwrap().to_string();
    let login = async |name: &str| {
        let body = json!({ "setup_token": setup, "name": name }).to_string();
        let request = Request::post("/v1/login").header(CONTENT_TYPE, "application/json").body(Body::from(body));
        seen(rig.send(request.unwrap()).await).await
    };
    login("tester").await.problem(409, "conflict");
    login("ada").await.ok();
}

#[tokio::test]
async fn threat_091_failed_logins_are_cut_off_and_good_tokens_go_on() {
    let rig = Rig::new().await;
    let from = |token: &str, last: u8| {
        let mut request =
            Request::get("/v1/whoami").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, last], 5))));
        request
    };
    let mut refused = None;
    for _ in 0..100 {
        let answer = seen(rig.send(from("jf_guess", 1)).await).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
        answer.problem(401, "unauthenticated");
    }
    let refused = refused.expect("nobody stopped it");
    refused.problem(429, "too-many-requests");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(rig.send(from(&rig.admin, 1)).await.status(), StatusCode::OK, "a good token from the same place");
    assert_eq!(rig.send(from("jf_guess", 2)).await.status(), StatusCode::UNAUTHORIZED, "another place");
}

#[tokio::test]
async fn only_a_single_bearer_header_counts() {
    let rig = Rig::new().await;
    for given in ["", "Basic x", "Bearer", "Bearer ", "Token x", "bearer  "] {
        let request = Request::get("/v1/whoami").header(AUTHORIZATION, given).body(Body::empty()).unwrap();
        seen(rig.send(request).await).await.problem(401, "unauthenticated");
    }
    let good = format!("bearer {}", rig.admin);
    let twice =
        Request::get("/v1/whoami").header(AUTHORIZATION, &good).header(AUTHORIZATION, &good).body(Body::empty());
    seen(rig.send(twice.unwrap()).await).await.problem(401, "unauthenticated");
    let once = Request::get("/v1/whoami").header(AUTHORIZATION, &good).body(Body::empty()).unwrap();
    seen(rig.send(once).await).await.ok();
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_at_once() {
    let rig = Rig::new().await;
    let made = rig.post("/v1/tokens", json!({ "name": "ci", "rights": ["deploy", "read", "read"] })).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let made = made.json();
    assert_eq!(made["rights"], json!(["read", "deploy"]));
    let text = made["token"].as_str().unwrap();
    rig.as_(text, Method::GET, "/v1/status", None).await.ok();
    rig.as_(text, Method::GET, "/v1/tokens", None).await.problem(403, "forbidden");

    rig.post("/v1/tokens", json!({ "name": "ci", "rights": ["read"] })).await.problem(409, "conflict");
    rig.post("/v1/tokens", json!({ "name": "x", "rights": [] })).await.problem(400, "bad-request");
    rig.post("/v1/tokens", json!({ "name": "x", "rights": ["root"] })).await.problem(400, "bad-request");
    rig.post("/v1/tokens", json!({ "name": "Bad Name", "rights": ["read"] })).await.problem(400, "bad-request");
    rig.post("/v1/tokens", json!({ "name": "x", "rights": ["read"], "expires_in": "soon" }))
        .await
        .problem(400, "bad-request");

    let list = rig.get("/v1/tokens").await;
    assert!(list.text().contains("\"ci\"") && !list.text().contains(text), "{}", list.text());
    rig.delete("/v1/tokens/ci").await.ok();
    rig.as_(text, Method::GET, "/v1/status", None).await.problem(401, "unauthenticated");
    rig.delete("/v1/tokens/ci").await.problem(404, "not-found");

    let last = rig.delete("/v1/tokens/tester").await.problem(409, "conflict");
    assert!(last["detail"].as_str().unwrap().contains("last token"), "{last}");
    rig.post("/v1/tokens", json!({ "name": "second", "rights": ["admin"] })).await.ok();
    rig.delete("/v1/tokens/tester").await.ok();
    rig.get("/v1/status").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_ends_when_it_said_it_would() {
    let rig = Rig::new().await;
    let made = rig.post("/v1/tokens", json!({ "name": "brief", "rights": ["read"], "expires_in": "1ms" })).await.ok();
    let text = made["token"].as_str().unwrap();
    assert!(made["expires"].as_str().unwrap().ends_with('Z'));
    until("the end of the token", async || {
        rig.as_(text, Method::GET, "/v1/whoami", None).await.status == StatusCode::UNAUTHORIZED
    })
    .await;
}
