//! The outside of a scenario that is played: its stub servers, and what is its own on real ones.

use std::collections::BTreeMap;
use std::ops::Index;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::file::Scenario;
use super::places::Places;
use super::server::Server;
use crate::servers::Smtp;
use crate::stubs::Stub;

/// See the module. Stub servers are found by `outside["name"]`.
pub struct Outside {
    pub(super) stubs: BTreeMap<String, Stub>,
    pub(super) places: Places,
    servers: BTreeMap<String, Server>,
    folder: TempDir,
}

impl Index<&str> for Outside {
    type Output = Stub;

    fn index(&self, name: &str) -> &Stub {
        &self.stubs[name]
    }
}

impl Outside {
    /// Starts all that a scenario names.
    ///
    /// # Panics
    ///
    /// Something cannot be started.
    pub async fn start(scenario: &Scenario) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut outside = Self { stubs: BTreeMap::new(), places: Places::default(), servers: BTreeMap::new(), folder };
        for name in scenario.stubs.keys() {
            let stub = scenario.stub(name, 0).await.expect("a free port can be had");
            outside.places.add(name, "", stub.base().into());
            outside.stubs.insert(name.clone(), stub);
        }
        for (name, data) in &scenario.servers {
            let (server, values) = data.start(name, scenario, outside.folder.path()).await;
            for (value, stands_for) in values {
                outside.places.add(name, &value, stands_for);
            }
            outside.servers.insert(name.clone(), server);
        }
        outside
    }

    /// The folder that its folders are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A real server by its name.
    ///
    /// # Panics
    ///
    /// There is none.
    pub(super) fn server(&self, name: &str) -> &Server {
        let known = self.servers.keys();
        self.servers.get(name).unwrap_or_else(|| panic!("there is no server `{name}`; there are {known:?}"))
    }

    /// All real servers.
    pub(super) fn servers(&self) -> impl Iterator<Item = (&str, &Server)> {
        self.servers.iter().map(|(name, server)| (name.as_str(), server))
    }

    /// The mail server, if there is one.
    pub(super) fn smtp(&mut self) -> Option<&mut Smtp> {
        self.servers.values_mut().find_map(|server| match server {
            Server::Smtp(smtp) => Some(smtp.as_mut()),
            _ => None,
        })
    }

    /// The `url` of a real server.
    ///
    /// # Panics
    ///
    /// It has none.
    pub(super) fn url(&self, name: &str) -> String {
        self.places.text(&format!("{{{name}.url}}"), name)
    }

    /// With places in `{…}` filled; `at` is where it stands.
    pub(super) fn fill(&self, value: &Value, at: &str) -> Value {
        self.places.fill(value, at)
    }

    /// With places in `{…}` filled; `at` is where it stands.
    pub(super) fn text(&self, text: &str, at: &str) -> String {
        self.places.text(text, at)
    }
}
