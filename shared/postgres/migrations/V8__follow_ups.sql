-- Batches may call for a follow-up: one more step, once all of their items have ended.

CREATE TABLE follow_ups (
    batch_id  uuid    NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    revision  integer NOT NULL,                            -- of the result on which it follows
    follow_up uuid,                                        -- the batch that was created; null: it is to be created
    PRIMARY KEY (batch_id, revision)
);
COMMENT ON TABLE follow_ups IS 'An outbox: written with the result that calls for it.';

CREATE INDEX follow_ups_pending ON follow_ups (batch_id, revision) WHERE follow_up IS NULL;
