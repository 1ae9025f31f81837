//! Rows that somebody changed behind the program's back are found.

use flotilla_postgres::PostgresOptions;
use flotilla_tests::conformance::store::samples::{failure, success};

use super::fixture;

#[tokio::test]
async fn a_batch_that_does_not_add_up_is_found() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.dispatched(5).await;
    t.record(vec![success(id, 0), success(id, 1), failure(id, 2, "no")])
        .await;
    t.assert_consistent(id).await;
    let planted = [
        (
            "succeeded items",
            "UPDATE batch_counters SET succeeded = succeeded + 1",
            "UPDATE batch_counters SET succeeded = succeeded - 1",
        ),
        (
            "items with an outcome and something else",
            "INSERT INTO item_retries (batch_id, index, attempt) SELECT id, 0, 2 FROM batches",
            "DELETE FROM item_retries",
        ),
        (
            "outcomes of no item",
            "INSERT INTO batch_outcomes (batch_id, index, state, attempt, started_at, duration_us, recorded_at) \
             SELECT id, 7, 'succeeded', 1, now(), 1, now() FROM batches",
            "DELETE FROM batch_outcomes WHERE index = 7",
        ),
        (
            "dead letters of items that did not fail",
            "UPDATE dead_letters SET index = 1",
            "UPDATE dead_letters SET index = 2",
        ),
        (
            "items",
            "INSERT INTO batch_items (batch_id, index, input) SELECT id, 5, '1' FROM batches",
            "DELETE FROM batch_items WHERE index = 5",
        ),
    ];
    for (what, plant, mend) in planted {
        sandbox.sql(plant, &[]).await;
        let audit = t.store.audit(&t.space, id).await.expect("audits");
        let findings = audit.expect("is there").findings();
        assert!(
            findings.iter().any(|finding| finding.what == what),
            "{what}: {findings:?}"
        );
        sandbox.sql(mend, &[]).await;
        t.assert_consistent(id).await;
    }
    t.finish(id).await;
}
