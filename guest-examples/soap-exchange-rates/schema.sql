-- What the integration writes to. Once for each database: psql -f schema.sql

create table rates (
    bank         text not null,
    currency     text not null,
    day          date not null,
    kind         text not null check (kind in ('FIXING', 'INDICATIVE', 'HOLIDAY')),
    -- So many euros for so many units of the currency, with the digits that the bank gave. On a holiday there is none.
    units        integer not null check (units > 0),
    rate         numeric check (rate > 0),
    published_at timestamptz not null,
    note         text,
    primary key (bank, currency, day),
    check ((rate is null) = (kind = 'HOLIDAY'))
);

-- Currencies for which a bank has no rates, as of the last time.
create table refused_currencies (
    bank         text not null,
    currency     text not null,
    code         text not null check (code in ('UNKNOWN_CURRENCY', 'WITHDRAWN')),
    withdrawn_on date,
    successor    text,
    reason       text not null,
    primary key (bank, currency)
);

-- Quotes that are wrong, as the bank gave them. They leave when a right one takes their place.
create table refused_quotes (
    bank     text not null,
    currency text not null,
    day      text not null,
    reason   text not null,
    quote    text not null,
    primary key (bank, currency, day)
);

-- The host's own, in which it finds again what was written when an answer was lost on the way.
create table jackfield_ledger (key text primary key, answer bytea not null, at timestamptz not null default now());
create index on jackfield_ledger (at);
