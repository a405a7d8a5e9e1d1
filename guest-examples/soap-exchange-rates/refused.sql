-- What was refused as refused.csv has it: currencies and quotes.
copy (
    select bank, currency, what, day, successor, reason
    from (
        select bank, currency, code as what, withdrawn_on::text as day, successor, reason from refused_currencies
        union all
        select bank, currency, 'quote', day, null, reason from refused_quotes
    ) as refused
    order by bank collate "C", currency collate "C", what collate "C", day
) to stdout with (format csv, header);
