//! A load over HTTP: so many connections, each sending the next request when the last is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Sends POSTs of `body` to `path` for `time` over `connections`. Answers how many were answered with
/// `expected`, and how long that took.
pub(crate) async fn post(
    to: SocketAddr,
    path: String,
    body: Bytes,
    connections: usize,
    time: Duration,
    expected: u16,
) -> anyhow::Result<(u64, Duration)> {
    let answered = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (answered, path, body) = (Arc::clone(&answered), path.clone(), body.clone());
        tasks.spawn(async move {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let mut driver = JoinSet::new();
            driver.spawn(connection);
            while started.elapsed() < time {
                let request = Request::post(&path)
                    .header("host", to.to_string())
                    .header("content-type", "application/json")
                    .body(Full::new(body.clone()))?;
                let response = sender.send_request(request).await?;
                let status = response.status().as_u16();
                response.into_body().collect().await?;
                ensure!(status == expected, "answered {status} instead of {expected}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a connection's task")??;
    }
    Ok((answered.load(Ordering::Relaxed), started.elapsed()))
}
