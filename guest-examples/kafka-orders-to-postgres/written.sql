-- The tables as expected.csv has them, an order in a line.
copy (
    select
        id,
        customer,
        to_char(placed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') as placed_at,
        currency,
        -- Of a long note its beginning.
        replace(left(note, 40), E'\n', '⏎') as note,
        length(note) as characters,
        total,
        (
            select string_agg(format('%s × %s at %s', quantity, sku, price), '; ' order by position)
            from order_lines
            where order_id = id
        ) as lines
    from orders
    order by id collate "C"
) to stdout with (format csv, header);
