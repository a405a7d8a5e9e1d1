//! The fields of a cron expression, looked at one by one so that what is wrong can be named.
//!
//! Not here: what they mean, which is croner's. What passes here it can read.

use crate::ids::shown;

/// One field: its word, its words for many, and what it holds.
struct Field {
    name: &'static str,
    many: &'static str,
    least: u16,
    most: u16,
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const fn field(name: &'static str, many: &'static str, least: u16, most: u16) -> Field {
    Field { name, many, least, most, words: &[] }
}

const FIELDS: [Field; 6] = [
    field("second", "seconds", 0, 59),
    field("minute", "minutes", 0, 59),
    field("hour", "hours", 0, 23),
    field("day of the month", "days of the month", 1, 31),
    Field { words: &MONTHS, ..field("month", "months", 1, 12) },
    Field { words: &DAYS, ..field("day of the week", "days of the week", 0, 7) },
];
const DAY_OF_MONTH: usize = 3;
const DAY_OF_WEEK: usize = 5;

const NICKNAMES: [(&str, &str); 6] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The six fields of an expression, in capitals, each one checked. One of five fields is at second 0.
///
/// # Errors
///
/// What is wrong, to be read behind the expression.
pub(super) fn split(expression: &str) -> Result<[String; 6], String> {
    let trimmed = expression.trim();
    let spelled = match trimmed.strip_prefix('@') {
        None => trimmed,
        Some(_) => {
            let found = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed));
            found.ok_or("is not known; there are @hourly, @daily, @weekly, @monthly and @yearly")?.1
        }
    };
    let mut parts: Vec<String> = spelled.split_whitespace().map(str::to_ascii_uppercase).collect();
    if parts.len() == 5 {
        parts.insert(0, "0".into());
    }
    let count = parts.len();
    let parts: [String; 6] = parts.try_into().map_err(|_| {
        format!(
            "has {count} field{}; write five (minute, hour, day of the month, month, day of the week), or six with the \
             second before them",
            if count == 1 { "" } else { "s" }
        )
    })?;
    for (place, part) in parts.iter().enumerate() {
        check(place, part)?;
    }
    Ok(parts)
}

fn check(place: usize, text: &str) -> Result<(), String> {
    let field = &FIELDS[place];
    for part in text.split(',') {
        if part.is_empty() {
            return Err(format!("has `{}` as its {}: a comma without a value", shown(text), field.name));
        }
        match part.split_once('/') {
            None => range(place, part)?,
            Some((from, step)) => {
                range(place, from)?;
                if from != "*" && !from.contains('-') {
                    return Err(format!(
                        "has {} {}: a step goes with `*` or a range, like `*/{step}` or `{from}-{}/{step}`",
                        field.name,
                        shown(part),
                        field.most
                    ));
                }
                let steps = number(step).ok_or_else(|| format!("has {} step `{}`", field.name, shown(step)))?;
                if steps == 0 || steps > field.most {
                    return Err(format!(
                        "has {} step {steps}; steps of {} are 1 to {}{}",
                        field.name,
                        field.many,
                        field.most,
                        if place < DAY_OF_MONTH { " (kind `interval` has longer ones)" } else { "" }
                    ));
                }
            }
        }
    }
    Ok(())
}

/// `*`, a value, or two of them; and what only the days may hold.
fn range(place: usize, text: &str) -> Result<(), String> {
    let days = place == DAY_OF_MONTH || place == DAY_OF_WEEK;
    match text {
        "*" => return Ok(()),
        "?" if days => return Ok(()),
        "L" | "LW" if place == DAY_OF_MONTH => return Ok(()),
        _ => {}
    }
    if place == DAY_OF_MONTH
        && let Some(day) = text.strip_suffix('W')
    {
        return value(place, day).map(drop);
    }
    if place == DAY_OF_WEEK {
        if text == "L" {
            return Err("has day of the week L alone; write which, like `5L` for the last Friday".into());
        }
        if let Some(day) = text.strip_suffix('L') {
            return value(place, day.strip_suffix('#').unwrap_or(day)).map(drop);
        }
        if let Some((day, nth)) = text.split_once('#') {
            value(place, day)?;
            return match number(nth) {
                Some(1..=5) => Ok(()),
                _ => Err(format!("has day of the week {}; the number behind `#` is 1 to 5", shown(text))),
            };
        }
    }
    let Some((from, to)) = text.split_once('-') else { return value(place, text).map(drop) };
    // A week ends on Sunday too.
    let (first, last) = (value(place, from)?, value(place, if to == "SUN" { "7" } else { to })?);
    if first > last {
        return Err(format!("has {} {}, which goes backwards", FIELDS[place].name, shown(text)));
    }
    Ok(())
}

fn value(place: usize, text: &str) -> Result<u16, String> {
    let field = &FIELDS[place];
    if let Some(at) = field.words.iter().position(|word| *word == text) {
        return Ok(field.least + u16::try_from(at).unwrap_or(0));
    }
    match number(text) {
        Some(number) if (field.least..=field.most).contains(&number) => Ok(number),
        _ => {
            let words = match (field.words.first(), field.words.last()) {
                (Some(first), Some(last)) => format!(" or {first} to {last}"),
                _ => String::new(),
            };
            let (name, many, least, most) = (field.name, field.many, field.least, field.most);
            Err(format!("has {name} {}; {many} are {least} to {most}{words}", shown(text)))
        }
    }
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
