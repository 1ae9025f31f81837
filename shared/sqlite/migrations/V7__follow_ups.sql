-- Batches may call for a follow-up: one more step, once all of their items have ended. Named as in PostgreSQL.

-- An outbox: written with the result that calls for it.
CREATE TABLE follow_ups (
    batch     INTEGER NOT NULL REFERENCES batches (number) ON DELETE CASCADE,
    revision  INTEGER NOT NULL,                            -- of the result on which it follows
    follow_up BLOB,                                        -- the batch that was created; null: it is to be created
    PRIMARY KEY (batch, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX follow_ups_pending ON follow_ups (batch, revision) WHERE follow_up IS NULL;
