-- Claims items of batches whose cursors this transaction has locked: as many as it has decided on under that lock.
-- $1: batches; of each, $2: items that are due, $3: those of them that run alone, $4 and $5: from which to before which
-- item for the first time, $6: whether it starts with that, $7 and $8: what its rate leaves, and when.
-- $9: now, $10: when the leases end.
WITH want AS (
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::boolean[],
                         $7::double precision[], $8::timestamptz[])
         AS w (batch_id, due, suspects, first_index, end_index, starts, tokens, refilled_at)
), taken AS (
    -- The row stays until there is an outcome: it knows which attempt this is. By place, because the planner may think
    -- that the table is empty and that it can as well be read whole.
    UPDATE item_retries SET due_at = NULL
    WHERE ctid = ANY (ARRAY(
        SELECT r.ctid
        FROM want
        CROSS JOIN LATERAL (
            SELECT ctid FROM item_retries
            WHERE batch_id = want.batch_id AND due_at <= $9 AND losses = 0
            ORDER BY due_at, index
            LIMIT want.due
        ) AS r
        UNION ALL
        SELECT r.ctid
        FROM want
        CROSS JOIN LATERAL (
            SELECT ctid FROM item_retries
            WHERE CASE WHEN losses > 0 THEN batch_id END = want.batch_id AND due_at <= $9 AND losses > 0
            ORDER BY due_at, index
            LIMIT want.suspects
        ) AS r
    ))
    RETURNING batch_id, index, attempt, last_attempt, losses, kind
), again AS (
    SELECT batch_id, count(*) FILTER (WHERE kind = 'retrying') AS retrying,
           count(*) FILTER (WHERE kind = 'returned') AS returned,
           array_agg(index ORDER BY index) AS indices, array_agg(attempt ORDER BY index) AS attempts,
           array_agg(last_attempt ORDER BY index) AS last_attempts, array_agg(losses ORDER BY index) AS losses
    FROM taken
    GROUP BY batch_id
), moved AS (
    UPDATE batch_dispatch d
    SET next_index = want.end_index, tokens = want.tokens, refilled_at = want.refilled_at
    FROM want
    WHERE d.batch_id = want.batch_id AND (want.end_index > want.first_index OR want.tokens IS NOT NULL)
), counted AS (
    UPDATE batch_counters c
    SET version = c.version + 1, retrying = c.retrying - coalesce(again.retrying, 0),
        returned = c.returned - coalesce(again.returned, 0)
    FROM want
    LEFT JOIN again ON again.batch_id = want.batch_id
    WHERE c.batch_id = want.batch_id AND (want.starts OR again.batch_id IS NOT NULL)
), started AS (
    UPDATE batches b SET state = 'processing', started_at = coalesce(b.started_at, $9)
    FROM want
    WHERE b.id = want.batch_id AND want.starts AND b.state IN ('pending', 'processing')
), claimed AS (
    INSERT INTO dispatch_claims (batch_id, lease_until, first_index, end_index, indices, attempts)
    SELECT want.batch_id, $10, want.first_index, want.end_index, coalesce(again.indices, '{}'),
           coalesce(again.attempts, '{}')
    FROM want
    LEFT JOIN again ON again.batch_id = want.batch_id
    ORDER BY want.batch_id
    RETURNING id, batch_id, first_index, end_index
)
SELECT claimed.id, claimed.batch_id, claimed.first_index, claimed.end_index, coalesce(again.indices, '{}') AS indices,
       coalesce(again.attempts, '{}') AS attempts, coalesce(again.last_attempts, '{}') AS last_attempts,
       coalesce(again.losses, '{}') AS losses
FROM claimed
LEFT JOIN again ON again.batch_id = claimed.batch_id
ORDER BY claimed.batch_id
