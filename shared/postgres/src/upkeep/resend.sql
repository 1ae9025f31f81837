-- Makes items of batch $1 due whose messages are lost: those that are in flight as they were listed, without a lease, and
-- under no claim.
-- $2: which, $3: their attempts, $4: how often each was sent again before, $5: whether it was dispatched only once,
-- $6: when each is due.
WITH lost AS (
    SELECT l.*
    FROM unnest($2::integer[], $3::integer[], $4::integer[], $5::boolean[], $6::timestamptz[])
         AS l (index, attempt, resends, first, due_at)
    WHERE NOT EXISTS (SELECT FROM item_leases WHERE batch_id = $1 AND index = l.index)
      AND NOT EXISTS (
        SELECT FROM dispatch_claims c
        WHERE c.batch_id = $1 AND (l.index >= c.first_index AND l.index < c.end_index OR l.index = ANY (c.indices))
    )
), once AS (
    INSERT INTO item_retries (batch_id, index, attempt, last_attempt, due_at, kind, resends)
    SELECT $1, l.index, l.attempt, b.max_attempts, l.due_at, 'returned', 1
    FROM lost l
    JOIN batches b ON b.id = $1
    JOIN batch_dispatch d ON d.batch_id = $1
    WHERE l.first AND l.index < d.next_index
      AND NOT EXISTS (SELECT FROM batch_outcomes WHERE batch_id = $1 AND index = l.index)
    ON CONFLICT (batch_id, index) DO NOTHING
    RETURNING index
), again AS (
    UPDATE item_retries r
    SET due_at = l.due_at, kind = 'returned', resends = least(r.resends + 1, 32767)
    FROM lost l
    WHERE NOT l.first AND r.batch_id = $1 AND r.index = l.index AND r.attempt = l.attempt AND r.resends = l.resends
      AND r.due_at IS NULL
    RETURNING r.index
)
SELECT (SELECT count(*) FROM once) + (SELECT count(*) FROM again) AS resent
