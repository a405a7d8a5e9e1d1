//! Time zones by their IANA names: the system's database if it has one, else the one built in.

use jiff::tz::{TimeZone, db};

use crate::clock::Timestamp;
use crate::ids::shown;
use crate::words::meant;

/// The zone of this name.
///
/// # Errors
///
/// A sentence that goes on after the name, and says which name was probably meant.
pub(super) fn find(name: &str) -> Result<TimeZone, String> {
    // The database knows more names than people should write: a path, or the zone of the machine.
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    if plain && let Ok(zone) = db().get(name) {
        return Ok(zone);
    }
    let known: Vec<String> = db().available().map(|known| known.as_str().to_owned()).collect();
    let near = meant(name, known.iter().map(String::as_str)).map(str::to_owned).or_else(|| city(name, &known));
    Err(match near {
        Some(near) => format!("is not a time zone; did you mean `{near}`?"),
        None => "is not a time zone; write an IANA name such as `UTC` or `Europe/Berlin`".into(),
    })
}

/// The zone whose city was written alone.
fn city(name: &str, known: &[String]) -> Option<String> {
    let written = name.rsplit('/').next()?.replace(' ', "_");
    known.iter().find(|known| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&written))).cloned()
}

/// The zone's name as the database spells it, if it is there.
///
/// # Errors
///
/// As [`find`], for somebody who reads `timezone` and the name before it.
pub fn zone_name(name: &str) -> Result<String, String> {
    find(name).map(|zone| zone.iana_name().map_or_else(|| shown(name), str::to_owned))
}

/// A moment as the clocks of a zone show it, to the second if it is not a whole minute; none if the zone is
/// not known here.
#[must_use]
pub fn local_time(at: Timestamp, zone: &str) -> Option<String> {
    let local = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(find(zone).ok()?);
    let format = if local.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    Some(local.strftime(format).to_string())
}
