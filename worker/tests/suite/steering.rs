//! Batches that are paused, cancelled or given tighter limits while a worker has items of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flotilla_core::BatchState;
use flotilla_core::job_type::{ExecSpec, HandlerSpec, JobType, JobTypes};
use flotilla_core::message::{ItemMessage, Verdict};
use flotilla_worker::Config;
use tokio::time::Instant;

use crate::support::fleet::{Fleet, item};
use crate::support::{eventually, pid, runs, shell};

fn probes(batch: u128, indices: std::ops::Range<u32>) -> Vec<ItemMessage> {
    indices
        .map(|index| item(batch, index, "probe", &index.to_string()))
        .collect()
}

/// True where all of `verdicts` are `expected`.
fn all(verdicts: &[(u32, Verdict)], expected: &Verdict) -> bool {
    verdicts.iter().all(|(_, verdict)| verdict == expected)
}

#[tokio::test]
async fn items_of_a_batch_that_is_halted_or_paused_do_not_start() {
    let fleet = Fleet::new().await;
    let cases = [
        (1, BatchState::Cancelling, Verdict::Cancelled),
        (2, BatchState::Cancelled, Verdict::Cancelled),
        (3, BatchState::Failed, Verdict::Cancelled),
        (4, BatchState::Completed, Verdict::Cancelled),
        (5, BatchState::Paused, Verdict::Released),
    ];
    for (batch, state, _) in &cases {
        fleet.progress.steer(*batch, *state, 0).await;
        // The index says which batch it is.
        let index = u32::try_from(*batch).unwrap();
        fleet.publish(probes(*batch, index..index + 1)).await;
    }
    let worker = fleet.start(fleet.config());
    let verdicts = fleet.judged(cases.len()).await;
    fleet.stop(worker).await;
    for (batch, state, expected) in cases {
        let said = verdicts.iter().find(|(index, _)| u128::from(*index) == batch);
        assert_eq!(said.unwrap().1, expected, "{state}");
    }
    assert_eq!(fleet.probe.started(), 0);
    assert_eq!(fleet.broker.acked(), 5, "nothing is left with the broker");
}

#[tokio::test]
async fn a_batch_that_was_forgotten_is_cancelled() {
    use flotilla_core::ports::Progress;
    let fleet = Fleet::new().await;
    fleet.progress.steer(1, BatchState::Processing, 0).await;
    let first = item(1, 0, "probe", "1");
    fleet.progress.forget(&first.space, first.batch).await.unwrap();
    fleet.publish(vec![first]).await;
    let worker = fleet.start(fleet.config());
    assert_eq!(fleet.judged(1).await, [(0, Verdict::Cancelled)]);
    fleet.stop(worker).await;
}

#[tokio::test]
async fn tighter_limits_bring_back_what_was_dispatched_before_them() {
    let fleet = Fleet::new().await;
    fleet.probe.permit_all();
    fleet.progress.steer(1, BatchState::Processing, 2).await;
    let mut items = probes(1, 0..4);
    for (epoch, item) in items.iter_mut().enumerate() {
        item.epoch = u32::try_from(epoch).unwrap();
    }
    fleet.publish(items).await;
    let worker = fleet.start(fleet.config());
    let mut verdicts = fleet.judged(4).await;
    fleet.stop(worker).await;
    verdicts.sort_by_key(|(index, _)| *index);
    assert!(all(&verdicts[..2], &Verdict::Released), "{verdicts:?}");
    let done = |(_, verdict): &(u32, Verdict)| matches!(verdict, Verdict::Done(_));
    assert!(verdicts[2..].iter().all(done), "{verdicts:?}");
}

#[tokio::test]
async fn a_pause_gives_back_what_waits_and_lets_go_on_what_runs() {
    let fleet = Fleet::new().await;
    fleet.progress.steer(1, BatchState::Processing, 0).await;
    fleet.publish(probes(1, 0..2_000)).await;
    let worker = fleet.start(Config {
        prefetch: Some(3_000),
        ..fleet.config()
    });
    fleet.started(4).await;
    let began = Instant::now();
    fleet.progress.steer(1, BatchState::Paused, 0).await;
    // All slots are taken all the time.
    let verdicts = fleet.judged(1_996).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(all(&verdicts, &Verdict::Released));
    fleet.probe.permit_all();
    let verdicts = fleet.judged(2_000).await;
    fleet.stop(worker).await;
    assert_eq!(fleet.probe.started(), 4);
    assert!(
        verdicts[1_996..]
            .iter()
            .all(|(_, verdict)| matches!(verdict, Verdict::Done(_)))
    );
    assert!(
        fleet.progress.questions.load(Ordering::SeqCst) < 20,
        "no question per item"
    );
}

