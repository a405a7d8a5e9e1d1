//! A file: a header, entries, and a trailer that must agree with them.

use std::fmt;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::code_pages::CodePage;
use crate::field::{Decimal, Reason, Record};
use crate::layout::{self, LENGTH, RECORD_KIND, entry, header, trailer};

/// A file that is whole. Its rows stand for its records between header and trailer.
pub struct File {
    pub header: Header,
    pub rows: Vec<Row>,
    pub trailer: Trailer,
    /// The trailer's amounts less those that can be read: zero if all can.
    pub unread: Decimal,
}

pub struct Header {
    pub company: String,
    pub system: String,
    pub written_at: NaiveDateTime,
    /// `YYYYMM`.
    pub period: String,
}

pub struct Trailer {
    pub entries: i64,
    pub amounts: Decimal,
    pub accounts: i128,
}

/// What became of a record.
pub enum Row {
    Entry(Box<Entry>),
    Wrong { reason: Reason, bytes: Vec<u8> },
}

pub struct Entry {
    pub account: String,
    pub account_kind: &'static str,
    pub document: String,
    pub posted_on: NaiveDate,
    pub due_on: Option<NaiveDate>,
    pub amount: Decimal,
    pub tax: Decimal,
    pub quantity: Decimal,
    pub rate: Decimal,
    pub currency: String,
    pub narrative: String,
}

impl File {
    /// Reads it, and holds the trailer against it.
    ///
    /// # Errors
    ///
    /// The file as a whole is wrong, and why.
    pub fn read(bytes: &[u8], page: &CodePage) -> Result<Self, Reason> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(LENGTH) {
            return Err(format!("{} bytes are not whole records of {LENGTH}", bytes.len()));
        }
        let records: Vec<_> = bytes.chunks_exact(LENGTH).map(|bytes| Record { bytes, page }).collect();
        let [first, entries @ .., last] = records.as_slice() else {
            return Err("one record is not a header and a trailer".into());
        };
        must_be("the first record", *first, "H")?;
        must_be("the last record", *last, "T")?;
        let header = Header::read(*first).map_err(|e| format!("the header: {e}"))?;
        let trailer = Trailer::read(*last).map_err(|e| format!("the trailer: {e}"))?;
        let unread = trailer.agree_with(entries)?;
        let rows = entries.iter().map(|record| match Entry::read(*record) {
            Ok(entry) => Row::Entry(Box::new(entry)),
            Err(reason) => Row::Wrong { reason, bytes: record.bytes.to_vec() },
        });
        Ok(Self { header, rows: rows.collect(), trailer, unread })
    }
}

/// Whether a record is of this kind.
fn must_be(which: &str, record: Record<'_>, kind: &str) -> Result<(), Reason> {
    match record.text(RECORD_KIND)? {
        found if found == kind => Ok(()),
        found => Err(format!("{which} is of kind {found:?}, not {kind:?}")),
    }
}

impl Header {
    fn read(record: Record<'_>) -> Result<Self, Reason> {
        let time = record.digits(header::WRITTEN_AT)?;
        let read = NaiveTime::parse_from_str(&time, "%H%M%S");
        let time = read.map_err(|_| format!("WRITTEN-AT is {time}, which is no time"))?;
        Ok(Self {
            company: record.text(header::COMPANY)?,
            system: record.text(header::SYSTEM)?,
            written_at: record.date(header::WRITTEN_ON)?.and_time(time),
            period: record.digits(header::PERIOD)?,
        })
    }
}

impl Trailer {
    fn read(record: Record<'_>) -> Result<Self, Reason> {
        let entries = record.decimal(trailer::ENTRIES)?.units;
        Ok(Self {
            entries: i64::try_from(entries).unwrap_or(i64::MAX),
            amounts: record.decimal(trailer::AMOUNTS)?,
            accounts: record.decimal(trailer::ACCOUNTS)?.units,
        })
    }

    /// Counts and adds up what is there, wrong records too: they were sent. Gives what the amounts that cannot be read
    /// must come to.
    fn agree_with(&self, records: &[Record<'_>]) -> Result<Decimal, Reason> {
        let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
        same("entries", self.entries, count)?;
        let places = self.amounts.places;
        let (amounts, all) = total(records, entry::AMOUNT);
        let amounts = Decimal { units: amounts, places };
        if all {
            same("amounts", self.amounts, amounts)?;
        }
        // A hash total: its sum means nothing, and has no more digits than the trailer's field.
        let (accounts, all) = total(records, entry::ACCOUNT);
        if all {
            same("accounts", self.accounts, accounts % 10_i128.pow(15))?;
        }
        Ok(Decimal { units: self.amounts.units - amounts.units, places })
    }
}

/// The sum of a field, in its smallest units, and whether every record has it.
fn total(records: &[Record<'_>], field: layout::Field) -> (i128, bool) {
    records.iter().fold((0, true), |(sum, all), record| match record.decimal(field) {
        Ok(number) => (sum + number.units, all),
        Err(_) => (sum, false),
    })
}

fn same<T: PartialEq + fmt::Display>(what: &str, said: T, found: T) -> Result<(), Reason> {
    if said == found { Ok(()) } else { Err(format!("the trailer has {what} {said}, the file {found}")) }
}

impl Entry {
    fn read(record: Record<'_>) -> Result<Self, Reason> {
        must_be("the record", record, "D")?;
        let read = Self {
            account: record.digits(entry::ACCOUNT)?,
            account_kind: account_kind(&record.text(entry::ACCOUNT_KIND)?)?,
            document: record.text(entry::DOCUMENT)?,
            posted_on: record.date(entry::POSTED_ON)?,
            due_on: record.date_or_none(entry::DUE_ON)?,
            amount: record.decimal(entry::AMOUNT)?,
            tax: record.decimal(entry::TAX)?,
            quantity: record.decimal(entry::QUANTITY)?,
            rate: record.decimal(entry::RATE)?,
            currency: record.text(entry::CURRENCY)?,
            narrative: record.text(entry::NARRATIVE)?,
        };
        if read.currency.len() != 3 || !read.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("CURRENCY is {:?}, not three capital letters", read.currency));
        }
        Ok(read)
    }
}

fn account_kind(letter: &str) -> Result<&'static str, Reason> {
    match letter {
        "A" => Ok("asset"),
        "L" => Ok("liability"),
        "E" => Ok("equity"),
        "R" => Ok("revenue"),
        "X" => Ok("expense"),
        other => Err(format!("ACCOUNT-KIND is {other:?}, which is none of A, L, E, R and X")),
    }
}
