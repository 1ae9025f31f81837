-- The truth about batches and their items. Tables and columns are named as in PostgreSQL.
--
-- Rows that change often are apart from rows that are long: a batch is written a handful of times, its counters with
-- every group of outcomes, its items never after their upload and their outcomes once.
--
-- A batch has a number besides its id, and the key of an item is `number << 32 | index`. So the items of a batch are a
-- range of rowids: an upload appends to the end of the table, a page of items is one range scan, and a row costs eight
-- bytes where a composite key would cost the id twice. The columns `batch` and `index` take the key apart for people.
--
-- Tables with a row per item have no foreign keys: a check per row would cost more than the row. The one writer deletes
-- them before their batch. Times are microseconds since 1970, UTC.

-- "Flot": no other program's database is mistaken for ours.
PRAGMA application_id = 0x466c6f74;

CREATE TABLE batches (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,     -- never used twice; see above
    id              BLOB    NOT NULL UNIQUE,               -- UUIDv7: sorts by creation
    space           TEXT    NOT NULL,                      -- tenant
    idempotency_key TEXT,                                  -- the producer's; one batch for each
    name            TEXT,                                  -- for people
    job_type        TEXT    NOT NULL,                      -- what handles its items; empty until it is sealed
    pool            TEXT    NOT NULL,                      -- which fleet
    priority        INTEGER NOT NULL,                      -- higher goes first, within the space
    concurrency     INTEGER,                               -- most items in flight; null: no bound of its own
    max_attempts    INTEGER NOT NULL,                      -- per item
    timeout_ms      INTEGER NOT NULL,                      -- per attempt
    metadata        TEXT,                                  -- JSON, the producer's
    traceparent     TEXT,                                  -- W3C trace context of the request that created it
    state           TEXT    NOT NULL CHECK (state IN
                        ('open', 'pending', 'processing', 'paused', 'cancelling', 'completed', 'failed', 'cancelled')),
    total           INTEGER NOT NULL DEFAULT 0,            -- items; grows while it is open
    max_input_bytes INTEGER NOT NULL DEFAULT 0,            -- the longest input
    created_at      INTEGER NOT NULL,                      -- its upload began
    last_append_at  INTEGER NOT NULL,                      -- an old one is an abandoned upload
    sealed_at       INTEGER,
    started_at      INTEGER,                               -- first dispatch
    completed_at    INTEGER,                               -- last outcome
    error           TEXT,                                  -- why it failed as a whole
    UNIQUE (space, idempotency_key)
) STRICT;

CREATE INDEX batches_listed ON batches (space, id);
CREATE INDEX batches_listed_by_state ON batches (space, state, id);
CREATE INDEX batches_open ON batches (last_append_at) WHERE state = 'open';
CREATE INDEX batches_active ON batches (id) WHERE state IN ('pending', 'processing', 'paused', 'cancelling');
CREATE INDEX batches_ended ON batches (completed_at, id) WHERE completed_at IS NOT NULL;

-- The volatile counts of a batch.
CREATE TABLE batch_counters (
    batch     INTEGER PRIMARY KEY REFERENCES batches (number) ON DELETE CASCADE,
    version   INTEGER NOT NULL DEFAULT 0,                  -- grows with every change that readers see
    retrying  INTEGER NOT NULL DEFAULT 0,                  -- items in item_retries that are not dispatched
    waiting   INTEGER NOT NULL DEFAULT 0,                  -- items that something else will complete
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed    INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    detail    TEXT    NOT NULL DEFAULT '{}'                -- JSON: pace, durations, error groups; see TallyDetail
) STRICT;

-- How far a batch is dispatched.
CREATE TABLE batch_dispatch (
    batch      INTEGER PRIMARY KEY REFERENCES batches (number) ON DELETE CASCADE,
    next_index INTEGER NOT NULL DEFAULT 0                  -- items before it were dispatched at least once
) STRICT;

-- The items as they were submitted. Never updated.
CREATE TABLE batch_items (
    key       INTEGER PRIMARY KEY,
    custom_id TEXT,                                        -- the producer's name for it
    input     TEXT    NOT NULL,                            -- JSON, to the byte
    batch     INTEGER GENERATED ALWAYS AS (key >> 32) VIRTUAL,
    "index"   INTEGER GENERATED ALWAYS AS (key & 0xffffffff) VIRTUAL
) STRICT;

-- What became of the items. The first outcome of an item stays; rows are never updated.
CREATE TABLE batch_outcomes (
    key           INTEGER PRIMARY KEY,
    state         TEXT    NOT NULL CHECK (state IN ('succeeded', 'failed', 'cancelled')),
    attempt       INTEGER NOT NULL,                        -- which attempt it was, from 1
    output        TEXT,                                    -- JSON: the answer itself, or
    output_key    TEXT,                                    -- where it is in object storage
    output_bytes  INTEGER,                                 -- and how long it is there
    error_kind    TEXT,
    error_message TEXT,
    fingerprint   TEXT,                                    -- equal for errors that mean the same
    started_at    INTEGER NOT NULL,                        -- by the worker's clock
    duration_us   INTEGER NOT NULL,                        -- in the handler
    worker        TEXT,                                    -- null: decided without running it
    recorded_at   INTEGER NOT NULL,
    batch         INTEGER GENERATED ALWAYS AS (key >> 32) VIRTUAL,
    "index"       INTEGER GENERATED ALWAYS AS (key & 0xffffffff) VIRTUAL
) STRICT;

-- Few among many: failures are what people look for. The key is part of every index.
CREATE INDEX batch_outcomes_unsuccessful ON batch_outcomes (state) WHERE state <> 'succeeded';

-- What a finished batch amounts to, written in the transaction of its last outcome.
CREATE TABLE batch_results (
    batch      INTEGER NOT NULL REFERENCES batches (number) ON DELETE CASCADE,
    revision   INTEGER NOT NULL,                           -- 1; more where failed items were run again
    result     TEXT    NOT NULL,                           -- the BatchResult, as JSON
    created_at INTEGER NOT NULL,
    PRIMARY KEY (batch, revision)
) STRICT, WITHOUT ROWID;

-- Items that a publisher is handing to the broker. Gone when the broker has them. A number that was used is not used
-- again, so that a publisher that comes back late ends no claim but its own.
CREATE TABLE dispatch_claims (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    batch       INTEGER NOT NULL REFERENCES batches (number) ON DELETE CASCADE,
    lease_until INTEGER NOT NULL,                          -- afterwards another publisher takes the claim over
    first_key   INTEGER NOT NULL,                          -- items dispatched for the first time: from here
    end_key     INTEGER NOT NULL,                          -- to before here
    again       TEXT    NOT NULL                           -- items dispatched again: a JSON array of keys, in order
) STRICT;

CREATE INDEX dispatch_claims_by_batch ON dispatch_claims (batch);
CREATE INDEX dispatch_claims_by_lease ON dispatch_claims (lease_until, id);

-- Items that go out more than once. Gone with their outcome.
CREATE TABLE item_retries (
    key     INTEGER PRIMARY KEY,
    batch   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,                              -- the attempt that is to be made
    due_at  INTEGER                                        -- null: it is dispatched; kept because it says which attempt
) STRICT;

CREATE INDEX item_retries_due ON item_retries (batch, due_at) WHERE due_at IS NOT NULL;
