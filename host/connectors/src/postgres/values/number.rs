//! Booleans and numbers.

use std::fmt::Write as _;

use tokio_postgres::types::Type;

use super::Reader;

pub(super) fn boolean(raw: &[u8]) -> Option<bool> {
    match raw {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

pub(super) fn integer(kind: &Type, raw: &[u8]) -> Option<i64> {
    Some(match *kind {
        Type::INT2 => i64::from(i16::from_be_bytes(raw.try_into().ok()?)),
        Type::INT4 => i64::from(i32::from_be_bytes(raw.try_into().ok()?)),
        Type::INT8 => i64::from_be_bytes(raw.try_into().ok()?),
        Type::OID | Type::XID | Type::CID => i64::from(u32::from_be_bytes(raw.try_into().ok()?)),
        _ => return None,
    })
}

/// A float as a parameter: the shortest text that is read back as the same.
pub(super) fn float_parameter(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        format!("{value:?}")
    }
}

/// A `real` as PostgreSQL writes it.
pub(super) fn real(value: f32, out: &mut String) {
    if value.is_finite() {
        shortest(&format!("{value}"), &format!("{value:e}"), 6, out);
    } else {
        out.push_str(&float_parameter(f64::from(value)));
    }
}

/// A `double precision` as PostgreSQL writes it.
pub(super) fn double(value: f64, out: &mut String) {
    if value.is_finite() {
        shortest(&format!("{value}"), &format!("{value:e}"), 15, out);
    } else {
        out.push_str(&float_parameter(value));
    }
}

/// With an exponent, of two digits at least, below 0.0001 and from 10^`from` on.
/// Source: PostgreSQL, `common/d2s.c` and `f2s.c`.
fn shortest(plain: &str, scientific: &str, from: i32, out: &mut String) {
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..from).contains(&exponent) {
        out.push_str(plain);
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a String cannot fail.
        let _ = write!(out, "{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
}

/// A `numeric`: digits to the base 10,000, and how many decimal places to show.
pub(super) fn numeric(raw: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader(raw);
    let count = reader.i16()?;
    let weight = i32::from(reader.i16()?);
    let sign = u16::from_be_bytes(reader.take(2)?.try_into().ok()?);
    let places = usize::try_from(reader.i16()?).ok()?;
    let digits: Vec<i16> = (0..count).map(|_| reader.i16()).collect::<Option<_>>()?;
    if digits.iter().any(|d| !(0..10_000).contains(d)) {
        return None;
    }
    match sign {
        0xc000 => out.push_str("NaN"),
        0xd000 => out.push_str("Infinity"),
        0xf000 => out.push_str("-Infinity"),
        0x0000 | 0x4000 => {
            if sign == 0x4000 {
                out.push('-');
            }
            let digit = |at: i32| usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
            if weight < 0 {
                out.push('0');
            }
            for at in 0..=weight {
                let _ = if at == 0 { write!(out, "{}", digit(at)) } else { write!(out, "{:04}", digit(at)) };
            }
            if places > 0 {
                out.push('.');
                let whole = out.len();
                let mut at = weight + 1;
                while out.len() - whole < places {
                    let _ = write!(out, "{:04}", digit(at));
                    at += 1;
                }
                out.truncate(whole + places);
            }
        }
        _ => return None,
    }
    Some(())
}
