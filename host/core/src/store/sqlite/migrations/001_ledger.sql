-- The ledger, as first released. Never edited: a change is a new file.
-- Times are milliseconds since 1970 UTC. Run ids are their 16 bytes, whose order is the order of ids.

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT;

-- Names become numbers here, once.

CREATE TABLE environments (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kept_runs INTEGER NOT NULL DEFAULT 0,   -- what retention counts: succeeded, cancelled, discarded
    kept_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO environments (name) VALUES ('dev'), ('prod');

CREATE TABLE integrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE scopes (
    id INTEGER PRIMARY KEY,
    environment INTEGER NOT NULL REFERENCES environments (id),
    integration INTEGER NOT NULL REFERENCES integrations (id),
    kv_bytes INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    UNIQUE (environment, integration)
) STRICT;

CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (id),
    version INTEGER NOT NULL,
    component TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    UNIQUE (scope, version, component, "trigger")
) STRICT;

-- Runs that are not final. A row leaves when its run finishes.
CREATE TABLE queue (
    run BLOB PRIMARY KEY,
    target INTEGER NOT NULL REFERENCES targets (id),
    state INTEGER NOT NULL,                 -- 0 queued, 1 running, 2 waiting, 3 needs-decision
    due INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,       -- grows with each claim
    accepted INTEGER NOT NULL,
    window_start INTEGER NOT NULL,          -- when the time to try again began: accepted, or resumed
    started INTEGER NOT NULL DEFAULT 0,     -- when the attempt under way was claimed
    begun INTEGER NOT NULL DEFAULT 0,       -- attempts begun
    used INTEGER NOT NULL DEFAULT 0,        -- attempts used up
    failed INTEGER NOT NULL DEFAULT 0,
    hard INTEGER NOT NULL DEFAULT 0,
    faults INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,     -- times it took the host with it while alone
    suspect INTEGER NOT NULL DEFAULT 0,
    alone INTEGER NOT NULL DEFAULT 0,       -- the attempt under way was claimed alone
    cancel INTEGER NOT NULL DEFAULT 0,      -- somebody wishes it cancelled
    memory INTEGER NOT NULL,
    concurrency INTEGER NOT NULL,
    bytes INTEGER NOT NULL,                 -- of the event
    last_outcome TEXT,
    reason TEXT
) WITHOUT ROWID, STRICT;

-- Runs that are final. Rows come once; only a resumed dead letter, or retention, takes one away.
CREATE TABLE history (
    run BLOB PRIMARY KEY,
    target INTEGER NOT NULL REFERENCES targets (id),
    scope INTEGER NOT NULL,
    environment INTEGER NOT NULL,
    state INTEGER NOT NULL,                 -- 4 succeeded, 5 dead-lettered, 6 cancelled, 7 discarded
    fence INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    begun INTEGER NOT NULL,
    used INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    concurrency INTEGER NOT NULL,
    event_bytes INTEGER NOT NULL,
    bytes INTEGER NOT NULL,                 -- of event, output and journal
    last_outcome TEXT,
    reason TEXT
) WITHOUT ROWID, STRICT;
CREATE INDEX history_by_state ON history (scope, state, run);
CREATE INDEX history_by_age ON history (environment, finished) WHERE state IN (4, 6, 7);

-- The event of a run, MessagePack; its data is in `bodies` if there is much of it.
CREATE TABLE events (
    run BLOB PRIMARY KEY,
    event BLOB NOT NULL,
    checksum INTEGER NOT NULL,              -- of `event`
    body BLOB
) WITHOUT ROWID, STRICT;

-- Data by its SHA-256, shared by the events that carry the same.
CREATE TABLE bodies (
    digest BLOB PRIMARY KEY,
    uses INTEGER NOT NULL,
    bytes BLOB NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE outputs (run BLOB PRIMARY KEY, output BLOB NOT NULL) WITHOUT ROWID, STRICT;

CREATE TABLE attempts (
    run BLOB NOT NULL,
    place INTEGER NOT NULL,                 -- attempts have the same number if the host released one
    record BLOB NOT NULL,
    PRIMARY KEY (run, place)
) WITHOUT ROWID, STRICT;

CREATE TABLE journal (
    run BLOB NOT NULL,
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID, STRICT;

-- What was accepted in the last seven days, by the SHA-256 of its identity.
CREATE TABLE dedupe (key BLOB PRIMARY KEY, run BLOB NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE INDEX dedupe_by_age ON dedupe (at);

-- Requests that must be carried out once.
CREATE TABLE requests (
    request TEXT PRIMARY KEY,
    answer INTEGER NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX requests_by_age ON requests (at);

CREATE TABLE kv (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    key BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires INTEGER,
    value BLOB NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX kv_by_expiry ON kv (expires) WHERE expires IS NOT NULL;

CREATE TABLE artifacts (
    digest BLOB PRIMARY KEY,
    inspection TEXT NOT NULL,               -- JSON
    added INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE versions (
    integration INTEGER NOT NULL REFERENCES integrations (id),
    number INTEGER NOT NULL,
    version TEXT NOT NULL,                  -- JSON
    added INTEGER NOT NULL,
    PRIMARY KEY (integration, number)
) WITHOUT ROWID, STRICT;

CREATE TABLE releases (
    scope INTEGER PRIMARY KEY REFERENCES scopes (id),
    version INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;

CREATE TABLE hooks (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    "trigger" TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    PRIMARY KEY (scope, "trigger")
) WITHOUT ROWID, STRICT;

CREATE TABLE connections (
    environment INTEGER NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL,
    connection TEXT NOT NULL,               -- JSON
    PRIMARY KEY (environment, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE bindings (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    name TEXT NOT NULL,
    connection TEXT NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE config (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,                    -- JSON
    PRIMARY KEY (scope, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE secrets (
    environment INTEGER NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (environment, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    token TEXT NOT NULL                     -- JSON
) WITHOUT ROWID, STRICT;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL                      -- SHA-256 over the hash before and this entry
) STRICT;
CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit trail only grows');
END;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit trail only grows');
END;
