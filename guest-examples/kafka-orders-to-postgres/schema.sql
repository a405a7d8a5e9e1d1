-- What the integration writes to. Once for each database: psql -f schema.sql

create table orders (
    id        text primary key,
    customer  text not null,
    placed_at timestamptz not null,
    currency  text not null check (currency in ('CHF', 'EUR', 'GBP', 'JPY', 'SEK', 'USD')),
    note      text,
    total     numeric(12, 2) not null,
    -- The record that it came with: cluster, topic, partition and offset.
    record    text not null
);

create table order_lines (
    order_id text not null references orders,
    position integer not null,
    sku      text not null,
    quantity integer not null check (quantity > 0),
    price    numeric(12, 2) not null,
    primary key (order_id, position)
);

-- The host's own, in which it finds again what was written when an answer was lost on the way.
create table jackfield_ledger (key text primary key, answer bytea not null, at timestamptz not null default now());
create index on jackfield_ledger (at);
