//! What holds for every connector, and for the network they share.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::address::Origin;
use crate::dial::DialError;
use crate::{Denied, Network, Resolve, Surroundings, all};

/// A resolver that answers from a script; the last answer of a name stays.
#[derive(Default)]
pub(crate) struct Names(Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>);

impl Names {
    /// Each answer is a list of addresses, separated by spaces.
    pub(crate) fn with(self, name: &str, answers: &[&str]) -> Self {
        let answers = answers.iter().map(|a| a.split(' ').map(|a| a.parse().unwrap()).collect()).collect();
        self.0.lock().unwrap().insert(name.into(), answers);
        self
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        let answers = names.get_mut(name).ok_or_else(|| std::io::Error::other("no such name"))?;
        if answers.len() > 1 { Ok(answers.pop_front().unwrap()) } else { Ok(answers[0].clone()) }
    }
}

/// What was refused.
pub(crate) type Audited = Arc<Mutex<Vec<Denied>>>;

/// A network with scripted names, and its audit log.
pub(crate) fn network(names: Names) -> (Network, Audited) {
    let audited = Audited::default();
    let log = Arc::clone(&audited);
    (Network::new(Arc::new(names), Arc::new(move |denied| log.lock().unwrap().push(denied))), audited)
}

/// Each folder with a `mod.rs` is a connector: tests, a page of the docs, and a line in the list.
/// What each connector shows on a real server, in tests that are called so.
const CONTRACT: [&str; 6] = ["works", "refused", "wrong_credential", "limit_hit", "killed", "tls"];
/// What does not apply: a folder has no credential, no network and no other process.
const EXEMPT: [(&str, &str); 3] = [("folder", "wrong_credential"), ("folder", "killed"), ("folder", "tls")];

/// The text of a file, or of all files of a folder.
fn sources(path: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(path) else { return std::fs::read_to_string(path).unwrap_or_default() };
    entries.map(|entry| sources(&entry.unwrap().path())).collect()
}

#[test]
fn every_connector_is_complete() {
    let kinds: Vec<&str> = all(&Surroundings::default()).iter().map(|connector| connector.kind()).collect();
    let mut folders = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let left_out = name == "kafka" && !cfg!(feature = "kafka");
        if !folder.join("mod.rs").exists() || left_out {
            continue;
        }
        folders += 1;
        assert!(kinds.contains(&name), "{name}: add it to ALL in lib.rs; there are {kinds:?}");
        let page = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default();
        assert!(page.len() > 1000, "{name}: README.md is its page in the docs, and is missing or empty");
        for part in ["## Settings", "## What is enforced", "jackfield connections set"] {
            assert!(page.contains(part), "{name}: README.md has no `{part}`");
        }
        let tests = sources(&folder.join("tests.rs")) + &sources(&folder.join("tests"));
        assert!(!tests.is_empty(), "{name}: has no tests.rs");
        for part in CONTRACT.iter().filter(|part| !EXEMPT.contains(&(name, part))) {
            assert!(tests.contains(&format!("fn contract_{part}")), "{name}: no test is called `contract_{part}…`");
        }
        if name != "http" {
            for part in ["## What is promised", "```rust", "```ts", "```python", "```go"] {
                assert!(page.contains(part), "{name}: README.md has no `{part}`");
            }
        }
    }
    assert_eq!(kinds.len(), folders, "each kind has a folder of its name");
}

async fn dialed(network: &Network, host: &str, origin: Origin) -> Result<Vec<SocketAddr>, DialError> {
    network.addresses(host, 443, origin).await
}

fn is_denied(result: Result<Vec<SocketAddr>, DialError>) -> bool {
    matches!(result, Err(DialError::Denied(_)))
}

#[tokio::test]
async fn threat_032_one_bad_address_denies_all() {
    let names = Names::default()
        .with("mixed.test", &["93.184.216.34 10.0.0.1"])
        .with("mixed6.test", &["93.184.216.34 ::ffff:127.0.0.1"])
        .with("public.test", &["93.184.216.34 2606:2800:220:1::1"]);
    let (network, audited) = network(names);
    assert!(is_denied(dialed(&network, "mixed.test", Origin::Guest).await));
    assert!(is_denied(dialed(&network, "mixed6.test", Origin::Guest).await));
    let found = dialed(&network, "public.test", Origin::Guest).await.unwrap();
    assert_eq!(found.len(), 2);
    let audited = audited.lock().unwrap();
    assert_eq!(audited.len(), 2, "one entry for each bad address: {audited:?}");
    assert_eq!(audited[0].address, Some("10.0.0.1".parse().unwrap()));
    assert_eq!((audited[0].host.as_str(), audited[0].reason.as_str()), ("mixed.test", "private"));
}

