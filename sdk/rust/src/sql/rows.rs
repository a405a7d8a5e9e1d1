//! Rows as types: what serde reads them by.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::{Column, Value};

/// A column of JSON, read as a `T`.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: i64,
///     items: jackfield::sql::Json<Vec<String>>,
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map(Self).map_err(D::Error::custom)
    }
}

/// Why a row does not fit.
#[derive(Debug)]
pub(super) struct Unfit {
    text: String,
    column: Option<String>,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column `{column}`: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for Unfit {}

impl de::Error for Unfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { text: text.to_string(), column: None }
    }
}

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) columns: &'a [Column],
    pub(super) values: &'a [Value],
}

impl<'a> Row<'a> {
    fn cells(self) -> impl Iterator<Item = Cell<'a>> {
        self.columns.iter().zip(self.values).map(|(column, value)| Cell { column: &column.name, value })
    }

    fn only(self) -> Result<Cell<'a>, Unfit> {
        let mut cells = self.cells();
        match (cells.next(), cells.next()) {
            (Some(cell), None) => Ok(cell),
            _ => Err(Unfit::custom(format_args!(
                "there are {} columns: read them into a struct, a map or a tuple",
                self.columns.len()
            ))),
        }
    }
}

macro_rules! of_the_only_column {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            self.only()?.$name(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Row<'de> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_map(MapDeserializer::new(self.cells().map(|cell| (StrDeserializer::new(cell.column), cell))))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let mut cells = SeqDeserializer::new(self.cells());
        let read = visitor.visit_seq(&mut cells)?;
        cells.end()?;
        Ok(read)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    of_the_only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
    }

    forward_to_deserialize_any! { i128 u128 unit unit_struct map struct identifier ignored_any }
}

/// One value, of the column of this name.
#[derive(Clone, Copy)]
struct Cell<'a> {
    column: &'a str,
    value: &'a Value,
}

impl Cell<'_> {
    fn named(self, problem: Unfit) -> Unfit {
        Unfit { column: problem.column.or_else(|| Some(self.column.to_owned())), ..problem }
    }
}

impl<'de> IntoDeserializer<'de, Unfit> for Cell<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let read = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::Bytes(value) => visitor.visit_borrowed_bytes(value),
        };
        read.map_err(|problem: Unfit| self.named(problem))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.value {
            Value::Integer(value @ (0 | 1)) => visitor.visit_bool(*value == 1),
            Value::Integer(value) => {
                Err(self.named(Unfit::invalid_value(Unexpected::Signed(*value), &"a boolean, or 0 or 1")))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    // Bytes are a list of numbers to most types that hold them.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.value {
            Value::Bytes(value) => visitor
                .visit_seq(SeqDeserializer::new(value.iter().copied()))
                .map_err(|problem: Unfit| self.named(problem)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        match self.value {
            Value::Text(value) => {
                let variant: StrDeserializer<'_, Unfit> = value.as_str().into_deserializer();
                visitor.visit_enum(variant).map_err(|problem| self.named(problem))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map struct identifier ignored_any
    }
}
