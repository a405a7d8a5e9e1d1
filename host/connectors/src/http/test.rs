//! The test of a connection: looks at its address, reaches for it, and says what it found.
//!
//! Not here: whether an integration may use it.

use std::time::Duration;

use jackfield_core::ports::connector::{Finding, Secrets};
use jackfield_core::ports::http::{Http, HttpFailure, HttpRequest};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};
use url::Url;

use super::HttpConnector;
use super::client::{Dialer, Stream};
use super::credential::{Credential, own_tls};
use super::link::{Link, port};
use super::settings::{Settings, TestRequest};
use super::token::Tokens;
use crate::address::Origin;
use crate::findings::{self, as_finding, bad, good};

const LARGEST_ANSWER: u64 = 1024 * 1024;

/// Looks, for at most `limit`.
pub(super) async fn test(
    connector: &HttpConnector,
    settings: &Map<String, Value>,
    secrets: &Secrets,
    limit: Duration,
) -> Vec<Finding> {
    let settings = match Settings::read(settings) {
        Ok(settings) => settings,
        Err(problems) => return problems.iter().map(as_finding).collect(),
    };
    let link = match connector.link(settings.clone(), secrets) {
        Ok(link) => link,
        Err(problem) => return vec![as_finding(&problem)],
    };
    let mut findings = Vec::new();
    if timeout(limit, look(connector, &settings, (secrets, &link), limit, &mut findings)).await.is_err() {
        findings.push(bad("time", format!("the test was not finished within {}s", limit.as_secs_f32())));
    }
    findings
}

async fn look(
    connector: &HttpConnector,
    settings: &Settings,
    (secrets, link): (&Secrets, &Link),
    limit: Duration,
    findings: &mut Vec<Finding>,
) {
    let base = &settings.base;
    let (host, port) = (base.host_str().unwrap_or_default(), port(base));
    match connector.network.addresses(host, port, Origin::Operator).await {
        Ok(found) => {
            let shown: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
            findings.push(good("address", format!("{host} → {}", shown.join(", "))));
        }
        Err(e) => return findings.push(bad("address", e.to_string())),
    }

    let tls = match own_tls(settings, secrets) {
        Ok(tls) => tls,
        Err(problem) => return findings.push(as_finding(&problem)),
    };
    let network = connector.network.clone();
    let dialer = Dialer { network, origin: Origin::Operator, tls, timeout: settings.connect_timeout };
    let started = Instant::now();
    match dialer.dial(host, port, base.scheme() == "https").await {
        Ok(stream) => {
            findings.push(good("reachable", format!("connected in {} ms", started.elapsed().as_millis())));
            findings.extend(certificate(&stream));
        }
        Err(e) => return findings.push(bad("reachable", e.to_string())),
    }
    let deadline = started + limit;
    if let Credential::Token(tokens) = &link.credential {
        let token = token(tokens, deadline).await;
        let obtained = token.ok;
        findings.push(token);
        if !obtained {
            return;
        }
    }
    findings.push(credential(settings, link, deadline.saturating_duration_since(Instant::now())).await);
}

/// Whether the token endpoint gives a token.
async fn token(tokens: &Tokens, deadline: Instant) -> Finding {
    const WHAT: &str = "token";
    let started = Instant::now();
    let endpoint = tokens.endpoint();
    match tokens.current(deadline).await {
        Ok(token) => {
            let took = started.elapsed().as_millis();
            let open = if endpoint.url().scheme() == "https" { "" } else { "; asked without TLS" };
            good(WHAT, format!("from {endpoint} in {took} ms, {}{open}", token.described))
        }
        Err(none) => match none.said {
            Some(said) => bad(WHAT, format!("{}; it says: {said}", none.problem)),
            None => bad(WHAT, none.problem),
        },
    }
}

/// What a certificate says about its end; none without TLS.
fn certificate(stream: &Stream) -> Option<Finding> {
    let Stream::Tls(stream) = stream else { return None };
    Some(findings::certificate(stream.get_ref().1))
}

/// Whether the other side takes the credential, if the settings say how to ask.
async fn credential(settings: &Settings, link: &Link, limit: Duration) -> Finding {
    const WHAT: &str = "credential";
    let Some(TestRequest { method, path }) = &settings.test else {
        return good(WHAT, "not proved: nothing was asked with it. Set `test`, such as `GET /user`, to prove it");
    };
    let text = format!("{}{path}", settings.base.as_str().trim_end_matches('/'));
    let Ok(url) = Url::parse(&text) else {
        return bad(WHAT, format!("`base_url` and the path of `test` make no URL: {text}"));
    };
    let request = HttpRequest {
        method: method.clone(),
        url,
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        timeout: settings.timeout.min(limit.max(Duration::from_millis(1))),
        response_limit: LARGEST_ANSWER,
        redirects: 0,
    };
    let status = match link.send(request, &|_| false).await {
        Ok(response) => response.status,
        // It answered, at length.
        Err(HttpFailure::TooLarge { status, .. }) => status,
        Err(e) => return bad(WHAT, format!("{method} {path}: {e}")),
    };
    let answered = format!("{method} {path} answered {status}");
    match status {
        200..=299 => good(WHAT, format!("accepted: {answered}")),
        401 => bad(WHAT, format!("not accepted: {answered}")),
        403 => bad("permission", format!("{answered}: the credential is known and lacks a permission")),
        300..=399 => bad(WHAT, format!("not proved: {answered}, a redirect: often a page to log in at")),
        404 | 410 => bad(WHAT, format!("not proved: {answered}: is the path of `test` right?")),
        _ => bad(WHAT, format!("not proved: {answered}")),
    }
}
