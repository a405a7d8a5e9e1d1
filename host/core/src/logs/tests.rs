//! Tests of guest logs.

use super::*;
use crate::clock::fake::{FakeClock, FakeRng};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIMIT: u64 = 1024 * 1024;

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<FakeClock>,
    rng: FakeRng,
    logs: Arc<Logs>,
}

fn bench_with(retention: LogRetention) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let logs = Logs::open(folder.path(), clock.clone(), retention).unwrap();
    Bench { folder, clock, rng: FakeRng::new(1), logs }
}

fn bench() -> Bench {
    bench_with(LogRetention::default())
}

fn target(environment: &str, component: &str) -> Target {
    Target {
        environment: environment.parse().unwrap(),
        integration: "orders".parse().unwrap(),
        version: 1,
        component: component.parse().unwrap(),
        trigger: "hook".parse().unwrap(),
    }
}

impl Bench {
    fn run(&self) -> RunId {
        RunId::new(&*self.clock, &self.rng)
    }

    fn log(&self, run: RunId) -> AttemptLog {
        self.logs.attempt(run, 1, &target("dev", "sync"), LIMIT, Redactor::none())
    }

    fn say(&self, run: RunId, message: &str) {
        self.log(run).write(Level::Info, message, &[]);
    }

    fn reopen(&mut self, retention: LogRetention) {
        self.logs = Logs::open(self.folder.path(), self.clock.clone(), retention).unwrap();
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path().join("dev"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn bytes(&self) -> u64 {
        self.files()
            .iter()
            .map(|name| std::fs::metadata(self.folder.path().join("dev").join(name)).unwrap().len())
            .sum()
    }

    fn raw(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("dev/2026-01-01.jsonl")).unwrap()
    }
}

fn messages(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.message.as_str()).collect()
}

#[test]
fn a_runs_lines_are_found_among_others() {
    let bench = bench();
    let (one, two) = (bench.run(), bench.run());
    let (first, second) = (bench.log(one), bench.log(two));
    for n in 0..3 {
        first.write(Level::Info, &format!("one {n}"), &[("k".into(), "v".into())]);
        second.write(Level::Warn, &format!("two {n}"), &[]);
        bench.logs.flush();
    }
    assert_eq!(messages(&bench.logs.of_run(one, 10)), ["one 0", "one 1", "one 2"]);
    assert_eq!(messages(&bench.logs.of_run(two, 2)), ["two 1", "two 2"]);
    let line = &bench.logs.of_run(one, 1)[0];
    assert_eq!((line.level, line.attempt, line.component.as_str()), (Level::Info, 1, "sync"));
    assert_eq!(line.attributes, [("k".to_owned(), "v".to_owned())]);
    assert_eq!(bench.logs.of_run(bench.run(), 10), []);
}

#[test]
fn a_later_attempt_on_another_day_is_found_too() {
    let bench = bench();
    let run = bench.run();
    bench.say(run, "today");
    bench.clock.advance(2 * DAY);
    bench.say(run, "two days later");
    assert_eq!(messages(&bench.logs.of_run(run, 10)), ["today", "two days later"]);
    assert!(bench.files().contains(&"2026-01-03.idx".to_owned()));
}

#[test]
fn recent_lines_pass_the_filter() {
    let bench = bench();
    for (environment, component, level) in
        [("dev", "sync", Level::Debug), ("prod", "sync", Level::Error), ("dev", "other", Level::Error)]
    {
        bench.clock.advance(Duration::from_secs(1));
        let log = bench.logs.attempt(bench.run(), 1, &target(environment, component), LIMIT, Redactor::none());
        log.write(level, &format!("{environment} {component}"), &[]);
    }
    let recent = |filter: LogFilter, limit| {
        bench.logs.recent(&filter, limit).into_iter().map(|line| line.message).collect::<Vec<_>>()
    };
    assert_eq!(recent(LogFilter::default(), 10), ["dev sync", "prod sync", "dev other"]);
    assert_eq!(recent(LogFilter::default(), 1), ["dev other"]);
    let dev = LogFilter { environment: Some("dev".parse().unwrap()), ..LogFilter::default() };
    assert_eq!(recent(dev.clone(), 10), ["dev sync", "dev other"]);
    assert_eq!(recent(LogFilter { min_level: Level::Warn, ..dev }, 10), ["dev other"]);
    let sync = LogFilter { component: Some("sync".parse().unwrap()), ..LogFilter::default() };
    assert_eq!(recent(sync, 10), ["dev sync", "prod sync"]);
}

