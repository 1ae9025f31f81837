#![cfg(test)]
//! Nothing lost, nothing stuck: the fast slice of the matrix of faults. `scripts/chaos matrix` runs all of it, with more
//! items and longer faults.
//!
//! A test is a fleet of its own on servers of its own, which meets several faults, one after the other; only so many
//! fleets exist at once.

use flotilla_tests::chaos::run_slice;
use tokio::sync::Semaphore;

/// Fleets at once: each is eight processes and three servers.
static ROOM: Semaphore = Semaphore::const_new(2);

/// Items of an ordinary scenario.
const ITEMS: u32 = 1_200;

async fn holds(scenarios: &[&str]) {
    let _room = ROOM.acquire().await.expect("nobody closes it");
    let rows = run_slice(scenarios, ITEMS).await.expect("the faults can be made");
    for row in &rows {
        println!("{}", row.json());
    }
    let problems: Vec<String> = rows
        .iter()
        .filter(|row| !row.is_clean())
        .map(|row| format!("{}:\n{}", row.scenario, row.problems.join("\n")))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_lose_nothing() {
    holds(&[
        "no-fault",
        "kill-everybody",
        "kill-all-workers",
        "kill-all-schedulers",
        "kill-all-apis",
        "rolling-restart",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zombies_lose_nothing() {
    holds(&["zombie-schedulers"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_broker_loses_nothing() {
    holds(&["kill-broker", "freeze-broker", "memory-alarm", "max-length"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_store_loses_nothing() {
    holds(&["kill-store", "locked-tables", "store-half-open"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_live_view_loses_nothing() {
    holds(&[
        "kill-live-view",
        "flush-live-view",
        "full-live-view",
        "live-view-half-open",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_network_loses_nothing() {
    holds(&[
        "broker-half-open",
        "broker-reset",
        "store-reset",
        "live-view-reset",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_and_commands_may_come_in_any_order() {
    holds(&[
        "repeated-reports",
        "shuffled-reports",
        "contradicting-reports",
        "cancel-race-and-kills",
        "cut-uploads-and-kill",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_point_loses_nothing() {
    holds(&["every-point"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_messages_are_sent_again() {
    holds(&["purge-reports", "delete-work"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_embedded_process_loses_nothing() {
    holds(&["embedded-up-killed", "embedded-run-killed"]).await;
}
