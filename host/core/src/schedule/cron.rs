//! A cron expression in a time zone.
//!
//! Five fields (minute, hour, day of the month, month, day of the week) or six with the second before
//! them; values, lists, ranges and steps, names of months and days, `L`, `W` and `#`. If both days are
//! given (neither is `*`), either of them will do.
//!
//! **Where the clock changes.** An expression with no `*` in its second, minute and hour is at *fixed
//! times*: each of them happens once on its day. A time that the clock skips happens at the moment it
//! skips (02:30 at 03:00), together with others of that gap and with what is due at that moment anyway;
//! a time that the clock repeats happens the first time. An expression with a `*` among them is a
//! *rhythm* and follows the clock: what is skipped does not happen, what is repeated happens twice.
//!
//! How: the time line of a zone is cut into spans of one UTC offset. Within a span a local time and an
//! instant are the same but for an addition, so the search is croner's, on times without a zone; the
//! rule is about the beginnings of spans alone. That holds for a gap of any length, and lets a year of
//! seconds be counted a day at a time.

use std::fmt;

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::fields;

const DAY: i64 = 86_400;
/// 2026, from when on an expression must come at some time: what came only in the past never comes.
const PRESENT: i64 = 1_767_225_600;
/// Where the first span begins and the last one ends: out of reach, and far from the ends of numbers.
const FOREVER: i64 = 1 << 60;
/// Spans looked at for an instant: two centuries of two changes a year.
const SPANS: usize = 400;

/// See the module. All its times are whole seconds: since 1970 UTC, or of the local clock as if that
/// were UTC.
#[derive(Clone)]
pub(super) struct Cron {
    cron: croner::Cron,
    zone: TimeZone,
    name: String,
    fixed: bool,
    seconds: Vec<i64>,
    minutes: Vec<i64>,
    hours: Vec<i64>,
}

/// Not field by field: croner keeps a byte for each of 5,000 years.
impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.cron.pattern.as_str(), self.name)
    }
}

/// A stretch of time with one UTC offset.
struct Span {
    start: i64,
    /// Behind its last second.
    end: i64,
    offset: i64,
    /// The offset before it.
    before: i64,
}

impl Cron {
    /// # Errors
    ///
    /// What is wrong with the expression, to be read behind it.
    pub(super) fn new(expression: &str, zone: TimeZone) -> Result<Self, String> {
        let fields = fields::split(expression)?;
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
        let cron = parser.parse(&fields.join(" ")).map_err(|error| format!("cannot be read: {error}"))?;
        let name = zone.iana_name().unwrap_or("UTC").to_owned();
        let values = |component: &croner::CronComponent| component.values().into_iter().map(i64::from).collect();
        let cron = Self {
            seconds: values(&cron.pattern.seconds),
            minutes: values(&cron.pattern.minutes),
            hours: values(&cron.pattern.hours),
            fixed: fields[..3].iter().all(|field| !field.contains('*')),
            cron,
            zone,
            name,
        };
        if cron.next(PRESENT).is_none() {
            return Err("never comes: no day is all that it asks for".into());
        }
        Ok(cron)
    }

    pub(super) fn zone(&self) -> &str {
        &self.name
    }

    /// The first instant after `after`.
    pub(super) fn next(&self, after: i64) -> Option<i64> {
        let mut at = after.checked_add(1)?;
        for _ in 0..SPANS {
            let span = self.span(at)?;
            if span.start == at && self.skipped(&span) {
                return Some(span.start);
            }
            let local = self.local_from((at + span.offset).max(self.first(&span)))?;
            if local < span.end + span.offset {
                return Some(local - span.offset);
            }
            at = span.end;
        }
        None
    }

    /// The last instant in (`after`, `until`].
    pub(super) fn last(&self, after: i64, until: i64) -> Option<i64> {
        let mut at = until;
        while at > after {
            let span = self.span(at)?;
            let found = match self.local_until(at + span.offset) {
                Some(local) if local >= self.first(&span) => Some(local - span.offset),
                _ => self.skipped(&span).then_some(span.start),
            };
            if found.is_some() {
                return found.filter(|found| *found > after);
            }
            at = span.start - 1;
        }
        None
    }

