-- What batches of millions need on their way in: names that are unique, rows that are skipped, producers that go on where
-- they were, keys that are remembered across batches.
--
-- No row is rewritten here and no table is read, so nobody waits for long. Names are unique in batches whose items come
-- after this.

ALTER TABLE batches
    ADD COLUMN skipped integer NOT NULL DEFAULT 0;             -- rows of batch_skipped that are part of it

CREATE TABLE item_names (
    batch_id  uuid    NOT NULL,
    custom_id text    NOT NULL,
    index     integer NOT NULL,
    PRIMARY KEY (batch_id, custom_id)
);
COMMENT ON TABLE item_names IS 'Which item has a custom_id. Makes them unique; gone with the batch.';

CREATE TABLE batch_skipped (
    batch_id uuid    NOT NULL,
    number   integer NOT NULL,                             -- from 0, without gaps
    position integer NOT NULL,                             -- its place in what was sent
    line     integer,                                      -- the line that it began on
    reason   text    NOT NULL CHECK (reason IN ('malformed', 'invalid', 'duplicate_id', 'deduplicated')),
    detail   text    NOT NULL,
    pointer  text,                                         -- where in the item: a JSON pointer
    input    text    NOT NULL,                             -- what was sent, the first few kilobytes
    PRIMARY KEY (batch_id, number)
);
COMMENT ON TABLE batch_skipped IS 'What was sent with a batch and is not part of it.';

CREATE TABLE batch_producers (
    batch_id uuid    NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    producer text    NOT NULL,
    position integer NOT NULL,                             -- so much of what it sends is taken or skipped
    PRIMARY KEY (batch_id, producer)
) WITH (fillfactor = 50);
COMMENT ON TABLE batch_producers IS 'How far those are who append to a batch that stays open.';

CREATE TABLE item_keys (
    space    text        NOT NULL,
    key      text        NOT NULL,                         -- a custom_id
    batch_id uuid        NOT NULL,                         -- who has it; may be gone
    until    timestamptz NOT NULL,
    PRIMARY KEY (space, key)
);
COMMENT ON TABLE item_keys IS 'The custom_ids that a space accepted of late, where batches ask for it.';

CREATE INDEX item_keys_by_batch ON item_keys (batch_id);
CREATE INDEX item_keys_until ON item_keys (until);