#[tokio::test]
async fn threat_032_each_connection_is_checked_again() {
    let names = Names::default()
        .with("rebind.test", &["93.184.216.34", "127.0.0.1"])
        .with("inside.test", &["10.1.2.3", "169.254.169.254"]);
    let (network, _) = network(names);
    assert!(dialed(&network, "rebind.test", Origin::Guest).await.is_ok());
    assert!(is_denied(dialed(&network, "rebind.test", Origin::Guest).await));
    assert!(dialed(&network, "inside.test", Origin::Operator).await.is_ok());
    assert!(is_denied(dialed(&network, "inside.test", Origin::Operator).await));
}

#[tokio::test]
async fn a_strict_network_judges_operators_as_guests() {
    let (network, _) = network(Names::default().with("intranet.test", &["10.0.0.1"]));
    assert!(dialed(&network, "intranet.test", Origin::Operator).await.is_ok());
    let strict = network.strict();
    assert!(is_denied(dialed(&strict, "intranet.test", Origin::Operator).await));
    assert!(is_denied(dialed(&strict, "127.0.0.1", Origin::Operator).await));
    network.set_own_listeners(vec!["0.0.0.0:443".parse().unwrap()]);
    assert!(is_denied(dialed(&strict, "127.0.0.1", Origin::Operator).await), "clones share the listeners");
}

#[tokio::test]
async fn a_name_of_a_metadata_service_is_refused_unresolved() {
    let (network, audited) = network(Names::default());
    assert!(is_denied(dialed(&network, "metadata.google.internal", Origin::Operator).await));
    assert!(is_denied(dialed(&network, "metadata.google.internal.", Origin::Operator).await));
    assert_eq!(audited.lock().unwrap()[0].address, None);
}

#[tokio::test]
async fn a_guest_is_not_told_what_a_name_resolves_to() {
    let (network, _) = network(Names::default().with("inside.test", &["10.1.2.3"]));
    let Err(DialError::Denied(text)) = dialed(&network, "inside.test", Origin::Guest).await else { panic!() };
    assert!(text.contains("inside.test") && text.contains("private") && !text.contains("10.1.2.3"), "{text}");
}

#[tokio::test]
async fn threat_036_our_own_listeners_are_never_dialed() {
    #[track_caller]
    fn check(listener: &str, to: &str, expected: bool) {
        let network = Network::default();
        network.set_own_listeners(vec![listener.parse().unwrap()]);
        let refused = network.refused(to.parse().unwrap(), Origin::Operator).is_some();
        assert_eq!(refused, expected, "{listener} {to}");
    }
    for to in ["127.0.0.1:8081", "127.9.9.9:8081", "[::1]:8081", "[::ffff:127.0.0.1]:8081"] {
        check("127.0.0.1:8081", to, true);
        check("0.0.0.0:8081", to, true);
        check("[::]:8081", to, true);
        check("[::1]:8081", to, true);
    }
    check("10.0.0.5:8081", "10.0.0.5:8081", true);
    check("10.0.0.5:8081", "[::ffff:10.0.0.5]:8081", true);
    check("[fd00::5]:8081", "[fd00::5]:8081", true);
    check("127.0.0.1:8081", "127.0.0.1:8082", false);
    check("10.0.0.5:8081", "10.0.0.6:8081", false);
    // 10.255.255.254 is, we trust, no address of the machine that runs this.
    check("0.0.0.0:8081", "10.255.255.254:8081", false);
}

#[tokio::test]
async fn the_second_address_is_tried_when_the_first_refuses() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let dead = SocketAddr::new("127.0.0.2".parse().unwrap(), good.port());
    let network = Network::default();
    let stream = network.connect("twice.test", &[dead, good]).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
    let Err(DialError::Failed(text)) = network.connect("never.test", &[dead]).await else { panic!() };
    assert!(text.contains("never.test") && text.contains("refused"), "{text}");
}
