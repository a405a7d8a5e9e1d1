//! PostgreSQL: TLS, SCRAM, logical replication; looked at by `psql` over a socket that needs no password.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tokio::sync::OnceCell;

use super::process::{surround, tool};
use super::server::{Kind, PASSWORD, Server, USER, fresh_name};
use super::{ports, tls};

/// A PostgreSQL.
///
/// [`USER`] logs in with [`PASSWORD`] by SCRAM, with and without TLS, and may replicate;
/// [`tls::CLIENT`] logs in by its certificate alone, over TLS.
pub type Postgres = Server<Setup>;

/// What can be chosen.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Settings besides those that every instance gets, such as `("max_connections", "5")`.
    pub settings: Vec<(String, String)>,
}

/// A PostgreSQL that was set up.
pub struct Setup {
    programs: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
}

/// Who may log in, and how. The first line is the tests' own way in.
const LOGINS: &str = "\
local   all all              trust
hostssl all certified all    cert
host    all all 127.0.0.1/32 scram-sha-256
";

impl Kind for Setup {
    const NAME: &'static str = "postgres";
    // Ends what clients do; SIGTERM would wait for them to leave.
    const STOP: Signal = Signal::INT;
    type Options = Options;

    async fn set_up(options: Options, folder: &Path) -> Self {
        let programs = programs();
        let data = folder.join("db");
        let mut initdb = unprivileged(&programs.join("initdb"));
        initdb.args(["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
        if rustix::process::getuid().is_root() {
            own(folder, folder).await;
        }
        tool(folder, initdb, b"").await;
        let certificates = tls::files();
        for (name, text) in [
            ("pg_hba.conf", LOGINS),
            ("ca.pem", &certificates.ca),
            ("server.pem", &certificates.server.certificate),
            ("server.key", &certificates.server.key),
        ] {
            fs::write(data.join(name), text).expect("one's own folder can be written to");
        }
        let key = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(data.join("server.key"), key).expect("one's own file can be closed to others");
        if rustix::process::getuid().is_root() {
            own(folder, &data).await;
        }
        Self { programs, port: ports::take(), settings: options.settings }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = unprivileged(&self.programs.join("postgres"));
        command.arg("-D").arg(folder.join("db")).arg("-p").arg(self.port.to_string());
        let sockets = folder.display().to_string();
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &sockets),
            ("ssl", "on"),
            ("ssl_cert_file", "server.pem"),
            ("ssl_key_file", "server.key"),
            ("ssl_ca_file", "ca.pem"),
            ("wal_level", "logical"),
            ("max_wal_senders", "40"),
            ("max_replication_slots", "40"),
            ("max_connections", "200"),
            // What a killed process wrote is in the kernel's memory. Only a power cut would take it.
            ("fsync", "off"),
        ];
        let given = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in own.into_iter().chain(given) {
            command.arg("-c").arg(format!("{key}={value}"));
        }
        command
    }

    async fn is_ready(&self, folder: &Path, _: &str) -> bool {
        let mut command = Command::new(self.programs.join("pg_isready"));
        surround(&mut command, folder);
        command.args(["-q", "-h", "127.0.0.1", "-p"]).arg(self.port.to_string());
        tokio::process::Command::from(command).status().await.is_ok_and(|status| status.success())
    }

    async fn begun(&self, folder: &Path) {
        let roles =
            format!("create role {USER} login replication password '{PASSWORD}'; create role {} login;", tls::CLIENT);
        self.psql(folder, "postgres", &roles).await;
    }
}

impl Setup {
    async fn psql(&self, folder: &Path, database: &str, sql: &str) -> String {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"]).arg(folder);
        command.arg("-p").arg(self.port.to_string());
        tool(folder, command, sql.as_bytes()).await.trim_end_matches('\n').to_owned()
    }
}

impl Postgres {
    /// The instance of this test process.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Options::default())).await
    }

    /// Where it listens, for TLS and without.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.kind.port).into()
    }

    /// Makes an empty database that belongs to [`USER`], and gives its name.
    pub async fn database(&self) -> String {
        let name = fresh_name("test");
        self.sql("postgres", &format!("create database {name} owner {USER} template template0")).await;
        name
    }

    /// Runs SQL by `psql` as the superuser: rows are lines, columns are parted by `|`.
    ///
    /// # Panics
    ///
    /// The SQL is refused.
    pub async fn sql(&self, database: &str, sql: &str) -> String {
        self.kind.psql(self.folder(), database, sql).await
    }
}

/// The folder of the newest version that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let newest = numbered.filter(|(_, path)| path.join("bin/postgres").is_file()).max();
    newest.expect("PostgreSQL is missing: scripts/tools-servers installs it").1.join("bin")
}

/// PostgreSQL refuses to run as root, and runs as its own user then.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}

async fn own(folder: &Path, what: &Path) {
    let mut command = Command::new("chown");
    command.args(["-R", "postgres:postgres"]).arg(what);
    tool(folder, command, b"").await;
}