    /// How many instants lie in (`after`, `until`].
    pub(super) fn count(&self, after: i64, until: i64) -> u64 {
        let (mut at, mut count) = (after.saturating_add(1), 0);
        while at <= until {
            let Some(span) = self.span(at) else { break };
            let first = (at + span.offset).max(self.first(&span));
            count += self.local_count(first, span.end.min(until + 1) + span.offset);
            let moment = span.start + span.offset;
            if span.start == at && self.skipped(&span) && self.local_from(moment) != Some(moment) {
                count += 1;
            }
            at = span.end;
        }
        count
    }

    /// The span that `at` lies in.
    fn span(&self, at: i64) -> Option<Span> {
        let moment = Timestamp::from_second(at).ok()?;
        let offset = |moment| i64::from(self.zone.to_offset(moment).seconds());
        // The database knows changes that change no offset; they begin a span all the same.
        let start = Timestamp::from_second(at + 1).ok()?;
        let start = self.zone.preceding(start).next().map_or(-FOREVER, |change| change.timestamp().as_second());
        let end = self.zone.following(moment).next().map_or(FOREVER, |change| change.timestamp().as_second());
        let before = Timestamp::from_second(start - 1).ok();
        let here = offset(moment);
        Some(Span { start, end, offset: here, before: before.map_or(here, offset) })
    }

    /// The first local time that counts in a span: what its clock repeats was in the span before.
    fn first(&self, span: &Span) -> i64 {
        let repeated = if self.fixed { (span.before - span.offset).max(0) } else { 0 };
        span.start + span.offset + repeated
    }

    /// Whether a fixed time is among those that the clock skipped when the span began.
    fn skipped(&self, span: &Span) -> bool {
        if !self.fixed || span.before >= span.offset {
            return false;
        }
        let (from, to) = (span.start + span.before, span.start + span.offset);
        self.local_from(from).is_some_and(|local| local < to)
    }

    /// The first local time from `from` on.
    fn local_from(&self, from: i64) -> Option<i64> {
        self.cron.find_next_occurrence(&civil(from)?, true).ok().map(number)
    }

    /// The last local time up to `until`.
    fn local_until(&self, until: i64) -> Option<i64> {
        self.cron.find_previous_occurrence(&civil(until)?, true).ok().map(number)
    }

    /// How many local times lie in [`from`, `to`).
    fn local_count(&self, from: i64, to: i64) -> u64 {
        let (mut day, mut count) = (from.div_euclid(DAY), 0);
        while day * DAY < to {
            let Some(date) = civil(day * DAY) else { break };
            let (year, month, of_month) = (i32::from(date.year()), date.month() as u32, date.day() as u32);
            let weekday = u32::try_from(date.weekday().to_sunday_zero_offset()).unwrap_or(0);
            let pattern = &self.cron.pattern;
            if !pattern.month_match(month).unwrap_or(false) {
                day += i64::from(date.days_in_month()) - i64::from(of_month) + 1;
                continue;
            }
            let weekday = croner::Weekday::from_days_from_sunday(weekday);
            if pattern.day_match(year, month, of_month, weekday).unwrap_or(false) {
                let within = |at: i64| self.times_before((at - day * DAY).clamp(0, DAY));
                count += within(to).saturating_sub(within(from));
            }
            day += 1;
        }
        count
    }

    /// How many times of a day lie before this second of it.
    fn times_before(&self, second: i64) -> u64 {
        let below = |list: &[i64], value: i64| list.partition_point(|one| *one < value) as u64;
        let among = |list: &[i64], value: i64| u64::from(list.binary_search(&value).is_ok());
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let (minutes, seconds) = (self.minutes.len() as u64, self.seconds.len() as u64);
        let within_minute = among(&self.minutes, minute) * below(&self.seconds, second);
        let within_hour = below(&self.minutes, minute) * seconds + within_minute;
        below(&self.hours, hour) * minutes * seconds + among(&self.hours, hour) * within_hour
    }
}

/// A local time as croner searches it.
fn civil(local: i64) -> Option<DateTime> {
    Timestamp::from_second(local).ok().map(|local| Offset::UTC.to_datetime(local))
}

/// And back.
fn number(local: DateTime) -> i64 {
    // Within the range of instants, as it came from there or lies between two that did.
    Offset::UTC.to_timestamp(local).map_or(i64::MAX, Timestamp::as_second)
}
