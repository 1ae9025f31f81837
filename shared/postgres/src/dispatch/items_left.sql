-- The items of stretches that are still dispatched, as the claim has them: without an outcome or a lease, and not due.
-- $1: claims, $2: their batches, $3: from, $4: to before.
SELECT s.claim, i.index, i.input, r.attempt, r.last_attempt, r.losses
FROM unnest($1::bigint[], $2::uuid[], $3::integer[], $4::integer[]) AS s (claim, batch_id, first_index, end_index)
CROSS JOIN LATERAL (
    SELECT index, input FROM batch_items
    WHERE batch_id = s.batch_id AND index >= s.first_index AND index < s.end_index
    ORDER BY index
    -- Nothing is looked up beyond the stretch, however the planner joins.
    OFFSET 0
) AS i
LEFT JOIN LATERAL (
    SELECT * FROM item_retries WHERE batch_id = s.batch_id AND index = i.index LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT true AS there FROM batch_outcomes WHERE batch_id = s.batch_id AND index = i.index LIMIT 1
) AS o ON true
LEFT JOIN LATERAL (
    SELECT true AS there FROM item_leases WHERE batch_id = s.batch_id AND index = i.index LIMIT 1
) AS l ON true
WHERE r.due_at IS NULL AND o.there IS NULL AND l.there IS NULL
