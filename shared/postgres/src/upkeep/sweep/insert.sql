-- Cancels items of batch $1: $2 are their indexes, $3 their attempts. $4: now.
INSERT INTO batch_outcomes (batch_id, index, state, attempt, started_at, duration_us, recorded_at)
SELECT $1, i.index, 'cancelled', i.attempt, $4, 0, $4
FROM unnest($2::integer[], $3::integer[]) AS i (index, attempt)
ON CONFLICT DO NOTHING
