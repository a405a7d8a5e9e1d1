//! The files: `<environment>/<day>.jsonl`, continued in `<day>.1.jsonl` …, each with an index beside it.
//!
//! An index line says which bytes belong to a run: `<run> <start> <end>`. Lines that do not read, as a
//! power cut may leave them, are passed over.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::{LogLine, LogRetention};
use crate::clock::Timestamp;
use crate::ids::{EnvironmentName, RunId};

const BLOCK: u64 = 256 * 1024;

/// Lines of one run, to be written as they are.
pub(super) struct Chunk {
    pub(super) environment: EnvironmentName,
    pub(super) run: RunId,
    pub(super) at: Timestamp,
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// All files of all environments.
pub(super) struct Segments {
    folder: PathBuf,
    retention: LogRetention,
    environments: BTreeMap<EnvironmentName, Environment>,
}

#[derive(Default)]
struct Environment {
    // In the order of their names: the last is the newest.
    files: Vec<Segment>,
    open: Option<Open>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    day: jiff::civil::Date,
    number: u32,
    log: PathBuf,
    log_bytes: u64,
    index_bytes: u64,
}

struct Open {
    day: jiff::civil::Date,
    number: u32,
    log: File,
    index: File,
}

/// The files of one environment at a moment: read without holding up whoever writes.
pub(super) struct Snapshot(Vec<Segment>);

fn day_of(at: Timestamp) -> jiff::civil::Date {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    jiff::tz::TimeZone::UTC.to_datetime(at).date()
}

impl Segments {
    pub(super) fn open(folder: PathBuf, retention: LogRetention) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut environments = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(|name| name.parse::<EnvironmentName>().ok());
            if let Some(name) = name
                && entry.file_type()?.is_dir()
            {
                environments.insert(name, Environment { files: list(&entry.path())?, open: None });
            }
        }
        Ok(Self { folder, retention, environments })
    }

    /// The size at which a file is continued in another: small enough that dropping one loses little.
    fn segment_bytes(&self) -> u64 {
        (self.retention.bytes / 16).clamp(64 * 1024, 64 * 1024 * 1024)
    }

    pub(super) fn append(&mut self, chunk: &Chunk) -> io::Result<()> {
        let (most, segment_bytes) = (self.retention.bytes, self.segment_bytes());
        let environment = match self.environments.get_mut(&chunk.environment) {
            Some(environment) => environment,
            None => {
                fs::create_dir_all(self.folder.join(chunk.environment.as_str()))?;
                self.environments.entry(chunk.environment.clone()).or_default()
            }
        };
        let folder = self.folder.join(chunk.environment.as_str());
        let written = environment.append(&folder, chunk, segment_bytes);
        environment.fit(most);
        written
    }

    /// The files of the environments asked for.
    pub(super) fn snapshot(&self, wanted: impl Fn(&EnvironmentName) -> bool) -> Vec<Snapshot> {
        let wanted = self.environments.iter().filter(|(name, _)| wanted(name));
        wanted.map(|(_, environment)| Snapshot(environment.files.clone())).collect()
    }

    /// Removes what is too old or too much. Answers how many files went.
    pub(super) fn retain(&mut self, now: Timestamp) -> usize {
        let oldest = day_of(now.minus(self.retention.age));
        let most = self.retention.bytes;
        let mut gone = 0;
        for environment in self.environments.values_mut() {
            while environment.files.first().is_some_and(|file| file.day < oldest) {
                environment.drop_oldest();
                gone += 1;
            }
            gone += environment.fit(most);
        }
        gone
    }
}

impl Environment {
    fn append(&mut self, folder: &Path, chunk: &Chunk, segment_bytes: u64) -> io::Result<()> {
        let size = chunk.bytes.len() as u64;
        let day = day_of(chunk.at);
        let at = match self.current(day) {
            Some(at) if self.files[at].log_bytes + size <= segment_bytes || self.files[at].log_bytes == 0 => {
                if !self.open.as_ref().is_some_and(|open| self.files[at].is(open)) {
                    self.open = Some(self.files[at].reopen()?);
                }
                at
            }
            current => self.start(folder, day, current.map_or(0, |at| self.files[at].number + 1))?,
        };
        let Some(open) = &mut self.open else { return Err(io::Error::other("no log file is open")) };
        let file = &mut self.files[at];
        let start = file.log_bytes;
        let range = format!("{} {} {}\n", chunk.run, start, start + size);
        let written = open.log.write_all(&chunk.bytes).and_then(|()| open.index.write_all(range.as_bytes()));
        if let Err(error) = written {
            // Half a chunk, or one that no index names, is taken back.
            let _ = open.log.set_len(start);
            let _ = open.index.set_len(file.index_bytes);
            self.open = None;
            return Err(error);
        }
        file.log_bytes += size;
        file.index_bytes += range.len() as u64;
        Ok(())
    }

    /// Where the newest file of this day is.
    fn current(&self, day: jiff::civil::Date) -> Option<usize> {
        self.files.iter().rposition(|file| file.day == day)
    }

    fn start(&mut self, folder: &Path, day: jiff::civil::Date, number: u32) -> io::Result<usize> {
        let name = if number == 0 { format!("{day}.jsonl") } else { format!("{day}.{number}.jsonl") };
        let segment = Segment { day, number, log: folder.join(name), log_bytes: 0, index_bytes: 0 };
        self.open = Some(Open { day, number, log: append_to(&segment.log)?, index: append_to(&segment.index())? });
        let at = self.files.partition_point(|file| *file < segment);
        self.files.insert(at, segment);
        Ok(at)
    }

