//! Dates, times and intervals, in the ISO form; time zones are UTC.

use std::fmt::Write as _;

use super::Reader;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// From 1970-01-01 to 2000-01-01, from where PostgreSQL counts.
const EPOCH_DAYS: i64 = 10_957;

pub(super) fn date(raw: &[u8], out: &mut String) -> Option<()> {
    match i32::from_be_bytes(raw.try_into().ok()?) {
        i32::MAX => out.push_str("infinity"),
        i32::MIN => out.push_str("-infinity"),
        days => {
            let before = write_date(i64::from(days), out);
            out.push_str(before);
        }
    }
    Some(())
}

/// With `+00` behind, if `zoned`.
pub(super) fn timestamp(raw: &[u8], zoned: bool, out: &mut String) -> Option<()> {
    match i64::from_be_bytes(raw.try_into().ok()?) {
        i64::MAX => out.push_str("infinity"),
        i64::MIN => out.push_str("-infinity"),
        micros => {
            let before = write_date(micros.div_euclid(DAY), out);
            out.push(' ');
            write_time(micros.rem_euclid(DAY), out);
            out.push_str(if zoned { "+00" } else { "" });
            out.push_str(before);
        }
    }
    Some(())
}

pub(super) fn time(raw: &[u8], out: &mut String) -> Option<()> {
    write_time(i64::from_be_bytes(raw.try_into().ok()?), out);
    Some(())
}

/// A time and its zone, which is stored as seconds west of Greenwich.
pub(super) fn time_with_zone(raw: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader(raw);
    write_time(reader.i64()?, out);
    let west = reader.i32()?;
    out.push(if west <= 0 { '+' } else { '-' });
    let seconds = west.unsigned_abs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    // Writing to a String cannot fail.
    let _ = write!(out, "{hours:02}");
    if minutes != 0 || seconds != 0 {
        let _ = write!(out, ":{minutes:02}");
    }
    if seconds != 0 {
        let _ = write!(out, ":{seconds:02}");
    }
    Some(())
}

/// Signs as PostgreSQL sets them: a part behind a negative one says `+`.
/// Source: `EncodeInterval` in PostgreSQL's `datetime.c`, for `intervalstyle = postgres`.
pub(super) fn interval(raw: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader(raw);
    let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => out.push_str("infinity"),
        (i64::MIN, i32::MIN, i32::MIN) => out.push_str("-infinity"),
        _ => {
            let begun = out.len();
            let mut negative = false;
            for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
                if value == 0 {
                    continue;
                }
                let space = if out.len() > begun { " " } else { "" };
                let plus = if negative && value > 0 { "+" } else { "" };
                let plural = if value == 1 { "" } else { "s" };
                let _ = write!(out, "{space}{plus}{value} {unit}{plural}");
                negative = value < 0;
            }
            if out.len() == begun || micros != 0 {
                let space = if out.len() > begun { " " } else { "" };
                let sign = if micros < 0 {
                    "-"
                } else if negative {
                    "+"
                } else {
                    ""
                };
                let _ = write!(out, "{space}{sign}");
                write_unsigned_time(micros.unsigned_abs(), out);
            }
        }
    }
    Some(())
}

/// Writes year, month and day, and gives what stands at the end of a date before our era.
fn write_date(days_from_2000: i64, out: &mut String) -> &'static str {
    let (year, month, day) = civil(days_from_2000 + EPOCH_DAYS);
    let (year, before) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
    before
}

/// The day of the proleptic Gregorian calendar, so many days after 1970-01-01; the year before 1 is 0.
/// Counts from a 1 March, so that the day a leap year adds is a year's last. Source: Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn write_time(micros: i64, out: &mut String) {
    write_unsigned_time(micros.unsigned_abs(), out);
}

fn write_unsigned_time(micros: u64, out: &mut String) {
    let (hour, minute, second) = (HOUR.unsigned_abs(), MINUTE.unsigned_abs(), SECOND.unsigned_abs());
    let (hours, minutes, seconds) = (micros / hour, micros % hour / minute, micros % minute / second);
    let _ = write!(out, "{hours:02}:{minutes:02}:{seconds:02}");
    let fraction = micros % second;
    if fraction != 0 {
        let text = format!("{fraction:06}");
        out.push('.');
        out.push_str(text.trim_end_matches('0'));
    }
}
