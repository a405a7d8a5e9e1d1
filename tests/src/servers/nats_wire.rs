//! A request over NATS's plain-text protocol, on a connection of its own.
//!
//! Source: the NATS client protocol's documentation.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::server::{PASSWORD, USER};

const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `data` to a subject, and gives the data of the first answer.
pub(super) async fn request(address: SocketAddr, subject: &str, data: &[u8]) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        let who = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "user": USER, "pass": PASSWORD, "name": "jackfield-tests", "lang": "rust", "version": "1",
        });
        // Its own: requests of other tests are answered at the same time.
        let inbox = format!("_INBOX.tests.{}", stream.get_ref().local_addr()?.port());
        let begin = format!("CONNECT {who}\r\nSUB {inbox} 1\r\nPUB {subject} {inbox} {}\r\n", data.len());
        stream.write_all(begin.as_bytes()).await?;
        stream.write_all(data).await?;
        stream.write_all(b"\r\n").await?;
        answer(&mut stream).await
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (headers, whole) = match words.as_slice() {
            ["MSG", .., whole] => ("0", *whole),
            // The lengths of its headers, and of both.
            ["HMSG", .., headers, whole] => (*headers, *whole),
            ["PING"] => {
                stream.write_all(b"PONG\r\n").await?;
                continue;
            }
            ["-ERR", ..] => return Err(io::Error::other(line.trim_end().to_owned())),
            _ => continue, // INFO, PONG
        };
        let length = |text: &str| text.parse::<usize>().map_err(io::Error::other);
        let mut bytes = vec![0; length(whole)?];
        stream.read_exact(&mut bytes).await?;
        let data = bytes.split_off(length(headers)?.min(bytes.len()));
        if bytes.starts_with(b"NATS/1.0 503") {
            return Err(io::Error::other("nobody listens to it"));
        }
        return Ok(data);
    }
}
