-- Locks the cursors of the wanted batches, but not those that another publisher has locked; then, of batches whose
-- counts the claim is going to change, or whose outcomes may stop it, the counters. $1: batches.
WITH cursors AS MATERIALIZED (
    SELECT batch_id FROM batch_dispatch WHERE batch_id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED
), counters AS MATERIALIZED (
    SELECT c.batch_id
    FROM cursors
    JOIN batches b ON b.id = cursors.batch_id
    JOIN batch_counters c ON c.batch_id = cursors.batch_id
    WHERE b.state IN ('pending', 'processing')
      AND (b.state = 'pending' OR b.started_at IS NULL OR b.guarded OR c.retrying + c.returned > 0)
    ORDER BY c.batch_id
    FOR NO KEY UPDATE OF c
)
SELECT cursors.batch_id, counters.batch_id IS NOT NULL AS counts
FROM cursors
LEFT JOIN counters ON counters.batch_id = cursors.batch_id
