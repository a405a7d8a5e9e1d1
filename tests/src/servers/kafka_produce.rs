//! Sends records as they are, whatever bytes they hold: the broker's own producer knows only lines.
//!
//! Source: the Apache Kafka protocol guide, "Produce" and "Record Batch".

use std::io;

use super::kafka_wire::{Body, ask};

const PRODUCE: (i16, i16) = (0, 3);
/// How long the broker may take to store a batch.
const PATIENCE_MS: i32 = 5_000;

/// A record to be: key and value.
pub(super) type Message = (Option<String>, Vec<u8>);

/// Appends records to a partition, in one batch; returns when they are stored.
pub(super) async fn produce(
    port: u16,
    topic: &str,
    partition: i32,
    time_ms: i64,
    messages: &[&Message],
) -> io::Result<()> {
    let batch = batch(time_ms, messages);
    let mut body = Body::default();
    body.i16(-1); // no transaction
    body.i16(-1); // all copies store it
    body.i32(PATIENCE_MS);
    body.i32(1);
    body.text(topic);
    body.i32(1);
    body.i32(partition);
    body.i32(batch.len() as i32);
    body.bytes(&batch);
    let mut answer = ask(port, PRODUCE, body).await?;
    answer.i32()?; // topics: one
    answer.text()?; // its name
    answer.i32()?; // partitions: one
    answer.i32()?; // its number
    answer.error()
}

fn batch(time_ms: i64, messages: &[&Message]) -> Vec<u8> {
    let last = messages.len() as i32 - 1;
    let mut rest = Vec::new();
    rest.extend(0_i16.to_be_bytes()); // not compressed, no transaction
    rest.extend(last.to_be_bytes());
    rest.extend(time_ms.to_be_bytes()); // the first
    rest.extend(time_ms.to_be_bytes()); // the latest
    rest.extend((-1_i64).to_be_bytes()); // no producer's id,
    rest.extend((-1_i16).to_be_bytes()); // epoch
    rest.extend((-1_i32).to_be_bytes()); // or sequence
    rest.extend((messages.len() as i32).to_be_bytes());
    for (number, (key, value)) in messages.iter().enumerate() {
        let mut record = vec![0]; // no attributes
        varint(&mut record, 0); // after the first's time
        varint(&mut record, number as i64);
        match key {
            Some(key) => {
                varint(&mut record, key.len() as i64);
                record.extend(key.as_bytes());
            }
            None => varint(&mut record, -1),
        }
        varint(&mut record, value.len() as i64);
        record.extend(value);
        varint(&mut record, 0); // no headers
        varint(&mut rest, record.len() as i64);
        rest.extend(record);
    }
    let mut batch = Vec::new();
    batch.extend(0_i64.to_be_bytes()); // its offset, which the broker knows
    batch.extend((4 + 1 + 4 + rest.len() as i32).to_be_bytes()); // what follows
    batch.extend((-1_i32).to_be_bytes()); // no leader's epoch
    batch.push(2); // the format
    batch.extend(crc32c(&rest).to_be_bytes());
    batch.extend(rest);
    batch
}

/// A number in as few bytes as it needs, small negative ones too (zigzag).
fn varint(to: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)) as u64;
    while left >= 0x80 {
        to.push(left as u8 | 0x80);
        left >>= 7;
    }
    to.push(left as u8);
}

/// Castagnoli's checksum.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn numbers_are_short() {
        for (number, bytes) in [(0, vec![0]), (-1, vec![1]), (63, vec![126]), (64, vec![0x80, 1]), (300, vec![0xd8, 4])]
        {
            let mut written = Vec::new();
            varint(&mut written, number);
            assert_eq!(written, bytes, "{number}");
        }
    }
}
