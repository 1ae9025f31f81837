SELECT s.scope, k.tokens, k.refilled_at, coalesce(u.in_flight, 0) AS in_flight
FROM unnest($1::text[], $2::text[], $3::text[]) AS s (scope, space, job_type)
LEFT JOIN dispatch_scopes k ON k.scope = s.scope
LEFT JOIN LATERAL (
    SELECT sum(greatest(
        0, d.next_index - (c.succeeded + c.failed + c.cancelled + c.retrying + c.returned + c.waiting)
    )) AS in_flight
    FROM batches b
    JOIN batch_counters c ON c.batch_id = b.id
    JOIN batch_dispatch d ON d.batch_id = b.id
    WHERE b.state IN ('pending', 'processing', 'paused', 'cancelling')
      AND (b.space = s.space OR b.job_type = s.job_type)
) AS u ON true
