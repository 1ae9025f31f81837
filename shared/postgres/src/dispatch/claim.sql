-- Claims items of batches whose cursors this transaction has locked.
-- $1: batches, $2: items wanted of each, $3: whether its counters are locked too, $4: now, $5: when the leases end.
WITH want AS (
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::boolean[]) AS w (batch_id, items, counts)
), room AS MATERIALIZED (
    -- How many items each batch may put in flight. `in_flight` is that of Tally::in_flight. The counts may be older than
    -- those of a recorder that commits now; newer ones leave more room, never less.
    SELECT want.batch_id, want.counts, b.total, d.next_index, b.state = 'pending' AS starts,
           greatest(0, least(want.items, b.concurrency - in_flight.items)) AS items
    FROM want
    JOIN batches b ON b.id = want.batch_id
    JOIN batch_dispatch d ON d.batch_id = want.batch_id
    JOIN batch_counters c ON c.batch_id = want.batch_id
    CROSS JOIN LATERAL (
        SELECT greatest(0, d.next_index - (c.succeeded + c.failed + c.cancelled + c.retrying + c.waiting)) AS items
    ) AS in_flight
    -- A batch that was sealed since its cursor was locked is left for the next time: its counters are not locked.
    WHERE b.state = 'processing' OR (b.state = 'pending' AND want.counts)
), due AS (
    SELECT room.batch_id, r.index
    FROM room
    CROSS JOIN LATERAL (
        SELECT index FROM item_retries
        WHERE batch_id = room.batch_id AND due_at <= $4
        ORDER BY index
        LIMIT room.items
    ) AS r
    WHERE room.counts
), taken AS (
    -- The row stays until there is an outcome: it knows which attempt this is.
    UPDATE item_retries r SET due_at = NULL
    FROM due
    WHERE r.batch_id = due.batch_id AND r.index = due.index
    RETURNING r.batch_id, r.index, r.attempt
), again AS (
    SELECT batch_id, count(*)::integer AS items,
           array_agg(index ORDER BY index) AS indices, array_agg(attempt ORDER BY index) AS attempts
    FROM taken
    GROUP BY batch_id
), granted AS (
    SELECT room.batch_id, room.starts, coalesce(again.items, 0) AS again, again.indices, again.attempts,
           room.next_index AS first_index,
           (room.next_index + least(room.items - coalesce(again.items, 0), room.total - room.next_index))::integer
               AS end_index
    FROM room
    LEFT JOIN again ON again.batch_id = room.batch_id
), claimed AS (
    SELECT * FROM granted WHERE again > 0 OR end_index > first_index
), moved AS (
    UPDATE batch_dispatch d SET next_index = claimed.end_index
    FROM claimed
    WHERE d.batch_id = claimed.batch_id AND claimed.end_index > claimed.first_index
), counted AS (
    UPDATE batch_counters c SET version = c.version + 1, retrying = c.retrying - claimed.again
    FROM claimed
    WHERE c.batch_id = claimed.batch_id AND (claimed.starts OR claimed.again > 0)
), started AS (
    UPDATE batches b SET state = 'processing', started_at = $4
    FROM claimed
    WHERE b.id = claimed.batch_id AND claimed.starts AND b.state = 'pending'
)
INSERT INTO dispatch_claims (batch_id, lease_until, first_index, end_index, indices, attempts)
SELECT batch_id, $5, first_index, end_index, coalesce(indices, '{}'), coalesce(attempts, '{}')
FROM claimed
ORDER BY batch_id
RETURNING id, batch_id, first_index, end_index, indices, attempts
