//! What every [`Store`] promises.
//!
//! Each case gets an empty, migrated store. [`store_suite!`](crate::store_suite) makes one test of each, so that a failure names
//! the promise that was broken.
//!
//! [`Store`]: flotilla_core::ports::store::Store

pub mod aborts;
pub mod active;
pub mod artifacts;
pub mod claims;
pub mod commands;
pub mod consistency;
pub mod dead_letters;
pub mod expiring;
pub mod fixture;
pub mod follow_ups;
pub mod in_flight;
pub mod intake;
pub mod leases;
pub mod ledger;
pub mod limits;
pub mod losses;
pub mod opening;
pub mod rates;
pub mod reading;
pub mod recovery;
pub mod removal;
pub mod reopening;
pub mod results;
pub mod retries;
pub mod samples;
pub mod sending;
pub mod setup;
pub mod staying_open;
pub mod supply;
pub mod sweeping;
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
            artifacts {
                files_are_recorded_with_the_outcome,
                long_lists_are_read_alone,
            }
            opening {
                opening_again_answers_the_same_batch,
                an_idempotency_key_is_one_batch,
                one_of_many_concurrent_opens_is_new,
                a_discarded_batch_leaves_nothing,
                only_open_batches_are_discarded,
                abandoned_uploads_are_found,
                a_batch_is_created_at_once,
                creating_again_answers_the_same_batch,
                an_empty_batch_is_created_completed,
            }
            staying_open {
                a_batch_that_stays_open_is_accepted,
                items_are_appended_until_the_seal,
                an_append_that_is_not_kept_leaves_nothing,
                one_appends_at_a_time,
                a_silent_append_gives_way,
                an_append_has_a_begin,
                a_batch_is_not_sealed_in_the_middle_of_an_append,
                a_seal_does_not_wait_for_the_dead,
                a_batch_is_cancelled_in_the_middle_of_an_append,
                only_what_stays_open_is_appended_to,
                an_empty_batch_that_stays_open_is_completed_by_its_seal,
                what_nobody_seals_is_found,
                an_append_shows_that_somebody_is_there,
                concurrent_appends_do_not_mix,
            }
            sending {
                a_name_is_one_item_of_its_batch,
                names_are_free_again,
                what_is_skipped_is_listed,
                what_an_append_skipped_goes_with_it,
                a_producer_goes_on_where_it_was,
                producers_mix,
                a_portion_is_stored_whole_or_not_at_all,
                a_portion_needs_a_batch_that_takes_it,
                a_key_belongs_to_one_batch_for_a_time,
                keys_of_a_discarded_upload_are_free,
                keys_are_forgotten,
            }
            claims {
                items_come_in_order_and_byte_exact,
                the_first_claim_starts_the_batch,
                nothing_is_claimed_from_what_does_not_dispatch,
                one_call_serves_several_batches,
                no_item_is_claimed_twice,
            }
            limits {
                concurrency_is_a_bound,
                concurrent_claims_keep_the_bound,
                retries_are_within_the_bound,
                what_waits_leaves_its_room,
                suspects_share_the_room_of_their_batch,
                a_changed_bound_holds_from_the_next_claim,
                nothing_goes_out_while_paused,
                nothing_goes_out_while_cancelling,
                a_manual_start_waits_for_somebody,
                a_start_time_is_kept,
                a_start_time_is_cut_short_by_hand,
                a_canary_runs_alone,
            }
            rates {
                a_rate_is_kept,
                concurrent_claims_keep_the_rate,
                retries_count_against_the_rate,
                a_changed_rate_holds,
                the_ceiling_of_a_space_is_over_all_of_its_batches,
                the_ceiling_of_a_job_type_is_over_every_space,
                a_ceiling_may_be_a_rate,
                concurrent_claims_keep_a_ceiling,
            }
            active {
                nobody_hides_the_batches_of_others,
                what_can_not_dispatch_hides_nothing,
                what_is_in_flight_is_seen_in_every_state,
                active_batches_are_what_can_move,
                the_next_retry_is_told,
                suspects_are_counted_apart,
                due_items_are_counted_as_far_as_it_matters,
                the_next_start_is_told,
                ceilings_are_told_with_what_is_used_of_them,
            }
            supply {
                the_supply_of_a_batch_is_what_publishers_see,
                every_batch_has_a_supply,
                the_ceilings_over_a_batch_are_told,
                a_rate_tells_when_it_goes_on,
            }
            in_flight {
                what_is_in_flight_is_listed,
                a_look_goes_on_where_the_last_one_ended,
                only_batches_under_way_are_looked_at,
                what_is_lost_goes_out_again,
                what_is_lost_is_sent_once,
                what_moved_since_is_not_sent_again,
                a_late_outcome_ends_a_resend,
                batches_that_ended_long_ago_are_found,
            }
            recovery {
                a_lease_that_is_over_is_taken_over,
                only_unsettled_items_are_taken_over,
                a_settled_claim_is_dropped,
                settled_claims_hide_no_others,
                a_takeover_is_limited,
                a_claim_is_taken_over_by_one,
                a_published_claim_has_ended,
                a_lost_broker_is_repaired_once,
                items_under_a_claim_are_not_lost,
                redispatched_items_go_first,
                a_late_outcome_ends_a_redispatch,
                redispatch_touches_nothing_else,
            }
            retries {
                a_failed_attempt_is_repeated_when_it_is_due,
                a_handler_may_put_a_retry_off,
                due_items_go_before_new_ones,
                a_retry_told_twice_is_one,
                an_item_has_so_many_attempts,
                a_permanent_failure_ends_an_item_at_once,
                success_of_an_earlier_attempt_counts,
                only_the_attempt_under_way_can_fail,
                failed_attempts_are_remembered,
                a_resting_item_says_why,
                a_second_attempt_survives_the_loss_of_a_broker,
                items_that_rest_are_not_redispatched,
                items_that_came_back_are_not_taken_over,
                a_second_attempt_is_taken_over_as_one,
                the_outcome_is_that_of_the_attempt_that_ended_it,
            }
            losses {
                what_is_given_back_goes_out_first,
                given_back_twice_is_given_back_once,
                what_is_given_back_may_still_succeed,
                a_paused_batch_takes_back_what_has_not_started,
                cancelled_in_a_batch_that_goes_on_is_given_back,
                a_suspect_is_sent_to_run_alone,
                a_suspect_stays_one,
                an_item_is_lost_so_often_and_no_more,
                a_loss_told_twice_is_one,
            }
            leases {
                an_item_waits_for_its_callback,
                no_item_waits_longer_than_its_batch_allows,
                a_callback_completes_an_item,
                a_callback_may_come_before_the_item_waits,
                a_callback_may_ask_for_another_attempt,
                a_lease_is_renewed,
                a_worker_keeps_an_item,
                a_lease_that_is_over_fails_its_attempt,
                the_last_lease_that_is_over_fails_its_item,
                leases_are_ended_in_turns,
                waiting_needs_callbacks,
                what_waits_is_not_given_back,
                only_items_have_a_place,
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
            commands {
                a_command_is_done_once_or_not_at_all,
                only_the_batches_of_a_space_are_steered,
                history_says_who_did_what_and_when,
                history_is_the_latest_thousand,
                a_pause_is_told_while_it_lasts,
                a_paused_batch_goes_on_where_it_was,
                a_paused_batch_may_end,
                changes_are_kept,
                a_new_priority_holds,
                a_failure_threshold_pauses_its_batch,
                a_failure_threshold_fails_its_batch,
                an_empty_batch_is_cancelled_at_once,
                of_many_at_once_one_did_it,
                commands_and_reports_do_not_lose_each_other,
            }
            sweeping {
                what_does_not_run_is_cancelled_first,
                what_runs_is_cancelled_after_its_grace,
                late_reports_of_cancelled_items_are_ignored,
                reports_of_a_batch_that_is_being_cancelled_settle_its_items,
                a_batch_ends_as_what_halted_it,
                attempts_of_cancelled_items_count,
                nothing_else_is_swept,
                batches_that_are_being_cancelled_are_found,
                claims_of_a_cancelled_batch_lead_nowhere,
                items_of_later_attempts_are_cancelled_with_the_others,
                batches_whose_deadline_has_passed_are_found,
            }
            reopening {
                failed_items_run_again,
                each_end_is_a_revision,
                items_with_one_error_run_again,
                named_items_run_again,
                cancelled_items_run_again,
                a_batch_that_never_started_starts,
                a_dry_run_only_counts,
                a_selection_of_nothing_changes_nothing,
                only_what_may_be_opened_again_is,
                a_running_batch_is_reopened_as_it_is,
                reports_of_an_earlier_life_are_ignored,
                an_item_has_all_of_its_attempts_again,
                what_was_lost_may_run_beside_others_again,
                a_deadline_that_has_passed_is_lifted,
                history_tells_of_it,
                an_item_is_reopened_by_one,
                a_batch_that_was_to_start_later_is_reopened_to_its_start,
            }
            dead_letters {
                a_failed_item_leaves_a_dead_letter,
                whatever_an_item_died_of,
                nothing_else_leaves_one,
                dead_letters_come_in_pages,
                dead_letters_are_filtered,
                dead_letters_are_grouped_by_error,
                dead_letters_are_counted_by_batch,
                a_discarded_dead_letter_is_gone,
                a_redriven_item_is_not_dead,
                only_items_with_a_dead_letter_are_redriven,
                a_space_has_its_own_dead_letters,
            }
            removal {
                a_deleted_batch_is_invisible,
                a_deleted_batch_is_removed_in_turns,
                the_key_of_a_deleted_batch_is_free,
                a_running_batch_is_deleted_by_force,
                reports_about_a_deleted_batch_still_end_it,
                only_deleted_batches_are_removed,
                a_space_deletes_its_own,
                an_open_batch_is_deleted_by_force,
                what_is_being_removed_is_watched,
            }
            expiring {
                parts_are_due_when_their_time_is_over,
                every_end_counts,
                inputs_are_removed_in_steps,
                what_was_skipped_goes_with_the_inputs,
                outputs_are_removed_in_steps,
                dead_letters_are_removed_in_steps,
                without_inputs_nothing_runs_again,
                without_outputs_items_run_again,
                while_a_part_is_removed_nothing_runs_again,
                what_runs_again_is_kept,
                a_deleted_batch_has_nothing_due,
                several_may_remove_a_part,
                nothing_goes_before_its_archive,
                a_batch_with_an_end_of_its_own_is_kept_to_it,
                outputs_of_items_that_never_ran_are_no_trouble,
            }
            follow_ups {
                a_batch_calls_for_its_follow_up_when_it_ends,
                a_cancelled_batch_calls_for_none,
                what_was_created_is_not_pending,
                each_result_calls_for_one,
                a_deleted_batch_has_no_follow_up,
                a_follow_up_is_created_once,
            }
            reading {
                outcomes_read_back,
                batches_come_newest_first_in_pages,
                batches_are_listed_by_state,
                names_come_as_batches_do,
                items_come_in_input_order_in_pages,
                items_are_listed_by_state,
                an_item_is_found_by_its_name,
                a_space_sees_only_its_own,
                batches_are_watched_to_their_end,
                ended_batches_are_listed_by_their_ends,
            }
            setup {
                the_schema_can_be_migrated_again,
                a_deployment_has_one_secret,
                the_store_tells_the_time,
            }
            walk { counts_rows_and_results_agree_after_any_interleaving }
            aborts {
                dropped_calls_leave_all_or_nothing,
                dropped_appends_leave_all_or_nothing,
                dropped_removals_go_on,
            }
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
