//! What every [`Store`] promises.
//!
//! Each case gets an empty, migrated store. [`store_suite!`](crate::store_suite) makes one test of each, so that a failure names
//! the promise that was broken.
//!
//! [`Store`]: flotilla_core::ports::store::Store

pub mod aborts;
pub mod claims;
pub mod fixture;
pub mod intake;
pub mod ledger;
pub mod opening;
pub mod reading;
pub mod recovery;
pub mod results;
pub mod samples;
pub mod walk;

pub use fixture::Fixture;

/// Runs the suite on the stores that `$fresh` makes: the path, from the crate's root, of an
/// `async fn() -> (Arc<dyn Store>, Box<dyn Any + Send + Sync>)` whose second part keeps alive what the store needs.
#[macro_export]
macro_rules! store_suite {
    ($fresh:path) => {
        $crate::store_cases! { $fresh,
            intake {
                an_upload_is_counted_and_sealed,
                items_must_follow_each_other,
                a_sealed_batch_takes_no_items,
                a_batch_is_sealed_once,
                an_unknown_batch_is_a_conflict,
                an_empty_batch_completes_at_once,
                odd_inputs_survive,
            }
            opening {
                opening_again_answers_the_same_batch,
                an_idempotency_key_is_one_batch,
                one_of_many_concurrent_opens_is_new,
                a_discarded_batch_leaves_nothing,
                only_open_batches_are_discarded,
                abandoned_uploads_are_found,
            }
            claims {
                items_come_in_order_and_byte_exact,
                the_first_claim_starts_the_batch,
                nothing_is_claimed_from_what_does_not_dispatch,
                one_call_serves_several_batches,
                no_item_is_claimed_twice,
                concurrency_is_a_bound,
                concurrent_claims_keep_the_bound,
                active_batches_are_what_can_move,
                nobody_hides_the_batches_of_others,
            }
            recovery {
                a_lease_that_is_over_is_taken_over,
                only_unsettled_items_are_taken_over,
                a_settled_claim_is_dropped,
                a_takeover_is_limited,
                a_claim_is_taken_over_by_one,
                a_published_claim_has_ended,
                a_lost_broker_is_repaired_once,
                items_under_a_claim_are_not_lost,
                redispatched_items_go_first,
                a_late_outcome_ends_a_redispatch,
                redispatch_touches_nothing_else,
            }
            ledger {
                counts_are_what_was_recorded,
                a_duplicate_changes_nothing,
                the_first_outcome_counts,
                unknown_items_and_batches_are_ignored,
                an_item_that_was_never_dispatched_upsets_no_count,
                several_batches_in_one_call,
                versions_only_grow,
            }
            results {
                the_last_outcome_writes_the_result,
                the_result_is_that_of_the_rows,
                concurrent_recorders_finish_a_batch_once,
            }
            reading {
                outcomes_read_back,
                batches_come_newest_first_in_pages,
                batches_are_listed_by_state,
                items_come_in_input_order_in_pages,
                items_are_listed_by_state,
                a_space_sees_only_its_own,
                running_batches_are_watched_to_their_end,
                the_schema_can_be_migrated_again,
            }
            walk { counts_rows_and_result_agree_after_any_interleaving }
            aborts { dropped_calls_leave_all_or_nothing }
        }
    };
}

/// One test per case.
#[doc(hidden)]
#[macro_export]
macro_rules! store_cases {
    ($fresh:path, $($group:ident { $($case:ident),+ $(,)? })+) => {
        $(mod $group {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, guard) = $fresh().await;
                let fixture = $crate::conformance::store::Fixture::new(store, guard);
                $crate::conformance::store::$group::$case(fixture).await;
            })+
        })+
    };
}
