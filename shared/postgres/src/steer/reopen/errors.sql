-- The failures that batch $1 has left, by fingerprint, in the order of their first item; those after the first $2 groups
-- are one.
WITH groups AS (
    SELECT fingerprint, count(*) AS items, min(index) AS first
    FROM batch_outcomes
    WHERE batch_id = $1 AND state = 'failed'
    GROUP BY fingerprint
), ranked AS (
    SELECT *, row_number() OVER (ORDER BY first) <= $2::bigint AS kept FROM groups
), merged AS (
    SELECT CASE WHEN kept THEN fingerprint ELSE 'other' END AS fingerprint, sum(items)::bigint AS items,
           min(first) AS first
    FROM ranked
    GROUP BY 1
)
SELECT m.fingerprint, m.items, m.first, o.error_message AS sample
FROM merged m
JOIN batch_outcomes o ON o.batch_id = $1 AND o.index = m.first
ORDER BY m.first
