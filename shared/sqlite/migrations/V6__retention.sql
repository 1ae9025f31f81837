-- What ended batches leave is removed part by part, each when its time is over. Named as in PostgreSQL.

-- Written with the end of a batch, gone when it is done, or when the batch runs again.
CREATE TABLE batch_expiries (
    batch      INTEGER NOT NULL REFERENCES batches (number) ON DELETE CASCADE,
    part       TEXT    NOT NULL CHECK (part IN ('inputs', 'outputs', 'artifacts', 'dead_letters', 'results')),
    due_at     INTEGER NOT NULL,
    begun      INTEGER NOT NULL DEFAULT 0,                 -- it is being removed; readers don't see it since then
    next_index INTEGER NOT NULL DEFAULT 0,                 -- items before it have nothing of it any more
    PRIMARY KEY (batch, part)
) STRICT, WITHOUT ROWID;

CREATE INDEX batch_expiries_due ON batch_expiries (due_at);

ALTER TABLE batches ADD COLUMN expires_at INTEGER;         -- all of it is removed then; null: nobody said so

-- Those that are kept as long as the scheduler's setting says.
CREATE INDEX batches_ended_kept ON batches (completed_at, id) WHERE completed_at IS NOT NULL AND expires_at IS NULL;
