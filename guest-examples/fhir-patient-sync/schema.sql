-- The hospital's patients, and what the integration needs beside them. Once for each database: psql -f schema.sql

create table patients (
    id           bigint generated always as identity primary key,
    -- The hospital's own number. None: the patient is known from the server alone.
    mrn          text unique,
    active       boolean not null default true,
    gender       text,
    -- As far as it is known: 1957, 1957-03 or 1957-03-14.
    birth_date   text,
    -- Null: not that we know. `yes`, or when: 2024-11-02 or 2024-11-02T08:15:00+01:00.
    deceased     text,

    -- The integration's own: which patient of the server it is, and the version that is known here.
    fhir_id      text unique,
    fhir_version text,
    fhir_updated timestamptz,
    -- The transaction in which that was noted for the last time.
    noted_in     bigint
);

create table patient_names (
    patient_id bigint not null references patients on delete cascade,
    position   integer not null,
    use        text,
    family     text,
    given      text[] not null default '{}',
    whole      text,
    primary key (patient_id, position)
);

-- Numbers of others, such as of an insurance.
create table patient_identifiers (
    patient_id bigint not null references patients on delete cascade,
    position   integer not null,
    system     text,
    value      text,
    primary key (patient_id, position)
);

create table patient_contacts (
    patient_id bigint not null references patients on delete cascade,
    position   integer not null,
    system     text,
    value      text,
    use        text,
    primary key (patient_id, position)
);

create table patient_addresses (
    patient_id  bigint not null references patients on delete cascade,
    position    integer not null,
    use         text,
    lines       text[] not null default '{}',
    city        text,
    postal_code text,
    country     text,
    primary key (patient_id, position)
);

-- The patients that have changed here, and are not yet so on the server.
create table outbox (
    patient_id bigint primary key references patients on delete cascade,
    -- Another number for each change: a change that comes while an earlier one is sent stays.
    change     bigint not null default 1,
    state      text not null default 'waiting' check (state in ('waiting', 'refused', 'conflict')),
    -- Why the server refused it, or what is in conflict with it.
    error      text,
    queued_at  timestamptz not null default now()
);

-- What the integration brings from the server is no change of ours: it goes with another version, and the transaction is noted.
create function note_version() returns trigger language plpgsql as $$
begin
    new.noted_in := txid_current();
    return new;
end $$;

create trigger version_on_insert before insert on patients
    for each row when (new.fhir_updated is not null) execute function note_version();
create trigger version_on_update before update on patients
    for each row when (new.fhir_updated is distinct from old.fhir_updated) execute function note_version();

-- Every other change goes into the outbox, and is told at once to whoever listens.
create function queue_patient() returns trigger language plpgsql as $$
declare
    row_changed jsonb := case tg_op when 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
    changed bigint := row_changed ->> tg_argv[0];
begin
    if exists (select from patients where id = changed and noted_in is distinct from txid_current()) then
        insert into outbox (patient_id) values (changed)
        on conflict (patient_id) do update
        set change = outbox.change + 1, state = 'waiting', error = null, queued_at = now();
        perform pg_notify('patients', changed::text);
    end if;
    return null;
end $$;

create trigger queue_on_insert after insert on patients
    for each row execute function queue_patient('id');
create trigger queue_on_update after update on patients
    for each row when (
        (old.mrn, old.active, old.gender, old.birth_date, old.deceased)
        is distinct from (new.mrn, new.active, new.gender, new.birth_date, new.deceased)
    ) execute function queue_patient('id');
create trigger queue_names after insert or update or delete on patient_names
    for each row execute function queue_patient('patient_id');
create trigger queue_identifiers after insert or update or delete on patient_identifiers
    for each row execute function queue_patient('patient_id');
create trigger queue_contacts after insert or update or delete on patient_contacts
    for each row execute function queue_patient('patient_id');
create trigger queue_addresses after insert or update or delete on patient_addresses
    for each row execute function queue_patient('patient_id');

-- The host's own, in which it finds again what was written when an answer was lost on the way.
create table jackfield_ledger (key text primary key, answer bytea not null, at timestamptz not null default now());
create index on jackfield_ledger (at);
