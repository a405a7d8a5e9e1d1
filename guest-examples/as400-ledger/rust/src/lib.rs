//! Writes an AS/400's ledger files into PostgreSQL: fixed-width EBCDIC records with packed and zoned decimals.
//!
//! A record that is wrong is written into a table of rejects, and the others go on. A file whose trailer does not agree
//! with it is rejected as a whole, before anything is written.

mod code_pages;
mod field;
mod file;
mod layout;

use std::collections::BTreeMap;
use std::iter;

use code_pages::CodePage;
use file::{File, Row};
use jackfield::sql::Value;
use jackfield::{Bytes, Context, Error, Event, Output, Result, json, log, params};

/// The most statements of a batch.
const MOST_STATEMENTS: usize = 100;
/// That of files of which the settings say nothing.
const USUAL_CCSID: u16 = 37;

const INSERT_FILE: &str = "insert into ledger_files \
    (digest, name, company, system, written_at, period, entries, amounts, unread) \
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing";
const INSERT_ENTRY: &str = "insert into ledger_entries (file, record, account, account_kind, document, posted_on, due_on, \
    amount, tax, quantity, rate, currency, narrative) \
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict do nothing";
const INSERT_REJECT: &str =
    "insert into ledger_rejects (file, record, reason, bytes) values ($1, $2, $3, $4) on conflict do nothing";
const COMPLETE: &str = "update ledger_files set complete = true where digest = $1";

#[jackfield::handler]
fn on_file(event: Event<Bytes>, cx: Context) -> Result<Output> {
    let name = event.subject.as_deref().unwrap_or_default();
    if event.meta.get("reference").is_some() {
        return Err(Error::rejected(format_args!("{name} is too large: raise `limits.event` of the component")));
    }
    // The trigger's id is the name and the SHA-256 of the content.
    let digest = event.id.rsplit(' ').next().unwrap_or_default();
    let file =
        File::read(&event.data, code_page(&cx, name)?).map_err(|e| Error::rejected(format_args!("{name}: {e}")))?;

    let rows = (1_i64..).zip(&file.rows).map(|(record, row)| match row {
        Row::Entry(entry) => (INSERT_ENTRY, of_entry(digest, record, entry)),
        Row::Wrong { reason, bytes } => {
            log::warn!("{name}: record {record}: {reason}");
            (INSERT_REJECT, params![digest, record, reason, hex(bytes)])
        }
    });
    let begin = iter::once((INSERT_FILE, of_file(digest, name, &file)));
    let end = iter::once((COMPLETE, params![digest]));
    let mut statements = begin.chain(rows).chain(end).peekable();

    // A batch that was written is not written again when the run is tried again; rows are written once whoever tries.
    let mut changes = Vec::with_capacity(file.rows.len() + 2);
    while statements.peek().is_some() {
        let batch = statements.by_ref().take(MOST_STATEMENTS);
        let batch = batch.fold(cx.sql.batch("ledger"), |batch, (text, values)| batch.execute(text, values));
        changes.extend(batch.commit()?);
    }
    // A file that was here under another name has its rows already.
    let new = file.rows.iter().zip(&changes[1..]).filter(|(_, change)| change.rows == 1);
    let (entries, rejected): (Vec<_>, Vec<_>) = new.partition(|(row, _)| matches!(row, Row::Entry(_)));
    let (entries, rejected) = (entries.len(), rejected.len());
    log::info!(records = file.rows.len(), entries, rejected; "{name} is written");
    Output::json(&json!({ "file": name, "records": file.rows.len(), "entries": entries, "rejected": rejected }))
}

/// The code page of a file, by the longest beginning of its name in the setting `ccsids`: `{ "de/" = 273 }`.
fn code_page(cx: &Context, name: &str) -> Result<&'static CodePage> {
    let ccsids: BTreeMap<String, u16> = cx.config.json("ccsids")?.unwrap_or_default();
    let fitting = ccsids.iter().filter(|(beginning, _)| name.starts_with(beginning.as_str()));
    let ccsid = fitting.max_by_key(|(beginning, _)| beginning.len()).map_or(USUAL_CCSID, |(_, ccsid)| *ccsid);
    let known = code_pages::ALL.iter().find(|page| page.ccsid == ccsid);
    // Somebody may correct the setting meanwhile.
    known.ok_or_else(|| {
        Error::new(format_args!("the setting `ccsids` has {ccsid}, which is none of 37, 273, 500 and 1140"))
    })
}

fn of_file(digest: &str, name: &str, file: &File) -> Vec<Value> {
    let File { header, trailer, unread, .. } = file;
    params![
        digest,
        name,
        &header.company,
        &header.system,
        header.written_at.to_string(),
        &header.period,
        trailer.entries,
        trailer.amounts.to_string(),
        unread.to_string()
    ]
}

fn of_entry(digest: &str, record: i64, entry: &file::Entry) -> Vec<Value> {
    params![
        digest,
        record,
        &entry.account,
        entry.account_kind,
        &entry.document,
        entry.posted_on.to_string(),
        entry.due_on.map(|date| date.to_string()),
        entry.amount.to_string(),
        entry.tax.to_string(),
        entry.quantity.to_string(),
        entry.rate.to_string(),
        &entry.currency,
        &entry.narrative
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
