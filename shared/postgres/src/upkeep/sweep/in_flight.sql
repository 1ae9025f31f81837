-- Items of batch $1 that are in flight, $2 of them; see places.sql.
SELECT i.batch_id, i.index, NULL::integer AS settled, r.attempt, r.last_attempt, r.losses, r.kind, false AS due,
       l.kind AS lease_kind, l.until, l.progress, l.message, l.worker
FROM batch_dispatch d
CROSS JOIN LATERAL (
    SELECT batch_id, index FROM batch_items
    WHERE batch_id = $1 AND index < d.next_index
      AND NOT EXISTS (SELECT FROM batch_outcomes o WHERE o.batch_id = $1 AND o.index = batch_items.index)
    ORDER BY index
    OFFSET 0
) AS i
LEFT JOIN LATERAL (
    SELECT * FROM item_retries WHERE batch_id = $1 AND index = i.index LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT * FROM item_leases WHERE batch_id = $1 AND index = i.index LIMIT 1
) AS l ON true
WHERE d.batch_id = $1 AND r.due_at IS NULL AND l.kind IS DISTINCT FROM 'waiting'
ORDER BY i.index
LIMIT $2
