//! Arrays, ranges and multiranges: values within a value, quoted where they must be.

use std::fmt::Write as _;

use tokio_postgres::types::Type;

use super::{Reader, text};

/// PostgreSQL's arrays have at most so many dimensions.
const MOST_DIMENSIONS: i32 = 6;

/// `{1,2,NULL,"a b"}`, nested by dimension; lower bounds other than 1 stand before it.
pub(super) fn array(of: &Type, raw: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader(raw);
    let count = reader.i32()?;
    let _flags = reader.i32()?;
    let _type_id = reader.i32()?;
    if count == 0 {
        out.push_str("{}");
        return Some(());
    }
    if !(1..=MOST_DIMENSIONS).contains(&count) {
        return None;
    }
    let mut dimensions = Vec::new();
    let mut bounds = Vec::new();
    for _ in 0..count {
        dimensions.push(usize::try_from(reader.i32()?).ok()?);
        bounds.push(i64::from(reader.i32()?));
    }
    if bounds.iter().any(|lower| *lower != 1) {
        for (lower, length) in bounds.iter().zip(&dimensions) {
            // Writing to a String cannot fail.
            let _ = write!(out, "[{lower}:{}]", lower + i64::try_from(*length).ok()? - 1);
        }
        out.push('=');
    }
    dimension(of, &dimensions, &mut reader, out)
}

fn dimension(of: &Type, dimensions: &[usize], reader: &mut Reader<'_>, out: &mut String) -> Option<()> {
    let (length, inner) = dimensions.split_first()?;
    out.push('{');
    for i in 0..*length {
        if i > 0 {
            out.push(',');
        }
        if !inner.is_empty() {
            dimension(of, inner, reader, out)?;
            continue;
        }
        match reader.sized()? {
            None => out.push_str("NULL"),
            Some(raw) => {
                let mut element = String::new();
                text(of, raw, &mut element)?;
                let special = |c: char| matches!(c, '"' | '\\' | '{' | '}' | ',') || is_space(c);
                if element.is_empty() || element.eq_ignore_ascii_case("null") || element.contains(special) {
                    out.push('"');
                    for c in element.chars() {
                        if matches!(c, '"' | '\\') {
                            out.push('\\');
                        }
                        out.push(c);
                    }
                    out.push('"');
                } else {
                    out.push_str(&element);
                }
            }
        }
    }
    out.push('}');
    Some(())
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

const EMPTY: u8 = 0x01;
const LOWER_INCLUDED: u8 = 0x02;
const UPPER_INCLUDED: u8 = 0x04;
const LOWER_OPEN: u8 = 0x08;
const UPPER_OPEN: u8 = 0x10;

/// `[1,5)`, `(,2000-01-01]`, `empty`.
pub(super) fn range(of: &Type, raw: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader(raw);
    let flags = reader.u8()?;
    let has = |flag: u8| flags & flag != 0;
    if has(EMPTY) {
        out.push_str("empty");
        return Some(());
    }
    out.push(if has(LOWER_INCLUDED) { '[' } else { '(' });
    if !has(LOWER_OPEN) {
        bound(of, reader.sized()??, out)?;
    }
    out.push(',');
    if !has(UPPER_OPEN) {
        bound(of, reader.sized()??, out)?;
    }
    out.push(if has(UPPER_INCLUDED) { ']' } else { ')' });
    Some(())
}

fn bound(of: &Type, raw: &[u8], out: &mut String) -> Option<()> {
    let mut bound = String::new();
    text(of, raw, &mut bound)?;
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | '[' | ']' | ',') || is_space(c);
    if bound.is_empty() || bound.contains(special) {
        out.push('"');
        for c in bound.chars() {
            if matches!(c, '"' | '\\') {
                out.push(c);
            }
            out.push(c);
        }
        out.push('"');
    } else {
        out.push_str(&bound);
    }
    Some(())
}

/// `{[1,2),[5,)}`.
pub(super) fn multirange(of: &Type, raw: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader(raw);
    out.push('{');
    for i in 0..reader.i32()? {
        if i > 0 {
            out.push(',');
        }
        range(of, reader.sized()??, out)?;
    }
    out.push('}');
    Some(())
}
