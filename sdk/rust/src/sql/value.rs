//! A value of a row or of a parameter, and what becomes one.

use std::borrow::Cow;

use crate::Bytes;
use crate::bindings::jackfield::plugin::sql as host;

/// A value in a row, or a parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// SQL's null.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, in binary.
    Float(f64),
    /// Text; also decimals, dates, times, UUIDs and JSON, in the database's text form. As a parameter it is cast by the
    /// database.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<host::Value> for Value {
    fn from(value: host::Value) -> Self {
        match value {
            host::Value::Null => Self::Null,
            host::Value::Boolean(value) => Self::Boolean(value),
            host::Value::Integer(value) => Self::Integer(value),
            host::Value::Float(value) => Self::Float(value),
            host::Value::Text(value) => Self::Text(value),
            host::Value::Bytes(value) => Self::Bytes(value),
        }
    }
}

impl From<Value> for host::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Integer(value) => Self::Integer(value),
            Value::Float(value) => Self::Float(value),
            Value::Text(value) => Self::Text(value),
            Value::Bytes(value) => Self::Bytes(value),
        }
    }
}

macro_rules! becomes {
    ($($from:ty => |$value:ident| $made:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $made
            }
        }
    )*};
}

becomes! {
    bool => |value| Self::Boolean(value);
    i8 => |value| Self::Integer(value.into());
    i16 => |value| Self::Integer(value.into());
    i32 => |value| Self::Integer(value.into());
    i64 => |value| Self::Integer(value);
    u8 => |value| Self::Integer(value.into());
    u16 => |value| Self::Integer(value.into());
    u32 => |value| Self::Integer(value.into());
    // What does not fit 64 bits with a sign goes as text, which the database casts.
    u64 => |value| i64::try_from(value).map_or_else(|_| Self::Text(value.to_string()), Self::Integer);
    usize => |value| Self::from(value as u64);
    f32 => |value| Self::Float(value.into());
    f64 => |value| Self::Float(value);
    &str => |value| Self::Text(value.to_owned());
    String => |value| Self::Text(value);
    &String => |value| Self::Text(value.clone());
    Cow<'_, str> => |value| Self::Text(value.into_owned());
    Vec<u8> => |value| Self::Bytes(value);
    &[u8] => |value| Self::Bytes(value.to_vec());
    Bytes => |value| Self::Bytes(value.into_vec());
    serde_json::Value => |value| Self::Text(value.to_string());
    &serde_json::Value => |value| Self::Text(value.to_string());
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
