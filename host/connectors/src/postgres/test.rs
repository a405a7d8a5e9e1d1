//! The test of a connection: looks at its address, reaches for it, logs in, and says what it found.
//!
//! Not here: whether an integration may use it.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::clock::{Clock, SystemClock};
use jackfield_core::ports::connector::{Finding, Secrets, SettingProblem};
use rustls_pki_types::ServerName;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};
use tokio_rustls::TlsConnector;

use super::ledger::{Ledger, TABLE};
use super::session::{Dialer, Seen};
use super::settings::Settings;
use super::{PostgresConnector, failure};
use crate::address::Origin;
use crate::tls;

/// Certificates that end sooner are reported as a problem.
const WARN_DAYS: i64 = 14;

/// What a client says to ask for TLS. Source: PostgreSQL's documentation, on its message formats.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

const ROLE: &str = "SELECT pg_catalog.current_setting('server_version'), r.rolsuper, r.rolcreaterole, r.rolbypassrls, \
    ARRAY(SELECT p.rolname::text FROM pg_catalog.pg_roles p WHERE p.rolname IN ('pg_read_server_files', \
        'pg_write_server_files', 'pg_execute_server_program') \
        AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER') ORDER BY 1) \
    FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

const SCHEMA: &str = "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n \
    WHERE n.nspname = $1";

fn good(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: true, what: what.into(), detail: detail.into() }
}

fn bad(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: false, what: what.into(), detail: detail.into() }
}

fn as_finding(problem: &SettingProblem) -> Finding {
    bad("settings", problem.to_string())
}

/// Looks, for at most `limit`.
pub(super) async fn test(
    connector: &PostgresConnector,
    settings: &Map<String, Value>,
    secrets: &Secrets,
    limit: Duration,
) -> Vec<Finding> {
    let dialer = match connector.dialer(settings, secrets) {
        Ok(dialer) => dialer,
        Err(problems) => return problems.iter().map(as_finding).collect(),
    };
    let mut findings = Vec::new();
    if timeout(limit, look(connector, &dialer, &mut findings)).await.is_err() {
        findings.push(bad("time", format!("the test was not finished within {}s", limit.as_secs_f32())));
    }
    findings
}

async fn look(connector: &PostgresConnector, dialer: &Dialer, findings: &mut Vec<Finding>) {
    let Settings { host, port, database, user, .. } = dialer.settings();
    match connector.network.addresses(host, *port, Origin::Operator).await {
        Ok(found) => {
            let shown: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
            findings.push(good("address", format!("{host} → {}", shown.join(", "))));
        }
        Err(e) => return findings.push(bad("address", e.to_string())),
    }
    let started = Instant::now();
    match dialer.tcp().await {
        Ok(stream) => {
            findings.push(good("reachable", format!("connected in {} ms", started.elapsed().as_millis())));
            if dialer.settings().tls {
                findings.push(certificate(stream, dialer.settings()).await);
            } else {
                findings.push(good("tls", "off: what is asked and answered can be read on the way"));
            }
        }
        Err(e) => return findings.push(bad("reachable", e.to_string())),
    }
    let (client, messages) = match dialer.session(&Seen::default()).await {
        Ok(session) => session,
        // Of TLS it was told before why.
        Err(_) if findings.iter().any(|f| f.what == "tls" && !f.ok) => return,
        Err(e) => {
            return findings.push(bad("credential", failure::not_opened(&e, dialer.settings()).to_string()));
        }
    };
    findings.push(good("credential", format!("`{user}` is logged in to `{database}`")));
    let mut reading = JoinSet::new();
    reading.spawn(async move { futures_util::StreamExt::for_each(messages, async |_| {}).await });
    if let Err(e) = ask(&client, dialer.settings(), findings).await {
        findings.push(bad("statements", format!("the server does not answer as it should: {e}")));
    }
}

/// What the server's certificate says.
async fn certificate(mut stream: tokio::net::TcpStream, settings: &Settings) -> Finding {
    const WHAT: &str = "tls";
    let mut answer = [0];
    let asked = async {
        stream.write_all(&TLS_REQUEST).await?;
        stream.read_exact(&mut answer).await
    };
    if let Err(e) = asked.await {
        return bad(WHAT, format!("the server does not say whether it offers TLS: {e}; is it PostgreSQL?"));
    }
    if answer != *b"S" {
        return bad(WHAT, "the server offers no TLS; turn it on there (`ssl = on`), or set `tls = \"off\"`");
    }
    let connected = match (tls::client(settings.ca.as_deref(), &[]), ServerName::try_from(settings.host.clone())) {
        (Ok(config), Ok(name)) => TlsConnector::from(Arc::clone(&config)).connect(name, stream).await,
        (Err(problem), _) => return bad("ca", problem),
        (_, Err(_)) => return bad(WHAT, format!("`{}` cannot be the name on a certificate", settings.host)),
    };
    let stream = match connected {
        Ok(stream) => stream,
        Err(e) => return bad(WHAT, failure::tls_explained(&e)),
    };
    let session = stream.get_ref().1;
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let ends = session.peer_certificates().and_then(|chain| tls::not_after(chain.first()?));
    let Some(ends) = ends else { return good(WHAT, version) };
    let days = i64::try_from(ends.since(SystemClock.now()).as_secs() / 86_400).unwrap_or(i64::MAX);
    let day: String = ends.to_string().chars().take(10).collect();
    if days < WARN_DAYS {
        bad(WHAT, format!("{version}, but the certificate ends in {days} days, on {day}; renew it"))
    } else {
        good(WHAT, format!("{version}, certificate valid {days} days, until {day}"))
    }
}

/// What the server and the role are like.
async fn ask(client: &Client, settings: &Settings, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let Settings { user, schema, .. } = settings;
    let rows = client.query_typed(ROLE, &[]).await?;
    if let Some(row) = rows.first() {
        findings.push(good("server", format!("PostgreSQL {}", row.try_get::<_, String>(0)?)));
        let mut powers: Vec<String> = Vec::new();
        for (i, power) in [(1, "superuser"), (2, "createrole"), (3, "bypassrls")] {
            if row.try_get(i)? {
                powers.push(power.to_owned());
            }
        }
        powers.extend(row.try_get::<_, Vec<String>>(4)?.into_iter().map(|role| format!("member of {role}")));
        findings.push(if powers.is_empty() {
            good("role", format!("`{user}` has no powers over the server"))
        } else {
            let powers = powers.join(", ");
            bad(
                "role",
                format!(
                    "`{user}` can do more than statements need: {powers}; use a role of its own, see this kind's page"
                ),
            )
        });
    }
    let rows = client.query_typed(SCHEMA, &[(schema, Type::TEXT)]).await?;
    findings.push(match rows.first().map(|row| row.try_get::<_, bool>(0)).transpose()? {
        Some(true) => good("schema", format!("`{schema}` can be used")),
        Some(false) => {
            bad("schema", format!("`{schema}` cannot be used: grant usage on schema \"{schema}\" to \"{user}\""))
        }
        None => bad("schema", format!("`{schema}` is not there; create it or set `schema`")),
    });
    findings.push(match Ledger::new(schema).look(client).await? {
        Some(true) => {
            good("ledger", format!("{schema}.{TABLE} is there: a write whose answer is lost is asked for again"))
        }
        Some(false) => bad(
            "ledger",
            format!(
                "{schema}.{TABLE} is there and cannot be used: grant select, insert, update, delete on it to \"{user}\""
            ),
        ),
        None => {
            good("ledger", format!("{schema}.{TABLE} is not there: a write whose answer is lost waits for a person"))
        }
    });
    Ok(())
}
