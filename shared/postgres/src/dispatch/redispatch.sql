-- Makes every dispatched item of batch $1 due at $2 that has no outcome, is under no claim and does not wait already.
WITH dispatched AS (
    SELECT i.index
    FROM batch_dispatch d
    CROSS JOIN LATERAL generate_series(0, d.next_index - 1) AS i (index)
    WHERE d.batch_id = $1
), lost AS MATERIALIZED (
    SELECT index FROM dispatched
    WHERE NOT EXISTS (SELECT FROM batch_outcomes o WHERE o.batch_id = $1 AND o.index = dispatched.index)
), unclaimed AS (
    SELECT index FROM lost
    WHERE NOT EXISTS (
        SELECT FROM dispatch_claims c
        WHERE c.batch_id = $1
          AND (lost.index >= c.first_index AND lost.index < c.end_index OR lost.index = ANY (c.indices))
    )
)
INSERT INTO item_retries AS r (batch_id, index, attempt, due_at)
SELECT $1, index, 1, $2 FROM unclaimed
-- An item that went out again before is the attempt that it was.
ON CONFLICT (batch_id, index) DO UPDATE SET due_at = excluded.due_at WHERE r.due_at IS NULL
