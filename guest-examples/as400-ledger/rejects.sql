-- The rejected records as rejected.csv has them.
copy (
    select f.name, r.record, r.reason, r.bytes
    from ledger_files f join ledger_rejects r on r.file = f.digest
    order by f.name collate "C", r.record
) to stdout with (format csv, header);
