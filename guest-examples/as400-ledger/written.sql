-- The files and their entries as expected.csv has them.
copy (
    select
        f.name,
        f.company,
        f.written_at,
        f.period,
        f.entries,
        f.amounts,
        f.unread,
        f.complete,
        e.record,
        e.account,
        e.account_kind,
        e.document,
        e.posted_on,
        e.due_on,
        e.amount,
        e.tax,
        e.quantity,
        e.rate,
        e.currency,
        e.narrative
    from ledger_files f join ledger_entries e on e.file = f.digest
    order by f.name collate "C", e.record
) to stdout with (format csv, header);
