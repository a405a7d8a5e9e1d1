//! Values: parameters as text, which the server reads as whatever type it infers, and results from their binary form.
//!
//! What is no boolean, number or bytes becomes text in PostgreSQL's own form, as `psql` shows it.
//! Source of the binary forms: the `…_send` functions of PostgreSQL's sources.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use jackfield_core::ports::sql::SqlValue;
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};
use tokio_postgres::{Column, Row};

mod nested;
mod number;
mod scalar;
mod time;

/// A parameter. Its `Debug` shows nothing of it: the library below may log that.
pub(super) struct Parameter<'a>(&'a SqlValue);

impl<'a> Parameter<'a> {
    pub(super) fn all(values: &'a [SqlValue]) -> Vec<Self> {
        values.iter().map(Self).collect()
    }
}

impl fmt::Debug for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            SqlValue::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            SqlValue::Float(value) => out.extend_from_slice(number::float_parameter(*value).as_bytes()),
            SqlValue::Text(value) => out.extend_from_slice(value.as_bytes()),
            SqlValue::Bytes(value) => {
                out.reserve(2 + 2 * value.len());
                out.extend_from_slice(b"\\x");
                for byte in value.iter() {
                    out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
                }
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

fn hex(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble)]
}

/// Whether a column's values can be read.
///
/// # Errors
///
/// Which they are, and the way out.
pub(super) fn readable(column: &Column) -> Result<(), String> {
    if is_readable(column.type_()) {
        return Ok(());
    }
    let (name, kind) = (column.name(), column.type_().name());
    Err(format!("column `{name}` is of type `{kind}`, which is not read; select it as text: `{name}::text`"))
}

fn is_readable(kind: &Type) -> bool {
    match kind.kind() {
        // Written as a vector, not as an array.
        _ if matches!(*kind, Type::INT2_VECTOR | Type::OID_VECTOR) => false,
        Kind::Enum(_) => true,
        Kind::Domain(of) | Kind::Array(of) | Kind::Range(of) | Kind::Multirange(of) => is_readable(of),
        _ => scalar::is_readable(kind),
    }
}

/// The values of a row.
///
/// # Errors
///
/// A value is not what its type says.
pub(super) fn row(row: &Row) -> Result<Vec<SqlValue>, String> {
    (0..row.len())
        .map(|i| {
            let column = &row.columns()[i];
            let raw: Raw<'_> = row.try_get(i).map_err(|e| e.to_string())?;
            let Some(raw) = raw.0 else { return Ok(SqlValue::Null) };
            value(column.type_(), raw).ok_or_else(|| {
                let (name, kind) = (column.name(), column.type_().name());
                format!("a value of column `{name}` is no `{kind}` as PostgreSQL writes one; select `{name}::text`")
            })
        })
        .collect()
}

/// The bytes that values take.
pub(super) fn size(row: &[SqlValue]) -> u64 {
    let of = |value: &SqlValue| match value {
        SqlValue::Null | SqlValue::Boolean(_) => 1,
        SqlValue::Integer(_) | SqlValue::Float(_) => 8,
        SqlValue::Text(text) => text.len(),
        SqlValue::Bytes(bytes) => bytes.len(),
    };
    row.iter().map(of).sum::<usize>() as u64
}

/// The bytes of a value, of whatever type.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// None if the bytes are no value of the type.
fn value(kind: &Type, raw: &[u8]) -> Option<SqlValue> {
    if let Kind::Domain(of) = kind.kind() {
        return value(of, raw);
    }
    Some(match *kind {
        Type::BOOL => SqlValue::Boolean(number::boolean(raw)?),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => SqlValue::Integer(number::integer(kind, raw)?),
        Type::FLOAT4 => SqlValue::Float(f64::from(f32::from_be_bytes(raw.try_into().ok()?))),
        Type::FLOAT8 => SqlValue::Float(f64::from_be_bytes(raw.try_into().ok()?)),
        Type::BYTEA => SqlValue::Bytes(raw.to_vec().into()),
        _ => {
            let mut out = String::new();
            text(kind, raw, &mut out)?;
            SqlValue::Text(out)
        }
    })
}

/// Writes a value in PostgreSQL's own form; none if the bytes are no value of the type.
fn text(kind: &Type, raw: &[u8], out: &mut String) -> Option<()> {
    match kind.kind() {
        Kind::Domain(of) => text(of, raw, out),
        Kind::Enum(_) => scalar::plain(raw, out),
        Kind::Array(of) => nested::array(of, raw, out),
        Kind::Range(of) => nested::range(of, raw, out),
        Kind::Multirange(of) => nested::multirange(of, raw, out),
        _ => scalar::text(kind, raw, out),
    }
}

/// Reads from the front of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Bytes behind their length; the inner none is NULL.
    fn sized(&mut self) -> Option<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => Some(Some(self.take(usize::try_from(length).ok()?)?)),
        }
    }
}
