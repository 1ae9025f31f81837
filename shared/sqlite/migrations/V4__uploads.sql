-- What batches of millions need on their way in: names that are unique, rows that are skipped, producers that go on where
-- they were, keys that are remembered across batches. Names are unique in batches whose items come after this.

ALTER TABLE batches ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0; -- rows of batch_skipped that are part of it

-- Which item has a custom_id. Gone with the batch.
CREATE TABLE item_names (
    batch     INTEGER NOT NULL,
    custom_id TEXT    NOT NULL,
    "index"   INTEGER NOT NULL,
    PRIMARY KEY (batch, custom_id)
) STRICT, WITHOUT ROWID;

-- What was sent with a batch and is not part of it. Its key is that of an item with its number.
CREATE TABLE batch_skipped (
    key      INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,                             -- its place in what was sent
    line     INTEGER,                                      -- the line that it began on
    reason   TEXT    NOT NULL CHECK (reason IN ('malformed', 'invalid', 'duplicate_id', 'deduplicated')),
    detail   TEXT    NOT NULL,
    pointer  TEXT,                                         -- where in the item: a JSON pointer
    input    TEXT    NOT NULL                              -- what was sent, the first few kilobytes
) STRICT;

-- How far those are who append to a batch that stays open.
CREATE TABLE batch_producers (
    batch    INTEGER NOT NULL REFERENCES batches (number) ON DELETE CASCADE,
    producer TEXT    NOT NULL,
    position INTEGER NOT NULL,                             -- so much of what it sends is taken or skipped
    PRIMARY KEY (batch, producer)
) STRICT, WITHOUT ROWID;

-- The custom_ids that a space accepted of late, where batches ask for it.
CREATE TABLE item_keys (
    space  TEXT    NOT NULL,
    key    TEXT    NOT NULL,                               -- a custom_id
    batch  BLOB    NOT NULL,                               -- the id of who has it; may be gone
    until  INTEGER NOT NULL,
    PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX item_keys_by_batch ON item_keys (batch);
CREATE INDEX item_keys_until ON item_keys (until);
