//! What a guest observes besides its calls, one line each: `time 0 2026-01-31T14:02:11.000Z`, `poll 3: 1 0`.

use super::BadRecording;
use crate::clock::Timestamp;
use crate::journal::{Moment, Record};

/// The line of a record of the guest's own sequence; none if it is another record.
pub(super) fn line(record: &Record) -> Option<String> {
    Some(match record {
        Record::Time(Moment { monotonic_ms, wall }) => format!("time {monotonic_ms} {wall}"),
        Record::Remaining(ms) => format!("remaining {ms}"),
        Record::Block => "block".into(),
        Record::Ready(ready) => format!("ready {ready}"),
        Record::Poll { of, ready } => {
            let ready: String = ready.iter().map(|index| format!(" {index}")).collect();
            format!("poll {of}:{ready}")
        }
        Record::Intent { .. }
        | Record::Result { .. }
        | Record::Cut(_)
        | Record::Asked { .. }
        | Record::Decided { .. }
        | Record::Past(_) => return None,
    })
}

/// The record of a line.
pub(super) fn record(line: &str) -> Result<Record, BadRecording> {
    read(line).ok_or_else(|| BadRecording(format!("observed: `{line}` is none of time, remaining, block, ready, poll")))
}

fn read(line: &str) -> Option<Record> {
    if line == "block" {
        return Some(Record::Block);
    }
    let (word, rest) = line.split_once(' ')?;
    Some(match word {
        "time" => {
            let (monotonic_ms, wall) = rest.split_once(' ')?;
            Record::Time(Moment { monotonic_ms: monotonic_ms.parse().ok()?, wall: Timestamp::parse(wall).ok()? })
        }
        "remaining" => Record::Remaining(rest.parse().ok()?),
        "ready" => Record::Ready(rest.parse().ok()?),
        "poll" => {
            let (of, ready) = rest.split_once(':')?;
            let ready = ready.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
            Record::Poll { of: of.parse().ok()?, ready }
        }
        _ => return None,
    })
}
