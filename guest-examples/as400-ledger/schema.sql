-- What the integration writes to. Once for each database: psql -f schema.sql

create table ledger_files (
    -- SHA-256 of the file's bytes: a copy under another name is the same file.
    digest     text primary key,
    name       text not null,
    company    text not null,
    system     text not null,
    written_at timestamp not null,
    period     text not null,
    -- What the trailer says.
    entries    integer not null,
    amounts    numeric(17, 2) not null,
    -- Of the trailer's amounts, what the rejected records whose amount cannot be read must stand for.
    unread     numeric(18, 2) not null,
    -- All of it is written. Who reads the entries of a file waits for this.
    complete   boolean not null default false
);

create table ledger_entries (
    file         text not null references ledger_files,
    -- From 1; the header is none.
    record       integer not null,
    account      text not null,
    account_kind text not null check (account_kind in ('asset', 'liability', 'equity', 'revenue', 'expense')),
    document     text not null,
    posted_on    date not null,
    due_on       date,
    amount       numeric(13, 2) not null,
    tax          numeric(9, 2) not null,
    quantity     numeric(10, 3) not null,
    rate         numeric(9, 6) not null,
    currency     text not null,
    narrative    text not null,
    primary key (file, record)
);

create table ledger_rejects (
    file   text not null references ledger_files,
    record integer not null,
    reason text not null,
    -- The record as it came, in hexadecimal digits.
    bytes  text not null,
    primary key (file, record)
);

-- The host's own, in which it finds again what was written when an answer was lost on the way.
create table jackfield_ledger (key text primary key, answer bytea not null, at timestamptz not null default now());
create index on jackfield_ledger (at);
