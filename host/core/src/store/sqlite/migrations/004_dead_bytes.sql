-- What the dead letters of an integration hold in an environment: retention never removes them, so they
-- have a cap.

ALTER TABLE scopes ADD COLUMN dead_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE scopes SET dead_bytes =
    (SELECT coalesce(sum(h.bytes), 0) FROM history h WHERE h.scope = scopes.id AND h.state = 5);
