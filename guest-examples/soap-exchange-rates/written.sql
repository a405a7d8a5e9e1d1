-- The table rates as expected.csv has it.
copy (
    select
        bank,
        currency,
        day,
        kind,
        units,
        rate,
        to_char(published_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') as published_at,
        -- Of a long note its beginning.
        left(note, 40) as note
    from rates
    order by bank collate "C", currency collate "C", day
) to stdout with (format csv, header);
