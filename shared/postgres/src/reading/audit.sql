-- Counts the rows of batch $1, which has $2 items as far as readers know. $3: it is open, and somebody may be appending.
WITH outcomes AS (
    SELECT count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE index < 0 OR index >= $2) AS strays
    FROM batch_outcomes
    WHERE batch_id = $1
), retries AS (
    SELECT count(*) FILTER (WHERE r.due_at IS NOT NULL AND r.kind = 'retrying') AS retrying,
           count(*) FILTER (WHERE r.due_at IS NOT NULL AND r.kind = 'returned') AS returned,
           count(o.index) AS torn, coalesce(sum(r.resends), 0) AS resent
    FROM item_retries r
    LEFT JOIN batch_outcomes o ON o.batch_id = r.batch_id AND o.index = r.index
    WHERE r.batch_id = $1
), leases AS (
    SELECT count(*) FILTER (WHERE l.kind = 'waiting') AS waiting, count(*) FILTER (WHERE l.kind = 'leased') AS leased,
           count(o.index) AS torn
    FROM item_leases l
    LEFT JOIN batch_outcomes o ON o.batch_id = l.batch_id AND o.index = l.index
    WHERE l.batch_id = $1
), dead AS (
    SELECT count(*) AS dead_letters, count(*) FILTER (WHERE o.state IS DISTINCT FROM 'failed') AS stray_dead_letters
    FROM dead_letters d
    LEFT JOIN batch_outcomes o ON o.batch_id = d.batch_id AND o.index = d.index
    WHERE d.batch_id = $1
)
SELECT (SELECT count(*) FROM batch_items WHERE batch_id = $1 AND (NOT $3 OR index < $2)) AS items,
       outcomes.succeeded, outcomes.failed, outcomes.cancelled, outcomes.strays, retries.retrying, retries.returned,
       leases.waiting, leases.leased, retries.torn + leases.torn AS torn, dead.dead_letters, dead.stray_dead_letters,
       retries.resent::bigint AS resent, (SELECT count(*) FROM batch_results WHERE batch_id = $1) AS results,
       (SELECT next_index FROM batch_dispatch WHERE batch_id = $1) AS dispatched
FROM outcomes, retries, leases, dead
