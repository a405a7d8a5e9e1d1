-- What the report reads. Once for each database: psql -f schema.sql

create table sales (
    id       bigint primary key,
    sold_at  timestamptz not null,
    customer text not null,
    product  text not null,
    -- Below zero for what was taken back.
    quantity integer,
    price    numeric(12, 2)
);

create index on sales (sold_at);
