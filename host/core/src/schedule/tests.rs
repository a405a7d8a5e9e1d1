//! Schedules against tables and against a scan of every minute.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{DateTime, Weekday, date};
use jiff::tz::{TimeZone, db};
use proptest::prelude::*;

use super::{COUNTED, Due, GRACE, Schedule, due};
use crate::clock::Timestamp;
use crate::release::Misfire;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn cron(expression: &str, zone: &str) -> Schedule {
    Schedule::cron(expression, zone).unwrap_or_else(|why| panic!("{expression} {why}"))
}

#[track_caller]
fn fires(expression: &str, zone: &str, after: &str, expected: &[&str]) {
    let schedule = cron(expression, zone);
    let expected: Vec<Timestamp> = expected.iter().map(|text| at(text)).collect();
    assert_eq!(schedule.upcoming(at(after), expected.len()), expected, "{expression} in {zone}");
    // The same backwards, and counted.
    let (after, last) = (at(after), expected[expected.len() - 1]);
    let back: Vec<Timestamp> =
        std::iter::successors(schedule.last(after, last), |one| schedule.last(after, Timestamp(one.0 - 1))).collect();
    assert_eq!(back, expected.iter().rev().copied().collect::<Vec<_>>(), "{expression} in {zone}, backwards");
    assert_eq!(schedule.count(after, last), expected.len() as u64, "{expression} in {zone}, counted");
}

#[test]
fn expressions_fire_when_they_say() {
    fires(
        "*/20 * * * *",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2026-01-01T00:20:00Z", "2026-01-01T00:40:00Z", "2026-01-01T01:00:00Z"],
    );
    fires("*/30 * * * * *", "UTC", "2026-01-01T00:00:00.500Z", &["2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z"]);
    fires("0 9 * * MON-FRI", "Asia/Tokyo", "2026-01-02T00:00:00Z", &["2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"]);
    fires("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    fires("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
    fires("0 12 L * *", "UTC", "2028-01-31T12:00:00Z", &["2028-02-29T12:00:00Z", "2028-03-31T12:00:00Z"]);
    fires("0 12 15W * *", "UTC", "2026-08-01T00:00:00Z", &["2026-08-14T12:00:00Z", "2026-09-15T12:00:00Z"]);
    fires("0 12 * * 5#2", "UTC", "2026-01-01T00:00:00Z", &["2026-01-09T12:00:00Z", "2026-02-13T12:00:00Z"]);
    fires("0 12 * * 5L", "UTC", "2026-01-01T00:00:00Z", &["2026-01-30T12:00:00Z"]);
    fires(
        "0 12 * * FRI-SUN",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2026-01-02T12:00:00Z", "2026-01-03T12:00:00Z", "2026-01-04T12:00:00Z", "2026-01-09T12:00:00Z"],
    );
    // Both days given: either will do.
    fires(
        "0 0 13 * 5",
        "UTC",
        "2026-02-01T00:00:00Z",
        &["2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z"],
    );
    fires("@daily", "UTC", "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z"]);
    fires("0 8 ? JAN,jul *", "UTC", "2026-01-31T08:00:00Z", &["2026-07-01T08:00:00Z"]);
}

