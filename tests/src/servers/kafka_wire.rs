//! The few requests of Kafka's protocol that the tests make themselves, so that no Java program has to be started.
//!
//! Source: the Apache Kafka protocol guide. Each request is made in the oldest version that brokers of 4.x take.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::kafka::PATIENCE;

/// Kind and version of a request.
const LIST_OFFSETS: (i16, i16) = (2, 1);
const METADATA: (i16, i16) = (3, 1);
const OFFSET_FETCH: (i16, i16) = (9, 1);
const CREATE_TOPICS: (i16, i16) = (19, 2);

/// How many brokers serve.
pub(super) async fn brokers(port: u16) -> io::Result<usize> {
    let (brokers, _) = metadata(port, &[]).await?;
    Ok(brokers)
}

/// The partitions of a topic that have a leader, in order.
pub(super) async fn led_partitions(port: u16, topic: &str) -> io::Result<Vec<i32>> {
    Ok(metadata(port, &[topic]).await?.1)
}

async fn metadata(port: u16, topics: &[&str]) -> io::Result<(usize, Vec<i32>)> {
    let mut body = Body::default();
    body.i32(topics.len() as i32);
    for topic in topics {
        body.text(topic);
    }
    let mut answer = ask(port, METADATA, body).await?;
    let brokers = answer.i32()?;
    for _ in 0..brokers {
        answer.i32()?; // its number
        answer.text()?; // its host
        answer.i32()?; // its port
        answer.text()?; // its rack
    }
    answer.i32()?; // the controller
    let mut led = Vec::new();
    for _ in 0..answer.i32()? {
        answer.error()?;
        answer.text()?; // its name
        answer.take(1)?; // whether it is the broker's own
        for _ in 0..answer.i32()? {
            let failed = answer.error().is_err();
            let partition = answer.i32()?;
            let leader = answer.i32()?;
            for _ in 0..2 {
                let copies = answer.i32()?;
                answer.take(4 * copies as usize)?; // all, and those in step
            }
            if !failed && leader >= 0 {
                led.push(partition);
            }
        }
    }
    led.sort_unstable();
    Ok((brokers as usize, led))
}

/// Makes a topic of one copy.
pub(super) async fn create_topic(port: u16, name: &str, partitions: i32) -> io::Result<()> {
    let mut body = Body::default();
    body.i32(1);
    body.text(name);
    body.i32(partitions);
    body.i16(1); // copies
    body.i32(0); // no partition is put somewhere by hand
    body.i32(0); // no settings
    body.i32(PATIENCE.as_millis() as i32);
    body.bytes(&[0]); // not only to see whether it could be
    let mut answer = ask(port, CREATE_TOPICS, body).await?;
    answer.i32()?; // how long we are asked to hold back
    answer.i32()?; // topics: one
    answer.text()?; // its name
    answer.error()
}

/// The offset after the last record of each partition.
pub(super) async fn ends(port: u16, topic: &str, partitions: &[i32]) -> io::Result<Vec<i64>> {
    let mut body = Body::default();
    body.i32(-1); // no copy asks, but a client
    body.i32(1);
    body.text(topic);
    body.i32(partitions.len() as i32);
    for partition in partitions {
        body.i32(*partition);
        body.i64(-1); // the last
    }
    let mut answer = ask(port, LIST_OFFSETS, body).await?;
    answer.i32()?; // topics: one
    answer.text()?; // its name
    let mut found = vec![0; partitions.len()];
    for _ in 0..answer.i32()? {
        let partition = answer.i32()?;
        answer.error()?;
        answer.i64()?; // its time
        let offset = answer.i64()?;
        put(&mut found, partitions, partition, offset);
    }
    Ok(found)
}

/// What a group committed of each partition.
pub(super) async fn committed(port: u16, group: &str, topic: &str, partitions: &[i32]) -> io::Result<Vec<Option<i64>>> {
    let mut body = Body::default();
    body.text(group);
    body.i32(1);
    body.text(topic);
    body.i32(partitions.len() as i32);
    for partition in partitions {
        body.i32(*partition);
    }
    let mut answer = ask(port, OFFSET_FETCH, body).await?;
    let mut found = vec![None; partitions.len()];
    for _ in 0..answer.i32()? {
        answer.text()?; // its name
        for _ in 0..answer.i32()? {
            let partition = answer.i32()?;
            let offset = answer.i64()?;
            answer.text()?; // what the group noted with it
            answer.error()?;
            put(&mut found, partitions, partition, (offset >= 0).then_some(offset));
        }
    }
    Ok(found)
}

fn put<T>(found: &mut [T], partitions: &[i32], partition: i32, value: T) {
    if let Some(place) = partitions.iter().position(|asked| *asked == partition) {
        found[place] = value;
    }
}

/// Sends a request over a connection of its own, and gives the body of the answer.
pub(super) async fn ask(port: u16, (kind, version): (i16, i16), body: Body) -> io::Result<Answer> {
    let mut message = Body::default();
    message.i16(kind);
    message.i16(version);
    message.i32(1); // its number on this connection
    message.text("jackfield-tests");
    message.bytes(&body.0);
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_i32(message.0.len() as i32).await?;
        stream.write_all(&message.0).await?;
        let length = stream.read_i32().await?;
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes).await?;
        Ok(Answer(bytes.split_off(4.min(bytes.len())))) // after the number of the request
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}

/// What is sent. Numbers are big-endian, texts have their length before them.
#[derive(Default)]
pub(super) struct Body(Vec<u8>);

impl Body {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn i16(&mut self, number: i16) {
        self.bytes(&number.to_be_bytes());
    }

    pub(super) fn i32(&mut self, number: i32) {
        self.bytes(&number.to_be_bytes());
    }

    fn i64(&mut self, number: i64) {
        self.bytes(&number.to_be_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.i16(text.len() as i16);
        self.bytes(text.as_bytes());
    }
}

/// What was answered and is not read yet.
pub(super) struct Answer(Vec<u8>);

impl Answer {
    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        if count > self.0.len() {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the answer is shorter than its kind"));
        }
        Ok(self.0.drain(..count).collect())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(&self.take(N)?);
        Ok(array)
    }

    fn i16(&mut self) -> io::Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> io::Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn i64(&mut self) -> io::Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A text, or none.
    pub(super) fn text(&mut self) -> io::Result<Option<String>> {
        let length = self.i16()?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(&self.take(length)?).into_owned()))
    }

    /// The number of an error: 0 is none.
    pub(super) fn error(&mut self) -> io::Result<()> {
        match self.i16()? {
            0 => Ok(()),
            code => Err(io::Error::other(format!("Kafka's error {code}"))),
        }
    }
}
