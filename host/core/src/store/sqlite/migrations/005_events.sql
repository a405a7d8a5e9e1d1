-- How deep each run is in a chain of events, and where it stands among the runs of its ordering key.

ALTER TABLE queue ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;   -- events that led to it, each made by a run
ALTER TABLE queue ADD COLUMN line BLOB;                          -- 16 bytes: a hash of where, trigger and key
ALTER TABLE queue ADD COLUMN place INTEGER NOT NULL DEFAULT 0;   -- in its line; unique in it
ALTER TABLE queue ADD COLUMN holds INTEGER NOT NULL DEFAULT 0;   -- it was claimed: it is the first of its line
ALTER TABLE queue ADD COLUMN blocks INTEGER NOT NULL DEFAULT 0;  -- as a dead letter it holds up its line
CREATE INDEX queue_by_line ON queue (line, place) WHERE line IS NOT NULL;

ALTER TABLE history ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN line BLOB;
ALTER TABLE history ADD COLUMN blocks INTEGER NOT NULL DEFAULT 0;
CREATE INDEX history_by_line ON history (line) WHERE state = 5 AND blocks = 1;
