-- The whole life of a batch: limits, pause, cancel, retry, waiting, dead letters.
--
-- Columns only come, each with a default that says what was so before: processes of the previous version go on reading
-- and writing. No row is rewritten here, so nobody waits for long.

ALTER TABLE batches
    ADD COLUMN rate_per_s  double precision,                    -- most items dispatched per second; null: no bound
    ADD COLUMN start_mode  text        NOT NULL DEFAULT 'auto' CHECK (start_mode IN ('auto', 'manual', 'at')),
    ADD COLUMN start_at    timestamptz,                         -- with 'at': not before
    ADD COLUMN deadline    timestamptz,                         -- fails then
    ADD COLUMN canary      bigint,                              -- so many items first, then a person looks
    ADD COLUMN guarded     boolean     NOT NULL DEFAULT false,  -- outcomes can stop its dispatch: claims wait for them
    ADD COLUMN options     text        NOT NULL DEFAULT '{}',   -- JSON: the rest of what it is to do
    ADD COLUMN control     text        NOT NULL DEFAULT '{}',   -- JSON: pause and approval; see Control
    ADD COLUMN epoch       integer     NOT NULL DEFAULT 0,      -- grows with tighter limits
    ADD COLUMN revision    integer     NOT NULL DEFAULT 0,      -- results written; of the previous version's batches, 0
    ADD COLUMN halted_at   timestamptz,                         -- nothing of it starts since then
    ADD COLUMN deleted_at  timestamptz,                         -- readers do not see it since then
    ADD COLUMN stays_open  boolean     NOT NULL DEFAULT false,  -- accepted while it is open
    ADD COLUMN appended    integer     NOT NULL DEFAULT 0,      -- of one that stays open: the items that it keeps
    ADD COLUMN append_ms   bigint;                              -- somebody appends, and may be silent for so long

CREATE INDEX batches_kept_open ON batches (space, id DESC) WHERE state = 'open' AND stays_open;
CREATE INDEX batches_starting ON batches (start_at) WHERE start_mode = 'at' AND state IN ('pending', 'processing');
CREATE INDEX batches_due ON batches (deadline)
    WHERE deadline IS NOT NULL AND state IN ('open', 'pending', 'processing', 'paused');
CREATE INDEX batches_deleted ON batches (deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE batch_counters
    ADD COLUMN returned integer NOT NULL DEFAULT 0;             -- items in item_retries that came back without being run

ALTER TABLE batch_dispatch
    ADD COLUMN tokens      double precision,                    -- what the batch's rate left when it was last looked at,
    ADD COLUMN refilled_at timestamptz;                         -- and when that was; null: all of it

ALTER TABLE item_retries
    ADD COLUMN last_attempt integer,                            -- the last that it gets; null: as the batch says
    ADD COLUMN losses       integer NOT NULL DEFAULT 0,         -- workers that were lost with it; over 0: it runs alone
    ADD COLUMN kind         text    NOT NULL DEFAULT 'retrying' CHECK (kind IN ('retrying', 'returned'));
COMMENT ON COLUMN item_retries.kind IS 'Which count the item is in while it is due.';

-- Items that run alone, due or dispatched: next to none. Their batch is an expression so that no other index fits what is
-- asked about them: where all items of a batch go out again, they are found without walking along those.
CREATE INDEX item_retries_suspects ON item_retries ((CASE WHEN losses > 0 THEN batch_id END), due_at, index)
    WHERE losses > 0;

CREATE TABLE item_leases (
    batch_id uuid        NOT NULL,
    index    integer     NOT NULL,
    attempt  integer     NOT NULL,
    kind     text        NOT NULL CHECK (kind IN ('leased', 'waiting')),
    until    timestamptz NOT NULL,                         -- then the attempt has failed
    progress smallint,                                     -- 0 to 100, where it was said
    message  text,                                         -- what it does, where it was said
    worker   text,                                         -- who runs it, where a worker does
    PRIMARY KEY (batch_id, index)
) WITH (fillfactor = 70);
COMMENT ON TABLE item_leases IS
    'Items that no delivery stands for: a worker runs them for long, or something else will complete them.';

CREATE INDEX item_leases_until ON item_leases (until);

CREATE TABLE item_attempts (
    batch_id      uuid        NOT NULL,
    index         integer     NOT NULL,
    attempt       integer     NOT NULL,
    error_kind    text        NOT NULL,
    error_message text        NOT NULL,
    started_at    timestamptz NOT NULL,                    -- by the worker's clock
    duration_us   bigint      NOT NULL,
    worker        text,                                    -- null: nobody ran it
    PRIMARY KEY (batch_id, index, attempt)
);
COMMENT ON TABLE item_attempts IS 'Attempts that failed and were followed by another.';

CREATE TABLE dead_letters (
    batch_id      uuid        NOT NULL,
    index         integer     NOT NULL,
    space         text        NOT NULL,
    job_type      text        NOT NULL,
    error_kind    text        NOT NULL,
    error_message text        NOT NULL,
    fingerprint   text        NOT NULL,
    attempts      integer     NOT NULL,
    worker        text,                                    -- null: nobody lived to tell
    started_at    timestamptz NOT NULL,
    dead_at       timestamptz NOT NULL,
    PRIMARY KEY (batch_id, index)
);
COMMENT ON TABLE dead_letters IS
    'Failed items that nobody has decided about. What they were submitted with is in batch_items.';

CREATE INDEX dead_letters_listed ON dead_letters (space, batch_id DESC, index);
CREATE INDEX dead_letters_grouped ON dead_letters (space, fingerprint, batch_id DESC, index);

CREATE TABLE dispatch_scopes (
    scope       text             PRIMARY KEY,              -- `space:` or `job_type:` and its name
    tokens      double precision,                          -- as in batch_dispatch
    refilled_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE dispatch_scopes IS
    'What the configured ceilings leave. Claims lock the rows that they are under, after batch_counters, by key.';

CREATE TABLE batch_events (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id uuid        NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    at       timestamptz NOT NULL,
    actor    text        NOT NULL,
    action   text        NOT NULL,
    detail   text
);
COMMENT ON TABLE batch_events IS 'What was done to batches, in the order of the ids.';

CREATE INDEX batch_events_by_batch ON batch_events (batch_id, id);

CREATE TABLE secrets (
    name  text  PRIMARY KEY,
    value bytea NOT NULL
);
COMMENT ON TABLE secrets IS 'Made once, the same for every process.';

-- Small tables with much traffic: dead rows must not pile up until a fifth of a large table would be dead.
ALTER TABLE item_leases SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE dispatch_scopes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
