//! What every [`Broker`] promises.
//!
//! Each case gets a broker without queues. [`broker_suite!`](crate::broker_suite) makes one test of each, so that a
//! failure names the promise that was broken.
//!
//! [`Broker`]: flotilla_core::ports::broker::Broker

pub mod dead;
pub mod fixture;
pub mod isolation;
pub mod queues;
pub mod settling;
pub mod sharing;
pub mod travel;

/// Runs the suite on the brokers that `$fresh` makes: the path, from the crate's root, of an
/// `async fn() -> (Arc<dyn Broker>, Box<dyn Any + Send + Sync>)` whose second part keeps alive what the broker needs.
#[macro_export]
macro_rules! broker_suite {
    ($fresh:path) => {
        $crate::broker_cases! { $fresh,
            queues {
                declaring_again_is_fine,
                a_check_names_what_is_missing,
                the_depth_counts_what_waits_and_who_consumes,
                publishing_to_a_missing_queue_is_an_error,
                a_subscription_without_a_bound_is_refused,
            }
            travel {
                an_item_arrives_as_it_was_sent,
                a_report_arrives_as_it_was_sent,
                five_thousand_items_arrive_exactly_once,
                every_pool_has_its_own_queue,
                no_items_are_fine,
                a_publish_may_be_dropped,
            }
            settling {
                the_prefetch_is_a_bound,
                acks_may_come_in_any_order,
                what_is_released_comes_again_and_is_counted,
                what_a_dropped_subscription_had_comes_again,
                deliveries_can_stop_before_they_are_settled,
                stale_tags_are_harmless,
            }
            sharing {
                consumers_of_items_share_them,
                one_consumer_of_reports_is_active_and_the_next_takes_over,
            }
            isolation {
                suspects_go_only_to_consumers_of_isolation,
                every_pool_has_its_own_isolation,
                suspects_come_one_at_a_time,
                a_suspect_says_how_often_it_came_back,
                a_suspect_that_comes_back_too_often_is_dead,
                a_suspect_that_is_rejected_is_dead_whole,
                the_depth_of_isolation_is_its_own,
            }
            dead {
                what_is_rejected_is_dead,
                what_comes_back_too_often_is_dead,
                what_is_dead_can_be_settled,
            }
        }
    };
}

/// One test per case.
#[doc(hidden)]
#[macro_export]
macro_rules! broker_cases {
    ($fresh:path, $($module:ident { $($case:ident),* $(,)? })*) => {
        $(mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (broker, _guard) = $fresh().await;
                    $crate::conformance::broker::$module::$case(broker.as_ref()).await;
                }
            )*
        })*
    };
}
