//! Durations and sizes as people write them.

use std::time::Duration;

use jackfield_core::ids::shown;

/// Reads `500ms`, `30s`, `10m`, `24h` or `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{}` is not a duration: write 500ms, 30s, 10m, 24h or 7d", shown(text));
    let (number, unit) = split(text).ok_or_else(bad)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(bad)
}

/// Reads `512B`, `64KiB`, `256MiB` or `4GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{}` is not a size: write 512B, 64KiB, 256MiB or 4GiB", shown(text));
    let (number, unit) = split(text).ok_or_else(bad)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err(bad()),
    };
    number.checked_mul(1 << shift).ok_or_else(bad)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for bad in ["", "30", "s", "-1s", "1.5h", "30 sec", "99999999999999999999s", "18446744073709551615d", "１s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("512B"), Ok(512));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("4 GiB"), Ok(4 << 30));
        for bad in ["", "12", "MB", "1MB", "1k", "-1B", "99999999999999TiB"] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }
}