#[tokio::test]
async fn a_resumed_batch_goes_on() {
    let fleet = Fleet::new().await;
    fleet.probe.permit_all();
    fleet.progress.steer(1, BatchState::Paused, 0).await;
    let worker = fleet.start(fleet.config());
    fleet.publish(probes(1, 0..3)).await;
    assert!(all(&fleet.judged(3).await, &Verdict::Released));
    // Even where that event is lost: what is given back on old news is worth a question.
    fleet.progress.loses_events.store(true, Ordering::SeqCst);
    fleet.progress.steer(1, BatchState::Processing, 0).await;
    let mut next = 3;
    eventually_published(&fleet, &mut next).await;
    fleet.stop(worker).await;
    assert!(next < 200, "given back {next} times");
}

/// Publishes an item whenever the last one was given back, as the publisher does, until one has run.
async fn eventually_published(fleet: &Fleet, next: &mut u32) {
    while fleet.probe.started() == 0 {
        fleet.publish(probes(1, *next..*next + 1)).await;
        *next += 1;
        fleet.judged(*next as usize).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_cancelled_batch_stops_what_runs_even_if_the_event_is_lost() {
    for loses_events in [false, true] {
        let fleet = Fleet::new().await;
        fleet.progress.loses_events.store(loses_events, Ordering::SeqCst);
        fleet.progress.steer(1, BatchState::Processing, 0).await;
        let items = [probes(1, 0..2), probes(2, 2..4)].concat();
        fleet.publish(items).await;
        let worker = fleet.start(fleet.config());
        fleet.started(4).await;
        let began = Instant::now();
        fleet.progress.steer(1, BatchState::Cancelling, 0).await;
        let verdicts = fleet.judged(2).await;
        // A second, and what a busy machine needs.
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert!(verdicts.iter().all(|(index, _)| *index < 2), "{verdicts:?}");
        assert!(all(&verdicts, &Verdict::Cancelled), "{verdicts:?}");
        fleet.probe.permit_all();
        let verdicts = fleet.judged(4).await;
        fleet.stop(worker).await;
        assert_eq!(verdicts.len(), 4);
    }
}

#[tokio::test]
async fn a_cancelled_item_takes_its_processes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = Fleet::new().await;
    let mut job_types = JobTypes::default();
    let script = "sleep 300 & echo $! > child; echo $$ > leader; wait";
    job_types.insert(
        "exec",
        JobType::new(HandlerSpec::Exec(ExecSpec {
            ..shell(dir.path(), script)
        })),
    );
    let worker = fleet.start(Config {
        job_types: std::sync::Arc::new(job_types),
        ..fleet.config()
    });
    fleet.publish(vec![item(1, 0, "exec", "1")]).await;
    let leader = pid(&dir.path().join("leader")).await;
    let child = pid(&dir.path().join("child")).await;
    fleet.progress.steer(1, BatchState::Cancelling, 0).await;
    assert_eq!(fleet.judged(1).await, [(0, Verdict::Cancelled)]);
    eventually("the processes to be gone", || {
        (!runs(leader) && !runs(child)).then_some(())
    })
    .await;
    fleet.stop(worker).await;
}

#[tokio::test]
async fn with_nobody_to_ask_items_run() {
    let fleet = Fleet::new().await;
    fleet.probe.permit_all();
    fleet.progress.hangs.store(true, Ordering::SeqCst);
    fleet.progress.steer(1, BatchState::Paused, 0).await;
    let worker = fleet.start(fleet.config());
    fleet
        .publish([probes(1, 0..50), probes(2, 50..100)].concat())
        .await;
    fleet.judged(100).await;
    fleet.stop(worker).await;
    assert_eq!(fleet.probe.started(), 100);
}

#[tokio::test]
async fn a_busy_worker_asks_about_a_batch_no_more_than_once_a_second() {
    let fleet = Fleet::new().await;
    fleet.probe.permit_all();
    fleet.progress.steer(1, BatchState::Processing, 0).await;
    let worker = fleet.start(fleet.config());
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_millis(2_500) {
        fleet.publish(probes(1, sent..sent + 50)).await;
        sent += 50;
        fleet.judged(sent as usize).await;
    }
    fleet.stop(worker).await;
    let questions = fleet.progress.questions.load(Ordering::SeqCst);
    assert!(
        questions <= 2 + began.elapsed().as_secs() as usize,
        "{questions} questions for {sent} items"
    );
}
