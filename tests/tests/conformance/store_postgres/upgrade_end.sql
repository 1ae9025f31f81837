-- What the recorder of the first version does with the last outcomes of the batch that runs.
BEGIN;
SELECT FROM batch_counters WHERE batch_id = '01000000-0000-7000-8000-000000000002' FOR NO KEY UPDATE;
UPDATE batch_dispatch SET next_index = 5 WHERE batch_id = '01000000-0000-7000-8000-000000000002';
INSERT INTO batch_outcomes
    (batch_id, index, state, attempt, output, output_key, output_bytes, error_kind, error_message, fingerprint,
     started_at, duration_us, worker, recorded_at)
SELECT '01000000-0000-7000-8000-000000000002', i, CASE WHEN i = 1 THEN 'succeeded' ELSE 'failed' END, 1,
       CASE WHEN i = 1 THEN '1' END, NULL, NULL, CASE WHEN i > 1 THEN 'handler' END, CASE WHEN i > 1 THEN 'broke' END,
       CASE WHEN i > 1 THEN 'bbbbbbbbbbbb' END, now(), 1000, 'w', now()
FROM generate_series(1, 4) AS i
ON CONFLICT DO NOTHING;
DELETE FROM item_retries WHERE batch_id = '01000000-0000-7000-8000-000000000002';
UPDATE batch_counters c
SET version = 8, retrying = 0, waiting = 0, succeeded = 2, failed = 3, cancelled = 0,
    detail = '{"attempts":5,"duration_us":5000,"errors":{"bbbbbbbbbbbb":{"count":3,"sample":"broke","first":2}}}'
WHERE c.batch_id = '01000000-0000-7000-8000-000000000002';
UPDATE batches SET state = 'completed', completed_at = now()
WHERE id = '01000000-0000-7000-8000-000000000002' AND state = 'processing';
INSERT INTO batch_results (batch_id, revision, space, result, created_at)
VALUES ('01000000-0000-7000-8000-000000000002', 1, 'old',
        '{"batch_id":"01000000-0000-7000-8000-000000000002","revision":1,"total_time_ms":3600000,"avg_item_time_ms":1.0,"success_rate":0.4,"result_summary":{"total":5,"succeeded":2,"failed":3,"cancelled":0,"attempts":5,"p50_ms":null,"p95_ms":null,"p99_ms":null,"errors":[{"fingerprint":"bbbbbbbbbbbb","count":3,"sample":"broke"}]},"created_at":"2025-01-01T00:00:00Z"}',
        now())
ON CONFLICT DO NOTHING;
COMMIT;