#[test]
fn recent_lines_are_whole_across_blocks() {
    let bench = bench();
    let log = bench.logs.attempt(bench.run(), 1, &target("dev", "sync"), 16 * LIMIT, Redactor::none());
    for n in 0..40 {
        log.write(Level::Info, &format!("{n} {}", "x".repeat(n * 997)), &[]);
    }
    let lines = bench.logs.recent(&LogFilter::default(), 100);
    let numbers: Vec<usize> = lines.iter().map(|l| l.message.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

#[test]
fn lines_below_the_least_level_are_not_kept() {
    let bench = bench();
    bench.logs.set_min_level(Level::Info);
    let run = bench.run();
    let log = bench.log(run);
    log.write(Level::Debug, "no", &[]);
    log.write(Level::Info, "yes", &[]);
    assert_eq!(log.end(), 0);
    assert_eq!(messages(&bench.logs.of_run(run, 10)), ["yes"]);
}

/// Threat row 86: a flood ends at the caps, and says how much was dropped.
#[test]
fn threat_086_a_flood_is_cut_and_counted() {
    let bench = bench();
    let run = bench.run();
    let log = bench.log(run);
    for n in 0..20_000 {
        log.write(Level::Info, &format!("{n}"), &[]);
    }
    let dropped = log.end();
    assert_eq!(bench.logs.dropped(), dropped);
    let lines = bench.logs.of_run(run, 100_000);
    assert!(bench.bytes() <= LIMIT + 8192, "{}", bench.bytes());
    assert_eq!(lines.len() as u64 - 1 + dropped, 20_000);
    assert_eq!(lines.last().unwrap().message, format!("{dropped} lines dropped"));
    assert_eq!(lines.last().unwrap().level, Level::Warn);
}

#[test]
fn threat_086_lines_are_capped_by_count_too() {
    let bench = bench();
    let run = bench.run();
    let log = bench.logs.attempt(run, 1, &target("dev", "sync"), 16 * LIMIT, Redactor::none());
    for _ in 0..LOG_LINES + 5 {
        log.write(Level::Info, "", &[]);
    }
    drop(log);
    let lines = bench.logs.of_run(run, 100_000);
    assert_eq!(lines.len(), LOG_LINES as usize + 1);
    assert_eq!(lines.last().unwrap().message, "5 lines dropped");
}

#[test]
fn threat_086_a_long_message_is_cut_between_characters() {
    let bench = bench();
    let run = bench.run();
    bench.log(run).write(
        Level::Info,
        &"é".repeat(100_000),
        &[("a".into(), "ü".repeat(60_000)), ("b".into(), "c".into())],
    );
    let line = &bench.logs.of_run(run, 1)[0];
    assert!(line.message.len() <= LOG_MESSAGE_BYTES && line.message.ends_with("é…"), "{}", line.message.len());
    assert!(line.attributes.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() <= LOG_MESSAGE_BYTES);
}

/// Threat row 86: the disk is bounded within one day too; the newest lines stay.
#[test]
fn threat_086_the_disk_is_bounded() {
    let most = 1024 * 1024;
    let bench = bench_with(LogRetention { bytes: most, ..LogRetention::default() });
    let mut last = bench.run();
    for n in 0..300 {
        last = bench.run();
        bench.say(last, &format!("{n} {}", "x".repeat(10_000)));
        if n % 50 == 0 {
            bench.logs.flush();
        }
    }
    bench.logs.flush();
    assert!(bench.bytes() <= most, "{}", bench.bytes());
    assert!(bench.bytes() > most / 2, "{}", bench.bytes());
    assert_eq!(bench.logs.of_run(last, 1).len(), 1);
    assert!(!bench.files().contains(&"2026-01-01.jsonl".to_owned()), "the first file went: {:?}", bench.files());
}

/// Threat row 87: whatever a guest says is one line of visible characters in the file.
#[test]
fn threat_087_control_characters_are_escaped() {
    let bench = bench();
    let run = bench.run();
    let evil = "a\r\n{\"run\":\"forged\"}\0\u{1b}[2J\u{9b}31m\u{7f}\u{2028}\u{202e}<script>é";
    bench.log(run).write(Level::Info, evil, &[(evil.into(), evil.into())]);
    let line = bench.logs.of_run(run, 1).remove(0);
    assert_eq!(line.message, evil);
    assert_eq!(line.attributes, [(evil.to_owned(), evil.to_owned())]);
    let raw = String::from_utf8(bench.raw()).unwrap();
    assert_eq!(raw.lines().count(), 1);
    assert!(
        raw.trim_end_matches('\n').chars().all(|c| !c.is_control() && c != '\u{202e}' && c != '\u{2028}'),
        "{raw:?}"
    );
}

/// Threat row 48: a granted secret that a guest logs is not in the file.
#[test]
fn threat_048_secrets_are_redacted() {
    let bench = bench();
    let run = bench.run();
    let log = bench.logs.attempt(run, 1, &target("dev", "sync"), LIMIT, Redactor::new(["s3cret-canary"]));
    let edge = format!("{}s3cret-canary", "x".repeat(LOG_MESSAGE_BYTES - 8));
    log.write(Level::Info, "got s3cret-canary", &[("token".into(), "s3cret-canary".into())]);
    log.write(Level::Info, &edge, &[]);
    log.end();
    bench.logs.flush();
    let raw = String::from_utf8(bench.raw()).unwrap();
    assert!(raw.contains("got [redacted]") && !raw.contains("s3cret"), "{raw}");
}

#[test]
fn old_days_go() {
    let bench = bench();
    for day in 0..10 {
        bench.say(bench.run(), &format!("day {day}"));
        bench.clock.advance(DAY);
    }
    bench.logs.flush();
    assert_eq!(bench.logs.retain(), 3);
    assert_eq!(bench.files()[0], "2026-01-04.idx");
    assert_eq!(bench.logs.retain(), 0);
}

#[test]
fn a_reopened_log_goes_on_and_mends_its_end() {
    let mut bench = bench();
    let (one, two) = (bench.run(), bench.run());
    bench.say(one, "first");
    bench.logs.flush();
    // As a kill between the two writes leaves it: a line without an index entry, and half a line.
    let mut raw = bench.raw();
    let unindexed = String::from_utf8(raw.clone()).unwrap().replace("first", "second");
    raw.extend_from_slice(unindexed.as_bytes());
    raw.extend_from_slice(b"{\"at\":17672");
    std::fs::write(bench.folder.path().join("dev/2026-01-01.jsonl"), raw).unwrap();
    bench.reopen(LogRetention::default());
    bench.say(two, "third");
    assert_eq!(messages(&bench.logs.of_run(one, 10)), ["first", "second"]);
    assert_eq!(messages(&bench.logs.of_run(two, 10)), ["third"]);
    assert_eq!(messages(&bench.logs.recent(&LogFilter::default(), 10)), ["first", "second", "third"]);
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let mut bench = bench();
    bench.say(bench.run(), "a");
    bench.logs.flush();
    std::fs::write(bench.folder.path().join("README"), "x").unwrap();
    std::fs::write(bench.folder.path().join("dev/notes.jsonl"), "x").unwrap();
    bench.clock.advance(100 * DAY);
    bench.reopen(LogRetention::default());
    assert_eq!(bench.logs.retain(), 1);
    assert_eq!(bench.files(), ["notes.jsonl"]);
}

#[test]
fn a_disk_that_fails_costs_lines_and_nothing_else() {
    let bench = bench();
    std::fs::write(bench.folder.path().join("dev"), "in the way").unwrap();
    let run = bench.run();
    bench.say(run, "lost");
    bench.logs.flush();
    assert_eq!(bench.logs.dropped(), 1);
    std::fs::remove_file(bench.folder.path().join("dev")).unwrap();
    bench.say(run, "kept");
    assert_eq!(messages(&bench.logs.of_run(run, 10)), ["kept"]);
}

#[test]
fn lines_reach_the_file_without_being_asked_to() {
    let bench = bench();
    let log = bench.log(bench.run());
    log.write(Level::Info, "soon", &[]);
    let path = bench.folder.path().join("dev/2026-01-01.jsonl");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !std::fs::metadata(&path).is_ok_and(|meta| meta.len() > 0) {
        assert!(std::time::Instant::now() < deadline, "not written");
        std::thread::yield_now();
    }
}

#[test]
fn dropping_the_logs_writes_what_is_left() {
    let mut bench = bench();
    let run = bench.run();
    bench.say(run, "last words");
    let other = bench_with(LogRetention::default()).logs;
    drop(std::mem::replace(&mut bench.logs, other));
    assert!(String::from_utf8(bench.raw()).unwrap().contains("last words"));
}

#[tokio::test]
async fn followers_get_what_they_asked_for_and_are_told_what_they_missed() {
    let bench = bench();
    let mut all = bench.logs.follow(LogFilter::default());
    let mut none = bench.logs.follow(LogFilter { environment: Some("prod".parse().unwrap()), ..LogFilter::default() });
    let log = bench.log(bench.run());
    log.write(Level::Info, "now", &[]);
    let Some(Followed::Line(line)) = all.next().await else { panic!("no line") };
    assert_eq!(line.message, "now");
    for n in 0..FOLLOWER_LINES + 3 {
        log.write(Level::Info, &format!("{n}"), &[]);
    }
    for _ in 0..FOLLOWER_LINES {
        assert!(matches!(all.next().await, Some(Followed::Line(_))));
    }
    assert_eq!(all.next().await, Some(Followed::Missed(3)));
    drop(all);
    log.write(Level::Info, "after", &[]);
    assert!(none.receiver.try_recv().is_err());
    assert_eq!(bench.logs.followers.lock().unwrap().len(), 1);
}