    /// Drops the oldest files until the rest has at most `most` bytes; the newest stays.
    fn fit(&mut self, most: u64) -> usize {
        let mut total: u64 = self.files.iter().map(Segment::bytes).sum();
        let mut gone = 0;
        while total > most && self.files.len() > 1 {
            total -= self.files[0].bytes();
            self.drop_oldest();
            gone += 1;
        }
        gone
    }

    fn drop_oldest(&mut self) {
        let file = self.files.remove(0);
        if self.open.as_ref().is_some_and(|open| file.is(open)) {
            self.open = None;
        }
        for path in [file.log.clone(), file.index()] {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(%error, path = %path.display(), "an old guest log could not be removed");
            }
        }
    }
}

impl Segment {
    fn index(&self) -> PathBuf {
        self.log.with_extension("idx")
    }

    fn bytes(&self) -> u64 {
        self.log_bytes + self.index_bytes
    }

    fn is(&self, open: &Open) -> bool {
        (self.day, self.number) == (open.day, open.number)
    }

    /// Opens a file of an earlier boot and mends its end: a line cut short is ended, and what was
    /// written without an index entry gets one.
    fn reopen(&mut self) -> io::Result<Open> {
        let (mut log, mut index) = (append_to(&self.log)?, append_to(&self.index())?);
        let known = fs::read(self.index())?;
        if known.last().is_some_and(|last| *last != b'\n') {
            index.write_all(b"\n")?;
        }
        let from = ranges(&known).map(|(_, range)| range.1).max().unwrap_or(0).min(log.metadata()?.len());
        let mut tail = Vec::new();
        let mut reader = File::open(&self.log)?;
        reader.seek(SeekFrom::Start(from))?;
        reader.read_to_end(&mut tail)?;
        let mut at = from;
        for line in tail.split_inclusive(|byte| *byte == b'\n') {
            let end = at + line.len() as u64;
            if let Ok(parsed) = serde_json::from_slice::<LogLine>(line) {
                index.write_all(format!("{} {at} {end}\n", parsed.run).as_bytes())?;
            }
            at = end;
        }
        if tail.last().is_some_and(|last| *last != b'\n') {
            log.write_all(b"\n")?;
        }
        self.log_bytes = log.metadata()?.len();
        self.index_bytes = index.metadata()?.len();
        Ok(Open { day: self.day, number: self.number, log, index })
    }

    fn read(&self, (start, end): (u64, u64)) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(end.saturating_sub(start)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Snapshot {
    /// The newest lines of a run, newest first, at most `limit`.
    pub(super) fn of_run(&self, run: RunId, limit: usize, wanted: impl Fn(&LogLine) -> bool) -> Vec<LogLine> {
        let mut lines = Vec::new();
        // No line is older than its run, give or take a clock that was set back.
        let first_day = day_of(made(run)).yesterday().unwrap_or(jiff::civil::Date::MIN);
        for file in self.0.iter().rev().take_while(|file| file.day >= first_day) {
            let Ok(index) = fs::read(file.index()) else { continue };
            let of_run: Vec<_> = ranges(&index).filter(|(of, _)| *of == run).map(|(_, range)| range).collect();
            for range in of_run.into_iter().rev() {
                let Ok(bytes) = file.read(range) else { continue };
                take_lines(&bytes, limit, &wanted, &mut lines);
                if lines.len() >= limit {
                    return lines;
                }
            }
        }
        lines
    }

    /// The newest lines, newest first, at most `limit`, from the last `most` bytes.
    pub(super) fn newest(&self, most: u64, limit: usize, wanted: impl Fn(&LogLine) -> bool) -> Vec<LogLine> {
        let mut lines = Vec::new();
        let mut left = most;
        for file in self.0.iter().rev() {
            let mut end = file.log_bytes;
            // The first line of a block is whole only with the block before it.
            let mut carry = Vec::new();
            while end > 0 {
                if left == 0 || lines.len() >= limit {
                    return lines;
                }
                let size = BLOCK.min(end).min(left);
                let Ok(mut block) = file.read((end - size, end)) else { break };
                block.append(&mut carry);
                end -= size;
                left -= size;
                let whole_from =
                    if end == 0 { 0 } else { block.iter().position(|b| *b == b'\n').map_or(block.len(), |at| at + 1) };
                take_lines(&block[whole_from..], limit, &wanted, &mut lines);
                block.truncate(whole_from);
                carry = block;
            }
        }
        lines
    }
}

fn take_lines(bytes: &[u8], limit: usize, wanted: impl Fn(&LogLine) -> bool, into: &mut Vec<LogLine>) {
    let parsed = bytes.rsplit(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<LogLine>(line).ok());
    let room = limit.saturating_sub(into.len());
    into.extend(parsed.filter(wanted).take(room));
}

/// The entries of an index that read.
fn ranges(index: &[u8]) -> impl Iterator<Item = (RunId, (u64, u64))> {
    index.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut parts = std::str::from_utf8(line).ok()?.split(' ');
        let run = parts.next()?.parse().ok()?;
        Some((run, (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)))
    })
}

/// When a run was made: the first six bytes of its id.
fn made(run: RunId) -> Timestamp {
    let id = u128::from_be_bytes(run.to_bytes());
    Timestamp(i64::try_from(id >> 80).unwrap_or(i64::MAX))
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) else { continue };
        let (day, number) = stem.split_once('.').unwrap_or((stem, "0"));
        let (Ok(day), Ok(number)) = (day.parse(), number.parse()) else { continue };
        let mut segment =
            Segment { day, number, log: entry.path(), log_bytes: entry.metadata()?.len(), index_bytes: 0 };
        segment.index_bytes = fs::metadata(segment.index()).map_or(0, |meta| meta.len());
        files.push(segment);
    }
    files.sort();
    Ok(files)
}
