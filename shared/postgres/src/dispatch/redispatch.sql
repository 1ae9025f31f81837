-- Returns every dispatched item of batch $1, as due at $2, that has no outcome and no lease, is under no claim and is not
-- due.
WITH dispatched AS (
    SELECT i.index, b.max_attempts
    FROM batch_dispatch d
    JOIN batches b ON b.id = d.batch_id
    CROSS JOIN LATERAL generate_series(0, d.next_index - 1) AS i (index)
    WHERE d.batch_id = $1
), lost AS MATERIALIZED (
    SELECT index, max_attempts FROM dispatched
    WHERE NOT EXISTS (SELECT FROM batch_outcomes o WHERE o.batch_id = $1 AND o.index = dispatched.index)
), unclaimed AS (
    SELECT index, max_attempts FROM lost
    WHERE NOT EXISTS (SELECT FROM item_leases l WHERE l.batch_id = $1 AND l.index = lost.index)
      AND NOT EXISTS (
        SELECT FROM dispatch_claims c
        WHERE c.batch_id = $1
          AND (lost.index >= c.first_index AND lost.index < c.end_index OR lost.index = ANY (c.indices))
    )
)
INSERT INTO item_retries AS r (batch_id, index, attempt, last_attempt, due_at, kind)
SELECT $1, index, 1, max_attempts, $2, 'returned' FROM unclaimed
-- An item that went out again before is the attempt that it was.
ON CONFLICT (batch_id, index) DO UPDATE SET due_at = excluded.due_at, kind = excluded.kind WHERE r.due_at IS NULL
