-- What an operator decides: over calls in doubt, over dead letters in bulk, and where notices go.

-- How often a run was held because a connection let no call through.
ALTER TABLE queue ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- The run that took a dead letter's place, if it was started fresh.
ALTER TABLE history ADD COLUMN fresh BLOB;

CREATE TABLE decisions (
    run BLOB NOT NULL,
    place INTEGER NOT NULL,                 -- counted from 1 per run
    record BLOB NOT NULL,                   -- MessagePack
    PRIMARY KEY (run, place)
) WITHOUT ROWID, STRICT;

-- Work on dead letters that the host does by itself, at a rate.
CREATE TABLE jobs (
    request TEXT PRIMARY KEY,
    job TEXT NOT NULL,                      -- JSON
    open INTEGER NOT NULL,
    at INTEGER NOT NULL                     -- when it was asked for; once it is over, when it was
) WITHOUT ROWID, STRICT;

-- Where an environment's notices go.
CREATE TABLE notify (
    environment INTEGER PRIMARY KEY REFERENCES environments (id),
    target TEXT NOT NULL                    -- JSON
) STRICT;

-- Notices to be sent: one per integration and kind, however many runs it is about.
CREATE TABLE notices (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    state INTEGER NOT NULL,                 -- 3 needs-decision, 5 dead-lettered
    count INTEGER NOT NULL,                 -- runs not told of yet
    run BLOB NOT NULL,                      -- the latest of them
    component TEXT NOT NULL,                -- its component
    reason TEXT NOT NULL,                   -- its reason, without a guest's words
    since INTEGER NOT NULL,
    due INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    problem TEXT,                           -- why the last try failed
    PRIMARY KEY (scope, state)
) WITHOUT ROWID, STRICT;
