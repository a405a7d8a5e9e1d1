-- How far each schedule is. A row comes and goes with the release that adds or removes the trigger.
CREATE TABLE schedules (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    "trigger" TEXT NOT NULL,
    timing TEXT NOT NULL,                   -- what its instants follow from
    since INTEGER NOT NULL,
    cursor INTEGER NOT NULL,                -- all instants up to here are dealt with; never moves back
    fired INTEGER,                          -- the last instant that became a run
    run BLOB,
    passed INTEGER NOT NULL DEFAULT 0,      -- instants since then that became none
    skipped INTEGER,                        -- the last of these
    why TEXT,
    PRIMARY KEY (scope, "trigger")
) WITHOUT ROWID, STRICT;
