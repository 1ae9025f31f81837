-- What is in flight of the batches that are under way.
-- $1: batches that are known, $2: before which of their items all were looked at. $3: of their items, those that were in
-- flight then, by batch, $4: by index. $5: how many others are looked at.
WITH under_way AS MATERIALIZED (
    SELECT b.id AS batch_id, b.pool, coalesce(k.seen, 0) AS seen,
           least(d.next_index, coalesce(k.seen, 0)::bigint + $5)::integer AS upto
    FROM batches b
    JOIN batch_dispatch d ON d.batch_id = b.id
    LEFT JOIN unnest($1::uuid[], $2::integer[]) AS k (batch_id, seen) ON k.batch_id = b.id
    WHERE b.state IN ('pending', 'processing', 'paused') AND d.next_index > 0
), once AS (
    -- Most of them have ended: reading their outcomes in a row takes less than half of looking each of them up.
    SELECT u.batch_id, i.index
    FROM under_way u
    CROSS JOIN LATERAL (
        SELECT generate_series(u.seen, u.upto - 1) AS index
        EXCEPT ALL
        SELECT o.index FROM batch_outcomes o
        WHERE o.batch_id = u.batch_id AND o.index >= u.seen AND o.index < u.upto
    ) AS i
    UNION ALL
    SELECT * FROM unnest($3::uuid[], $4::integer[])
), sent AS (
    -- Each of the three is one step into an index, however many rows the planner expects.
    SELECT once.batch_id, once.index, 1 AS attempt, 0 AS resends, true AS first, false AS isolated
    FROM once
    LEFT JOIN LATERAL (
        SELECT true AS there FROM batch_outcomes WHERE batch_id = once.batch_id AND index = once.index LIMIT 1
    ) AS o ON true
    LEFT JOIN LATERAL (
        SELECT true AS there FROM item_retries WHERE batch_id = once.batch_id AND index = once.index LIMIT 1
    ) AS r ON true
    LEFT JOIN LATERAL (
        SELECT true AS there FROM item_leases WHERE batch_id = once.batch_id AND index = once.index LIMIT 1
    ) AS l ON true
    WHERE o.there IS NULL AND r.there IS NULL AND l.there IS NULL
    UNION ALL
    SELECT r.batch_id, r.index, r.attempt, r.resends, false, r.losses > 0
    FROM under_way u
    CROSS JOIN LATERAL (
        SELECT * FROM item_retries WHERE batch_id = u.batch_id AND due_at IS NULL OFFSET 0
    ) AS r
    LEFT JOIN LATERAL (
        SELECT true AS there FROM item_leases WHERE batch_id = r.batch_id AND index = r.index LIMIT 1
    ) AS l ON true
    WHERE l.there IS NULL
)
SELECT u.batch_id, u.pool, u.upto, s.index, s.attempt, s.resends, s.first, s.isolated,
       EXISTS (
           SELECT FROM dispatch_claims c
           WHERE c.batch_id = u.batch_id
             AND (s.index >= c.first_index AND s.index < c.end_index OR s.index = ANY (c.indices))
       ) AS claimed
FROM under_way u
LEFT JOIN sent s ON s.batch_id = u.batch_id
ORDER BY u.batch_id
