-- Which version was active where, since when and by whom. What was active before this table was there
-- has no name to it.

CREATE TABLE activations (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    place INTEGER NOT NULL,                 -- counted from 1 per scope
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    PRIMARY KEY (scope, place)
) WITHOUT ROWID, STRICT;
INSERT INTO activations (scope, place, version, at, who) SELECT scope, 1, version, since, '' FROM releases;
