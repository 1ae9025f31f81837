-- Items that failed before there were dead letters get theirs, so that they can be redriven too. A migration of its own:
-- it may take a while, and nobody has to wait for it.
INSERT INTO dead_letters
    (batch_id, index, space, job_type, error_kind, error_message, fingerprint, attempts, worker, started_at, dead_at)
SELECT o.batch_id, o.index, b.space, b.job_type, o.error_kind, o.error_message, o.fingerprint, o.attempt, o.worker,
       o.started_at, o.recorded_at
FROM batches b
JOIN batch_outcomes o ON o.batch_id = b.id AND o.state = 'failed'
WHERE o.error_kind IS NOT NULL AND o.error_message IS NOT NULL AND o.fingerprint IS NOT NULL
ON CONFLICT DO NOTHING;