/// Berlin skips 02:00–03:00 on 28 March 2027 and repeats it on 31 October.
#[test]
fn the_rule_where_the_clock_changes() {
    let (spring, autumn) = ("2027-03-27T12:00:00Z", "2027-10-30T12:00:00Z");
    // A fixed time that is skipped happens at the moment of the change, once, and is back the next day.
    fires("30 2 * * *", "Europe/Berlin", spring, &["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]);
    fires("0 2 * * *", "Europe/Berlin", spring, &["2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"]);
    fires(
        "0,30 2,3 * * *",
        "Europe/Berlin",
        spring,
        &["2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z", "2027-03-29T00:00:00Z"],
    );
    fires("15 30 2 * * *", "Europe/Berlin", spring, &["2027-03-28T01:00:00Z", "2027-03-29T00:30:15Z"]);
    // One that is repeated happens the first time.
    fires("30 2 * * *", "Europe/Berlin", autumn, &["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]);
    fires(
        "0 2-3 * * *",
        "Europe/Berlin",
        autumn,
        &["2027-10-31T00:00:00Z", "2027-10-31T02:00:00Z", "2027-11-01T01:00:00Z"],
    );
    // From between the two times it is over.
    fires("30 2 * * *", "Europe/Berlin", "2027-10-31T00:45:00Z", &["2027-11-01T01:30:00Z"]);
    // A rhythm follows the clock.
    fires(
        "*/30 1-3 * * *",
        "Europe/Berlin",
        "2027-03-28T00:00:00Z",
        &["2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z"],
    );
    fires(
        "*/30 2 * * *",
        "Europe/Berlin",
        autumn,
        &[
            "2027-10-31T00:00:00Z",
            "2027-10-31T00:30:00Z",
            "2027-10-31T01:00:00Z",
            "2027-10-31T01:30:00Z",
            "2027-11-01T01:00:00Z",
        ],
    );
    fires("30 */2 * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", &["2027-03-28T02:30:00Z"]);
    // Half an hour, in Lord Howe; at midnight, in Havana.
    fires(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2027-10-02T00:00:00Z",
        &["2027-10-02T15:30:00Z", "2027-10-03T15:15:00Z"],
    );
    fires("0 0 * * *", "America/Havana", "2027-03-13T12:00:00Z", &["2027-03-14T05:00:00Z", "2027-03-15T04:00:00Z"]);
    // A whole day that never was, in Apia: its noon is at its end.
    fires(
        "0 12 * * *",
        "Pacific/Apia",
        "2011-12-29T12:00:00Z",
        &["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"],
    );
    fires("0 */6 * * *", "Pacific/Apia", "2011-12-30T04:00:00Z", &["2011-12-30T10:00:00Z", "2011-12-30T16:00:00Z"]);
}

#[test]
fn intervals_are_multiples_since_1970_so_that_all_agree() {
    let every = Schedule::every(Duration::from_secs(90));
    let (after, next) = (at("2026-01-01T00:00:10Z"), at("2026-01-01T00:01:30Z"));
    assert_eq!(every.upcoming(after, 2), [next, at("2026-01-01T00:03:00Z")]);
    assert_eq!(every.next(next), Some(at("2026-01-01T00:03:00Z")), "an instant is not its own next");
    assert_eq!(every.last(after, next), Some(next));
    assert_eq!(every.last(next, Timestamp(next.0 + 89_999)), None);
    assert_eq!(every.count(after, Timestamp(next.0 + 900_000)), 11);
    assert_eq!(every.next(Timestamp(-1)), Some(Timestamp(0)));
}

#[track_caller]
fn refused(expression: &str, why: &str) {
    match Schedule::cron(expression, "UTC") {
        Ok(schedule) => panic!("{expression} was taken: {:?}", schedule.next(Timestamp(0))),
        Err(said) => assert_eq!(said, why, "{expression}"),
    }
}

#[test]
fn what_is_wrong_is_named() {
    refused("0 25 * * *", "has hour 25; hours are 0 to 23");
    refused("60 * * * *", "has minute 60; minutes are 0 to 59");
    refused("0 0 0 * *", "has day of the month 0; days of the month are 1 to 31");
    refused("0 0 * 13 *", "has month 13; months are 1 to 12 or JAN to DEC");
    refused("0 0 * * 8", "has day of the week 8; days of the week are 0 to 7 or SUN to SAT");
    refused("0 0 * * monday", "has day of the week MONDAY; days of the week are 0 to 7 or SUN to SAT");
    refused("0 0 * JAN-FOO *", "has month FOO; months are 1 to 12 or JAN to DEC");
    refused("0 17-9 * * *", "has hour 17-9, which goes backwards");
    refused("5/15 * * * *", "has minute 5/15: a step goes with `*` or a range, like `*/15` or `5-59/15`");
    refused("*/90 * * * *", "has minute step 90; steps of minutes are 1 to 59 (kind `interval` has longer ones)");
    refused("*/0 * * * *", "has minute step 0; steps of minutes are 1 to 59 (kind `interval` has longer ones)");
    refused("0 0 * * 1#6", "has day of the week 1#6; the number behind `#` is 1 to 5");
    refused("0 0 * * L", "has day of the week L alone; write which, like `5L` for the last Friday");
    refused("1,,2 * * * *", "has `1,,2` as its minute: a comma without a value");
    refused("L * * * *", "has minute L; minutes are 0 to 59");
    refused("@reboot", "is not known; there are @hourly, @daily, @weekly, @monthly and @yearly");
    let fields =
        "; write five (minute, hour, day of the month, month, day of the week), or six with the second before them";
    refused("* * * *", &format!("has 4 fields{fields}"));
    refused("* * * * * * 2027", &format!("has 7 fields{fields}"));
    for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30W 2 *"] {
        refused(never, "never comes: no day is all that it asks for");
    }
    // Always in the hour that the clock skips.
    let gap = Schedule::cron("*/15 2 * 3 0L", "Europe/Berlin").unwrap_err();
    assert!(gap.starts_with("never comes"), "{gap}");
}

#[test]
fn a_zone_that_is_not_known_is_guessed() {
    let guess = |name: &str| super::zone_name(name).unwrap_err();
    assert_eq!(guess("Europe/Berln"), "is not a time zone; did you mean `Europe/Berlin`?");
    assert_eq!(guess("Berlin"), "is not a time zone; did you mean `Europe/Berlin`?");
    assert!(guess("Sao Paulo").contains("`America/Sao_Paulo`"));
    for bad in ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a\0b", "Europe/"] {
        assert!(guess(bad).starts_with("is not a time zone"), "{bad:?}");
    }
    assert_eq!(super::zone_name("europe/berlin").as_deref(), Ok("Europe/Berlin"));
}

/// An expression, and what it says in the words of a scan.
struct Plain {
    text: &'static str,
    fixed: bool,
    says: fn(DateTime) -> bool,
}

fn last_day(t: DateTime) -> bool {
    t.day() == t.days_in_month()
}

/// The weekday nearest to the 15th, in its month.
fn near_15th(t: DateTime) -> bool {
    let of_15th = t.date().first_of_month().saturating_add(jiff::Span::new().days(14)).weekday();
    t.day()
        == match of_15th {
            Weekday::Saturday => 14,
            Weekday::Sunday => 16,
            _ => 15,
        }
}

const PLAIN: [Plain; 12] = [
    Plain { text: "0 2 * * *", fixed: true, says: |t| t.minute() == 0 && t.hour() == 2 },
    Plain { text: "30 2 * * *", fixed: true, says: |t| t.minute() == 30 && t.hour() == 2 },
    Plain { text: "0 0 * * *", fixed: true, says: |t| t.minute() == 0 && t.hour() == 0 },
    Plain { text: "30 1,2,3 * * *", fixed: true, says: |t| t.minute() == 30 && (1..=3).contains(&t.hour()) },
    Plain { text: "*/15 * * * *", fixed: false, says: |t| t.minute() % 15 == 0 },
    Plain {
        text: "0 0 29 2 *",
        fixed: true,
        says: |t| t.minute() == 0 && t.hour() == 0 && t.day() == 29 && t.month() == 2,
    },
    Plain {
        text: "15 1 * * 1-5",
        fixed: true,
        says: |t| t.minute() == 15 && t.hour() == 1 && !matches!(t.weekday(), Weekday::Saturday | Weekday::Sunday),
    },
    Plain {
        text: "*/20 1-3 * * 0",
        fixed: false,
        says: |t| t.minute() % 20 == 0 && (1..=3).contains(&t.hour()) && t.weekday() == Weekday::Sunday,
    },
    Plain { text: "45 23 L * *", fixed: true, says: |t| t.minute() == 45 && t.hour() == 23 && last_day(t) },
    Plain { text: "30 0 15W * *", fixed: true, says: |t| t.minute() == 30 && t.hour() == 0 && near_15th(t) },
    Plain {
        text: "10 2 * * 7#2",
        fixed: true,
        says: |t| t.minute() == 10 && t.hour() == 2 && t.weekday() == Weekday::Sunday && (8..=14).contains(&t.day()),
    },
    Plain {
        text: "20 2 1 * 0L",
        fixed: true,
        says: |t| {
            let last = t.weekday() == Weekday::Sunday && t.day() + 7 > t.days_in_month();
            t.minute() == 20 && t.hour() == 2 && (t.day() == 1 || last)
        },
    },
];

/// What fires in a zone from `from` on, before `to`, by looking at the local clock each minute.
fn scan(zone: &TimeZone, from: i64, to: i64) -> Vec<Vec<i64>> {
    // What the clock shows, and the same as a number of minutes.
    let local = |second: i64| {
        let moment = jiff::Timestamp::from_second(second).unwrap();
        let offset = zone.to_offset(moment);
        (offset.to_datetime(moment), (second + i64::from(offset.seconds())) / 60)
    };
    let mut found = vec![Vec::new(); PLAIN.len()];
    // A day before, so that it is known what the clock has shown.
    let (_, mut shown) = local(from - 86_400);
    let mut latest = shown;
    for second in ((from - 86_340)..to).step_by(60) {
        let (clock, now) = local(second);
        let missing: Vec<DateTime> = ((shown + 1)..now)
            .filter(|minute| *minute > latest)
            .map(|minute| clock - jiff::SignedDuration::from_mins(now - minute))
            .collect();
        // Nothing of the list is at another minute; looking all the same would take five times as long.
        let whole = clock.minute() % 5 == 0 || !missing.is_empty();
        for (plain, found) in PLAIN.iter().zip(&mut found).filter(|_| whole) {
            let says = (plain.says)(clock);
            let fires = if plain.fixed {
                (says && now > latest) || missing.iter().any(|missing| (plain.says)(*missing))
            } else {
                says
            };
            if fires && second >= from {
                found.push(second);
            }
        }
        shown = now;
        latest = latest.max(now);
    }
    found
}

/// The zones whose clocks are alike from `from` to `to`, by the names of the first ones.
fn alike(from: i64, to: i64) -> (BTreeMap<Vec<(i64, i32)>, String>, usize) {
    let moment = |second: i64| jiff::Timestamp::from_second(second).unwrap();
    let mut groups = BTreeMap::new();
    let mut zones = 0;
    for name in db().available() {
        let zone = db().get(name.as_str()).unwrap();
        let (from, to) = (moment(from - 3 * 86_400), moment(to + 3 * 86_400));
        let mut changes = vec![(from.as_second(), zone.to_offset(from).seconds())];
        let within = zone.following(from).take_while(|change| change.timestamp() < to);
        changes.extend(within.map(|change| (change.timestamp().as_second(), change.offset().seconds())));
        groups.entry(changes).or_insert_with(|| name.as_str().to_owned());
        zones += 1;
    }
    (groups, zones)
}

/// Threat row 77: in every zone there is, over a year with its changes of the clock and over the first
/// months of a leap year, what fires is what a scan of every minute finds. Zones whose clocks are alike in
/// that time are looked at once.
#[test]
fn threat_077_a_year_of_schedules_in_every_zone() {
    let second = |year, month| date(year, month, 1).to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
    for (from, to) in [(second(2027, 1), second(2028, 1)), (second(2028, 2), second(2028, 4))] {
        let (groups, zones) = alike(from, to);
        assert!(zones > 400 && groups.len() > 40, "{zones} zones, {} alike: is there a database?", groups.len());
        let names: Vec<String> = groups.into_values().collect();
        let check = |name: &String| {
            let found = scan(&db().get(name).unwrap(), from, to);
            for (plain, found) in PLAIN.iter().zip(found) {
                let schedule = cron(plain.text, name);
                let (after, until) = (Timestamp(from * 1_000 - 1), Timestamp(to * 1_000 - 1));
                let fired: Vec<i64> = std::iter::successors(schedule.next(after), |last| schedule.next(*last))
                    .take_while(|instant| *instant <= until)
                    .map(|instant| instant.0 / 1_000)
                    .collect();
                if let Some(place) = (0..fired.len().max(found.len())).find(|i| fired.get(*i) != found.get(*i)) {
                    let show = |list: &[i64]| list.get(place).map(|s| Timestamp(s * 1_000).to_string());
                    panic!("{} in {name}: fires {:?}, should {:?}", plain.text, show(&fired), show(&found));
                }
                assert_eq!(schedule.count(after, until), found.len() as u64, "{} in {name}", plain.text);
                let last = schedule.last(after, until).map(|instant| instant.0 / 1_000);
                assert_eq!(last, found.last().copied(), "{} in {name}", plain.text);
            }
        };
        let half = names.len() / 2;
        std::thread::scope(|scope| {
            for part in [&names[..half], &names[half..]] {
                scope.spawn(move || part.iter().for_each(check));
            }
        });
    }
}

/// An instant, whether it becomes a run, and how many are late with the last of them.
type Expected = Option<(&'static str, bool, Option<(u64, &'static str)>)>;

#[track_caller]
fn decides(expression: &str, misfire: Misfire, cursor: &str, now: &str, expected: Expected) {
    let expected = expected.map(|(to, run, late)| Due { to: at(to), run, late: late.map(|(n, last)| (n, at(last))) });
    let due = due(&cron(expression, "UTC"), misfire, at(cursor), at(now));
    assert_eq!(due, expected, "{expression}, {misfire:?} from {cursor} at {now}");
}

#[test]
fn what_is_on_time_runs_and_what_is_late_follows_the_policy() {
    let hourly = "0 * * * *";
    let cursor = "2026-01-01T01:00:00Z";
    for policy in [Misfire::Skip, Misfire::Once, Misfire::All(3)] {
        decides(hourly, policy, cursor, "2026-01-01T01:59:59.999Z", None);
        decides(hourly, policy, cursor, "2026-01-01T02:00:00Z", Some(("2026-01-01T02:00:00Z", true, None)));
        decides(hourly, policy, cursor, "2026-01-01T02:01:00Z", Some(("2026-01-01T02:00:00Z", true, None)));
        // The clock went back: nothing until it has passed the cursor.
        decides(hourly, policy, cursor, "2026-01-01T00:30:00Z", None);
    }
    let late = "2026-01-01T05:30:00Z";
    let (four, five) = ("2026-01-01T04:00:00Z", "2026-01-01T05:00:00Z");
    decides(hourly, Misfire::Skip, cursor, late, Some((five, false, Some((4, five)))));
    decides(hourly, Misfire::Once, cursor, late, Some((five, true, Some((3, four)))));
    decides(hourly, Misfire::All(4), cursor, late, Some(("2026-01-01T02:00:00Z", true, None)));
    decides(hourly, Misfire::All(2), cursor, late, Some((four, true, Some((2, "2026-01-01T03:00:00Z")))));
    decides(hourly, Misfire::All(2), four, late, Some((five, true, None)));
    // One that is late and one that is not.
    let now = "2026-01-01T03:00:10Z";
    let (two, three) = ("2026-01-01T02:00:00Z", "2026-01-01T03:00:00Z");
    decides(hourly, Misfire::Skip, cursor, now, Some((two, false, Some((1, two)))));
    decides(hourly, Misfire::Skip, two, now, Some((three, true, None)));
    decides(hourly, Misfire::Once, cursor, now, Some((three, true, Some((1, two)))));
}

/// Threat row 79: a year of seconds is one step, and quick to count.
#[test]
fn threat_079_a_year_of_missed_seconds_is_counted_by_the_day() {
    let schedule = cron("* * * * * *", "Europe/Berlin");
    let (cursor, now) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let seconds = 365 * 86_400;
    assert_eq!(schedule.count(cursor, now), seconds);
    let due = due(&schedule, Misfire::Once, cursor, now).unwrap();
    assert_eq!((due.to, due.run, due.late.unwrap().0), (now, true, seconds - 1));
    let due = super::due(&schedule, Misfire::All(10), cursor, now).unwrap();
    assert_eq!(due.to, Timestamp(now.0 - 9_000));
    // A clock that is far off: counting ends somewhere.
    let far = at("9000-01-01T00:00:00Z");
    assert_eq!(schedule.count(cursor, far), COUNTED.as_secs());
    assert!(super::due(&schedule, Misfire::Skip, cursor, far).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the time is cut into pieces, each instant is found once, forwards, backwards and counted.
    #[test]
    fn pieces_add_up(
        which in 0..PLAIN.len(),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "Africa/Cairo"]),
        from in 1_735_000_000_000_i64..1_830_000_000_000,
        mut cuts in prop::collection::vec(0_i64..40 * 86_400_000, 1..8),
    ) {
        let schedule = cron(PLAIN[which].text, zone);
        cuts.sort_unstable();
        let (start, end) = (Timestamp(from), Timestamp(from + cuts[cuts.len() - 1]));
        let all: Vec<Timestamp> = std::iter::successors(schedule.next(start), |last| schedule.next(*last)).take_while(|i| *i <= end).collect();
        let mut at = start;
        let (mut counted, mut backwards) = (0, Vec::new());
        for cut in cuts {
            let to = Timestamp(from + cut);
            counted += schedule.count(at, to);
            let mut piece: Vec<Timestamp> = std::iter::successors(schedule.last(at, to), |one| schedule.last(at, Timestamp(one.0 - 1))).collect();
            piece.reverse();
            backwards.extend(piece);
            at = to;
        }
        prop_assert_eq!(counted, all.len() as u64);
        prop_assert_eq!(backwards, all);
    }

    /// Whatever the policy, following it to the end deals with every instant once.
    #[test]
    fn every_instant_is_dealt_with(
        policy in prop_oneof![Just(Misfire::Skip), Just(Misfire::Once), (1_u32..6).prop_map(Misfire::All)],
        every in 1_u64..200,
        behind in 0_i64..4_000_000,
    ) {
        let schedule = Schedule::every(Duration::from_secs(every));
        let (mut cursor, now) = (Timestamp(1_767_225_600_123), Timestamp(1_767_225_600_123 + behind));
        let all = schedule.count(cursor, now);
        let (mut runs, mut late) = (0, 0);
        while let Some(step) = due(&schedule, policy, cursor, now) {
            prop_assert!(step.to > cursor && step.to <= now);
            runs += u64::from(step.run);
            late += step.late.map_or(0, |(count, _)| count);
            cursor = step.to;
        }
        prop_assert_eq!(runs + late, all);
        if behind > i64::try_from(GRACE.as_millis()).unwrap() + i64::try_from(every * 1_000).unwrap() {
            let most = match policy {
                Misfire::Skip => 60 / every + 1,
                Misfire::Once => 1,
                Misfire::All(most) => u64::from(most),
            };
            prop_assert!(runs <= most, "{} runs", runs);
        }
    }
}
