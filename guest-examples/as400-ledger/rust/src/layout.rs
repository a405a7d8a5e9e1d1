//! The layout of the records, as their copybook has it: what is where, and in what form.

/// The bytes of each record.
pub const LENGTH: usize = 120;

/// A field: its name in the copybook, its first byte (counted from 1), and its form.
#[derive(Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub from: usize,
    pub form: Form,
}

/// `digits` are all of them, `places` those behind the point.
#[derive(Clone, Copy)]
pub enum Form {
    /// `PIC X(n)`: characters of the code page.
    Text { characters: usize },
    /// `PIC 9(n)`, `PIC S9(n)V9(m)`: a digit a byte, the sign in the zone of the last.
    Zoned { digits: usize, places: usize, signed: bool },
    /// `COMP-3`: two digits a byte, the sign in the last half of the last.
    Packed { digits: usize, places: usize, signed: bool },
}

impl Form {
    /// How many bytes it takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Text { characters } => characters,
            Self::Zoned { digits, .. } => digits,
            Self::Packed { digits, .. } => digits / 2 + 1,
        }
    }
}

const fn text(name: &'static str, from: usize, characters: usize) -> Field {
    Field { name, from, form: Form::Text { characters } }
}

const fn zoned(name: &'static str, from: usize, digits: usize, places: usize) -> Field {
    Field { name, from, form: Form::Zoned { digits, places, signed: false } }
}

const fn packed(name: &'static str, from: usize, digits: usize, places: usize) -> Field {
    Field { name, from, form: Form::Packed { digits, places, signed: false } }
}

impl Field {
    const fn signed(mut self) -> Self {
        match &mut self.form {
            Form::Zoned { signed, .. } | Form::Packed { signed, .. } => *signed = true,
            Form::Text { .. } => {}
        }
        self
    }
}

/// `H`, `D` or `T`, in every record.
pub const RECORD_KIND: Field = text("RECORD-KIND", 1, 1);

pub mod header {
    use super::*;

    pub const COMPANY: Field = text("COMPANY", 2, 30);
    pub const SYSTEM: Field = text("SYSTEM", 32, 8);
    pub const WRITTEN_ON: Field = packed("WRITTEN-ON", 40, 7, 0);
    pub const WRITTEN_AT: Field = zoned("WRITTEN-AT", 44, 6, 0);
    pub const PERIOD: Field = zoned("PERIOD", 50, 6, 0);
}

pub mod entry {
    use super::*;

    pub const ACCOUNT: Field = zoned("ACCOUNT", 2, 10, 0);
    pub const ACCOUNT_KIND: Field = text("ACCOUNT-KIND", 12, 1);
    pub const DOCUMENT: Field = text("DOCUMENT", 13, 10);
    pub const POSTED_ON: Field = packed("POSTED-ON", 23, 7, 0);
    pub const DUE_ON: Field = packed("DUE-ON", 27, 7, 0);
    pub const AMOUNT: Field = packed("AMOUNT", 31, 13, 2).signed();
    pub const TAX: Field = zoned("TAX", 38, 9, 2).signed();
    pub const QUANTITY: Field = packed("QUANTITY", 47, 10, 3).signed();
    pub const RATE: Field = packed("RATE", 53, 9, 6);
    pub const CURRENCY: Field = text("CURRENCY", 58, 3);
    pub const NARRATIVE: Field = text("NARRATIVE", 61, 60);
}

pub mod trailer {
    use super::*;

    pub const ENTRIES: Field = packed("ENTRIES", 2, 7, 0);
    pub const AMOUNTS: Field = packed("AMOUNTS", 6, 17, 2).signed();
    pub const ACCOUNTS: Field = packed("ACCOUNTS", 15, 15, 0);
}
