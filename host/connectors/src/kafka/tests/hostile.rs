//! Brokers that are none: they answer without end, or never.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// Something that takes connections, and says `begin` and then zeros for ever to whoever asks something.
async fn endless(begin: Option<u32>) -> (u16, Arc<AtomicU64>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            connections.spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                let Some(begin) = begin else { return std::future::pending().await };
                let _ = stream.write_all(&begin.to_be_bytes()).await;
                while let Ok(n) = stream.write(&[0; 64 * 1024]).await {
                    count.fetch_add(n as u64, Ordering::SeqCst);
                }
            });
        }
    });
    (port, written, serving)
}

/// Threat rows 16 and 38: a length that no answer has is not read to its end, and a broker that says nothing holds nobody up
/// for longer than the connection's time.
#[tokio::test(flavor = "multi_thread")]
async fn threat_016_a_broker_that_answers_without_end_or_never() {
    for begin in [Some(90_000_000), Some(u32::MAX), Some(0x7fff_ffff), None] {
        let (port, written, _serving) = endless(begin).await;
        let settings = map(json!({
            "brokers": [format!("127.0.0.1:{port}")], "tls": "off", "timeout": "3s", "connect_timeout": "2s",
        }));
        let link = open(&settings);
        let began = Instant::now();
        let sending = Sending { timeout: Duration::from_secs(3), ..sending("key") };
        let failure = link.run(&MessagingCall::Publish(vec![message("a", "1")]), &sending).await.unwrap_err();
        assert!(matches!(failure, Failure::NotExecuted(_)), "{begin:?}: {failure:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{begin:?}: {:?}", began.elapsed());
        // What the kernel's buffers took, once for each time that it tried.
        let written = written.load(Ordering::SeqCst);
        assert!(written < 80_000_000, "{begin:?}: {written}");
    }
}
