//! Sizes and durations as people write them: `64MiB`, `30s`. Whole numbers of one unit, no fractions.

use std::time::Duration;

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const DURATIONS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Bytes from text such as `64MiB`.
///
/// # Errors
///
/// What to write instead.
pub(super) fn size(text: &str) -> Result<u64, String> {
    if let Some(decimal) = ["kB", "KB", "MB", "GB", "K", "M", "G"].iter().find(|unit| text.ends_with(**unit)) {
        let binary = format!("{}iB", decimal.chars().next().unwrap_or('M').to_ascii_uppercase());
        return Err(format!("sizes are in powers of 1,024: write `{binary}` instead of `{decimal}`"));
    }
    parse(text, &SIZES).ok_or_else(|| "is not a size: write a whole number and B, KiB, MiB or GiB, like `64MiB`".into())
}

/// A duration from text such as `30s`.
///
/// # Errors
///
/// What to write instead.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse(text, &DURATIONS)
        .map(Duration::from_millis)
        .ok_or_else(|| "is not a duration: write a whole number and ms, s, m, h or d, like `30s`".into())
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start_matches(' '))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The shortest text that [`size`] reads as `bytes`.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES, "B")
}

/// The shortest text that [`duration`] reads as `duration`, in whole milliseconds.
pub(crate) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATIONS, "ms")
}

fn show(value: u64, units: &[(&str, u64)], least: &str) -> String {
    let unit = units.iter().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    unit.map_or_else(|| format!("{value}{least}"), |(name, factor)| format!("{}{name}", value / factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_durations() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1 GiB"), Ok(1 << 30));
        assert_eq!(size("0B"), Ok(0));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(size("64MB").unwrap_err().contains("`MiB`"));
        assert!(size("1k").is_err());
        for bad in
            ["", "MiB", "-1MiB", "1.5MiB", "64", "64 mib", "99999999999999999999B", "18446744073709551615GiB", "١MiB"]
        {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in ["", "s", "30", "1m30s", "30 sec", "-1s", "1e3s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!([show_size(64 << 20), show_size(1000), show_size(0)], ["64MiB", "1000B", "0B"]);
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(value in any::<u64>()) {
            prop_assert_eq!(size(&show_size(value)), Ok(value));
            prop_assert_eq!(duration(&show_duration(Duration::from_millis(value))), Ok(Duration::from_millis(value)));
        }
    }
}
