SELECT n.batch_id, n.index, o.attempt AS settled,
       r.attempt, r.last_attempt, r.losses, r.kind, r.due_at IS NOT NULL AS due,
       l.kind AS lease_kind, l.until, l.progress, l.message, l.worker
FROM unnest($1::uuid[], $2::integer[]) AS n (batch_id, index)
LEFT JOIN LATERAL (
    SELECT attempt FROM batch_outcomes WHERE batch_id = n.batch_id AND index = n.index LIMIT 1
) AS o ON true
LEFT JOIN LATERAL (
    SELECT * FROM item_retries WHERE batch_id = n.batch_id AND index = n.index LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT * FROM item_leases WHERE batch_id = n.batch_id AND index = n.index LIMIT 1
) AS l ON true
WHERE o.attempt IS NOT NULL OR r.attempt IS NOT NULL OR l.attempt IS NOT NULL
