-- What the first version left: a batch that ended, one that runs, and an upload.
INSERT INTO batches (id, space, idempotency_key, name, job_type, pool, priority, concurrency, max_attempts, timeout_ms,
                     state, total, max_input_bytes, input_bytes, created_at, last_append_at, sealed_at, started_at,
                     completed_at)
VALUES ('01000000-0000-7000-8000-000000000001', 'old', 'key', 'a name', 'echo', 'default', 0, NULL, 3, 30000,
        'completed', 3, 8, 24, now() - interval '1 hour', now(), now(), now(), now()),
       ('01000000-0000-7000-8000-000000000002', 'old', NULL, NULL, 'echo', 'default', 5, 10, 3, 30000,
        'processing', 5, 8, 40, now() - interval '1 hour', now(), now(), now(), NULL),
       ('01000000-0000-7000-8000-000000000003', 'old', NULL, NULL, '', 'default', 0, NULL, 1, 300000,
        'open', 2, 8, 16, now(), now(), NULL, NULL, NULL);

INSERT INTO batch_counters (batch_id, version, retrying, succeeded, failed, detail)
VALUES ('01000000-0000-7000-8000-000000000001', 4, 0, 1, 2,
        '{"attempts":3,"duration_us":6000,"durations":{},"errors":{"aaaaaaaaaaaa":{"count":1,"sample":"took over 30 s","first":1},"bbbbbbbbbbbb":{"count":1,"sample":"broke","first":2}}}'),
       ('01000000-0000-7000-8000-000000000002', 7, 1, 1, 0, '{"attempts":1,"duration_us":1000}'),
       ('01000000-0000-7000-8000-000000000003', 0, 0, 0, 0, '{}');

INSERT INTO batch_dispatch (batch_id, next_index)
VALUES ('01000000-0000-7000-8000-000000000001', 3),
       ('01000000-0000-7000-8000-000000000002', 3),
       ('01000000-0000-7000-8000-000000000003', 0);

INSERT INTO batch_items (batch_id, index, custom_id, input)
SELECT b.id, i.index, NULL, '{"n": ' || i.index || '}'
FROM batches b CROSS JOIN LATERAL generate_series(0, b.total - 1) AS i (index);

INSERT INTO batch_outcomes (batch_id, index, state, attempt, output, error_kind, error_message, fingerprint, started_at,
                            duration_us, worker, recorded_at)
VALUES ('01000000-0000-7000-8000-000000000001', 0, 'succeeded', 1, '0', NULL, NULL, NULL, now(), 1000, 'w', now()),
       ('01000000-0000-7000-8000-000000000001', 1, 'failed', 1, NULL, 'timeout', 'took over 30 s', 'aaaaaaaaaaaa', now(),
        2000, 'w', now()),
       ('01000000-0000-7000-8000-000000000001', 2, 'failed', 1, NULL, 'handler', 'broke', 'bbbbbbbbbbbb', now(), 3000, 'w',
        now()),
       ('01000000-0000-7000-8000-000000000002', 0, 'succeeded', 1, '0', NULL, NULL, NULL, now(), 1000, 'w', now());

INSERT INTO batch_results (batch_id, revision, space, result, created_at)
VALUES ('01000000-0000-7000-8000-000000000001', 1, 'old',
        '{"batch_id":"01000000-0000-7000-8000-000000000001","revision":1,"total_time_ms":3600000,"avg_item_time_ms":2.0,"success_rate":0.3333,"result_summary":{"total":3,"succeeded":1,"failed":2,"cancelled":0,"attempts":3,"p50_ms":null,"p95_ms":null,"p99_ms":null,"errors":[{"fingerprint":"aaaaaaaaaaaa","count":1,"sample":"took over 30 s"},{"fingerprint":"bbbbbbbbbbbb","count":1,"sample":"broke"}]},"created_at":"2025-01-01T00:00:00Z"}',
        now());

-- One item waits for its next dispatch, one went out again, under a claim whose publisher is gone.
INSERT INTO item_retries (batch_id, index, attempt, due_at)
VALUES ('01000000-0000-7000-8000-000000000002', 1, 1, now() - interval '1 minute'),
       ('01000000-0000-7000-8000-000000000002', 2, 2, NULL);

INSERT INTO dispatch_claims (batch_id, lease_until, first_index, end_index, indices, attempts)
VALUES ('01000000-0000-7000-8000-000000000002', now() - interval '1 minute', 3, 3, '{2}', '{2}');
