//! An HTTP call through the hatch, beside the client library alone, to the same server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jackfield_connectors::Surroundings;
use jackfield_core::clock::SystemClock;
use jackfield_core::grant::{Grants, HttpGrant, HttpTarget};
use jackfield_core::hatch::testing::{Rig, RigOptions, name};
use jackfield_core::limits::Limits;
use jackfield_core::ports::http::HttpCall;
use jackfield_core::retry::RetryPolicy;
use serde_json::json;

use crate::doors::bare_server;
use crate::table::{Table, median};

const CALLS: u32 = 500;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let (server, _running) = bare_server().await?;
    let connector = jackfield_connectors::all(&Surroundings::default())
        .into_iter()
        .find(|connector| connector.kind() == "http")
        .ok_or_else(|| anyhow::anyhow!("there is no http connector"))?;
    let settings = json!({ "base_url": format!("http://{server}"), "idempotency": "header" });
    let grant = HttpGrant {
        target: HttpTarget::Connection(name("api")),
        methods: vec!["GET".into(), "POST".into()],
        paths: vec!["/**".parse().map_err(anyhow::Error::msg)?],
        redirects: 0,
        retry_in_doubt: false,
    };
    let options = RigOptions {
        clock: Arc::new(SystemClock),
        limits: Limits { calls: 1_000_000, ..Limits::default() },
        grants: Grants { http: vec![grant], ..Grants::default() },
        retry: RetryPolicy::default(),
        keyed: true,
    };
    let rig = Rig::over(options, connector, settings.as_object().cloned().unwrap_or_default()).await;
    rig.accept("").await;
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    let call = |method: &str| HttpCall {
        connection: Some(name("api")),
        method: method.into(),
        url: "/x".into(),
        headers: vec![],
        body: if method == "GET" { Bytes::new() } else { Bytes::from_static(b"{}") },
        timeout: None,
        max_redirects: 0,
    };
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let url = format!("http://{server}/x");

    let (mut read, mut write, mut alone) = (vec![], vec![], vec![]);
    for _ in 0..7 {
        for (method, times) in [("GET", &mut read), ("POST", &mut write)] {
            let started = Instant::now();
            for _ in 0..CALLS {
                let number = hatch.number()?;
                hatch.http(number, call(method)).await?.map_err(|e| anyhow::anyhow!("{e:?}"))?;
            }
            times.push(per(started.elapsed()));
        }
        let started = Instant::now();
        for _ in 0..CALLS {
            let response = client.request(Request::get(&url).body(Full::default())?).await?;
            response.into_body().collect().await?;
        }
        alone.push(per(started.elapsed()));
    }
    let alone = median(alone);
    table.row("http GET through the hatch", median(read), alone, "µs", "the client library alone");
    table.row("http POST through the hatch (intent synced)", median(write), alone, "µs", "the client library alone");
    Ok(())
}

fn per(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(CALLS)
}
