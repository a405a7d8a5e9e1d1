//! What the bytes of a field mean: text of a code page, zoned and packed decimals, dates.
//!
//! What is wrong is said in a sentence that names the field and its bytes.

use std::fmt;

use chrono::NaiveDate;

use crate::code_pages::CodePage;
use crate::layout::{Field, Form};

/// Why a field cannot be read.
pub type Reason = String;

/// A decimal: digits and how many of them are behind the point. Exact, as far as 38 digits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    pub units: i128,
    pub places: usize,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        // At least one digit before the point.
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = self.places + 1);
        let (whole, part) = digits.split_at(digits.len() - self.places);
        if part.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{part}") }
    }
}

/// A record's bytes, and the code page that its text is of.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub bytes: &'a [u8],
    pub page: &'a CodePage,
}

impl<'a> Record<'a> {
    /// Text without the blanks behind it. Characters that control a terminal are no text.
    pub fn text(self, field: Field) -> Result<String, Reason> {
        let bytes = self.of(field);
        let text: String = bytes.iter().map(|byte| self.page.character(*byte)).collect();
        match bytes.iter().zip(text.chars()).find(|(_, character)| character.is_control()) {
            Some((byte, _)) => Err(wrong(field, bytes, &format!("it has the control character {byte:02X}"))),
            None => Ok(text.trim_end_matches(' ').to_owned()),
        }
    }

    /// A number, zoned or packed.
    pub fn decimal(self, field: Field) -> Result<Decimal, Reason> {
        let bytes = self.of(field);
        match field.form {
            Form::Zoned { places, signed, .. } => zoned(field, bytes, places, signed),
            Form::Packed { digits, places, signed } => packed(field, bytes, digits, places, signed),
            Form::Text { .. } => Err(wrong(field, bytes, "it is text")),
        }
    }

    /// The digits of a number without a sign, such as an account: those in front that are zero, too.
    pub fn digits(self, field: Field) -> Result<String, Reason> {
        let width = match field.form {
            Form::Zoned { digits, .. } | Form::Packed { digits, .. } => digits,
            Form::Text { .. } => 0,
        };
        Ok(format!("{:0width$}", self.decimal(field)?.units))
    }

    /// A date that must be there: `CYYMMDD`, the first digit 0 for the years from 1900, 1 for those from 2000.
    pub fn date(self, field: Field) -> Result<NaiveDate, Reason> {
        let none = || wrong(field, self.of(field), "it is zero, where a date must be");
        self.date_or_none(field)?.ok_or_else(none)
    }

    /// A date, or none if it is zero.
    pub fn date_or_none(self, field: Field) -> Result<Option<NaiveDate>, Reason> {
        let date = self.decimal(field)?.units;
        if date == 0 {
            return Ok(None);
        }
        let part = |below: i128, digits: i128| u32::try_from(date / below % digits).unwrap_or(u32::MAX);
        let (century, year, month, day) = (date / 1_000_000, part(10_000, 100), part(100, 100), part(1, 100));
        let first = match century {
            0 => 1900,
            1 => 2000,
            _ => return Err(wrong(field, self.of(field), &format!("{date:07} begins neither with 0 nor with 1"))),
        };
        let read = NaiveDate::from_ymd_opt(first + year.cast_signed(), month, day);
        read.map(Some).ok_or_else(|| {
            let written = format!("{}-{month:02}-{day:02}", first + year.cast_signed());
            wrong(field, self.of(field), &format!("there is no {written}"))
        })
    }

    /// The bytes of a field.
    fn of(self, field: Field) -> &'a [u8] {
        &self.bytes[field.from - 1..field.from - 1 + field.form.bytes()]
    }
}

/// A digit a byte, behind the zone F; the zone of the last is the sign.
fn zoned(field: Field, bytes: &[u8], places: usize, signed: bool) -> Result<Decimal, Reason> {
    let mut units = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let (zone, digit) = (byte >> 4, byte & 0xF);
        let last = index + 1 == bytes.len();
        if digit > 9 || (zone != 0xF && !(last && matches!(zone, 0xC | 0xD))) {
            return Err(wrong(field, bytes, &format!("byte {} is no digit", index + 1)));
        }
        units = units * 10 + i128::from(digit);
    }
    with_sign(field, bytes, bytes.last().map_or(0xF, |byte| byte >> 4), Decimal { units, places }, signed)
}

/// Two digits a byte, and the sign behind the last.
fn packed(field: Field, bytes: &[u8], digits: usize, places: usize, signed: bool) -> Result<Decimal, Reason> {
    let halves: Vec<u8> = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]).collect();
    let mut units = 0;
    let number = &halves[..halves.len() - 1];
    for (index, digit) in number.iter().enumerate() {
        if *digit > 9 {
            return Err(wrong(field, bytes, &format!("byte {} is no two digits", index / 2 + 1)));
        }
        units = units * 10 + i128::from(*digit);
    }
    // An even number of digits leaves a half in front.
    if number.len() > digits && number[0] != 0 {
        return Err(wrong(field, bytes, &format!("it has more than {digits} digits")));
    }
    with_sign(field, bytes, halves[halves.len() - 1], Decimal { units, places }, signed)
}

/// C is plus, D minus, F without a sign.
fn with_sign(field: Field, bytes: &[u8], sign: u8, number: Decimal, signed: bool) -> Result<Decimal, Reason> {
    match sign {
        0xC | 0xF => Ok(number),
        0xD if signed || number.units == 0 => Ok(Decimal { units: -number.units, ..number }),
        0xD => Err(wrong(field, bytes, "it is negative")),
        other => Err(wrong(field, bytes, &format!("{other:X} is no sign"))),
    }
}

/// Names the field, its bytes and what is wrong with them.
fn wrong(field: Field, bytes: &[u8], what: &str) -> Reason {
    format!("{} is X'{}': {what}", field.name, crate::hex(bytes))
}
