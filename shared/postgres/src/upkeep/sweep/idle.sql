-- Items of batch $1 that are due or wait, $2 of them; see places.sql.
(
    SELECT r.batch_id, r.index, NULL::integer AS settled, r.attempt, r.last_attempt, r.losses, r.kind, true AS due,
           NULL::text AS lease_kind, NULL::timestamptz AS until, NULL::smallint AS progress, NULL::text AS message,
           NULL::text AS worker
    FROM item_retries r
    WHERE r.batch_id = $1 AND r.due_at IS NOT NULL
    ORDER BY r.index
    LIMIT $2
)
UNION ALL
(
    SELECT l.batch_id, l.index, NULL, r.attempt, r.last_attempt, r.losses, r.kind, r.due_at IS NOT NULL,
           l.kind, l.until, l.progress, l.message, l.worker
    FROM item_leases l
    LEFT JOIN LATERAL (
        SELECT * FROM item_retries WHERE batch_id = l.batch_id AND index = l.index LIMIT 1
    ) AS r ON true
    WHERE l.batch_id = $1 AND l.kind = 'waiting'
    ORDER BY l.index
    LIMIT $2
)
LIMIT $2
