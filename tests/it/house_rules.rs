//! The rules of the house that a test can keep: who may know whom, and how long a file may be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;

use jackfield_tests::env;
use serde_json::Value;

/// What cargo knows of the workspace.
struct Graph {
    /// Package id to name.
    names: BTreeMap<String, String>,
    /// Package id to the ids it is built with, without what only its tests or its build need.
    edges: BTreeMap<String, Vec<String>>,
    /// Package id to its switched on features.
    features: BTreeMap<String, Vec<String>>,
    members: BTreeSet<String>,
}

impl Graph {
    fn read() -> Self {
        let cargo = env::variable("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--locked", "--offline", "--all-features"])
            .current_dir(env::repository(""))
            .output()
            .expect("cargo can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let data: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let names = list(&data["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
        let members = list(&data["workspace_members"]).iter().map(&text).collect();
        let (mut edges, mut features) = (BTreeMap::new(), BTreeMap::new());
        for node in list(&data["resolve"]["nodes"]) {
            let normal = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let deps = list(&node["deps"]);
            edges.insert(text(&node["id"]), deps.iter().filter(normal).map(|dep| text(&dep["pkg"])).collect());
            features.insert(text(&node["id"]), list(&node["features"]).iter().map(&text).collect());
        }
        Self { names, edges, features, members }
    }

    fn id(&self, name: &str) -> &str {
        let mut found = self.names.iter().filter(|(id, n)| *n == name && self.members.contains(*id));
        found.next().map(|(id, _)| id.as_str()).unwrap_or_else(|| panic!("no crate {name} in the workspace"))
    }

    /// The names of what a crate names in its own Cargo.toml.
    fn direct(&self, name: &str) -> BTreeSet<&str> {
        self.edges[self.id(name)].iter().map(|id| self.names[id].as_str()).collect()
    }

    /// The names of all that ends up in a crate.
    fn all(&self, name: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next = VecDeque::from([self.id(name)]);
        while let Some(id) = next.pop_front() {
            for dep in &self.edges[id] {
                if seen.insert(dep.as_str()) {
                    next.push_back(dep);
                }
            }
        }
        seen.into_iter().map(|id| self.names[id].as_str()).collect()
    }

    #[track_caller]
    fn keeps_away(&self, from: &str, those: &[&str]) {
        let all = self.all(from);
        let found: Vec<_> = all.iter().filter(|name| those.iter().any(|bad| is_or_begins(name, bad))).collect();
        assert!(found.is_empty(), "{from} is built with {found:?}");
    }
}

/// `wasmtime*` means every crate that begins so.
fn is_or_begins(name: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |begin| name.starts_with(begin))
}

/// HTTP servers and the client libraries of outside systems.
const OUTSIDE: &[&str] = &[
    "hyper",
    "hyper-util",
    "axum",
    "tower-http",
    "reqwest",
    "rustls",
    "native-tls",
    "openssl",
    "rdkafka",
    "lapin",
    "async-nats",
    "mysql_async",
    "redis",
    "object_store",
    "lettre",
];

#[test]
fn the_ledger_knows_no_wasm_no_http_server_and_no_client_library() {
    let graph = Graph::read();
    graph.keeps_away("jackfield-core", OUTSIDE);
    graph.keeps_away("jackfield-core", &["wasmtime*", "wasmparser", "wit-*", "cranelift*"]);
    graph.keeps_away("jackfield-core", &["jackfield-sandbox", "jackfield-connectors", "jackfield-server"]);
}

#[test]
fn only_the_cell_names_the_engine() {
    let graph = Graph::read();
    for id in &graph.members {
        let name = &graph.names[id];
        let named: Vec<_> = graph.direct(name).into_iter().filter(|dep| is_or_begins(dep, "wasmtime*")).collect();
        assert!(name == "jackfield-sandbox" || named.is_empty(), "{name} names {named:?}");
    }
    assert!(graph.direct("jackfield-sandbox").contains("wasmtime"));
}

#[test]
fn a_connector_knows_no_guest() {
    let graph = Graph::read();
    graph.keeps_away("jackfield-connectors", &["wasmtime*", "jackfield-sandbox", "jackfield-server"]);
    graph.keeps_away("jackfield-sandbox", &["jackfield-connectors", "jackfield-server", "reqwest", "axum"]);
}

/// There is no second way out of the sandbox: the engine's own sender of HTTP requests is not built in.
#[test]
fn the_engine_cannot_send_by_itself() {
    let graph = Graph::read();
    let (id, _) = graph.names.iter().find(|(_, name)| *name == "wasmtime-wasi-http").expect("it is a dependency");
    assert!(
        !graph.features[id].iter().any(|f| f == "default-send-request" || f == "default"),
        "{:?}",
        graph.features[id]
    );
}

/// What drives the host from outside, and what guests are made with, knows it by HTTP and WIT alone.
#[test]
fn tests_and_sdk_know_no_crate_of_the_host() {
    let graph = Graph::read();
    let host = ["jackfield-core", "jackfield-sandbox", "jackfield-connectors", "jackfield-server"];
    graph.keeps_away("jackfield-tests", &host);
    graph.keeps_away("jackfield", &host);
    graph.keeps_away("jackfield", &["wasmtime*", "tokio"]);
}

#[test]
fn no_file_is_too_long_to_be_read() {
    const MOST: usize = 800;
    let mut long = Vec::new();
    for folder in ["host", "sdk", "guest-examples", "tests", "bench", "wit"] {
        walk(&env::repository(folder), &mut |file| {
            if file.extension().is_some_and(|e| e == "rs" || e == "wit") {
                let lines = std::fs::read_to_string(file).unwrap().lines().count();
                if lines > MOST {
                    long.push(format!("{}: {lines} lines", file.display()));
                }
            }
        });
    }
    assert!(long.is_empty(), "more than {MOST} lines; split them by noun:\n{}", long.join("\n"));
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target" && name != "node_modules") {
                walk(&path, visit);
            }
        } else {
            visit(&path);
        }
    }
}
