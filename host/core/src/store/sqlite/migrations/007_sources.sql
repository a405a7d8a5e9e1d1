-- Where a trigger that hears from another system goes on from, in that system's own terms.
CREATE TABLE source_cursors (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    "trigger" TEXT NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (scope, "trigger")
) WITHOUT ROWID, STRICT;
