//! The kinds of real servers that a scenario names. Another kind is an arm of [`ServerData`] and of its `start`; and if
//! something can be done with it that no other kind does, an arm of [`Server`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::file::Scenario;
use super::places::Places;
use crate::servers::kafka::Record;
use crate::servers::server::{PASSWORD, USER};
use crate::servers::{Fhir, Kafka, Postgres, S3, Smtp, Soap, s3, soap, tls};

/// A real server, as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ServerData {
    /// A fresh database: `{name.host}`, `port`, `database`, `user`, `password`.
    Postgres {
        /// Files of SQL, run by the superuser.
        #[serde(default)]
        setup: Vec<String>,
        /// What `{name.user}` may do, as SQL; left out, everything with every table.
        powers: Option<String>,
    },
    /// A broker: `{name.address}`, and `{name.topic}` for each fresh topic.
    Kafka {
        /// The topics, and how many partitions each has.
        topics: BTreeMap<String, u16>,
    },
    /// A fresh bucket: `{name.url}`, `bucket`, `region`, `access_key`, `secret_key`.
    S3 {},
    /// A mail server of the scenario's own: `{name.host}`, `port`, `user`, `password`, `ca`, and `domain`, one to write to.
    Smtp {},
    /// A fresh folder: `{name.path}`.
    Folder {},
    /// A FHIR server: `{name.url}`, and below that `/fhir`. It is everybody's: what is one's own there has ids of its own.
    Fhir {},
    /// A SOAP service of exchange rates of the scenario's own: `{name.url}`.
    Soap {
        /// A file of what its banks know.
        rates: String,
    },
}

