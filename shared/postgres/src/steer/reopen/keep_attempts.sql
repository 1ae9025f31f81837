-- $1: batch, $2: indexes.
INSERT INTO item_attempts
    (batch_id, index, attempt, error_kind, error_message, started_at, duration_us, worker)
SELECT batch_id, index, attempt, error_kind, error_message, started_at, duration_us, worker
FROM batch_outcomes
WHERE batch_id = $1 AND index = ANY($2) AND state = 'failed'
ON CONFLICT DO NOTHING
