//! The admin API over a real host: real store, real gate and compiler, nothing running.

mod data;
mod deploys;
mod entry;
mod export;
mod schedules;
mod surroundings;
mod uploads;
mod versions;

use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use jackfield_core::artifact::{Digest, Inspection};
use jackfield_core::grant::Capability;
use jackfield_core::store::admin::{Right, Token};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::router::{description, router};
use crate::app::build::{Built, build};
use crate::config::{Config, Flags, Machine};

/// Makes the test binary its own compile process, as the host's binary is: when it is started as one,
/// this runs before the test harness does and never comes back.
#[used]
#[unsafe(link_section = ".init_array")]
static WORKER: extern "C" fn() = {
    extern "C" fn start() {
        if std::env::args().nth(1).as_deref() == Some(jackfield_sandbox::compile::WORKER_ARGUMENT) {
            let code = jackfield_sandbox::compile::worker_main();
            std::process::exit(i32::from(code != ExitCode::SUCCESS));
        }
    }
    start
};

/// The smallest component there is: it imports and exports nothing.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// A host in a folder of its own, and the way in.
struct Rig {
    data: tempfile::TempDir,
    built: Built,
    router: Router,
    admin: String,
}

impl Rig {
    async fn new() -> Self {
        Self::prepared(|_| ()).await
    }

    /// One whose data folder is there before it starts.
    async fn prepared(prepare: impl FnOnce(&std::path::Path)) -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("data")).unwrap();
        prepare(&data.path().join("data"));
        let flags = Flags {
            data: Some(data.path().join("data").display().to_string()),
            set: vec![format!("master_key_file={}", data.path().join("master.key").display())],
            ..Flags::default()
        };
        let config = Config::from_layers(None, Vec::new(), &flags, &Machine::this()).unwrap();
        let built = build(config).await.unwrap();
        let router = router(built.host.clone());
        let mut rig = Self { data, built, router, admin: String::new() };
        rig.admin = rig.token("tester", &[Right::Read, Right::Deploy, Right::Secrets, Right::Admin]).await;
        rig
    }

    /// A token with these rights, made behind the API's back.
    async fn token(&self, name: &str, rights: &[Right]) -> String {
        use sha2::Digest as _;
        let text = format!("jf_test-{name}");
        let host = &self.built.host;
        let token =
            Token { name: name.parse().unwrap(), rights: rights.to_vec(), made: host.clock.now(), expires: None };
        host.store.add_token(token, sha2::Sha256::digest(text.as_bytes()).into()).await.unwrap();
        text
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A request with a token and, for a body, the content type of JSON.
    async fn as_(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Seen {
        let request = Request::builder().method(method).uri(path).header(AUTHORIZATION, format!("Bearer {token}"));
        let request = match body {
            None => request.body(Body::empty()),
            Some(value) => request.header(CONTENT_TYPE, "application/json").body(Body::from(value.to_string())),
        };
        seen(self.send(request.unwrap()).await).await
    }

    async fn get(&self, path: &str) -> Seen {
        self.as_(&self.admin, Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Seen {
        self.as_(&self.admin, Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> Seen {
        self.as_(&self.admin, Method::PUT, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Seen {
        self.as_(&self.admin, Method::DELETE, path, None).await
    }

    /// Puts an artifact in place that is said to need `needs` and to handle events or not. Its code is
    /// that of a component that does nothing.
    async fn artifact(&self, label: &str, needs: &[Capability], handles_events: bool) -> String {
        let mut bytes = COMPONENT.to_vec();
        // A custom section: its name and nothing in it.
        bytes.extend([0, u8::try_from(label.len() + 1).unwrap(), u8::try_from(label.len()).unwrap()]);
        bytes.extend(label.as_bytes());
        let digest = Digest::of(&bytes);
        let host = &self.built.host;
        std::fs::write(host.config.data.join("artifacts").join(format!("{}.wasm", digest.hex())), &bytes).unwrap();
        let inspection = Inspection {
            digest,
            size: bytes.len() as u64,
            needs: needs.to_vec(),
            imports: Vec::new(),
            exports: Vec::new(),
            unknown_imports: Vec::new(),
            handles_events,
            handles_requests: false,
            producers: Vec::new(),
        };
        host.store.add_artifact(inspection, host.clock.now()).await.unwrap();
        digest.to_string()
    }

    /// Releases an integration that anybody may start by hand.
    async fn released(&self, name: &str) {
        let digest = self.artifact("by-hand", &[], true).await;
        let manifest = format!(
            "manifest_version = 1\n[integration]\nname = \"{name}\"\n[component.main]\nsource = \"main.wasm\"\n\
             [[trigger]]\nname = \"by-hand\"\nkind = \"manual\"\ncomponent = \"main\"\n"
        );
        let body = json!({ "manifest": manifest, "artifacts": { "main": digest } });
        self.post("/v1/environments/dev/releases", body).await.ok();
    }
}

/// An answer, read whole.
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Bytes,
}

async fn seen(response: Response) -> Seen {
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, 64 << 20).await.unwrap();
    Seen { status: head.status, headers: head.headers, bytes }
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// That it is a success, and its body.
    #[track_caller]
    fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self.json()
    }

    /// That it is a problem in the right form, with this status and code; gives the whole of it.
    #[track_caller]
    fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("urn:jackfield:problem:{code}"));
        for key in ["title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {problem}");
        }
        problem
    }
}

/// Every operation of the description: method, path and what its `security` says.
fn operations() -> Vec<(Method, String, Value)> {
    let document = serde_json::to_value(description()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if let Ok(method) = method.to_uppercase().parse::<Method>()
                && operation.is_object()
            {
                operations.push((method, path.clone(), operation["security"].clone()));
            }
        }
    }
    assert!(operations.len() >= 38, "the description lost operations: {}", operations.len());
    operations
}

/// A path of a template, with names of nothing that is there.
fn filled(template: &str) -> String {
    template
        .replace("{run}", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        .replace("{version}", "7")
        .replace("{digest}", &format!("sha256:{}", "0".repeat(64)))
        .split('/')
        .map(|part| if part.starts_with('{') { "nothing" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

/// Asks until `done` says so.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !done().await {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