/// A real server that runs, and what is the scenario's own on it.
pub(super) enum Server {
    /// A database.
    Postgres {
        /// Its name.
        database: String,
    },
    /// Topics: their names here, and at the broker.
    Kafka(BTreeMap<String, String>),
    /// A bucket.
    S3 {
        /// Its name.
        bucket: String,
    },
    /// A mail server.
    Smtp(Box<Smtp>),
    /// A folder, and the one beside it in which files are written until they are whole.
    Folder {
        /// It.
        path: PathBuf,
        /// The other one.
        unready: PathBuf,
    },
    /// A server that is asked over HTTP alone, by its `url`.
    Web,
    /// One of those that is the scenario's own.
    Soap(#[expect(dead_code, reason = "it runs as long as it is held")] Box<Soap>),
}

/// What `{name.value}` stands for.
type Values = Vec<(String, Value)>;

impl ServerData {
    /// Makes what is the scenario's own. `folder` is for files: all that is below it is the scenario's.
    pub(super) async fn start(&self, name: &str, scenario: &Scenario, folder: &Path) -> (Server, Values) {
        match self {
            Self::Postgres { setup, powers } => {
                let postgres = Postgres::shared().await;
                let database = postgres.database().await;
                for file in setup {
                    postgres.sql(&database, &scenario.text(file)).await;
                }
                let everything = format!(
                    "grant all on all tables in schema public to {USER}; grant all on all sequences in schema public to {USER}"
                );
                let mut places = Places::default();
                places.add(name, "user", USER.into());
                let powers = powers.as_deref().unwrap_or(&everything);
                postgres.sql(&database, &places.text(powers, &format!("servers.{name}.powers"))).await;
                let values = values(&[
                    ("host", json!("127.0.0.1")),
                    ("port", json!(postgres.address().port())),
                    ("database", json!(database)),
                    ("user", json!(USER)),
                    ("password", json!(PASSWORD)),
                ]);
                (Server::Postgres { database }, values)
            }
            Self::Kafka { topics } => {
                let kafka = Kafka::shared().await;
                let mut made = BTreeMap::new();
                for (topic, partitions) in topics {
                    assert_ne!(topic, "address", "servers.{name}.topics: `address` is the broker's own value");
                    made.insert(topic.clone(), kafka.topic(*partitions).await);
                }
                let mut values = values(&[("address", json!(kafka.address().to_string()))]);
                values.extend(made.iter().map(|(topic, fresh)| (topic.clone(), json!(fresh))));
                (Server::Kafka(made), values)
            }
            Self::S3 {} => {
                let storage = S3::shared().await;
                let bucket = storage.bucket().await;
                let values = values(&[
                    ("url", json!(storage.endpoint())),
                    ("bucket", json!(bucket)),
                    ("region", json!(s3::REGION)),
                    ("access_key", json!(s3::ACCESS_KEY)),
                    ("secret_key", json!(s3::SECRET_KEY)),
                ]);
                (Server::S3 { bucket }, values)
            }
            Self::Smtp {} => {
                // Its own, so that every mail it took is the scenario's.
                let smtp = Smtp::start(Default::default()).await;
                let values = values(&[
                    ("host", json!("127.0.0.1")),
                    ("port", json!(smtp.address().port())),
                    ("user", json!(USER)),
                    ("password", json!(PASSWORD)),
                    ("ca", json!(tls::files().ca)),
                    ("domain", json!("example.com")),
                ]);
                (Server::Smtp(Box::new(smtp)), values)
            }
            Self::Folder {} => {
                let (path, unready) = (folder.join(name), folder.join(format!("{name}.unready")));
                for folder in [&path, &unready] {
                    fs::create_dir(folder).expect("a folder can be made in one's own");
                }
                let values = values(&[("path", json!(path))]);
                (Server::Folder { path, unready }, values)
            }
            Self::Fhir {} => {
                let url = format!("http://{}", Fhir::shared().await.address());
                (Server::Web, values(&[("url", json!(url))]))
            }
            Self::Soap { rates } => {
                let soap = Soap::start(soap::Options { rates: scenario.text(rates) }).await;
                let url = format!("http://{}", soap.address());
                (Server::Soap(Box::new(soap)), values(&[("url", json!(url))]))
            }
        }
    }
}

fn values(list: &[(&str, Value)]) -> Values {
    list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

impl Server {
    /// Puts a file into a folder or a bucket: it is there when it is whole.
    ///
    /// # Panics
    ///
    /// It is neither.
    pub(super) async fn put(&self, name: &str, data: &[u8]) {
        match self {
            Self::S3 { bucket } => S3::shared().await.put(bucket, name, data).await,
            Self::Folder { path, unready } => {
                let (file, written) = (path.join(name), unready.join("file"));
                fs::create_dir_all(file.parent().unwrap_or(path)).expect("a folder can be made in one's own");
                fs::write(&written, data).expect("one's own folder can be written to");
                fs::rename(&written, &file).expect("a file can be moved within one's own folder");
            }
            _ => panic!("`put` is for servers of the kinds `folder` and `s3`"),
        }
    }

    /// The names in a folder or a bucket, in order.
    ///
    /// # Panics
    ///
    /// It is neither.
    pub(super) async fn names(&self) -> Vec<String> {
        match self {
            Self::S3 { bucket } => S3::shared().await.keys(bucket),
            Self::Folder { path, .. } => files_below(path),
            _ => panic!("`objects` is for servers of the kinds `folder` and `s3`"),
        }
    }

    /// Sends messages, keys and values, in order.
    ///
    /// # Panics
    ///
    /// It is no broker, or the topic is none of its.
    pub(super) async fn send(&self, topic: &str, messages: &[(Option<String>, Vec<u8>)]) {
        Kafka::shared().await.send(self.topic(topic), messages).await;
    }

    /// All records of a topic.
    ///
    /// # Panics
    ///
    /// As [`Self::send`].
    pub(super) async fn records(&self, topic: &str) -> Vec<Record> {
        Kafka::shared().await.records(self.topic(topic)).await
    }

    fn topic(&self, name: &str) -> &str {
        let Self::Kafka(topics) = self else { panic!("topics are for servers of the kind `kafka`") };
        topics.get(name).unwrap_or_else(|| panic!("there is no topic `{name}`; there are {:?}", topics.keys()))
    }

    /// Runs SQL as the superuser: rows are lines, columns are parted by `|`.
    ///
    /// # Panics
    ///
    /// It is no database, or the SQL is refused.
    pub(super) async fn sql(&self, sql: &str) -> String {
        let Self::Postgres { database } = self else { panic!("`sql` is for servers of the kind `postgres`") };
        Postgres::shared().await.sql(database, sql).await
    }
}

/// The files below a folder, by their names in it, in order.
fn files_below(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(here) = folders.pop() {
        for path in fs::read_dir(here).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                found.push(name.display().to_string());
            }
        }
    }
    found.sort();
    found
}
