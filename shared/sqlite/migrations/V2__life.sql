-- Everything that happens to a batch between its upload and its removal: limits, pauses, cancellation, retries, waiting,
-- dead letters, and batches that stay open. Named as in PostgreSQL; see V1 for numbers, keys and times.

ALTER TABLE batches ADD COLUMN rate_per_s REAL;                            -- most items dispatched per second
ALTER TABLE batches ADD COLUMN start_mode TEXT NOT NULL DEFAULT 'auto'     -- when its items may be dispatched
    CHECK (start_mode IN ('auto', 'manual', 'at'));
ALTER TABLE batches ADD COLUMN start_at INTEGER;                           -- with 'at': not before
ALTER TABLE batches ADD COLUMN deadline INTEGER;                           -- when it fails
ALTER TABLE batches ADD COLUMN canary INTEGER;                             -- so many run before somebody has looked
ALTER TABLE batches ADD COLUMN options TEXT NOT NULL DEFAULT '{}';         -- JSON: what no query looks into; see Options
ALTER TABLE batches ADD COLUMN control TEXT NOT NULL DEFAULT '{}';         -- JSON: what steers it; see Control
ALTER TABLE batches ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;           -- grows when dispatched items are to come back
ALTER TABLE batches ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;        -- results written
ALTER TABLE batches ADD COLUMN halted_at INTEGER;                          -- nothing starts any more
ALTER TABLE batches ADD COLUMN deleted_at INTEGER;                         -- it is to be removed; readers don't see it
ALTER TABLE batches ADD COLUMN stays_open INTEGER NOT NULL DEFAULT 0;      -- open, and accepted: takes items until sealed
ALTER TABLE batches ADD COLUMN appended INTEGER NOT NULL DEFAULT 0;        -- where it stays open: items that are kept
ALTER TABLE batches ADD COLUMN appending INTEGER NOT NULL DEFAULT 0;       -- somebody appends: microseconds that they may
                                                                           -- be silent for, after last_append_at

UPDATE batches SET revision = (SELECT coalesce(max(revision), 0) FROM batch_results WHERE batch = number);

CREATE INDEX batches_starting ON batches (start_at) WHERE start_mode = 'at' AND state IN ('pending', 'processing');
CREATE INDEX batches_due ON batches (deadline)
    WHERE deadline IS NOT NULL AND state IN ('open', 'pending', 'processing', 'paused');
CREATE INDEX batches_halted ON batches (id) WHERE state = 'cancelling';
CREATE INDEX batches_deleted ON batches (deleted_at) WHERE deleted_at IS NOT NULL;

-- Dispatched, and came back without being run: pending again.
ALTER TABLE batch_counters ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;

-- The token bucket of a batch with a rate.
ALTER TABLE batch_dispatch ADD COLUMN tokens REAL NOT NULL DEFAULT 0;
ALTER TABLE batch_dispatch ADD COLUMN refilled_at INTEGER;                 -- null: it is full

ALTER TABLE item_retries ADD COLUMN last_attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE item_retries ADD COLUMN losses INTEGER NOT NULL DEFAULT 0;     -- workers lost with it; then it runs alone
ALTER TABLE item_retries ADD COLUMN kind TEXT NOT NULL DEFAULT 'returned'  -- why it is due, or was
    CHECK (kind IN ('retrying', 'returned'));

-- Until now, what went out again was what a broker had lost.
UPDATE item_retries SET last_attempt = (SELECT max_attempts FROM batches WHERE number = batch);
UPDATE batch_counters SET returned = retrying, retrying = 0;

-- Items that run alone are looked for apart from the others.
DROP INDEX item_retries_due;
CREATE INDEX item_retries_due ON item_retries (batch, due_at) WHERE due_at IS NOT NULL AND losses = 0;
CREATE INDEX item_retries_suspect ON item_retries (batch, due_at) WHERE due_at IS NOT NULL AND losses > 0;
CREATE INDEX item_retries_alone ON item_retries (batch) WHERE due_at IS NULL AND losses > 0;

-- Items that have time without a delivery standing for them: a worker runs one for long, or something else will
-- complete it. Gone when they are not leased any more.
CREATE TABLE item_leases (
    key      INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL CHECK (kind IN ('leased', 'waiting')),
    attempt  INTEGER NOT NULL,
    since    INTEGER NOT NULL,                             -- when it was first leased for this attempt
    until    INTEGER NOT NULL,                             -- then the attempt has failed
    progress INTEGER,                                      -- 0 to 100, where that was said
    message  TEXT,                                         -- what it does, where that was said
    worker   TEXT                                          -- who runs it, where a worker does
) STRICT;

CREATE INDEX item_leases_by_end ON item_leases (until);

-- Attempts that failed and were followed by another.
CREATE TABLE item_attempts (
    key           INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    error_kind    TEXT    NOT NULL,
    error_message TEXT    NOT NULL,
    started_at    INTEGER NOT NULL,
    duration_us   INTEGER NOT NULL,
    worker        TEXT,
    PRIMARY KEY (key, attempt)
) STRICT, WITHOUT ROWID;

-- Failed items about which nobody has decided. The input is in batch_items.
CREATE TABLE dead_letters (
    key           INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL,                        -- the batch: lists go by it
    space         TEXT    NOT NULL,
    job_type      TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,
    error_kind    TEXT    NOT NULL,
    error_message TEXT    NOT NULL,
    attempts      INTEGER NOT NULL,
    worker        TEXT,
    started_at    INTEGER NOT NULL,
    dead_at       INTEGER NOT NULL
) STRICT;

CREATE INDEX dead_letters_listed ON dead_letters (space, id DESC, key);
CREATE INDEX dead_letters_by_error ON dead_letters (space, fingerprint, id DESC, key);

-- Items that failed before there were dead letters get theirs, so that they can be redriven too.
INSERT INTO dead_letters
    (key, id, space, job_type, fingerprint, error_kind, error_message, attempts, worker, started_at, dead_at)
SELECT o.key, b.id, b.space, b.job_type, o.fingerprint, o.error_kind, o.error_message, o.attempt, o.worker,
       o.started_at, o.recorded_at
FROM batch_outcomes AS o JOIN batches AS b ON b.number = o.batch
WHERE o.state = 'failed' AND o.state <> 'succeeded';

-- The token buckets of ceilings.
CREATE TABLE dispatch_scopes (
    scope       TEXT PRIMARY KEY,                          -- space:NAME or job_type:NAME
    tokens      REAL    NOT NULL,
    refilled_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was done to a batch, and by whom.
CREATE TABLE batch_events (
    id     INTEGER PRIMARY KEY,
    batch  INTEGER NOT NULL REFERENCES batches (number) ON DELETE CASCADE,
    at     INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    detail TEXT
) STRICT;

CREATE INDEX batch_events_by_batch ON batch_events (batch, id);

-- What every process of a deployment must know and nobody else may.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
