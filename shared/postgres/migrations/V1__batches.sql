-- The truth about batches and their items.
--
-- Rows that change often are apart from rows that are long: a batch is written a handful of times, its counters with
-- every group of outcomes, its items never after their upload and their outcomes once.
--
-- Tables with a row per item have no foreign keys: a check per row would halve the speed of COPY. Their batch is there
-- because whoever writes them holds a lock on a row of it, and they are deleted before it.
--
-- JSON that people submit is text: it must come back to the byte, and `json` has limits (depth) that its producer does
-- not know about. It is valid JSON all the same: cast it to look inside.

CREATE TABLE batches (
    id              uuid        PRIMARY KEY,               -- UUIDv7: sorts by creation
    space           text        NOT NULL,                  -- tenant
    idempotency_key text,                                  -- the producer's; one batch for each
    name            text,                                  -- for people
    job_type        text        NOT NULL,                  -- what handles its items; empty until it is sealed
    pool            text        NOT NULL,                  -- which fleet
    priority        smallint    NOT NULL,                  -- higher goes first, within the space
    concurrency     bigint,                                -- most items in flight; null: no bound of its own
    max_attempts    integer     NOT NULL,                  -- per item
    timeout_ms      bigint      NOT NULL,                  -- per attempt
    metadata        text,                                  -- JSON, the producer's
    traceparent     text,                                  -- W3C trace context of the request that created it
    state           text        NOT NULL CHECK (state IN
                        ('open', 'pending', 'processing', 'paused', 'cancelling', 'completed', 'failed', 'cancelled')),
    total           integer     NOT NULL DEFAULT 0,        -- items; grows while it is open
    max_input_bytes integer     NOT NULL DEFAULT 0,        -- the longest input
    input_bytes     bigint      NOT NULL DEFAULT 0,        -- all inputs
    created_at      timestamptz NOT NULL,                  -- its upload began
    last_append_at  timestamptz NOT NULL,                  -- by this server's clock; an old one is an abandoned upload
    sealed_at       timestamptz,
    started_at      timestamptz,                           -- first dispatch
    completed_at    timestamptz,                           -- last outcome
    error           text,                                  -- why it failed as a whole
    UNIQUE (space, idempotency_key)
);
COMMENT ON TABLE batches IS 'What was asked for, and where it stands. Locked after batch_dispatch and batch_counters.';

-- No index has a column that changes while a batch is uploaded: those updates stay within their page (HOT).
CREATE INDEX batches_listed ON batches (space, id DESC) WHERE state <> 'open';
CREATE INDEX batches_open ON batches (id) WHERE state = 'open';
CREATE INDEX batches_active ON batches (id) WHERE state IN ('pending', 'processing', 'paused', 'cancelling');
CREATE INDEX batches_ended ON batches (completed_at, id) WHERE completed_at IS NOT NULL;

CREATE TABLE batch_counters (
    batch_id  uuid    PRIMARY KEY REFERENCES batches (id) ON DELETE CASCADE,
    version   bigint  NOT NULL DEFAULT 0,                  -- grows with every change that readers see
    retrying  integer NOT NULL DEFAULT 0,                  -- items in item_retries that are not dispatched
    waiting   integer NOT NULL DEFAULT 0,                  -- items that something else will complete
    succeeded integer NOT NULL DEFAULT 0,
    failed    integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    detail    text    NOT NULL DEFAULT '{}'                -- JSON: pace, durations, error groups; see TallyDetail
) WITH (fillfactor = 50);
COMMENT ON TABLE batch_counters IS
    'The volatile counts of a batch. Whoever records outcomes locks the row first, so a batch has one writer at a time.';

CREATE TABLE batch_dispatch (
    batch_id   uuid    PRIMARY KEY REFERENCES batches (id) ON DELETE CASCADE,
    next_index integer NOT NULL DEFAULT 0                  -- items before it were dispatched at least once
) WITH (fillfactor = 50);
COMMENT ON TABLE batch_dispatch IS 'How far a batch is dispatched. Publishers lock the row and skip what is locked.';

CREATE TABLE batch_items (
    batch_id  uuid    NOT NULL,
    index     integer NOT NULL,                            -- from 0, without gaps
    custom_id text,                                        -- the producer's name for it
    input     text    NOT NULL,                            -- JSON, as it was submitted
    PRIMARY KEY (batch_id, index)
);
COMMENT ON TABLE batch_items IS 'The items as they were submitted. Never updated.';

CREATE TABLE batch_outcomes (
    batch_id      uuid        NOT NULL,
    index         integer     NOT NULL,
    state         text        NOT NULL CHECK (state IN ('succeeded', 'failed', 'cancelled')),
    attempt       integer     NOT NULL,                    -- which attempt it was, from 1
    output        text,                                    -- JSON: the answer itself, or
    output_key    text,                                    -- where it is in object storage
    output_bytes  bigint,                                  -- and how long it is there
    error_kind    text,
    error_message text,
    fingerprint   text,                                    -- equal for errors that mean the same
    started_at    timestamptz NOT NULL,                    -- by the worker's clock
    duration_us   bigint      NOT NULL,                    -- in the handler
    worker        text,                                    -- null: decided without running it
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (batch_id, index)
);
COMMENT ON TABLE batch_outcomes IS 'What became of the items. The first outcome of an item stays; rows are never updated.';

-- Few among many: failures are what people look for.
CREATE INDEX batch_outcomes_unsuccessful ON batch_outcomes (batch_id, state, index) WHERE state <> 'succeeded';

CREATE TABLE batch_results (
    batch_id   uuid        NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    revision   integer     NOT NULL,                       -- 1; more where failed items were run again
    space      text        NOT NULL,
    result     json        NOT NULL,                       -- the BatchResult as the API shows it
    created_at timestamptz NOT NULL,
    PRIMARY KEY (batch_id, revision)
);
COMMENT ON TABLE batch_results IS 'What a finished batch amounts to, written in the transaction of its last outcome.';

CREATE TABLE dispatch_claims (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id    uuid        NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    lease_until timestamptz NOT NULL,                      -- afterwards another publisher takes the claim over
    first_index integer     NOT NULL,                      -- items dispatched for the first time: from here
    end_index   integer     NOT NULL,                      -- to before here
    indices     integer[]   NOT NULL,                      -- items dispatched again, in order,
    attempts    integer[]   NOT NULL                       -- and which attempt each of them is
);
COMMENT ON TABLE dispatch_claims IS 'Items that a publisher is handing to the broker. Gone when the broker has them.';

CREATE INDEX dispatch_claims_by_batch ON dispatch_claims (batch_id);
CREATE INDEX dispatch_claims_by_lease ON dispatch_claims (lease_until);

CREATE TABLE item_retries (
    batch_id uuid        NOT NULL,
    index    integer     NOT NULL,
    attempt  integer     NOT NULL,                         -- the attempt that is to be made
    due_at   timestamptz,                                  -- null: it is dispatched; kept because it says which attempt
    PRIMARY KEY (batch_id, index)
);
COMMENT ON TABLE item_retries IS 'Items that go out more than once. Gone with their outcome.';

CREATE INDEX item_retries_due ON item_retries (batch_id, due_at, index) WHERE due_at IS NOT NULL;

-- Small tables with much traffic: dead rows must not pile up until a fifth of a large table would be dead.
ALTER TABLE batch_counters SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE batch_dispatch SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE dispatch_claims SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE item_retries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
