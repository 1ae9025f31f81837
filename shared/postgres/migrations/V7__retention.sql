-- What ended batches leave is removed part by part, each when its time is over.
--
-- The column comes with a default that says what was so before: processes of the previous version go on reading and
-- writing. What they end is kept as if nothing had been said about it.

CREATE TABLE batch_expiries (
    batch_id   uuid        NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    part       text        NOT NULL CHECK (part IN ('inputs', 'outputs', 'artifacts', 'dead_letters', 'results')),
    due_at     timestamptz NOT NULL,
    begun      boolean     NOT NULL DEFAULT false,         -- it is being removed; readers don't see it since then
    next_index integer     NOT NULL DEFAULT 0,             -- items before it have nothing of it any more
    PRIMARY KEY (batch_id, part)
);
COMMENT ON TABLE batch_expiries IS
    'What is to be removed of ended batches. Written with their end, gone when it is done, or when they run again. Locked after batches, or alone.';

CREATE INDEX batch_expiries_due ON batch_expiries (due_at);

ALTER TABLE batches
    ADD COLUMN expires_at timestamptz;                     -- all of it is removed then; null: nobody said so

-- Those that are kept as long as the scheduler's setting says.
CREATE INDEX batches_ended_kept ON batches (completed_at, id) WHERE completed_at IS NOT NULL AND expires_at IS NULL;

COMMENT ON TABLE batch_items IS
    'The items as they were submitted. Never updated, but for inputs that are removed: those become null.';
COMMENT ON TABLE batch_outcomes IS
    'What became of the items. The first outcome of an item stays; rows are never updated, but for outputs that are removed.';
