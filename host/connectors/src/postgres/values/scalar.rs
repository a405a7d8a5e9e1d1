//! Values of one piece, as text.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio_postgres::types::Type;

use super::{Reader, number, time};

/// The types beside enums, domains, arrays and ranges that are read.
const READABLE: &[Type] = &[
    Type::BOOL,
    Type::BYTEA,
    Type::CHAR,
    Type::NAME,
    Type::INT8,
    Type::INT2,
    Type::INT4,
    Type::TEXT,
    Type::OID,
    Type::XID,
    Type::CID,
    Type::JSON,
    Type::XML,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::UNKNOWN,
    Type::MACADDR8,
    Type::CIDR,
    Type::MACADDR,
    Type::INET,
    Type::BPCHAR,
    Type::VARCHAR,
    Type::DATE,
    Type::TIME,
    Type::TIMESTAMP,
    Type::TIMESTAMPTZ,
    Type::INTERVAL,
    Type::TIMETZ,
    Type::BIT,
    Type::VARBIT,
    Type::NUMERIC,
    Type::UUID,
    Type::JSONB,
    Type::JSONPATH,
    Type::VOID,
];

pub(super) fn is_readable(kind: &Type) -> bool {
    READABLE.contains(kind) || is_citext(kind)
}

/// The type of the extension of that name, whose number differs from database to database.
fn is_citext(kind: &Type) -> bool {
    kind.name() == "citext"
}

/// The bytes are the text.
pub(super) fn plain(raw: &[u8], out: &mut String) -> Option<()> {
    out.push_str(std::str::from_utf8(raw).ok()?);
    Some(())
}

/// None if the type is not read, or the bytes are no value of it.
pub(super) fn text(kind: &Type, raw: &[u8], out: &mut String) -> Option<()> {
    match *kind {
        Type::BOOL => out.push(if number::boolean(raw)? { 't' } else { 'f' }),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::XID | Type::CID => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", number::integer(kind, raw)?);
        }
        Type::FLOAT4 => number::real(f32::from_be_bytes(raw.try_into().ok()?), out),
        Type::FLOAT8 => number::double(f64::from_be_bytes(raw.try_into().ok()?), out),
        Type::NUMERIC => return number::numeric(raw, out),
        Type::BYTEA => {
            out.push_str("\\x");
            for byte in raw {
                let _ = write!(out, "{byte:02x}");
            }
        }
        Type::CHAR => match raw {
            [0] => {}
            [byte @ 1..0x80] => out.push(char::from(*byte)),
            [byte] => {
                let _ = write!(out, "\\{byte:03o}");
            }
            _ => return None,
        },
        Type::JSONB | Type::JSONPATH => {
            // A version, always 1, comes first.
            let (1, text) = raw.split_first().map(|(version, text)| (*version, text))? else { return None };
            return plain(text, out);
        }
        Type::DATE => return time::date(raw, out),
        Type::TIME => return time::time(raw, out),
        Type::TIMETZ => return time::time_with_zone(raw, out),
        Type::TIMESTAMP => return time::timestamp(raw, false, out),
        Type::TIMESTAMPTZ => return time::timestamp(raw, true, out),
        Type::INTERVAL => return time::interval(raw, out),
        Type::UUID => return uuid(raw, out),
        Type::INET | Type::CIDR => return network(raw, out),
        Type::MACADDR | Type::MACADDR8 => {
            for (i, byte) in raw.iter().enumerate() {
                let _ = write!(out, "{}{byte:02x}", if i > 0 { ":" } else { "" });
            }
        }
        Type::BIT | Type::VARBIT => return bits(raw, out),
        Type::VOID => {}
        _ if is_readable(kind) => return plain(raw, out),
        _ => return None,
    }
    Some(())
}

fn uuid(raw: &[u8], out: &mut String) -> Option<()> {
    if raw.len() != 16 {
        return None;
    }
    for (i, byte) in raw.iter().enumerate() {
        let _ = write!(out, "{}{byte:02x}", if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" });
    }
    Some(())
}

fn bits(raw: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader(raw);
    let count = usize::try_from(reader.i32()?).ok()?;
    if reader.0.len() < count.div_ceil(8) {
        return None;
    }
    for i in 0..count {
        out.push(if reader.0[i / 8] & (0x80 >> (i % 8)) != 0 { '1' } else { '0' });
    }
    Some(())
}

/// An address: of an `inet` with its mask if that is not the whole, of a `cidr` always.
fn network(raw: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader(raw);
    let (_family, mask, is_cidr, length) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let whole = match length {
        4 => {
            let bytes: [u8; 4] = reader.take(4)?.try_into().ok()?;
            let _ = write!(out, "{}", Ipv4Addr::from(bytes));
            32
        }
        16 => {
            let bytes: [u8; 16] = reader.take(16)?.try_into().ok()?;
            let address = Ipv6Addr::from(bytes);
            let words = address.segments();
            if words[..6] == [0; 6] && words[6] != 0 {
                // PostgreSQL writes the last four bytes as of IPv4 here, too.
                let _ = write!(out, "::{}.{}.{}.{}", bytes[12], bytes[13], bytes[14], bytes[15]);
            } else {
                let _ = write!(out, "{address}");
            }
            128
        }
        _ => return None,
    };
    if is_cidr != 0 || mask != whole {
        let _ = write!(out, "/{mask}");
    }
    Some(())
}
