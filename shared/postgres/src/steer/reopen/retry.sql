-- $1: batch, $2: indexes, $3: next attempts, $4: last attempts, $5: now.
INSERT INTO item_retries (batch_id, index, attempt, last_attempt, losses, due_at, kind)
SELECT $1, i.index, i.attempt, i.last_attempt, 0, $5, 'retrying'
FROM unnest($2::integer[], $3::integer[], $4::integer[]) AS i (index, attempt, last_attempt)
ON CONFLICT (batch_id, index) DO UPDATE
SET attempt = excluded.attempt, last_attempt = excluded.last_attempt, losses = 0, due_at = excluded.due_at,
    kind = excluded.kind
