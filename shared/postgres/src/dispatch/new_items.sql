-- The items of stretches. $1: claims, $2: their batches, $3: from, $4: to before.
SELECT s.claim, i.index, i.input
FROM unnest($1::bigint[], $2::uuid[], $3::integer[], $4::integer[]) AS s (claim, batch_id, first_index, end_index)
CROSS JOIN LATERAL (
    SELECT index, input FROM batch_items
    WHERE batch_id = s.batch_id AND index >= s.first_index AND index < s.end_index
    ORDER BY index
    -- The stretch is walked by key, however the planner joins.
    OFFSET 0
) AS i
