//! What every [`Progress`] promises.
//!
//! Each case gets two handles on one empty engine, as two processes have. [`progress_suite!`](crate::progress_suite)
//! makes one test of each case, so that a failure names the promise that was broken.
//!
//! [`Progress`]: flotilla_core::ports::Progress

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

pub mod active;
pub mod events;
pub mod fixture;
pub mod forgetting;
pub mod snapshots;
pub mod steering;
pub mod workers;

pub use fixture::Fixture;

/// Runs the suite on the engines that `$fresh` makes: the path, from the crate's root, of an `async fn() -> Fixture`.
#[macro_export]
macro_rules! progress_suite {
    ($fresh:path) => {
        $crate::progress_cases! { $fresh,
            snapshots {
                what_is_published_reads_back,
                an_unknown_batch_reads_as_none_in_its_place,
                a_newer_version_replaces_an_older_one,
                the_same_version_can_be_rewritten,
                what_a_newer_version_lacks_is_gone,
                versions_are_compared_as_numbers,
                any_order_ends_at_the_newest,
                concurrent_writers_end_at_the_newest,
                one_call_takes_many_snapshots,
            }
            active {
                only_what_is_not_final_is_active,
                active_batches_come_oldest_first,
                a_late_snapshot_does_not_bring_an_ended_batch_back,
                a_batch_that_runs_again_is_active_again,
            }
            steering {
                workers_learn_the_state_and_the_epoch,
                steering_follows_the_newest_version,
                an_unknown_batch_is_not_steered,
                an_event_tells_the_epoch,
                many_batches_are_steered_in_one_call,
            }
            forgetting {
                a_forgotten_batch_is_gone_and_reads_as_cancelled,
                a_late_snapshot_does_not_bring_a_forgotten_batch_back,
                only_the_forgotten_batch_is_gone,
                a_batch_that_was_never_there_can_be_forgotten,
                writers_and_a_forgetter_at_once_leave_nothing,
            }
            events {
                a_change_sends_an_event,
                what_changes_nothing_sends_no_event,
                a_space_hears_only_its_own,
                services_hear_every_space,
                events_come_from_now_on,
                a_slow_subscriber_holds_nobody_up,
            }
            workers {
                workers_are_listed_by_id,
                the_last_heartbeat_counts,
                a_silent_worker_is_forgotten,
                a_heartbeat_prolongs_a_workers_time,
                a_worker_is_told_to_drain_and_to_work_again,
                the_engine_answers,
                what_is_there_has_a_name_while_it_is_there,
            }
        }
    };
}

/// One test per case.
#[doc(hidden)]
#[macro_export]
macro_rules! progress_cases {
    ($fresh:path, $($group:ident { $($case:ident),+ $(,)? })+) => {
        $(mod $group {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::conformance::progress::$group::$case($fresh().await).await;
            })+
        })+
    };
}
